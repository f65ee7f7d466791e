//! What a linear view reads: changes of a stream, a table or another view.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::error::{DataFusionError, Result as DfResult};
use weir_catalog::{Object, ObjectBody};
use weir_dataflow::Input;
use weir_delta::segments::Snapshot;
use weir_delta::{Delta, rows};
use weir_planner::incremental::InputRelation;
use weir_types::{Epoch, Error, Result};

use crate::relation::{RowSource, StreamRelation};
use crate::shared::Shared;

/// Changes of one relation of a view.
pub(super) struct RelationInput<'a> {
    pub(super) shared: &'a Shared,
    pub(super) relation: &'a InputRelation,
    /// Counts the rows handed out.
    pub(super) n_rows: &'a AtomicU64,
}

fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

impl Input for RelationInput<'_> {
    fn changes(
        &self,
        after: Epoch,
        upto: Epoch,
        each: &mut dyn FnMut(Delta) -> DfResult<()>,
    ) -> DfResult<()> {
        let mut counted = |delta: Delta| {
            self.n_rows.fetch_add(delta.len() as u64, Ordering::Relaxed);
            each(delta)
        };
        let catalog = self.shared.catalog();
        let object = catalog.require(self.relation.id).map_err(external)?;
        match &object.body {
            ObjectBody::Stream(_) => {
                let rows = self.stream(object, after, upto).map_err(external)?;
                let all: Vec<usize> = (0..self.relation.columns.len()).collect();
                for part in 0..rows.n_parts() {
                    for batch in rows.read(part, &all) {
                        counted(Delta::insertions(batch.map_err(external)?))?;
                    }
                }
                Ok(())
            }
            ObjectBody::Table(_) => {
                let table = self.shared.tables.get(object.id).map_err(external)?;
                self.versions(object, &table.segments.snapshot(), after, upto, &mut counted)
            }
            ObjectBody::MaterializedView(_) => {
                let view = self.shared.views.get(object.id).map_err(external)?;
                self.versions(object, &view.segments.snapshot(), after, upto, &mut counted)
            }
            _ => Err(external(Error::internal(format!("\"{}\" has no changes", object.name)))),
        }
    }
}

impl RelationInput<'_> {
    fn stream(&self, object: &Object, after: Epoch, upto: Epoch) -> Result<StreamRelation> {
        StreamRelation::new(
            Arc::clone(&self.shared.log),
            object,
            &self.relation.columns,
            Arc::clone(&self.relation.schema),
            after,
            upto,
        )
    }

    fn versions(
        &self,
        object: &Object,
        snapshot: &Snapshot,
        after: Epoch,
        upto: Epoch,
        each: &mut dyn FnMut(Delta) -> DfResult<()>,
    ) -> DfResult<()> {
        let position = |id| object.columns().iter().position(|column| column.id == id);
        let positions: Vec<usize> = self
            .relation
            .columns
            .iter()
            .map(|id| position(*id))
            .collect::<Option<_>>()
            .ok_or_else(|| external(Error::internal("a relation lost a column")))?;
        if after == Epoch::ZERO {
            for batch in snapshot.scan(upto, Some(&positions)) {
                let batch = rows::with_schema(&batch, &self.relation.schema).map_err(external)?;
                each(Delta::insertions(batch))?;
            }
            return Ok(());
        }
        let changes = snapshot.changes(after, upto).map_err(external)?;
        if changes.is_empty() {
            return Ok(());
        }
        let (batch, weights) = changes.into_parts();
        let batch = rows::project(&batch, &positions).map_err(external)?;
        let batch = rows::with_schema(&batch, &self.relation.schema).map_err(external)?;
        each(Delta::new(batch, weights))
    }

    /// Number of rows that a backfill up to `upto` has to take in.
    pub(super) fn n_rows_at(&self, upto: Epoch) -> Result<u64> {
        let catalog = self.shared.catalog();
        let object = catalog.require(self.relation.id)?;
        Ok(match &object.body {
            ObjectBody::Stream(_) => self.stream(object, Epoch::ZERO, upto)?.n_rows(),
            ObjectBody::Table(_) => {
                self.shared.tables.get(object.id)?.segments.snapshot().n_rows(upto) as u64
            }
            ObjectBody::MaterializedView(_) => {
                self.shared.views.get(object.id)?.segments.snapshot().n_rows(upto) as u64
            }
            _ => 0,
        })
    }
}
