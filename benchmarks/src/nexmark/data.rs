//! The events: JSON lines, made once by the crate `nexmark` from a fixed time on.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use ::nexmark::EventGenerator;
use ::nexmark::config::NexmarkConfig;
use ::nexmark::event::{Auction, Bid, Event, EventType, Person};
use serde_json::{Value, json};

use super::options::Options;
use super::say;
use super::sql::TABLES;
use crate::Result;

/// Time of the first event, in milliseconds since 1970: 2015-07-15 00:00:00, as in Apache Beam.
const BASE_TIME_MILLIS: u64 = 1_436_918_400_000;
/// Lines of one file: several files let every engine read with all of its threads.
const FILE_LINES: u64 = 500_000;
/// What the data depends on, besides the number of events. To be changed with this file.
pub(crate) const GENERATOR: &str = "nexmark 0.2, base time 1436918400000, 10000 events/s, form 1";

/// The files of one number of events.
pub(crate) struct Data {
    /// A folder for each table.
    pub(crate) dir: PathBuf,
    /// Rows and bytes of each table, and what the report tells of the values.
    pub(crate) facts: Value,
}

impl Data {
    /// Rows of a table.
    pub(crate) fn rows(&self, table: &str) -> u64 {
        self.facts["tables"][table]["rows"].as_u64().unwrap_or_default()
    }

    /// Rows of all tables.
    pub(crate) fn all_rows(&self) -> u64 {
        TABLES.iter().map(|table| self.rows(table)).sum()
    }

    /// Bytes of a table's files.
    pub(crate) fn bytes(&self, table: &str) -> u64 {
        self.facts["tables"][table]["bytes"].as_u64().unwrap_or_default()
    }
}

/// The data; makes it where it is not there.
pub(crate) fn provide(options: &Options) -> Result<Data> {
    let dir = options.work.join("data");
    let facts_path = dir.join("facts.json");
    if let Ok(text) = std::fs::read_to_string(&facts_path) {
        let facts: Value = serde_json::from_str(&text)?;
        if facts["generator"] == json!(GENERATOR) {
            return Ok(Data { dir, facts });
        }
    }
    say(&format!("making {} events below {}", options.events, dir.display()));
    // Written under another name first: half of the data must not be taken for all of it.
    let partial = options.work.join("data.partial");
    for old in [&partial, &dir] {
        if old.exists() {
            std::fs::remove_dir_all(old)?;
        }
    }
    let facts = generate(&partial, options.events)?;
    std::fs::write(partial.join("facts.json"), serde_json::to_string_pretty(&facts)? + "\n")?;
    std::fs::rename(&partial, &dir)?;
    Ok(Data { dir, facts })
}

fn generate(dir: &Path, events: u64) -> Result<Value> {
    let cycles = events / 50;
    let config = || NexmarkConfig { base_time: BASE_TIME_MILLIS, ..NexmarkConfig::default() };
    let mut values = Values::default();
    let mut tables = json!({});
    let kinds = [(EventType::Person, 1), (EventType::Auction, 3), (EventType::Bid, 46)];
    for (table, (kind, per_cycle)) in TABLES.into_iter().zip(kinds) {
        let rows = cycles * per_cycle;
        let mut files = Files::new(dir.join(table), table)?;
        let generator = EventGenerator::new(config()).with_type_filter(kind);
        for event in generator.take(usize::try_from(rows)?) {
            if let Event::Bid(bid) = &event {
                values.add(bid);
            }
            files.line(&event)?;
        }
        let bytes = files.finish()?;
        tables[table] = json!({ "rows": rows, "bytes": bytes });
        say(&format!("{table}: {rows} rows, {} MB", bytes / 1_000_000));
    }
    Ok(json!({
        "generator": GENERATOR,
        "events": events,
        "base_time": time(BASE_TIME_MILLIS),
        "tables": tables,
        "bids": values.facts(),
    }))
}

/// What the bids are like.
#[derive(Default)]
struct Values {
    bids: u64,
    hot: u64,
    with_id: u64,
    channels: HashSet<String>,
    urls: HashSet<String>,
    /// Of distinct URLs: paths whose first folder has three letters, with and without a channel id.
    first_of_three: [(u64, u64); 2],
}

impl Values {
    fn add(&mut self, bid: &Bid) {
        self.bids += 1;
        self.hot += u64::from(!bid.channel.starts_with("channel-"));
        let with_id = bid.url.contains("channel_id=");
        self.with_id += u64::from(with_id);
        if !self.channels.contains(&bid.channel) {
            self.channels.insert(bid.channel.clone());
        }
        if !self.urls.contains(&bid.url) {
            let first = bid.url.split('/').nth(3).unwrap_or_default();
            let (of_three, all) = &mut self.first_of_three[usize::from(with_id)];
            *of_three += u64::from(first.len() == 3);
            *all += 1;
            self.urls.insert(bid.url.clone());
        }
    }

    fn facts(&self) -> Value {
        let share = |part: u64, all: u64| (part as f64 / all.max(1) as f64 * 1e4).round() / 1e4;
        let [without, with] = self.first_of_three;
        json!({
            "share_of_the_four_hot_channels": share(self.hot, self.bids),
            "share_with_channel_id": share(self.with_id, self.bids),
            "distinct_channels": self.channels.len(),
            "distinct_urls": self.urls.len(),
            "urls_without_channel_id": without.1,
            "share_of_them_with_a_first_folder_of_3_letters": share(without.0, without.1),
            "share_of_the_others": share(with.0, with.1),
        })
    }
}

/// Files of one table.
struct Files {
    dir: PathBuf,
    table: &'static str,
    lines: u64,
    bytes: u64,
    file: Option<BufWriter<File>>,
    line: Vec<u8>,
}

impl Files {
    fn new(dir: PathBuf, table: &'static str) -> Result<Self> {
        std::fs::create_dir_all(&dir)?;
        Ok(Self { dir, table, lines: 0, bytes: 0, file: None, line: Vec::new() })
    }

    fn line(&mut self, event: &Event) -> Result<()> {
        if self.lines.is_multiple_of(FILE_LINES) {
            self.close()?;
            let name = format!("{}-{:04}.json", self.table, self.lines / FILE_LINES);
            self.file = Some(BufWriter::with_capacity(1 << 20, File::create(self.dir.join(name))?));
        }
        self.line.clear();
        let mut object = Object { line: &mut self.line, next: b'{' };
        match event {
            Event::Person(person) => write_person(&mut object, person)?,
            Event::Auction(auction) => write_auction(&mut object, auction)?,
            Event::Bid(bid) => write_bid(&mut object, bid)?,
        }
        self.line.extend_from_slice(b"}\n");
        self.lines += 1;
        self.bytes += self.line.len() as u64;
        let file = self.file.as_mut().ok_or("the first line opens a file")?;
        Ok(file.write_all(&self.line)?)
    }

    fn close(&mut self) -> Result<()> {
        match self.file.take() {
            // On disk before anything is measured: writing back later would disturb it.
            Some(file) => Ok(file.into_inner()?.sync_all()?),
            None => Ok(()),
        }
    }

    fn finish(mut self) -> Result<u64> {
        self.close()?;
        Ok(self.bytes)
    }
}

/// Writes one JSON object, field by field.
struct Object<'a> {
    line: &'a mut Vec<u8>,
    next: u8,
}

impl Object<'_> {
    fn name(&mut self, name: &str) {
        self.line.push(self.next);
        self.next = b',';
        self.line.push(b'"');
        self.line.extend_from_slice(name.as_bytes());
        self.line.extend_from_slice(b"\":");
    }

    fn number(&mut self, name: &str, value: usize) -> Result<()> {
        self.name(name);
        Ok(write!(self.line, "{value}")?)
    }

    fn text(&mut self, name: &str, value: &str) -> Result<()> {
        self.name(name);
        Ok(serde_json::to_writer(&mut *self.line, value)?)
    }

    fn time(&mut self, name: &str, millis: u64) -> Result<()> {
        self.name(name);
        Ok(write!(self.line, "\"{}\"", time(millis))?)
    }
}

fn write_person(object: &mut Object<'_>, person: &Person) -> Result<()> {
    object.number("id", person.id)?;
    object.text("name", &person.name)?;
    object.text("email_address", &person.email_address)?;
    object.text("credit_card", &person.credit_card)?;
    object.text("city", &person.city)?;
    object.text("state", &person.state)?;
    object.time("date_time", person.date_time)?;
    object.text("extra", &person.extra)
}

fn write_auction(object: &mut Object<'_>, auction: &Auction) -> Result<()> {
    object.number("id", auction.id)?;
    object.text("item_name", &auction.item_name)?;
    object.text("description", &auction.description)?;
    object.number("initial_bid", auction.initial_bid)?;
    object.number("reserve", auction.reserve)?;
    object.time("date_time", auction.date_time)?;
    object.time("expires", auction.expires)?;
    object.number("seller", auction.seller)?;
    object.number("category", auction.category)?;
    object.text("extra", &auction.extra)
}

fn write_bid(object: &mut Object<'_>, bid: &Bid) -> Result<()> {
    object.number("auction", bid.auction)?;
    object.number("bidder", bid.bidder)?;
    object.number("price", bid.price)?;
    object.text("channel", &bid.channel)?;
    object.text("url", &bid.url)?;
    object.time("date_time", bid.date_time)?;
    object.text("extra", &bid.extra)
}

/// A time in UTC as ISO 8601 without a zone: all engines read it.
fn time(millis: u64) -> String {
    let time = i64::try_from(millis).ok().and_then(chrono::DateTime::from_timestamp_millis);
    time.unwrap_or_default().format("%Y-%m-%dT%H:%M:%S%.3f").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_is_one_person_three_auctions_and_46_bids() {
        let dir = tempfile::tempdir().expect("a folder can be made");
        let facts = generate(dir.path(), 100).expect("the folder can be written");
        let data = Data { dir: dir.path().to_owned(), facts };
        assert_eq!(["person", "auction", "bid"].map(|table| data.rows(table)), [2, 6, 92]);
        let text = std::fs::read_to_string(dir.path().join("bid/bid-0000.json"))
            .expect("the first file is there");
        let first: Value = serde_json::from_str(text.lines().next().unwrap_or_default())
            .expect("a line is an object");
        assert_eq!(first["date_time"], "2015-07-15T00:00:00.000");
    }
}
