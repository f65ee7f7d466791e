//! The rows that a COPY has read, and the errors that say where in the data they are.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};
use weir_delta::schema;
use weir_types::limits::{TRANSACTION_BYTES_MAX, VALUE_BYTES_MAX};
use weir_types::{Error, Result, SqlState, SqlType};

use crate::value::{ColumnBuilder, FormatSettings};

/// Bytes of a line or value that the context of an error repeats.
const SHOWN_BYTES_MAX: usize = 100;

pub(super) struct Rows {
    schema: SchemaRef,
    builders: Vec<ColumnBuilder>,
    relation: String,
    n_rows: usize,
    /// The line, or row of binary data, that is being read; from 1.
    pub(super) line: u64,
    /// The lines of the rows, and of those taken last.
    lines: Lines,
    taken_lines: Lines,
}

/// The line of each row: of the first, and of every one that is not on the line behind the row before.
#[derive(Default)]
struct Lines(Vec<(usize, u64)>);

impl Lines {
    fn push(&mut self, row: usize, line: u64) {
        if self.of(row) != Some(line) {
            self.0.push((row, line));
        }
    }

    /// The line of a row, if those behind the last known one are on a line each.
    fn of(&self, row: usize) -> Option<u64> {
        let after = self.0.partition_point(|(known, _)| *known <= row);
        let (known, line) = self.0.get(after.checked_sub(1)?)?;
        Some(line + (row - known) as u64)
    }
}

impl Rows {
    pub(super) fn new(
        columns: &[(String, SqlType)],
        settings: &FormatSettings,
        relation: &str,
    ) -> Self {
        let fields: Vec<_> =
            columns.iter().map(|(name, sql_type)| schema::field(name, sql_type, true)).collect();
        let builder = |(_, sql_type): &(String, SqlType)| ColumnBuilder::new(sql_type, settings);
        Self {
            schema: Arc::new(Schema::new(fields)),
            builders: columns.iter().map(builder).collect(),
            relation: relation.to_owned(),
            n_rows: 0,
            line: 0,
            lines: Lines::default(),
            taken_lines: Lines::default(),
        }
    }

    pub(super) fn n_columns(&self) -> usize {
        self.builders.len()
    }

    pub(super) fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Ends a row whose values were pushed to all columns.
    pub(super) fn end_row(&mut self) {
        self.lines.push(self.n_rows, self.line);
        self.n_rows += 1;
    }

    /// The line of a row of the batch that was taken last; that of the last row for another.
    pub(super) fn line_of(&self, row: usize) -> u64 {
        self.taken_lines.of(row).unwrap_or(self.line).max(1)
    }

    pub(super) fn push_null(&mut self, column: usize) {
        self.builders[column].push_null();
    }

    pub(super) fn push_text(&mut self, column: usize, text: &str) -> Result<()> {
        self.builders[column].push_text(text).map_err(|error| {
            let place = format!("column {}: \"{}\"", self.column_name(column), shown(text));
            self.at(error, &format!(", {place}"))
        })
    }

    pub(super) fn push_binary(&mut self, column: usize, bytes: &[u8]) -> Result<()> {
        self.builders[column].push_binary(bytes).map_err(|error| self.in_column(error, column))
    }

    fn column_name(&self, column: usize) -> &str {
        self.schema.field(column).name()
    }

    /// Adds the line to an error.
    pub(super) fn in_line(&self, error: Error) -> Error {
        self.at(error, "")
    }

    /// Adds the line and its text to an error.
    pub(super) fn in_text(&self, error: Error, line: &str) -> Error {
        self.at(error, &format!(": \"{}\"", shown(line)))
    }

    /// Adds the line and the column to an error.
    pub(super) fn in_column(&self, error: Error, column: usize) -> Error {
        self.at(error, &format!(", column {}", self.column_name(column)))
    }

    fn at(&self, error: Error, place: &str) -> Error {
        let context = format!("COPY {}, line {}{place}", self.relation, self.line);
        // The value's own context, such as the place in a JSON text, goes first.
        let context = match error.context() {
            Some(inner) => format!("{inner}\n{context}"),
            None => context,
        };
        error.with_context(context)
    }

    pub(super) fn missing(&self, column: usize, line: &str) -> Error {
        let message = format!("missing data for column \"{}\"", self.column_name(column));
        self.in_text(bad_format(message), line)
    }

    pub(super) fn extra(&self, line: &str) -> Error {
        self.in_text(bad_format("extra data after last expected column"), line)
    }

    /// Fails for a row that is not whole yet and too large to wait for (54000).
    pub(super) fn check_pending(&self, n_field: usize, n_row: usize) -> Result<()> {
        let (what, limit) = if n_field > VALUE_BYTES_MAX {
            ("field", VALUE_BYTES_MAX)
        } else if n_row > TRANSACTION_BYTES_MAX {
            ("row", TRANSACTION_BYTES_MAX)
        } else {
            return Ok(());
        };
        let message = format!("{what} of COPY data exceeds the limit of {limit} bytes");
        Err(self.in_line(Error::new(SqlState::ProgramLimitExceeded, message)))
    }

    /// The rows read since the last call, if there are any.
    pub(super) fn take(&mut self) -> Result<Option<RecordBatch>> {
        if self.n_rows == 0 {
            return Ok(None);
        }
        let columns = self.builders.iter_mut().map(ColumnBuilder::finish);
        let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.n_rows));
        self.n_rows = 0;
        self.taken_lines = std::mem::take(&mut self.lines);
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map(Some)
            .map_err(|error| {
                Error::internal(format!("copied rows do not fit their types: {error}"))
            })
    }
}

/// COPY data of wrong form (22P04).
pub(super) fn bad_format(message: impl Into<String>) -> Error {
    Error::new(SqlState::BadCopyFileFormat, message)
}

/// The text as the context of an error repeats it: cut where it is long.
fn shown(text: &str) -> String {
    if text.len() <= SHOWN_BYTES_MAX {
        return text.to_owned();
    }
    format!("{}...", &text[..text.floor_char_boundary(SHOWN_BYTES_MAX)])
}
