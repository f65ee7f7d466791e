//! `SUBSCRIBE`.

use datafusion::sql::sqlparser::ast as sql;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;
use weir_types::{Error, Result, SqlState};

use super::cursor::Cursor;
use super::query::select_all;
use crate::dialect::ast::Subscribe;

/// `SUBSCRIBE [TO] relation | (query) [WITH (snapshot = ..)]`.
pub(super) fn subscribe(c: &mut Cursor<'_>) -> Result<Subscribe> {
    c.expect("subscribe")?;
    c.accept("to");
    let (query, query_text) = if c.accept_token(&Token::LParen) {
        let start = c.index();
        let query = c.query()?;
        let text = c.text_since(start).to_owned();
        c.expect_token(&Token::RParen)?;
        (query, text)
    } else {
        relation_query(c)?
    };
    let start = c.index();
    let mut snapshot = true;
    for (name, value) in c.with_options()? {
        match name.as_str() {
            "snapshot" => {
                snapshot = boolean(&value).ok_or_else(|| {
                    Error::new(
                        SqlState::InvalidParameterValue,
                        format!("invalid value for option \"snapshot\": \"{value}\""),
                    )
                    .with_hint("Use true or false.")
                    .with_position(c.position(start))
                })?;
            }
            _ => {
                return Err(c
                    .unsupported_at(
                        start,
                        format!("option \"{name}\" of SUBSCRIBE is not supported"),
                    )
                    .with_hint("The one option is snapshot = true | false."));
            }
        }
    }
    Ok(Subscribe { query, query_text, snapshot })
}

/// A relation's name as the query `SELECT * FROM name`, and that query's text.
pub(super) fn relation_query(c: &mut Cursor<'_>) -> Result<(Box<sql::Query>, String)> {
    let start = c.index();
    let name = c.parse(|parser| Parser::parse_object_name(parser, false))?;
    let mut query = select_all(name);
    c.apply_rules(&mut *query)?;
    Ok((query, format!("SELECT * FROM {}", c.text_since(start))))
}

/// PostgreSQL's spellings of true and false.
pub(super) fn boolean(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" | "t" | "y" | "1" => Some(true),
        "false" | "off" | "no" | "f" | "n" | "0" => Some(false),
        _ => None,
    }
}
