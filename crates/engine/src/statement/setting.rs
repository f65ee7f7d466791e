//! SET, RESET, DISCARD.

use weir_planner::dialect::Statement;
use weir_types::{Notice, Result};

use crate::session::{Execution, Session, TransactionStatus};

pub(super) fn run(session: &Session, statement: &Statement) -> Result<Execution> {
    match statement {
        Statement::Set { name, value, local } => {
            if *local && session.transaction_status() == TransactionStatus::Idle {
                session.notice(Notice::warning(
                    "25P01",
                    "SET LOCAL can only be used in transaction blocks",
                ));
            } else {
                session.set(name, value.as_deref(), *local)?;
            }
            Ok(Execution::Done { tag: "SET".to_owned() })
        }
        Statement::Reset(Some(name)) => {
            session.set(name, None, false)?;
            Ok(Execution::Done { tag: "RESET".to_owned() })
        }
        Statement::Reset(None) => {
            let changes = session.state.lock().settings.reset_all();
            session.report(changes);
            Ok(Execution::Done { tag: "RESET".to_owned() })
        }
        Statement::Discard(what) => {
            if what == "ALL" {
                let mut state = session.state.lock();
                state.statements.clear();
                let changes = state.settings.reset_all();
                drop(state);
                session.report(changes);
            }
            Ok(Execution::Done { tag: format!("DISCARD {what}") })
        }
        _ => Err(weir_types::Error::internal("not a statement on settings")),
    }
}

impl Session {
    /// Sets a value, for the session or the open transaction, and remembers what to report.
    pub(crate) fn set(&self, name: &str, value: Option<&str>, local: bool) -> Result<()> {
        let mut state = self.state.lock();
        let before = state.settings.get(name).ok().map(str::to_owned);
        let change = state.settings.set(name, value)?;
        if local {
            state.local.push((name.to_owned(), before));
        }
        drop(state);
        self.report(change);
        Ok(())
    }
}
