//! Functions that ask whether their arguments are NULL, or of what type they are.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringViewArray};
use arrow::datatypes::Int32Type;
use datafusion::common::metadata::FieldMetadata;
use datafusion::logical_expr::{Expr, ScalarUDF};
use datafusion::scalar::ScalarValue;
use weir_delta::schema;
use weir_types::{Error, RegKind, Result, SqlType};

use super::call::Call;
use super::overload::{Declaration, declare};

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
    declare("greatest char(variadic bpchar) -> bpchar", |call| extreme(call, Ordering::Greater))
        .takes_null()
        .total(),
    declare("least char(variadic bpchar) -> bpchar", |call| extreme(call, Ordering::Less))
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

/// The function that GREATEST or LEAST is of `bpchar` without length, whose blanks DataFusion's compare.
pub(crate) fn extreme_of_char(name: &str) -> Option<&'static str> {
    match name {
        "GREATEST" => Some("greatest char"),
        "LEAST" => Some("least char"),
        _ => None,
    }
}

/// The first of the greatest or least arguments, blanks at their ends aside.
fn extreme(call: &Call<'_>, wanted: Ordering) -> Result<ArrayRef> {
    let arguments: Vec<_> = (0..call.arguments.len()).map(|place| call.texts(place)).collect();
    let key = |text: &str| text.trim_end_matches(' ').len();
    let found = (0..call.n_rows).map(|row| {
        arguments.iter().filter_map(|texts| texts.get(row)).reduce(|best, text| {
            let order = text[..key(text)].cmp(&best[..key(best)]);
            if order == wanted { text } else { best }
        })
    });
    Ok(Arc::new(found.collect::<StringViewArray>()))
}

fn count(call: &Call<'_>, is_null: bool) -> Result<ArrayRef> {
    call.each::<Int32Type>(|row| {
        let counted = call.arguments.iter().filter(|argument| argument.is_null(row) == is_null);
        Ok(counted.count() as i32)
    })
}
