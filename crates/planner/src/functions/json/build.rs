//! JSON from SQL values.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, FieldRef, Fields};
use bytes::BytesMut;
use weir_connect::value::{DateFormat, DateStyle, FormatSettings, ValueEncoder};
use weir_delta::schema;
use weir_types::{Error, Result, SqlState, SqlType};

use super::{canonical_text, quote};
use crate::functions::call::{Argument, Call, check_size};
use crate::functions::coercion::element_of;
use crate::functions::number::invalid_parameter;
use crate::functions::overload::{Declaration, declare};

pub(super) const DECLARATIONS: &[Declaration] = &[
    declare("to_json(anyelement) -> json", |call| one(call, false)).uses_settings(),
    declare("to_jsonb(anyelement) -> jsonb", |call| one(call, true)).uses_settings(),
    declare("array_to_json(anyarray) -> json", |call| one(call, false)).uses_settings(),
    declare("row_to_json(record) -> json", |call| one(call, false)).uses_settings(),
    declare("json_build_array() -> json", |call| array(call, false)).takes_null(),
    declare("json_build_array(variadic any) -> json", |call| array(call, false))
        .takes_null()
        .uses_settings(),
    declare("jsonb_build_array() -> jsonb", |call| array(call, true)).takes_null(),
    declare("jsonb_build_array(variadic any) -> jsonb", |call| array(call, true))
        .takes_null()
        .uses_settings(),
    declare("json_build_object() -> json", |call| object(call, false)).takes_null(),
    declare("json_build_object(variadic any) -> json", |call| object(call, false))
        .takes_null()
        .uses_settings(),
    declare("jsonb_build_object() -> jsonb", |call| object(call, true)).takes_null(),
    declare("jsonb_build_object(variadic any) -> jsonb", |call| object(call, true))
        .takes_null()
        .uses_settings(),
    // What the JSON aggregates make of a row.
    declare("json_element(any) -> text", |call| element(call, false)).takes_null().uses_settings(),
    declare("jsonb_element(any) -> text", |call| element(call, true)).takes_null().uses_settings(),
    declare("json_member(any, any) -> text", |call| member(call, false))
        .takes_null()
        .uses_settings(),
    declare("jsonb_member(any, any) -> text", |call| member(call, true))
        .takes_null()
        .uses_settings(),
    declare("json_object(text[]) -> json", |call| from_pairs(call, false)),
    declare("jsonb_object(text[]) -> jsonb", |call| from_pairs(call, true)),
    declare("json_object(text[], text[]) -> json", |call| from_lists(call, false)),
    declare("jsonb_object(text[], text[]) -> jsonb", |call| from_lists(call, true)),
];

/// Writes the values of an array as JSON.
struct Writer<'a> {
    form: Form<'a>,
    array: &'a ArrayRef,
}

enum Form<'a> {
    /// As their text is: numbers, JSON.
    Bare(ValueEncoder<'a>),
    /// JSON in its own words.
    Json,
    Quoted(ValueEncoder<'a>),
    /// With a `T` between date and time, and minutes in the offset.
    Stamp(ValueEncoder<'a>),
    List(Box<Writer<'a>>),
    Record(Vec<(String, Writer<'a>)>),
    Bool,
}

/// Dates in JSON are in ISO 8601 whatever the session's style.
fn json_settings(settings: &FormatSettings) -> FormatSettings {
    let style = DateStyle { format: DateFormat::Iso, ..settings.date_style };
    FormatSettings { date_style: style, ..settings.clone() }
}

impl<'a> Writer<'a> {
    fn new(array: &'a ArrayRef, t: &SqlType, settings: &FormatSettings) -> Result<Self> {
        let encoder = || ValueEncoder::new(array, t, settings);
        let form = match t {
            SqlType::Bool => Form::Bool,
            SqlType::Int2 | SqlType::Int4 | SqlType::Int8 | SqlType::Numeric(_) => {
                Form::Bare(encoder()?)
            }
            SqlType::Float4 | SqlType::Float8 => Form::Bare(encoder()?),
            SqlType::Json | SqlType::Jsonb => Form::Json,
            SqlType::Timestamp | SqlType::Timestamptz => Form::Stamp(encoder()?),
            _ => match (array.data_type(), element_of(t)) {
                (DataType::List(_), Some(element)) => Form::List(Box::new(Writer::new(
                    array.as_list::<i32>().values(),
                    &element,
                    settings,
                )?)),
                (DataType::Struct(fields), _) => {
                    Form::Record(members(fields, array.as_struct().columns(), settings)?)
                }
                _ => Form::Quoted(encoder()?),
            },
        };
        Ok(Self { form, array })
    }

    fn write(&self, row: usize, out: &mut String) -> Result<()> {
        check_size("JSON", out.len())?;
        if self.array.is_null(row) {
            out.push_str("null");
            return Ok(());
        }
        match &self.form {
            Form::Bool => {
                out.push_str(if self.array.as_boolean().value(row) { "true" } else { "false" })
            }
            Form::Json => out.push_str(self.array.as_string_view().value(row)),
            Form::Bare(encoder) => {
                let text = text_of(encoder, row)?;
                // NaN and infinity are no JSON numbers.
                if text.ends_with(|c: char| c.is_ascii_digit()) {
                    out.push_str(&text);
                } else {
                    quote(&text, out);
                }
            }
            Form::Quoted(encoder) => quote(&text_of(encoder, row)?, out),
            Form::Stamp(encoder) => {
                let mut text = text_of(encoder, row)?.replacen(' ', "T", 1);
                if let Some((_, offset)) = text.rsplit_once(['+', '-'])
                    && offset.len() == 2
                    && self.array.data_type() == &schema::arrow_type(&SqlType::Timestamptz)
                {
                    text.push_str(":00");
                }
                quote(&text, out);
            }
            Form::List(elements) => {
                let offsets = self.array.as_list::<i32>().value_offsets();
                out.push('[');
                for (place, index) in (offsets[row]..offsets[row + 1]).enumerate() {
                    if place > 0 {
                        out.push(',');
                    }
                    elements.write(index as usize, out)?;
                }
                out.push(']');
            }
            Form::Record(members) => write_members(members, row, out)?,
        }
        Ok(())
    }
}

/// A writer for each column, by name.
fn members<'a>(
    fields: &Fields,
    columns: &'a [ArrayRef],
    settings: &FormatSettings,
) -> Result<Vec<(String, Writer<'a>)>> {
    let member = |(field, column): (&FieldRef, &'a ArrayRef)| {
        let writer = Writer::new(column, &schema::sql_type(field), settings)?;
        Ok((field.name().clone(), writer))
    };
    fields.iter().zip(columns).map(member).collect()
}

fn write_members(members: &[(String, Writer<'_>)], row: usize, out: &mut String) -> Result<()> {
    out.push('{');
    for (place, (name, value)) in members.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        quote(name, out);
        out.push(':');
        value.write(row, out)?;
    }
    out.push('}');
    Ok(())
}

/// Rows as JSON objects with a member for each column, in the words of `row_to_json`.
pub struct JsonRows<'a>(Vec<(String, Writer<'a>)>);

impl<'a> JsonRows<'a> {
    /// The rows of a batch whose fields have SQL types.
    ///
    /// # Errors
    /// XX000 where an array is not of its type.
    pub fn new(rows: &'a RecordBatch) -> Result<Self> {
        let settings = FormatSettings::default();
        members(rows.schema_ref().fields(), rows.columns(), &settings).map(Self)
    }

    /// Appends one row.
    ///
    /// # Errors
    /// 54000 for one that is too large.
    pub fn write(&self, row: usize, out: &mut String) -> Result<()> {
        write_members(&self.0, row, out)
    }
}

fn text_of(encoder: &ValueEncoder<'_>, row: usize) -> Result<String> {
    let mut bytes = BytesMut::new();
    encoder.write_text(row, &mut bytes)?;
    String::from_utf8(bytes.to_vec()).map_err(|_| Error::internal("a text form is not UTF-8"))
}

/// A writer for each argument, and whether it has one value for all rows.
fn writers<'a>(call: &'a Call<'_>) -> Result<Vec<(Writer<'a>, bool)>> {
    let settings = json_settings(call.settings);
    call.arguments
        .iter()
        .zip(&call.types.arguments)
        .map(|(Argument { array, is_constant }, t)| {
            Ok((Writer::new(array, t, &settings)?, *is_constant))
        })
        .collect()
}

fn write(writer: &(Writer<'_>, bool), row: usize, out: &mut String) -> Result<()> {
    writer.0.write(if writer.1 { 0 } else { row }, out)
}

/// Texts of JSON documents; brought to canonical form for `jsonb`.
fn documents(
    call: &Call<'_>,
    is_binary: bool,
    document: impl Fn(usize, &mut String) -> Result<()>,
) -> Result<ArrayRef> {
    call.each_text(|row, out| {
        document(row, out)?;
        if is_binary {
            *out = canonical_text(out)?;
        }
        Ok(())
    })
}

fn one(call: &Call<'_>, is_binary: bool) -> Result<ArrayRef> {
    let writers = writers(call)?;
    documents(call, is_binary, |row, out| write(&writers[0], row, out))
}

fn array(call: &Call<'_>, is_binary: bool) -> Result<ArrayRef> {
    let writers = writers(call)?;
    documents(call, is_binary, |row, out| {
        out.push('[');
        for (place, writer) in writers.iter().enumerate() {
            if place > 0 {
                out.push_str(", ");
            }
            write(writer, row, out)?;
        }
        out.push(']');
        Ok(())
    })
}

fn object(call: &Call<'_>, is_binary: bool) -> Result<ArrayRef> {
    if !call.arguments.len().is_multiple_of(2) {
        return Err(invalid_parameter("argument list must have even number of elements")
            .with_hint(format!(
                "The arguments of {}() must consist of alternating keys and values.",
                call.name
            )));
    }
    let writers = writers(call)?;
    documents(call, is_binary, |row, out| {
        out.push('{');
        for (place, pair) in writers.chunks_exact(2).enumerate() {
            if place > 0 {
                out.push_str(", ");
            }
            write_key(call, place * 2, &pair[0], row, out)?;
            out.push_str(" : ");
            write(&pair[1], row, out)?;
        }
        out.push('}');
        Ok(())
    })
}

/// A key is the text of its value, in quotes.
fn write_key(
    call: &Call<'_>,
    argument: usize,
    writer: &(Writer<'_>, bool),
    row: usize,
    out: &mut String,
) -> Result<()> {
    if call.arguments[argument].is_null(row) {
        return Err(match call.name {
            "json_member" | "jsonb_member" => invalid_parameter("field name must not be null"),
            _ => invalid_parameter(format!("argument {}: key must not be null", argument + 1)),
        });
    }
    let mut key = String::new();
    write(writer, row, &mut key)?;
    if matches!(writer.0.form, Form::List(_) | Form::Record(_) | Form::Json) {
        return Err(invalid_parameter("key value must be scalar, not array, composite, or json"));
    }
    if key.starts_with('"') {
        out.push_str(&key);
    } else {
        quote(&key, out);
    }
    Ok(())
}

fn element(call: &Call<'_>, is_binary: bool) -> Result<ArrayRef> {
    let writers = writers(call)?;
    documents(call, is_binary, |row, out| write(&writers[0], row, out))
}

fn member(call: &Call<'_>, is_binary: bool) -> Result<ArrayRef> {
    let writers = writers(call)?;
    call.each_text(|row, out| {
        write_key(call, 0, &writers[0], row, out)?;
        out.push_str(if is_binary { ": " } else { " : " });
        write(&writers[1], row, out)
    })
}

/// The texts of a list; `None` is NULL.
fn list_texts<'a>(call: &'a Call<'_>, argument: usize, row: usize) -> Vec<Option<&'a str>> {
    let lists = call.lists(argument);
    let texts = call.arguments[argument].array.as_list::<i32>().values().as_string_view();
    lists
        .range(row)
        .into_iter()
        .flatten()
        .map(|index| texts.is_valid(index).then(|| texts.value(index)))
        .collect()
}

fn write_pairs<'t>(
    pairs: impl Iterator<Item = (Option<&'t str>, Option<&'t str>)>,
    out: &mut String,
) -> Result<()> {
    out.push('{');
    for (place, (key, value)) in pairs.enumerate() {
        let key = key.ok_or_else(|| {
            Error::new(SqlState::NullValueNotAllowed, "null value not allowed for object key")
        })?;
        if place > 0 {
            out.push_str(", ");
        }
        quote(key, out);
        out.push_str(" : ");
        match value {
            Some(value) => quote(value, out),
            None => out.push_str("null"),
        }
    }
    out.push('}');
    Ok(())
}

fn from_pairs(call: &Call<'_>, is_binary: bool) -> Result<ArrayRef> {
    documents(call, is_binary, |row, out| {
        let texts = list_texts(call, 0, row);
        if !texts.len().is_multiple_of(2) {
            return Err(Error::new(
                SqlState::ArraySubscriptError,
                "array must have even number of elements",
            ));
        }
        write_pairs(texts.chunks_exact(2).map(|pair| (pair[0], pair[1])), out)
    })
}

fn from_lists(call: &Call<'_>, is_binary: bool) -> Result<ArrayRef> {
    documents(call, is_binary, |row, out| {
        let (keys, values) = (list_texts(call, 0, row), list_texts(call, 1, row));
        if keys.len() != values.len() {
            return Err(Error::new(SqlState::ArraySubscriptError, "mismatched array dimensions"));
        }
        write_pairs(keys.into_iter().zip(values), out)
    })
}
