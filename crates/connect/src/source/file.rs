//! The connector `file`: the records of a file, a folder or a glob, and of what comes later.
//!
//! - New files are found by a rescan every `poll_interval` and read in the order of their names.
//! - Text files (JSON lines, CSV) may grow: every file is looked at again at every rescan, and what
//!   was appended is read, line by line. A last line without a line end waits until the file was
//!   not written for `settle_time`.
//! - Parquet files and compressed texts (`.gz`) are read once. A Parquet file is taken when its
//!   footer is there, a compressed one when it was not written for `settle_time`.
//! - No file may shrink, be replaced, or change before the place that was read: that is an error
//!   which names it, and the other files are read on.
//!
//! Options: `path` and `format` (`json`, `csv`, `parquet`); `poll_interval` (1 s), `settle_time`
//! (5 s); for JSON `timestamp_format` (`iso`, `seconds`, `millis`, `micros`) and `bytea_format`
//! (`hex`, `base64`); for CSV `delimiter`, `quote`, `escape`, `header` (true) and `null` (empty).
//!
//! The position has one entry for each file that was read, at most [`FILES_MAX`]. The entry of a
//! removed file is dropped when other files of its folder that were read are still there (were the
//! whole folder away, it could be a volume that is not mounted); a file that comes back after that
//! is a new file. Files are known by name: rotation by renaming reads them again under the new
//! name, so rotated names must not match the path.

mod location;
mod progress;
mod rows;
mod text;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use weir_types::{Error, Result, SqlState, SqlType};

use super::options::Options;
use super::{BadRow, Polled, Position, Source, no_columns};
use crate::format::csv::{CsvDecoder, CsvOptions};
use crate::format::json::{JsonDecoder, JsonOptions, TimestampFormat};
use crate::format::{parquet, schema};
use location::{Listed, list};

pub(super) use location::absolute;
use progress::Progress;
use rows::{ParquetReader, is_complete, open_file};
use text::{TextReader, is_compressed};

/// Most files of one stream: the position, which is committed with every epoch, names each.
const FILES_MAX: usize = 100_000;
/// Shortest time between two looks at the files.
const RESCAN_MIN: Duration = Duration::from_millis(10);

/// Follows the files of one path.
pub(super) struct FileSource {
    settings: Settings,
    columns: Vec<(String, SqlType)>,
    /// The columns that are NOT NULL.
    required: Vec<bool>,
    progress: BTreeMap<String, Progress>,
    /// Files with more to read, as the last scan saw them.
    seen: HashMap<String, Seen>,
    queue: VecDeque<Task>,
    current: Option<(Listed, Box<dyn FileReader>)>,
    scanned: Option<Instant>,
    /// An error found after rows of the same poll, for the next one.
    deferred: Option<Error>,
}

struct Settings {
    path: String,
    format: Format,
    poll_interval: Duration,
    settle_time: Duration,
}

#[derive(Clone)]
enum Format {
    Json(JsonOptions),
    Csv(CsvOptions),
    Parquet,
}

/// A file to read now.
struct Task {
    file: Listed,
    settled: bool,
}

/// Since when a file has this size, and whether it was read up to there.
struct Seen {
    size: u64,
    since: Instant,
    is_read: bool,
}

/// A file that is being read.
trait FileReader: Send {
    /// Adds at most about `max_rows` rows. Also after an error, the harvest and the progress belong
    /// together.
    fn read(&mut self, max_rows: usize, harvest: &mut Harvest) -> Result<Step>;

    /// How far the file was read, by the rows handed over.
    fn progress(&self) -> Progress;
}

/// What can be done with a file after a read.
enum Step {
    /// Read on.
    More,
    /// Enough for one poll.
    Pause,
    /// Nothing more is there.
    End,
}

/// What one poll gathers.
#[derive(Default)]
struct Harvest {
    batches: Vec<RecordBatch>,
    rows: usize,
    bad: Vec<BadRow>,
}

impl Harvest {
    fn add(&mut self, batch: RecordBatch) {
        if batch.num_rows() > 0 {
            self.rows += batch.num_rows();
            self.batches.push(batch);
        }
    }

    fn len(&self) -> usize {
        self.rows + self.bad.len()
    }
}

/// Checks options, path, columns, and the first rows that are there.
pub(super) fn check(
    options: Options,
    columns: &[(String, SqlType)],
    required: &[bool],
) -> Result<()> {
    let mut source = FileSource::open(options, columns, required, &Position::new())?;
    source.poll(1).map(drop)
}

/// The columns of the first Parquet file; `None` for other formats.
pub(super) fn columns(options: Options) -> Result<Option<Vec<(String, SqlType)>>> {
    let settings = settings(options)?;
    if !matches!(settings.format, Format::Parquet) {
        return Ok(None);
    }
    match list(&settings.path)?.iter().find(|file| file.size > 0) {
        Some(file) => parquet::columns(open_file(&file.name)?, &file.name).map(Some),
        None => Err(Error::new(
            SqlState::UndefinedFile,
            format!("no file \"{}\" is there to take the columns from", settings.path),
        )
        .with_hint("Name the columns in CREATE STREAM, or put a file there first.")),
    }
}

fn settings(options: Options) -> Result<Settings> {
    let path = options.required("path", "/data/orders/*.json")?.to_owned();
    if path.contains('\0') {
        return Err(options.invalid("path", &path.replace('\0', "\\0"), "It must not hold a NUL."));
    }
    let formats = ["json", "csv", "parquet"];
    options.required("format", "json")?;
    let format = match options.choice("format", &formats)? {
        Some(0) => Format::Json(json_options(&options)?),
        Some(1) => Format::Csv(csv_options(&options)?),
        _ => Format::Parquet,
    };
    let poll_interval = options.duration("poll_interval")?.unwrap_or(Duration::from_secs(1));
    let settle_time = options.duration("settle_time")?.unwrap_or(Duration::from_secs(5));
    options.finish()?;
    Ok(Settings { path, format, poll_interval: poll_interval.max(RESCAN_MIN), settle_time })
}

fn json_options(options: &Options) -> Result<JsonOptions> {
    let formats = ["iso", "seconds", "millis", "micros"];
    let timestamps = match options.choice("timestamp_format", &formats)? {
        Some(1) => TimestampFormat::Seconds,
        Some(2) => TimestampFormat::Millis,
        Some(3) => TimestampFormat::Micros,
        _ => TimestampFormat::Iso,
    };
    let base64 = options.choice("bytea_format", &["hex", "base64"])? == Some(1);
    Ok(JsonOptions { timestamps, base64 })
}

fn csv_options(options: &Options) -> Result<CsvOptions> {
    let letter = |name: &str, default: u8| match options.text(name) {
        None => Ok(default),
        Some("\\t") => Ok(b'\t'),
        Some(text) => match text.as_bytes() {
            [byte] if byte.is_ascii() && !matches!(byte, b'\0' | b'\n' | b'\r') => Ok(*byte),
            _ => Err(options.invalid(name, text, "It must be a single one-byte character.")),
        },
    };
    let quote = letter("quote", b'"')?;
    let csv = CsvOptions {
        delimiter: letter("delimiter", b',')?,
        quote,
        escape: letter("escape", quote)?,
        header: options.boolean("header")?.unwrap_or(true),
        null: options.text("null").unwrap_or_default().to_owned(),
    };
    if csv.delimiter == csv.quote || csv.delimiter == csv.escape {
        let shown = char::from(csv.delimiter).to_string();
        let hint = "Delimiter and quote must be different characters.";
        return Err(options.invalid("delimiter", &shown, hint));
    }
    if csv.null.bytes().any(|byte| [csv.delimiter, csv.quote, b'\n', b'\r'].contains(&byte)) {
        let hint = "It must hold neither delimiter nor quote nor line end.";
        return Err(options.invalid("null", &csv.null, hint));
    }
    Ok(csv)
}

impl FileSource {
    pub(super) fn open(
        options: Options,
        columns: &[(String, SqlType)],
        required: &[bool],
        position: &Position,
    ) -> Result<Self> {
        let settings = settings(options)?;
        if columns.is_empty() {
            return Err(no_columns("file"));
        }
        let progress = position
            .iter()
            .map(|(name, text)| Ok((name.clone(), Progress::parse(name, text)?)))
            .collect::<Result<_>>()?;
        Ok(Self {
            settings,
            columns: columns.to_vec(),
            required: required.to_vec(),
            progress,
            seen: HashMap::new(),
            queue: VecDeque::new(),
            current: None,
            scanned: None,
            deferred: None,
        })
    }

    /// Reads files until the harvest is full or nothing more is there.
    fn gather(&mut self, max_rows: usize, harvest: &mut Harvest) -> Result<()> {
        let mut may_scan = true;
        while harvest.len() < max_rows {
            let Some((file, reader)) = &mut self.current else {
                if self.queue.is_empty() && !std::mem::take(&mut may_scan) {
                    return Ok(());
                }
                if !self.open_next()? {
                    return Ok(());
                }
                continue;
            };
            let step = reader.read(max_rows - harvest.len(), harvest);
            self.progress.insert(file.name.clone(), reader.progress());
            match step? {
                Step::More => {}
                Step::Pause => return Ok(()),
                Step::End => {
                    if let Some(seen) = self.seen.get_mut(&file.name) {
                        seen.is_read = seen.size == file.size;
                    }
                    self.current = None;
                }
            }
        }
        Ok(())
    }

    /// Opens the next file; false where there is none now.
    fn open_next(&mut self) -> Result<bool> {
        let now = Instant::now();
        if self.queue.is_empty() {
            let due = self.scanned.is_none_or(|at| now - at >= self.settings.poll_interval);
            if !due {
                return Ok(false);
            }
            self.scanned = Some(now);
            self.scan(now)?;
        }
        let Some(task) = self.queue.pop_front() else { return Ok(false) };
        match self.reader(&task) {
            Ok(reader) => self.current = Some((task.file, reader)),
            // Gone since the scan, before anything of it was read.
            Err(error)
                if error.state() == SqlState::UndefinedFile
                    && !self.progress.contains_key(&task.file.name) => {}
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    fn reader(&self, task: &Task) -> Result<Box<dyn FileReader>> {
        let before = self.progress.get(&task.file.name).copied();
        let text = |decoder| -> Result<Box<dyn FileReader>> {
            Ok(Box::new(TextReader::open(&task.file, before, decoder, task.settled)?))
        };
        match &self.settings.format {
            Format::Json(options) => {
                text(Box::new(JsonDecoder::new(*options, &self.columns).requiring(&self.required)))
            }
            Format::Csv(options) => text(Box::new(
                CsvDecoder::new(options.clone(), &self.columns).requiring(&self.required),
            )),
            Format::Parquet => {
                let reader =
                    ParquetReader::open(&task.file, before, &self.columns, &self.required)?;
                Ok(Box::new(reader))
            }
        }
    }

    /// Looks which files have more to read, and puts them into the queue.
    fn scan(&mut self, now: Instant) -> Result<()> {
        let files = list(&self.settings.path)?;
        self.forget_removed(&files);
        let new = files.iter().filter(|file| !self.progress.contains_key(&file.name)).count();
        if self.progress.len() + new > FILES_MAX {
            return Err(Error::new(
                SqlState::ProgramLimitExceeded,
                format!("path \"{}\" has more than {FILES_MAX} files", self.settings.path),
            )
            .with_hint("Remove files that were read, or put the rows into fewer files."));
        }
        let mut problem = None;
        let mut seen = HashMap::new();
        for file in files {
            match self.has_more(&file) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(error) => {
                    problem.get_or_insert(error);
                    continue;
                }
            }
            let before = self.seen.remove(&file.name).filter(|before| before.size == file.size);
            let state = before.unwrap_or(Seen { size: file.size, since: now, is_read: false });
            let settled = self.is_settled(&file, now - state.since);
            match self.is_due(&file, settled, state.is_read) {
                Ok(true) => self.queue.push_back(Task { file: file.clone(), settled }),
                Ok(false) => {}
                Err(error) => {
                    problem.get_or_insert(error);
                }
            }
            seen.insert(file.name, state);
        }
        self.seen = seen;
        problem.map_or(Ok(()), Err)
    }

    /// Drops the entries of files that were removed; see the module.
    fn forget_removed(&mut self, files: &[Listed]) {
        let present: HashSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
        if self.progress.keys().all(|name| present.contains(name.as_str())) {
            return;
        }
        let folder = |name: &str| Path::new(name).parent().map(Path::to_path_buf);
        let living: HashSet<_> = files
            .iter()
            .filter(|file| self.progress.contains_key(&file.name))
            .map(|file| folder(&file.name))
            .collect();
        self.progress
            .retain(|name, _| present.contains(name.as_str()) || !living.contains(&folder(name)));
    }

    /// True where the file has bytes that were not taken; an error where it lost some.
    fn has_more(&self, file: &Listed) -> Result<bool> {
        let (before, unchanged) = match self.progress.get(&file.name) {
            None => return Ok(file.size > 0),
            Some(Progress::Text { bytes, .. }) if file.size >= *bytes => {
                return Ok(file.size > *bytes);
            }
            Some(Progress::Text { bytes, .. }) => (*bytes, false),
            Some(Progress::Fixed { size, .. } | Progress::Finished { size }) => {
                (*size, *size == file.size)
            }
        };
        if unchanged {
            return Ok(!matches!(self.progress.get(&file.name), Some(Progress::Finished { .. })));
        }
        let what = if before > file.size { "was truncated or replaced" } else { "was changed" };
        Err(Error::new(
            SqlState::ObjectNotInPrerequisiteState,
            format!("file \"{}\" {what} after it had been read", file.name),
        )
        .with_detail(format!("It had {before} bytes then and has {} now.", file.size))
        .with_hint("Restore it, or remove it and put its new rows into a file of another name."))
    }

    /// True where nobody has written to the file for the settle time, as far as can be told.
    fn is_settled(&self, file: &Listed, seen_for: Duration) -> bool {
        let settle_time = self.settings.settle_time;
        let age = file.modified.and_then(|at| SystemTime::now().duration_since(at).ok());
        seen_for >= settle_time || age.is_some_and(|age| age >= settle_time)
    }

    /// True where reading the file now can give something.
    fn is_due(&self, file: &Listed, settled: bool, is_read: bool) -> Result<bool> {
        match self.settings.format {
            Format::Parquet => Ok(settled || is_complete(file)?),
            _ if is_compressed(&file.name) => Ok(settled),
            _ => Ok(settled || !is_read),
        }
    }

    /// How long until a poll can find something.
    fn wait(&self) -> Duration {
        if self.current.is_some() || !self.queue.is_empty() {
            return Duration::ZERO;
        }
        let since_scan = self.scanned.map_or(Duration::ZERO, |at| at.elapsed());
        self.settings.poll_interval.saturating_sub(since_scan).max(RESCAN_MIN)
    }

    fn position(&self) -> Position {
        self.progress.iter().map(|(name, at)| (name.clone(), at.to_string())).collect()
    }
}

impl Source for FileSource {
    fn poll(&mut self, max_rows: usize) -> Result<Polled> {
        if let Some(error) = self.deferred.take() {
            return Err(error);
        }
        let mut harvest = Harvest::default();
        if let Err(error) = self.gather(max_rows.max(1), &mut harvest) {
            self.current = None;
            if harvest.len() == 0 {
                return Err(error);
            }
            self.deferred = Some(error);
        }
        if harvest.len() == 0 {
            return Ok(Polled::Idle { retry_after: self.wait() });
        }
        let rows = concat_batches(&schema(&self.columns), &harvest.batches).map_err(|error| {
            Error::internal(format!("rows of several files do not fit together: {error}"))
        })?;
        Ok(Polled::Rows { rows, bad: harvest.bad, position: self.position() })
    }
}

#[cfg(test)]
mod tests;
