//! The row pump: Arrow batches become DataRow messages in the output buffer, and leave when it is
//! full or when no batch is ready. Memory is bounded by one batch and one buffer.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use bytes::{BufMut, BytesMut};
use pgwire::messages::data::{FieldDescription, RowDescription};
use weir_types::{Error, Result, SqlState, SqlType};

use super::Connection;
use super::wait::Step;
use crate::engine::{FormatSettings, OutputColumn, RowStream, RowTag, ValueEncoder};
use crate::failure::Failure;
use crate::outbox::FULL_BYTES;
use crate::report::without_nul;

/// Longest message of a row: PostgreSQL's limit, and what a client can take in.
const ROW_BYTES_MAX: usize = (1 << 30) - 1;

/// Rows for which encoders are made at a time: some kinds of columns prepare all their values.
pub(super) const ENCODED_ROWS: usize = 1024;

/// The form of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Binary,
}

/// The rows of a running statement, as far as they are not sent.
pub(super) struct Rows {
    columns: Arc<[OutputColumn]>,
    formats: Vec<Format>,
    stream: RowStream,
    /// The batch under way and its first row that is not sent.
    batch: Option<(RecordBatch, usize)>,
    tag: RowTag,
}

/// How far a fetch got.
pub(super) enum Fetched {
    /// To the end, with this tag.
    All(String),
    /// To the limit, or to the end of what is there by now.
    Some,
}

impl Connection {
    /// Sends the rows up to `limit` of them, or as many as there are.
    pub(super) async fn send_rows(
        &mut self,
        rows: &mut Rows,
        limit: Option<u64>,
    ) -> Result<Fetched, Failure> {
        let settings = self.session.format_settings();
        let mut n_sent = 0;
        loop {
            if self.outbox.is_full() {
                self.flush_running().await?;
            }
            if let Some((batch, first)) = rows.batch.take() {
                let room = limit.map_or(u64::MAX, |limit| limit - n_sent);
                let n_rows =
                    self.outbox.put_with(|out| rows.write(&batch, first, room, &settings, out))?;
                n_sent += n_rows as u64;
                if first + n_rows < batch.num_rows() {
                    rows.batch = Some((batch, first + n_rows));
                }
                if limit == Some(n_sent) {
                    return Ok(Fetched::Some);
                }
                continue;
            }
            match self.next_item(&mut rows.stream, limit.is_some() && n_sent > 0).await? {
                Step::Item(batch) => rows.batch = Some((batch, 0)),
                Step::End => return Ok(Fetched::All(rows.tag.complete(n_sent))),
                Step::Idle => return Ok(Fetched::Some),
            }
        }
    }
}

impl Rows {
    /// Rows to be sent in `formats`, one for each column.
    pub(super) fn new(
        columns: Arc<[OutputColumn]>,
        formats: Vec<Format>,
        stream: RowStream,
        tag: RowTag,
    ) -> Self {
        Self { columns, formats, stream, batch: None, tag }
    }

    /// The tag for when the rows have ended.
    pub(super) fn into_tag(self) -> RowTag {
        self.tag
    }

    /// Writes rows of `batch` from `first` on: some, up to `room` of them, and until the buffer is
    /// full. Returns how many; after an error `out` ends with the last whole row.
    fn write(
        &self,
        batch: &RecordBatch,
        first: usize,
        room: u64,
        settings: &FormatSettings,
        out: &mut BytesMut,
    ) -> Result<usize> {
        if batch.num_columns() != self.columns.len() {
            return Err(Error::internal(format!(
                "a batch of {} columns in a result of {}",
                batch.num_columns(),
                self.columns.len()
            )));
        }
        let n_left = (batch.num_rows() - first).min(ENCODED_ROWS);
        let n_most = usize::try_from(room).map_or(n_left, |room| room.min(n_left));
        let part = batch.slice(first, n_most);
        let encoders = part
            .columns()
            .iter()
            .zip(self.columns.iter())
            .map(|(array, column)| ValueEncoder::new(array.as_ref(), &column.sql_type, settings))
            .collect::<Result<Vec<_>>>()?;
        for row in 0..n_most {
            self.write_row(&encoders, row, out)?;
            if out.len() >= FULL_BYTES {
                return Ok(row + 1);
            }
        }
        Ok(n_most)
    }

    fn write_row(
        &self,
        encoders: &[ValueEncoder<'_>],
        row: usize,
        out: &mut BytesMut,
    ) -> Result<()> {
        let start = out.len();
        put_row(b'D', out, |out| {
            out.put_u16(encoders.len() as u16);
            for (encoder, format) in encoders.iter().zip(&self.formats) {
                if encoder.is_null(row) {
                    out.put_i32(-1);
                    continue;
                }
                let value = out.len();
                out.put_i32(0);
                match format {
                    Format::Text => encoder.write_text(row, out)?,
                    Format::Binary => encoder.write_binary(row, out)?,
                }
                check_row(out.len() - start)?;
                write_length(out, value, out.len() - value - 4);
            }
            Ok(())
        })
    }
}

/// Adds a message of one row, whose body `write` adds. After an error `out` is as it was.
pub(super) fn put_row(
    kind: u8,
    out: &mut BytesMut,
    write: impl FnOnce(&mut BytesMut) -> Result<()>,
) -> Result<()> {
    let start = out.len();
    out.put_u8(kind);
    out.put_i32(0);
    let written = write(out).and_then(|()| check_row(out.len() - start));
    if let Err(error) = written {
        out.truncate(start);
        return Err(error);
    }
    write_length(out, start + 1, out.len() - start - 1);
    Ok(())
}

fn check_row(n_bytes: usize) -> Result<()> {
    if n_bytes <= ROW_BYTES_MAX {
        return Ok(());
    }
    Err(Error::new(SqlState::ProgramLimitExceeded, "row too long")
        .with_detail(format!("A row may have {ROW_BYTES_MAX} bytes.")))
}

/// Puts a length into its place; rows are within `ROW_BYTES_MAX`, so that it fits.
fn write_length(out: &mut BytesMut, at: usize, length: usize) {
    out[at..at + 4].copy_from_slice(&(length as u32).to_be_bytes());
}

/// The RowDescription of a result.
pub(super) fn row_description(columns: &[OutputColumn], formats: &[Format]) -> RowDescription {
    let fields = columns.iter().zip(formats).map(|(column, format)| {
        let sql_type = wire_type(&column.sql_type);
        FieldDescription::new(
            without_nul(&column.name),
            column.table_oid.cast_signed(),
            column.attribute,
            sql_type.oid(),
            sql_type.type_len(),
            sql_type.typmod(),
            match format {
                Format::Text => 0,
                Format::Binary => 1,
            },
        )
    });
    RowDescription::new(fields.collect())
}

/// The type that the client is told: what is still unknown goes out as text.
pub(super) fn wire_type(sql_type: &SqlType) -> &SqlType {
    if *sql_type == SqlType::Unknown { &SqlType::Text } else { sql_type }
}
