//! COPY FROM STDIN of the stub: lines that are committed together.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use weir_types::{Error, Result, SqlState};

use super::{CopyIn, Counted, Shared, lock};

pub(super) struct Lines {
    shared: Arc<Shared>,
    data: Vec<u8>,
    _open: Counted,
}

impl Lines {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        let open = Counted::new(shared, |shared| &shared.open_streams);
        Self { shared: Arc::clone(shared), data: Vec::new(), _open: open }
    }
}

#[async_trait]
impl CopyIn for Lines {
    async fn data(&mut self, data: Bytes) -> Result<()> {
        self.data.extend_from_slice(&data);
        if self.data.windows(4).any(|line| line == b"bad\n") {
            return Err(Error::new(SqlState::BadCopyFileFormat, "a bad line"));
        }
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<String> {
        let text = String::from_utf8(self.data).expect("a test sends UTF-8");
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        let tag = format!("COPY {}", lines.len());
        lock(&self.shared.committed).extend(lines);
        Ok(tag)
    }

    async fn abort(self: Box<Self>, reason: Error) -> Error {
        reason.with_context("after some lines")
    }
}
