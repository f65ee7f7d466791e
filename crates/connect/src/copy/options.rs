//! The options of COPY that shape its data.

use weir_types::{Error, Result, SqlState};

/// What the data of a COPY looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyFormat {
    /// A line per row, fields between delimiters, backslash escapes.
    Text,
    /// Comma-separated values with quotes.
    Csv,
    /// Lengths and binary forms.
    Binary,
}

/// The options of COPY that shape its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyOptions {
    /// `FORMAT`
    pub format: CopyFormat,
    /// `DELIMITER`: between fields; not of binary.
    pub delimiter: u8,
    /// `NULL`: stands for NULL; not of binary.
    pub null: String,
    /// `HEADER`: the first line has the names of the columns, and is skipped by COPY FROM.
    pub header: bool,
    /// `QUOTE`, of CSV.
    pub quote: u8,
    /// `ESCAPE`, of CSV: before a quote within quotes.
    pub escape: u8,
    /// `FORCE_QUOTE`, of COPY TO as CSV: a flag for each column; columns beyond are not forced.
    pub force_quote: Vec<bool>,
}

impl CopyOptions {
    /// PostgreSQL's defaults of a format.
    #[must_use]
    pub fn new(format: CopyFormat) -> Self {
        let is_csv = format == CopyFormat::Csv;
        Self {
            format,
            delimiter: if is_csv { b',' } else { b'\t' },
            null: if is_csv { String::new() } else { "\\N".to_owned() },
            header: false,
            quote: b'"',
            escape: b'"',
            force_quote: Vec::new(),
        }
    }

    /// Fails where the options contradict each other, as PostgreSQL's COPY does: 22023, or 0A000 for
    /// characters of more than one byte.
    pub fn check(&self) -> Result<()> {
        let invalid = |message: &str| Err(Error::new(SqlState::InvalidParameterValue, message));
        if self.format == CopyFormat::Binary {
            return Ok(());
        }
        let is_csv = self.format == CopyFormat::Csv;
        for (name, byte) in
            [("delimiter", self.delimiter), ("quote", self.quote), ("escape", self.escape)]
        {
            if !byte.is_ascii() || byte == 0 {
                return Err(Error::unsupported(format!(
                    "COPY {name} must be a single one-byte character"
                )));
            }
        }
        if matches!(self.delimiter, b'\n' | b'\r') {
            return invalid("COPY delimiter cannot be newline or carriage return");
        }
        if self.null.contains(['\n', '\r']) {
            return invalid("COPY null representation cannot use newline or carriage return");
        }
        if !is_csv && matches!(self.delimiter, b'\\' | b'.' | b'a'..=b'z' | b'0'..=b'9') {
            return invalid(&format!(
                "COPY delimiter cannot be \"{}\"",
                char::from(self.delimiter)
            ));
        }
        if is_csv && self.delimiter == self.quote {
            return invalid("COPY delimiter and quote must be different");
        }
        if is_csv && matches!(self.quote, b'\n' | b'\r') {
            return invalid("COPY quote cannot be newline or carriage return");
        }
        if self.null.contains(char::from(self.delimiter)) {
            return invalid("COPY delimiter must not appear in the NULL specification");
        }
        if is_csv && self.null.contains(char::from(self.quote)) {
            return invalid("CSV quote character must not appear in the NULL specification");
        }
        Ok(())
    }
}
