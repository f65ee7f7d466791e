//! SHOW, DESCRIBE: lists and definitions.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema};
use weir_catalog::{Catalog, Column, Durability, Object, ObjectBody, OnError, StoredQuery};
use weir_planner::dialect::{RelationKind, Statement};
use weir_types::{Error, Result, SqlState, SqlType};

use super::insert::quoted;
use crate::session::{Execution, OutputColumn, RowTag, Session};
use crate::settings::wire_name;

/// The columns of a SHOW or DESCRIBE.
pub(super) fn columns(session: &Session, statement: &Statement) -> Result<Arc<[OutputColumn]>> {
    let names: Vec<String> = match statement {
        Statement::Show(name) if name == "all" => {
            ["name", "setting", "description"].map(str::to_owned).to_vec()
        }
        Statement::Show(name) => {
            session.state.lock().settings.get(name)?;
            vec![wire_name(&name.to_lowercase()).to_owned()]
        }
        Statement::ShowObjects(_) => ["schema", "name", "owner"].map(str::to_owned).to_vec(),
        Statement::ShowCreate(_) => ["name", "create_statement"].map(str::to_owned).to_vec(),
        _ => ["column", "type", "nullable", "default"].map(str::to_owned).to_vec(),
    };
    Ok(text_columns(names))
}

/// Output columns of type text.
pub(super) fn text_columns(names: Vec<String>) -> Arc<[OutputColumn]> {
    names
        .into_iter()
        .map(|name| OutputColumn { name, sql_type: SqlType::Text, table_oid: 0, attribute: 0 })
        .collect()
}

/// Rows of text columns.
pub(super) fn text_rows(
    columns: &Arc<[OutputColumn]>,
    rows: Vec<Vec<Option<String>>>,
    verb: &'static str,
) -> Result<Execution> {
    let fields: Vec<Field> =
        columns.iter().map(|column| Field::new(&column.name, DataType::Utf8View, true)).collect();
    let arrays: Vec<ArrayRef> = (0..columns.len())
        .map(|column_idx| {
            let values = rows.iter().map(|row| row[column_idx].as_deref());
            Arc::new(values.collect::<StringViewArray>()) as ArrayRef
        })
        .collect();
    let batch = weir_delta::rows::batch(Arc::new(Schema::new(fields)), arrays, rows.len())?;
    Ok(Execution::Rows {
        columns: Arc::clone(columns),
        rows: Box::pin(futures::stream::once(async { Ok(batch) })),
        tag: RowTag(verb),
    })
}

pub(super) fn run(
    session: &Session,
    statement: &Statement,
    columns: &Option<Arc<[OutputColumn]>>,
) -> Result<Execution> {
    let columns = columns.as_ref().ok_or_else(|| Error::internal("SHOW has columns"))?;
    let catalog = session.catalog();
    let path = session.search_path();
    let rows = match statement {
        Statement::Show(name) if name == "all" => {
            let all = session.state.lock().settings.all();
            all.into_iter().map(|(n, v, d)| vec![Some(n), Some(v), Some(d)]).collect()
        }
        Statement::Show(name) => {
            vec![vec![Some(session.state.lock().settings.get(name)?.to_owned())]]
        }
        Statement::ShowObjects(kind) => list(&catalog, *kind),
        Statement::ShowCreate(name) => {
            let object = catalog.resolve(name, &path)?;
            if let Some(whole) = object.part_of {
                return Err(Error::new(
                    SqlState::WrongObjectType,
                    format!("\"{}\" has no statement of its own", catalog.full_name(object.id)),
                )
                .with_hint(format!(
                    "It comes with \"{0}\": SHOW CREATE {0}.",
                    catalog.full_name(whole)
                )));
            }
            vec![vec![Some(catalog.full_name(object.id)), Some(create_statement(&catalog, object))]]
        }
        Statement::Describe(name) => {
            let object = catalog.resolve(name, &path)?;
            let visible = object.columns().iter().filter(|column| !column.hidden);
            visible
                .map(|column| {
                    vec![
                        Some(column.name.clone()),
                        Some(column.sql_type.to_string()),
                        Some(if column.nullable { "yes" } else { "no" }.to_owned()),
                        column.default.clone(),
                    ]
                })
                .collect()
        }
        _ => return Err(Error::internal("not a SHOW")),
    };
    text_rows(columns, rows, "SHOW")
}

fn list(catalog: &Catalog, kind: RelationKind) -> Vec<Vec<Option<String>>> {
    let wanted = super::ddl::object_kind(kind);
    let mut rows: Vec<Vec<Option<String>>> = catalog
        .objects()
        .filter(|object| object.kind() == wanted)
        .map(|object| {
            let schema = catalog.schema_name(object.schema).to_owned();
            vec![Some(schema), Some(object.name.clone()), Some(object.owner.clone())]
        })
        .collect();
    rows.sort();
    rows
}

/// The statement that makes such an object.
pub(crate) fn create_statement(catalog: &Catalog, object: &Object) -> String {
    let name = format!("{}.{}", quoted(catalog.schema_name(object.schema)), quoted(&object.name));
    let columns = || {
        let visible = object.columns().iter().filter(|column| !column.hidden);
        let lines: Vec<String> = visible
            .map(|column| {
                let mut line = format!("    {} {}", quoted(&column.name), column.sql_type);
                if let Some(text) = &column.generated {
                    line += &format!(" GENERATED ALWAYS AS ({text}) STORED");
                }
                if let Some(text) = &column.default {
                    line += &format!(" DEFAULT {text}");
                }
                if !column.nullable {
                    line += " NOT NULL";
                }
                line
            })
            .collect();
        lines
    };
    let query = |query: &StoredQuery| query_text(catalog, query);
    match &object.body {
        ObjectBody::Schema(_) => format!("CREATE SCHEMA {}", quoted(&object.name)),
        ObjectBody::Stream(stream) => {
            let mut options = vec![format!("partitions = {}", stream.options.partitions)];
            if let Some(ms) = stream.options.retention_ms {
                options.push(format!("retention = '{ms}ms'"));
            }
            if let Some(bytes) = stream.options.retention_bytes {
                options.push(format!("retention_bytes = {bytes}"));
            }
            if let Some(source) = &stream.source {
                options.push(format!("connector = '{}'", source.connector));
                options.extend(source.options.iter().map(option));
            }
            if stream.options.durability == Durability::Os {
                options.push("durability = 'os'".to_owned());
            }
            if stream.options.on_error != OnError::Dlq {
                options.push(format!("on_error = '{}'", on_error(stream.options.on_error)));
            }
            let key: Vec<String> = stream
                .partition_by
                .iter()
                .filter_map(|id| stream.columns.iter().find(|column| column.id == *id))
                .map(|column| quoted(&column.name))
                .collect();
            let key = match key.is_empty() {
                true => String::new(),
                false => format!(" PARTITION BY ({})", key.join(", ")),
            };
            let columns = columns().join(",\n");
            format!("CREATE STREAM {name} (\n{columns}\n){key} WITH ({})", options.join(", "))
        }
        ObjectBody::Table(table) => {
            let mut lines = columns();
            if let Some(constraint) = &table.primary_key_name {
                let key: Vec<String> = table
                    .primary_key
                    .iter()
                    .filter_map(|id| table.columns.iter().find(|column| column.id == *id))
                    .map(|column| quoted(&column.name))
                    .collect();
                lines.push(format!(
                    "    CONSTRAINT {} PRIMARY KEY ({})",
                    quoted(constraint),
                    key.join(", ")
                ));
            }
            lines.extend(table.checks.iter().map(|check| {
                format!("    CONSTRAINT {} CHECK ({})", quoted(&check.name), check.expr)
            }));
            format!("CREATE TABLE {name} (\n{}\n)", lines.join(",\n"))
        }
        ObjectBody::View(view) => {
            format!("CREATE VIEW {name} ({}) AS\n{}", names(&view.columns), query(&view.query))
        }
        ObjectBody::MaterializedView(view) => {
            let mut options = Vec::new();
            if view.on_error != OnError::Fail {
                options.push(format!("on_error = '{}'", on_error(view.on_error)));
            }
            if !view.force_recompute.is_empty() {
                let kinds: Vec<&str> =
                    view.force_recompute.iter().map(|kind| kind.as_str()).collect();
                options.push(format!("force_recompute = '{}'", kinds.join(", ")));
            }
            let options = match options.is_empty() {
                true => String::new(),
                false => format!(" WITH ({})", options.join(", ")),
            };
            let columns = names(&view.columns);
            let query = query(&view.query);
            format!("CREATE MATERIALIZED VIEW {name} ({columns}){options} AS\n{query}")
        }
        ObjectBody::Sink(sink) => {
            let mut options = vec![format!("connector = '{}'", sink.connector)];
            options.extend(sink.options.iter().map(option));
            let query = query(&sink.query);
            format!("CREATE SINK {name} AS\n{query}\nWITH ({})", options.join(", "))
        }
    }
}

/// A stored query's text with the names of today.
fn query_text(catalog: &Catalog, query: &StoredQuery) -> String {
    crate::stack::on_planner_stack(|| Ok(weir_planner::definition::current_text(query, catalog)))
        .unwrap_or_else(|_| query.sql.clone())
}

/// The query of a view, with its columns' names.
pub(crate) fn view_text(catalog: &Catalog, view: &Object) -> Option<String> {
    let query = view.query()?;
    let text = crate::stack::on_planner_stack(|| {
        Ok(weir_planner::definition::current_text_of(&view.name, query, view.columns(), catalog))
    });
    Some(text.unwrap_or_else(|_| query.sql.clone()))
}

fn names(columns: &[Column]) -> String {
    let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
    names.join(", ")
}

/// An option of a connector as `WITH (..)` takes it.
fn option((name, value): (&String, &String)) -> String {
    format!("{} = '{}'", quoted(name), value.replace('\'', "''"))
}

fn on_error(on_error: OnError) -> &'static str {
    match on_error {
        OnError::Dlq => "dlq",
        OnError::Skip => "skip",
        OnError::Fail => "fail",
    }
}
