//! The connector `datagen`: made-up rows.
//!
//! Each value is a function of the seed, its column and the number of its row (all but `now`), so
//! the position is the number of the next row, and the rows after a restart are those that would
//! have come without one.
//!
//! Options: `rows_per_second` (10; 0 is full speed), `rows` (unbounded), `seed` (0), and for each
//! column `fields.<column>.<option>`, see [`field`].

mod field;
mod random;

use std::time::Instant;

use arrow::datatypes::SchemaRef;
use weir_types::{Error, Result, SqlType};

use super::options::Options;
use super::pace::Pace;
use super::{Polled, Position, Source, bad_position, no_columns};
use crate::format::{batch, not_null, schema};
use crate::value::{ColumnBuilder, FormatSettings};
use field::Field;
use random::Random;

/// Rows a second where nothing else is said: enough to see something move.
const DEFAULT_RATE: u64 = 10;

/// Makes rows.
pub(super) struct DataGenerator {
    fields: Vec<Field>,
    builders: Vec<ColumnBuilder>,
    schema: SchemaRef,
    seed: u64,
    /// Number of the next row.
    row: u64,
    /// Rows after which the stream ends.
    rows: u64,
    pace: Pace,
}

impl DataGenerator {
    pub(super) fn open(
        options: Options,
        columns: &[(String, SqlType)],
        required: &[bool],
        position: &Position,
    ) -> Result<Self> {
        if columns.is_empty() {
            return Err(no_columns("datagen"));
        }
        let whole = "a whole number, 0 or more";
        let rate = options.parsed("rows_per_second", whole)?.unwrap_or(DEFAULT_RATE);
        let rows = options.parsed("rows", whole)?.unwrap_or(u64::MAX);
        let seed = options.parsed("seed", whole)?.unwrap_or(0);
        let fields = columns
            .iter()
            .map(|(name, sql_type)| Field::new(&options, name, sql_type))
            .collect::<Result<Vec<_>>>()?;
        options.finish()?;
        let refused =
            fields.iter().zip(required).find(|(field, required)| **required && field.gives_nulls());
        if let Some((field, _)) = refused {
            return Err(not_null(field.name()));
        }
        let row = match position.get("row") {
            None => 0,
            Some(text) => text.parse().map_err(|_| bad_position("datagen", "row", text))?,
        };
        let settings = FormatSettings::default();
        Ok(Self {
            rows: fields.iter().filter_map(Field::rows).fold(rows, u64::min),
            fields,
            builders: columns.iter().map(|(_, t)| ColumnBuilder::new(t, &settings)).collect(),
            schema: schema(columns),
            seed,
            row,
            pace: Pace::new(rate, Instant::now()),
        })
    }

    fn poll_at(&mut self, now: Instant, max_rows: usize) -> Result<Polled> {
        let left = self.rows.saturating_sub(self.row);
        if left == 0 {
            return Ok(Polled::Finished);
        }
        let count = self.pace.due(now).min(left).min(max_rows as u64);
        if count == 0 {
            return Ok(Polled::Idle { retry_after: self.pace.wait(now, 1) });
        }
        let mut text = String::new();
        let mut arrays = Vec::with_capacity(self.fields.len());
        for (index, (field, builder)) in self.fields.iter().zip(&mut self.builders).enumerate() {
            for row in self.row..self.row + count {
                let mut random = Random::new(self.seed, index as u64, row);
                text.clear();
                let made = match field.write(row, &mut random, &mut text) {
                    Ok(true) => builder.push_text(&text),
                    Ok(false) => {
                        builder.push_null();
                        Ok(())
                    }
                    Err(error) => Err(error),
                };
                if let Err(error) = made {
                    return Err(self.failed(index, error));
                }
            }
            arrays.push(builder.finish()?);
        }
        self.row += count;
        self.pace.take(count);
        let position = Position::from([("row".to_owned(), self.row.to_string())]);
        let rows = batch(&self.schema, arrays, count as usize)?;
        Ok(Polled::Rows { rows, bad: Vec::new(), position })
    }

    /// The error of a value that cannot be made; drops what was made for the other columns.
    fn failed(&mut self, index: usize, error: Error) -> Error {
        let settings = FormatSettings::default();
        for (field, builder) in self.fields.iter().zip(&mut self.builders) {
            *builder = ColumnBuilder::new(field.sql_type(), &settings);
        }
        error.with_context(format!("generated column \"{}\"", self.fields[index].name()))
    }
}

impl Source for DataGenerator {
    fn poll(&mut self, max_rows: usize) -> Result<Polled> {
        self.poll_at(Instant::now(), max_rows.max(1))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};
    use std::time::Duration;

    use super::*;
    use crate::format::testing::{columns, texts};

    const ALL: &str = "a boolean, b smallint, c integer, d bigint, e real, f double, g numeric, h numeric(6,2), i text, j varchar(3), k char(3), l bytea, m date, n time, o timestamp, p timestamptz, q interval, r uuid, s json, t jsonb, u integer[], v text[]";

    /// `options` are `name=value` with semicolons.
    fn open(list: &str, options: &str, position: &Position) -> Result<DataGenerator> {
        let mut all = BTreeMap::from([("rows_per_second".to_owned(), "0".to_owned())]);
        for option in options.split(';').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').expect("the option is name=value");
            all.insert(name.to_owned(), value.to_owned());
        }
        DataGenerator::open(Options::new("datagen", &all), &columns(list), &[], position)
    }

    fn read(source: &mut DataGenerator, max_rows: usize) -> Vec<String> {
        let mut found = Vec::new();
        while let Polled::Rows { rows, bad, .. } =
            source.poll(max_rows).expect("the source can be read")
        {
            assert!(bad.is_empty());
            found.extend(texts(&rows));
        }
        found
    }

    fn rows(list: &str, options: &str) -> Vec<String> {
        read(&mut open(list, options, &Position::new()).expect("the options are good"), 100)
    }

    /// All times random, so that nothing depends on the clock.
    const NO_CLOCK: &str = "fields.m.kind=random;fields.o.kind=random;fields.p.kind=random";

    #[test]
    fn every_type_is_made_and_depends_on_seed_and_row_only() {
        let options = format!("rows=50;{NO_CLOCK}");
        let found = rows(ALL, &options);
        assert_eq!(found.iter().collect::<HashSet<_>>().len(), 50);
        assert_eq!(rows(ALL, &options), found);
        assert_ne!(rows(ALL, &format!("{options};seed=1")), found);
    }

    #[test]
    fn every_position_resumes_with_the_rest() {
        let options = format!("rows=30;seed=9;fields.i.null_probability=0.5;{NO_CLOCK}");
        let whole = rows(ALL, &options);
        let mut source = open(ALL, &options, &Position::new()).expect("the options are good");
        let mut taken = 0;
        while let Polled::Rows { rows, position, .. } =
            source.poll(7).expect("the source can be read")
        {
            taken += rows.num_rows();
            let rest = read(&mut open(ALL, &options, &position).expect("the options are good"), 4);
            assert_eq!(rest, whole[taken..]);
        }
        assert_eq!(taken, 30);
    }

    #[test]
    fn sequences_count_and_end_the_stream() {
        assert_eq!(rows("a integer", "rows=3;fields.a.kind=sequence"), ["1", "2", "3"]);
        let options = "fields.a.kind=sequence;fields.a.start=10;fields.a.step=-5;fields.a.end=0";
        assert_eq!(rows("a text", options), ["10", "5", "0"]);
        let options =
            "rows=2;fields.a.kind=sequence;fields.a.start=2024-02-28 23:59:59;fields.a.step=1500ms";
        assert_eq!(rows("a timestamp", options), ["2024-02-28 23:59:59", "2024-02-29 00:00:00.5"]);
        let options = "rows=2;fields.a.kind=sequence;fields.a.start=2024-02-28";
        assert_eq!(rows("a date", options), ["2024-02-28", "2024-02-29"]);
    }

    #[test]
    fn a_sequence_that_leaves_its_type_is_an_error() {
        let options = "fields.a.kind=sequence;fields.a.start=32767";
        let mut source =
            open("b text, a smallint", options, &Position::new()).expect("the options are good");
        assert!(matches!(source.poll(1).expect("the source can be read"), Polled::Rows { .. }));
        for _ in 0..2 {
            let error = source.poll(1).unwrap_err();
            assert_eq!(error.state().code(), "22003");
            assert_eq!(error.context(), Some("generated column \"a\""));
        }
    }

    #[test]
    fn random_values_keep_to_their_options() {
        let list = "a integer, b numeric(6,2), c text, d double, e text[], f date";
        let options = "rows=200;fields.a.min=-2;fields.a.max=2;fields.b.min=9999.98;fields.b.max=9999.99;fields.c.values=x, yy;fields.d.min=5;fields.d.max=5;fields.e.length=2;fields.f.min=2024-01-01;fields.f.max=2024-01-02";
        let mut seen = vec![HashSet::new(); 6];
        for row in rows(list, options) {
            for (value, seen) in row.split('|').zip(&mut seen) {
                seen.insert(value.to_owned());
            }
        }
        let sorted = |index: usize| {
            let mut values: Vec<_> = seen[index].iter().map(String::as_str).collect();
            values.sort_unstable();
            values
        };
        assert_eq!(sorted(0), ["-1", "-2", "0", "1", "2"]);
        assert_eq!(sorted(1), ["9999.98", "9999.99"]);
        assert_eq!(sorted(2), ["x", "yy"]);
        assert_eq!(sorted(3), ["5"]);
        assert!(sorted(4).contains(&"{}") && sorted(4).iter().all(|e| e.matches(',').count() < 2));
        assert_eq!(sorted(5), ["2024-01-01", "2024-01-02"]);
    }

    #[test]
    fn nulls_come_with_their_probability() {
        let count = |share: &str| {
            let options = format!("rows=1000;fields.a.null_probability={share}");
            rows("a integer", &options).iter().filter(|row| *row == "NULL").count()
        };
        assert_eq!((count("0"), count("1")), (0, 1000));
        assert!((200..300).contains(&count("0.25")));
    }

    #[test]
    fn the_rate_is_kept_by_the_clock() {
        let list = "a integer";
        let mut source =
            open(list, "rows_per_second=10", &Position::new()).expect("the options are good");
        let start = Instant::now() + Duration::from_secs(1);
        source.poll_at(start, 1_000).expect("the source can be read");
        let Polled::Rows { rows, .. } =
            source.poll_at(start + Duration::from_secs(2), 1_000).expect("the source can be read")
        else {
            panic!("rows are due")
        };
        assert_eq!(rows.num_rows(), 20);
        let Polled::Idle { retry_after } =
            source.poll_at(start + Duration::from_secs(2), 1_000).expect("the source can be read")
        else {
            panic!("nothing is due")
        };
        assert!(retry_after <= Duration::from_millis(100), "{retry_after:?}");
    }

    #[test]
    fn now_is_the_time_of_the_poll() {
        let mut source =
            open("a timestamptz", "rows=1", &Position::new()).expect("the options are good");
        let year = read(&mut source, 1)[0][..4].parse::<i32>().expect("the text is of that form");
        assert!(year >= 2025, "{year}");
    }

    #[test]
    fn wrong_options_are_refused_with_their_name() {
        for (options, part) in [
            ("fields.b.kind=random", "\"fields.b.kind\""),
            ("fields.a.knd=random", "Did you mean \"fields.a.kind\"?"),
            ("fields.a.kind=now", "date, timestamp and timestamptz"),
            ("fields.a.kind=sequence;fields.a.step=0", "\"fields.a.step\""),
            ("fields.a.kind=sequence;fields.a.end=0", "\"fields.a.end\""),
            ("fields.a.kind=sequence;fields.a.start=40000", "\"fields.a.start\""),
            ("fields.a.min=40000", "\"fields.a.min\""),
            ("fields.a.min=3;fields.a.max=2", "\"fields.a.min\""),
            ("fields.a.values=1,x", "\"fields.a.values\""),
            ("fields.a.null_probability=2", "\"fields.a.null_probability\""),
            ("rows=-1", "\"rows\""),
            ("fields.a.length=4", "\"fields.a.length\""),
        ] {
            let error = open("a smallint", options, &Position::new()).err().expect(options);
            assert_eq!(error.state().code(), "22023", "{options}");
            let text = format!("{error} {}", error.hint().unwrap_or_default());
            assert!(text.contains(part), "{options}: {text}");
        }
        let error = open("a varchar(3)", "fields.a.length=4", &Position::new())
            .err()
            .expect("it is refused");
        assert_eq!(error.hint(), Some("It must be at most 3."));
        let position = Position::from([("row".to_owned(), "x".to_owned())]);
        assert_eq!(
            open("a text", "", &position).err().expect("it is refused").state().code(),
            "XX001"
        );
    }
}
