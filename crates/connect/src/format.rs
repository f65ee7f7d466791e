//! Formats of records outside of Weir: JSON lines, CSV, Parquet.
//!
//! Every decoder keeps to PostgreSQL's input forms of the declared types, by
//! [`ColumnBuilder`], and isolates the bad row: the rows around it are kept.

pub mod csv;
pub mod json;
pub mod parquet;

mod convert;
#[cfg(test)]
pub(crate) mod testing;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use chrono::{DateTime, Datelike};
use weir_delta::schema::schema_of;
use weir_types::{Error, Result, SqlState, SqlType};

use crate::value::{ColumnBuilder, FormatSettings};

/// Decodes one record after the other out of a text.
pub trait RecordDecoder: Send {
    /// Length of the first record of `bytes`, its line end included. `None` where its end is not
    /// there yet; at the `last` bytes of an input, where it has none by the rules of the format.
    fn frame(&self, bytes: &[u8], last: bool) -> Option<usize>;

    /// True until [`RecordDecoder::read_header`] has got the first record of the input.
    fn wants_header(&self) -> bool {
        false
    }

    /// Takes the first record of the input as names of the fields.
    ///
    /// # Errors
    /// Names that do not fit the columns: nothing of the input can be read.
    fn read_header(&mut self, record: &[u8]) -> Result<()>;

    /// Adds the row of a record; false for a blank line, which is none.
    ///
    /// # Errors
    /// Why the record cannot be decoded. The rows before and after it are not touched.
    fn decode(&mut self, record: &[u8]) -> Result<bool>;

    /// The rows added since the last call.
    fn finish(&mut self) -> Result<RecordBatch>;
}

/// The error of a row without a value in a NOT NULL column.
pub(crate) fn not_null(column: &str) -> Error {
    Error::new(
        SqlState::NotNullViolation,
        format!("null value in column \"{column}\" violates not-null constraint"),
    )
}

/// Builds rows column by column; a rejected row leaves nothing behind.
pub(crate) struct RowBuilder {
    schema: SchemaRef,
    columns: Vec<ColumnBuilder>,
    rows: usize,
    rejected: Vec<usize>,
}

impl RowBuilder {
    pub(crate) fn new(columns: &[(String, SqlType)]) -> Self {
        let settings = FormatSettings::default();
        Self {
            schema: schema(columns),
            columns: columns.iter().map(|(_, t)| ColumnBuilder::new(t, &settings)).collect(),
            rows: 0,
            rejected: Vec::new(),
        }
    }

    /// The column to push one value of the current row to. Columns left out are NULL.
    pub(crate) fn column(&mut self, index: usize) -> &mut ColumnBuilder {
        &mut self.columns[index]
    }

    /// Ends the current row.
    pub(crate) fn end_row(&mut self) {
        self.rows += 1;
        for column in &mut self.columns {
            if column.len() < self.rows {
                column.push_null();
            }
        }
    }

    /// Drops the current row, whatever was pushed to it.
    pub(crate) fn reject_row(&mut self) {
        self.rejected.push(self.rows);
        self.end_row();
    }

    /// The kept rows; the builder starts anew.
    pub(crate) fn finish(&mut self) -> Result<RecordBatch> {
        let arrays = self.columns.iter_mut().map(ColumnBuilder::finish).collect::<Result<_>>()?;
        let rows = std::mem::take(&mut self.rows);
        let rejected = std::mem::take(&mut self.rejected);
        keep(&batch(&self.schema, arrays, rows)?, &rejected)
    }
}

/// The Arrow schema of a stream's columns.
pub(crate) fn schema(columns: &[(String, SqlType)]) -> SchemaRef {
    schema_of(columns.iter().map(|(name, sql_type)| (name.as_str(), sql_type, true)))
}

/// A batch of that many rows, of no columns even.
pub(crate) fn batch(schema: &SchemaRef, arrays: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.clone(), arrays, &options)
        .map_err(|error| Error::internal(format!("decoded columns do not fit together: {error}")))
}

/// The batch without the rows of those ascending numbers.
pub(crate) fn keep(batch: &RecordBatch, rejected: &[usize]) -> Result<RecordBatch> {
    if rejected.is_empty() {
        return Ok(batch.clone());
    }
    let mut kept = vec![true; batch.num_rows()];
    for row in rejected {
        kept[*row] = false;
    }
    filter_record_batch(batch, &BooleanArray::from(kept))
        .map_err(|error| Error::internal(format!("decoded rows cannot be filtered: {error}")))
}

/// Microseconds since 1970 as text in UTC, for the input forms of dates and timestamps.
pub(crate) fn instant_text(micros: i64) -> Result<String> {
    DateTime::from_timestamp_micros(micros)
        .filter(|time| (1..=9999).contains(&time.year()))
        .map(|time| time.format("%Y-%m-%d %H:%M:%S%.6f+00").to_string())
        .ok_or_else(|| Error::new(SqlState::DatetimeFieldOverflow, "timestamp out of range"))
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray, Int32Array};
    use arrow::datatypes::Int32Type;

    use super::*;

    #[test]
    fn a_rejected_row_leaves_nothing_behind() {
        let columns = [("a".to_owned(), SqlType::Int4), ("b".to_owned(), SqlType::Int4)];
        let mut rows = RowBuilder::new(&columns);
        for (a, b) in [("1", "10"), ("2", "x"), ("3", "30")] {
            rows.column(0).push_text(a).expect("the value is of that form");
            match rows.column(1).push_text(b) {
                Ok(()) => rows.end_row(),
                Err(_) => rows.reject_row(),
            }
        }
        rows.column(1).push_text("40").expect("the value is of that form");
        rows.end_row();
        let batch = rows.finish().expect("the value is of that form");
        let expected = Int32Array::from(vec![Some(1), Some(3), None]);
        assert_eq!(batch.column(0).as_primitive::<Int32Type>(), &expected);
        assert_eq!(
            batch.column(1).as_primitive::<Int32Type>(),
            &Int32Array::from(vec![10, 30, 40])
        );
        assert_eq!(rows.finish().expect("the value is of that form").num_rows(), 0);
    }
}
