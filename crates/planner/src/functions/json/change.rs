//! Changed copies of JSON documents.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::Int32Type;
use weir_types::{Error, Result, SqlState};

use super::access::path_of;
use super::scan::{Kind, elements, members, unquote};
use super::{canonical_text, quote};
use crate::functions::call::Call;
use crate::functions::number::invalid_parameter;
use crate::functions::overload::{Declaration, declare};

pub(super) const DECLARATIONS: &[Declaration] = &[
    declare("||(jsonb, jsonb) -> jsonb", concat),
    declare("jsonb_concat(jsonb, jsonb) -> jsonb", concat),
    declare("-(jsonb, text) -> jsonb", without_key),
    declare("-(jsonb, int4) -> jsonb", without_index),
    declare("-(jsonb, text[]) -> jsonb", without_keys),
    declare("#-(jsonb, text[]) -> jsonb", without_path),
    declare("jsonb_delete_path(jsonb, text[]) -> jsonb", without_path),
    declare("jsonb_set(jsonb, text[], jsonb) -> jsonb", set),
    declare("jsonb_set(jsonb, text[], jsonb, bool) -> jsonb", set),
    declare("jsonb_insert(jsonb, text[], jsonb) -> jsonb", insert),
    declare("jsonb_insert(jsonb, text[], jsonb, bool) -> jsonb", insert),
    declare("json_strip_nulls(json) -> json", |call| {
        let documents = call.texts(0);
        call.each_text(|row, out| {
            strip_nulls(documents.at(row), "", ":", out);
            Ok(())
        })
    }),
    declare("jsonb_strip_nulls(jsonb) -> jsonb", |call| {
        let documents = call.texts(0);
        call.each_text(|row, out| {
            strip_nulls(documents.at(row), " ", ": ", out);
            Ok(())
        })
    }),
    declare("jsonb_pretty(jsonb) -> text", |call| {
        let documents = call.texts(0);
        call.each_text(|row, out| {
            pretty(documents.at(row), 0, out);
            Ok(())
        })
    })
    .total(),
];

/// The values of an array, or a scalar as the one value of one.
fn items(value: &str) -> Vec<&str> {
    if Kind::of(value) == Kind::Array { elements(value).collect() } else { vec![value] }
}

fn write_array<'v>(values: impl IntoIterator<Item = &'v str>, out: &mut String) {
    let values: Vec<&str> = values.into_iter().collect();
    out.push('[');
    out.push_str(&values.join(", "));
    out.push(']');
}

fn write_object<'v>(members: impl IntoIterator<Item = (&'v str, &'v str)>, out: &mut String) {
    let members: Vec<String> =
        members.into_iter().map(|(key, value)| format!("{key}: {value}")).collect();
    out.push('{');
    out.push_str(&members.join(", "));
    out.push('}');
}

fn concat(call: &Call<'_>) -> Result<ArrayRef> {
    let (left, right) = (call.texts(0), call.texts(1));
    call.each_text(|row, out| {
        let (left, right) = (left.at(row), right.at(row));
        match (Kind::of(left), Kind::of(right)) {
            (Kind::Object, Kind::Object) => {
                write_object(members(left).chain(members(right)), out);
                *out = canonical_text(out)?;
            }
            (Kind::Object, kind) | (kind, Kind::Object) if kind.is_scalar() => {
                return Err(invalid_parameter("invalid concatenation of jsonb objects"));
            }
            _ => write_array(items(left).into_iter().chain(items(right)), out),
        }
        Ok(())
    })
}

/// The document without members or elements of those names.
fn write_without(document: &str, keys: &[&str], out: &mut String) -> Result<()> {
    match Kind::of(document) {
        Kind::Object => {
            write_object(members(document).filter(|(key, _)| !keys.contains(&&*unquote(key))), out);
        }
        Kind::Array => write_array(
            elements(document).filter(|element| {
                Kind::of(element) != Kind::String || !keys.contains(&&*unquote(element))
            }),
            out,
        ),
        _ => return Err(invalid_parameter("cannot delete from scalar")),
    }
    Ok(())
}

fn without_key(call: &Call<'_>) -> Result<ArrayRef> {
    let (documents, keys) = (call.texts(0), call.texts(1));
    call.each_text(|row, out| write_without(documents.at(row), &[keys.at(row)], out))
}

fn without_keys(call: &Call<'_>) -> Result<ArrayRef> {
    let (documents, keys) = (call.texts(0), call.lists(1));
    let texts = keys.array.values().as_string_view();
    call.each_text(|row, out| {
        let indexes = keys.range(row).into_iter().flatten().filter(|index| texts.is_valid(*index));
        let keys: Vec<&str> = indexes.map(|index| texts.value(index)).collect();
        write_without(documents.at(row), &keys, out)
    })
}

fn without_index(call: &Call<'_>) -> Result<ArrayRef> {
    let (documents, indexes) = (call.texts(0), call.numbers::<Int32Type>(1));
    call.each_text(|row, out| {
        let document = documents.at(row);
        match Kind::of(document) {
            Kind::Array => {}
            Kind::Object => {
                return Err(invalid_parameter("cannot delete from object using integer index"));
            }
            _ => return Err(invalid_parameter("cannot delete from scalar")),
        }
        let mut values: Vec<&str> = elements(document).collect();
        if let Some(index) = index_of(indexes.at(row).into(), values.len()) {
            values.remove(index);
        }
        write_array(values, out);
        Ok(())
    })
}

/// An index that counts from the end where it is negative.
fn index_of(index: i64, length: usize) -> Option<usize> {
    let index = if index < 0 { length as i64 + index } else { index };
    usize::try_from(index).ok().filter(|index| *index < length)
}

/// What is done where a path ends.
#[derive(Clone, Copy)]
enum Change<'v> {
    Delete,
    /// A new value; true where a missing one is created.
    Set(&'v str, bool),
    /// A new element or member; true behind the place.
    Insert(&'v str, bool),
}

fn change_at(document: &str, path: &[&str], change: Change<'_>, out: &mut String) -> Result<()> {
    let Some((step, rest)) = path.split_first() else {
        out.push_str(document);
        return Ok(());
    };
    match Kind::of(document) {
        Kind::Object => change_member(document, step, rest, change, out),
        Kind::Array => change_element(document, step, rest, change, out),
        _ => {
            out.push_str(document);
            Ok(())
        }
    }
}

fn change_member(
    document: &str,
    step: &str,
    rest: &[&str],
    change: Change<'_>,
    out: &mut String,
) -> Result<()> {
    let mut is_there = false;
    let mut list: Vec<(String, String)> = Vec::new();
    for (key, value) in members(document) {
        if unquote(key) != *step {
            list.push((key.to_owned(), value.to_owned()));
            continue;
        }
        is_there = true;
        let mut new = String::new();
        match change {
            _ if !rest.is_empty() => change_at(value, rest, change, &mut new)?,
            Change::Delete => continue,
            Change::Set(value, _) => new.push_str(value),
            Change::Insert(..) => {
                return Err(invalid_parameter("cannot replace existing key")
                    .with_hint("Try using the function jsonb_set to replace key value."));
            }
        }
        list.push((key.to_owned(), new));
    }
    let added = match change {
        Change::Set(value, true) | Change::Insert(value, _) => Some(value),
        _ => None,
    };
    if let (false, true, Some(value)) = (is_there, rest.is_empty(), added) {
        let mut key = String::new();
        quote(step, &mut key);
        list.push((key, value.to_owned()));
    }
    write_object(list.iter().map(|(key, value)| (key.as_str(), value.as_str())), out);
    Ok(())
}

fn change_element(
    document: &str,
    step: &str,
    rest: &[&str],
    change: Change<'_>,
    out: &mut String,
) -> Result<()> {
    let wanted: i64 = step.trim().parse().map_err(|_| {
        Error::new(
            SqlState::InvalidTextRepresentation,
            format!("path element is not an integer: \"{step}\""),
        )
    })?;
    let mut values: Vec<String> = elements(document).map(str::to_owned).collect();
    match index_of(wanted, values.len()) {
        Some(index) if !rest.is_empty() => {
            let mut new = String::new();
            change_at(&values[index], rest, change, &mut new)?;
            values[index] = new;
        }
        Some(index) => match change {
            Change::Delete => {
                values.remove(index);
            }
            Change::Set(value, _) => value.clone_into(&mut values[index]),
            Change::Insert(value, after) => {
                values.insert(index + usize::from(after), value.to_owned())
            }
        },
        // Before the first or behind the last element.
        None if rest.is_empty() => match change {
            Change::Set(value, true) | Change::Insert(value, _) => {
                let at = if wanted < 0 { 0 } else { values.len() };
                values.insert(at, value.to_owned());
            }
            _ => {}
        },
        None => {}
    }
    write_array(values.iter().map(String::as_str), out);
    Ok(())
}

fn change_rows<'c>(call: &'c Call<'_>, change: impl Fn(usize) -> Change<'c>) -> Result<ArrayRef> {
    let (documents, paths) = (call.texts(0), call.lists(1));
    call.each_text(|row, out| {
        let document = documents.at(row);
        let path = path_of(&paths, row)
            .ok_or_else(|| Error::new(SqlState::NullValueNotAllowed, "path element is null"))?;
        if Kind::of(document).is_scalar() {
            return Err(match change(row) {
                Change::Delete => invalid_parameter("cannot delete path in scalar"),
                _ => invalid_parameter("cannot set path in scalar"),
            });
        }
        change_at(document, &path, change(row), out)?;
        *out = canonical_text(out)?;
        Ok(())
    })
}

fn without_path(call: &Call<'_>) -> Result<ArrayRef> {
    change_rows(call, |_| Change::Delete)
}

fn set(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.texts(2);
    let creates = (call.arguments.len() > 3).then(|| call.booleans(3));
    change_rows(call, |row| {
        Change::Set(values.at(row), creates.as_ref().is_none_or(|creates| creates.at(row)))
    })
}

fn insert(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.texts(2);
    let after = (call.arguments.len() > 3).then(|| call.booleans(3));
    change_rows(call, |row| {
        Change::Insert(values.at(row), after.as_ref().is_some_and(|after| after.at(row)))
    })
}

/// Members that are null are left out, elements are kept.
fn strip_nulls(value: &str, after_comma: &str, colon: &str, out: &mut String) {
    match Kind::of(value) {
        Kind::Object => {
            out.push('{');
            let kept = members(value).filter(|(_, value)| Kind::of(value) != Kind::Null);
            for (place, (key, value)) in kept.enumerate() {
                if place > 0 {
                    out.push(',');
                    out.push_str(after_comma);
                }
                out.push_str(key);
                out.push_str(colon);
                strip_nulls(value, after_comma, colon, out);
            }
            out.push('}');
        }
        Kind::Array => {
            out.push('[');
            for (place, value) in elements(value).enumerate() {
                if place > 0 {
                    out.push(',');
                    out.push_str(after_comma);
                }
                strip_nulls(value, after_comma, colon, out);
            }
            out.push(']');
        }
        _ => out.push_str(value.trim()),
    }
}

/// One member or element a line, four blanks for each level.
fn pretty(value: &str, level: usize, out: &mut String) {
    let line = |out: &mut String, level: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', level * 4));
    };
    let kind = Kind::of(value);
    if kind.is_scalar() {
        out.push_str(value);
        return;
    }
    let (open, close) = if kind == Kind::Object { ('{', '}') } else { ('[', ']') };
    out.push(open);
    let parts: Vec<(Option<&str>, &str)> = if kind == Kind::Object {
        members(value).map(|(key, value)| (Some(key), value)).collect()
    } else {
        elements(value).map(|value| (None, value)).collect()
    };
    for (place, (key, value)) in parts.into_iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        line(out, level + 1);
        if let Some(key) = key {
            out.push_str(key);
            out.push_str(": ");
        }
        pretty(value, level + 1, out);
    }
    line(out, level);
    out.push(close);
}
