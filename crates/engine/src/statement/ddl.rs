//! CREATE, DROP, ALTER, COMMENT: changes of the catalog.
//!
//! A change is a step that runs on the catalog as it is when the transaction commits, in the commit's order:
//! two sessions that create one name cannot both succeed.

mod alter;
mod drop;
mod relation;
mod table_as;
mod view;

pub(crate) use view::bind as bind_stored;
pub(super) use view::force_recompute;

use std::sync::Arc;

use weir_catalog::{Catalog, Column, ObjectKind, ObjectName};
use weir_planner::dialect::{RelationKind, Statement};
use weir_types::{Error, Notice, ObjectId, Result, SqlState, SqlType, limits};

use crate::commit::{DdlStep, WriteSet};
use crate::session::{Execution, Session};

pub(super) async fn run(session: &Session, statement: &Statement) -> Result<Execution> {
    match statement {
        Statement::CreateStream(create) => relation::create_stream(session, create).await,
        Statement::CreateTable(create) if create.query.is_some() => {
            table_as::run(session, create).await
        }
        Statement::CreateTable(create) => relation::create_table(session, create).await,
        Statement::CreateView(create) => view::create_view(session, create).await,
        Statement::CreateSink(create) => view::create_sink(session, create).await,
        Statement::CreateSchema { name, if_not_exists } => {
            relation::create_schema(session, name, *if_not_exists).await
        }
        Statement::Drop { kind, names, if_exists, cascade } => {
            drop::run(session, *kind, names, *if_exists, *cascade).await
        }
        Statement::Alter { kind, name, if_exists, actions } => {
            alter::run(session, *kind, name, *if_exists, actions).await
        }
        Statement::Comment { target, text } => {
            alter::comment(session, target, text.as_deref()).await
        }
        Statement::Truncate(names) => super::truncate::run(session, names).await,
        _ => Err(Error::unsupported("the statement is not implemented")),
    }
}

/// The catalog's kind of an object named in a statement.
pub(super) fn object_kind(kind: RelationKind) -> ObjectKind {
    match kind {
        RelationKind::Schema => ObjectKind::Schema,
        RelationKind::Stream => ObjectKind::Stream,
        RelationKind::Table => ObjectKind::Table,
        RelationKind::View => ObjectKind::View,
        RelationKind::MaterializedView => ObjectKind::MaterializedView,
        RelationKind::Sink => ObjectKind::Sink,
    }
}

/// Runs a catalog change: in the open transaction, or at once.
async fn change(session: &Session, step: DdlStep, tag: &str) -> Result<Execution> {
    session.check_writable(tag)?;
    let shared = &session.shared;
    let in_block = session.with_block(|block| block.add_ddl(shared, Arc::clone(&step)));
    match in_block {
        Some(outcome) => outcome?,
        None => {
            let writes = WriteSet { ddl: vec![step], ..WriteSet::default() };
            shared.commit(writes).await?;
        }
    }
    Ok(Execution::Done { tag: tag.to_owned() })
}

/// The schema for a new object, checked that its name is free. `None`: it exists and that is no error.
fn free_name(
    session: &Session,
    catalog: &Catalog,
    name: &ObjectName,
    if_not_exists: bool,
) -> Result<Option<ObjectId>> {
    let path = session.search_path();
    if name.name.len() > limits::IDENTIFIER_BYTES_MAX {
        return Err(Error::new(
            SqlState::NameTooLong,
            format!("identifier \"{}\" is too long", name.name),
        )
        .with_detail(format!("Names have at most {} bytes.", limits::IDENTIFIER_BYTES_MAX)));
    }
    let schema = catalog.creation_schema(name, &path)?;
    match catalog.lookup_in(schema, &name.name) {
        None => Ok(Some(schema)),
        Some(_) if if_not_exists => {
            session.notice(Notice::new(format!(
                "relation \"{}\" already exists, skipping",
                name.name
            )));
            Ok(None)
        }
        Some(_) => Err(taken(&name.name)),
    }
}

fn taken(name: &str) -> Error {
    Error::new(SqlState::DuplicateTable, format!("relation \"{name}\" already exists"))
}

/// Refuses a name that was taken between planning and commit.
fn check_free(catalog: &Catalog, schema: ObjectId, name: &str) -> Result<()> {
    match catalog.lookup_in(schema, name) {
        Some(_) => Err(taken(name)),
        None => Ok(()),
    }
}

/// Refuses column lists that are too long, name a column twice, or have a row in one column.
fn check_columns(columns: &[Column]) -> Result<()> {
    if columns.len() > limits::COLUMNS_MAX {
        return Err(Error::new(
            SqlState::ProgramLimitExceeded,
            format!("relations can have at most {} columns", limits::COLUMNS_MAX),
        ));
    }
    for (column_idx, column) in columns.iter().enumerate() {
        if columns[..column_idx].iter().any(|other| other.name == column.name) {
            return Err(Error::new(
                SqlState::DuplicateColumn,
                format!("column \"{}\" specified more than once", column.name),
            ));
        }
        if column.sql_type == SqlType::Record {
            return Err(Error::new(
                SqlState::InvalidTableDefinition,
                format!("column \"{}\" has pseudo-type record", column.name),
            )
            .with_hint("Name the fields of the row, as columns of their own."));
        }
    }
    Ok(())
}
