//! Tests with real files: what is read, in which order, and what a restart goes on with.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use arrow::array::{ArrayRef, Int64Array, StringArray};
use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

use super::*;
use crate::format::testing::{Dice, columns as columns_of, texts};

/// A folder and the options of a stream over it.
struct Folder {
    dir: TempDir,
    options: BTreeMap<String, String>,
    columns: Vec<(String, SqlType)>,
    required: Vec<bool>,
}

/// All that a source gave.
#[derive(Default)]
struct Found {
    rows: Vec<String>,
    /// File, line and bytes.
    bad: Vec<(String, i64, Vec<u8>)>,
    position: Position,
}

impl Folder {
    /// `options` are `name=value` with commas.
    fn new(format: &str, list: &str, options: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary place is made");
        let columns = columns_of(list);
        let required = vec![false; columns.len()];
        let mut folder = Self { dir, options: BTreeMap::new(), columns, required };
        folder.set("path", &folder.path(""));
        folder.set("format", format);
        folder.set("settle_time", "0s");
        for option in options.split(',').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').expect("the option is name=value");
            folder.set(name, value);
        }
        folder
    }

    fn set(&mut self, name: &str, value: &str) {
        self.options.insert(name.to_owned(), value.to_owned());
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.dir.path().to_str().expect("the path is UTF-8"))
            .trim_end_matches('/')
            .to_owned()
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).expect("the file system takes it");
    }

    fn append(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let mut file =
            OpenOptions::new().append(true).open(self.path(name)).expect("the file is there");
        file.write_all(bytes.as_ref()).expect("the file system takes it");
    }

    fn write_gzip(&self, name: &str, text: &str) {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).expect("the file system takes it");
        self.write(name, encoder.finish().expect("the file is written"));
    }

    /// A Parquet file with a column `a` of these numbers and `b` of their texts.
    fn write_parquet(&self, name: &str, numbers: std::ops::Range<i64>) {
        let a: ArrayRef = Arc::new(Int64Array::from_iter_values(numbers.clone()));
        let b: ArrayRef = Arc::new(StringArray::from_iter_values(numbers.map(|n| n.to_string())));
        let batch = RecordBatch::try_from_iter([("a", a), ("b", b)])
            .expect("columns of one length make a batch");
        let mut writer =
            ArrowWriter::try_new(Vec::new(), batch.schema(), None).expect("the file is written");
        writer.write(&batch).expect("the file is written");
        self.write(name, writer.into_inner().expect("the file is written"));
    }

    fn open(&self, position: &Position) -> FileSource {
        let options = Options::new("file", &self.options);
        FileSource::open(options, &self.columns, &self.required, position)
            .expect("the options are good")
    }

    fn read(&self) -> Found {
        drain(&mut self.open(&Position::new()), 100)
    }

    fn fails(&self) -> Error {
        let mut source = self.open(&Position::new());
        source.poll(100).expect_err("the poll fails")
    }

    fn check(&self) -> Result<()> {
        check(Options::new("file", &self.options), &self.columns, &self.required)
    }
}

/// Polls once, as if the poll interval had passed.
fn poll(source: &mut FileSource, max_rows: usize, found: &mut Found) -> Result<bool> {
    source.scanned = None;
    match source.poll(max_rows)? {
        Polled::Rows { rows, bad, position } => {
            found.rows.extend(texts(&rows));
            found.bad.extend(bad.into_iter().map(|bad| {
                (
                    bad.origin.rsplit('/').next().expect("a path has a last part").to_owned(),
                    bad.place,
                    bad.raw,
                )
            }));
            found.position = position;
            Ok(true)
        }
        Polled::Idle { .. } => Ok(false),
        Polled::Finished => panic!("files never end"),
    }
}

/// Polls until nothing more comes.
fn drain(source: &mut FileSource, max_rows: usize) -> Found {
    let mut found = Found::default();
    while poll(source, max_rows, &mut found).expect("the source can be read") {}
    found
}

#[test]
fn files_are_read_in_the_order_of_their_names() {
    let folder = Folder::new("json", "a integer, b text", "");
    folder.write("b.json", "{\"a\":3,\"b\":\"z\"}\n");
    folder.write("a.json", "{\"a\":1,\"b\":\"x\"}\n{\"a\":2,\"b\":\"y\"}\n");
    folder.write("_temporary", "{\"a\":9}\n");
    let found = folder.read();
    assert_eq!(found.rows, ["1|x", "2|y", "3|z"]);
    let position: Vec<_> = found.position.values().map(String::as_str).collect();
    assert_eq!(position, ["32:2", "16:1"]);
}

#[test]
fn bad_rows_come_with_file_line_and_bytes() {
    let folder = Folder::new("json", "a integer", "");
    folder.write("a.json", b"{\"a\":1}\n\n{\"a\":x}\r\n{\"a\":\"\xff\"}\n{\"a\":4}\n");
    folder.write("b.json", "nonsense\n");
    let found = folder.read();
    assert_eq!(found.rows, ["1", "4"]);
    let expected: [(String, i64, Vec<u8>); 3] = [
        ("a.json".to_owned(), 3, b"{\"a\":x}\r\n".to_vec()),
        ("a.json".to_owned(), 4, b"{\"a\":\"\xff\"}\n".to_vec()),
        ("b.json".to_owned(), 1, b"nonsense\n".to_vec()),
    ];
    assert_eq!(found.bad, expected);
}

#[test]
fn the_error_of_a_bad_row_tells_its_place() {
    let folder = Folder::new("csv", "a integer", "");
    folder.write("x.csv", "a\n1\nb\n");
    let Polled::Rows { bad, .. } =
        folder.open(&Position::new()).poll(10).expect("the source can be read")
    else {
        panic!("rows are there")
    };
    let expected = format!("file \"{}\", line 3, column \"a\"", folder.path("x.csv"));
    assert_eq!(bad[0].error.context(), Some(expected.as_str()));
    assert_eq!(bad[0].error.message(), "invalid input syntax for type integer: \"b\"");
}

/// Reads row by row; from each position on the way, and each number of rows at once, a new source
/// must give exactly the rest.
fn resumes_everywhere(folder: &Folder) {
    let all = folder.read();
    assert!(all.rows.len() + all.bad.len() > 5, "too few rows to tell anything");
    let mut source = folder.open(&Position::new());
    let mut found = Found::default();
    while poll(&mut source, 1, &mut found).expect("the source can be read") {
        for max_rows in [1, 3, 100] {
            let rest = drain(&mut folder.open(&found.position), max_rows);
            assert_eq!(rest.rows, all.rows[found.rows.len()..], "from {:?}", found.position);
            assert_eq!(rest.bad, all.bad[found.bad.len()..], "from {:?}", found.position);
        }
    }
    assert_eq!((found.rows, found.bad), (all.rows, all.bad));
}

#[test]
fn json_resumes_from_every_position() {
    let folder = Folder::new("json", "a integer, b text", "");
    folder.write("a.json", "\u{feff}{\"a\":1}\n{\"a\":2}\r\n\n{\"a\":x}\n{\"b\":\"\u{e9}\"}\n");
    folder.write("b.json", "");
    folder.write("c.json", "{\"a\":5}\n{\"a\":6}\n{\"a\":7}");
    resumes_everywhere(&folder);
}

#[test]
fn csv_resumes_from_every_position() {
    let folder = Folder::new("csv", "a integer, b text", "");
    folder.write(
        "a.csv",
        "\u{feff}b,skipped,a\r\n\"x\r\ny\",0,1\r\nz,0,q\r\n\"w\n\n\",,3\r\n\r\n,,4\r\n",
    );
    folder.write("b.csv", "a,b\n5,\"open\n6,v\n");
    folder.write("c.csv", "a,b\n7,\"last\nline\"");
    resumes_everywhere(&folder);
}

#[test]
fn compressed_text_resumes_from_every_position() {
    let folder = Folder::new("csv", "a integer", "");
    folder.write_gzip("a.csv.gz", "\u{feff}a\n1\n2\nx\n3\n");
    folder.write_gzip("b.csv.gz", "");
    folder.write_gzip("c.csv.gz", "b,a\n,4\n,5");
    folder.write("d.csv", "a\n6\n");
    resumes_everywhere(&folder);
}

#[test]
fn parquet_resumes_from_every_position() {
    let folder = Folder::new("parquet", "b varchar(3), a smallint", "");
    folder.write_parquet("a.parquet", 997..1_003);
    folder.write_parquet("b.parquet", 0..0);
    folder.write_parquet("c.parquet", 32_766..32_769);
    folder.write_parquet("d.parquet", 5..8);
    resumes_everywhere(&folder);
}

#[test]
fn a_growing_file_is_read_by_complete_lines() {
    let folder = Folder::new("json", "a integer", "settle_time=1h");
    folder.write("a.json", "{\"a\":1}\n{\"a\":");
    let mut source = folder.open(&Position::new());
    assert_eq!(drain(&mut source, 10).rows, ["1"]);
    assert!(drain(&mut source, 10).rows.is_empty());
    folder.append("a.json", "2");
    assert!(drain(&mut source, 10).rows.is_empty());
    folder.append("a.json", "}\n{\"a\":3}\n{");
    let found = drain(&mut source, 10);
    assert_eq!(found.rows, ["2", "3"]);
    let mut source = folder.open(&found.position);
    folder.append("a.json", "\"a\":4}\n");
    assert_eq!(drain(&mut source, 10).rows, ["4"]);
}

#[test]
fn every_file_of_a_folder_may_grow_and_new_ones_may_come() {
    let folder = Folder::new("csv", "a integer", "header=false");
    folder.write("b.csv", "1\n");
    folder.write("c.csv", "2\n");
    let mut source = folder.open(&Position::new());
    assert_eq!(drain(&mut source, 10).rows, ["1", "2"]);
    folder.append("b.csv", "3\n");
    folder.append("c.csv", "4\n");
    folder.write("a.csv", "5\n");
    folder.write("d.csv", "6\n");
    assert_eq!(drain(&mut source, 10).rows, ["5", "3", "4", "6"]);
}

#[test]
fn a_last_line_without_end_is_taken_when_the_file_settled() {
    let mut folder = Folder::new("csv", "a integer, b text", "settle_time=1h");
    folder.write("a.csv", "a,b\n1,x\n2,y");
    let mut source = folder.open(&Position::new());
    let found = drain(&mut source, 10);
    assert_eq!(found.rows, ["1|x"]);
    let an_hour_ago = SystemTime::now() - Duration::from_secs(3_601);
    File::open(folder.path("a.csv"))
        .expect("the file is there")
        .set_modified(an_hour_ago)
        .expect("the file system takes it");
    let found = drain(&mut source, 10);
    assert_eq!(found.rows, ["2|y"]);
    folder.set("settle_time", "0s");
    for end in ["\n3,z\n", "\r\n3,z\n"] {
        folder.write("a.csv", format!("a,b\n1,x\n2,y{end}"));
        let again = drain(&mut folder.open(&found.position), 10);
        assert_eq!(again.rows, ["3|z"], "{end:?}");
        assert!(again.bad.is_empty());
    }
    folder.write("a.csv", "a,b\n1,x\n2,yes\n");
    let error = folder.open(&found.position).poll(10).unwrap_err();
    assert_eq!(error.state().code(), "55000");
    assert!(error.message().contains("a.csv"), "{error}");
}

#[test]
fn a_single_column_gets_no_row_from_the_late_end_of_its_last_line() {
    let folder = Folder::new("csv", "a text", "header=false");
    folder.write("a.csv", "x");
    let mut source = folder.open(&Position::new());
    assert_eq!(drain(&mut source, 10).rows, ["x"]);
    folder.append("a.csv", "\n");
    assert!(drain(&mut source, 10).rows.is_empty());
    folder.append("a.csv", "\ny\n");
    assert_eq!(drain(&mut source, 10).rows, ["NULL", "y"]);
}

#[test]
fn an_open_quote_costs_its_line_only() {
    let folder = Folder::new("csv", "a integer, b text", "header=false");
    folder.write("a.csv", "1,x\n2,\"open\n3,y\n4,z");
    let found = folder.read();
    assert_eq!(found.rows, ["1|x", "3|y", "4|z"]);
    assert_eq!(found.bad, [("a.csv".to_owned(), 2, b"2,\"open\n".to_vec())]);
}

#[test]
fn a_glob_names_its_files_only() {
    let mut folder = Folder::new("json", "a integer", "");
    for (name, a) in [("x1.json", 1), ("x2.json", 2), ("y.json", 9), (".x3.json", 9)] {
        folder.write(name, format!("{{\"a\":{a}}}\n"));
    }
    folder.set("path", &folder.path("x*.json"));
    let mut source = folder.open(&Position::new());
    assert_eq!(drain(&mut source, 10).rows, ["1", "2"]);
    folder.write("x0.json", "{\"a\":0}\n");
    assert_eq!(drain(&mut source, 10).rows, ["0"]);
}

#[test]
fn a_truncated_file_is_an_error_and_the_others_are_read_on() {
    let folder = Folder::new("json", "a integer", "");
    folder.write("a.json", "{\"a\":1}\n{\"a\":2}\n");
    folder.write("b.json", "{\"a\":3}\n");
    let mut source = folder.open(&Position::new());
    assert_eq!(drain(&mut source, 10).rows.len(), 3);
    folder.write("a.json", "{\"a\":4}\n");
    folder.append("b.json", "{\"a\":5}\n");
    let mut found = Found::default();
    let error = poll(&mut source, 10, &mut found).unwrap_err();
    assert_eq!(error.state().code(), "55000");
    let expected = format!(
        "file \"{}\" was truncated or replaced after it had been read",
        folder.path("a.json")
    );
    assert_eq!(error.message(), expected);
    assert!(poll(&mut source, 10, &mut found).expect("the source can be read"));
    assert_eq!(found.rows, ["5"]);
}

#[test]
fn a_replaced_file_is_noticed_by_its_line_ends() {
    let folder = Folder::new("json", "a integer", "");
    folder.write("a.json", "{\"a\":1}\n");
    let found = folder.read();
    folder.write("a.json", "{\"a\":1000000}\n");
    let error = folder.open(&found.position).poll(10).unwrap_err();
    assert!(error.message().contains("does not go on where it was left"), "{error}");
}

#[test]
fn rows_before_an_error_come_first_and_the_error_next() {
    let folder = Folder::new("csv", "a integer", "");
    folder.write("a.csv", "a\n1\n");
    folder.write("b.csv", "b\n2\n");
    folder.write("c.csv", "a\n3\n");
    let mut source = folder.open(&Position::new());
    let mut found = Found::default();
    assert!(poll(&mut source, 10, &mut found).expect("the source can be read"));
    assert_eq!(found.rows, ["1"]);
    let error = poll(&mut source, 10, &mut found).unwrap_err();
    assert_eq!(error.message(), "column \"a\" is not in the header");
    let expected = format!("file \"{}\"", folder.path("b.csv"));
    assert_eq!(error.context(), Some(expected.as_str()));
    assert!(poll(&mut source, 10, &mut found).expect("the source can be read"));
    assert_eq!(found.rows, ["1", "3"]);
}

#[test]
fn files_that_must_not_change_are_watched() {
    let folder = Folder::new("parquet", "a bigint", "");
    folder.write_parquet("a.parquet", 0..2);
    let found = folder.read();
    folder.write_parquet("a.parquet", 0..2_000);
    let error = folder.open(&found.position).poll(10).unwrap_err();
    assert!(error.message().ends_with("was changed after it had been read"), "{error}");
}

#[test]
fn a_damaged_file_is_named_and_the_others_are_read_on() {
    let folder = Folder::new("parquet", "a bigint", "");
    folder.write("a.parquet", "PAR1 this is not really one PAR1");
    folder.write_parquet("b.parquet", 7..8);
    let mut source = folder.open(&Position::new());
    let mut found = Found::default();
    let error = poll(&mut source, 10, &mut found).unwrap_err();
    assert!(error.message().contains("a.parquet"), "{error}");
    assert!(poll(&mut source, 10, &mut found).expect("the source can be read"));
    assert_eq!(found.rows, ["7"]);

    let folder = Folder::new("json", "a bigint", "");
    folder.write("a.json.gz", b"\x1f\x8b\x08 no");
    let error = folder.fails();
    assert!(error.message().ends_with("a.json.gz\" is not valid gzip"), "{error}");
}

#[test]
fn unfinished_files_wait() {
    let folder = Folder::new("parquet", "a bigint", "settle_time=1h");
    folder.write_parquet("a.parquet", 0..3);
    let bytes = fs::read(folder.path("a.parquet")).expect("the file is there");
    folder.write("a.parquet", &bytes[..bytes.len() - 10]);
    let mut source = folder.open(&Position::new());
    assert!(drain(&mut source, 10).rows.is_empty());
    folder.write("a.parquet", &bytes);
    assert_eq!(drain(&mut source, 10).rows, ["0", "1", "2"]);
}

#[test]
fn removed_files_are_forgotten_while_their_folder_lives() {
    let folder = Folder::new("json", "a integer", "");
    folder.write("a.json", "{\"a\":1}\n");
    folder.write("b.json", "{\"a\":2}\n");
    let mut source = folder.open(&Position::new());
    assert_eq!(drain(&mut source, 10).position.len(), 2);
    let b = fs::read(folder.path("b.json")).expect("the file is there");
    fs::remove_file(folder.path("a.json")).expect("the file system takes it");
    fs::remove_file(folder.path("b.json")).expect("the file system takes it");
    assert!(drain(&mut source, 10).rows.is_empty());
    folder.write("b.json", b);
    folder.write("c.json", "{\"a\":3}\n");
    let found = drain(&mut source, 10);
    assert_eq!(found.rows, ["3"], "b came back and was remembered");
    let names: Vec<_> = found.position.keys().map(|name| name.rsplit('/').next()).collect();
    assert_eq!(names, [Some("b.json"), Some("c.json")]);
}

/// Writes a text in random pieces while it is read with random limits and random restarts.
#[test]
fn random_growth_and_restarts_lose_and_double_nothing() {
    for seed in 0..40 {
        let mut dice = Dice(seed);
        let folder = Folder::new("csv", "n integer, t text", "settle_time=1h");
        let mut text = String::from("t,n\n");
        let mut expected = Vec::new();
        for n in 0..60 {
            let t = ["x", "\"a,\nb\"", "\"q\"\"q\"", "\"\r\n\""][dice.below(4)];
            text.push_str(&format!("{t},{n}\n"));
            let plain = t.trim_matches('"').replace("\"\"", "\"");
            expected.push(format!("{n}|{plain}"));
        }
        folder.write("a.csv", "");
        let (mut written, mut found) = (0, Found::default());
        let mut source = folder.open(&Position::new());
        while written < text.len() || found.rows.len() < expected.len() {
            let end = (written + dice.below(40)).min(text.len());
            folder.append("a.csv", &text[written..end]);
            written = end;
            for _ in 0..dice.below(3) {
                poll(&mut source, 1 + dice.below(5), &mut found).expect("the source can be read");
            }
            if dice.below(4) == 0 {
                source = folder.open(&found.position);
            }
        }
        assert_eq!(found.rows, expected, "seed {seed}");
        assert!(found.bad.is_empty());
    }
}

#[test]
fn mutated_files_never_panic() {
    let folder = Folder::new("json", "a integer, b text", "");
    folder.write_gzip("whole.gz", "{\"a\":1,\"b\":\"x\"}\n{\"a\":2}\n");
    let bytes = fs::read(folder.path("whole.gz")).expect("the file is there");
    fs::remove_file(folder.path("whole.gz")).expect("the file system takes it");
    let mut dice = Dice(5);
    for _ in 0..300 {
        folder.write("a.json.gz", dice.mutate(&bytes));
        let mut source = folder.open(&Position::new());
        let mut found = Found::default();
        for _ in 0..4 {
            if let Err(error) = poll(&mut source, 1, &mut found) {
                assert!(error.message().contains("a.json.gz"), "{error}");
            }
        }
    }
}

#[test]
fn check_finds_what_create_stream_must_refuse() {
    let mut folder = Folder::new("csv", "a integer, b text", "");
    folder.check().expect("an empty folder is fine");
    folder.write("a.csv", "a,c\n1,x\n");
    assert_eq!(folder.check().unwrap_err().message(), "column \"b\" is not in the header");
    folder.write("a.csv", "a,b\nnot a number,x\n");
    folder.check().expect("bad rows are no matter of the definition");

    let mut refused = |name: &str, value: &str, code: &str, part: &str| {
        let before = folder.options.clone();
        folder.set(name, value);
        let error = folder.check().unwrap_err();
        assert_eq!(error.state().code(), code, "{name} = {value}: {error}");
        let text = format!("{error} {}", error.hint().unwrap_or_default());
        assert!(text.contains(part), "{name} = {value}: {text}");
        folder.options = before;
    };
    refused("delimeter", ";", "22023", "Did you mean \"delimiter\"?");
    refused("timestamp_format", "millis", "22023", "unrecognized option");
    refused("delimiter", ";;", "22023", "single one-byte character");
    refused("delimiter", "\"", "22023", "different");
    refused("null", "a,b", "22023", "\"null\"");
    refused("header", "si", "22023", "true or false");
    refused("format", "xml", "22023", "json, csv, parquet");
    refused("format", "", "22023", "needs option \"format\"");
    refused("path", "", "22023", "needs option \"path\"");
    refused("path", "/no/such/folder", "58P01", "could not open file \"/no/such/folder\"");
    refused("poll_interval", "soon", "22023", "us, ms, s, min, h or d");

    folder.columns.clear();
    assert_eq!(folder.check().unwrap_err().state().code(), "42P16");
}

#[test]
fn an_unreadable_file_is_named() {
    let folder = Folder::new("json", "a integer", "");
    std::os::unix::fs::symlink(folder.path("loop.json"), folder.path("loop.json"))
        .expect("the file system takes it");
    let error = folder.check().unwrap_err();
    assert_eq!(error.state().code(), "58030");
    assert!(error.message().contains("loop.json"), "{error}");

    let folder = Folder::new("json", "a integer", "");
    folder.write("a.json", "{\"a\":1}\n");
    let mut permissions =
        fs::metadata(folder.path("a.json")).expect("the file is there").permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o000);
    fs::set_permissions(folder.path("a.json"), permissions).expect("the file system takes it");
    match folder.check() {
        // The superuser may read everything.
        Ok(()) => assert!(File::open(folder.path("a.json")).is_ok()),
        Err(error) => {
            assert_eq!(error.state().code(), "42501");
            assert!(error.message().contains("a.json"), "{error}");
        }
    }
}

#[test]
fn columns_are_those_of_the_first_parquet_file() {
    let folder = Folder::new("parquet", "a integer", "");
    let columns = || columns(Options::new("file", &folder.options));
    assert_eq!(columns().unwrap_err().state().code(), "58P01");
    folder.write_parquet("a.parquet", 0..1);
    assert_eq!(columns().expect("the options are good"), Some(columns_of("a bigint, b text")));
    let folder = Folder::new("json", "a integer", "");
    assert_eq!(
        super::columns(Options::new("file", &folder.options)).expect("the options are good"),
        None
    );
}

#[test]
fn a_position_of_another_source_is_refused() {
    let folder = Folder::new("json", "a integer", "");
    let position = Position::from([("row".to_owned(), "seven".to_owned())]);
    let options = Options::new("file", &folder.options);
    let error = FileSource::open(options, &folder.columns, &[], &position).err().expect("refused");
    assert_eq!(error.state().code(), "XX001");
}

#[test]
fn a_row_without_a_required_value_is_bad_with_its_bytes_and_place() {
    for (format, text, bad_line) in [
        (
            "json",
            "{\"a\":1,\"b\":\"x\"}\n{\"b\":\"y\"}\n{\"a\":null}\n{\"a\":4}\n",
            "{\"b\":\"y\"}\n",
        ),
        ("csv", "a,b\n1,x\n,y\n,\n4,\n", ",y\n"),
    ] {
        let mut folder = Folder::new(format, "a bigint, b text", "");
        folder.required = vec![true, false];
        folder.write("x", text);
        let found = folder.read();
        assert_eq!(found.rows.len(), 2, "{format}: {:?}", found.rows);
        let first = 2 + i64::from(format == "csv");
        let places: Vec<i64> = found.bad.iter().map(|(_, line, _)| *line).collect();
        assert_eq!(places, [first, first + 1], "{format}");
        assert_eq!(found.bad[0].2, bad_line.as_bytes(), "{format}");
    }
    let mut folder = Folder::new("parquet", "a bigint, b text", "");
    folder.required = vec![true, false];
    let a: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]));
    let b: ArrayRef = Arc::new(StringArray::from(vec!["x", "y", "z"]));
    let batch = RecordBatch::try_from_iter([("a", a), ("b", b)])
        .expect("columns of one length make a batch");
    let mut writer =
        ArrowWriter::try_new(Vec::new(), batch.schema(), None).expect("the file is written");
    writer.write(&batch).expect("the file is written");
    folder.write("x", writer.into_inner().expect("the file is written"));
    let found = folder.read();
    assert_eq!(found.rows, ["1|x", "3|z"]);
    assert_eq!(found.bad, [("x".to_owned(), 2, b"{\"b\":\"y\"}".to_vec())]);
}
