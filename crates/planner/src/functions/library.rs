//! All functions and operators of ours, by name and symbol.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use datafusion::logical_expr::ScalarUDF;
use weir_types::{Error, Result, SqlState};

use super::overload::{Declaration, Overload};
use super::scalar::Function;
use super::{
    arithmetic, array, clock, comparison_key, conditional, datetime, encoding, huge_number, json,
    math, number_format, operator, pattern, text,
};

static FUNCTIONS: LazyLock<BTreeMap<String, Arc<ScalarUDF>>> = LazyLock::new(|| {
    let mut by_name: BTreeMap<String, Vec<Overload>> = BTreeMap::new();
    let comparisons = operator::comparisons();
    let comparisons = comparisons.iter().map(Declaration::overload);
    for overload in declarations().map(Declaration::overload).chain(comparisons) {
        by_name.entry(overload.name.clone()).or_default().push(overload);
    }
    by_name
        .into_iter()
        .map(|(name, overloads)| {
            (name, Arc::new(ScalarUDF::new_from_impl(Function::new(overloads))))
        })
        .collect()
});

fn declarations() -> impl Iterator<Item = &'static Declaration> {
    arithmetic::DECLARATIONS
        .iter()
        .chain(arithmetic::numeric::DECLARATIONS)
        .chain(math::declarations())
        .chain(number_format::DECLARATIONS)
        .chain(text::declarations())
        .chain(encoding::DECLARATIONS)
        .chain(pattern::declarations())
        .chain(datetime::declarations())
        .chain(clock::DECLARATIONS)
        .chain(json::declarations())
        .chain(array::declarations())
        .chain(conditional::DECLARATIONS)
        .chain(comparison_key::DECLARATIONS)
        .chain(huge_number::DECLARATIONS)
}

/// The function of that name, or the operator of that symbol, for plans.
pub(crate) fn udf(name: &str) -> Result<Arc<ScalarUDF>> {
    FUNCTIONS.get(name).cloned().ok_or_else(|| {
        Error::new(SqlState::UndefinedFunction, format!("function {name} does not exist"))
    })
}

/// The function of that name, or the operator of that symbol.
pub(crate) fn function(name: &str) -> Result<&'static Function> {
    let function = FUNCTIONS.get(name).and_then(|udf| udf.inner().downcast_ref::<Function>());
    function.ok_or_else(|| {
        Error::new(SqlState::UndefinedFunction, format!("function {name} does not exist"))
    })
}

/// All of them, by name.
pub(crate) fn all() -> impl Iterator<Item = (&'static String, &'static Arc<ScalarUDF>)> {
    FUNCTIONS.iter()
}
