//! ANALYZE and VACUUM: answered, as tools send them; Weir keeps no statistics and frees space by itself.

use weir_catalog::{ObjectBody, ObjectName};
use weir_planner::dialect::{Maintain, Maintenance};
use weir_types::{Error, Notice, Result, SqlState};

use super::insert::column_position;
use crate::session::{Execution, Session};
use crate::{sys, system};

/// Checks that there is what the statement names.
///
/// # Errors
/// 42P01 and 42703 for unknown names, 25001 for VACUUM in a transaction block.
pub(super) fn run(session: &Session, statement: &Maintain) -> Result<Execution> {
    let (tag, verb) = match statement.what {
        Maintenance::Analyze => ("ANALYZE", "analyze"),
        Maintenance::Vacuum => ("VACUUM", "vacuum"),
    };
    if statement.what == Maintenance::Vacuum && session.with_block(|_| ()).is_some() {
        return Err(Error::new(
            SqlState::ActiveSqlTransaction,
            "VACUUM cannot run inside a transaction block",
        ));
    }
    let catalog = session.catalog();
    let path = session.search_path();
    for (name, columns) in &statement.relations {
        if is_system(session, name) {
            continue;
        }
        let object = catalog.resolve(name, &path)?;
        if matches!(object.body, ObjectBody::View(_) | ObjectBody::Sink(_)) {
            session.notice(Notice::warning(
                "01000",
                format!(
                    "skipping \"{}\" --- cannot {verb} non-tables or special system tables",
                    object.name
                ),
            ));
            continue;
        }
        columns.iter().try_for_each(|column| column_position(object, column).map(drop))?;
    }
    Ok(Execution::Done { tag: tag.to_owned() })
}

/// True for a relation that the engine computes.
fn is_system(session: &Session, name: &ObjectName) -> bool {
    let is_in = |schema: &str| {
        system::find(schema, &name.name).or_else(|| sys::find(schema, &name.name)).is_some()
    };
    match &name.schema {
        Some(schema) => is_in(schema),
        None => session.search_path().effective().any(is_in),
    }
}
