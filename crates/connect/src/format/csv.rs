//! CSV as PostgreSQL's `COPY .. (FORMAT csv)` reads it.
//!
//! A field is quoted or not; quotes may stand anywhere in it and may hold delimiters and line
//! ends. An unquoted field that equals the null text is NULL. With a header the fields are found
//! by name, in any order, and further fields are skipped; without one the fields are the columns.
//! Blank lines are no rows, except where a record has a single field, which they are then.

use std::borrow::Cow;

use arrow::array::RecordBatch;
use weir_types::{Error, Result, SqlState, SqlType};

use super::{RecordDecoder, RowBuilder, not_null};
use crate::value::failure::utf8;

/// The dialect of a CSV text.
#[derive(Clone, Debug)]
pub struct CsvOptions {
    /// Between fields; an ASCII character.
    pub delimiter: u8,
    /// Around fields; an ASCII character.
    pub quote: u8,
    /// Before a quote that belongs to a quoted field.
    pub escape: u8,
    /// True where the first record names the fields.
    pub header: bool,
    /// The unquoted text of NULL.
    pub null: String,
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self { delimiter: b',', quote: b'"', escape: b'"', header: true, null: String::new() }
    }
}

/// Decodes CSV records.
pub struct CsvDecoder {
    options: CsvOptions,
    names: Vec<String>,
    /// The columns that are NOT NULL; empty where none is.
    required: Vec<bool>,
    /// The column of each field of a record; empty until the header is read.
    fields: Vec<Option<usize>>,
    rows: RowBuilder,
}

impl CsvDecoder {
    /// A decoder for those columns.
    #[must_use]
    pub fn new(options: CsvOptions, columns: &[(String, SqlType)]) -> Self {
        let fields =
            if options.header { Vec::new() } else { (0..columns.len()).map(Some).collect() };
        Self {
            options,
            names: columns.iter().map(|(name, _)| name.clone()).collect(),
            required: Vec::new(),
            fields,
            rows: RowBuilder::new(columns),
        }
    }

    /// Refuses records without a value in one of the `required` columns.
    #[must_use]
    pub fn requiring(self, required: &[bool]) -> Self {
        Self { required: required.to_vec(), ..self }
    }

    fn push_row(&mut self, record: &str) -> Result<()> {
        let mut fields = Fields::new(record, &self.options);
        for index in 0.. {
            let Some((text, quoted)) = fields.next()? else {
                return self.check_count(index);
            };
            let Some(target) = self.fields.get(index) else {
                return Err(bad_record("extra data after last expected column"));
            };
            let Some(column) = *target else { continue };
            let builder = self.rows.column(column);
            if !quoted && text == self.options.null {
                if self.required.get(column) == Some(&true) {
                    return Err(not_null(&self.names[column]));
                }
                builder.push_null();
            } else {
                builder.push_text(&text).map_err(|error| {
                    error.with_context(format!("column \"{}\"", self.names[column]))
                })?;
            }
        }
        Ok(())
    }

    fn check_count(&self, found: usize) -> Result<()> {
        if found >= self.fields.len() {
            return Ok(());
        }
        let missing = self.fields[found..].iter().flatten().next();
        Err(bad_record(&match missing {
            Some(column) => format!("missing data for column \"{}\"", self.names[*column]),
            None => format!("record has {found} fields, the header {}", self.fields.len()),
        }))
    }
}

impl RecordDecoder for CsvDecoder {
    fn frame(&self, bytes: &[u8], last: bool) -> Option<usize> {
        let CsvOptions { quote, escape, .. } = self.options;
        let mut at = 0;
        let mut in_quotes = false;
        while at < bytes.len() {
            let rest = &bytes[at..];
            if in_quotes {
                at += memchr::memchr2(quote, escape, rest)?;
                if bytes[at] == escape
                    && matches!(bytes.get(at + 1), Some(next) if *next == quote || *next == escape)
                {
                    at += 2;
                } else {
                    in_quotes = bytes[at] != quote;
                    at += 1;
                }
            } else {
                let Some(found) = memchr::memchr2(quote, b'\n', rest) else { break };
                at += found + 1;
                if bytes[at - 1] == b'\n' {
                    return Some(at);
                }
                in_quotes = true;
            }
        }
        (last && !in_quotes && !bytes.is_empty()).then_some(bytes.len())
    }

    fn wants_header(&self) -> bool {
        self.fields.is_empty()
    }

    fn read_header(&mut self, record: &[u8]) -> Result<()> {
        let record = utf8(without_line_end(record))?;
        let mut fields = Fields::new(record, &self.options);
        let mut targets = Vec::new();
        let mut is_named = vec![false; self.names.len()];
        while let Some((name, _)) = fields.next()? {
            let column = self.names.iter().position(|column| *column == name);
            if let Some(column) = column
                && std::mem::replace(&mut is_named[column], true)
            {
                return Err(bad_record(&format!("column \"{name}\" stands twice in the header")));
            }
            targets.push(column);
        }
        if let Some(missing) = is_named.iter().position(|named| !named) {
            let problem = format!("column \"{}\" is not in the header", self.names[missing]);
            return Err(bad_record(&problem)
                .with_detail(format!("The header is: {record}"))
                .with_hint(
                    "Names must match exactly. For files without a header add header = 'false'.",
                ));
        }
        self.fields = targets;
        Ok(())
    }

    fn decode(&mut self, record: &[u8]) -> Result<bool> {
        let record = utf8(without_line_end(record))?;
        if record.is_empty() && self.fields.len() > 1 {
            return Ok(false);
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

fn without_line_end(record: &[u8]) -> &[u8] {
    let record = record.strip_suffix(b"\n").unwrap_or(record);
    record.strip_suffix(b"\r").unwrap_or(record)
}

fn bad_record(message: &str) -> Error {
    Error::new(SqlState::BadCopyFileFormat, message)
}

/// Cuts a record into fields.
struct Fields<'a> {
    record: &'a str,
    options: &'a CsvOptions,
    /// Where the next field begins; `None` after the last one.
    at: Option<usize>,
}

impl<'a> Fields<'a> {
    fn new(record: &'a str, options: &'a CsvOptions) -> Self {
        Self { record, options, at: Some(0) }
    }

    /// The next field without its quotes, and whether it had any.
    fn next(&mut self) -> Result<Option<(Cow<'a, str>, bool)>> {
        let Some(start) = self.at else { return Ok(None) };
        let bytes = self.record.as_bytes();
        let CsvOptions { delimiter, quote, escape, .. } = *self.options;
        let end = memchr::memchr2(delimiter, quote, &bytes[start..]).map(|at| start + at);
        match end {
            None => {
                self.at = None;
                Ok(Some((Cow::Borrowed(&self.record[start..]), false)))
            }
            Some(end) if bytes[end] == delimiter => {
                self.at = Some(end + 1);
                Ok(Some((Cow::Borrowed(&self.record[start..end]), false)))
            }
            Some(open) if open == start => {
                let close = memchr::memchr2(quote, escape, &bytes[open + 1..]);
                let close = close.map(|at| open + 1 + at).filter(|at| bytes[*at] == quote);
                match close.map(|close| (close, bytes.get(close + 1))) {
                    Some((close, None)) => self.whole_quoted(open, close, None),
                    Some((close, Some(next))) if *next == delimiter => {
                        self.whole_quoted(open, close, Some(close + 2))
                    }
                    _ => self.mixed(start),
                }
            }
            Some(_) => self.mixed(start),
        }
    }

    /// A field that is one pair of quotes with no escape between them.
    fn whole_quoted(
        &mut self,
        open: usize,
        close: usize,
        next: Option<usize>,
    ) -> Result<Option<(Cow<'a, str>, bool)>> {
        self.at = next;
        Ok(Some((Cow::Borrowed(&self.record[open + 1..close]), true)))
    }

    /// A field with escapes, or with quotes somewhere in it.
    fn mixed(&mut self, start: usize) -> Result<Option<(Cow<'a, str>, bool)>> {
        let bytes = self.record.as_bytes();
        let CsvOptions { delimiter, quote, escape, .. } = *self.options;
        let mut text = String::new();
        let mut at = start;
        loop {
            let run = memchr::memchr2(delimiter, quote, &bytes[at..]);
            let end = run.map_or(bytes.len(), |run| at + run);
            text.push_str(&self.record[at..end]);
            if end == bytes.len() || bytes[end] == delimiter {
                self.at = (end < bytes.len()).then_some(end + 1);
                return Ok(Some((Cow::Owned(text), true)));
            }
            at = end + 1;
            loop {
                let Some(run) = memchr::memchr2(quote, escape, &bytes[at..]) else {
                    return Err(bad_record("unterminated CSV quoted field"));
                };
                text.push_str(&self.record[at..at + run]);
                at += run;
                let next = bytes.get(at + 1).copied().filter(|next| [quote, escape].contains(next));
                match next {
                    Some(next) if bytes[at] == escape => {
                        text.push(char::from(next));
                        at += 2;
                    }
                    _ if bytes[at] == quote => {
                        at += 1;
                        break;
                    }
                    _ => {
                        text.push(char::from(escape));
                        at += 1;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::testing::{Dice, columns, texts};

    /// Decodes a whole text; gives the rows and, with the number of its record from 0, each error.
    fn decode(options: CsvOptions, list: &str, input: &[u8]) -> (Vec<String>, Vec<(usize, Error)>) {
        let mut decoder = CsvDecoder::new(options, &columns(list));
        let mut bad = Vec::new();
        let mut rest = input;
        for record in 0.. {
            let Some(length) = decoder.frame(rest, true) else { break };
            let result = match decoder.wants_header() {
                true => decoder.read_header(&rest[..length]),
                false => decoder.decode(&rest[..length]).map(drop),
            };
            if let Err(error) = result {
                bad.push((record, error));
            }
            rest = &rest[length..];
        }
        (texts(&decoder.finish().expect("the rows are complete")), bad)
    }

    fn rows(options: CsvOptions, list: &str, input: &str) -> Vec<String> {
        let (rows, bad) = decode(options, list, input.as_bytes());
        assert!(bad.is_empty(), "{bad:?}");
        rows
    }

    fn no_header() -> CsvOptions {
        CsvOptions { header: false, ..CsvOptions::default() }
    }

    #[test]
    fn every_type_reads_its_text() {
        let list = "a boolean, b smallint, c integer, d bigint, e real, f double, g numeric, h numeric(6,2), i text, j varchar(3), k char(3), l bytea, m date, n time, o timestamp, p timestamptz, q interval, r uuid, s json, t jsonb, u integer[], v text[]";
        let input = concat!(
            "yes,-1,2,3,1.5,-2.5e3,0.1,12.345,a b,abc,d,\\x00ff,2024-02-29,23:59:59,",
            "2024-02-29 12:00:00,2024-02-29 12:00:00+01,1 mon,",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11,\"{\"\"a\"\":1}\",\"{\"\"b\"\":1,\"\"a\"\":2}\",",
            "\"{1,NULL}\",\"{a,\"\"b c\"\"}\"\n",
            ",,,,,,,,,,,,,,,,,,,,,\n",
        );
        let expected = concat!(
            "t|-1|2|3|1.5|-2500|0.1|12.35|a b|abc|d  |\\x00ff|2024-02-29|23:59:59|",
            "2024-02-29 12:00:00|2024-02-29 11:00:00+00|1 mon|",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11|{\"a\":1}|{\"a\": 2, \"b\": 1}|",
            "{1,NULL}|{a,\"b c\"}",
        );
        let found = rows(no_header(), list, input);
        assert_eq!(found[0], expected);
        assert_eq!(found[1], ["NULL"; 22].join("|"));
    }

    #[test]
    fn quotes_work_as_in_postgresql() {
        for (input, expected) in [
            ("\"a\",b", "a|b"),
            ("\"a,b\",\"c\nd\r\n\"", "a,b|c\nd\r\n"),
            ("\"a\"\"b\",\"\"", "a\"b|"),
            ("a\"b,c\"d,e", "ab,cd|e"),
            ("\"a\"b\"c\",d", "abc|d"),
            (" \"a\" , b ", " a | b "),
            (",\"\"", "NULL|"),
            ("\"\"\"\",\"\"\"\"\"\"", "\"|\"\""),
        ] {
            assert_eq!(rows(no_header(), "a text, b text", input), [expected], "{input}");
        }
    }

    #[test]
    fn an_escape_other_than_the_quote_stands_for_quote_and_itself() {
        let options = CsvOptions { escape: b'\\', quote: b'\'', delimiter: b'\t', ..no_header() };
        let found = rows(options, "a text, b text", "'a\\'b\\\\c\\d'\t'x'\ny\\'z'\t'\\''\n");
        assert_eq!(found, ["a'b\\c\\d|x", "y\\z|'"]);
    }

    #[test]
    fn a_header_finds_fields_by_name() {
        let input = "x,b,\"a\",y\r\n1,2,3,4\r\n\r\n5,,7,8\r\n";
        assert_eq!(rows(CsvOptions::default(), "a integer, b integer", input), ["3|2", "7|NULL"]);
        for (header, problem) in [
            ("a,c\n", "column \"b\" is not in the header"),
            ("a,b,a\n", "column \"a\" stands twice in the header"),
            ("A,b\n", "column \"a\" is not in the header"),
            ("\n", "column \"a\" is not in the header"),
        ] {
            let mut decoder = CsvDecoder::new(CsvOptions::default(), &columns("a text, b text"));
            let error = decoder.read_header(header.as_bytes()).unwrap_err();
            assert_eq!((error.message(), error.state().code()), (problem, "22P04"));
            assert!(decoder.wants_header());
        }
    }

    #[test]
    fn exactly_the_bad_records_are_rejected() {
        let input = b"a,b\n1,x\n2\n3,y,z\nq,w\n4,\"multi\nline\"\n5,\xff\n6,\"v\"\n7,\"open\n8,u\n";
        let (rows, bad) = decode(CsvOptions::default(), "b text, a integer", input);
        assert_eq!(rows, ["x|1", "multi\nline|4", "v|6"]);
        let bad: Vec<_> = bad.iter().map(|(record, e)| (*record, e.message())).collect();
        assert_eq!(bad[0], (2, "missing data for column \"b\""));
        assert_eq!(bad[1], (3, "extra data after last expected column"));
        assert_eq!(bad[2], (4, "invalid input syntax for type integer: \"q\""));
        assert_eq!(bad[3], (6, "invalid byte sequence for encoding \"UTF8\": 0xff"));
        assert_eq!(bad.len(), 4, "the open quote leaves the rest without a record");
    }

    #[test]
    fn a_record_with_an_open_quote_is_bad() {
        let mut decoder = CsvDecoder::new(no_header(), &columns("a text"));
        assert_eq!(decoder.frame(b"\"a\nb", true), None);
        let error = decoder.decode(b"\"a\n").unwrap_err();
        assert_eq!(error.message(), "unterminated CSV quoted field");
    }

    #[test]
    fn null_is_the_unquoted_null_text_only() {
        let options = CsvOptions { null: "\\N".to_owned(), ..no_header() };
        let input = "\\N,\"\\N\"\n,\"\"\n";
        assert_eq!(rows(options, "a text, b text", input), ["NULL|\\N", "|"]);
    }

    #[test]
    fn a_blank_line_is_a_row_of_a_single_field_only() {
        assert_eq!(rows(no_header(), "a text", "x\n\ny\n"), ["x", "NULL", "y"]);
        assert_eq!(rows(no_header(), "a text, b text", "x,1\n\ny,2\n"), ["x|1", "y|2"]);
    }

    #[test]
    fn a_record_ends_where_no_quote_is_open() {
        let decoder = CsvDecoder::new(no_header(), &columns("a text"));
        for (bytes, last, expected) in [
            (&b"a,b"[..], false, None),
            (b"a,b", true, Some(3)),
            (b"a,b\nc", false, Some(4)),
            (b"\"a\nb\"\nc", false, Some(6)),
            (b"\"a\"\"\nb\"\n", false, Some(8)),
            (b"\"a", true, None),
            (b"", true, None),
        ] {
            assert_eq!(decoder.frame(bytes, last), expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn mutated_input_never_panics_and_rows_are_counted() {
        let input =
            b"a,b,c\n1,\"x, \"\"y\"\"\",2024-01-01\n2,plain,\n3,\"two\nlines\",2024-02-02\n";
        let mut dice = Dice(11);
        for _ in 0..3_000 {
            let input = dice.mutate(input);
            let (rows, bad) = decode(CsvOptions::default(), "a integer, b text, c date", &input);
            let decoder = CsvDecoder::new(CsvOptions::default(), &columns("a integer"));
            let (mut records, mut rest) = (0, &input[..]);
            while let Some(length) = decoder.frame(rest, true) {
                let is_blank = without_line_end(&rest[..length]).is_empty();
                records += usize::from(!is_blank);
                rest = &rest[length..];
            }
            // Where a header does not fit, the record after it is tried, and so on.
            let headers = records.min(1);
            assert!(rows.len() + bad.len() + headers >= records, "{}", input.escape_ascii());
            assert!(rows.len() <= records, "{}", input.escape_ascii());
        }
    }
}
