//! One Parquet file on its way through its decoder.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use weir_types::{Error, Result, SqlType};

use super::location::Listed;
use super::progress::Progress;
use super::{FileReader, Harvest, Step};
use crate::format::parquet::{MAGIC, ParquetFile};
use crate::source::BadRow;

/// Reads the rows of a Parquet file from where its [`Progress`] ends.
pub(super) struct ParquetReader {
    name: String,
    size: u64,
    file: ParquetFile,
    progress: Progress,
}

impl ParquetReader {
    pub(super) fn open(
        file: &Listed,
        before: Option<Progress>,
        columns: &[(String, SqlType)],
        required: &[bool],
    ) -> Result<Self> {
        let taken = match before {
            Some(Progress::Fixed { taken, .. }) => taken,
            _ => 0,
        };
        Ok(Self {
            name: file.name.clone(),
            size: file.size,
            file: ParquetFile::open(open_file(&file.name)?, &file.name, columns, taken)?
                .requiring(required),
            progress: Progress::Fixed { taken, lines: taken, size: file.size },
        })
    }
}

impl FileReader for ParquetReader {
    fn read(&mut self, max_rows: usize, harvest: &mut Harvest) -> Result<Step> {
        let Some(found) = self.file.next_rows(max_rows)? else {
            self.progress = Progress::Finished { size: self.size };
            return Ok(Step::End);
        };
        harvest.add(found.rows);
        harvest.bad.extend(found.bad.into_iter().map(|(row, raw, error)| {
            let place = format!("file \"{}\", row {row}", self.name);
            let context =
                error.context().map_or(place.clone(), |inner| format!("{place}, {inner}"));
            BadRow {
                raw,
                error: error.with_context(context),
                origin: self.name.clone(),
                place: i64::try_from(row).unwrap_or(i64::MAX),
            }
        }));
        let taken = self.file.row();
        self.progress = Progress::Fixed { taken, lines: taken, size: self.size };
        Ok(Step::More)
    }

    fn progress(&self) -> Progress {
        self.progress
    }
}

/// Opens a file for reading, with its name in the error.
pub(super) fn open_file(name: &str) -> Result<File> {
    File::open(name).map_err(|error| Error::io(format!("could not open file \"{name}\""), &error))
}

/// True where the file ends as a complete Parquet file does: its writer is done with it.
pub(super) fn is_complete(file: &Listed) -> Result<bool> {
    if file.size < 2 * MAGIC.len() as u64 {
        return Ok(false);
    }
    let mut opened = open_file(&file.name)?;
    let mut end = [0; MAGIC.len()];
    let read = opened
        .seek(SeekFrom::Start(file.size - MAGIC.len() as u64))
        .and_then(|_| opened.read_exact(&mut end));
    match read {
        Ok(()) => Ok(&end == MAGIC),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(Error::io(format!("could not read file \"{}\"", file.name), &error)),
    }
}
