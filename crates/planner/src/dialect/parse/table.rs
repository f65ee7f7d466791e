//! `TABLE t`, the short form of `SELECT * FROM t`.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::words;
use crate::dialect::lex::{Lexed, Lexeme};

/// Words after which TABLE names a kind of object.
const KIND_CONTEXTS: &[&str] = &[
    "alter",
    "create",
    "desc",
    "describe",
    "drop",
    "foreign",
    "from",
    "global",
    "local",
    "on",
    "rename",
    "temp",
    "temporary",
    "to",
    "truncate",
    "unlogged",
];

/// Words that can follow the relation's name.
const FOLLOWERS: &[&str] = &[
    "except",
    "fetch",
    "for",
    "intersect",
    "limit",
    "offset",
    "on",
    "order",
    "returning",
    "union",
    "with",
];

/// Writes each `TABLE t` that is a query as `SELECT * FROM t`, the words being where TABLE is:
/// sqlparser's own reading takes more tokens than it understands.
pub(super) fn spell_out(lexed: &mut Lexed<'_>) {
    let lexemes = &lexed.lexemes;
    let found: Vec<usize> =
        (0..lexemes.len()).filter(|idx| is_table_query(lexemes, *idx)).collect();
    if found.is_empty() {
        return;
    }
    let spelled = [Token::make_word("select", None), Token::Mul, Token::make_word("from", None)];
    let mut found = found.into_iter().peekable();
    let lexemes = std::mem::take(&mut lexed.lexemes);
    for (idx, lexeme) in lexemes.into_iter().enumerate() {
        if found.next_if_eq(&idx).is_some() {
            let tokens = spelled.iter().cloned();
            lexed.lexemes.extend(tokens.map(|token| Lexeme { token, ..lexeme.clone() }));
        } else {
            lexed.lexemes.push(lexeme);
        }
    }
}

/// `TABLE`, a dotted name and the end of a query, where no kind of object can be meant.
fn is_table_query(lexemes: &[Lexeme], idx: usize) -> bool {
    if lexemes[idx].word() != Some("table") {
        return false;
    }
    let before = idx.checked_sub(1).map(|idx| &lexemes[idx]);
    let is_kind = before.is_some_and(|before| {
        before.token == Token::Period
            || before.word().is_some_and(|word| KIND_CONTEXTS.binary_search(&word).is_ok())
    });
    if is_kind {
        return false;
    }
    let mut at = idx + 1;
    loop {
        match lexemes.get(at) {
            Some(name) if name.word().is_some_and(words::is_reserved) => return false,
            Some(name) if matches!(name.token, Token::Word(_)) => at += 1,
            _ => return false,
        }
        match lexemes.get(at).map(|lexeme| &lexeme.token) {
            Some(Token::Period) => at += 1,
            _ => break,
        }
    }
    match lexemes.get(at) {
        None => true,
        Some(after) => {
            matches!(after.token, Token::SemiColon | Token::RParen)
                || after.word().is_some_and(|word| FOLLOWERS.binary_search(&word).is_ok())
        }
    }
}
