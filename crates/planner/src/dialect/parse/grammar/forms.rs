//! PostgreSQL's forms of expressions that sqlparser does not read, or not whole: `LIKE ANY (array)`,
//! `BETWEEN SYMMETRIC`, and the lists of `trim`.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, TrimWhereField};
use datafusion::sql::sqlparser::dialect::{Dialect, Precedence};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::{Grammar, is_word};
use crate::dialect::visit::visit_expressions;

/// The form behind an operand, where it is one of these.
pub(super) fn infix(
    grammar: &Grammar,
    parser: &mut Parser<'_>,
    operand: &Expr,
) -> Result<Option<Expr>, ParserError> {
    let negated = is_word(&parser.peek_token_ref().token, "not");
    let [verb, quantifier] = match (negated, parser.peek_tokens_ref::<3>()) {
        (true, [_, verb, quantifier]) | (false, [verb, quantifier, _]) => {
            [&verb.token, &quantifier.token]
        }
    };
    let is_one_of = |words: &[&str]| words.iter().any(|word| is_word(quantifier, word));
    if is_word(verb, "between") && is_one_of(&["symmetric", "asymmetric"]) {
        let is_symmetric = is_word(quantifier, "symmetric");
        skip(parser, 2 + usize::from(negated));
        return between(grammar, parser, operand, negated, is_symmetric).map(Some);
    }
    let is_like = is_word(verb, "like");
    if (is_like || is_word(verb, "ilike")) && is_one_of(&["any", "some", "all"]) {
        let compare_op = match (is_like, negated) {
            (true, false) => BinaryOperator::PGLikeMatch,
            (true, true) => BinaryOperator::PGNotLikeMatch,
            (false, false) => BinaryOperator::PGILikeMatch,
            (false, true) => BinaryOperator::PGNotILikeMatch,
        };
        let (is_all, is_some) = (is_word(quantifier, "all"), is_word(quantifier, "some"));
        skip(parser, 2 + usize::from(negated));
        let (left, right) = (Box::new(operand.clone()), Box::new(quantified(parser)?));
        return Ok(Some(if is_all {
            Expr::AllOp { left, compare_op, right }
        } else {
            Expr::AnyOp { left, compare_op, right, is_some }
        }));
    }
    Ok(None)
}

fn skip(parser: &mut Parser<'_>, n_tokens: usize) {
    (0..n_tokens).for_each(|_| parser.advance_token());
}

/// The array or the subquery behind ANY and ALL.
fn quantified(parser: &mut Parser<'_>) -> Result<Expr, ParserError> {
    parser.expect_token(&Token::LParen)?;
    let first = &parser.peek_token_ref().token;
    if ["select", "with", "values"].iter().any(|word| is_word(first, word)) {
        let query = parser.parse_query()?;
        parser.expect_token(&Token::RParen)?;
        return Ok(Expr::Subquery(query));
    }
    let array = parser.parse_expr()?;
    parser.expect_token(&Token::RParen)?;
    Ok(array)
}

/// What follows `BETWEEN SYMMETRIC`: the bounds in either order, as PostgreSQL spells it out, too.
fn between(
    grammar: &Grammar,
    parser: &mut Parser<'_>,
    operand: &Expr,
    negated: bool,
    is_symmetric: bool,
) -> Result<Expr, ParserError> {
    let precedence = grammar.prec_value(Precedence::Between);
    let low = parser.parse_subexpr(precedence)?;
    parser.expect_keyword_is(Keyword::AND)?;
    let high = parser.parse_subexpr(precedence)?;
    let between = |low: Expr, high: Expr| Expr::Between {
        expr: Box::new(operand.clone()),
        negated,
        low: Box::new(low),
        high: Box::new(high),
    };
    if !is_symmetric {
        return Ok(between(low, high));
    }
    // Each level of nesting doubles the operands: what is copied counts as what is parsed.
    for copied in [operand, &low, &high] {
        grammar.count_all(size(copied))?;
    }
    let op = if negated { BinaryOperator::And } else { BinaryOperator::Or };
    let (left, right) = (between(low.clone(), high.clone()), between(high, low));
    let both = Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) };
    Ok(Expr::Nested(Box::new(both)))
}

/// How many expressions there are within one.
fn size(expr: &Expr) -> usize {
    let mut n_exprs = 0;
    let _: ControlFlow<()> = visit_expressions(expr, |_| {
        n_exprs += 1;
        ControlFlow::Continue(())
    });
    n_exprs
}

/// `trim([BOTH | LEADING | TRAILING] [characters] FROM text)`, `trim([BOTH | ..] text [, characters])`.
pub(super) fn trim(parser: &mut Parser<'_>) -> Result<Expr, ParserError> {
    skip(parser, 1);
    parser.expect_token(&Token::LParen)?;
    let place = [
        (Keyword::BOTH, TrimWhereField::Both),
        (Keyword::LEADING, TrimWhereField::Leading),
        (Keyword::TRAILING, TrimWhereField::Trailing),
    ];
    let trim_where =
        place.into_iter().find_map(|(word, place)| parser.parse_keyword(word).then_some(place));
    let (mut expr, mut trim_what) = (None, None);
    if !parser.parse_keyword(Keyword::FROM) {
        let first = parser.parse_expr()?;
        if parser.parse_keyword(Keyword::FROM) {
            trim_what = Some(Box::new(first));
        } else {
            expr = Some(first);
        }
    }
    let expr = match expr {
        Some(expr) => expr,
        None => parser.parse_expr()?,
    };
    if trim_what.is_none() && parser.consume_token(&Token::Comma) {
        trim_what = Some(Box::new(parser.parse_expr()?));
    }
    parser.expect_token(&Token::RParen)?;
    Ok(Expr::Trim { expr: Box::new(expr), trim_where, trim_what, trim_characters: None })
}
