//! A statement as one line, without what is not told.

use std::collections::BTreeMap;

use weir_catalog::ObjectName;

use crate::dialect::ast::*;
use datafusion::sql::sqlparser::ast as sql;

pub(super) fn shown(statement: &Statement) -> String {
    use Statement as S;
    match statement {
        S::Query(query) => format!("query {query}"),
        S::Insert(insert) => insert_shown(insert),
        S::Update(update) => update_shown(update),
        S::Delete(delete) => delete_shown(delete),
        S::Truncate(names) => format!("truncate {}", names_shown(names)),
        S::Copy(copy) => copy_shown(copy),
        S::CreateStream(stream) => {
            let mut text = format!("stream {}", stream.name);
            add(&mut text, "exists-ok", stream.if_not_exists);
            text += &columns_shown(&stream.columns);
            if !stream.partition_by.is_empty() {
                text += &format!(" by {:?}", stream.partition_by);
            }
            text + &options_shown(&stream.options)
        }
        S::CreateTable(table) => table_shown(table),
        S::CreateView(view) => {
            let mut text = if view.materialized { "mview" } else { "view" }.to_owned();
            text += &format!(" {}", view.name);
            add(&mut text, "replace", view.or_replace);
            add(&mut text, "exists-ok", view.if_not_exists);
            if !view.columns.is_empty() {
                text += &format!(" {:?}", view.columns);
            }
            text += &options_shown(&view.options);
            format!("{text} [{}] <{}>", view.query, view.query_text)
        }
        S::CreateSink(sink) => {
            let mut text = format!("sink {}", sink.name);
            add(&mut text, "exists-ok", sink.if_not_exists);
            text += &options_shown(&sink.options);
            format!("{text} [{}] <{}>", sink.query, sink.query_text)
        }
        S::CreateSchema { name, if_not_exists } => {
            let mut text = format!("schema {name}");
            add(&mut text, "exists-ok", *if_not_exists);
            text
        }
        S::Drop { kind, names, if_exists, cascade } => {
            let mut text = format!("drop {kind:?} {}", names_shown(names));
            add(&mut text, "missing-ok", *if_exists);
            add(&mut text, "cascade", *cascade);
            text
        }
        S::Alter { kind, name, if_exists, actions } => {
            let mut text = format!("alter {kind:?} {name}");
            add(&mut text, "missing-ok", *if_exists);
            let actions: Vec<String> = actions.iter().map(action_shown).collect();
            format!("{text} {}", actions.join(", "))
        }
        S::Maintain(Maintain { what, relations }) => {
            let relation = |(name, columns): &(ObjectName, Vec<String>)| match columns.as_slice() {
                [] => format!(" {name}"),
                columns => format!(" {name}({})", columns.join(" ")),
            };
            format!("{what:?}{}", relations.iter().map(relation).collect::<String>())
        }
        S::Comment { target, text } => match target {
            CommentTarget::Object(kind, name) => format!("comment {kind:?} {name} {text:?}"),
            CommentTarget::Column(name, column) => format!("comment {name} {column} {text:?}"),
        },
        S::Explain { analyze, verbose, statement } => {
            let mut text = "explain".to_owned();
            add(&mut text, "analyze", *analyze);
            add(&mut text, "verbose", *verbose);
            format!("{text}: {}", shown(statement))
        }
        other => session_shown(other),
    }
}

fn session_shown(statement: &Statement) -> String {
    use Statement as S;
    match statement {
        S::ShowObjects(kind) => format!("show-objects {kind:?}"),
        S::ShowCreate(name) => format!("show-create {name}"),
        S::Describe(name) => format!("describe {name}"),
        S::Show(name) => format!("show {name}"),
        S::Set { name, value, local } => {
            let mut text = format!("set {name}");
            add(&mut text, "local", *local);
            format!("{text} = {}", value.as_deref().unwrap_or("DEFAULT"))
        }
        S::Reset(name) => format!("reset {}", name.as_deref().unwrap_or("ALL")),
        S::Discard(what) => format!("discard {what}"),
        S::Begin { read_only, verb } => {
            let mut text = verb.to_lowercase();
            add(&mut text, "read-only", *read_only);
            text
        }
        S::Commit => "commit".to_owned(),
        S::Rollback => "rollback".to_owned(),
        S::Savepoint(action, name) => format!("savepoint {action:?} {name}"),
        S::SetTransaction { read_only } => format!("set-transaction {read_only:?}"),
        S::Prepare { name, types, statement } => {
            let types: Vec<String> = types.iter().map(ToString::to_string).collect();
            format!("prepare {name} {types:?} {}", parsed_shown(statement))
        }
        S::Execute { name, arguments } => format!("execute {name} [{}]", list(arguments)),
        S::Deallocate(name) => format!("deallocate {}", name.as_deref().unwrap_or("ALL")),
        S::Declare { name, hold, statement } => {
            let mut text = format!("declare {name}");
            add(&mut text, "hold", *hold);
            format!("{text} {}", parsed_shown(statement))
        }
        S::Fetch { name, count, is_move } => {
            let mut text = format!("fetch {name} {count:?}");
            add(&mut text, "move", *is_move);
            text
        }
        S::Close(name) => format!("close {}", name.as_deref().unwrap_or("ALL")),
        S::Subscribe(subscribe) => subscribe_shown(subscribe),
        S::Flush => "flush".to_owned(),
        S::Checkpoint => "checkpoint".to_owned(),
        S::Notify(verb) => format!("notify {verb}"),
        S::Empty => "empty".to_owned(),
        other => unreachable!("shown before: {other:?}"),
    }
}

fn add(text: &mut String, word: &str, is_told: bool) {
    if is_told {
        *text += &format!(" {word}");
    }
}

fn list<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn names_shown(names: &[ObjectName]) -> String {
    list(names)
}

fn options_shown(options: &BTreeMap<String, String>) -> String {
    options.iter().map(|(name, value)| format!(" {name}={value:?}")).collect()
}

fn parsed_shown(parsed: &Parsed) -> String {
    format!("@{} <{}> {}", parsed.offset, parsed.text, shown(&parsed.statement))
}

fn subscribe_shown(subscribe: &Subscribe) -> String {
    let mut text = format!("subscribe [{}] <{}>", subscribe.query, subscribe.query_text);
    add(&mut text, "changes-only", !subscribe.snapshot);
    text
}

fn column_shown(column: &ColumnDefinition) -> String {
    let mut text = format!("{} {}", column.name, column.sql_type);
    add(&mut text, "not-null", column.not_null);
    add(&mut text, "key", column.primary_key);
    if let Some(default) = &column.default {
        text += &format!(" default <{default}>");
    }
    if let Some(generated) = &column.generated {
        text += &format!(" generated <{generated}>");
    }
    text + &checks_shown(&column.checks)
}

fn checks_shown(checks: &[(Option<String>, String)]) -> String {
    let check = |(name, text): &(Option<String>, String)| {
        format!(" check {} <{text}>", name.as_deref().unwrap_or("-"))
    };
    checks.iter().map(check).collect()
}

fn columns_shown(columns: &[ColumnDefinition]) -> String {
    let columns: Vec<String> = columns.iter().map(column_shown).collect();
    format!(" ({})", columns.join(", "))
}

fn table_shown(table: &CreateTable) -> String {
    let mut text = format!("table {}", table.name);
    add(&mut text, "exists-ok", table.if_not_exists);
    text += &columns_shown(&table.columns);
    if let Some((name, columns)) = &table.primary_key {
        text += &format!(" key {} {columns:?}", name.as_deref().unwrap_or("-"));
    }
    text += &checks_shown(&table.checks);
    text += &options_shown(&table.options);
    if let Some(query) = &table.query {
        text += &format!(" [{query}]");
    }
    add(&mut text, "no-data", table.with_no_data);
    text
}

fn action_shown(action: &AlterAction) -> String {
    match action {
        AlterAction::Rename(name) => format!("rename {name}"),
        AlterAction::RenameColumn { from, to } => format!("rename-column {from} {to}"),
        AlterAction::SetSchema(name) => format!("schema {name}"),
        AlterAction::Owner(name) => format!("owner {name}"),
        AlterAction::AddColumn { column, if_not_exists } => {
            let mut text = format!("add ({})", column_shown(column));
            add(&mut text, "exists-ok", *if_not_exists);
            text
        }
        AlterAction::SetOptions(options) => format!("options{}", options_shown(options)),
    }
}

fn assignments_shown(assignments: &[Assignment]) -> String {
    let shown = |assignment: &Assignment| {
        let value = assignment.value.as_ref().map_or("DEFAULT".to_owned(), ToString::to_string);
        format!("{} = {value}", assignment.column)
    };
    assignments.iter().map(shown).collect::<Vec<_>>().join(", ")
}

fn tail(text: &mut String, filter: Option<&sql::Expr>, returning: &[sql::SelectItem]) {
    if let Some(filter) = filter {
        *text += &format!(" where {filter}");
    }
    if !returning.is_empty() {
        *text += &format!(" returning {}", list(returning));
    }
}

fn insert_shown(insert: &Insert) -> String {
    let mut text = format!("insert {}", insert.table);
    if let Some(alias) = &insert.alias {
        text += &format!(" as {alias}");
    }
    if !insert.columns.is_empty() {
        text += &format!(" {:?}", insert.columns);
    }
    text += &insert.source.as_ref().map_or(" DEFAULT".to_owned(), |query| format!(" [{query}]"));
    if let Some(conflict) = &insert.on_conflict {
        text += &format!(" conflict {:?}", conflict.columns);
        if let Some(constraint) = &conflict.constraint {
            text += &format!(" {constraint}");
        }
        match &conflict.action {
            ConflictAction::Nothing => text += " nothing",
            ConflictAction::Update { assignments, filter } => {
                text += &format!(" set {}", assignments_shown(assignments));
                tail(&mut text, filter.as_deref(), &[]);
            }
        }
    }
    tail(&mut text, None, &insert.returning);
    text
}

fn update_shown(update: &Update) -> String {
    let mut text = format!("update {}", update.table);
    if let Some(alias) = &update.alias {
        text += &format!(" as {alias}");
    }
    text += &format!(" set {}", assignments_shown(&update.assignments));
    if !update.from.is_empty() {
        text += &format!(" from {}", list(&update.from));
    }
    tail(&mut text, update.filter.as_ref(), &update.returning);
    text
}

fn delete_shown(delete: &Delete) -> String {
    let mut text = format!("delete {}", delete.table);
    if let Some(alias) = &delete.alias {
        text += &format!(" as {alias}");
    }
    if !delete.using.is_empty() {
        text += &format!(" using {}", list(&delete.using));
    }
    tail(&mut text, delete.filter.as_ref(), &delete.returning);
    text
}

fn copy_shown(copy: &Copy) -> String {
    let target = match &copy.target {
        CopyTarget::Relation { name, columns } if columns.is_empty() => name.to_string(),
        CopyTarget::Relation { name, columns } => format!("{name} {columns:?}"),
        CopyTarget::Query(query) => format!("[{query}]"),
        CopyTarget::Subscribe(subscribe) => subscribe_shown(subscribe),
    };
    let options = &copy.options;
    let direction = if copy.from { "from" } else { "to" };
    let mut text = format!(
        "copy {target} {direction} {:?} {:?} null={:?}",
        options.format,
        char::from(options.delimiter),
        options.null
    );
    add(&mut text, "header", options.header);
    if (options.quote, options.escape) != (b'"', b'"') {
        text += &format!(" {:?} {:?}", char::from(options.quote), char::from(options.escape));
    }
    if !options.force_quote.is_empty() {
        text += &format!(" force {:?}", options.force_quote);
    }
    add(&mut text, "force-all", options.force_quote_all);
    text
}
