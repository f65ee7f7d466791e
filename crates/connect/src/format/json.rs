//! JSON lines: one object a line, its members decoded by the names of the columns.
//!
//! Names match exactly, case included. Members without a column are checked for syntax and skipped;
//! columns without a member, or with `null`, are NULL; of members with the same name the last one
//! counts. Values follow `json_populate_record`: text columns take strings as they are and anything
//! else as its JSON text, `json` and `jsonb` columns take every value, other types read the text of
//! the value in their PostgreSQL input form, arrays take JSON arrays.

mod scan;
mod text;

use std::collections::HashMap;

use arrow::array::RecordBatch;
use weir_types::{Error, Result, SqlType};

use super::{RecordDecoder, RowBuilder, not_null};
use crate::value::failure::utf8;
use scan::{Kind, Token, scan_object};
use text::{array_literal, base64_bytes, epoch_micros, push_instant, unescape};

/// How the values that JSON has no type for are written.
#[derive(Clone, Copy, Debug, Default)]
pub struct JsonOptions {
    /// Form of timestamps.
    pub timestamps: TimestampFormat,
    /// True where `bytea` is base64 text; else it is PostgreSQL's (`\x0123`).
    pub base64: bool,
}

/// Form of timestamps in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampFormat {
    /// ISO 8601 text; a number is milliseconds since 1970.
    #[default]
    Iso,
    /// Seconds since 1970, with a fraction or without.
    Seconds,
    /// Milliseconds since 1970.
    Millis,
    /// Microseconds since 1970.
    Micros,
}

/// What has to be done with a value before its column reads it.
#[derive(Clone, Debug)]
enum Target {
    /// Strings without quotes and escapes, all else as it stands.
    Text,
    /// All values as they stand: `json` and `jsonb`.
    Json,
    /// Timestamps, which may be numbers.
    Instant,
    Base64,
    Array(Box<Target>),
}

impl Target {
    fn of(sql_type: &SqlType, options: JsonOptions) -> Self {
        match sql_type {
            SqlType::Json | SqlType::Jsonb => Self::Json,
            SqlType::Timestamp | SqlType::Timestamptz => Self::Instant,
            SqlType::Bytea if options.base64 => Self::Base64,
            SqlType::Array(element) => Self::Array(Box::new(Self::of(element, options))),
            _ => Self::Text,
        }
    }
}

/// Decodes JSON lines.
pub struct JsonDecoder {
    options: JsonOptions,
    names: Vec<String>,
    targets: Vec<Target>,
    members: MemberIndex,
    /// The columns that are NOT NULL; empty where none is.
    required: Vec<bool>,
    /// The value of each column in the current record.
    found: Vec<Option<Token>>,
    rows: RowBuilder,
    scratch: String,
}

impl JsonDecoder {
    /// A decoder for those columns.
    #[must_use]
    pub fn new(options: JsonOptions, columns: &[(String, SqlType)]) -> Self {
        Self {
            options,
            names: columns.iter().map(|(name, _)| name.clone()).collect(),
            targets: columns.iter().map(|(_, t)| Target::of(t, options)).collect(),
            members: MemberIndex::new(columns),
            required: Vec::new(),
            found: vec![None; columns.len()],
            rows: RowBuilder::new(columns),
            scratch: String::new(),
        }
    }

    /// Refuses records without a value in one of the `required` columns.
    #[must_use]
    pub fn requiring(self, required: &[bool]) -> Self {
        Self { required: required.to_vec(), ..self }
    }

    fn push_row(&mut self, record: &str) -> Result<()> {
        for column in 0..self.found.len() {
            let found = self.found[column].filter(|token| token.kind != Kind::Null);
            if found.is_none() && self.required.get(column) == Some(&true) {
                return Err(not_null(&self.names[column]));
            }
            let Some(token) = found else { continue };
            self.push_value(column, token, record).map_err(|error| {
                let context = format!("column \"{}\"", self.names[column]);
                error.with_context(context)
            })?;
        }
        Ok(())
    }

    fn push_value(&mut self, column: usize, token: Token, record: &str) -> Result<()> {
        let builder = self.rows.column(column);
        match (&self.targets[column], token.kind) {
            (Target::Json, _) => builder.push_text(token.source(record)),
            (Target::Array(element), Kind::Array) => {
                self.scratch.clear();
                array_literal(token.text(record), element, self.options, &mut self.scratch)?;
                builder.push_text(&self.scratch)
            }
            (Target::Instant, Kind::Number) => {
                let micros = epoch_micros(token.text(record), self.options.timestamps)?;
                push_instant(builder, micros)
            }
            (target, Kind::Escaped) => {
                self.scratch.clear();
                unescape(token.text(record), &mut self.scratch)?;
                push_string(builder, target, &self.scratch, self.options)
            }
            (target, Kind::Plain) => push_string(builder, target, token.text(record), self.options),
            _ => builder.push_text(token.text(record)),
        }
    }
}

impl RecordDecoder for JsonDecoder {
    fn frame(&self, bytes: &[u8], last: bool) -> Option<usize> {
        let end = memchr::memchr(b'\n', bytes).map(|at| at + 1);
        end.or((last && !bytes.is_empty()).then_some(bytes.len()))
    }

    fn read_header(&mut self, _record: &[u8]) -> Result<()> {
        Err(Error::internal("JSON lines have no header"))
    }

    fn decode(&mut self, record: &[u8]) -> Result<bool> {
        let record = utf8(record)?;
        if record.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
            return Ok(false);
        }
        self.found.fill(None);
        let mut ordinal = 0;
        let (members, found, scratch) = (&mut self.members, &mut self.found, &mut self.scratch);
        let mut bad_key = None;
        scan_object(record, |key, value| {
            let column = match key.kind {
                Kind::Escaped => {
                    scratch.clear();
                    match unescape(key.text(record), scratch) {
                        Ok(()) => members.find(ordinal, scratch),
                        Err(error) => {
                            bad_key = Some(error);
                            None
                        }
                    }
                }
                _ => members.find(ordinal, key.text(record)),
            };
            ordinal += 1;
            if let Some(column) = column {
                found[column] = Some(value);
            }
        })?;
        if let Some(error) = bad_key {
            return Err(error);
        }
        match self.push_row(record) {
            Ok(()) => {
                self.rows.end_row();
                Ok(true)
            }
            Err(error) => {
                self.rows.reject_row();
                Err(error)
            }
        }
    }

    fn finish(&mut self) -> Result<RecordBatch> {
        self.rows.finish()
    }
}

/// Pushes the text of a JSON string.
fn push_string(
    builder: &mut crate::value::ColumnBuilder,
    target: &Target,
    text: &str,
    options: JsonOptions,
) -> Result<()> {
    match target {
        Target::Base64 => builder.push_binary(&base64_bytes(text)?),
        // With an epoch format the numbers may come in quotes.
        Target::Instant if options.timestamps != TimestampFormat::Iso => {
            match epoch_micros(text, options.timestamps) {
                Ok(micros) => push_instant(builder, micros),
                Err(_) => builder.push_text(text),
            }
        }
        _ => builder.push_text(text),
    }
}

/// Longest key, and most keys of an object, that are remembered.
const REMEMBERED: usize = 256;

/// Finds the column of a key. Objects of one file mostly have the same keys in the same order, so
/// the key at each place is compared with the one that stood there last before it is looked up.
struct MemberIndex {
    columns: HashMap<String, usize>,
    last: Vec<(String, Option<usize>)>,
}

impl MemberIndex {
    fn new(columns: &[(String, SqlType)]) -> Self {
        let columns = columns.iter().enumerate().map(|(i, (name, _))| (name.clone(), i)).collect();
        Self { columns, last: Vec::new() }
    }

    fn find(&mut self, ordinal: usize, key: &str) -> Option<usize> {
        if let Some((last, column)) = self.last.get(ordinal)
            && last == key
        {
            return *column;
        }
        let column = self.columns.get(key).copied();
        if ordinal < REMEMBERED && key.len() <= REMEMBERED {
            if ordinal < self.last.len() {
                let (last, last_column) = &mut self.last[ordinal];
                last.clear();
                last.push_str(key);
                *last_column = column;
            } else if ordinal == self.last.len() {
                self.last.push((key.to_owned(), column));
            }
        }
        column
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::testing::{Dice, columns, texts};

    /// Decodes lines; gives the rows and, with its line number from 0, each error.
    fn decode(
        options: JsonOptions,
        list: &str,
        input: &[u8],
    ) -> (Vec<String>, Vec<(usize, Error)>) {
        let mut decoder = JsonDecoder::new(options, &columns(list));
        let mut bad = Vec::new();
        let mut rest = input;
        for line in 0.. {
            let Some(length) = decoder.frame(rest, true) else { break };
            if let Err(error) = decoder.decode(&rest[..length]) {
                bad.push((line, error));
            }
            rest = &rest[length..];
        }
        (texts(&decoder.finish().expect("the rows are complete")), bad)
    }

    fn rows(list: &str, input: &str) -> Vec<String> {
        let (rows, bad) = decode(JsonOptions::default(), list, input.as_bytes());
        assert!(bad.is_empty(), "{bad:?}");
        rows
    }

    fn state(list: &str, input: &str) -> &'static str {
        let (rows, bad) = decode(JsonOptions::default(), list, input.as_bytes());
        assert!(rows.is_empty(), "{input} gave {rows:?}");
        bad[0].1.state().code()
    }

    #[test]
    fn every_type_reads_its_values() {
        for (list, value, expected) in [
            ("a boolean", "true", "t"),
            ("a boolean", "\"no\"", "f"),
            ("a smallint", "-32768", "-32768"),
            ("a integer", "2147483647", "2147483647"),
            ("a integer", "\" 7 \"", "7"),
            ("a bigint", "9223372036854775807", "9223372036854775807"),
            ("a real", "1.5", "1.5"),
            ("a double", "-1.25e-3", "-0.00125"),
            ("a double", "\"NaN\"", "NaN"),
            ("a numeric", "12345678901234567890.0123456789", "12345678901234567890.0123456789"),
            ("a numeric(6,2)", "1234.565", "1234.57"),
            ("a text", "\"a\\nb\\u00e9\"", "a\nb\u{e9}"),
            ("a text", "{\"b\": [1, 2]}", "{\"b\": [1, 2]}"),
            ("a text", "1.50", "1.50"),
            ("a text", "false", "false"),
            ("a varchar(3)", "\"abc\"", "abc"),
            ("a char(3)", "\"a\"", "a  "),
            ("a bytea", "\"\\\\x01ff\"", "\\x01ff"),
            ("a date", "\"2024-02-29\"", "2024-02-29"),
            ("a time", "\"12:34:56.789\"", "12:34:56.789"),
            ("a timestamp", "\"2024-02-29T12:00:00\"", "2024-02-29 12:00:00"),
            ("a timestamp", "1709208000123", "2024-02-29 12:00:00.123"),
            ("a timestamptz", "\"2024-02-29T12:00:00+02:00\"", "2024-02-29 10:00:00+00"),
            ("a timestamptz", "1709208000123", "2024-02-29 12:00:00.123+00"),
            ("a interval", "\"1 day 2 hours\"", "1 day 02:00:00"),
            (
                "a uuid",
                "\"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11\"",
                "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            ),
            ("a json", "{\"b\":[1, null]}", "{\"b\":[1, null]}"),
            ("a json", "\"x\"", "\"x\""),
            ("a jsonb", "{\"b\":1,\"a\":2}", "{\"a\": 2, \"b\": 1}"),
            ("a integer[]", "[1, null, 3]", "{1,NULL,3}"),
            (
                "a text[]",
                "[\"a,b\", \"null\", {\"x\": 1}]",
                "{\"a,b\",\"null\",\"{\\\"x\\\": 1}\"}",
            ),
            (
                "a timestamptz[]",
                "[0, \"2024-01-01\"]",
                "{\"1970-01-01 00:00:00+00\",\"2024-01-01 00:00:00+00\"}",
            ),
            ("a integer[]", "\"{4,5}\"", "{4,5}"),
            ("a integer", "null", "NULL"),
            ("a jsonb", "null", "NULL"),
            ("a text[]", "null", "NULL"),
        ] {
            assert_eq!(rows(list, &format!("{{\"a\":{value}}}\n")), [expected], "{list} {value}");
        }
    }

    #[test]
    fn values_that_do_not_fit_have_their_state() {
        for (list, value, code) in [
            ("a boolean", "\"perhaps\"", "22P02"),
            ("a smallint", "32768", "22003"),
            ("a integer", "1.5", "22P02"),
            ("a integer", "{}", "22P02"),
            ("a bigint", "9223372036854775808", "22003"),
            ("a real", "1e300", "22003"),
            ("a numeric(6,2)", "10000", "22003"),
            ("a varchar(3)", "\"abcd\"", "22001"),
            ("a text", "\"a\\u0000\"", "22021"),
            ("a date", "\"2024-02-30\"", "22008"),
            ("a timestamp", "\"noonish\"", "22007"),
            ("a timestamp", "1e40", "22008"),
            ("a uuid", "\"a0eebc99\"", "22P02"),
            ("a integer[]", "[1, \"x\"]", "22P02"),
            ("a integer[]", "7", "22P02"),
        ] {
            assert_eq!(state(list, &format!("{{\"a\":{value}}}")), code, "{list} {value}");
        }
    }

    #[test]
    fn names_find_their_columns_in_any_order() {
        let input = concat!(
            "{\"b\":1,\"a\":\"x\"}\n",
            "{\"c\":{\"a\":\"no\"},\"a\":\"y\"}\r\n",
            "\n",
            "  {\"A\":\"no\",\"a\":\"z\",\"a\":\"last\",\"b\":2}  \n",
            "{\"\\u0061\":\"escaped key\"}\n",
            "{}",
        );
        let found = rows("a text, b integer", input);
        assert_eq!(found, ["x|1", "y|NULL", "last|2", "escaped key|NULL", "NULL|NULL"]);
    }

    #[test]
    fn exactly_the_bad_lines_are_rejected() {
        let mut input = b"{\"a\":1,\"b\":\"x\"}\n".to_vec();
        input.extend(b"{\"a\":2,\"b\":\"y\"\n");
        input.extend(b"{\"a\":\"three\",\"b\":\"z\"}\n");
        input.extend(b"{\"a\":4,\"b\":\"\xff\"}\n");
        input.extend(b"[5]\n");
        input.extend(b"{\"a\":6,\"b\":\"w\"}\n");
        let (rows, bad) = decode(JsonOptions::default(), "b text, a integer", &input);
        assert_eq!(rows, ["x|1", "w|6"]);
        let bad: Vec<_> = bad.iter().map(|(line, error)| (*line, error.state().code())).collect();
        assert_eq!(bad, [(1, "22P02"), (2, "22P02"), (3, "22021"), (4, "22P02")]);
    }

    #[test]
    fn errors_name_the_column() {
        let (_, bad) = decode(JsonOptions::default(), "a integer", b"{\"a\":\"x\"}");
        assert_eq!(bad[0].1.message(), "invalid input syntax for type integer: \"x\"");
        assert_eq!(bad[0].1.context(), Some("column \"a\""));
    }

    #[test]
    fn timestamps_and_bytes_have_other_forms_by_option() {
        let options = JsonOptions { timestamps: TimestampFormat::Seconds, base64: true };
        let input = concat!(
            "{\"t\":1709208000.25,\"b\":\"AQI=\"}\n",
            "{\"t\":\"1709208000\",\"b\":\"\"}\n",
            "{\"t\":\"2024-01-01\",\"b\":null}\n",
            "{\"t\":0,\"b\":\"?\"}\n",
        );
        let (rows, bad) = decode(options, "t timestamp, b bytea", input.as_bytes());
        assert_eq!(
            rows,
            [
                "2024-02-29 12:00:00.25|\\x0102",
                "2024-02-29 12:00:00|\\x",
                "2024-01-01 00:00:00|NULL"
            ]
        );
        assert_eq!((bad[0].0, bad[0].1.state().code()), (3, "22P02"));
    }

    #[test]
    fn mutated_input_never_panics_and_rows_are_counted() {
        let list = "a integer, b text, c jsonb, d timestamptz, e text[]";
        let line = br#"{"a":12,"b":"x\u00e9\n","c":{"k":[1,2,{"z":null}]},"d":1709208000,"e":["p","q"],"f":{"g":"h"}}"#;
        let mut dice = Dice(7);
        for _ in 0..3_000 {
            let input = dice.mutate(line);
            let (rows, bad) = decode(JsonOptions::default(), list, &input);
            let blank = |line: &&[u8]| !line.iter().all(|byte| b" \t\r\n".contains(byte));
            let lines = input.split(|byte| *byte == b'\n').filter(blank).count();
            assert_eq!(rows.len() + bad.len(), lines, "{}", input.escape_ascii());
        }
    }
}
