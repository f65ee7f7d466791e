//! `format`: `%s`, `%I` and `%L` with positions and widths.

use std::iter::Peekable;
use std::str::Chars;

use arrow::array::ArrayRef;
use weir_types::{Error, Result, SqlState};

use super::output_texts;
use super::quote::{quote_ident, quote_literal};
use crate::functions::call::{Call, Texts, check_size};
use crate::functions::number::invalid_parameter;
use crate::functions::overload::{Declaration, declare};

pub(super) const DECLARATIONS: &[Declaration] = &[
    declare("format(text) -> text", format).takes_null(),
    declare("format(text, variadic any) -> text", format).takes_null().uses_settings(),
];

fn format(call: &Call<'_>) -> Result<ArrayRef> {
    let arguments = output_texts(call)?;
    let call = Call::new(call.name, &arguments, call.types, call.n_rows, call.settings, false);
    let texts: Vec<Texts<'_>> = (0..arguments.len()).map(|argument| call.texts(argument)).collect();
    call.each_maybe_text(|row, out| {
        let Some(template) = texts[0].get(row) else { return Ok(false) };
        let values: Vec<Option<&str>> = texts[1..].iter().map(|texts| texts.get(row)).collect();
        write(template, &values, out)?;
        Ok(true)
    })
}

/// What stands between `%` and its letter.
#[derive(Default)]
struct Specifier {
    position: Option<usize>,
    is_left: bool,
    width: Option<i64>,
}

fn write(template: &str, values: &[Option<&str>], out: &mut String) -> Result<()> {
    let mut next = 0;
    let mut chars = template.chars().peekable();
    while let Some(c) = chars.next() {
        check_size("format", out.len())?;
        if c != '%' {
            out.push(c);
            continue;
        }
        if chars.next_if_eq(&'%').is_some() {
            out.push('%');
            continue;
        }
        let specifier = specifier(&mut chars, values, &mut next)?;
        let letter = chars.next().ok_or_else(|| {
            invalid_parameter("unterminated format() type specifier")
                .with_hint("For a single \"%\" use \"%%\".")
        })?;
        if !matches!(letter, 's' | 'I' | 'L') {
            return Err(invalid_parameter(format!(
                "unrecognized format() type specifier \"{letter}\""
            ))
            .with_hint("For a single \"%\" use \"%%\"."));
        }
        let value = match specifier.position {
            Some(position) => position - 1,
            None => {
                next += 1;
                next - 1
            }
        };
        let value = values.get(value).ok_or_else(too_few)?;
        // As in PostgreSQL, what follows without a position goes on behind a position.
        if let Some(position) = specifier.position {
            next = position;
        }
        pad(&converted(letter, *value)?, &specifier, out)?;
    }
    Ok(())
}

fn too_few() -> Error {
    invalid_parameter("too few arguments for format()")
}

fn specifier(
    chars: &mut Peekable<Chars<'_>>,
    values: &[Option<&str>],
    next: &mut usize,
) -> Result<Specifier> {
    let mut specifier = Specifier::default();
    if let Some(number) = take_number(chars)? {
        if chars.next_if_eq(&'$').is_some() {
            if number == 0 {
                return Err(invalid_parameter(
                    "format specifies argument 0, but arguments are numbered from 1",
                ));
            }
            specifier.position = Some(number as usize);
        } else {
            specifier.width = Some(number);
            return Ok(specifier);
        }
    }
    while chars.next_if_eq(&'-').is_some() {
        specifier.is_left = true;
    }
    if chars.next_if_eq(&'*').is_some() {
        let argument = match take_number(chars)? {
            Some(position) if chars.next_if_eq(&'$').is_some() => {
                (position as usize).checked_sub(1).ok_or_else(|| {
                    invalid_parameter(
                        "format specifies argument 0, but arguments are numbered from 1",
                    )
                })?
            }
            Some(_) => {
                return Err(invalid_parameter("width argument position must be ended by \"$\""));
            }
            None => {
                *next += 1;
                *next - 1
            }
        };
        let text = values.get(argument).ok_or_else(too_few)?.unwrap_or("0");
        let width: i64 = text.trim().parse().map_err(|_| {
            Error::new(
                SqlState::InvalidTextRepresentation,
                format!("invalid input syntax for type integer: \"{text}\""),
            )
        })?;
        specifier.is_left |= width < 0;
        specifier.width = Some(width.abs());
    } else {
        specifier.width = take_number(chars)?;
    }
    Ok(specifier)
}

fn take_number(chars: &mut Peekable<Chars<'_>>) -> Result<Option<i64>> {
    let mut number: Option<i64> = None;
    while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
        chars.next();
        let value = number.unwrap_or(0) * 10 + i64::from(digit);
        if value > i32::MAX.into() {
            return Err(Error::new(SqlState::NumericValueOutOfRange, "number is out of range"));
        }
        number = Some(value);
    }
    Ok(number)
}

fn converted(letter: char, value: Option<&str>) -> Result<String> {
    let mut text = String::new();
    match (letter, value) {
        ('s', value) => text.push_str(value.unwrap_or("")),
        ('I', Some(name)) => quote_ident(name, &mut text),
        ('I', None) => {
            return Err(Error::new(
                SqlState::NullValueNotAllowed,
                "null values cannot be formatted as an SQL identifier",
            ));
        }
        (_, Some(value)) => quote_literal(value, &mut text),
        (_, None) => text.push_str("NULL"),
    }
    Ok(text)
}

fn pad(text: &str, specifier: &Specifier, out: &mut String) -> Result<()> {
    let width = usize::try_from(specifier.width.unwrap_or(0)).unwrap_or(0);
    let missing = width.saturating_sub(text.chars().count());
    check_size("format", missing)?;
    if specifier.is_left {
        out.push_str(text);
    }
    out.extend(std::iter::repeat_n(' ', missing));
    if !specifier.is_left {
        out.push_str(text);
    }
    Ok(())
}
