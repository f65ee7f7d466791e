//! COPY FROM STDIN and COPY TO STDOUT, the same in both protocols.

use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, poll};
use pgwire::messages::copy::{CopyDone, CopyInResponse, CopyOutResponse};
use weir_types::{Error, Result, SqlState};

use super::Connection;
use super::wait::Step;
use crate::engine::CopyIn;
use crate::failure::Failure;
use crate::message::{Frame, Kind, Message};

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
                    return Err(self.abort_copy(copy, reason).await?.into());
                }
                Err(failure) => {
                    let reason = match &failure {
                        Failure::Statement(error) | Failure::Fatal(error) => error.to_string(),
                        Failure::Gone => "the client has closed the connection".to_owned(),
                    };
                    self.abort_copy(copy, reason).await?;
                    return Err(failure);
                }
            }
        }
    }

    /// Gives a COPY up. Returns its error.
    async fn abort_copy(
        &mut self,
        copy: Box<dyn CopyIn>,
        reason: String,
    ) -> Result<Error, Failure> {
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

    /// Sends the data of a COPY TO STDOUT. Returns the tag.
    pub(super) async fn copy_out(
        &mut self,
        columns: usize,
        binary: bool,
        mut data: BoxStream<'static, Result<Bytes>>,
        n_rows: &AtomicU64,
    ) -> Result<String, Failure> {
        let (format, n_columns, formats) = copy_formats(columns, binary);
        self.outbox.put(&CopyOutResponse::new(format, n_columns, formats));
        loop {
            if self.outbox.is_full() {
                self.flush_running().await?;
            }
            // Items are small and many: while they are ready, they are taken without further ado.
            if let Poll::Ready(item) = poll!(data.next()) {
                let Some(item) = item else { break };
                self.outbox.put_copy_data(&item?)?;
                continue;
            }
            match self.next_item(&mut data, false).await? {
                Step::Item(item) => self.outbox.put_copy_data(&item)?,
                Step::End => break,
                Step::Idle => unreachable!("this wait is not cut short"),
            }
        }
        self.outbox.put(&CopyDone::new());
        Ok(format!("COPY {}", n_rows.load(Ordering::Acquire)))
    }
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
