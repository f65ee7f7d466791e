//! Parts and properties of JSON values.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringViewBuilder};
use arrow::datatypes::Int32Type;
use weir_types::{Error, Result};

use super::lists;
use super::scan::{Kind, as_text, contains, element, elements, is_equal, member, members, unquote};
use crate::functions::call::{Call, Lists};
use crate::functions::number::invalid_parameter;
use crate::functions::overload::{Declaration, declare};

pub(super) const DECLARATIONS: &[Declaration] = &[
    declare("->(json, text) -> json", |call| by_key(call, false)).total(),
    declare("->(jsonb, text) -> jsonb", |call| by_key(call, false)).total(),
    declare("->>(json, text) -> text", |call| by_key(call, true)).total(),
    declare("->>(jsonb, text) -> text", |call| by_key(call, true)).total(),
    declare("->(json, int4) -> json", |call| by_index(call, false)).total(),
    declare("->(jsonb, int4) -> jsonb", |call| by_index_or_itself(call, false)).total(),
    declare("->>(json, int4) -> text", |call| by_index(call, true)).total(),
    declare("->>(jsonb, int4) -> text", |call| by_index_or_itself(call, true)).total(),
    declare("#>(json, text[]) -> json", |call| by_path(call, false)).total(),
    declare("#>(jsonb, text[]) -> jsonb", |call| by_path(call, false)).total(),
    declare("#>>(json, text[]) -> text", |call| by_path(call, true)).total(),
    declare("#>>(jsonb, text[]) -> text", |call| by_path(call, true)).total(),
    declare("json_extract_path(json, variadic text) -> json", |call| by_steps(call, false)).total(),
    declare("jsonb_extract_path(jsonb, variadic text) -> jsonb", |call| by_steps(call, false))
        .total(),
    declare("json_extract_path_text(json, variadic text) -> text", |call| by_steps(call, true))
        .total(),
    declare("jsonb_extract_path_text(jsonb, variadic text) -> text", |call| by_steps(call, true))
        .total(),
    declare("json_typeof(json) -> text", type_of).total(),
    declare("jsonb_typeof(jsonb) -> text", type_of).total(),
    declare("json_array_length(json) -> int4", array_length),
    declare("jsonb_array_length(jsonb) -> int4", array_length),
    declare("json_array_elements_list(json) -> json[]", |call| element_lists(call, false)),
    declare("jsonb_array_elements_list(jsonb) -> jsonb[]", |call| element_lists(call, false)),
    declare("json_array_elements_text_list(json) -> text[]", |call| element_lists(call, true)),
    declare("jsonb_array_elements_text_list(jsonb) -> text[]", |call| element_lists(call, true)),
    declare("json_each_keys_list(json) -> text[]", key_lists),
    declare("jsonb_each_keys_list(jsonb) -> text[]", key_lists),
    declare("json_each_text_keys_list(json) -> text[]", key_lists),
    declare("jsonb_each_text_keys_list(jsonb) -> text[]", key_lists),
    declare("json_each_values_list(json) -> json[]", |call| value_lists(call, false)),
    declare("jsonb_each_values_list(jsonb) -> jsonb[]", |call| value_lists(call, false)),
    declare("json_each_text_values_list(json) -> text[]", |call| value_lists(call, true)),
    declare("jsonb_each_text_values_list(jsonb) -> text[]", |call| value_lists(call, true)),
    declare("json_object_keys_list(json) -> text[]", key_lists),
    declare("jsonb_object_keys_list(jsonb) -> text[]", key_lists),
    declare("@>(jsonb, jsonb) -> bool", |call| containment(call, 0, 1)).total(),
    declare("<@(jsonb, jsonb) -> bool", |call| containment(call, 1, 0)).total(),
    declare("jsonb_contains(jsonb, jsonb) -> bool", |call| containment(call, 0, 1)).total(),
    declare("?(jsonb, text) -> bool", key_exists).total(),
    declare("jsonb_exists(jsonb, text) -> bool", key_exists).total(),
    declare("?|(jsonb, text[]) -> bool", |call| keys_exist(call, false)).total(),
    declare("?&(jsonb, text[]) -> bool", |call| keys_exist(call, true)).total(),
];

/// A part of each row's document, as JSON or as text.
fn parts<'a>(
    call: &'a Call<'_>,
    as_texts: bool,
    part: impl Fn(usize, &'a str) -> Option<&'a str>,
) -> Result<ArrayRef> {
    let documents = call.texts(0);
    call.each_maybe_text(|row, out| {
        let Some(part) = part(row, documents.at(row)) else { return Ok(false) };
        if !as_texts {
            out.push_str(part);
            return Ok(true);
        }
        let Some(text) = as_text(part) else { return Ok(false) };
        out.push_str(&text);
        Ok(true)
    })
}

fn by_key(call: &Call<'_>, as_texts: bool) -> Result<ArrayRef> {
    let keys = call.texts(1);
    parts(call, as_texts, |row, document| member(document, keys.at(row)))
}

fn by_index(call: &Call<'_>, as_texts: bool) -> Result<ArrayRef> {
    let indexes = call.numbers::<Int32Type>(1);
    parts(call, as_texts, |row, document| element(document, indexes.at(row).into()))
}

/// As PostgreSQL keeps it, a `jsonb` that is no object and no array is an array of one element.
fn by_index_or_itself(call: &Call<'_>, as_texts: bool) -> Result<ArrayRef> {
    let indexes = call.numbers::<Int32Type>(1);
    parts(call, as_texts, |row, document| {
        let index: i64 = indexes.at(row).into();
        match Kind::of(document) {
            Kind::Object | Kind::Array => element(document, index),
            _ => matches!(index, 0 | -1).then_some(document),
        }
    })
}

/// One step of a path: a key, or an index of an array.
pub(super) fn step<'a>(value: &'a str, step: &str) -> Option<&'a str> {
    match Kind::of(value) {
        Kind::Object => member(value, step),
        Kind::Array => element(value, step.trim().parse().ok()?),
        _ => None,
    }
}

/// The steps of a path; `None` if one of them is NULL.
pub(super) fn path_of<'a>(lists: &Lists<'a>, row: usize) -> Option<Vec<&'a str>> {
    let texts = lists.array.values().as_string_view();
    lists.range(row)?.map(|index| texts.is_valid(index).then(|| texts.value(index))).collect()
}

fn by_path(call: &Call<'_>, as_texts: bool) -> Result<ArrayRef> {
    let paths = call.lists(1);
    parts(call, as_texts, |row, document| {
        path_of(&paths, row)?.into_iter().try_fold(document, step)
    })
}

fn by_steps(call: &Call<'_>, as_texts: bool) -> Result<ArrayRef> {
    let steps: Vec<_> = (1..call.arguments.len()).map(|argument| call.texts(argument)).collect();
    parts(call, as_texts, |row, document| {
        steps.iter().try_fold(document, |value, texts| step(value, texts.at(row)))
    })
}

fn type_of(call: &Call<'_>) -> Result<ArrayRef> {
    let documents = call.texts(0);
    call.each_slice(|row| Ok(Kind::of(documents.at(row)).name()))
}

fn array_length(call: &Call<'_>) -> Result<ArrayRef> {
    let documents = call.texts(0);
    call.each::<Int32Type>(|row| {
        let document = documents.at(row);
        match Kind::of(document) {
            Kind::Array => Ok(elements(document).count() as i32),
            Kind::Object => Err(invalid_parameter("cannot get array length of a non-array")),
            _ => Err(invalid_parameter("cannot get array length of a scalar")),
        }
    })
}

fn element_lists(call: &Call<'_>, as_texts: bool) -> Result<ArrayRef> {
    let (documents, mut lists) = (call.texts(0), lists());
    for row in 0..call.n_rows {
        if call.is_null(row) {
            lists.append(false);
            continue;
        }
        let document = documents.at(row);
        match Kind::of(document) {
            Kind::Array => {}
            Kind::Object => {
                return Err(invalid_parameter("cannot extract elements from an object"));
            }
            _ => return Err(invalid_parameter("cannot extract elements from a scalar")),
        }
        for element in elements(document) {
            if as_texts {
                lists.values().append_option(as_text(element));
            } else {
                lists.values().append_value(element);
            }
        }
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

fn key_lists(call: &Call<'_>) -> Result<ArrayRef> {
    member_lists(call, |(key, _), values| values.append_value(unquote(key)))
}

fn value_lists(call: &Call<'_>, as_texts: bool) -> Result<ArrayRef> {
    member_lists(call, |(_, value), values| {
        if as_texts {
            values.append_option(as_text(value));
        } else {
            values.append_value(value);
        }
    })
}

/// Of each object the list of what `push` takes from its members.
fn member_lists(
    call: &Call<'_>,
    push: impl Fn((&str, &str), &mut StringViewBuilder),
) -> Result<ArrayRef> {
    let (documents, mut lists) = (call.texts(0), lists());
    for row in 0..call.n_rows {
        if call.is_null(row) {
            lists.append(false);
            continue;
        }
        let document = documents.at(row);
        let kind = Kind::of(document);
        if kind != Kind::Object {
            return Err(no_object(call.name, kind));
        }
        for member in members(document) {
            push(member, lists.values());
        }
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

/// The error of a value without members, for the function that the list is made for.
fn no_object(list: &str, kind: Kind) -> Error {
    let list = list.trim_end_matches("_list");
    let each = list.strip_suffix("_keys").or_else(|| list.strip_suffix("_values"));
    let is_array = kind == Kind::Array;
    invalid_parameter(match each {
        Some(function) if function.starts_with("jsonb_each") => {
            format!("cannot call {function} on a non-object")
        }
        Some(function) if function.starts_with("json_each") && is_array => {
            "cannot deconstruct an array as an object".to_owned()
        }
        Some(function) if function.starts_with("json_each") => {
            "cannot deconstruct a scalar".to_owned()
        }
        _ => {
            let what = if is_array { "an array" } else { "a scalar" };
            format!("cannot call {list} on {what}")
        }
    })
}

fn containment(call: &Call<'_>, whole: usize, part: usize) -> Result<ArrayRef> {
    let (whole, part) = (call.texts(whole), call.texts(part));
    call.each_bool(|row| Ok(contains(whole.at(row), part.at(row))))
}

/// True if the text is a key of the object, an element of the array, or the string itself.
fn has_key(document: &str, key: &str) -> bool {
    let mut quoted = String::new();
    super::quote(key, &mut quoted);
    match Kind::of(document) {
        Kind::Object => member(document, key).is_some(),
        Kind::Array => elements(document).any(|element| is_equal(element, &quoted)),
        _ => is_equal(document, &quoted),
    }
}

fn key_exists(call: &Call<'_>) -> Result<ArrayRef> {
    let (documents, keys) = (call.texts(0), call.texts(1));
    call.each_bool(|row| Ok(has_key(documents.at(row), keys.at(row))))
}

fn keys_exist(call: &Call<'_>, all: bool) -> Result<ArrayRef> {
    let (documents, keys) = (call.texts(0), call.lists(1));
    let texts = keys.array.values().as_string_view();
    call.each_bool(|row| {
        let document = documents.at(row);
        // NULL keys do not count.
        let mut wanted =
            keys.range(row).into_iter().flatten().filter(|index| texts.is_valid(*index));
        Ok(if all {
            wanted.all(|index| has_key(document, texts.value(index)))
        } else {
            wanted.any(|index| has_key(document, texts.value(index)))
        })
    })
}
