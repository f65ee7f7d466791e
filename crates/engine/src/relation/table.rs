//! Tables and the content of materialized views: versioned rows in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::SchemaRef;
use weir_catalog::{Object, ObjectBody, Table};
use weir_delta::segments::{Key, Segments, Snapshot};
use weir_types::{ColumnId, Epoch, Error, Result};

use super::provider::{Batches, RowSource};
use super::stored::{self, StoredColumn};

/// The rows of a table.
pub(crate) struct TableData {
    /// All columns, hidden ones included, in the order of the catalog.
    pub(crate) segments: Segments,
    /// The ids of the columns.
    pub(crate) columns: Vec<ColumnId>,
    /// Positions of the key's columns.
    pub(crate) key: Vec<usize>,
    /// Position of the hidden row id.
    row_id: Option<usize>,
    next_row_id: AtomicI64,
}

/// The table behind an object.
pub(crate) fn table_of(object: &Object) -> Result<&Table> {
    match &object.body {
        ObjectBody::Table(table) => Ok(table),
        _ => Err(Error::internal(format!("\"{}\" is not a table", object.name))),
    }
}

/// Positions of the key's columns among the table's columns.
pub(crate) fn key_columns(table: &Table) -> Vec<usize> {
    let position = |id: &ColumnId| table.columns.iter().position(|column| column.id == *id);
    table.primary_key.iter().filter_map(position).collect()
}

impl TableData {
    /// An empty table.
    ///
    /// # Errors
    /// XX001 where the catalog's definition cannot be read.
    pub(crate) fn new(table: &Table) -> Result<Self> {
        let columns = table.columns.iter().map(StoredColumn::new).collect::<Result<Vec<_>>>()?;
        let key = key_columns(table);
        Ok(Self {
            segments: Segments::new(stored::schema(&columns), Key::Unique(key.clone())),
            columns: table.columns.iter().map(|column| column.id).collect(),
            key,
            row_id: table.columns.iter().position(|column| column.hidden),
            next_row_id: AtomicI64::new(1),
        })
    }

    /// The same rows with the columns that ADD COLUMN brought, their history included as far back as
    /// anybody reads.
    ///
    /// # Errors
    /// XX001 where the catalog's definition cannot be read.
    pub(crate) fn widened(&self, table: &Table) -> Result<Self> {
        let columns = table.columns.iter().map(StoredColumn::new).collect::<Result<Vec<_>>>()?;
        let wide = Self::new(table)?;
        wide.next_row_id.store(self.next_row_id.load(Ordering::Relaxed), Ordering::Relaxed);
        let snapshot = self.segments.snapshot();
        let mut before = Epoch::ZERO;
        for epoch in snapshot.epochs() {
            let delta = snapshot.changes(before, epoch, None)?;
            let rows = stored::widened(delta.rows(), &columns, wide.segments.schema())?;
            let delta = weir_delta::Delta::new(rows, delta.weights().clone());
            wide.segments
                .apply(epoch, &delta)
                .map_err(|e| Error::internal(format!("cannot add columns to a table: {e}")))?;
            before = epoch;
        }
        Ok(wide)
    }

    /// Fresh values of a hidden `_rowid`, in order.
    pub(crate) fn allocate_row_ids(&self, n_rows: usize) -> std::ops::Range<i64> {
        let n_rows = n_rows as i64;
        let begin = self.next_row_id.fetch_add(n_rows, Ordering::Relaxed);
        begin..begin + n_rows
    }

    /// The last row id that was given.
    pub(crate) fn last_row_id(&self) -> i64 {
        self.next_row_id.load(Ordering::Relaxed) - 1
    }

    /// Makes sure that no row id up to `row_id` is given again.
    pub(crate) fn saw_row_id(&self, row_id: i64) {
        self.next_row_id.fetch_max(row_id + 1, Ordering::Relaxed);
    }

    /// Makes sure that no row id of those rows is given again.
    pub(crate) fn saw_rows(&self, rows: &RecordBatch) {
        if let Some(hidden) = self.row_id {
            let ids = rows.column(hidden).as_primitive::<arrow::datatypes::Int64Type>();
            if let Some(newest) = arrow::compute::max(ids) {
                self.saw_row_id(newest);
            }
        }
    }

    /// The key's columns of rows of this table.
    pub(crate) fn key_of(&self, rows: &RecordBatch) -> Vec<ArrayRef> {
        self.key.iter().map(|column_idx| Arc::clone(rows.column(*column_idx))).collect()
    }

    /// The rows at an epoch, those columns of them, under the reader's names. `table` is as the reader knows
    /// it: the open block may have added columns that are nowhere else yet.
    ///
    /// # Errors
    /// XX000 for a column that the table does not have.
    pub(crate) fn at(
        &self,
        epoch: Epoch,
        table: &Table,
        columns: &[ColumnId],
        schema: SchemaRef,
    ) -> Result<SnapshotRows> {
        let columns =
            columns.iter().map(|id| self.column(table, *id)).collect::<Result<Vec<_>>>()?;
        Ok(SnapshotRows { snapshot: self.segments.snapshot(), epoch, columns, schema })
    }

    /// Rows of the segments with all columns of `table`, as [`Self::at`] has them.
    ///
    /// # Errors
    /// As [`Self::at`].
    pub(crate) fn shaped(
        &self,
        rows: &RecordBatch,
        table: &Table,
        schema: &SchemaRef,
    ) -> Result<RecordBatch> {
        let columns = table.columns.iter().map(|column| self.column(table, column.id));
        picked(rows, &columns.collect::<Result<Vec<_>>>()?, schema)
    }

    fn column(&self, table: &Table, id: ColumnId) -> Result<SnapshotColumn> {
        if let Some(position) = self.columns.iter().position(|known| *known == id) {
            return Ok(SnapshotColumn::At(position));
        }
        let added = table.columns.iter().find(|column| column.id == id);
        let added =
            added.ok_or_else(|| Error::internal(format!("a table has no column of id {id}")))?;
        StoredColumn::new(added).map(SnapshotColumn::Added)
    }
}

/// Where a column of a snapshot's rows comes from.
#[derive(Clone)]
pub(crate) enum SnapshotColumn {
    /// A position in the snapshot.
    At(usize),
    /// The snapshot does not have it: its rows read the default.
    Added(StoredColumn),
}

/// Those columns of the rows.
pub(super) fn picked(
    rows: &RecordBatch,
    columns: &[SnapshotColumn],
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    let array = |column: &SnapshotColumn| match column {
        SnapshotColumn::At(position) => Ok(Arc::clone(rows.column(*position))),
        SnapshotColumn::Added(column) => column.filled(rows.num_rows()),
    };
    let arrays = columns.iter().map(array).collect::<Result<_>>()?;
    stored::batch(Arc::clone(schema), arrays, rows.num_rows())
}

/// Versioned rows at one epoch.
pub(crate) struct SnapshotRows {
    pub(crate) snapshot: Snapshot,
    pub(crate) epoch: Epoch,
    /// For each column of `schema`.
    pub(crate) columns: Vec<SnapshotColumn>,
    pub(crate) schema: SchemaRef,
}

impl std::fmt::Debug for SnapshotRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotRows").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

impl SnapshotRows {
    /// Those of the columns, and their schema.
    pub(super) fn projected(
        &self,
        projection: &[usize],
    ) -> Result<(Vec<SnapshotColumn>, SchemaRef)> {
        let schema = self.schema.project(projection).map_err(|e| Error::internal(e.to_string()))?;
        let columns = projection.iter().map(|column_idx| self.columns[*column_idx].clone());
        Ok((columns.collect(), Arc::new(schema)))
    }
}

impl RowSource for SnapshotRows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn n_parts(&self) -> usize {
        1
    }

    fn read(&self, _part: usize, projection: &[usize]) -> Batches {
        let (mut columns, schema) = match self.projected(projection) {
            Ok(projected) => projected,
            Err(error) => return Box::new(std::iter::once(Err(error))),
        };
        let mut positions = Vec::with_capacity(columns.len());
        for column in &mut columns {
            if let SnapshotColumn::At(position) = column {
                positions.push(std::mem::replace(position, positions.len()));
            }
        }
        let batches = self.snapshot.scan(self.epoch, Some(&positions));
        Box::new(batches.map(move |batch| picked(&batch, &columns, &schema)))
    }
}
