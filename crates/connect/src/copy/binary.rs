//! COPY's binary format: a header, rows of fields with their lengths, and a trailer.

use weir_types::limits::VALUE_BYTES_MAX;
use weir_types::{Error, Result, SqlState};

use super::rows::{Rows, bad_format};

/// What the data begins with.
pub(super) const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xFF\r\n\0";
/// Flags that a reader must know are in the upper half; this one is of rows with oids.
const FLAG_OIDS: u32 = 1 << 16;
/// Instead of a number of fields: the end of the data.
pub(super) const TRAILER: i16 = -1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Header,
    Rows,
    /// Behind the trailer, where nothing may follow.
    Ended,
}

pub(super) struct BinaryReader {
    state: State,
    /// How much of the row at the start of the data is known to be whole: bytes and fields.
    position: usize,
    n_fields: usize,
}

impl BinaryReader {
    pub(super) fn new() -> Self {
        Self { state: State::Header, position: 0, n_fields: 0 }
    }

    /// Reads all whole rows; how many bytes they had.
    pub(super) fn read(&mut self, bytes: &[u8], at_end: bool, rows: &mut Rows) -> Result<usize> {
        let mut at = 0;
        loop {
            let rest = &bytes[at..];
            let consumed = match self.state {
                State::Header => self.read_header(rest, at_end)?,
                State::Rows => self.read_row(rest, at_end, rows)?,
                State::Ended if rest.is_empty() => None,
                State::Ended => {
                    let message = "received copy data after EOF marker";
                    return Err(rows.in_line(bad_format(message)));
                }
            };
            match consumed {
                Some(consumed) => at += consumed,
                None => return Ok(at),
            }
        }
    }

    fn read_header(&mut self, bytes: &[u8], at_end: bool) -> Result<Option<usize>> {
        let n_known = bytes.len().min(SIGNATURE.len());
        let is_cut = at_end && bytes.len() < SIGNATURE.len();
        if bytes[..n_known] != SIGNATURE[..n_known] || is_cut {
            return Err(bad_format("COPY file signature not recognized"));
        }
        let missing = |what: &str| {
            let message = format!("invalid COPY file header (missing {what})");
            if at_end { Err(bad_format(message)) } else { Ok(None) }
        };
        let Some(flags) = number(bytes, SIGNATURE.len()) else { return missing("flags") };
        if flags & FLAG_OIDS != 0 {
            return Err(bad_format("invalid COPY file header (WITH OIDS)"));
        }
        if flags >> 16 != 0 {
            return Err(bad_format("unrecognized critical flags in COPY file header"));
        }
        let start = SIGNATURE.len() + 8;
        let Some(length) = number(bytes, start - 4) else { return missing("length") };
        if length > i32::MAX as u32 {
            return Err(bad_format("invalid COPY file header (missing length)"));
        }
        let length = length as usize;
        if length > VALUE_BYTES_MAX || (at_end && bytes.len() < start + length) {
            return Err(bad_format("invalid COPY file header (wrong length)"));
        }
        if bytes.len() < start + length {
            return Ok(None);
        }
        self.state = State::Rows;
        Ok(Some(start + length))
    }

    /// Reads one row; `None` if it is not whole.
    fn read_row(&mut self, bytes: &[u8], at_end: bool, rows: &mut Rows) -> Result<Option<usize>> {
        if self.position == 0 {
            let Some((count, _)) = bytes.split_first_chunk::<2>() else {
                return Ok(None);
            };
            rows.line += 1;
            self.begin_row(i16::from_be_bytes(*count), rows)?;
            if self.state == State::Ended {
                return Ok(Some(2));
            }
        }
        if !self.find_end(bytes, rows)? {
            if at_end {
                let error = bad_format("unexpected EOF in COPY data");
                return Err(rows.in_column(error, self.n_fields));
            }
            return Ok(None);
        }
        let mut at = 2;
        for column in 0..rows.n_columns() {
            let length = number(bytes, at).expect("the row is whole").cast_signed();
            at += 4;
            match usize::try_from(length) {
                Ok(length) => {
                    rows.push_binary(column, &bytes[at..at + length])?;
                    at += length;
                }
                Err(_) => rows.push_null(column),
            }
        }
        rows.end_row();
        (self.position, self.n_fields) = (0, 0);
        Ok(Some(at))
    }

    /// Checks the number of fields that a row begins with.
    fn begin_row(&mut self, n_fields: i16, rows: &mut Rows) -> Result<()> {
        if n_fields == TRAILER {
            self.state = State::Ended;
            return Ok(());
        }
        if usize::try_from(n_fields) != Ok(rows.n_columns()) {
            let message = format!("row field count is {n_fields}, expected {}", rows.n_columns());
            return Err(rows.in_line(bad_format(message)));
        }
        self.position = 2;
        Ok(())
    }

    /// Passes the fields of the row; false if it is not whole.
    fn find_end(&mut self, bytes: &[u8], rows: &Rows) -> Result<bool> {
        while self.n_fields < rows.n_columns() {
            let Some(length) = number(bytes, self.position) else { return Ok(false) };
            let length = match length.cast_signed() {
                -1 => 0,
                length => usize::try_from(length)
                    .map_err(|_| rows.in_column(bad_format("invalid field size"), self.n_fields))?,
            };
            if length > VALUE_BYTES_MAX {
                let message =
                    format!("field of COPY data exceeds the limit of {VALUE_BYTES_MAX} bytes");
                let error = Error::new(SqlState::ProgramLimitExceeded, message);
                return Err(rows.in_column(error, self.n_fields));
            }
            if bytes.len() < self.position + 4 + length {
                rows.check_pending(0, bytes.len())?;
                return Ok(false);
            }
            self.position += 4 + length;
            self.n_fields += 1;
        }
        Ok(true)
    }
}

/// The four bytes at a place, if they are there.
fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let (number, _) = bytes.get(at..)?.split_first_chunk::<4>()?;
    Some(u32::from_be_bytes(*number))
}
