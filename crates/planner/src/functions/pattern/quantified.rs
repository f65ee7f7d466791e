//! `x LIKE ANY (array)`, `x ~ ALL (array)` and the like: one match with each pattern of an array.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Datum, Scalar, StringViewArray, UInt32Array,
};
use arrow::compute::kernels::comparison::{ilike, like, nilike, nlike};
use arrow::compute::{and_kleene, not, or_kleene, take};
use arrow::error::ArrowError;
use weir_types::{Error, Result, SqlState};

use super::{Compiled, Flags};
use crate::functions::call::Call;
use crate::functions::overload::{Declaration, declare};

/// The declarations of an operator below ANY and below ALL.
macro_rules! quantified {
    ($symbol:literal, $matches:expr) => {
        [
            quantified!("any ", $symbol, "(text, text[]) -> bool", true, $matches),
            quantified!("any ", $symbol, "(name, text[]) -> bool", true, $matches),
            quantified!("any ", $symbol, "(bpchar, text[]) -> bool", true, $matches),
            quantified!("all ", $symbol, "(text, text[]) -> bool", false, $matches),
            quantified!("all ", $symbol, "(name, text[]) -> bool", false, $matches),
            quantified!("all ", $symbol, "(bpchar, text[]) -> bool", false, $matches),
        ]
    };
    ($quantifier:literal, $symbol:literal, $types:literal, $decisive:literal, $matches:expr) => {
        declare(concat!($quantifier, $symbol, $types), |call| quantified(call, $matches, $decisive))
            .takes_null()
    };
}

pub(super) static DECLARATIONS: [[Declaration; 6]; 8] = [
    quantified!("~~", |texts, patterns| by_arrow(like(texts, patterns))),
    quantified!("!~~", |texts, patterns| by_arrow(nlike(texts, patterns))),
    quantified!("~~*", |texts, patterns| by_arrow(ilike(texts, patterns))),
    quantified!("!~~*", |texts, patterns| by_arrow(nilike(texts, patterns))),
    quantified!("~", |texts, patterns| by_regex(texts, patterns, false)),
    quantified!("!~", |texts, patterns| negated(&by_regex(texts, patterns, false)?)),
    quantified!("~*", |texts, patterns| by_regex(texts, patterns, true)),
    quantified!("!~*", |texts, patterns| negated(&by_regex(texts, patterns, true)?)),
];

/// Which texts match the patterns beside them, or the only one; NULL where one of the two is.
type Matches = fn(&StringViewArray, &dyn Datum) -> Result<BooleanArray>;

fn by_arrow(matched: Result<BooleanArray, ArrowError>) -> Result<BooleanArray> {
    matched.map_err(|error| {
        Error::new(SqlState::InvalidRegularExpression, "the pattern cannot be matched")
            .with_detail(format!("{error}."))
    })
}

fn by_regex(
    texts: &StringViewArray,
    patterns: &dyn Datum,
    ignores_case: bool,
) -> Result<BooleanArray> {
    let (patterns, is_only) = patterns.get();
    let patterns = patterns.as_string_view();
    let flags = Flags { ignores_case, ..Flags::default() };
    let mut compiled = Compiled::default();
    let mut matched = Vec::with_capacity(texts.len());
    for (row, text) in texts.iter().enumerate() {
        let pattern = if is_only { 0 } else { row };
        matched.push(match text.filter(|_| patterns.is_valid(pattern)) {
            Some(text) => Some(compiled.get(patterns.value(pattern), flags)?.is_match(text)),
            None => None,
        });
    }
    Ok(BooleanArray::from(matched))
}

fn negated(matched: &BooleanArray) -> Result<BooleanArray> {
    not(matched).map_err(|error| internal(&error))
}

fn internal(error: &ArrowError) -> Error {
    Error::internal(format!("patterns of an array: {error}"))
}

/// A match that is `decisive` decides; else NULL if one is NULL, else the opposite. Without patterns it is the
/// opposite for a NULL, too.
fn quantified(call: &Call<'_>, matches: Matches, decisive: bool) -> Result<ArrayRef> {
    if call.arguments[1].is_constant {
        of_one_list(call, matches, decisive)
    } else {
        of_lists(call, matches, decisive)
    }
}

/// The same patterns for all rows: each is matched with all texts at once.
fn of_one_list(call: &Call<'_>, matches: Matches, decisive: bool) -> Result<ArrayRef> {
    let lists = call.lists(1);
    let Some(range) = lists.range(0) else {
        return Ok(Arc::new(BooleanArray::new_null(call.n_rows)));
    };
    let is_constant = call.arguments[0].is_constant;
    let texts = call.arguments[0].array.as_string_view();
    let mut all: BooleanArray = vec![Some(!decisive); texts.len()].into();
    for index in range {
        let pattern = Scalar::new(lists.elements().slice(index, 1));
        let one = matches(texts, &pattern)?;
        let both = if decisive { or_kleene(&all, &one) } else { and_kleene(&all, &one) };
        all = both.map_err(|error| internal(&error))?;
    }
    if is_constant {
        let value = all.is_valid(0).then(|| all.value(0));
        return Ok(Arc::new(BooleanArray::from(vec![value; call.n_rows])));
    }
    Ok(Arc::new(all))
}

/// Each text beside each of its patterns.
fn of_lists(call: &Call<'_>, matches: Matches, decisive: bool) -> Result<ArrayRef> {
    let lists = call.lists(1);
    let is_constant = call.arguments[0].is_constant;
    let (mut texts, mut patterns) = (Vec::new(), Vec::new());
    for row in 0..call.n_rows {
        for index in lists.range(row).into_iter().flatten() {
            texts.push(if is_constant { 0 } else { row as u32 });
            patterns.push(index as u32);
        }
    }
    let taken = |from: &ArrayRef, indexes: Vec<u32>| {
        take(from, &UInt32Array::from(indexes), None).map_err(|error| internal(&error))
    };
    let texts = taken(&call.arguments[0].array, texts)?;
    let patterns = taken(lists.elements(), patterns)?;
    let matched = matches(texts.as_string_view(), &patterns)?;
    let mut next = 0;
    call.each_maybe_bool(|row| {
        let Some(range) = lists.range(row) else { return Ok(None) };
        let own = next..next + range.len();
        next = own.end;
        if own.clone().any(|index| matched.is_valid(index) && matched.value(index) == decisive) {
            return Ok(Some(decisive));
        }
        let has_null = own.clone().any(|index| matched.is_null(index));
        Ok((!has_null).then_some(!decisive))
    })
}
