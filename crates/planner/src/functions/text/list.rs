//! Texts to arrays of texts and back.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListBuilder, StringViewBuilder};
use weir_types::{Result, SqlType};

use super::shown_texts;
use crate::functions::call::{Argument, Call, check_size};
use crate::functions::coercion::element_of;
use crate::functions::overload::{Declaration, declare};

pub(super) const DECLARATIONS: &[Declaration] = &[
    declare("string_to_array(text, text) -> text[]", split).takes_null().total(),
    declare("string_to_array(text, text, text) -> text[]", split).takes_null().total(),
    declare("array_to_string(anyarray, text) -> text", join).uses_settings(),
    declare("array_to_string(anyarray, text, text) -> text", join).takes_null().uses_settings(),
];

/// A builder of `text[]`.
pub(crate) fn text_lists() -> ListBuilder<StringViewBuilder> {
    ListBuilder::new(StringViewBuilder::new())
}

fn split(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, separators) = (call.texts(0), call.texts(1));
    let nulls = (call.arguments.len() > 2).then(|| call.texts(2));
    let mut lists = text_lists();
    for row in 0..call.n_rows {
        let Some(text) = texts.get(row) else {
            lists.append(false);
            continue;
        };
        let null = nulls.as_ref().and_then(|nulls| nulls.get(row));
        let mut push = |part: &str| match null {
            Some(null) if null == part => lists.values().append_null(),
            _ => lists.values().append_value(part),
        };
        match separators.get(row) {
            // An empty text has no parts.
            _ if text.is_empty() => {}
            None => text.char_indices().for_each(|(at, c)| push(&text[at..at + c.len_utf8()])),
            Some("") => push(text),
            Some(separator) => text.split(separator).for_each(push),
        }
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

fn join(call: &Call<'_>) -> Result<ArrayRef> {
    let lists = call.lists(0);
    let element = element_of(&call.types.arguments[0]).unwrap_or(SqlType::Text);
    let elements = Argument { array: Arc::clone(lists.elements()), is_constant: false };
    let elements = shown_texts(&elements, &element, call.settings)?.array;
    let elements = elements.as_string_view();
    let separators = call.texts(1);
    let nulls = (call.arguments.len() > 2).then(|| call.texts(2));
    call.each_maybe_text(|row, out| {
        let (Some(range), Some(separator)) = (lists.range(row), separators.get(row)) else {
            return Ok(false);
        };
        let null = nulls.as_ref().and_then(|nulls| nulls.get(row));
        let mut is_first = true;
        for index in range {
            let part = if elements.is_null(index) { null } else { Some(elements.value(index)) };
            let Some(part) = part else { continue };
            if !is_first {
                out.push_str(separator);
            }
            // A boolean is shown as its output function shows it.
            out.push_str(if element == SqlType::Bool { &part[..1] } else { part });
            check_size(call.name, out.len())?;
            is_first = false;
        }
        Ok(true)
    })
}
