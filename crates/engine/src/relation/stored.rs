//! Columns of stored rows: how a column of the catalog is read from a block of any schema version.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::take;
use arrow::datatypes::{Field, Schema, SchemaRef};
use weir_catalog::Column;
use weir_connect::value::{ColumnBuilder, FormatSettings};
use weir_delta::codec::Decoder;
use weir_types::{ColumnId, Error, Result};

/// A column as blocks hold it.
#[derive(Clone, Debug)]
pub(crate) struct StoredColumn {
    pub(crate) id: ColumnId,
    pub(crate) field: Arc<Field>,
    /// One value: what rows of blocks without the column read.
    missing: ArrayRef,
}

impl StoredColumn {
    /// # Errors
    /// XX001 where the stored default cannot be read.
    pub(crate) fn new(column: &Column) -> Result<Self> {
        let field = weir_delta::schema::field(&column.name, &column.sql_type, column.nullable);
        let missing = match &column.missing {
            None => new_null_array(field.data_type(), 1),
            Some(text) => {
                let mut builder = ColumnBuilder::new(&column.sql_type, &FormatSettings::default());
                builder.push_text(text)?;
                builder.finish()?
            }
        };
        Ok(Self { id: column.id, field: Arc::new(field), missing })
    }

    /// The column of the block.
    pub(crate) fn read(&self, block: &Decoder) -> Result<ArrayRef> {
        if block.has(self.id) {
            return block.column(self.id, self.field.data_type());
        }
        self.filled(block.n_rows())
    }

    /// `n_rows` times what rows without the column read.
    pub(crate) fn filled(&self, n_rows: usize) -> Result<ArrayRef> {
        if self.missing.null_count() == 1 {
            return Ok(new_null_array(self.field.data_type(), n_rows));
        }
        let zeros = arrow::array::UInt32Array::from(vec![0_u32; n_rows]);
        take(&self.missing, &zeros, None).map_err(|e| Error::internal(e.to_string()))
    }
}

/// The schema of those columns.
pub(crate) fn schema(columns: &[StoredColumn]) -> SchemaRef {
    let fields: Vec<Arc<Field>> = columns.iter().map(|column| Arc::clone(&column.field)).collect();
    Arc::new(Schema::new(fields))
}

/// The rows, in which the last columns may be missing: those that ADD COLUMN brought after the rows were made.
///
/// # Errors
/// XX000 for rows of other columns.
pub(crate) fn widened(
    rows: &RecordBatch,
    columns: &[StoredColumn],
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    let mut arrays = rows.columns().to_vec();
    for column in columns.iter().skip(arrays.len()) {
        arrays.push(column.filled(rows.num_rows())?);
    }
    batch(Arc::clone(schema), arrays, rows.num_rows())
}

/// A batch of those columns; also where there are none, but rows.
pub(crate) fn batch(
    schema: SchemaRef,
    columns: Vec<ArrayRef>,
    n_rows: usize,
) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
    RecordBatch::try_new_with_options(schema, columns, &options)
        .map_err(|e| Error::internal(format!("stored columns do not make a batch: {e}")))
}
