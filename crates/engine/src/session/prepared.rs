//! Prepared statements: parsed, planned, typed; run any number of times.

use std::sync::Arc;

use weir_catalog::Catalog;
use weir_planner::bind::BoundQuery;
use weir_planner::dialect::{self, SavepointAction, Statement};
use weir_types::SqlType;

use super::OutputColumn;
use crate::settings::Meaning;
use crate::statement::{InsertPlan, ModifyPlan};

/// A statement that can be run.
pub struct Prepared {
    pub(crate) parsed: dialect::Parsed,
    pub(crate) work: Work,
    pub(crate) parameters: Vec<SqlType>,
    /// Types that the client declared, for planning again when the catalog has changed.
    pub(crate) declared: Vec<Option<SqlType>>,
    pub(crate) columns: Option<Arc<[OutputColumn]>>,
    /// The catalog it was planned with.
    pub(crate) catalog: Arc<Catalog>,
    /// The settings it was planned with.
    pub(crate) meaning: Arc<Meaning>,
}

/// What running it does.
pub(crate) enum Work {
    Query(Box<BoundQuery>),
    Insert(Box<InsertPlan>),
    Modify(Box<ModifyPlan>),
    /// Everything that is not planned before it runs.
    Utility,
}

impl Prepared {
    /// Types of its parameters.
    #[must_use]
    pub fn parameters(&self) -> &[SqlType] {
        &self.parameters
    }

    /// Its output columns; `None` where it returns no rows.
    #[must_use]
    pub fn columns(&self) -> Option<&Arc<[OutputColumn]>> {
        self.columns.as_ref()
    }

    /// True for what makes one transaction of itself and the statements behind it in a pipeline. A statement
    /// that leaves nothing to undo need not, and COPY FROM commits in chunks where no block is open.
    #[must_use]
    pub fn begins_block(&self) -> bool {
        !matches!(
            self.parsed.statement,
            Statement::Copy(_)
                | Statement::Query(_)
                | Statement::Subscribe(_)
                | Statement::Show(_)
                | Statement::ShowObjects(_)
                | Statement::ShowCreate(_)
                | Statement::Describe(_)
                | Statement::Empty
        )
    }

    /// True for what ends a failed transaction block.
    #[must_use]
    pub fn is_allowed_in_failed_block(&self) -> bool {
        rescues(&self.parsed.statement)
    }
}

/// True for a statement that runs in a failed block: it ends it, or goes back to a savepoint.
pub(crate) fn rescues(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::Commit
            | Statement::Rollback
            | Statement::Empty
            | Statement::Savepoint(SavepointAction::RollbackTo, _)
    )
}
