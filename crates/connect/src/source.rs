//! Connectors that feed streams: files that are followed, and generators.
//!
//! A [`Source`] is polled by one thread. Each poll hands over rows, rows that could not be decoded,
//! and the position after both; the caller commits the three in one epoch. [`open`] with the
//! committed position goes on with exactly the rest: nothing is lost, nothing comes twice.
//!
//! All columns of the rows are nullable, but a row without a value in a column that is required is
//! a bad row. `on_error` is the caller's to enforce. Timestamps without a zone are read in UTC, whatever the session's zone is,
//! because a source outlives every session.

mod datagen;
mod file;
mod nexmark;
mod options;
mod pace;

use std::collections::BTreeMap;
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use weir_types::{Error, Result, SqlState, SqlType};

use options::Options;

/// Where a source is, as small texts that only the source itself reads: a file's name to the place
/// in it, or `row` to the number of the next row.
pub type Position = BTreeMap<String, String>;

/// Feeds one stream.
pub trait Source: Send {
    /// Reads up to about `max_rows` rows. Blocks for disk reads, never to wait for new data.
    ///
    /// # Errors
    /// What cannot be read at all (a file that was truncated, say), by name. The source stays
    /// where it was: the next poll tries again.
    fn poll(&mut self, max_rows: usize) -> Result<Polled>;
}

/// What a poll found.
#[derive(Debug)]
pub enum Polled {
    /// New rows: to be committed together with `bad` and `position`.
    Rows {
        /// The rows, with all columns of the stream in their order; may be empty beside `bad`.
        rows: RecordBatch,
        /// What could not be decoded, in the order of the input.
        bad: Vec<BadRow>,
        /// The whole position after these rows.
        position: Position,
    },
    /// Nothing new now.
    Idle {
        /// When a poll may find something again.
        retry_after: Duration,
    },
    /// A bounded source gave its last row.
    Finished,
}

/// A row that could not be decoded.
#[derive(Clone, Debug)]
pub struct BadRow {
    /// The row as it was in the input, its line end included; for a file that is not text, the row
    /// as a JSON object.
    pub raw: Vec<u8>,
    /// Why it could not be decoded.
    pub error: Error,
    /// The file or URI it came from.
    pub origin: String,
    /// Line (of text) or row number there, from 1.
    pub place: i64,
}

/// A column of the stream that a source feeds.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub sql_type: SqlType,
    /// True for NOT NULL.
    pub required: bool,
}

/// Names and types, and what is NOT NULL.
fn split(columns: &[Column]) -> (Vec<(String, SqlType)>, Vec<bool>) {
    let typed = columns.iter().map(|column| (column.name.clone(), column.sql_type.clone()));
    (typed.collect(), columns.iter().map(|column| column.required).collect())
}

/// Names of the connectors, for messages.
const CONNECTORS: [&str; 3] = ["datagen", "file", "nexmark"];

/// Opens a source at a position; the empty position is its beginning.
///
/// `options` are those of the connector, `connector` itself may be among them. `columns` are the
/// stream's, generated and hidden ones left out.
///
/// # Errors
/// As [`check`], and XX001 for a position that this source did not write.
pub fn open(
    connector: &str,
    options: &BTreeMap<String, String>,
    columns: &[Column],
    position: Position,
) -> Result<Box<dyn Source>> {
    let options = Options::new(connector, options);
    let (columns, required) = split(columns);
    Ok(match connector {
        "file" => Box::new(file::FileSource::open(options, &columns, &required, &position)?),
        "datagen" => {
            Box::new(datagen::DataGenerator::open(options, &columns, &required, &position)?)
        }
        "nexmark" => Box::new(nexmark::Nexmark::open(options, &columns, &position)?),
        _ => return Err(unknown_connector(connector)),
    })
}

/// Checks what CREATE STREAM was given: names and values of options, that the path is there and can
/// be read, that the columns fit the format and the files that are there already.
///
/// # Errors
/// 22023 for an option that is unknown (the hint names the nearest) or has a bad value, 58P01 for a
/// missing file, 42501 for one without permission, 42804 for a type that the connector cannot give.
pub fn check(
    connector: &str,
    options: &BTreeMap<String, String>,
    columns: &[Column],
) -> Result<()> {
    let options = Options::new(connector, options);
    let (columns, required) = split(columns);
    let begin = Position::new();
    match connector {
        "file" => file::check(options, &columns, &required),
        "datagen" => datagen::DataGenerator::open(options, &columns, &required, &begin).map(drop),
        "nexmark" => nexmark::Nexmark::open(options, &columns, &begin).map(drop),
        _ => Err(unknown_connector(connector)),
    }
}

/// The options as they are to be stored: without what depends on the process that checked them. A
/// relative path is one from the server's working directory at CREATE STREAM, wherever the server is
/// started later.
///
/// # Errors
/// 58P01 where the working directory is gone.
pub fn settled(
    connector: &str,
    mut options: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>> {
    if connector == "file"
        && let Some(path) = options.get_mut("path")
    {
        *path = file::absolute(path)?;
    }
    Ok(options)
}

/// The columns of a stream that was created without any, where the connector knows them: nexmark by
/// its `table`, parquet by the first file. `None` where the user has to give them.
///
/// # Errors
/// As [`check`].
pub fn columns(
    connector: &str,
    options: &BTreeMap<String, String>,
) -> Result<Option<Vec<(String, SqlType)>>> {
    let options = Options::new(connector, options);
    match connector {
        "file" => file::columns(options),
        "datagen" => Ok(None),
        "nexmark" => nexmark::columns(options).map(Some),
        _ => Err(unknown_connector(connector)),
    }
}

fn unknown_connector(connector: &str) -> Error {
    Error::new(
        SqlState::InvalidParameterValue,
        format!("connector \"{connector}\" of a stream does not exist"),
    )
    .with_hint(options::suggest(connector, CONNECTORS, "Connectors"))
}

/// The error of a source that was given no columns and knows none.
fn no_columns(connector: &str) -> Error {
    Error::new(
        SqlState::InvalidTableDefinition,
        format!("a stream with connector \"{connector}\" needs columns"),
    )
    .with_hint("Name the columns and their types: CREATE STREAM s (a bigint, b text) WITH (..).")
}

/// The error of a committed position that cannot be read back.
fn bad_position(connector: &str, key: &str, value: &str) -> Error {
    Error::corrupt(format!(
        "position \"{key}\" = \"{value}\" of a source with connector \"{connector}\" is damaged"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::testing::texts;

    #[test]
    fn an_opened_source_gives_rows_and_goes_on_from_their_position() {
        let given = [("rows", "3"), ("rows_per_second", "0"), ("fields.a.kind", "sequence")];
        let options = given.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let column = |required| Column { name: "a".to_owned(), sql_type: SqlType::Int4, required };
        let columns = [column(true)];
        check("datagen", &options, &columns).expect("the options are good");
        let mut source =
            open("datagen", &options, &columns, Position::new()).expect("the options are good");
        let Polled::Rows { rows, bad, position } = source.poll(2).expect("the source can be read")
        else {
            panic!("rows are due")
        };
        assert_eq!((texts(&rows), bad.len()), (vec!["1".to_owned(), "2".to_owned()], 0));
        let mut source =
            open("datagen", &options, &columns, position).expect("the options are good");
        let Polled::Rows { rows, .. } = source.poll(2).expect("the source can be read") else {
            panic!("a row is due")
        };
        assert_eq!(texts(&rows), ["3"]);
        assert!(matches!(source.poll(2).expect("the source can be read"), Polled::Finished));
    }

    #[test]
    fn a_generator_of_nulls_does_not_fit_a_required_column() {
        let options = [("fields.a.null_probability", "0.5")]
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .into();
        let column = |required| Column { name: "a".to_owned(), sql_type: SqlType::Int4, required };
        check("datagen", &options, &[column(false)]).expect("the options are good");
        let error = check("datagen", &options, &[column(true)]).unwrap_err();
        assert_eq!(error.state(), SqlState::NotNullViolation);
    }

    #[test]
    fn a_misspelt_connector_gets_the_nearest_name() {
        let error = check("nexmrak", &BTreeMap::new(), &[]).unwrap_err();
        assert_eq!(error.state(), SqlState::InvalidParameterValue);
        assert_eq!(
            error.hint(),
            Some("Did you mean \"nexmark\"? Connectors are: datagen, file, nexmark.")
        );
    }
}
