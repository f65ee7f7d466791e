//! Rows of system relations: values by column name, made into Arrow columns.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int16Array, Int32Array, Int64Array,
    ListArray, StringViewArray, TimestampMicrosecondArray, new_null_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use weir_types::{Error, ObjectId, Result, SqlType, Timestamp};

use super::SystemRelation;

/// A value of a system relation or function.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Datum {
    Null,
    Bool(bool),
    /// Any integer type, an oid, and a timestamp in microseconds.
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Datum>),
}

impl Datum {
    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

macro_rules! datum_from {
    ($($type:ty => |$value:ident| $make:expr;)*) => {
        $(impl From<$type> for Datum { fn from($value: $type) -> Self { $make } })*
    };
}

datum_from! {
    bool => |v| Self::Bool(v);
    i16 => |v| Self::Int(v.into());
    i32 => |v| Self::Int(v.into());
    i64 => |v| Self::Int(v);
    u32 => |v| Self::Int(v.into());
    f64 => |v| Self::Float(v);
    &str => |v| Self::Text(v.to_owned());
    &String => |v| Self::Text(v.clone());
    String => |v| Self::Text(v);
    char => |v| Self::Text(v.to_string());
    ObjectId => |v| Self::Int(v.0.into());
    Timestamp => |v| Self::Int(v.0);
}

impl<T: Into<Datum>> From<Option<T>> for Datum {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<T: Into<Datum>> From<Vec<T>> for Datum {
    fn from(values: Vec<T>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

/// The rows of one system relation while they are collected.
pub(crate) struct Rows<'r> {
    relation: &'r SystemRelation,
    columns: Vec<Vec<Datum>>,
    n_rows: usize,
    /// Where the named values of the last row went: those of the next go there too.
    positions: Vec<usize>,
}

impl<'r> Rows<'r> {
    pub(crate) fn new(relation: &'r SystemRelation) -> Self {
        let columns = vec![Vec::new(); relation.columns.len()];
        Self { relation, columns, n_rows: 0, positions: Vec::new() }
    }

    pub(crate) fn relation(&self) -> &'r SystemRelation {
        self.relation
    }

    /// Adds a row. A column without a value is NULL where it may be, else 0, false or empty.
    pub(crate) fn push<const N: usize>(&mut self, values: [(&str, Datum); N]) -> Result<()> {
        self.n_rows += 1;
        self.positions.resize(N, 0);
        for ((name, value), position) in values.into_iter().zip(&mut self.positions) {
            if self.relation.columns[*position].0 != name {
                *position = self.relation.column_index(name).ok_or_else(|| {
                    Error::internal(format!("system relation {} has no {name}", self.relation.name))
                })?;
            }
            self.columns[*position].push(value);
        }
        let described = self.relation.columns.iter().zip(&self.relation.not_null);
        for (column, ((_, sql_type), not_null)) in self.columns.iter_mut().zip(described) {
            if column.len() < self.n_rows {
                column.push(if *not_null { zero(sql_type) } else { Datum::Null });
            }
        }
        Ok(())
    }

    /// Adds a row in the order of the columns.
    pub(crate) fn push_all(&mut self, values: Vec<Datum>) {
        self.n_rows += 1;
        debug_assert_eq!(values.len(), self.columns.len());
        for (column, value) in self.columns.iter_mut().zip(values) {
            column.push(value);
        }
    }

    pub(crate) fn finish(self) -> Result<RecordBatch> {
        let arrays = self
            .relation
            .columns
            .iter()
            .zip(&self.columns)
            .map(|((name, sql_type), values)| {
                array_of(sql_type, values).ok_or_else(|| {
                    Error::internal(format!(
                        "system relation {} has a value of another type in {name}",
                        self.relation.name
                    ))
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.n_rows));
        RecordBatch::try_new_with_options(self.relation.arrow_schema(), arrays, &options)
            .map_err(|e| Error::internal(format!("system relation {}: {e}", self.relation.name)))
    }
}

fn zero(sql_type: &SqlType) -> Datum {
    match sql_type {
        SqlType::Bool => Datum::Bool(false),
        SqlType::Float4 | SqlType::Float8 => Datum::Float(0.0),
        SqlType::Int2Vector | SqlType::OidVector | SqlType::Array(_) => Datum::List(Vec::new()),
        SqlType::Text
        | SqlType::Name
        | SqlType::InternalChar
        | SqlType::Varchar(_)
        | SqlType::Char(_) => Datum::Text(String::new()),
        _ => Datum::Int(0),
    }
}

/// The values as an Arrow array of that type; `None` where a value is of another type.
pub(crate) fn array_of(sql_type: &SqlType, values: &[Datum]) -> Option<ArrayRef> {
    let arrow_type = weir_delta::schema::arrow_type(sql_type);
    if values.iter().all(Datum::is_null) {
        return Some(new_null_array(&arrow_type, values.len()));
    }
    Some(match &arrow_type {
        DataType::Boolean => Arc::new(bools(values)?.into_iter().collect::<BooleanArray>()),
        DataType::Int16 => Arc::new(integers::<i16>(values)?.into_iter().collect::<Int16Array>()),
        DataType::Int32 => Arc::new(integers::<i32>(values)?.into_iter().collect::<Int32Array>()),
        DataType::Int64 => Arc::new(integers::<i64>(values)?.into_iter().collect::<Int64Array>()),
        DataType::Float32 => {
            let floats = floats(values)?.into_iter().map(|v| v.map(|v| v as f32));
            Arc::new(floats.collect::<Float32Array>())
        }
        DataType::Float64 => Arc::new(floats(values)?.into_iter().collect::<Float64Array>()),
        DataType::Utf8View => Arc::new(texts(values)?.into_iter().collect::<StringViewArray>()),
        DataType::Timestamp(_, zone) => {
            let array: TimestampMicrosecondArray = integers::<i64>(values)?.into_iter().collect();
            Arc::new(array.with_timezone_opt(zone.clone()))
        }
        DataType::List(item) => list_of(item, &element_type(sql_type)?, values)?,
        _ => return None,
    })
}

fn element_type(sql_type: &SqlType) -> Option<SqlType> {
    match sql_type {
        SqlType::Array(element) => Some((**element).clone()),
        SqlType::Int2Vector => Some(SqlType::Int2),
        SqlType::OidVector => Some(SqlType::Int8),
        _ => None,
    }
}

fn list_of(item: &Arc<Field>, element: &SqlType, values: &[Datum]) -> Option<ArrayRef> {
    let mut flat = Vec::new();
    let mut lengths = Vec::with_capacity(values.len());
    let mut valid = Vec::with_capacity(values.len());
    for value in values {
        match value {
            Datum::Null => lengths.push(0),
            Datum::List(items) => {
                flat.extend_from_slice(items);
                lengths.push(items.len());
            }
            _ => return None,
        }
        valid.push(!value.is_null());
    }
    let items = array_of(element, &flat)?;
    let offsets = OffsetBuffer::from_lengths(lengths);
    ListArray::try_new(Arc::clone(item), offsets, items, Some(NullBuffer::from(valid)))
        .ok()
        .map(|list| Arc::new(list) as ArrayRef)
}

/// The values, each through `convert`; `None` where it refuses one that is not NULL.
fn options<T>(values: &[Datum], convert: impl Fn(&Datum) -> Option<T>) -> Option<Vec<Option<T>>> {
    values
        .iter()
        .map(|value| if value.is_null() { Some(None) } else { convert(value).map(Some) })
        .collect()
}

fn bools(values: &[Datum]) -> Option<Vec<Option<bool>>> {
    options(values, |value| match value {
        Datum::Bool(value) => Some(*value),
        _ => None,
    })
}

fn integers<T: TryFrom<i64>>(values: &[Datum]) -> Option<Vec<Option<T>>> {
    options(values, |value| match value {
        Datum::Int(value) => T::try_from(*value).ok(),
        _ => None,
    })
}

fn floats(values: &[Datum]) -> Option<Vec<Option<f64>>> {
    options(values, |value| match value {
        Datum::Float(value) => Some(*value),
        _ => None,
    })
}

fn texts(values: &[Datum]) -> Option<Vec<Option<String>>> {
    options(values, |value| match value {
        Datum::Text(value) => Some(value.clone()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::Int64Type;

    use super::*;
    use crate::system::find;

    #[test]
    fn a_row_fills_in_what_it_does_not_name() {
        let relation = find("pg_catalog", "pg_namespace").expect("listed");
        let mut rows = Rows::new(relation);
        rows.push([("oid", 2200_u32.into()), ("nspname", "public".into())]).expect("columns exist");
        let batch = rows.finish().expect("types fit");
        assert_eq!(batch.column(2).as_primitive::<Int64Type>().value(0), 0);
        assert!(batch.column(3).is_null(0));
    }

    #[test]
    fn a_value_of_another_type_is_an_error() {
        let relation = find("pg_catalog", "pg_namespace").expect("listed");
        let mut rows = Rows::new(relation);
        rows.push([("oid", "text".into())]).expect("the column exists");
        assert!(rows.finish().is_err());
        assert!(Rows::new(relation).push([("nosuch", 1_i32.into())]).is_err());
    }

    #[test]
    fn lists_keep_null_and_empty_apart() {
        let lists = [Datum::Null, Datum::List(vec![]), vec!["a"].into()];
        let array = array_of(&SqlType::Array(Box::new(SqlType::Text)), &lists).expect("lists");
        assert!(array.is_null(0) && array.is_valid(1));
        assert_eq!(array.as_list::<i32>().value_length(2), 1);
    }
}
