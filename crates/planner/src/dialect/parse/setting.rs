//! `SET`, `SHOW`, `RESET`, `DISCARD`, `DESCRIBE`.

use datafusion::sql::sqlparser::tokenizer::Token;
use weir_types::Result;

use super::cursor::Cursor;
use super::kind::accept_kind;
use super::names::quote;
use super::transaction::{Modes, modes};
use super::words;
use crate::dialect::ast::{RelationKind, Statement};

/// `SET ..`
pub(super) fn set(c: &mut Cursor<'_>) -> Result<Statement> {
    c.expect("set")?;
    if c.accept("transaction") {
        return set_transaction(c);
    }
    if c.accept_words(&["session", "characteristics", "as", "transaction"]) {
        return set_characteristics(c);
    }
    if c.peek_word() == Some("constraints") {
        return Err(c
            .unsupported("SET CONSTRAINTS is not supported")
            .with_hint("Constraints are checked when a row is written."));
    }
    // `SET session = ..` could be a setting of that name; PostgreSQL has none.
    let scope = match c.peek_word() {
        Some("session" | "local") if c.peek_nth_word(1) != Some("authorization") => {
            c.accept_one(&["session", "local"])
        }
        _ => None,
    };
    let local = scope == Some("local");
    let (name, value) = name_and_value(c)?;
    Ok(Statement::Set { name, value, local })
}

/// `SET TRANSACTION modes`
fn set_transaction(c: &mut Cursor<'_>) -> Result<Statement> {
    if c.peek_word() == Some("snapshot") {
        return Err(c.unsupported("SET TRANSACTION SNAPSHOT is not supported"));
    }
    let modes = some_modes(c)?;
    Ok(Statement::SetTransaction { read_only: modes.read_only })
}

fn some_modes(c: &mut Cursor<'_>) -> Result<Modes> {
    if c.is_at_end() {
        return Err(c.syntax_error());
    }
    modes(c)
}

/// `SET SESSION CHARACTERISTICS AS TRANSACTION modes` is PostgreSQL's long form of SET for the
/// defaults of transactions. Where both are told, READ ONLY is kept: the isolation level changes
/// nothing in Weir.
fn set_characteristics(c: &mut Cursor<'_>) -> Result<Statement> {
    let modes = some_modes(c)?;
    let (name, value) = match modes {
        Modes { read_only: Some(read_only), .. } => {
            ("default_transaction_read_only", if read_only { "on" } else { "off" })
        }
        Modes { isolation: Some(isolation), .. } => ("default_transaction_isolation", isolation),
        _ => return Ok(Statement::SetTransaction { read_only: None }),
    };
    Ok(Statement::Set { name: name.to_owned(), value: Some(value.to_owned()), local: false })
}

/// The setting and its value; `None` is DEFAULT.
fn name_and_value(c: &mut Cursor<'_>) -> Result<(String, Option<String>)> {
    if c.accept_words(&["time", "zone"]) {
        return Ok(("timezone".to_owned(), time_zone(c)?));
    }
    if c.accept("names") {
        let value = match c.peek() {
            Token::SingleQuotedString(_) => Some(c.string()?),
            _ => {
                c.accept("default");
                None
            }
        };
        return Ok(("client_encoding".to_owned(), value));
    }
    if c.accept_words(&["session", "authorization"]) {
        return Ok(("session_authorization".to_owned(), role(c)?));
    }
    if c.peek_word() == Some("role") && !is_assignment(c.peek_nth(1), c.peek_nth_word(1)) {
        c.advance();
        return Ok(("role".to_owned(), role(c)?));
    }
    if c.peek_word() == Some("schema") && matches!(c.peek_nth(1), Token::SingleQuotedString(_)) {
        c.advance();
        return Ok(("search_path".to_owned(), Some(quote(&c.string()?))));
    }
    let name = setting_name(c)?;
    if !c.accept_token(&Token::Eq) && !c.accept("to") {
        return Err(c.syntax_error());
    }
    if c.accept("default") {
        return Ok((name, None));
    }
    let is_names = name == "search_path";
    let values = c.list(|c| setting_value(c, is_names))?;
    Ok((name, Some(values.join(", "))))
}

fn is_assignment(token: &Token, word: Option<&str>) -> bool {
    *token == Token::Eq || word == Some("to")
}

/// A role's name; DEFAULT is `None`.
fn role(c: &mut Cursor<'_>) -> Result<Option<String>> {
    if c.accept("default") {
        return Ok(None);
    }
    match c.peek() {
        Token::SingleQuotedString(_) => c.string().map(Some),
        _ => c.name().map(Some),
    }
}

/// `a`, `a.b`: folded, and quoted parts in lower case too, as PostgreSQL compares them.
fn setting_name(c: &mut Cursor<'_>) -> Result<String> {
    let mut name = c.name()?;
    while c.accept_token(&Token::Period) {
        name = format!("{name}.{}", c.label()?);
    }
    Ok(name.to_lowercase())
}

/// One value of a setting, as text. Names of a list of names keep their quotes where they need
/// them, so that a list can be told from one name with a comma in it.
fn setting_value(c: &mut Cursor<'_>, is_name: bool) -> Result<String> {
    let value = match c.peek() {
        Token::Word(word) => {
            let text = word.value.as_str();
            let is_boolean = matches!(text, "on" | "true" | "false");
            if word.quote_style.is_none() && words::is_reserved(text) && !is_boolean {
                return Err(c.syntax_error());
            }
            word.value.clone()
        }
        Token::SingleQuotedString(value) => value.clone(),
        _ => return c.signed_number(),
    };
    c.advance();
    Ok(if is_name { quote(&value) } else { value })
}

/// What follows `SET TIME ZONE`.
fn time_zone(c: &mut Cursor<'_>) -> Result<Option<String>> {
    if c.accept_one(&["local", "default"]).is_some() {
        return Ok(None);
    }
    if c.accept("interval") {
        // PostgreSQL hands this text to the setting too.
        let value = format!("INTERVAL '{}'", c.string()?.replace('\'', "''"));
        c.accept_words(&["hour", "to", "minute"]);
        return Ok(Some(value));
    }
    c.option_value().map(Some)
}

/// `RESET name | ALL`
pub(super) fn reset(c: &mut Cursor<'_>) -> Result<Statement> {
    c.expect("reset")?;
    if c.accept("all") {
        return Ok(Statement::Reset(None));
    }
    special_name(c).map(|name| Statement::Reset(Some(name)))
}

/// The name of a setting in SHOW and RESET, where some have a spelling of their own.
fn special_name(c: &mut Cursor<'_>) -> Result<String> {
    let spellings: [(&[&str], &str); 3] = [
        (&["time", "zone"], "timezone"),
        (&["transaction", "isolation", "level"], "transaction_isolation"),
        (&["session", "authorization"], "session_authorization"),
    ];
    match spellings.into_iter().find_map(|(words, name)| c.accept_words(words).then_some(name)) {
        Some(name) => Ok(name.to_owned()),
        None => setting_name(c),
    }
}

/// `DISCARD ALL | PLANS | SEQUENCES | TEMP`
pub(super) fn discard(c: &mut Cursor<'_>) -> Result<Statement> {
    c.expect("discard")?;
    match c.accept_one(&["all", "plans", "sequences", "temp", "temporary"]) {
        Some("temporary") => Ok(Statement::Discard("TEMP".to_owned())),
        Some(what) => Ok(Statement::Discard(what.to_uppercase())),
        None => Err(c.syntax_error()),
    }
}

/// `SHOW ..`
pub(super) fn show(c: &mut Cursor<'_>) -> Result<Statement> {
    c.expect("show")?;
    if c.accept("all") {
        return Ok(Statement::Show("all".to_owned()));
    }
    if c.peek_word() == Some("create") {
        c.advance();
        return show_create(c);
    }
    if let Some(kind) = accept_plural(c) {
        return Ok(Statement::ShowObjects(kind));
    }
    special_name(c).map(Statement::Show)
}

fn accept_plural(c: &mut Cursor<'_>) -> Option<RelationKind> {
    let plurals: [(&[&str], RelationKind); 6] = [
        (&["streams"], RelationKind::Stream),
        (&["tables"], RelationKind::Table),
        (&["views"], RelationKind::View),
        (&["materialized", "views"], RelationKind::MaterializedView),
        (&["schemas"], RelationKind::Schema),
        (&["sinks"], RelationKind::Sink),
    ];
    plurals.into_iter().find_map(|(words, kind)| c.accept_words(words).then_some(kind))
}

/// `SHOW CREATE [kind] name`
fn show_create(c: &mut Cursor<'_>) -> Result<Statement> {
    // A name like a kind's stands alone.
    let has_kind = matches!(c.peek_nth(1), Token::Word(_));
    let kind = if has_kind { accept_kind(c) } else { None };
    let name = if kind == Some(RelationKind::Schema) { c.schema_name()? } else { c.object_name()? };
    Ok(Statement::ShowCreate(name))
}

/// `DESCRIBE name`, `DESC name`
pub(super) fn describe(c: &mut Cursor<'_>) -> Result<Statement> {
    c.advance();
    if matches!(c.peek_nth(1), Token::Word(_)) {
        accept_kind(c);
    }
    c.object_name().map(Statement::Describe)
}
