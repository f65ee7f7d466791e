//! A transaction block: what it reads at, and what it has written and not committed.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::RecordBatch;
use weir_catalog::{Catalog, Object, ObjectBody, ObjectKind};
use weir_delta::rows;
use weir_types::planted::{self, Bug};
use weir_types::{Epoch, Error, ObjectId, Result, SqlState, Timestamp, limits};

use super::savepoint::Savepoint;
use super::{Session, State, Transaction};
use crate::commit::{DdlContext, DdlEffects, DdlStep, WriteSet};
use crate::pins::Pin;
use crate::read;
use crate::relation::{Overlay, StoredColumn, TableData};
use crate::shared::Shared;
use crate::statement::Cursor;
use crate::tables::{dropped_meanwhile, lost_race};

/// A transaction block.
pub(crate) struct Block {
    pub(crate) began: Timestamp,
    pub(crate) read_only: bool,
    /// The epoch that all its reads see, from its first read on.
    pub(crate) pin: Option<Pin>,
    /// The catalog with its own DDL, once there is some.
    pub(crate) catalog: Option<Arc<Catalog>>,
    pub(crate) ddl: Vec<DdlStep>,
    /// The catalog that its own DDL began with.
    pub(crate) before_ddl: Option<Arc<Catalog>>,
    /// Own changes of tables.
    pub(crate) overlays: HashMap<ObjectId, Arc<Overlay>>,
    /// Some of them are of INSERT with ON CONFLICT, to which a key that another takes meanwhile is no error of its own.
    pub(crate) has_upserts: bool,
    /// Own rows for streams: all columns, but those that the block added after the rows were made.
    pub(crate) appended: HashMap<ObjectId, Arc<Vec<RecordBatch>>>,
    /// What it wrote to, with its name and kind, for messages.
    written: HashMap<ObjectId, (ObjectKind, String)>,
    /// Tables that its own DDL made, for the row ids of their rows.
    pub(crate) new_tables: HashMap<ObjectId, Arc<TableData>>,
    /// Open cursors, by name.
    pub(crate) cursors: HashMap<String, Arc<Cursor>>,
    /// Cursors declared so far.
    pub(super) n_cursors: u64,
    /// What ROLLBACK TO can go back to, oldest first.
    pub(super) savepoints: Vec<Savepoint>,
    pub(super) n_bytes: usize,
}

impl Block {
    pub(crate) fn new(shared: &Shared, read_only: bool) -> Self {
        Self {
            began: shared.clock.now(),
            read_only,
            pin: None,
            catalog: None,
            ddl: Vec::new(),
            before_ddl: None,
            overlays: HashMap::new(),
            has_upserts: false,
            appended: HashMap::new(),
            written: HashMap::new(),
            new_tables: HashMap::new(),
            cursors: HashMap::new(),
            n_cursors: 0,
            savepoints: Vec::new(),
            n_bytes: 0,
        }
    }

    /// A number for the next cursor: they ascend.
    pub(crate) fn next_cursor(&mut self) -> u64 {
        self.n_cursors += 1;
        self.n_cursors
    }

    /// Counts rows that the block keeps until COMMIT.
    ///
    /// # Errors
    /// 54000 above the limit.
    pub(crate) fn charge(&mut self, n_bytes: usize) -> Result<()> {
        self.n_bytes += n_bytes;
        if self.n_bytes > limits::TRANSACTION_BYTES_MAX {
            return Err(Error::new(
                SqlState::ProgramLimitExceeded,
                format!(
                    "the transaction writes more than {} MiB",
                    limits::TRANSACTION_BYTES_MAX >> 20
                ),
            )
            .with_hint("Write in smaller transactions; COPY outside a block commits in chunks."));
        }
        Ok(())
    }

    /// Adds a catalog change, and makes it seen by the block's own statements.
    ///
    /// # Errors
    /// Of the change.
    pub(crate) fn add_ddl(&mut self, shared: &Shared, step: DdlStep) -> Result<()> {
        let current = self.catalog.clone().unwrap_or_else(|| shared.catalog());
        let mut catalog = current.as_ref().clone();
        let mut effects = DdlEffects::default();
        step(&mut DdlContext { catalog: &mut catalog, epoch: Epoch::MAX, effects: &mut effects })?;
        self.carry_over(&current, &catalog)?;
        if self.catalog.replace(Arc::new(catalog)).is_none() {
            self.before_ddl = Some(current);
        }
        self.ddl.push(step);
        Ok(())
    }

    /// Brings own rows from before a catalog change behind it: those of a table get the columns that it
    /// added, and what it dropped takes its own with it.
    fn carry_over(&mut self, before: &Catalog, after: &Catalog) -> Result<()> {
        let is_dropped = |id: &ObjectId| before.get(*id).is_some() && after.get(*id).is_none();
        self.overlays.retain(|id, _| !is_dropped(id));
        self.appended.retain(|id, _| !is_dropped(id));
        let mut n_bytes = 0;
        for (id, overlay) in &mut self.overlays {
            let (Some(before), Some(after)) = (before.get(*id), after.get(*id)) else { continue };
            let n_before = before.columns().len();
            // Rows of other columns have lost a race with another transaction: COMMIT tells so.
            if after.columns().len() == n_before || overlay.n_columns() != n_before {
                continue;
            }
            let columns =
                after.columns().iter().map(StoredColumn::new).collect::<Result<Vec<_>>>()?;
            let widened = overlay.widened(&columns)?;
            n_bytes += widened.n_bytes().saturating_sub(overlay.n_bytes());
            *overlay = Arc::new(widened);
        }
        self.charge(n_bytes)
    }

    /// Notes what a statement writes to.
    pub(crate) fn writes_to(&mut self, object: &Object) {
        self.written.entry(object.id).or_insert_with(|| (object.kind(), object.name.clone()));
    }

    /// What it wrote to, as the catalog that it commits with has it.
    ///
    /// # Errors
    /// 40001 where another transaction dropped it.
    fn target<'a>(&self, catalog: &'a Catalog, id: ObjectId) -> Result<&'a Arc<Object>> {
        catalog.get(id).ok_or_else(|| match self.written.get(&id) {
            Some((kind, name)) => dropped_meanwhile(*kind, name),
            None => Error::internal("a transaction wrote to an unknown relation"),
        })
    }

    /// True where it has written something.
    pub(crate) fn has_writes(&self) -> bool {
        !self.overlays.is_empty() || !self.appended.is_empty()
    }

    /// Refuses to read a materialized view that the block itself created, which has no rows yet, and one over
    /// something that the block wrote, which would be stale.
    fn check_fresh(&self, catalog: &Catalog, relations: &BTreeSet<ObjectId>) -> Result<()> {
        for id in relations {
            let Some(object) = catalog.get(*id) else { continue };
            let ObjectBody::MaterializedView(_) = object.body else { continue };
            if object.created == Epoch::MAX {
                return Err(Error::new(
                    SqlState::ObjectNotInPrerequisiteState,
                    format!(
                        "materialized view \"{}\" is filled after the transaction that creates it",
                        object.name
                    ),
                )
                .with_hint("COMMIT first."));
            }
            let written =
                |id: &ObjectId| self.overlays.contains_key(id) || self.appended.contains_key(id);
            if inputs(catalog, *id).iter().any(written) {
                return Err(Error::unsupported(format!(
                    "cannot read materialized view \"{}\" in the transaction that changed what it reads",
                    object.name
                ))
                .with_hint("COMMIT first."));
            }
        }
        Ok(())
    }
}

/// All that a materialized view reads, through other views.
fn inputs(catalog: &Catalog, id: ObjectId) -> BTreeSet<ObjectId> {
    let mut found = BTreeSet::new();
    let mut stack = vec![id];
    while let Some(id) = stack.pop() {
        let Some(object) = catalog.get(id) else { continue };
        for used in object.uses() {
            if found.insert(used) {
                stack.push(used);
            }
        }
    }
    found
}

impl Session {
    /// The epoch for a statement's reads of those relations, in the block or alone.
    ///
    /// # Errors
    /// As [`read::choose_epoch`], and those of an interrupt.
    pub(crate) async fn read_at(
        &self,
        catalog: &Catalog,
        relations: &BTreeSet<ObjectId>,
    ) -> Result<Pin> {
        let in_block = self
            .with_block(|block| block.check_fresh(catalog, relations).map(|()| block.pin.clone()));
        let mode = self.meaning().read_mode();
        match in_block.transpose()? {
            None => {
                let choose = read::choose_epoch(&self.shared, catalog, relations, None, mode);
                self.interrupt.or(choose).await
            }
            Some(Some(pin)) => {
                self.check_views_at(catalog, relations, &pin)?;
                let wait = read::wait_at(&self.shared, catalog, relations, pin.epoch());
                self.interrupt.or(wait).await?;
                Ok(pin)
            }
            Some(None) => {
                // The first read fixes the block's moment for every view: later statements may read them.
                let others: Vec<ObjectId> =
                    self.shared.views.all().into_iter().map(|(id, _)| id).collect();
                let later = Some(others.as_slice());
                let choose = read::choose_epoch(&self.shared, catalog, relations, later, mode);
                let pin = self.interrupt.or(choose).await?;
                self.with_block(|block| block.pin = Some(pin.clone()));
                Ok(pin)
            }
        }
    }

    /// Refuses a view that has no content at the block's epoch.
    fn check_views_at(
        &self,
        catalog: &Catalog,
        relations: &BTreeSet<ObjectId>,
        pin: &Pin,
    ) -> Result<()> {
        for id in relations {
            let Some(object) = catalog.get(*id) else { continue };
            if !matches!(object.body, ObjectBody::MaterializedView(_)) {
                continue;
            }
            self.shared.views.check_readable(&self.shared, catalog, *id, pin.epoch())?;
            if object.created > pin.epoch() {
                return Err(Error::new(
                    SqlState::ObjectNotInPrerequisiteState,
                    format!(
                        "materialized view \"{}\" is younger than the transaction's snapshot",
                        object.name
                    ),
                )
                .with_hint("COMMIT, and read it in a new transaction."));
            }
        }
        Ok(())
    }

    /// Commits all that the block wrote, as one epoch.
    ///
    /// # Errors
    /// 40001 for a lost race, 23505 for a key taken meanwhile; nothing has an effect then.
    pub(crate) async fn commit_block(&self, block: Block) -> Result<()> {
        let catalog = block.catalog.clone().unwrap_or_else(|| self.shared.catalog());
        let mut writes = WriteSet {
            read_epoch: block.pin.as_ref().map_or(Epoch::MAX, Pin::epoch),
            ddl: block.ddl.clone(),
            ..WriteSet::default()
        };
        for (id, overlay) in &block.overlays {
            let object = block.target(&catalog, *id)?;
            let change = overlay.change()?;
            // Rows that the block itself took out again leave nothing to write.
            if !change.is_empty() {
                writes.changes.push(crate::statement::encode_change(object, change)?);
            }
        }
        for (id, batches) in &block.appended {
            if planted::is(Bug::LostAppends) {
                continue;
            }
            let object = block.target(&catalog, *id)?;
            // Rows from before an ADD COLUMN lack it.
            for alike in batches.chunk_by(|a, b| a.num_columns() == b.num_columns()) {
                let rows = rows::concat(&alike[0].schema(), alike)?;
                let append = crate::statement::encode_append(&self.shared, object, &rows)?;
                writes.appends.push(append);
            }
        }
        if !writes.is_empty() {
            let outcome = self.shared.commit(writes).await;
            return outcome.map_err(|error| match error.state() {
                SqlState::UniqueViolation if block.has_upserts => lost_race(),
                _ => error,
            });
        }
        Ok(())
    }

    /// The transaction is over. Brings back what was for it only, and all settings where it did not commit.
    pub(crate) fn end_transaction(&self, committed: bool) {
        let mut state = self.state.lock();
        state.transaction = Transaction::None;
        if !committed {
            return state.roll_back_settings();
        }
        state.before = None;
        for (name, value) in std::mem::take(&mut state.local).into_iter().rev() {
            // The value was valid before.
            let _ = state.settings.set(&name, value.as_deref());
        }
    }
}

impl State {
    /// Brings back the settings with which the transaction began, and tells of those that are reported.
    pub(super) fn roll_back_settings(&mut self) {
        self.local.clear();
        let Some(before) = self.before.take() else { return };
        let now = std::mem::replace(&mut self.settings, *before).reported();
        let restored = self.settings.reported();
        self.parameter_changes
            .extend(restored.into_iter().filter(|setting| !now.contains(setting)));
    }
}
