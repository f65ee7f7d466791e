//! CREATE TABLE .. AS: a table with a query's columns, and its rows.

use arrow::array::RecordBatch;
use futures::StreamExt;
use weir_planner::bind::BoundQuery;
use weir_planner::dialect::{ColumnDefinition, CreateTable};
use weir_types::{Epoch, Error, Result, SqlType};

use super::{free_name, relation};
use crate::session::{Execution, Session};
use crate::statement::{assign, insert, query, row};

/// Makes the table and puts the rows in, in one commit.
pub(super) async fn run(session: &Session, create: &CreateTable) -> Result<Execution> {
    let done = |tag: String| Ok(Execution::Done { tag });
    let catalog = session.catalog();
    if free_name(session, &catalog, &create.name, create.if_not_exists)?.is_none() {
        return done("CREATE TABLE AS".to_owned());
    }
    let ast = create.query.as_ref().ok_or_else(|| Error::internal("CREATE TABLE AS no query"))?;
    let bound = crate::stack::on_planner_stack(|| query::bind(session, &catalog, ast, &[]))?;
    if !bound.parameters.is_empty() {
        return Err(Error::unsupported("the query of CREATE TABLE AS cannot have parameters")
            .with_hint("Write the values into the statement."));
    }
    let table = CreateTable {
        columns: columns(create, &bound)?,
        query: None,
        if_not_exists: false,
        ..create.clone()
    };
    let is_alone = session.with_block(|_| ()).is_none();
    if is_alone {
        session.begin_implicit_block();
    }
    let outcome = fill(session, &table, bound).await;
    if is_alone {
        match &outcome {
            Ok(_) => session.end_implicit_block().await?,
            Err(_) => session.fail(),
        }
    }
    match outcome? {
        None => done("CREATE TABLE AS".to_owned()),
        Some(n_rows) => done(format!("SELECT {n_rows}")),
    }
}

/// The query's columns, renamed as asked.
fn columns(create: &CreateTable, bound: &BoundQuery) -> Result<Vec<ColumnDefinition>> {
    if create.columns.len() > bound.columns.len() {
        return Err(Error::syntax("too many column names were specified"));
    }
    let definition = |(column_idx, column): (usize, &weir_planner::bind::BoundColumn)| {
        let named = create.columns.get(column_idx).map(|named| named.name.clone());
        ColumnDefinition {
            name: named.unwrap_or_else(|| column.name.clone()),
            sql_type: match &column.sql_type {
                SqlType::Unknown => SqlType::Text,
                known => known.clone(),
            },
            not_null: false,
            default: None,
            generated: None,
            primary_key: false,
            checks: Vec::new(),
        }
    };
    Ok(bound.columns.iter().enumerate().map(definition).collect())
}

/// In the open block: the table, then its rows. Gives their number; `None` WITH NO DATA.
async fn fill(session: &Session, table: &CreateTable, bound: BoundQuery) -> Result<Option<u64>> {
    let before = session.catalog();
    relation::create_table(session, table).await?;
    if table.with_no_data {
        return Ok(None);
    }
    let catalog = session.catalog();
    let object = catalog.resolve(&table.name, &session.search_path())?;
    let data = row::table_of(session, object)?;
    let schema = row::stored_schema(object);
    let settings = session.format_settings();
    let (mut rows, _) = query::stream(session, &before, &bound, &[]).await?;
    let mut n_rows = 0;
    let fill = async {
        while let Some(batch) = rows.next().await {
            let batch = batch?;
            let mut given = vec![None; object.columns().len()];
            for (column_idx, from) in bound.columns.iter().enumerate() {
                let (value, column) = (batch.column(column_idx), &object.columns()[column_idx]);
                given[column_idx] = Some(assign::assign(value, &from.sql_type, column, &settings)?);
            }
            let whole =
                row::complete(session, object, &schema, Some(&data), given, batch.num_rows())?;
            let none = RecordBatch::new_empty(whole.schema());
            insert::apply(session, object, &none, &whole, Epoch::MAX).await?;
            n_rows += whole.num_rows() as u64;
        }
        Ok(())
    };
    session.interrupt.or(fill).await?;
    Ok(Some(n_rows))
}
