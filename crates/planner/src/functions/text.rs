//! Functions of text.

mod format;
pub(crate) mod list;
mod quote;

use std::fmt::Write;

use arrow::array::ArrayRef;
use arrow::datatypes::{Int32Type, Int64Type};
use weir_connect::value::FormatSettings;
use weir_types::{Error, Result, SqlState, SqlType};

use super::call::{Argument, Call, check_size};
use super::cast::convert;
use super::coercion::Context;
use super::number::{check_repeat, error_of};
use super::overload::{Declaration, declare};

/// The functions of this module.
pub(crate) fn declarations() -> impl Iterator<Item = &'static Declaration> {
    SLICES
        .iter()
        .chain(BUILDERS)
        .chain(NUMBERS)
        .chain(quote::DECLARATIONS)
        .chain(format::DECLARATIONS)
        .chain(list::DECLARATIONS)
}

/// Functions whose result is a part of an argument.
const SLICES: &[Declaration] = &[
    declare("btrim(text) -> text", |call| trim(call, true, true)).total(),
    declare("btrim(text, text) -> text", |call| trim(call, true, true)).total(),
    declare("ltrim(text) -> text", |call| trim(call, true, false)).total(),
    declare("ltrim(text, text) -> text", |call| trim(call, true, false)).total(),
    declare("rtrim(text) -> text", |call| trim(call, false, true)).total(),
    declare("rtrim(text, text) -> text", |call| trim(call, false, true)).total(),
    declare("trim(text) -> text", |call| trim(call, true, true)).total(),
    declare("trim(text, text) -> text", |call| trim(call, true, true)).total(),
    declare("left(text, int4) -> text", left).total(),
    declare("right(text, int4) -> text", right).total(),
    declare("substr(text, int4) -> text", substring),
    declare("substr(text, int4, int4) -> text", substring),
    declare("substring(text, int4) -> text", substring),
    declare("substring(text, int4, int4) -> text", substring),
    declare("split_part(text, text, int4) -> text", split_part),
];

/// Functions that build a new text.
const BUILDERS: &[Declaration] = &[
    declare("||(text, text) -> text", concat_texts),
    declare("||(text, anynonarray) -> text", concat_texts).uses_settings(),
    declare("||(anynonarray, text) -> text", concat_texts).uses_settings(),
    declare("textcat(text, text) -> text", concat_texts),
    declare("concat(variadic any) -> text", concat).takes_null().uses_settings(),
    declare("concat_ws(text, variadic any) -> text", concat_with).takes_null().uses_settings(),
    declare("lower(text) -> text", |call| {
        mapped(call, |text, out| out.extend(text.chars().flat_map(char::to_lowercase)))
    })
    .total(),
    declare("upper(text) -> text", |call| {
        mapped(call, |text, out| out.extend(text.chars().flat_map(char::to_uppercase)))
    })
    .total(),
    declare("initcap(text) -> text", |call| mapped(call, initcap)).total(),
    declare("reverse(text) -> text", |call| {
        mapped(call, |text, out| out.extend(text.chars().rev()))
    })
    .total(),
    declare("lpad(text, int4) -> text", |call| pad(call, true)),
    declare("lpad(text, int4, text) -> text", |call| pad(call, true)),
    declare("rpad(text, int4) -> text", |call| pad(call, false)),
    declare("rpad(text, int4, text) -> text", |call| pad(call, false)),
    declare("repeat(text, int4) -> text", repeat),
    declare("replace(text, text, text) -> text", replace),
    declare("translate(text, text, text) -> text", translate),
    declare("overlay(text, text, int4) -> text", overlay),
    declare("overlay(text, text, int4, int4) -> text", overlay),
    declare("chr(int4) -> text", chr),
    declare("to_hex(int4) -> text", |call| {
        let numbers = call.numbers::<Int32Type>(0);
        call.each_text(|row, out| write_hex(numbers.at(row).cast_unsigned().into(), out))
    })
    .total(),
    declare("to_hex(int8) -> text", |call| {
        let numbers = call.numbers::<Int64Type>(0);
        call.each_text(|row, out| write_hex(numbers.at(row).cast_unsigned(), out))
    })
    .total(),
];

/// Functions that measure a text.
const NUMBERS: &[Declaration] = &[
    declare("length(text) -> int4", characters).total(),
    declare("char_length(text) -> int4", characters).total(),
    declare("character_length(text) -> int4", characters).total(),
    declare("octet_length(text) -> int4", |call| {
        let texts = call.texts(0);
        call.each::<Int32Type>(|row| Ok(texts.at(row).len() as i32))
    })
    .total(),
    declare("octet_length(bpchar) -> int4", |call| {
        let texts = call.texts(0);
        call.each::<Int32Type>(|row| Ok(texts.at(row).len() as i32))
    })
    .total(),
    declare("bit_length(text) -> int4", |call| {
        let texts = call.texts(0);
        call.each::<Int32Type>(|row| Ok(texts.at(row).len() as i32 * 8))
    })
    .total(),
    declare("strpos(text, text) -> int4", position).total(),
    declare("position(text, text) -> int4", |call| {
        let (part, texts) = (call.texts(0), call.texts(1));
        call.each::<Int32Type>(|row| Ok(character_position(texts.at(row), part.at(row))))
    })
    .total(),
    declare("starts_with(text, text) -> bool", starts_with).total(),
    declare("^@(text, text) -> bool", starts_with).total(),
    declare("ascii(text) -> int4", |call| {
        let texts = call.texts(0);
        call.each::<Int32Type>(|row| Ok(texts.at(row).chars().next().map_or(0, |c| c as i32)))
    })
    .total(),
];

fn mapped(call: &Call<'_>, map: impl Fn(&str, &mut String)) -> Result<ArrayRef> {
    let texts = call.texts(0);
    call.each_text(|row, out| {
        map(texts.at(row), out);
        Ok(())
    })
}

fn characters(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.texts(0);
    call.each::<Int32Type>(|row| {
        let text = texts.at(row);
        Ok((if text.is_ascii() { text.len() } else { text.chars().count() }) as i32)
    })
}

fn trim(call: &Call<'_>, at_start: bool, at_end: bool) -> Result<ArrayRef> {
    let texts = call.texts(0);
    let sets = (call.arguments.len() > 1).then(|| call.texts(1));
    call.each_slice(|row| {
        let set = sets.as_ref().map_or(" ", |sets| sets.at(row));
        let mut text = texts.at(row);
        if at_start {
            text = text.trim_start_matches(|c| set.contains(c));
        }
        if at_end {
            text = text.trim_end_matches(|c| set.contains(c));
        }
        Ok(text)
    })
}

/// The byte where that many characters end; the whole length where there are fewer.
fn byte_of(text: &str, n_chars: usize) -> usize {
    if text.is_ascii() {
        return n_chars.min(text.len());
    }
    text.char_indices().nth(n_chars).map_or(text.len(), |(byte, _)| byte)
}

/// The byte before the last so many characters.
fn byte_from_end(text: &str, n_chars: usize) -> usize {
    if n_chars == 0 {
        return text.len();
    }
    text.char_indices().rev().nth(n_chars - 1).map_or(0, |(byte, _)| byte)
}

fn left(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, counts) = (call.texts(0), call.numbers::<Int32Type>(1));
    call.each_slice(|row| {
        let (text, count) = (texts.at(row), counts.at(row));
        let n = count.unsigned_abs() as usize;
        Ok(&text[..if count < 0 { byte_from_end(text, n) } else { byte_of(text, n) }])
    })
}

fn right(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, counts) = (call.texts(0), call.numbers::<Int32Type>(1));
    call.each_slice(|row| {
        let (text, count) = (texts.at(row), counts.at(row));
        // The least integer has no opposite in PostgreSQL, and so leaves nothing out.
        let n = if count == i32::MIN { 0 } else { count.unsigned_abs() as usize };
        Ok(&text[if count < 0 { byte_of(text, n) } else { byte_from_end(text, n) }..])
    })
}

fn substring(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, starts) = (call.texts(0), call.numbers::<Int32Type>(1));
    let lengths = (call.arguments.len() > 2).then(|| call.numbers::<Int32Type>(2));
    call.each_slice(|row| {
        let length = lengths.as_ref().map(|lengths| lengths.at(row));
        let (from, to) = character_range(starts.at(row), length)?;
        let text = texts.at(row);
        let from = byte_of(text, from);
        let to = to.map_or(text.len(), |to| byte_of(text, to));
        Ok(&text[from..to.max(from)])
    })
}

/// Where a part begins and ends, in characters or bytes from 0, for a start from 1 and a length.
pub(super) fn character_range(start: i32, length: Option<i32>) -> Result<(usize, Option<usize>)> {
    let from = (i64::from(start) - 1).max(0) as usize;
    let Some(length) = length else { return Ok((from, None)) };
    if length < 0 {
        return Err(error_of("22011", "negative substring length not allowed"));
    }
    let end = (i64::from(start) - 1 + i64::from(length)).max(0) as usize;
    Ok((from, Some(end)))
}

fn split_part(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, separators) = (call.texts(0), call.texts(1));
    let fields = call.numbers::<Int32Type>(2);
    call.each_slice(|row| {
        let (text, separator, field) = (texts.at(row), separators.at(row), fields.at(row));
        if field == 0 {
            return Err(Error::new(
                SqlState::InvalidParameterValue,
                "field position must not be zero",
            ));
        }
        let n = field.unsigned_abs() as usize - 1;
        if separator.is_empty() {
            return Ok(if n == 0 { text } else { "" });
        }
        let found =
            if field > 0 { text.split(separator).nth(n) } else { text.rsplit(separator).nth(n) };
        Ok(found.unwrap_or(""))
    })
}

/// The texts of an argument of any type, as a cast gives them.
pub(super) fn argument_texts(
    argument: &Argument,
    sql_type: &SqlType,
    settings: &FormatSettings,
) -> Result<Argument> {
    let array = convert(&argument.array, sql_type, &SqlType::Text, Context::Explicit, settings)?;
    Ok(Argument { array, is_constant: argument.is_constant })
}

/// The texts of an argument of any type, as its output function gives them: those of a char have the blanks at
/// their ends.
pub(super) fn shown_texts(
    argument: &Argument,
    sql_type: &SqlType,
    settings: &FormatSettings,
) -> Result<Argument> {
    let SqlType::Char(_) = sql_type else { return argument_texts(argument, sql_type, settings) };
    let (to, explicit) = (SqlType::Char(None), Context::Explicit);
    let array = convert(&argument.array, sql_type, &to, explicit, settings)?;
    Ok(Argument { array, is_constant: argument.is_constant })
}

fn all_texts(call: &Call<'_>) -> Result<Vec<Argument>> {
    call.arguments
        .iter()
        .zip(&call.types.arguments)
        .map(|(argument, t)| argument_texts(argument, t, call.settings))
        .collect()
}

/// The texts that `concat` and `format` show: those of the output functions, where booleans are one
/// letter.
pub(super) fn output_texts(call: &Call<'_>) -> Result<Vec<Argument>> {
    let mut texts = call
        .arguments
        .iter()
        .zip(&call.types.arguments)
        .map(|(argument, t)| shown_texts(argument, t, call.settings))
        .collect::<Result<Vec<_>>>()?;
    for (text, t) in texts.iter_mut().zip(&call.types.arguments) {
        if *t == SqlType::Bool {
            let letters = Call::new(
                "bool",
                std::slice::from_ref(text),
                call.types,
                text.array.len(),
                call.settings,
                true,
            );
            let words = letters.texts(0);
            text.array = letters.each_slice(|row| Ok(&words.at(row)[..1]))?;
        }
    }
    Ok(texts)
}

fn concat_texts(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = all_texts(call)?;
    let texts = Call::new(call.name, &texts, call.types, call.n_rows, call.settings, true);
    let (left, right) = (texts.texts(0), texts.texts(1));
    texts.each_text(|row, out| {
        check_size(call.name, left.at(row).len() + right.at(row).len())?;
        out.push_str(left.at(row));
        out.push_str(right.at(row));
        Ok(())
    })
}

fn concat(call: &Call<'_>) -> Result<ArrayRef> {
    let arguments = output_texts(call)?;
    let texts = Call::new(call.name, &arguments, call.types, call.n_rows, call.settings, false);
    texts.each_text(|row, out| {
        for argument in 0..arguments.len() {
            out.push_str(texts.texts(argument).get(row).unwrap_or(""));
            check_size(call.name, out.len())?;
        }
        Ok(())
    })
}

fn concat_with(call: &Call<'_>) -> Result<ArrayRef> {
    let arguments = output_texts(call)?;
    let texts = Call::new(call.name, &arguments, call.types, call.n_rows, call.settings, false);
    let separators = texts.texts(0);
    texts.each_maybe_text(|row, out| {
        let Some(separator) = separators.get(row) else { return Ok(false) };
        let mut is_first = true;
        for text in (1..arguments.len()).filter_map(|argument| texts.texts(argument).get(row)) {
            if !is_first {
                out.push_str(separator);
            }
            out.push_str(text);
            check_size(call.name, out.len())?;
            is_first = false;
        }
        Ok(true)
    })
}

fn initcap(text: &str, out: &mut String) {
    let mut in_word = false;
    for c in text.chars() {
        if in_word {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
        in_word = c.is_alphanumeric();
    }
}

fn pad(call: &Call<'_>, at_start: bool) -> Result<ArrayRef> {
    let (texts, lengths) = (call.texts(0), call.numbers::<Int32Type>(1));
    let fills = (call.arguments.len() > 2).then(|| call.texts(2));
    call.each_text(|row, out| {
        let text = texts.at(row);
        let length = usize::try_from(lengths.at(row)).unwrap_or(0);
        let fill = fills.as_ref().map_or(" ", |fills| fills.at(row));
        let n_chars = text.chars().count();
        if n_chars >= length || fill.is_empty() {
            out.push_str(&text[..byte_of(text, length)]);
            return Ok(());
        }
        let missing = length - n_chars;
        let widest = fill.chars().map(char::len_utf8).max().unwrap_or(1);
        check_repeat(call.name, widest, missing)?;
        if !at_start {
            out.push_str(text);
        }
        out.extend(fill.chars().cycle().take(missing));
        if at_start {
            out.push_str(text);
        }
        Ok(())
    })
}

fn repeat(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, counts) = (call.texts(0), call.numbers::<Int32Type>(1));
    call.each_text(|row, out| {
        let text = texts.at(row);
        let count = usize::try_from(counts.at(row)).unwrap_or(0);
        check_repeat(call.name, text.len(), count)?;
        (0..count).for_each(|_| out.push_str(text));
        Ok(())
    })
}

fn replace(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, from, to) = (call.texts(0), call.texts(1), call.texts(2));
    call.each_text(|row, out| {
        let (text, from, to) = (texts.at(row), from.at(row), to.at(row));
        if from.is_empty() {
            out.push_str(text);
            return Ok(());
        }
        let mut rest = text;
        while let Some(at) = rest.find(from) {
            out.push_str(&rest[..at]);
            out.push_str(to);
            check_size(call.name, out.len())?;
            rest = &rest[at + from.len()..];
        }
        out.push_str(rest);
        Ok(())
    })
}

fn translate(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, from, to) = (call.texts(0), call.texts(1), call.texts(2));
    call.each_text(|row, out| {
        for c in texts.at(row).chars() {
            match from.at(row).chars().position(|candidate| candidate == c) {
                // Without a counterpart it is dropped.
                Some(place) => out.extend(to.at(row).chars().nth(place)),
                None => out.push(c),
            }
        }
        Ok(())
    })
}

fn overlay(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, parts) = (call.texts(0), call.texts(1));
    let starts = call.numbers::<Int32Type>(2);
    let lengths = (call.arguments.len() > 3).then(|| call.numbers::<Int32Type>(3));
    call.each_text(|row, out| {
        let (text, part, start) = (texts.at(row), parts.at(row), starts.at(row));
        if start <= 0 {
            return Err(error_of("22011", "negative substring length not allowed"));
        }
        let length =
            lengths.as_ref().map_or_else(|| part.chars().count() as i64, |n| n.at(row).into());
        let end = (i64::from(start) - 1 + length).max(0) as usize;
        out.push_str(&text[..byte_of(text, start as usize - 1)]);
        out.push_str(part);
        out.push_str(&text[byte_of(text, end)..]);
        Ok(())
    })
}

fn chr(call: &Call<'_>) -> Result<ArrayRef> {
    let codes = call.numbers::<Int32Type>(0);
    call.each_text(|row, out| {
        let code = codes.at(row);
        let outside = |message: String| Err(Error::new(SqlState::ProgramLimitExceeded, message));
        match u32::try_from(code) {
            Err(_) => outside("character number must be positive".to_owned()),
            Ok(0) => outside("null character not permitted".to_owned()),
            Ok(code) => match char::from_u32(code) {
                Some(c) => {
                    out.push(c);
                    Ok(())
                }
                None => outside(format!("requested character not valid for encoding: {code}")),
            },
        }
    })
}

fn write_hex(value: u64, out: &mut String) -> Result<()> {
    write!(out, "{value:x}").map_err(|_| Error::internal("a String takes any text"))
}

/// From 1, in characters; 0 where the part is not there.
pub(super) fn character_position(text: &str, part: &str) -> i32 {
    match text.find(part) {
        Some(byte) => text[..byte].chars().count() as i32 + 1,
        None => 0,
    }
}

fn position(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, parts) = (call.texts(0), call.texts(1));
    call.each::<Int32Type>(|row| Ok(character_position(texts.at(row), parts.at(row))))
}

fn starts_with(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, starts) = (call.texts(0), call.texts(1));
    call.each_bool(|row| Ok(texts.at(row).starts_with(starts.at(row))))
}
