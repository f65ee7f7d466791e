//! COPY against the answers of a PostgreSQL 15 server, cut at every byte, and with damaged data.

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use bytes::BytesMut;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use weir_types::limits::VALUE_BYTES_MAX;
use weir_types::{Error, Result, SqlType};

use super::{CopyDecoder, CopyEncoder, CopyFormat, CopyOptions};
use crate::value::FormatSettings;
use crate::value::tests::{type_of, unescape};

/// Columns, options, data, then SQLSTATE or nothing, the rows as text or the message, and the
/// context of the error.
const DECODE: &str = include_str!("tests/decode15.tsv");
/// Columns, options, rows as text, and the data.
const ENCODE: &str = include_str!("tests/encode15.tsv");

struct Case {
    columns: Vec<(String, SqlType)>,
    options: CopyOptions,
    input: Vec<u8>,
    rest: Vec<Vec<u8>>,
}

fn cases(lines: &'static str) -> impl Iterator<Item = Case> {
    lines.split_terminator('\n').map(|line| {
        let mut fields = line.split('\t').map(unescape);
        let mut text = || String::from_utf8(fields.next().expect("a field")).expect("UTF-8");
        let (columns, options) = (text(), text());
        Case {
            columns: columns_of(&columns),
            options: options_of(&options, &columns),
            input: fields.next().expect("a field"),
            rest: fields.collect(),
        }
    })
}

/// `a:integer;b:text`
fn columns_of(text: &str) -> Vec<(String, SqlType)> {
    let column = |text: &str| {
        let (name, type_name) = text.split_once(':').expect("a name and a type");
        (name.to_owned(), type_of(type_name))
    };
    text.split(';').map(column).collect()
}

fn options_of(text: &str, columns: &str) -> CopyOptions {
    let mut options = CopyOptions::new(if text.contains("format=csv") {
        CopyFormat::Csv
    } else if text.contains("format=binary") {
        CopyFormat::Binary
    } else {
        CopyFormat::Text
    });
    for (name, value) in text.split(';').filter_map(|option| option.split_once('=')) {
        let byte = value.as_bytes().first().copied().unwrap_or(0);
        match name {
            "format" => {}
            "header" => options.header = value == "true",
            "null" => options.null = value.to_owned(),
            "delimiter" => options.delimiter = byte,
            "quote" => (options.quote, options.escape) = (byte, byte),
            "escape" => options.escape = byte,
            "force_quote" => {
                let is_forced = |(name, _): &(String, SqlType)| value.split(',').any(|n| n == name);
                options.force_quote = columns_of(columns).iter().map(is_forced).collect();
            }
            other => panic!("unknown option {other}"),
        }
    }
    options
}

/// The rows of data that comes in chunks.
fn decode<'a>(
    case: &Case,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Option<RecordBatch>> {
    let settings = FormatSettings::default();
    let mut decoder = CopyDecoder::new(&case.options, case.columns.clone(), &settings, "t")?;
    let mut batches = Vec::new();
    for chunk in chunks {
        decoder.push(chunk)?;
        batches.extend(decoder.take_batch(2)?);
    }
    batches.extend(decoder.finish()?);
    let Some(first) = batches.first() else { return Ok(None) };
    Ok(Some(concat_batches(&first.schema(), &batches).expect("batches of one schema")))
}

fn encode(case: &Case, options: &CopyOptions, batch: Option<&RecordBatch>) -> Vec<u8> {
    let settings = FormatSettings::default();
    let encoder = CopyEncoder::new(options, case.columns.clone(), &settings).expect("good options");
    let mut data = BytesMut::from(encoder.header().unwrap_or_default());
    if let Some(batch) = batch {
        let rows = encoder.rows(batch).expect("a batch of those columns");
        for row in 0..batch.num_rows() {
            rows.write(row, &mut data).expect("values that can be written");
        }
    }
    data.extend_from_slice(&encoder.trailer().unwrap_or_default());
    data.to_vec()
}

/// SQLSTATE, rows as text or message, and context, as in the file.
fn outcome(case: &Case, result: Result<Option<RecordBatch>>) -> [String; 3] {
    match result {
        Ok(batch) => {
            let text = encode(case, &CopyOptions::new(CopyFormat::Text), batch.as_ref());
            let text = String::from_utf8(text).expect("COPY text is UTF-8");
            [String::new(), text, String::new()]
        }
        Err(error) => [
            error.state().code().to_owned(),
            error.message().to_owned(),
            error.context().unwrap_or_default().to_owned(),
        ],
    }
}

fn expected(case: &Case) -> [String; 3] {
    let mut fields = case.rest.iter().map(|field| String::from_utf8(field.clone()).expect("UTF-8"));
    let mut expected = std::array::from_fn(|_| fields.next().expect("three fields"));
    // A value that is too short is an error of the value here.
    if expected[0] == "08P01" {
        expected[0] = "22P03".to_owned();
    }
    expected
}

#[test]
fn data_is_read_as_by_postgres() {
    let mut wrong = Vec::new();
    for case in cases(DECODE) {
        let found = outcome(&case, decode(&case, [case.input.as_slice()]));
        let expected = expected(&case);
        if found != expected {
            let input = String::from_utf8_lossy(&case.input);
            wrong.push(format!("{input:?}\n  PostgreSQL {expected:?}\n  found      {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} cases differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn data_is_written_as_by_postgres() {
    for case in cases(ENCODE) {
        let rows = Case {
            columns: case.columns.clone(),
            options: CopyOptions::new(CopyFormat::Text),
            input: case.input.clone(),
            rest: Vec::new(),
        };
        let batch = decode(&rows, [case.input.as_slice()]).expect("good rows");
        let found = encode(&case, &case.options, batch.as_ref());
        let (found, expected) =
            (String::from_utf8_lossy(&found), String::from_utf8_lossy(&case.rest[0]));
        assert_eq!(found, expected, "{:?}", case.options);
        // And back, unless a text is written like NULL.
        if case.options.format == CopyFormat::Text && case.options.null != "\\N" {
            continue;
        }
        let again = decode(&case, [case.rest[0].as_slice()]).expect("own data is good");
        assert_eq!(again, batch, "{:?}", case.options);
    }
}

/// Which bytes of a bad character are named depends on where the data is cut.
fn without_bytes(mut outcome: [String; 3]) -> [String; 3] {
    if outcome[0] == "22021" {
        outcome[1].truncate(outcome[1].find(':').expect("bytes behind a colon"));
    }
    outcome
}

#[test]
fn data_may_be_cut_anywhere() {
    for case in cases(DECODE) {
        let whole = without_bytes(expected(&case));
        for cut in 0..=case.input.len() {
            let (one, two) = case.input.split_at(cut);
            let found = without_bytes(outcome(&case, decode(&case, [one, two])));
            assert_eq!(found, whole, "{:?} and {:?}", shown(one), shown(two));
        }
        let found = without_bytes(outcome(&case, decode(&case, case.input.chunks(1))));
        assert_eq!(found, whole, "{:?}", shown(&case.input));
    }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn damaged_data_is_an_error_or_rows_however_it_is_cut() {
    let cases: Vec<Case> = cases(DECODE)
        .chain(cases(ENCODE).map(|mut case| {
            case.input = case.rest[0].clone();
            case
        }))
        .collect();
    let mut random = StdRng::seed_from_u64(15);
    for _ in 0..20_000 {
        let case = &cases[random.random_range(0..cases.len())];
        let mut data = case.input.clone();
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(0..=data.len());
            match random.random_range(0..4) {
                0 => data.truncate(at),
                1 => data.insert(at, b"\\\"\n\r\t,.N\0\xFF\xC3"[random.random_range(0..11)]),
                2 if at < data.len() => data[at] = random.random(),
                _ if at < data.len() => {
                    data.remove(at);
                }
                _ => {}
            }
        }
        let whole = without_bytes(outcome(case, decode(case, [data.as_slice()])));
        let size = random.random_range(1..8);
        let cut = without_bytes(outcome(case, decode(case, data.chunks(size))));
        assert_eq!(cut, whole, "{:?} in chunks of {size}", shown(&data));
    }
}

#[test]
fn batches_come_when_they_are_large_enough() {
    let options = CopyOptions::new(CopyFormat::Text);
    let columns = vec![("a".to_owned(), SqlType::Int4)];
    let mut decoder =
        CopyDecoder::new(&options, columns, &FormatSettings::default(), "t").expect("good options");
    decoder.push(b"1\n2\n3").expect("good data");
    assert_eq!(decoder.take_batch(3).expect("no error"), None);
    assert_eq!(decoder.take_batch(2).expect("no error").map(|batch| batch.num_rows()), Some(2));
    assert_eq!(decoder.take_batch(0).expect("no error"), None);
    assert_eq!(decoder.finish().expect("no error").map(|batch| batch.num_rows()), Some(1));
}

#[test]
fn a_table_without_columns_takes_empty_lines() {
    for format in [CopyFormat::Text, CopyFormat::Csv] {
        let options = CopyOptions::new(format);
        let settings = FormatSettings::default();
        let mut decoder =
            CopyDecoder::new(&options, Vec::new(), &settings, "t").expect("good options");
        decoder.push(b"\n\n").expect("good data");
        let rows = decoder.finish().expect("no error").map(|batch| batch.num_rows());
        assert_eq!(rows, Some(2));
        decoder.push(b"x\n").expect_err("there is no column");
    }
}

fn push_forever(format: CopyFormat, start: &[u8]) -> Error {
    let columns = vec![("a".to_owned(), SqlType::Text)];
    let mut decoder =
        CopyDecoder::new(&CopyOptions::new(format), columns, &FormatSettings::default(), "t")
            .expect("good options");
    decoder.push(start).expect("a good start");
    let chunk = vec![b'x'; 8 << 20];
    for _ in 0..=VALUE_BYTES_MAX / chunk.len() {
        if let Err(error) = decoder.push(&chunk) {
            return error;
        }
    }
    panic!("a field without end was taken");
}

#[test]
fn a_field_without_end_is_refused() {
    let mut binary = b"PGCOPY\n\xFF\r\n\0\0\0\0\0\0\0\0\0\0\x01".to_vec();
    binary.extend((VALUE_BYTES_MAX as u32 + 1).to_be_bytes());
    for (format, start) in
        [(CopyFormat::Text, b"ok\n".as_slice()), (CopyFormat::Csv, b"ok\n\"".as_slice())]
    {
        let error = push_forever(format, start);
        assert_eq!(error.state().code(), "54000");
        assert_eq!(error.context(), Some("COPY t, line 2"));
    }
    let columns = vec![("a".to_owned(), SqlType::Text)];
    let options = CopyOptions::new(CopyFormat::Binary);
    let mut decoder =
        CopyDecoder::new(&options, columns, &FormatSettings::default(), "t").expect("good options");
    let error = decoder.push(&binary).expect_err("a field above the limit");
    assert_eq!(error.state().code(), "54000");
    assert_eq!(error.context(), Some("COPY t, line 1, column a"));
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let text = CopyOptions::new(CopyFormat::Text);
    let csv = CopyOptions::new(CopyFormat::Csv);
    for (options, message) in [
        (CopyOptions { delimiter: b'a', ..text.clone() }, "COPY delimiter cannot be \"a\""),
        (
            CopyOptions { delimiter: b'\n', ..text.clone() },
            "COPY delimiter cannot be newline or carriage return",
        ),
        (
            CopyOptions { delimiter: 0xC3, ..text.clone() },
            "COPY delimiter must be a single one-byte character",
        ),
        (
            CopyOptions { null: "\r".to_owned(), ..text.clone() },
            "COPY null representation cannot use newline or carriage return",
        ),
        (
            CopyOptions { null: "a\tb".to_owned(), ..text },
            "COPY delimiter must not appear in the NULL specification",
        ),
        (CopyOptions { quote: b',', ..csv.clone() }, "COPY delimiter and quote must be different"),
        (
            CopyOptions { null: "\"".to_owned(), ..csv },
            "CSV quote character must not appear in the NULL specification",
        ),
    ] {
        let error = options.check().expect_err(message);
        assert_eq!(error.message(), message);
    }
}
