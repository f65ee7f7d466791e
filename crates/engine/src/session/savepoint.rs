//! Savepoints: what a transaction block can go back to, also after an error.
//!
//! What a block has written is values that later statements replace, so a savepoint is a copy of a few
//! pointers.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use weir_catalog::Catalog;
use weir_types::{Error, ObjectId, Result, SqlState};

use super::{Block, Session, Transaction};
use crate::relation::Overlay;
use crate::settings::Settings;

/// A block as it was when a savepoint was defined.
pub(super) struct Savepoint {
    name: String,
    read_only: bool,
    catalog: Option<Arc<Catalog>>,
    n_ddl: usize,
    overlays: HashMap<ObjectId, Arc<Overlay>>,
    appended: HashMap<ObjectId, Arc<Vec<RecordBatch>>>,
    n_bytes: usize,
    /// Cursors declared before.
    n_cursors: u64,
    settings: Settings,
    /// Values to bring back at the transaction's end, remembered before.
    n_local: usize,
}

impl Block {
    /// What is left of the block after an error: itself, where it has a savepoint to go back to.
    pub(super) fn until_rolled_back(self: Box<Self>) -> Option<Box<Self>> {
        (!self.savepoints.is_empty()).then_some(self)
    }

    /// The newest savepoint of that name.
    fn savepoint(&self, name: &str) -> Result<usize> {
        let found = self.savepoints.iter().rposition(|savepoint| savepoint.name == name);
        found.ok_or_else(|| unknown(name))
    }

    /// Undoes all that came after the savepoint, which stays. Cursors declared before it stay open where
    /// they are.
    fn go_back_to(&mut self, position: usize) {
        self.savepoints.truncate(position + 1);
        let savepoint = &self.savepoints[position];
        self.read_only = savepoint.read_only;
        self.catalog.clone_from(&savepoint.catalog);
        self.ddl.truncate(savepoint.n_ddl);
        self.overlays.clone_from(&savepoint.overlays);
        self.appended.clone_from(&savepoint.appended);
        self.n_bytes = savepoint.n_bytes;
        let n_cursors = savepoint.n_cursors;
        self.cursors.retain(|_, cursor| cursor.number <= n_cursors);
    }
}

impl Session {
    /// `SAVEPOINT name`.
    ///
    /// # Errors
    /// 25P01 outside of a block.
    pub(crate) fn define_savepoint(&self, name: &str) -> Result<()> {
        let mut state = self.state.lock();
        let (settings, n_local) = (state.settings.clone(), state.local.len());
        let Transaction::Explicit(block) = &mut state.transaction else {
            return Err(outside("SAVEPOINT"));
        };
        let savepoint = Savepoint {
            name: name.to_owned(),
            read_only: block.read_only,
            catalog: block.catalog.clone(),
            n_ddl: block.ddl.len(),
            overlays: block.overlays.clone(),
            appended: block.appended.clone(),
            n_bytes: block.n_bytes,
            n_cursors: block.n_cursors,
            settings,
            n_local,
        };
        block.savepoints.push(savepoint);
        Ok(())
    }

    /// `RELEASE SAVEPOINT name`: forgets it and those after it, and keeps what came after it.
    ///
    /// # Errors
    /// 25P01 outside of a block, 3B001 where there is no such savepoint.
    pub(crate) fn release_savepoint(&self, name: &str) -> Result<()> {
        let mut state = self.state.lock();
        let Transaction::Explicit(block) = &mut state.transaction else {
            return Err(outside("RELEASE SAVEPOINT"));
        };
        let position = block.savepoint(name)?;
        block.savepoints.truncate(position);
        Ok(())
    }

    /// `ROLLBACK TO SAVEPOINT name`: also out of a failed block.
    ///
    /// # Errors
    /// 25P01 outside of a block, 3B001 where there is no such savepoint.
    pub(crate) fn roll_back_to_savepoint(&self, name: &str) -> Result<()> {
        let mut state = self.state.lock();
        let (mut block, failed) = match std::mem::take(&mut state.transaction) {
            Transaction::Explicit(block) => (block, false),
            Transaction::Failed(Some(block)) => (block, true),
            other => {
                let in_block = matches!(other, Transaction::Failed(_));
                state.transaction = other;
                return Err(if in_block {
                    unknown(name)
                } else {
                    outside("ROLLBACK TO SAVEPOINT")
                });
            }
        };
        let found = block.savepoint(name);
        if let Ok(position) = &found {
            block.go_back_to(*position);
            let savepoint = &block.savepoints[*position];
            let before = state.settings.reported();
            state.settings.clone_from(&savepoint.settings);
            state.local.truncate(savepoint.n_local);
            let after = state.settings.reported();
            state.parameter_changes.extend(after.into_iter().filter(|new| !before.contains(new)));
        }
        state.transaction = match failed && found.is_err() {
            true => Transaction::Failed(Some(block)),
            false => Transaction::Explicit(block),
        };
        found.map(|_| ())
    }
}

fn outside(statement: &str) -> Error {
    Error::new(
        SqlState::NoActiveSqlTransaction,
        format!("{statement} can only be used in transaction blocks"),
    )
}

fn unknown(name: &str) -> Error {
    Error::new(SqlState::InvalidSavepoint, format!("savepoint \"{name}\" does not exist"))
}
