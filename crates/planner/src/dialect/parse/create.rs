//! `CREATE ..`.

use datafusion::sql::sqlparser::tokenizer::Token;
use weir_types::{Error, Result, SqlState};

use super::cursor::Cursor;
use super::kind::unsupported_kind;
use super::subscribe::relation_query;
use crate::dialect::ast::{CreateSink, CreateStream, CreateTable, CreateView, Statement};

/// `CREATE ..`, the cursor being at CREATE.
pub(super) fn create(c: &mut Cursor<'_>) -> Result<Statement> {
    c.expect("create")?;
    let start = c.index();
    if c.accept_words(&["or", "replace"]) {
        return match c.peek_word() {
            Some("view") => view(c, true),
            Some("materialized") => Err(c
                .unsupported_at(start, "CREATE OR REPLACE MATERIALIZED VIEW is not supported")
                .with_hint("Drop and create it in one transaction.")),
            _ => Err(unsupported_kind(c, "CREATE OR REPLACE")),
        };
    }
    match c.peek_word() {
        Some("stream") => stream(c),
        Some("table") => table(c),
        Some("view") => view(c, false),
        Some("materialized") => materialized_view(c),
        Some("sink") => sink(c),
        Some("schema") => schema(c),
        Some("temp" | "temporary" | "local" | "global") => Err(c
            .unsupported("temporary tables and views are not supported")
            .with_hint("Create it in a schema of your own and drop it afterwards.")),
        Some("unlogged") => Err(c
            .unsupported("unlogged tables are not supported")
            .with_hint("A stream WITH (durability = 'os') is acknowledged before its fsync.")),
        Some("recursive") => Err(c
            .unsupported("CREATE RECURSIVE VIEW is not supported")
            .with_hint("Use CREATE VIEW .. AS WITH RECURSIVE ..")),
        _ => Err(unsupported_kind(c, "CREATE")),
    }
}

fn if_not_exists(c: &mut Cursor<'_>) -> Result<bool> {
    if !c.accept("if") {
        return Ok(false);
    }
    c.expect_words(&["not", "exists"])?;
    Ok(true)
}

fn schema(c: &mut Cursor<'_>) -> Result<Statement> {
    c.expect("schema")?;
    let if_not_exists = if_not_exists(c)?;
    if c.peek_word() == Some("authorization") {
        return Err(c.unsupported("CREATE SCHEMA AUTHORIZATION is not supported"));
    }
    let name = c.schema_name()?.name;
    if c.peek_word() == Some("authorization") {
        return Err(c
            .unsupported("CREATE SCHEMA .. AUTHORIZATION is not supported")
            .with_hint("Use ALTER SCHEMA .. OWNER TO afterwards."));
    }
    if matches!(c.peek_word(), Some("create" | "grant")) {
        return Err(c
            .unsupported("objects within CREATE SCHEMA are not supported")
            .with_hint("Create them by statements of their own."));
    }
    Ok(Statement::CreateSchema { name, if_not_exists })
}

fn stream(c: &mut Cursor<'_>) -> Result<Statement> {
    c.expect("stream")?;
    let if_not_exists = if_not_exists(c)?;
    let name = c.object_name()?;
    let start = c.index();
    let mut columns = Vec::new();
    if *c.peek() == Token::LParen {
        let elements = c.table_elements(&name.name)?;
        if let Some(idx) = elements.untyped {
            return Err(c.syntax_error_at(idx));
        }
        if elements.primary_key.is_some() || elements.columns.iter().any(|col| col.primary_key) {
            return Err(Error::new(
                SqlState::InvalidTableDefinition,
                format!("stream \"{}\" cannot have a primary key", name.name),
            )
            .with_detail("A stream is append-only.")
            .with_hint("Use CREATE TABLE for rows that change, PARTITION BY to keep keys together.")
            .with_position(c.position(start)));
        }
        if !elements.checks.is_empty() || elements.columns.iter().any(|col| !col.checks.is_empty())
        {
            return Err(c
                .unsupported_at(start, "CHECK constraints on a stream are not supported")
                .with_hint("Filter in a view above the stream."));
        }
        columns = elements.columns;
    }
    let partition_by =
        if c.accept_words(&["partition", "by"]) { c.column_names()? } else { Vec::new() };
    let options = c.with_options()?;
    if c.peek_word() == Some("as") {
        return Err(c
            .unsupported("CREATE STREAM .. AS is not supported")
            .with_hint("Use CREATE MATERIALIZED VIEW .. AS."));
    }
    Ok(Statement::CreateStream(Box::new(CreateStream {
        name,
        if_not_exists,
        columns,
        partition_by,
        options,
    })))
}

fn table(c: &mut Cursor<'_>) -> Result<Statement> {
    c.expect("table")?;
    let if_not_exists = if_not_exists(c)?;
    let name = c.object_name()?;
    let start = c.index();
    if c.at_words(&["partition", "of"]) || c.peek_word() == Some("of") {
        return Err(c.unsupported("partitions and typed tables are not supported"));
    }
    let has_elements = *c.peek() == Token::LParen;
    let elements = if has_elements { c.table_elements(&name.name)? } else { Default::default() };
    no_storage_clauses(c)?;
    let options = c.with_options()?;
    c.accept_words(&["without", "oids"]);
    no_storage_clauses(c)?;
    let as_index = c.index();
    let mut with_no_data = false;
    let query = if c.accept("as") {
        // Without this, WITH would be taken for a hint of the query's last relation.
        let end = trailing_data(c).unwrap_or(c.end());
        let query = c.up_to(end, Cursor::query)?;
        with_no_data = c.accept_words(&["with", "no", "data"]);
        c.accept_words(&["with", "data"]);
        Some(query)
    } else {
        None
    };
    let is_all_untyped =
        elements.columns.iter().all(|column| column.sql_type == weir_types::SqlType::Unknown);
    let has_constraints = elements.primary_key.is_some() || !elements.checks.is_empty();
    match (&query, elements.untyped) {
        (None, Some(idx)) => return Err(c.syntax_error_at(idx)),
        (None, None) if !has_elements => return Err(c.syntax_error_at(start)),
        (Some(_), _) if has_constraints || !is_all_untyped => {
            return Err(c.syntax_error_at(as_index).with_hint(
                "CREATE TABLE .. AS takes column names only: the query gives the types.",
            ));
        }
        _ => {}
    }
    Ok(Statement::CreateTable(Box::new(CreateTable {
        name,
        if_not_exists,
        columns: elements.columns,
        primary_key: elements.primary_key,
        checks: elements.checks,
        query,
        with_no_data,
        options,
    })))
}

fn no_storage_clauses(c: &Cursor<'_>) -> Result<()> {
    match c.peek_word() {
        Some("inherits") => Err(c.unsupported("table inheritance is not supported")),
        Some("partition") => Err(c
            .unsupported("partitioned tables are not supported")
            .with_hint("Streams have partitions: CREATE STREAM .. PARTITION BY (..).")),
        Some("tablespace") => Err(c.unsupported("tablespaces are not supported")),
        Some("using") => Err(c.unsupported("table access methods are not supported")),
        Some("on") => Err(c.unsupported("ON COMMIT and ON CONFLICT of a table are not supported")),
        _ => Ok(()),
    }
}

/// Where the `WITH [NO] DATA` begins that ends the statement.
fn trailing_data(c: &Cursor<'_>) -> Option<usize> {
    let lexemes = &c.lexed().lexemes[..c.end()];
    let found = |words: &[&str]| {
        let begin = lexemes.len().checked_sub(words.len()).filter(|begin| *begin > c.index())?;
        let mut pairs = lexemes[begin..].iter().zip(words);
        pairs.all(|(lexeme, word)| lexeme.word() == Some(*word)).then_some(begin)
    };
    found(&["with", "no", "data"]).or_else(|| found(&["with", "data"]))
}

/// `[WITH DATA]`.
fn with_data(c: &mut Cursor<'_>) -> Result<()> {
    if c.at_words(&["with", "no", "data"]) {
        return Err(c.unsupported("WITH NO DATA is not supported"));
    }
    c.accept_words(&["with", "data"]);
    Ok(())
}

fn materialized_view(c: &mut Cursor<'_>) -> Result<Statement> {
    c.expect_words(&["materialized", "view"])?;
    view_body(c, true, false)
}

fn view(c: &mut Cursor<'_>, or_replace: bool) -> Result<Statement> {
    c.expect("view")?;
    view_body(c, false, or_replace)
}

fn view_body(c: &mut Cursor<'_>, materialized: bool, or_replace: bool) -> Result<Statement> {
    let if_not_exists = if_not_exists(c)?;
    let name = c.object_name()?;
    let columns = if *c.peek() == Token::LParen { c.column_names()? } else { Vec::new() };
    no_storage_clauses(c)?;
    let options = c.with_options()?;
    c.expect("as")?;
    let start = c.index();
    let query = c.query()?;
    let query_text = c.text_since(start).to_owned();
    if materialized {
        with_data(c)?;
    } else if c.peek_word() == Some("with") {
        return Err(c
            .unsupported("WITH CHECK OPTION is not supported")
            .with_hint("Views are read-only."));
    }
    Ok(Statement::CreateView(Box::new(CreateView {
        name,
        materialized,
        or_replace,
        if_not_exists,
        columns,
        query,
        query_text,
        options,
    })))
}

fn sink(c: &mut Cursor<'_>) -> Result<Statement> {
    c.expect("sink")?;
    let if_not_exists = if_not_exists(c)?;
    let name = c.object_name()?;
    let (query, query_text) = if c.accept("from") {
        relation_query(c)?
    } else {
        c.expect("as")?;
        // Without this, WITH would be taken for a hint of the query's last relation.
        let end = trailing_options(c).unwrap_or(c.end());
        c.up_to(end, |c| {
            let start = c.index();
            let query = c.query()?;
            Ok((query, c.text_since(start).to_owned()))
        })?
    };
    let options = c.with_options()?;
    Ok(Statement::CreateSink(Box::new(CreateSink {
        name,
        if_not_exists,
        query,
        query_text,
        options,
    })))
}

/// Where the `WITH (` begins that ends the statement. No query has one: its WITH has a name next.
fn trailing_options(c: &Cursor<'_>) -> Option<usize> {
    let lexemes = &c.lexed().lexemes[..c.end()];
    let mut depth = 0_usize;
    let mut found = None;
    for idx in c.index()..c.end() {
        match &lexemes[idx].token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            _ if depth == 0 && lexemes[idx].word() == Some("with") => {
                let is_options =
                    lexemes.get(idx + 1).is_some_and(|next| next.token == Token::LParen);
                found = if is_options { Some(idx) } else { found };
            }
            _ => {}
        }
    }
    found
}
