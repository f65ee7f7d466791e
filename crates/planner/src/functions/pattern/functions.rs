//! Operators and functions over regular expressions.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListBuilder, StringViewBuilder};
use arrow::datatypes::Int32Type;
use regex::{Captures, Regex};
use weir_types::Result;

use super::{Compiled, Flags, like};
use crate::functions::call::{Call, Texts, check_size};
use crate::functions::number::invalid_parameter;
use crate::functions::overload::{Declaration, declare};
use crate::functions::text::list::text_lists;

pub(super) const DECLARATIONS: &[Declaration] = &[
    declare("~(text, text) -> bool", |call| is_match(call, false, true)),
    declare("~(name, text) -> bool", |call| is_match(call, false, true)),
    declare("~(bpchar, text) -> bool", |call| is_match(call, false, true)),
    declare("~*(text, text) -> bool", |call| is_match(call, true, true)),
    declare("~*(name, text) -> bool", |call| is_match(call, true, true)),
    declare("~*(bpchar, text) -> bool", |call| is_match(call, true, true)),
    declare("!~(text, text) -> bool", |call| is_match(call, false, false)),
    declare("!~(name, text) -> bool", |call| is_match(call, false, false)),
    declare("!~(bpchar, text) -> bool", |call| is_match(call, false, false)),
    declare("!~*(text, text) -> bool", |call| is_match(call, true, false)),
    declare("!~*(name, text) -> bool", |call| is_match(call, true, false)),
    declare("!~*(bpchar, text) -> bool", |call| is_match(call, true, false)),
    declare("regexp_like(text, text) -> bool", like_flags),
    declare("regexp_like(text, text, text) -> bool", like_flags),
    declare("regexp_match(text, text) -> text[]", first_match),
    declare("regexp_match(text, text, text) -> text[]", first_match),
    declare("regexp_matches_list(text, text) -> text[][]", all_matches),
    declare("regexp_matches_list(text, text, text) -> text[][]", all_matches),
    declare("regexp_replace(text, text, text) -> text", |call| replace(call, Placed::Flags(3))),
    declare("regexp_replace(text, text, text, text) -> text", |call| {
        replace(call, Placed::Flags(3))
    }),
    declare("regexp_replace(text, text, text, int4) -> text", |call| replace(call, Placed::Start)),
    declare("regexp_replace(text, text, text, int4, int4) -> text", |call| {
        replace(call, Placed::Start)
    }),
    declare("regexp_replace(text, text, text, int4, int4, text) -> text", |call| {
        replace(call, Placed::Start)
    }),
    declare("regexp_split_to_array(text, text) -> text[]", split),
    declare("regexp_split_to_array(text, text, text) -> text[]", split),
    declare("regexp_count(text, text) -> int4", count),
    declare("regexp_count(text, text, int4) -> int4", count),
    declare("regexp_count(text, text, int4, text) -> int4", count),
    declare("regexp_substr(text, text) -> text", part),
    declare("regexp_substr(text, text, int4) -> text", part),
    declare("regexp_substr(text, text, int4, int4) -> text", part),
    declare("regexp_substr(text, text, int4, int4, text) -> text", part),
    declare("regexp_substr(text, text, int4, int4, text, int4) -> text", part),
    declare("regexp_instr(text, text) -> int4", place),
    declare("regexp_instr(text, text, int4) -> int4", place),
    declare("regexp_instr(text, text, int4, int4) -> int4", place),
    declare("regexp_instr(text, text, int4, int4, int4) -> int4", place),
    declare("regexp_instr(text, text, int4, int4, int4, text) -> int4", place),
    declare("regexp_instr(text, text, int4, int4, int4, text, int4) -> int4", place),
    declare("substring(text, text) -> text", substring),
    declare("substring(text, text, text) -> text", sql_substring),
];

fn flags_of(letters: Option<&str>) -> Result<Flags> {
    let mut flags = Flags::default();
    flags.add(letters.unwrap_or(""), "option")?;
    Ok(flags)
}

/// The texts of an argument that need not be there.
fn optional<'a>(call: &'a Call<'_>, argument: usize) -> Option<Texts<'a>> {
    (argument < call.arguments.len()).then(|| call.texts(argument))
}

/// The integer of an argument that need not be there.
fn integer(call: &Call<'_>, argument: usize, row: usize, otherwise: i32) -> i32 {
    if argument < call.arguments.len() {
        call.numbers::<Int32Type>(argument).at(row)
    } else {
        otherwise
    }
}

/// Flags that may not ask for all matches.
fn single(letters: Option<&str>, function: &str) -> Result<Flags> {
    let flags = flags_of(letters)?;
    if flags.is_global {
        return Err(invalid_parameter(format!(
            "{function} does not support the \"global\" option"
        )));
    }
    Ok(flags)
}

fn is_match(call: &Call<'_>, ignores_case: bool, wanted: bool) -> Result<ArrayRef> {
    let (texts, patterns) = (call.texts(0), call.texts(1));
    let mut compiled = Compiled::default();
    let flags = Flags { ignores_case, ..Flags::default() };
    call.each_bool(|row| {
        Ok(compiled.get(patterns.at(row), flags)?.is_match(texts.at(row)) == wanted)
    })
}

fn like_flags(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, patterns, letters) = (call.texts(0), call.texts(1), optional(call, 2));
    let mut compiled = Compiled::default();
    call.each_bool(|row| {
        let flags = single(letters.map(|letters| letters.at(row)), "regexp_like()")?;
        Ok(compiled.get(patterns.at(row), flags)?.is_match(texts.at(row)))
    })
}

/// The groups of a match; the match itself where there are none.
fn push_groups(regex: &Regex, captures: &Captures<'_>, values: &mut StringViewBuilder) {
    let first = usize::from(regex.captures_len() > 1);
    for group in first..regex.captures_len() {
        values.append_option(captures.get(group).map(|group| group.as_str()));
    }
}

fn first_match(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, patterns, letters) = (call.texts(0), call.texts(1), optional(call, 2));
    let (mut compiled, mut lists) = (Compiled::default(), text_lists());
    for row in 0..call.n_rows {
        if call.is_null(row) {
            lists.append(false);
            continue;
        }
        let flags = single(letters.map(|letters| letters.at(row)), "regexp_match()")?;
        let regex = compiled.get(patterns.at(row), flags)?;
        let captures = regex.captures(texts.at(row));
        if let Some(captures) = &captures {
            push_groups(regex, captures, lists.values());
        }
        lists.append(captures.is_some());
    }
    Ok(Arc::new(lists.finish()))
}

fn all_matches(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, patterns, letters) = (call.texts(0), call.texts(1), optional(call, 2));
    let (mut compiled, mut lists) = (Compiled::default(), ListBuilder::new(text_lists()));
    for row in 0..call.n_rows {
        if call.is_null(row) {
            lists.append(false);
            continue;
        }
        let flags = flags_of(letters.map(|letters| letters.at(row)))?;
        let regex = compiled.get(patterns.at(row), Flags { is_global: false, ..flags })?;
        let most = if flags.is_global { usize::MAX } else { 1 };
        for captures in regex.captures_iter(texts.at(row)).take(most) {
            push_groups(regex, &captures, lists.values().values());
            lists.values().append(true);
        }
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

/// What the arguments behind the replacement are.
#[derive(Clone, Copy)]
enum Placed {
    /// Flags, at that place if any.
    Flags(usize),
    /// Start, number of the match, flags.
    Start,
}

fn replace(call: &Call<'_>, placed: Placed) -> Result<ArrayRef> {
    let (texts, patterns, replacements) = (call.texts(0), call.texts(1), call.texts(2));
    let letters = optional(
        call,
        match placed {
            Placed::Flags(at) => at,
            Placed::Start => 5,
        },
    );
    let mut compiled = Compiled::default();
    call.each_text(|row, out| {
        let text = texts.at(row);
        let flags = flags_of(letters.map(|letters| letters.at(row)))?;
        let (from, nth) = match placed {
            Placed::Flags(_) => (0, usize::from(!flags.is_global)),
            Placed::Start => {
                let from = start_byte(text, integer(call, 3, row, 1))?;
                // Without a number it is the first match, or all with the flag.
                let nth = integer(call, 4, row, 1);
                (from, usize::try_from(nth).map_err(|_| bad_parameter("n", nth))?)
            }
        };
        let regex = compiled.get(patterns.at(row), Flags { is_global: false, ..flags })?;
        let mut copied = 0;
        for (number, captures) in captures_from(regex, text, from).enumerate() {
            if nth != 0 && number + 1 != nth {
                continue;
            }
            let Some(found) = captures.get(0) else { continue };
            out.push_str(&text[copied..found.start()]);
            expand(replacements.at(row), &captures, out);
            check_size(call.name, out.len())?;
            copied = found.end();
            if nth != 0 {
                break;
            }
        }
        out.push_str(&text[copied..]);
        Ok(())
    })
}

/// Matches that begin at a byte or after it.
fn captures_from<'r, 't>(
    regex: &'r Regex,
    text: &'t str,
    from: usize,
) -> impl Iterator<Item = Captures<'t>> + use<'r, 't> {
    let mut next = from;
    std::iter::from_fn(move || {
        if next > text.len() {
            return None;
        }
        let captures = regex.captures_at(text, next)?;
        let found = captures.get(0)?;
        next = if found.end() > found.start() {
            found.end()
        } else {
            // An empty match: the next one begins a character later.
            found.end() + text[found.end()..].chars().next().map_or(1, char::len_utf8)
        };
        Some(captures)
    })
}

/// Appends a replacement with its `\1` and `\&` filled in.
fn expand(replacement: &str, captures: &Captures<'_>, out: &mut String) {
    let mut chars = replacement.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let group = match chars.next() {
            Some('&') => 0,
            Some(digit @ '1'..='9') => digit as usize - '0' as usize,
            Some('\\') => {
                out.push('\\');
                continue;
            }
            Some(other) => {
                out.push('\\');
                out.push(other);
                continue;
            }
            None => {
                out.push('\\');
                return;
            }
        };
        out.push_str(captures.get(group).map_or("", |group| group.as_str()));
    }
}

fn bad_parameter(name: &str, value: i32) -> weir_types::Error {
    invalid_parameter(format!("invalid value for parameter \"{name}\": {value}"))
}

/// The byte of a character counted from 1; behind the end for a start behind it.
fn start_byte(text: &str, start: i32) -> Result<usize> {
    let start = usize::try_from(start)
        .ok()
        .filter(|start| *start > 0)
        .ok_or_else(|| bad_parameter("start", start))?;
    Ok(text
        .char_indices()
        .nth(start - 1)
        .map_or(text.len() + usize::from(start > text.chars().count() + 1), |(byte, _)| byte))
}

fn split(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, patterns, letters) = (call.texts(0), call.texts(1), optional(call, 2));
    let (mut compiled, mut lists) = (Compiled::default(), text_lists());
    for row in 0..call.n_rows {
        if call.is_null(row) {
            lists.append(false);
            continue;
        }
        let flags = single(letters.map(|letters| letters.at(row)), "regexp_split_to_array()")?;
        let regex = compiled.get(patterns.at(row), flags)?;
        let text = texts.at(row);
        let mut copied = 0;
        for found in regex.find_iter(text) {
            // Empty matches at both ends, or right behind another match, separate nothing.
            if found.is_empty() && (found.start() == copied || found.start() == text.len()) {
                continue;
            }
            lists.values().append_value(&text[copied..found.start()]);
            copied = found.end();
        }
        lists.values().append_value(&text[copied..]);
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

fn count(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, patterns, letters) = (call.texts(0), call.texts(1), optional(call, 3));
    let mut compiled = Compiled::default();
    call.each::<Int32Type>(|row| {
        let flags = single(letters.map(|letters| letters.at(row)), "regexp_count()")?;
        let from = start_byte(texts.at(row), integer(call, 2, row, 1))?;
        let regex = compiled.get(patterns.at(row), flags)?;
        Ok(captures_from(regex, texts.at(row), from).count() as i32)
    })
}

/// The bytes of the match that the arguments ask for: start, number, flags and group.
fn found(
    call: &Call<'_>,
    compiled: &mut Compiled,
    row: usize,
    flags_at: usize,
) -> Result<Option<std::ops::Range<usize>>> {
    let (texts, patterns) = (call.texts(0), call.texts(1));
    let letters = optional(call, flags_at);
    let flags = single(letters.map(|letters| letters.at(row)), &format!("{}()", call.name))?;
    let from = start_byte(texts.at(row), integer(call, 2, row, 1))?;
    let nth = integer(call, 3, row, 1);
    let skipped = usize::try_from(nth)
        .ok()
        .and_then(|n| n.checked_sub(1))
        .ok_or_else(|| bad_parameter("n", nth))?;
    let group = integer(call, flags_at + 1, row, 0);
    let group = usize::try_from(group).map_err(|_| bad_parameter("subexpr", group))?;
    let regex = compiled.get(patterns.at(row), flags)?;
    let captures = captures_from(regex, texts.at(row), from).nth(skipped);
    Ok(captures.and_then(|captures| captures.get(group).map(|group| group.range())))
}

fn part(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, mut compiled) = (call.texts(0), Compiled::default());
    call.each_maybe_text(|row, out| {
        let found = found(call, &mut compiled, row, 4)?;
        let Some(range) = found else { return Ok(false) };
        out.push_str(&texts.at(row)[range]);
        Ok(true)
    })
}

fn place(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, mut compiled) = (call.texts(0), Compiled::default());
    call.each::<Int32Type>(|row| {
        let end_option = integer(call, 4, row, 0);
        if !(0..=1).contains(&end_option) {
            return Err(bad_parameter("endoption", end_option));
        }
        let Some(range) = found(call, &mut compiled, row, 5)? else { return Ok(0) };
        let byte = if end_option == 1 { range.end } else { range.start };
        Ok(texts.at(row)[..byte].chars().count() as i32 + 1)
    })
}

fn substring(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, patterns) = (call.texts(0), call.texts(1));
    let mut compiled = Compiled::default();
    call.each_maybe_text(|row, out| {
        let regex = compiled.get(patterns.at(row), Flags::default())?;
        let Some(captures) = regex.captures(texts.at(row)) else { return Ok(false) };
        // The first group, where there is one.
        let Some(part) = captures.get(usize::from(regex.captures_len() > 1)) else {
            return Ok(false);
        };
        out.push_str(part.as_str());
        Ok(true)
    })
}

fn sql_substring(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, patterns, escapes) = (call.texts(0), call.texts(1), call.texts(2));
    let mut compiled = Compiled::default();
    call.each_maybe_text(|row, out| {
        let mut pattern = String::new();
        like::similar_to_escape(patterns.at(row), escapes.at(row).chars().next(), &mut pattern)?;
        let regex = compiled.get(&pattern, Flags::default())?;
        let Some(captures) = regex.captures(texts.at(row)) else { return Ok(false) };
        let Some(part) = captures.get(usize::from(regex.captures_len() > 1)) else {
            return Ok(false);
        };
        out.push_str(part.as_str());
        Ok(true)
    })
}
