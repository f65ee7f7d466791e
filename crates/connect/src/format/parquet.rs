//! Parquet files, read row group by row group into the columns of a stream.
//!
//! Columns are found by name and converted to the declared types; a value that does not fit makes
//! its row a bad row. The decoder of the parquet crate may panic on damaged files: that is caught
//! here and becomes an error that names the file.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::json::LineDelimitedWriter;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use weir_delta::schema::sql_type;
use weir_types::limits::BATCH_ROWS;
use weir_types::{Error, Result, SqlState, SqlType};

use super::convert::{Conversion, Misfits};
use super::{batch, keep, not_null, schema};

/// Last bytes of a complete file.
pub const MAGIC: &[u8; 4] = b"PAR1";

/// An open file.
pub struct ParquetFile {
    name: String,
    reader: ParquetRecordBatchReader,
    /// For each column of the stream: its name in the file and the way to the declared type.
    conversions: Vec<(String, Conversion)>,
    schema: SchemaRef,
    /// The columns that are NOT NULL; empty where none is.
    required: Vec<bool>,
    /// Rows handed over, those before the start included.
    row: u64,
    /// Read and not handed over yet.
    pending: Option<RecordBatch>,
}

/// Rows of a file that come one after the other.
pub struct ParquetRows {
    /// Those that fit.
    pub rows: RecordBatch,
    /// Those that do not: number in the file from 1, the row as a JSON object, and why.
    pub bad: Vec<(u64, Vec<u8>, Error)>,
}

impl ParquetFile {
    /// Opens a file behind its first `skipped` rows. `name` is for messages.
    ///
    /// # Errors
    /// 22P04 for a file that is not Parquet, or lacks a column; 42804 for a column of a type that
    /// does not convert.
    pub fn open(
        file: File,
        name: &str,
        columns: &[(String, SqlType)],
        skipped: u64,
    ) -> Result<Self> {
        contain(name, || {
            let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
            let file_schema = builder.schema().clone();
            let conversions = match plan(name, &file_schema, columns) {
                Ok(conversions) => conversions,
                Err(error) => return Ok(Err(error)),
            };
            let roots: Vec<usize> = conversions.iter().map(|(root, _, _)| *root).collect();
            let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
            let (first, before) = row_group_of(&builder, skipped);
            let groups = (first..builder.metadata().num_row_groups()).collect();
            let reader = builder
                .with_projection(mask)
                .with_row_groups(groups)
                .with_offset((skipped - before) as usize)
                .with_batch_size(BATCH_ROWS)
                .build()?;
            let conversions = conversions.into_iter().map(|(_, name, how)| (name, how)).collect();
            Ok(Ok(Self {
                name: name.to_owned(),
                reader,
                conversions,
                schema: schema(columns),
                required: Vec::new(),
                row: skipped,
                pending: None,
            }))
        })?
    }

    /// Refuses rows without a value in one of the `required` columns.
    #[must_use]
    pub fn requiring(self, required: &[bool]) -> Self {
        Self { required: required.to_vec(), ..self }
    }

    /// Rows handed over so far, from the beginning of the file.
    #[must_use]
    pub fn row(&self) -> u64 {
        self.row
    }

    /// At most `max_rows` further rows; `None` at the end.
    ///
    /// # Errors
    /// 22P04 for a damaged file, which cannot be read on.
    pub fn next_rows(&mut self, max_rows: usize) -> Result<Option<ParquetRows>> {
        let read = match self.pending.take() {
            Some(pending) => Some(pending),
            None => contain(&self.name, || Ok(self.reader.next().transpose()?))?,
        };
        let Some(read) = read else { return Ok(None) };
        let taken = read.num_rows().min(max_rows.max(1));
        if taken < read.num_rows() {
            self.pending = Some(read.slice(taken, read.num_rows() - taken));
        }
        let rows = self.convert(&read.slice(0, taken))?;
        self.row += taken as u64;
        Ok(Some(rows))
    }

    fn convert(&self, read: &RecordBatch) -> Result<ParquetRows> {
        let mut misfits = Misfits::new();
        let mut arrays = Vec::with_capacity(self.conversions.len());
        for (name, conversion) in &self.conversions {
            let array = read.column_by_name(name).ok_or_else(|| {
                Error::internal(format!("column \"{name}\" was not read from \"{}\"", self.name))
            })?;
            let converted = conversion.apply(array, &mut misfits)?;
            if self.required.get(arrays.len()) == Some(&true) && converted.null_count() > 0 {
                let nulls = (0..converted.len()).filter(|row| converted.is_null(*row));
                nulls.for_each(|row| {
                    misfits.entry(row).or_insert_with(|| not_null(name));
                });
            }
            arrays.push(converted);
        }
        let rejected: Vec<usize> = misfits.keys().copied().collect();
        let rows = keep(&batch(&self.schema, arrays, read.num_rows())?, &rejected)?;
        let mut bad = Vec::with_capacity(misfits.len());
        for (row, error) in misfits {
            let raw = self.row_as_json(&read.slice(row, 1))?;
            bad.push((self.row + row as u64 + 1, raw, error));
        }
        Ok(ParquetRows { rows, bad })
    }

    fn row_as_json(&self, row: &RecordBatch) -> Result<Vec<u8>> {
        let mut writer = LineDelimitedWriter::new(Vec::new());
        writer.write(row).and_then(|()| writer.finish()).map_err(|error| {
            Error::internal(format!("a row of \"{}\" cannot be shown as JSON: {error}", self.name))
        })?;
        let mut raw = writer.into_inner();
        raw.truncate(raw.trim_ascii_end().len());
        Ok(raw)
    }
}

/// The columns of a file with their natural SQL types; nested ones are `jsonb`.
///
/// # Errors
/// As [`ParquetFile::open`].
pub fn columns(file: File, name: &str) -> Result<Vec<(String, SqlType)>> {
    let schema =
        contain(name, || Ok(ParquetRecordBatchReaderBuilder::try_new(file)?.schema().clone()))?;
    let natural = schema.fields().iter().map(|field| {
        let sql_type = match sql_type(field) {
            SqlType::Record => SqlType::Jsonb,
            SqlType::Array(element) if matches!(*element, SqlType::Record | SqlType::Array(_)) => {
                SqlType::Jsonb
            }
            SqlType::Unknown => SqlType::Text,
            other => other,
        };
        (field.name().clone(), sql_type)
    });
    Ok(natural.collect())
}

/// For each column of the stream its place in the file, its name and its conversion.
fn plan(
    name: &str,
    schema: &SchemaRef,
    columns: &[(String, SqlType)],
) -> Result<Vec<(usize, String, Conversion)>> {
    columns
        .iter()
        .map(|(column, sql_type)| {
            let Some((root, field)) = schema.column_with_name(column) else {
                let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
                return Err(Error::new(
                    SqlState::BadCopyFileFormat,
                    format!("column \"{column}\" is not in file \"{name}\""),
                )
                .with_hint(format!("Columns of the file are: {}.", names.join(", "))));
            };
            let conversion = Conversion::plan(field, sql_type).ok_or_else(|| {
                Error::new(
                    SqlState::DatatypeMismatch,
                    format!(
                        "column \"{column}\" of file \"{name}\" is of type {}, which does not convert to {sql_type}",
                        natural_name(field)
                    ),
                )
            })?;
            Ok((root, column.clone(), conversion))
        })
        .collect()
}

fn natural_name(field: &arrow::datatypes::Field) -> String {
    match sql_type(field) {
        SqlType::Record => format!("{}", field.data_type()),
        natural => natural.to_string(),
    }
}

/// The row group that holds the row of that number, from 0, and the rows before the group.
fn row_group_of<T: parquet::file::reader::ChunkReader>(
    builder: &ParquetRecordBatchReaderBuilder<T>,
    row: u64,
) -> (usize, u64) {
    let mut before = 0;
    for (group, metadata) in builder.metadata().row_groups().iter().enumerate() {
        let rows = u64::try_from(metadata.num_rows()).unwrap_or(0);
        if row < before + rows {
            return (group, before);
        }
        before += rows;
    }
    (builder.metadata().num_row_groups(), row)
}

/// Runs code of the parquet crate; its errors and panics become an error that names the file.
fn contain<T>(
    name: &str,
    work: impl FnOnce() -> std::result::Result<T, Box<dyn std::error::Error>>,
) -> Result<T> {
    let problem = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error.to_string(),
        Err(panic) => match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
            (Some(message), _) => message.clone(),
            (None, Some(message)) => (*message).to_owned(),
            (None, None) => "unknown problem".to_owned(),
        },
    };
    Err(Error::new(
        SqlState::BadCopyFileFormat,
        format!("file \"{name}\" is not a valid Parquet file"),
    )
    .with_detail(format!("{problem}.")))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};
    use parquet::arrow::ArrowWriter;
    use parquet::file::properties::WriterProperties;

    use super::*;
    use crate::format::testing::{Dice, columns as columns_of, texts};

    /// The bytes of a file with columns `n` (0, 1, 2 ..) and `s` (its text), ten rows a group.
    fn file_bytes(rows: i64) -> Vec<u8> {
        let n: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
        let s: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|n| n.to_string())));
        let batch = RecordBatch::try_from_iter([("n", n), ("s", s)])
            .expect("columns of one length make a batch");
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(10)).build();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties))
            .expect("the file is written");
        writer.write(&batch).expect("the file is written");
        writer.into_inner().expect("the file is written")
    }

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().expect("a temporary place is made");
        file.write_all(bytes).expect("the file system takes it");
        file
    }

    fn open(bytes: &[u8], list: &str, skipped: u64) -> Result<ParquetFile> {
        ParquetFile::open(file(bytes), "x.parquet", &columns_of(list), skipped)
    }

    #[test]
    fn rows_come_by_name_from_any_place() {
        let bytes = file_bytes(25);
        for skipped in 0..=25 {
            let mut file =
                open(&bytes, "s text, n integer", skipped).expect("the file has those columns");
            let mut found = Vec::new();
            while let Some(rows) = file.next_rows(7).expect("the source can be read") {
                assert!(rows.rows.num_rows() <= 7 && rows.bad.is_empty());
                found.extend(texts(&rows.rows));
                assert_eq!(file.row(), skipped + found.len() as u64);
            }
            let expected: Vec<_> = (skipped..25).map(|n| format!("{n}|{n}")).collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn rows_that_do_not_fit_are_bad_with_number_and_content() {
        let mut file = open(&file_bytes(1_200), "n bigint, s varchar(3)", 0)
            .expect("the file has those columns");
        let (mut good, mut bad) = (0, Vec::new());
        while let Some(rows) = file.next_rows(100).expect("the source can be read") {
            good += rows.rows.num_rows();
            bad.extend(rows.bad);
        }
        assert_eq!((good, bad.len()), (1_000, 200));
        let (row, raw, error) = &bad[0];
        assert_eq!((*row, raw.as_slice()), (1_001, &br#"{"n":1000,"s":"1000"}"#[..]));
        assert_eq!(error.state(), SqlState::StringDataRightTruncation);
    }

    #[test]
    fn columns_that_are_missing_or_of_another_kind_are_named() {
        let bytes = file_bytes(1);
        let error = open(&bytes, "n bigint, t text", 0).err().expect("t is not there");
        assert_eq!(error.message(), "column \"t\" is not in file \"x.parquet\"");
        assert_eq!(error.hint(), Some("Columns of the file are: n, s."));
        let error = open(&bytes, "n date", 0).err().expect("no number is a date");
        assert_eq!(error.state(), SqlState::DatatypeMismatch);
        assert!(error.message().contains("\"n\" of file \"x.parquet\" is of type bigint"));
    }

    #[test]
    fn a_file_tells_its_columns() {
        let found = columns(file(&file_bytes(1)), "x.parquet").expect("the file has those columns");
        assert_eq!(found, columns_of("n bigint, s text"));
    }

    #[test]
    fn what_is_not_parquet_is_named() {
        for bytes in
            [&b""[..], b"PAR1", b"no parquet file at all, but long enough", b"PAR1xxxxPAR1"]
        {
            let error = open(bytes, "n bigint", 0).err().expect("not Parquet");
            assert_eq!(error.message(), "file \"x.parquet\" is not a valid Parquet file");
            assert_eq!(error.state(), SqlState::BadCopyFileFormat);
        }
    }

    #[test]
    fn panics_are_contained() {
        let error =
            contain::<()>("x.parquet", || panic!("index {} is out of bounds", 7)).unwrap_err();
        assert_eq!(error.detail(), Some("index 7 is out of bounds."));
        let error = contain::<()>("x.parquet", || panic!("plain")).unwrap_err();
        assert_eq!(error.detail(), Some("plain."));
    }

    #[test]
    fn mutated_files_give_rows_or_errors_and_never_panic() {
        let bytes = file_bytes(25);
        let mut dice = Dice(3);
        let mut errors = 0;
        for _ in 0..300 {
            let read = open(&dice.mutate(&bytes), "n bigint, s text", 0).and_then(|mut file| {
                while file.next_rows(10)?.is_some() {}
                Ok(())
            });
            if let Err(error) = read {
                assert!(error.message().contains("x.parquet"), "{error}");
                errors += 1;
            }
        }
        assert!(errors > 100, "only {errors} of 300 mutations were noticed");
    }
}
