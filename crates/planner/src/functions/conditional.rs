//! Functions that ask whether their arguments are NULL, or of what type they are.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::interleave;
use arrow::datatypes::Int32Type;
use datafusion::common::metadata::FieldMetadata;
use datafusion::logical_expr::{Expr, ScalarUDF};
use datafusion::scalar::ScalarValue;
use weir_delta::schema;
use weir_types::{Error, RegKind, Result, SqlType};

use super::array::{Keys, value_index};
use super::call::Call;
use super::overload::{Declaration, declare};
use super::scalar::type_text;

/// The function that gives its argument, and says that it can be NULL.
pub(crate) const AS_NULLABLE: &str = "as nullable";

pub(crate) const DECLARATIONS: &[Declaration] = &[
    declare("as nullable(anyelement) -> anyelement", |call| {
        Ok(Arc::clone(&call.arguments[0].array))
    })
    .takes_null()
    .total(),
    declare("coalesce(variadic anycompatible) -> anycompatible", planned_otherwise).takes_null(),
    declare("greatest(variadic anycompatible) -> anycompatible", planned_otherwise).takes_null(),
    declare("least(variadic anycompatible) -> anycompatible", planned_otherwise).takes_null(),
    declare("nullif(anycompatible, anycompatible) -> anycompatible", planned_otherwise)
        .takes_null(),
    declare("greatest by key(variadic anycompatible) -> anycompatible", |call| {
        extreme(call, Ordering::Greater)
    })
    .takes_null()
    .total(),
    declare("least by key(variadic anycompatible) -> anycompatible", |call| {
        extreme(call, Ordering::Less)
    })
    .takes_null()
    .total(),
    declare("pg_typeof(any) -> regtype", planned_otherwise).takes_null(),
    declare("num_nulls(variadic any) -> int4", |call| count(call, true)).takes_null().total(),
    declare("num_nonnulls(variadic any) -> int4", |call| count(call, false)).takes_null().total(),
];

/// A function that the planner turns into something else.
#[derive(Clone, Copy)]
pub(crate) enum Special {
    /// All arguments in one type, by a function of DataFusion.
    Common(&'static str, fn() -> Arc<ScalarUDF>),
    Nullif,
    TypeOf,
}

impl Special {
    pub(crate) fn of(name: &str) -> Option<Self> {
        use datafusion::functions::core;
        Some(match name {
            "coalesce" => Self::Common("COALESCE", core::coalesce),
            "greatest" => Self::Common("GREATEST", core::greatest),
            "least" => Self::Common("LEAST", core::least),
            "nullif" => Self::Nullif,
            "pg_typeof" => Self::TypeOf,
            _ => return None,
        })
    }
}

fn planned_otherwise(call: &Call<'_>) -> Result<ArrayRef> {
    Err(Error::internal(format!("{} was not planned as what it stands for", call.name)))
}

/// A `regtype` constant.
pub(crate) fn type_literal(t: &SqlType) -> Expr {
    let field = schema::field("type", &SqlType::Reg(RegKind::Type), false);
    let metadata = FieldMetadata::from(field.metadata());
    Expr::Literal(ScalarValue::Int64(Some(t.oid().into())), Some(metadata))
}

/// The name of the type that such a constant is.
pub(crate) fn name_of_type(literal: &Expr) -> Option<String> {
    let Expr::Literal(ScalarValue::Int64(Some(oid)), Some(metadata)) = literal else { return None };
    let regtype = schema::field("type", &SqlType::Reg(RegKind::Type), false);
    if *metadata != FieldMetadata::from(regtype.metadata()) {
        return None;
    }
    let t = SqlType::from_oid(u32::try_from(*oid).ok()?)?;
    Some(type_text(&t))
}

/// The function that GREATEST or LEAST is of values that compare by keys, where DataFusion's compares what they are
/// kept as.
pub(crate) fn extreme_by_key(name: &str) -> Option<&'static str> {
    match name {
        "GREATEST" => Some("greatest by key"),
        "LEAST" => Some("least by key"),
        _ => None,
    }
}

/// The first of the greatest or least arguments.
fn extreme(call: &Call<'_>, wanted: Ordering) -> Result<ArrayRef> {
    let arrays = || call.arguments.iter().map(|argument| &argument.array);
    let keys = Keys::of_all(arrays(), &call.types.returns)?;
    let place = |argument: usize, row| (argument, value_index(&call.arguments[argument], row));
    let key = |(argument, index): (usize, usize)| keys[argument].at(index);
    let found = (0..call.n_rows).map(|row| {
        let valid = (0..keys.len()).filter(|argument| !call.arguments[*argument].is_null(row));
        let places = valid.map(|argument| place(argument, row));
        let best = places.reduce(
            |best, other| {
                if key(other).cmp(key(best)) == wanted { other } else { best }
            },
        );
        // Where all are NULL, the first is as good as any.
        best.unwrap_or_else(|| place(0, row))
    });
    let found: Vec<(usize, usize)> = found.collect();
    let arrays: Vec<&dyn Array> = arrays().map(AsRef::as_ref).collect();
    interleave(&arrays, &found)
        .map_err(|error| Error::internal(format!("{} of its arguments: {error}", call.name)))
}

fn count(call: &Call<'_>, is_null: bool) -> Result<ArrayRef> {
    call.each::<Int32Type>(|row| {
        let counted = call.arguments.iter().filter(|argument| argument.is_null(row) == is_null);
        Ok(counted.count() as i32)
    })
}
