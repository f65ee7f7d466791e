//! `INSERT`, `UPDATE`, `DELETE`, `TRUNCATE`, and what begins with `WITH`.

use datafusion::sql::sqlparser::ast::{self as sql, helpers::attached_token::AttachedToken};
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;
use weir_catalog::ObjectName;
use weir_types::{Error, Result};

use super::cursor::Cursor;
use super::query::check_from;
use crate::dialect::ast::{
    Assignment, ConflictAction, Delete, Insert, OnConflict, Statement, Update,
};
use crate::dialect::build::plain_query;

/// A query or INSERT after `WITH ..`.
pub(super) fn with(c: &mut Cursor<'_>) -> Result<Statement> {
    if let Some(idx) = modifying(c) {
        return Err(c
            .unsupported_at(
                idx,
                "data-modifying statements in WITH or in a query are not supported",
            )
            .with_hint("Run the statement by itself, in one transaction with the query."));
    }
    match main_verb(c) {
        Some((_, "insert")) => {
            let token = c.parse(|parser| Ok(parser.next_token()))?;
            let recursive = c.accept("recursive");
            let cte_tables = c.parse(|parser| parser.parse_comma_separated(Parser::parse_cte))?;
            let with = sql::With { with_token: AttachedToken(token), recursive, cte_tables };
            insert(c, Some(with))
        }
        Some((idx, verb @ ("update" | "delete" | "merge"))) => Err(c
            .unsupported_at(idx, format!("WITH before {} is not supported", verb.to_uppercase()))
            .with_hint("Use a subquery in FROM, USING or WHERE.")),
        _ => Ok(Statement::Query(c.query()?)),
    }
}

/// The lexeme at which a statement that writes begins, where one is a common table expression.
fn modifying(c: &Cursor<'_>) -> Option<usize> {
    let lexemes = &c.lexed().lexemes;
    (c.index() + 2..c.end()).find(|idx| {
        lexemes[idx - 1].token == Token::LParen
            && matches!(lexemes[idx - 2].word(), Some("as" | "materialized"))
            && matches!(lexemes[*idx].word(), Some("insert" | "update" | "delete" | "merge"))
    })
}

/// The word after the last common table expression, and its lexeme.
fn main_verb<'t>(c: &Cursor<'t>) -> Option<(usize, &'t str)> {
    let lexemes = &c.lexed().lexemes;
    let mut depth = 0_usize;
    for idx in c.index() + 1..c.end() {
        match &lexemes[idx].token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            _ if depth == 0 && lexemes[idx - 1].token == Token::RParen => {
                if let Some(word) = lexemes[idx].word().filter(|word| *word != "as") {
                    return Some((idx, word));
                }
            }
            _ => {}
        }
    }
    None
}

/// `INSERT INTO ..`; `with` is what came before it.
pub(super) fn insert(c: &mut Cursor<'_>, with: Option<sql::With>) -> Result<Statement> {
    c.expect_words(&["insert", "into"])?;
    let table = c.object_name()?;
    let alias = if c.accept("as") { Some(c.name()?) } else { None };
    let columns = if has_column_list(c) { c.column_names()? } else { Vec::new() };
    if c.accept("overriding") {
        if c.accept_one(&["system", "user"]).is_none() {
            return Err(c.syntax_error());
        }
        c.expect("value")?;
    }
    let source = if c.accept_words(&["default", "values"]) {
        if !columns.is_empty() {
            return Err(c.syntax_error_at(c.index() - 2));
        }
        None
    } else {
        let mut query = c.query()?;
        if let Some(with) = with {
            query = put_before(with, query);
            c.apply_rules(&mut *query)?;
        }
        Some(query)
    };
    let on_conflict =
        if c.accept_words(&["on", "conflict"]) { Some(on_conflict(c)?) } else { None };
    let returning = returning(c)?;
    Ok(Statement::Insert(Box::new(Insert {
        table,
        alias,
        columns,
        source,
        on_conflict,
        returning,
    })))
}

/// A parenthesis that does not begin a query.
fn has_column_list(c: &Cursor<'_>) -> bool {
    *c.peek() == Token::LParen
        && *c.peek_nth(1) != Token::LParen
        && !matches!(c.peek_nth_word(1), Some("select" | "with" | "values" | "table"))
}

/// The statement's WITH goes to its query; one that has a WITH of its own goes below.
fn put_before(with: sql::With, query: Box<sql::Query>) -> Box<sql::Query> {
    let mut query = query;
    if query.with.is_some() {
        query = Box::new(plain_query(sql::SetExpr::Query(query)));
    }
    query.with = Some(with);
    query
}

/// What follows `ON CONFLICT`.
fn on_conflict(c: &mut Cursor<'_>) -> Result<OnConflict> {
    let start = c.index();
    let mut columns = Vec::new();
    let mut constraint = None;
    if c.accept_words(&["on", "constraint"]) {
        constraint = Some(c.name()?);
    } else if *c.peek() == Token::LParen {
        columns = c.parenthesized(|c| {
            let name = c.name()?;
            if matches!(c.peek(), Token::Comma | Token::RParen) {
                return Ok(name);
            }
            Err(c
                .unsupported("ON CONFLICT over anything but columns is not supported")
                .with_hint("Name the primary key's columns."))
        })?;
        c.check_distinct(columns.iter().map(String::as_str), start)?;
        if c.peek_word() == Some("where") {
            return Err(c.unsupported("ON CONFLICT (..) WHERE is not supported"));
        }
    }
    c.expect("do")?;
    if c.accept("nothing") {
        return Ok(OnConflict { columns, constraint, action: ConflictAction::Nothing });
    }
    c.expect_words(&["update", "set"])?;
    if columns.is_empty() && constraint.is_none() {
        return Err(Error::syntax(
            "ON CONFLICT DO UPDATE requires inference specification or constraint name",
        )
        .with_hint("For example, ON CONFLICT (column_name).")
        .with_position(c.position(start)));
    }
    let assignments = assignments(c)?;
    let filter = filter(c)?.map(Box::new);
    let action = ConflictAction::Update { assignments, filter };
    Ok(OnConflict { columns, constraint, action })
}

/// `UPDATE ..`
pub(super) fn update(c: &mut Cursor<'_>) -> Result<Statement> {
    c.expect("update")?;
    let table = target(c)?;
    let alias = alias(c, &["set"])?;
    c.expect("set")?;
    let assignments = assignments(c)?;
    let from = if c.accept("from") { relations(c)? } else { Vec::new() };
    let filter = filter(c)?;
    let returning = returning(c)?;
    Ok(Statement::Update(Box::new(Update { table, alias, assignments, from, filter, returning })))
}

/// `DELETE FROM ..`
pub(super) fn delete(c: &mut Cursor<'_>) -> Result<Statement> {
    c.expect_words(&["delete", "from"])?;
    let table = target(c)?;
    let alias = alias(c, &[])?;
    let using = if c.accept("using") { relations(c)? } else { Vec::new() };
    let filter = filter(c)?;
    let returning = returning(c)?;
    Ok(Statement::Delete(Box::new(Delete { table, alias, using, filter, returning })))
}

/// `TRUNCATE [TABLE] a, b ..`
pub(super) fn truncate(c: &mut Cursor<'_>) -> Result<Statement> {
    c.expect("truncate")?;
    c.accept("table");
    let tables = c.list(target)?;
    if c.at_words(&["restart", "identity"]) {
        return Err(c
            .unsupported("TRUNCATE .. RESTART IDENTITY is not supported")
            .with_hint("Weir has no sequences; leave it out."));
    }
    c.accept_words(&["continue", "identity"]);
    c.accept_one(&["cascade", "restrict"]);
    Ok(Statement::Truncate(tables))
}

/// `[ONLY] name [*]`
fn target(c: &mut Cursor<'_>) -> Result<ObjectName> {
    c.accept("only");
    let name = c.object_name()?;
    c.accept_token(&Token::Mul);
    Ok(name)
}

/// `[[AS] alias]`; the words in `not` go on with the statement.
fn alias(c: &mut Cursor<'_>, not: &[&str]) -> Result<Option<String>> {
    if c.accept("as") {
        return Ok(Some(c.name()?));
    }
    let is_alias = match (c.peek(), c.peek_word()) {
        (_, Some(word)) => !super::words::is_reserved(word) && !not.contains(&word),
        (Token::Word(_), None) => true,
        _ => false,
    };
    if is_alias { c.name().map(Some) } else { Ok(None) }
}

/// The list after SET.
fn assignments(c: &mut Cursor<'_>) -> Result<Vec<Assignment>> {
    let start = c.index();
    let groups = c.list(|c| {
        if *c.peek() == Token::LParen { row_assignment(c) } else { Ok(vec![assignment(c)?]) }
    })?;
    let assignments: Vec<Assignment> = groups.into_iter().flatten().collect();
    let mut seen = std::collections::HashSet::new();
    for assignment in &assignments {
        if !seen.insert(&assignment.column) {
            return Err(Error::syntax(format!(
                "multiple assignments to same column \"{}\"",
                assignment.column
            ))
            .with_position(c.position(start)));
        }
    }
    Ok(assignments)
}

/// `column = value`
fn assignment(c: &mut Cursor<'_>) -> Result<Assignment> {
    let position = c.place(c.index());
    let column = c.name()?;
    if matches!(c.peek(), Token::LBracket | Token::Period) {
        return Err(c
            .unsupported("assignment to an array element or a field is not supported")
            .with_hint("Assign the whole column; its name stands without the table's."));
    }
    c.expect_token(&Token::Eq)?;
    Ok(Assignment { column, position, value: value(c)? })
}

/// An expression, or the word DEFAULT.
fn value(c: &mut Cursor<'_>) -> Result<Option<sql::Expr>> {
    if c.accept("default") { Ok(None) } else { c.expr().map(Some) }
}

/// `(a, b) = (x, y)`, `(a, b) = ROW (x, y)`
fn row_assignment(c: &mut Cursor<'_>) -> Result<Vec<Assignment>> {
    let columns = c.parenthesized(|c| Ok((c.place(c.index()), c.name()?)))?;
    c.expect_token(&Token::Eq)?;
    let start = c.index();
    c.accept("row");
    if matches!(c.peek_nth_word(1), Some("select" | "with" | "values" | "table")) {
        return Err(c
            .unsupported("UPDATE .. SET (..) = (SELECT ..) is not supported")
            .with_hint("Use UPDATE .. SET .. FROM (SELECT ..)."));
    }
    let values = c.parenthesized(value)?;
    if values.len() != columns.len() {
        return Err(Error::syntax("number of columns does not match number of values")
            .with_position(c.position(start)));
    }
    let pairs = columns.into_iter().zip(values);
    let assigned = |((position, column), value)| Assignment { column, position, value };
    Ok(pairs.map(assigned).collect())
}

/// The relations of FROM and USING.
fn relations(c: &mut Cursor<'_>) -> Result<Vec<sql::TableWithJoins>> {
    let mut relations =
        c.parse(|parser| parser.parse_comma_separated(Parser::parse_table_and_joins))?;
    c.apply_rules(&mut relations)?;
    check_from(&relations).map_err(|refusal| c.refusal_error(refusal))?;
    Ok(relations)
}

/// `[WHERE condition]`
fn filter(c: &mut Cursor<'_>) -> Result<Option<sql::Expr>> {
    if !c.accept("where") {
        return Ok(None);
    }
    if c.at_words(&["current", "of"]) {
        return Err(c
            .unsupported("WHERE CURRENT OF is not supported")
            .with_hint("Name the row by its primary key."));
    }
    c.expr().map(Some)
}

/// `[RETURNING items]`
fn returning(c: &mut Cursor<'_>) -> Result<Vec<sql::SelectItem>> {
    if !c.accept("returning") {
        return Ok(Vec::new());
    }
    let mut items = c.parse(|parser| parser.parse_comma_separated(Parser::parse_select_item))?;
    c.apply_rules(&mut items)?;
    Ok(items)
}
