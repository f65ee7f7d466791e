//! COPY FROM STDIN and COPY TO STDOUT, the same in both protocols.

use arrow::record_batch::RecordBatch;
use bytes::{BufMut, Bytes, BytesMut};
use pgwire::messages::copy::{CopyDone, CopyInResponse, CopyOutResponse};
use weir_types::{Error, Result, SqlState};

use super::Connection;
use super::rows::{ENCODED_ROWS, put_row};
use super::wait::Step;
use crate::engine::{CopyEncoder, CopyIn, RowStream};
use crate::failure::Failure;
use crate::message::{Frame, Kind, Message};
use crate::outbox::FULL_BYTES;

/// What the client sent during COPY FROM STDIN.
enum CopyStep {
    Data(Bytes),
    Done,
    Failed(String),
}

impl Connection {
    /// Takes in the client's data. Returns the tag.
    pub(super) async fn copy_in(
        &mut self,
        columns: usize,
        binary: bool,
        mut copy: Box<dyn CopyIn>,
    ) -> Result<String, Failure> {
        let (format, n_columns, formats) = copy_formats(columns, binary);
        self.outbox.put(&CopyInResponse::new(format, n_columns, formats));
        self.flush().await?;
        loop {
            match self.next_copy_step().await {
                Ok(CopyStep::Data(data)) => self.finish(copy.data(data)).await?,
                Ok(CopyStep::Done) => return self.finish(copy.finish()).await,
                Ok(CopyStep::Failed(reason)) => {
                    let message = format!("COPY from stdin failed: {reason}");
                    let error = Error::new(SqlState::QueryCanceled, message);
                    return Err(self.abort_copy(copy, error).await?.into());
                }
                Err(Failure::Statement(error)) => {
                    return Err(Failure::Statement(self.abort_copy(copy, error).await?));
                }
                Err(Failure::Fatal(error)) => {
                    return Err(Failure::Fatal(self.abort_copy(copy, error).await?));
                }
                Err(Failure::Gone) => {
                    let message = "the client has closed the connection";
                    let error = Error::new(SqlState::ConnectionException, message);
                    self.abort_copy(copy, error).await?;
                    return Err(Failure::Gone);
                }
            }
        }
    }

    /// Gives a COPY up for that reason. Returns its error.
    async fn abort_copy(&mut self, copy: Box<dyn CopyIn>, reason: Error) -> Result<Error, Failure> {
        self.finish(async { Ok(copy.abort(reason).await) }).await
    }

    /// Waits for the client's next word in a COPY FROM STDIN.
    async fn next_copy_step(&mut self) -> Result<CopyStep, Failure> {
        loop {
            let frame: Frame = tokio::select! {
                biased;
                error = self.session.interrupted() => return Err(error.into()),
                () = self.shutdown.deadline.cancelled() => return Err(Failure::shutdown()),
                frame = self.inbox.next() => frame?,
            };
            return match frame.kind {
                Kind::Sync | Kind::Flush => continue,
                Kind::Terminate => Err(Failure::Gone),
                kind => match frame.decode()? {
                    Message::CopyData(data) => Ok(CopyStep::Data(data)),
                    Message::CopyDone => Ok(CopyStep::Done),
                    Message::CopyFail(reason) => Ok(CopyStep::Failed(reason)),
                    _ => Err(unexpected(kind).into()),
                },
            };
        }
    }

    /// Sends the rows of a COPY TO STDOUT, each as a message of its own. Returns the tag.
    pub(super) async fn copy_out(
        &mut self,
        encoder: &CopyEncoder,
        mut rows: RowStream,
    ) -> Result<String, Failure> {
        let (format, n_columns, formats) = copy_formats(encoder.n_columns(), encoder.is_binary());
        self.outbox.put(&CopyOutResponse::new(format, n_columns, formats));
        // As PostgreSQL does it: names are a line, what binary data begins with is not.
        let mut header = encoder.header().unwrap_or_default();
        if !encoder.is_binary() && !header.is_empty() {
            self.outbox.put_copy_data(&std::mem::take(&mut header))?;
        }
        let (mut part, mut n_sent) = (None, 0);
        loop {
            if self.outbox.is_full() {
                self.flush_running().await?;
            }
            let Some((batch, first)) = part.take() else {
                match self.next_item(&mut rows, false).await? {
                    Step::Item(batch) => part = Some((batch, 0)),
                    Step::End => break,
                    Step::Idle => unreachable!("this wait is not cut short"),
                }
                continue;
            };
            let header = &mut header;
            let n_rows =
                self.outbox.put_with(|out| write_rows(encoder, header, &batch, first, out))?;
            n_sent += n_rows;
            if first + n_rows < batch.num_rows() {
                part = Some((batch, first + n_rows));
            }
        }
        if let Some(trailer) = encoder.trailer() {
            self.outbox.put_copy_data(&[header, trailer].concat())?;
        }
        self.outbox.put(&CopyDone::new());
        Ok(format!("COPY {n_sent}"))
    }
}

/// Writes rows of `batch` from `first` on, until the buffer is full; the header goes before the first of all.
/// Returns how many; after an error `out` ends with the last whole row.
fn write_rows(
    encoder: &CopyEncoder,
    header: &mut Bytes,
    batch: &RecordBatch,
    first: usize,
    out: &mut BytesMut,
) -> Result<usize> {
    let batch = batch.slice(first, ENCODED_ROWS.min(batch.num_rows() - first));
    let rows = encoder.rows(&batch)?;
    for row in 0..batch.num_rows() {
        put_row(b'd', out, |out| {
            out.put_slice(&std::mem::take(header));
            rows.write(row, out)
        })?;
        if out.len() >= FULL_BYTES {
            return Ok(row + 1);
        }
    }
    Ok(batch.num_rows())
}

/// The formats of a COPY response: one for all, and one for each column.
fn copy_formats(columns: usize, binary: bool) -> (i8, i16, Vec<i16>) {
    let n_columns =
        i16::try_from(columns).expect("a relation has fewer columns than an i16 counts");
    (i8::from(binary), n_columns, vec![i16::from(binary); columns])
}

fn unexpected(kind: Kind) -> Error {
    Error::new(
        SqlState::ProtocolViolation,
        format!("unexpected {kind:?} message during COPY from stdin"),
    )
}
