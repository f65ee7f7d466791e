//! The simple protocol: one text, several statements, each answered before the next one begins.

use std::sync::Arc;

use weir_types::{Error, SqlState};

use super::rows::{Fetched, Format, Rows, row_description};
use super::{Completion, Connection};
use crate::engine::Execution;
use crate::failure::Failure;

impl Connection {
    /// Runs the statements of `sql` up to the first that fails.
    pub(super) async fn query(&mut self, sql: &str) -> Result<(), Failure> {
        self.statements.remove("");
        self.portals.remove("");
        let session = Arc::clone(&self.session);
        let mut statements = session.parse(sql)?;
        statements.retain(|statement| !statement.is_empty());
        let Some(last) = statements.len().checked_sub(1) else {
            self.finish(session.end_implicit_block()).await?;
            self.complete(Completion::Empty);
            return Ok(());
        };
        for (n, statement) in statements.into_iter().enumerate() {
            // One for all of them, and another one for those behind a COMMIT.
            if last > 0 {
                session.begin_implicit_block();
            }
            let prepared = self.finish(session.prepare(statement, Vec::new())).await?;
            if !prepared.parameters().is_empty() {
                return Err(no_parameter().into());
            }
            let execution = self.finish(session.execute(&prepared, Vec::new())).await?;
            let completion = self.respond(execution).await?;
            // Also that of extended messages before it without a Sync.
            if n == last {
                self.finish(session.end_implicit_block()).await?;
            }
            self.complete(completion);
            self.flush_if_full().await?;
        }
        Ok(())
    }

    /// Sends what a statement gives, up to what completes it.
    async fn respond(&mut self, execution: Execution) -> Result<Completion, Failure> {
        let tag = match execution {
            Execution::Rows { columns, rows, tag } => {
                let formats = vec![Format::Text; columns.len()];
                self.outbox.put(&row_description(&columns, &formats));
                let mut rows = Rows::new(columns, formats, rows, tag);
                match self.send_rows(&mut rows, None).await? {
                    Fetched::All(tag) => tag,
                    Fetched::Some => unreachable!("without a limit all rows are sent"),
                }
            }
            Execution::Done { tag } => {
                self.forget_after(&tag);
                tag
            }
            Execution::Empty => return Ok(Completion::Empty),
            Execution::CopyIn { columns, binary, copy } => {
                self.copy_in(columns, binary, copy).await?
            }
            Execution::CopyOut { encoder, rows } => self.copy_out(&encoder, rows).await?,
        };
        Ok(Completion::Tag(tag))
    }

    /// Drops the statements and portals of the wire that a command of that tag drops, too.
    pub(super) fn forget_after(&mut self, tag: &str) {
        match tag {
            "DISCARD ALL" => {
                self.statements.clear();
                self.portals.clear();
            }
            "DEALLOCATE ALL" => self.statements.clear(),
            _ => {}
        }
    }
}

fn no_parameter() -> Error {
    Error::new(SqlState::UndefinedParameter, "there is no parameter $1")
        .with_hint("Send values for parameters with the extended query protocol.")
}
