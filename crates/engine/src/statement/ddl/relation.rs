//! CREATE SCHEMA, CREATE STREAM, CREATE TABLE.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_catalog::{
    Catalog, Check, Column, DLQ_ID, Durability, Object, ObjectBody, OnError, Schema,
    SourceDefinition, Stream, StreamOptions, Table,
};
use weir_connect::source;
use weir_log::TopicConfig;
use weir_planner::dialect::{ColumnDefinition, CreateStream, CreateTable};
use weir_types::{
    ColumnId, Epoch, Error, Notice, ObjectId, Result, SqlState, SqlType, TopicId, limits,
};

use super::{change, check_columns, check_free, free_name};
use crate::commit::DdlContext;
use crate::session::{Execution, Session};
use crate::sources::dead_letter_columns;
use crate::statement::row;

pub(super) async fn create_schema(
    session: &Session,
    name: &str,
    if_not_exists: bool,
) -> Result<Execution> {
    let taken = |name: &str| {
        Error::new(SqlState::DuplicateSchema, format!("schema \"{name}\" already exists"))
    };
    if name.starts_with("pg_") {
        return Err(Error::new(
            SqlState::InvalidName,
            format!("unacceptable schema name \"{name}\""),
        )
        .with_detail("The prefix \"pg_\" is reserved for system schemas."));
    }
    if session.catalog().schema_id(name).is_some() {
        if !if_not_exists {
            return Err(taken(name));
        }
        session.notice(Notice::new(format!("schema \"{name}\" already exists, skipping")));
        return Ok(Execution::Done { tag: "CREATE SCHEMA".to_owned() });
    }
    let id = session.shared.allocate_id();
    let (name, owner) = (name.to_owned(), session.user.clone());
    let step = move |context: &mut DdlContext<'_>| {
        if context.catalog.schema_id(&name).is_some() {
            return Err(taken(&name));
        }
        context.put(Object {
            id,
            schema: id,
            name: name.clone(),
            owner: owner.clone(),
            comment: None,
            created: context.epoch,
            part_of: None,
            body: ObjectBody::Schema(Schema {}),
        });
        Ok(())
    };
    change(session, Arc::new(step), "CREATE SCHEMA").await
}

/// Takes options out of `WITH (..)` as they are asked for; the rest belongs to a connector.
struct Options(BTreeMap<String, String>);

impl Options {
    fn take<T>(&mut self, name: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(text) => parse(&text).map(Some).ok_or_else(|| {
                Error::new(
                    SqlState::InvalidParameterValue,
                    format!("invalid value for option \"{name}\": \"{text}\""),
                )
            }),
        }
    }
}

/// A time as text: a number with `ms`, `s`, `min`, `m`, `h`, `d`, `w`; `forever` is none.
fn duration_ms(text: &str) -> Option<Option<u64>> {
    let text = text.trim().to_lowercase();
    if ["forever", "none", "infinite", "-1"].contains(&text.as_str()) {
        return Some(None);
    }
    let digits = text.trim_end_matches(|c: char| c.is_alphabetic() || c == ' ');
    let factor = match text[digits.len()..].trim() {
        "ms" | "" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 604_800_000,
        _ => return None,
    };
    Some(Some(digits.trim().parse::<u64>().ok()?.checked_mul(factor)?))
}

/// A size as text: a number of bytes, with `kB`, `MB`, `GB`, `TB` for powers of 1024.
fn size_bytes(text: &str) -> Option<Option<u64>> {
    let text = text.trim().to_lowercase();
    if ["unlimited", "none", "-1"].contains(&text.as_str()) {
        return Some(None);
    }
    let digits = text.trim_end_matches(|c: char| c.is_alphabetic() || c == ' ');
    let shift = match text[digits.len()..].trim() {
        "" | "b" => 0,
        "kb" | "kib" => 10,
        "mb" | "mib" => 20,
        "gb" | "gib" => 30,
        "tb" | "tib" => 40,
        _ => return None,
    };
    Some(Some(digits.trim().parse::<u64>().ok()?.checked_mul(1 << shift)?))
}

fn stream_options(options: &mut Options) -> Result<StreamOptions> {
    let defaults = StreamOptions::default();
    Ok(StreamOptions {
        partitions: options
            .take("partitions", |text| {
                text.parse().ok().filter(|n| (1..=limits::PARTITIONS_MAX).contains(n))
            })?
            .unwrap_or(defaults.partitions),
        retention_ms: options.take("retention", duration_ms)?.flatten(),
        retention_bytes: options.take("retention_bytes", size_bytes)?.flatten(),
        durability: options
            .take("durability", |text| match text {
                "fsync" => Some(Durability::Fsync),
                "os" => Some(Durability::Os),
                _ => None,
            })?
            .unwrap_or(defaults.durability),
        on_error: options
            .take("on_error", |text| match text {
                "dlq" => Some(OnError::Dlq),
                "skip" => Some(OnError::Skip),
                "fail" => Some(OnError::Fail),
                _ => None,
            })?
            .unwrap_or(defaults.on_error),
    })
}

pub(super) async fn create_stream(session: &Session, create: &CreateStream) -> Result<Execution> {
    let catalog = session.catalog();
    let tag = "CREATE STREAM";
    let Some(schema) = free_name(session, &catalog, &create.name, create.if_not_exists)? else {
        return Ok(Execution::Done { tag: tag.to_owned() });
    };
    let mut options = Options(create.options.clone());
    let stream_options = stream_options(&mut options)?;
    let connector = options.0.remove("connector");
    let mut columns = columns(&create.columns)?;
    if let Some(name) = create.columns.iter().find(|column| column.primary_key) {
        return Err(Error::new(
            SqlState::InvalidTableDefinition,
            format!("stream column \"{}\" cannot be a primary key", name.name),
        )
        .with_hint("A stream keeps every row; use CREATE TABLE for rows with a key."));
    }
    let source = match connector {
        None => {
            if let Some(name) = options.0.keys().next() {
                return Err(Error::new(
                    SqlState::InvalidParameterValue,
                    format!("unrecognized option \"{name}\" of a stream"),
                )
                .with_hint(
                    "Options are partitions, retention, retention_bytes, durability, on_error and \
                     connector.",
                ));
            }
            None
        }
        Some(connector) => {
            refuse_computed(&columns)?;
            if columns.is_empty()
                && let Some(known) = source::columns(&connector, &options.0)?
            {
                columns = numbered(known);
            }
            let options = source::settled(&connector, options.0)?;
            source::check(&connector, &options, &crate::sources::columns(&columns))?;
            Some(SourceDefinition { connector, options })
        }
    };
    if columns.is_empty() {
        return Err(Error::new(
            SqlState::InvalidTableDefinition,
            format!("stream \"{}\" needs at least one column", create.name.name),
        ));
    }
    check_columns(&columns)?;
    let partition_by = key_ids(&columns, &create.partition_by)?;
    let has_source = source.is_some();
    let id = session.shared.allocate_id();
    let stream = Stream {
        topic: TopicId(id.0),
        columns,
        schema_version: 1,
        partition_by,
        options: stream_options,
        source,
    };
    let object = new_object(session, id, schema, &create.name.name, ObjectBody::Stream(stream));
    crate::stack::on_planner_stack(|| row::check_definition(session, &object))?;
    let dlq = has_source.then(|| {
        let dlq_id = session.shared.allocate_id();
        let name = dead_name(&catalog, schema, &object.name);
        let columns = numbered(
            dead_letter_columns().map(|(name, sql_type)| (name.to_owned(), sql_type)).to_vec(),
        );
        let stream = Stream {
            topic: TopicId(dlq_id.0),
            columns,
            schema_version: 1,
            partition_by: Vec::new(),
            options: StreamOptions::default(),
            source: None,
        };
        let body = ObjectBody::Stream(stream);
        Object { part_of: Some(id), ..new_object(session, dlq_id, DLQ_ID, &name, body) }
    });
    let step = move |context: &mut DdlContext<'_>| {
        for object in [Some(&object), dlq.as_ref()].into_iter().flatten() {
            check_free(context.catalog, object.schema, &object.name)?;
            create_topic(context, object);
            context.put(Object { created: context.epoch, ..object.clone() });
        }
        Ok(())
    };
    change(session, Arc::new(step), tag).await
}

/// The name in schema `dlq` for what an object leaves out.
pub(super) fn dead_name(catalog: &Catalog, schema: ObjectId, name: &str) -> String {
    match schema == weir_catalog::PUBLIC_ID {
        true => name.to_owned(),
        false => format!("{}.{name}", catalog.schema_name(schema)),
    }
}

/// A connector gives values for all columns: none is left to compute.
fn refuse_computed(columns: &[Column]) -> Result<()> {
    let computed = columns.iter().find(|c| c.default.is_some() || c.generated.is_some());
    computed.map_or(Ok(()), |column| {
        Err(Error::unsupported(format!(
            "column \"{}\" of a stream with a connector cannot have a default or be generated",
            column.name
        ))
        .with_hint("Compute it in a view over the stream."))
    })
}

fn create_topic(context: &mut DdlContext<'_>, object: &Object) {
    let (id, partitions, retention_ms, retention_bytes) = match &object.body {
        ObjectBody::Stream(stream) => {
            let options = &stream.options;
            (stream.topic, options.partitions, options.retention_ms, options.retention_bytes)
        }
        // Changes go as soon as a checkpoint has them, which holds the others.
        ObjectBody::Table(table) => (table.topic, 1, Some(0), None),
        _ => return,
    };
    context.create_topic(TopicConfig {
        id,
        name: context.catalog.full_name_in(object.schema, &object.name),
        partitions,
        retention_ms,
        retention_bytes,
    });
}

pub(super) fn new_object(
    session: &Session,
    id: ObjectId,
    schema: ObjectId,
    name: &str,
    body: ObjectBody,
) -> Object {
    Object {
        id,
        schema,
        name: name.to_owned(),
        owner: session.user.clone(),
        comment: None,
        created: Epoch::ZERO,
        part_of: None,
        body,
    }
}

/// Columns of those names and types, numbered from 1.
pub(super) fn numbered(columns: Vec<(String, SqlType)>) -> Vec<Column> {
    columns
        .into_iter()
        .enumerate()
        .map(|(idx, (name, sql_type))| Column::new(ColumnId(idx as u32 + 1), name, sql_type))
        .collect()
}

/// Columns as defined, numbered from 1.
fn columns(definitions: &[ColumnDefinition]) -> Result<Vec<Column>> {
    let column = |(idx, definition): (usize, &ColumnDefinition)| {
        column(ColumnId(idx as u32 + 1), definition)
    };
    definitions.iter().enumerate().map(column).collect()
}

/// A column as defined.
pub(super) fn column(id: ColumnId, definition: &ColumnDefinition) -> Result<Column> {
    if definition.default.is_some() && definition.generated.is_some() {
        return Err(Error::syntax(format!(
            "both default and generation expression specified for column \"{}\"",
            definition.name
        )));
    }
    if weir_planner::source::RecordColumn::ALL.iter().any(|c| c.name() == definition.name) {
        return Err(Error::new(
            SqlState::InvalidName,
            format!("column name \"{}\" is reserved", definition.name),
        )
        .with_detail("Streams have a column of that name for each record."));
    }
    Ok(Column {
        nullable: !definition.not_null && !definition.primary_key,
        default: definition.default.clone(),
        generated: definition.generated.clone(),
        ..Column::new(id, &definition.name, definition.sql_type.clone())
    })
}

fn key_ids(columns: &[Column], names: &[String]) -> Result<Vec<ColumnId>> {
    names
        .iter()
        .map(|name| {
            let column = columns.iter().find(|column| column.name == *name);
            column.map(|column| column.id).ok_or_else(|| {
                Error::new(
                    SqlState::UndefinedColumn,
                    format!("column \"{name}\" named in key does not exist"),
                )
            })
        })
        .collect()
}

/// Refuses a key whose equal values are kept in several forms: 'a' and 'a ' are one `bpchar`.
fn check_key_type(column: &Column) -> Result<()> {
    if column.sql_type != SqlType::Char(None) {
        return Ok(());
    }
    let name = &column.name;
    Err(Error::unsupported(format!(
        "column \"{name}\" of type bpchar without length in a primary key is not supported"
    ))
    .with_hint("Use character(n), character varying or text."))
}

pub(super) async fn create_table(session: &Session, create: &CreateTable) -> Result<Execution> {
    let catalog = session.catalog();
    let tag = "CREATE TABLE";
    let Some(schema) = free_name(session, &catalog, &create.name, create.if_not_exists)? else {
        return Ok(Execution::Done { tag: tag.to_owned() });
    };
    if let Some(name) = create.options.keys().next() {
        return Err(Error::new(
            SqlState::InvalidParameterValue,
            format!("unrecognized option \"{name}\" of a table"),
        ));
    }
    let id = session.shared.allocate_id();
    let mut columns = columns(&create.columns)?;
    check_columns(&columns)?;
    let key = primary_key(create)?;
    let mut primary_key = key_ids(&columns, &key)?;
    for column in &mut columns {
        if primary_key.contains(&column.id) {
            check_key_type(column)?;
            column.nullable = false;
        }
    }
    let (primary_key_name, primary_key_id) = if primary_key.is_empty() {
        let id = ColumnId(columns.len() as u32 + 1);
        let mut row_id = Column::new(id, "_rowid", SqlType::Int8);
        row_id.hidden = true;
        row_id.nullable = false;
        columns.push(row_id);
        primary_key.push(id);
        (None, None)
    } else {
        let named = create.primary_key.as_ref().and_then(|(name, _)| name.clone());
        let name = named.unwrap_or_else(|| format!("{}_pkey", create.name.name));
        (Some(name), Some(session.shared.allocate_id()))
    };
    let table = Table {
        topic: TopicId(id.0),
        columns,
        schema_version: 1,
        primary_key,
        primary_key_name,
        primary_key_id,
        checks: checks(create),
    };
    let object = new_object(session, id, schema, &create.name.name, ObjectBody::Table(table));
    crate::stack::on_planner_stack(|| row::check_definition(session, &object))?;
    let step = move |context: &mut DdlContext<'_>| {
        check_free(context.catalog, object.schema, &object.name)?;
        create_topic(context, &object);
        context.put(Object { created: context.epoch, ..object.clone() });
        Ok(())
    };
    change(session, Arc::new(step), tag).await
}

fn primary_key(create: &CreateTable) -> Result<Vec<String>> {
    let of_columns: Vec<String> = create
        .columns
        .iter()
        .filter(|column| column.primary_key)
        .map(|column| column.name.clone())
        .collect();
    let n_keys = of_columns.len() + usize::from(create.primary_key.is_some());
    if n_keys > 1 {
        return Err(Error::new(
            SqlState::InvalidTableDefinition,
            format!("multiple primary keys for table \"{}\" are not allowed", create.name.name),
        ));
    }
    Ok(create.primary_key.as_ref().map_or(of_columns, |(_, columns)| columns.clone()))
}

/// CHECK constraints, named as PostgreSQL names them.
fn checks(create: &CreateTable) -> Vec<Check> {
    let mut found: Vec<Check> = Vec::new();
    let table = &create.name.name;
    let of_columns = create.columns.iter().flat_map(|column| {
        column.checks.iter().map(move |(name, expr)| (Some(&column.name), name, expr))
    });
    let of_table = create.checks.iter().map(|(name, expr)| (None, name, expr));
    for (column, name, expr) in of_columns.chain(of_table) {
        let stem = match column {
            Some(column) => format!("{table}_{column}_check"),
            None => format!("{table}_check"),
        };
        let mut unique = name.clone().unwrap_or_else(|| stem.clone());
        let mut number = 0;
        while found.iter().any(|check| check.name == unique) {
            number += 1;
            unique = format!("{stem}{number}");
        }
        found.push(Check { name: unique, expr: expr.clone() });
    }
    found
}
