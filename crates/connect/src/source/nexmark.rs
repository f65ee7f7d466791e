//! The connector `nexmark`: persons, auctions and bids of the Nexmark benchmark.
//!
//! One stream has one `table` of the three. Streams with the same options are parts of the same
//! sequence of events (of 50 events 1 is a person, 3 are auctions, 46 bids), so they join. An event
//! depends on its number only: the position is the number of the table's next event.
//!
//! Options: `table` (`person`, `auction`, `bid`); `events` of all tables together (unbounded) and
//! `rate`, how many of them go in a second (10,000; 0 is full speed); `base_time` of the first
//! event, a timestamp or `now`. The event times are as far apart as the rate says.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use arrow::array::{
    ArrayRef, AsArray, Int64Builder, PrimitiveArray, RecordBatch, StringViewBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use nexmark::EventGenerator;
use nexmark::config::NexmarkConfig;
use nexmark::event::{Event, EventType};
use weir_types::{Error, Result, SqlState, SqlType};

use super::options::{Options, suggest};
use super::pace::Pace;
use super::{Polled, Position, Source, bad_position, no_columns};
use crate::format::{batch, schema};
use crate::value::{ColumnBuilder, FormatSettings};

/// Time of the first event, in milliseconds since 1970: 2015-07-15 00:00:00, as in Apache Beam.
const BASE_TIME_MILLIS: u64 = 1_436_918_400_000;
/// Events in a second of event time where no rate is given.
const DEFAULT_RATE: u64 = 10_000;
/// Highest event number: leaves the generator's arithmetic room in 64 bits.
const EVENTS_MAX: u64 = 1 << 50;
/// The tables, in the order of the options' values.
const TABLES: [&str; 3] = ["person", "auction", "bid"];

/// What a column is made of.
#[derive(Clone, Copy)]
enum Value {
    Number(fn(&Event) -> usize),
    Text(fn(&Event) -> &str),
    /// Milliseconds since 1970.
    Time(fn(&Event) -> u64),
}

/// A column of a table.
type Column = (&'static str, Value);

/// The value of a field of one kind of event. A generator gives only the events it was asked for.
macro_rules! field {
    ($kind:ident . $field:ident as $value:ident $(, $borrow:tt)?) => {
        (
            stringify!($field),
            Value::$value(|event| match event {
                Event::$kind(event) => $($borrow)? event.$field,
                _ => unreachable!("the generator gives one kind of event"),
            }),
        )
    };
}

const PERSON: &[Column] = &[
    field!(Person.id as Number),
    field!(Person.name as Text, &),
    field!(Person.email_address as Text, &),
    field!(Person.credit_card as Text, &),
    field!(Person.city as Text, &),
    field!(Person.state as Text, &),
    field!(Person.date_time as Time),
    field!(Person.extra as Text, &),
];

const AUCTION: &[Column] = &[
    field!(Auction.id as Number),
    field!(Auction.item_name as Text, &),
    field!(Auction.description as Text, &),
    field!(Auction.initial_bid as Number),
    field!(Auction.reserve as Number),
    field!(Auction.date_time as Time),
    field!(Auction.expires as Time),
    field!(Auction.seller as Number),
    field!(Auction.category as Number),
    field!(Auction.extra as Text, &),
];

const BID: &[Column] = &[
    field!(Bid.auction as Number),
    field!(Bid.bidder as Number),
    field!(Bid.price as Number),
    field!(Bid.channel as Text, &),
    field!(Bid.url as Text, &),
    field!(Bid.date_time as Time),
    field!(Bid.extra as Text, &),
];

/// Gives the events of one table.
pub(super) struct Nexmark {
    generator: EventGenerator,
    columns: Vec<(Value, SqlType)>,
    schema: SchemaRef,
    base_time: u64,
    /// Number of events of all tables after which the stream ends.
    events: u64,
    pace: Pace,
    /// Number of events of all tables that the pace let go.
    paced: u64,
}

struct Settings {
    table: EventType,
    events: u64,
    rate: u64,
    /// `None` is the time at which the source first starts.
    base_time: Option<u64>,
}

/// The columns of the table that the options name.
pub(super) fn columns(options: Options) -> Result<Vec<(String, SqlType)>> {
    let settings = settings(options)?;
    Ok(columns_of(settings.table)
        .iter()
        .map(|(name, value)| ((*name).to_owned(), natural_type(value)))
        .collect())
}

fn settings(options: Options) -> Result<Settings> {
    options.required("table", "bid")?;
    let table = match options.choice("table", &TABLES)? {
        Some(0) => EventType::Person,
        Some(1) => EventType::Auction,
        _ => EventType::Bid,
    };
    let whole = "a whole number, 0 or more";
    let events = options.parsed("events", whole)?.unwrap_or(EVENTS_MAX);
    let rate = options.parsed("rate", whole)?.unwrap_or(DEFAULT_RATE);
    let base_time = match options.text("base_time") {
        None => Some(BASE_TIME_MILLIS),
        Some("now") => None,
        Some(text) => Some(parse_base_time(text).ok_or_else(|| {
            let hint = "It must be a timestamp from 1970 on, or now.";
            options.invalid("base_time", text, hint)
        })?),
    };
    options.finish()?;
    Ok(Settings { table, events: events.min(EVENTS_MAX), rate, base_time })
}

fn parse_base_time(text: &str) -> Option<u64> {
    let mut builder = ColumnBuilder::new(&SqlType::Timestamp, &FormatSettings::default());
    builder.push_text(text).ok()?;
    let array = builder.finish().ok()?;
    let micros = array.as_primitive::<TimestampMicrosecondType>().value(0);
    u64::try_from(micros / 1_000).ok()
}

fn columns_of(table: EventType) -> &'static [Column] {
    match table {
        EventType::Person => PERSON,
        EventType::Auction => AUCTION,
        EventType::Bid => BID,
    }
}

fn natural_type(value: &Value) -> SqlType {
    match value {
        Value::Number(_) => SqlType::Int8,
        Value::Text(_) => SqlType::Text,
        Value::Time(_) => SqlType::Timestamp,
    }
}

/// Finds the values of the declared columns, any of the table's in any order.
fn plan(table: EventType, columns: &[(String, SqlType)]) -> Result<Vec<(Value, SqlType)>> {
    let known = columns_of(table);
    let table = TABLES[table as usize];
    columns
        .iter()
        .map(|(name, declared)| {
            let Some((_, value)) = known.iter().find(|(known, _)| known == name) else {
                let names = known.iter().map(|(known, _)| *known);
                return Err(Error::new(
                    SqlState::UndefinedColumn,
                    format!("column \"{name}\" is not in nexmark table \"{table}\""),
                )
                .with_hint(suggest(name, names, "Columns")));
            };
            let fits = match value {
                Value::Number(_) => *declared == SqlType::Int8,
                Value::Text(_) => matches!(declared, SqlType::Text | SqlType::Varchar(None)),
                Value::Time(_) => matches!(declared, SqlType::Timestamp | SqlType::Timestamptz),
            };
            if fits {
                return Ok((*value, declared.clone()));
            }
            let natural = natural_type(value);
            Err(Error::new(
                SqlState::DatatypeMismatch,
                format!(
                    "column \"{name}\" of nexmark table \"{table}\" is of type {natural}, not {declared}"
                ),
            ))
        })
        .collect()
}

impl Nexmark {
    pub(super) fn open(
        options: Options,
        columns: &[(String, SqlType)],
        position: &Position,
    ) -> Result<Self> {
        let settings = settings(options)?;
        if columns.is_empty() {
            return Err(no_columns("nexmark"));
        }
        let planned = plan(settings.table, columns)?;
        let stored = |key: &str| match position.get(key) {
            None => Ok(None),
            Some(text) => match text.parse::<u64>() {
                Ok(number) if number <= EVENTS_MAX => Ok(Some(number)),
                _ => Err(bad_position("nexmark", key, text)),
            },
        };
        let base_time = match settings.base_time {
            Some(base_time) => base_time,
            None => stored("base_time")?.unwrap_or_else(now_millis),
        };
        let rate = if settings.rate == 0 { DEFAULT_RATE } else { settings.rate } as usize;
        let config = NexmarkConfig {
            base_time,
            first_rate: rate,
            next_rate: rate,
            ..NexmarkConfig::default()
        };
        let generator = EventGenerator::new(config)
            .with_type_filter(settings.table)
            .with_offset(stored("event")?.unwrap_or(0));
        Ok(Self {
            paced: generator.global_offset(),
            generator,
            columns: planned,
            schema: schema(columns),
            base_time,
            events: settings.events,
            pace: Pace::new(settings.rate, Instant::now()),
        })
    }

    fn poll_at(&mut self, now: Instant, max_rows: usize) -> Result<Polled> {
        if self.generator.global_offset() >= self.events {
            return Ok(Polled::Finished);
        }
        let horizon = self.paced.saturating_add(self.pace.due(now)).min(self.events);
        let mut events = Vec::new();
        while events.len() < max_rows && self.generator.global_offset() < horizon {
            events.extend(self.generator.next());
        }
        let next = self.generator.global_offset();
        let gone = if next < horizon { next } else { horizon };
        self.pace.take(gone - self.paced);
        self.paced = gone;
        if events.is_empty() {
            let missing = (next + 1).saturating_sub(self.paced);
            return Ok(Polled::Idle { retry_after: self.pace.wait(now, missing) });
        }
        let position = Position::from([
            ("event".to_owned(), self.generator.offset().to_string()),
            ("base_time".to_owned(), self.base_time.to_string()),
        ]);
        Ok(Polled::Rows { rows: self.rows(&events)?, bad: Vec::new(), position })
    }

    fn rows(&self, events: &[Event]) -> Result<RecordBatch> {
        let arrays =
            self.columns.iter().map(|(value, sql_type)| array(*value, sql_type, events)).collect();
        batch(&self.schema, arrays, events.len())
    }
}

impl Source for Nexmark {
    fn poll(&mut self, max_rows: usize) -> Result<Polled> {
        self.poll_at(Instant::now(), max_rows.max(1))
    }
}

fn array(value: Value, sql_type: &SqlType, events: &[Event]) -> ArrayRef {
    match value {
        Value::Number(number) => {
            let mut builder = Int64Builder::with_capacity(events.len());
            events.iter().for_each(|event| builder.append_value(number(event) as i64));
            Arc::new(builder.finish())
        }
        Value::Text(text) => {
            let mut builder = StringViewBuilder::with_capacity(events.len());
            events.iter().for_each(|event| builder.append_value(text(event)));
            Arc::new(builder.finish())
        }
        Value::Time(time) => {
            let mut builder = TimestampMicrosecondBuilder::with_capacity(events.len());
            events
                .iter()
                .for_each(|event| builder.append_value((time(event) as i64).saturating_mul(1_000)));
            let times: PrimitiveArray<TimestampMicrosecondType> = builder.finish();
            match sql_type {
                SqlType::Timestamptz => Arc::new(times.with_timezone("UTC")),
                _ => Arc::new(times),
            }
        }
    }
}

fn now_millis() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::format::testing::texts;
    use crate::source::columns as columns_of_source;

    fn options(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn open(pairs: &[(&str, &str)], position: &Position) -> Nexmark {
        let options = options(pairs);
        let columns = columns(Options::new("nexmark", &options)).expect("the options are good");
        Nexmark::open(Options::new("nexmark", &options), &columns, position)
            .expect("the options are good")
    }

    fn read(source: &mut Nexmark, max_rows: usize) -> (Vec<String>, Position) {
        let (mut found, mut last) = (Vec::new(), Position::new());
        while let Polled::Rows { rows, position, .. } =
            source.poll(max_rows).expect("the source can be read")
        {
            found.extend(texts(&rows));
            last = position;
        }
        (found, last)
    }

    #[test]
    fn the_tables_share_the_events() {
        let count = |table: &str, events: &str| {
            let source = [("table", table), ("events", events), ("rate", "0")];
            read(&mut open(&source, &Position::new()), 1_000).0.len()
        };
        for (events, expected) in [("0", [0, 0, 0]), ("3", [1, 2, 0]), ("1007", [21, 63, 923])] {
            let found = ["person", "auction", "bid"].map(|table| count(table, events));
            assert_eq!(found, expected, "{events} events");
        }
    }

    #[test]
    fn rows_are_those_of_the_generator() {
        let source = [("table", "person"), ("events", "1"), ("rate", "0")];
        let (rows, _) = read(&mut open(&source, &Position::new()), 10);
        let person = "1000|vicky noris|yplkvgz@qbxfg.com|7878 5821 1864 2539|cheyenne|az|2015-07-15 00:00:00|";
        assert!(rows[0].starts_with(person), "{}", rows[0]);
    }

    #[test]
    fn every_position_resumes_with_the_rest() {
        let source = [("table", "auction"), ("events", "400"), ("rate", "0"), ("base_time", "now")];
        let mut whole = open(&source, &Position::new());
        let (mut rows, mut positions) = (Vec::new(), Vec::new());
        while let Polled::Rows { rows: batch, position, .. } =
            whole.poll(1).expect("the source can be read")
        {
            rows.extend(texts(&batch));
            positions.push(position);
        }
        assert_eq!(rows.len(), 24);
        for (taken, position) in positions.iter().enumerate() {
            assert_eq!(read(&mut open(&source, position), 7).0, rows[taken + 1..]);
        }
    }

    #[test]
    fn the_rate_counts_events_of_all_tables() {
        let mut bids = open(&[("table", "bid"), ("rate", "100")], &Position::new());
        let mut persons = open(&[("table", "person"), ("rate", "100")], &Position::new());
        let start = Instant::now() + Duration::from_secs(1);
        let rows = |source: &mut Nexmark, seconds: u64| match source
            .poll_at(start + Duration::from_secs(seconds), 10_000)
            .expect("the options are good")
        {
            Polled::Rows { rows, .. } => rows.num_rows(),
            Polled::Idle { .. } => 0,
            Polled::Finished => panic!("the stream has no end"),
        };
        rows(&mut bids, 0);
        rows(&mut persons, 0);
        assert_eq!(rows(&mut bids, 5), 460);
        assert_eq!(rows(&mut persons, 5), 10);
        let Polled::Idle { retry_after } =
            persons.poll_at(start + Duration::from_secs(5), 10).expect("the source can be read")
        else {
            panic!("nothing is due")
        };
        assert!(retry_after <= Duration::from_millis(500), "{retry_after:?}");
    }

    #[test]
    fn columns_may_be_chosen_and_ordered() {
        let options = options(&[("table", "bid"), ("events", "5"), ("rate", "0")]);
        let columns =
            [("date_time".to_owned(), SqlType::Timestamptz), ("auction".to_owned(), SqlType::Int8)];
        let mut source =
            Nexmark::open(Options::new("nexmark", &options), &columns, &Position::new())
                .expect("the options are good");
        assert_eq!(read(&mut source, 10).0, ["2015-07-15 00:00:00+00|1000"]);
    }

    #[test]
    fn wrong_options_and_columns_are_refused() {
        let bid = options(&[("table", "bid")]);
        let column = |name: &str, sql_type| vec![(name.to_owned(), sql_type)];
        let refused = |options: &BTreeMap<String, String>, columns: Vec<(String, SqlType)>| {
            Nexmark::open(Options::new("nexmark", options), &columns, &Position::new())
                .err()
                .expect("refused")
        };
        let error = refused(&bid, column("pryce", SqlType::Int8));
        assert_eq!(error.message(), "column \"pryce\" is not in nexmark table \"bid\"");
        assert!(error.hint().expect("the error has a hint").starts_with("Did you mean \"price\"?"));
        let error = refused(&bid, column("price", SqlType::Text));
        let message = "column \"price\" of nexmark table \"bid\" is of type bigint, not text";
        assert_eq!((error.message(), error.state().code()), (message, "42804"));
        assert_eq!(refused(&bid, Vec::new()).state().code(), "42P16");
        for wrong in [("table", "seller"), ("rate", "-1"), ("base_time", "1960-01-01"), ("x", "1")]
        {
            let options = options(&[("table", "bid"), wrong]);
            let error = refused(&options, column("price", SqlType::Int8));
            assert_eq!(error.state().code(), "22023", "{wrong:?}");
        }
        assert_eq!(refused(&options(&[]), Vec::new()).state().code(), "22023");
    }

    #[test]
    fn the_columns_are_known() {
        let found = columns_of_source("nexmark", &options(&[("table", "person")]))
            .expect("the options are good")
            .expect("the connector knows its columns");
        let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
        let expected =
            ["id", "name", "email_address", "credit_card", "city", "state", "date_time", "extra"];
        assert_eq!(names, expected);
        assert_eq!((&found[0].1, &found[6].1), (&SqlType::Int8, &SqlType::Timestamp));
    }
}
