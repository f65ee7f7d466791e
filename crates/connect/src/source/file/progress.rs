//! How far each file was read, and its text in a committed position.

use std::fmt;

use weir_types::Result;

use crate::source::bad_position;

/// How far a file was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// A text that may grow: the bytes taken and the lines in them.
    Text {
        /// Bytes from the beginning of the file.
        bytes: u64,
        /// Lines in these bytes.
        lines: u64,
    },
    /// A file that must not change while it is read (compressed text, Parquet).
    Fixed {
        /// Bytes of the uncompressed text, or rows.
        taken: u64,
        /// Lines in these bytes; the same as `taken` for rows.
        lines: u64,
        /// Size of the file.
        size: u64,
    },
    /// Such a file at its end.
    Finished {
        /// Size of the file.
        size: u64,
    },
}

impl Progress {
    /// Reads the text that `Display` writes. `name` is the file, for messages.
    pub(super) fn parse(name: &str, text: &str) -> Result<Self> {
        Self::parts(text).ok_or_else(|| bad_position("file", name, text))
    }

    fn parts(text: &str) -> Option<Self> {
        if let Some(size) = text.strip_prefix("end/") {
            return Some(Self::Finished { size: size.parse().ok()? });
        }
        let (taken, rest) = text.split_once(':')?;
        let taken = taken.parse().ok()?;
        Some(match rest.split_once('/') {
            None => Self::Text { bytes: taken, lines: rest.parse().ok()? },
            Some((lines, size)) => {
                Self::Fixed { taken, lines: lines.parse().ok()?, size: size.parse().ok()? }
            }
        })
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { bytes, lines } => write!(f, "{bytes}:{lines}"),
            Self::Fixed { taken, lines, size } => write!(f, "{taken}:{lines}/{size}"),
            Self::Finished { size } => write!(f, "end/{size}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_progress_reads_back() {
        for progress in [
            Progress::Text { bytes: 120, lines: 7 },
            Progress::Fixed { taken: 5, lines: 5, size: 999 },
            Progress::Finished { size: u64::MAX },
        ] {
            assert_eq!(
                Progress::parse("f", &progress.to_string()).expect("what was written reads back"),
                progress
            );
        }
    }

    #[test]
    fn damaged_texts_are_refused() {
        for text in ["", "12", "a:1", "1:", "1:2/", "end/", "end/x", "-1:2"] {
            assert_eq!(Progress::parse("f", text).unwrap_err().state().code(), "XX001", "{text}");
        }
    }
}
