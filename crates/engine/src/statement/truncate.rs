//! TRUNCATE: all rows of one or more tables, taken out at once.

use weir_catalog::ObjectName;
use weir_types::Result;

use super::insert::quoted;
use super::modify;
use crate::session::{Execution, Parsed, Session};

/// Empties the tables in the open transaction, or all in one commit.
///
/// # Errors
/// 42P01 for a table that does not exist, 42809 for what is none; no table is emptied then.
pub(super) async fn run(session: &Session, names: &[ObjectName]) -> Result<Execution> {
    session.check_writable("TRUNCATE TABLE")?;
    if session.with_block(|_| ()).is_some() {
        for parsed in deletes(session, names)? {
            let prepared = Box::pin(session.prepare(parsed, Vec::new())).await?;
            Box::pin(session.execute(&prepared, Vec::new())).await?;
        }
    } else {
        let attempt = || async {
            let catalog = session.catalog();
            let deletes = deletes(session, names)?;
            let plans = crate::stack::on_planner_stack(|| {
                let plan =
                    |parsed: &Parsed| modify::plan(session, &catalog, &parsed.0.statement, &[]);
                deletes.iter().map(plan).collect::<Result<Vec<_>>>()
            })?;
            modify::delete_at_once(session, &catalog, &plans).await
        };
        modify::retrying(session, attempt).await?;
    }
    Ok(Execution::Done { tag: "TRUNCATE TABLE".to_owned() })
}

fn deletes(session: &Session, names: &[ObjectName]) -> Result<Vec<Parsed>> {
    let mut all = Vec::with_capacity(names.len());
    for name in names {
        let schema = name.schema.as_deref().map(|schema| format!("{}.", quoted(schema)));
        let table = format!("{}{}", schema.unwrap_or_default(), quoted(&name.name));
        all.extend(session.parse(&format!("DELETE FROM {table}"))?);
    }
    Ok(all)
}
