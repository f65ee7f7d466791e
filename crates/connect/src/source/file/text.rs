//! One text file on its way through a decoder: bytes in chunks, cut into records.

use std::fs::{self, File};
use std::io::{BufReader, Read, Seek, SeekFrom};

use flate2::read::MultiGzDecoder;
use weir_types::limits::VALUE_BYTES_MAX;
use weir_types::{Error, Result, SqlState};

use super::location::Listed;
use super::progress::Progress;
use super::{FileReader, Harvest, Step};
use crate::format::RecordDecoder;
use crate::source::BadRow;

/// Bytes read at once.
const CHUNK: u64 = 1 << 20;
/// Most bytes of records decoded in one call, so that a poll returns soon even for long records.
const CALL_BYTES: usize = 32 << 20;
/// Longest record: a quote that is never closed must not pull the whole file into memory.
const RECORD_BYTES_MAX: usize = VALUE_BYTES_MAX;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads the records of a text from where its [`Progress`] ends.
pub(super) struct TextReader {
    name: String,
    input: Box<dyn Read + Send>,
    decoder: Box<dyn RecordDecoder>,
    buffer: Vec<u8>,
    /// Taken bytes of `buffer`.
    start: usize,
    /// Place in the text of `buffer[start]`, in bytes, and the lines before it.
    at: u64,
    lines: u64,
    /// Where this reading ends: what is appended afterwards is the next reading's.
    limit: u64,
    /// True when `limit` or the end of the file was reached.
    drained: bool,
    /// True where a last line without a line end is complete, as nobody writes to the file.
    settled: bool,
    /// Size of a compressed file, which is read once.
    compressed: Option<u64>,
    /// As of the rows handed over.
    progress: Progress,
}

impl TextReader {
    /// Opens a file behind what was taken of it before.
    ///
    /// # Errors
    /// 55000 where the text does not go on where it was left, and what opening and reading gives.
    pub(super) fn open(
        file: &Listed,
        before: Option<Progress>,
        decoder: Box<dyn RecordDecoder>,
        settled: bool,
    ) -> Result<Self> {
        let opened = File::open(&file.name)
            .map_err(|error| Error::io(format!("could not open file \"{}\"", file.name), &error))?;
        let compressed = is_compressed(&file.name).then_some(file.size);
        let (taken, lines) = match before {
            Some(Progress::Text { bytes, lines }) => (bytes, lines),
            Some(Progress::Fixed { taken, lines, .. }) => (taken, lines),
            Some(Progress::Finished { .. }) | None => (0, 0),
        };
        // Without a line nothing but a byte order mark was taken.
        let taken = if lines == 0 { 0 } else { taken };
        let mut reader = Self {
            name: file.name.clone(),
            input: Box::new(std::io::empty()),
            decoder,
            buffer: Vec::new(),
            start: 0,
            at: 0,
            lines: 0,
            limit: if compressed.is_some() { u64::MAX } else { file.size },
            drained: false,
            settled,
            compressed,
            progress: before.unwrap_or(Progress::Text { bytes: 0, lines: 0 }),
        };
        reader.input = match compressed {
            Some(_) => Box::new(MultiGzDecoder::new(BufReader::new(opened))),
            None => reader.position(opened, taken)?,
        };
        match compressed {
            Some(_) => reader.skip_to(taken)?,
            None if taken > 0 => reader.check_continuation()?,
            None => {}
        }
        if taken == 0 {
            reader.skip_byte_order_mark()?;
        }
        reader.lines = lines;
        Ok(reader)
    }

    /// The file positioned one byte before `taken`, so that [`Self::check_continuation`] sees it.
    /// A header is read on the way.
    fn position(&mut self, mut opened: File, taken: u64) -> Result<Box<dyn Read + Send>> {
        if taken == 0 {
            return Ok(Box::new(opened));
        }
        if self.decoder.wants_header() {
            self.input = Box::new(opened.try_clone().map_err(|error| self.unreadable(&error))?);
            self.read_header_again()?;
            self.buffer.clear();
            self.start = 0;
            self.drained = false;
        }
        opened.seek(SeekFrom::Start(taken - 1)).map_err(|error| self.unreadable(&error))?;
        self.at = taken - 1;
        Ok(Box::new(opened))
    }

    /// Reads the header of a file whose further records were taken before.
    fn read_header_again(&mut self) -> Result<()> {
        self.skip_byte_order_mark()?;
        let Some(length) = self.next_record()? else { return Err(self.replaced()) };
        self.decoder
            .read_header(&self.buffer[self.start..self.start + length])
            .map_err(|error| self.named(error))?;
        self.advance(length);
        Ok(())
    }

    /// Reads over the taken bytes of a compressed text.
    fn skip_to(&mut self, taken: u64) -> Result<()> {
        if taken > 0 && self.decoder.wants_header() {
            self.read_header_again()?;
        }
        while self.at < taken {
            if self.start == self.buffer.len() {
                self.fill()?;
                if self.drained {
                    return Err(self.replaced());
                }
            }
            let step = (self.buffer.len() - self.start).min((taken - self.at) as usize);
            self.start += step;
            self.at += step as u64;
        }
        Ok(())
    }

    /// Checks that the byte before the place is a line end. It is not where a last line was taken
    /// without one: then its line end must be next, and is stepped over.
    fn check_continuation(&mut self) -> Result<()> {
        while self.buffer.len() < 3 && !self.drained {
            self.fill()?;
        }
        let Some((before, next)) = self.buffer.split_first() else { return Err(self.replaced()) };
        let skipped = match (before, next) {
            (b'\n', _) | (_, []) => 0,
            (_, [b'\n', ..]) => 1,
            (_, [b'\r', b'\n', ..]) => 2,
            (_, [b'\r']) => 0,
            _ => return Err(self.replaced()),
        };
        self.start = 1 + skipped;
        self.at += 1 + skipped as u64;
        Ok(())
    }

    fn skip_byte_order_mark(&mut self) -> Result<()> {
        while self.buffer.len() < BYTE_ORDER_MARK.len() && !self.drained {
            self.fill()?;
        }
        if self.buffer.starts_with(BYTE_ORDER_MARK) {
            self.start = BYTE_ORDER_MARK.len();
            self.at = BYTE_ORDER_MARK.len() as u64;
        }
        Ok(())
    }

    /// Length of the next record in the buffer; `None` where none is complete yet.
    fn next_record(&mut self) -> Result<Option<usize>> {
        loop {
            let rest = &self.buffer[self.start..];
            if let Some(length) = self.decoder.frame(rest, false) {
                return Ok(Some(length));
            }
            if rest.len() > RECORD_BYTES_MAX {
                return self.first_line().map(Some);
            }
            if !self.drained {
                self.fill()?;
                continue;
            }
            if rest.is_empty() || !self.is_at_final_end()? {
                return Ok(None);
            }
            let rest = &self.buffer[self.start..];
            return match self.decoder.frame(rest, true) {
                Some(length) => Ok(Some(length)),
                None => Ok(Some(line_length(rest).unwrap_or(rest.len()))),
            };
        }
    }

    /// The first line of a record without end: it becomes a bad row, and the lines after it have
    /// another chance.
    fn first_line(&self) -> Result<usize> {
        line_length(&self.buffer[self.start..]).ok_or_else(|| {
            Error::new(
                SqlState::ProgramLimitExceeded,
                format!(
                    "line {} of file \"{}\" is longer than {RECORD_BYTES_MAX} bytes",
                    self.lines + 1,
                    self.name
                ),
            )
        })
    }

    /// True where the buffer ends with the file and nobody goes on writing it.
    fn is_at_final_end(&self) -> Result<bool> {
        if self.compressed.is_some() {
            return Ok(true);
        }
        if !self.settled {
            return Ok(false);
        }
        let metadata = fs::metadata(&self.name).map_err(|error| self.unreadable(&error))?;
        Ok(metadata.len() == self.end())
    }

    /// Place in the text of the end of the buffer.
    fn end(&self) -> u64 {
        self.at + (self.buffer.len() - self.start) as u64
    }

    fn fill(&mut self) -> Result<()> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let room = CHUNK.min(self.limit - self.end());
        let read = (&mut self.input).take(room).read_to_end(&mut self.buffer);
        self.drained = read.map_err(|error| self.unreadable(&error))? == 0;
        Ok(())
    }

    fn advance(&mut self, length: usize) {
        let record = &self.buffer[self.start..self.start + length];
        let line_ends = memchr::memchr_iter(b'\n', record).count() as u64;
        self.lines += line_ends + u64::from(!record.ends_with(b"\n"));
        self.start += length;
        self.at += length as u64;
    }

    fn read_records(&mut self, max_rows: usize, harvest: &mut Harvest) -> Result<Step> {
        let (mut rows, mut bytes) = (0, 0);
        while rows < max_rows {
            if bytes >= CALL_BYTES {
                return Ok(Step::Pause);
            }
            let Some(length) = self.next_record()? else { return Ok(Step::End) };
            let record = &self.buffer[self.start..self.start + length];
            if self.decoder.wants_header() {
                self.decoder.read_header(record).map_err(|error| self.named(error))?;
            } else {
                match self.decoder.decode(record) {
                    Ok(is_row) => rows += usize::from(is_row),
                    Err(error) => {
                        rows += 1;
                        harvest.bad.push(BadRow {
                            raw: record.to_vec(),
                            error: located(error, &self.name, self.lines + 1),
                            origin: self.name.clone(),
                            place: i64::try_from(self.lines + 1).unwrap_or(i64::MAX),
                        });
                    }
                }
            }
            self.advance(length);
            bytes += length;
        }
        Ok(Step::More)
    }

    fn current(&self) -> Progress {
        match self.compressed {
            None => Progress::Text { bytes: self.at, lines: self.lines },
            Some(size) => Progress::Fixed { taken: self.at, lines: self.lines, size },
        }
    }

    fn replaced(&self) -> Error {
        Error::new(
            SqlState::ObjectNotInPrerequisiteState,
            format!("file \"{}\" does not go on where it was left", self.name),
        )
        .with_detail(
            "It was replaced, or its last line was continued after it had been taken as complete.",
        )
        .with_hint("Files of a stream may grow line by line; put other rows into new files.")
    }

    fn unreadable(&self, error: &std::io::Error) -> Error {
        use std::io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
        if self.compressed.is_some()
            && matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof)
        {
            let message = format!("file \"{}\" is not valid gzip", self.name);
            return Error::new(SqlState::BadCopyFileFormat, message)
                .with_detail(format!("{error}."));
        }
        Error::io(format!("could not read file \"{}\"", self.name), error)
    }

    fn named(&self, error: Error) -> Error {
        error.with_context(format!("file \"{}\"", self.name))
    }
}

impl FileReader for TextReader {
    fn read(&mut self, max_rows: usize, harvest: &mut Harvest) -> Result<Step> {
        let bad = harvest.bad.len();
        let step = self.read_records(max_rows, harvest);
        match self.decoder.finish() {
            Ok(rows) => harvest.add(rows),
            Err(error) => {
                harvest.bad.truncate(bad);
                return Err(self.named(error));
            }
        }
        self.progress = match (&step, self.compressed) {
            (Ok(Step::End), Some(size)) => Progress::Finished { size },
            _ => self.current(),
        };
        step
    }

    fn progress(&self) -> Progress {
        self.progress
    }
}

/// True for names of gzip files.
pub(super) fn is_compressed(name: &str) -> bool {
    name.ends_with(".gz")
}

/// Length of the first line, its end included.
fn line_length(bytes: &[u8]) -> Option<usize> {
    memchr::memchr(b'\n', bytes).map(|at| at + 1)
}

/// The error of a record with its place: `file "x", line 3, column "a"`.
fn located(error: Error, name: &str, line: u64) -> Error {
    let place = format!("file \"{name}\", line {line}");
    let context = match error.context() {
        Some(inner) => format!("{place}, {inner}"),
        None => place,
    };
    error.with_context(context)
}
