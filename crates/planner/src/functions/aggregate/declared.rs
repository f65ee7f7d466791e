//! The table of aggregates.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use arrow::array::ArrayRef;
use datafusion::functions_aggregate::{bit_and_or_xor, bool_and_or, min_max};
use datafusion::logical_expr::{Accumulator, AggregateUDF, GroupsAccumulator};
use weir_dataflow::GroupStates;
use weir_types::{Error, Result, SqlType};

use super::collected::Form;
use super::floats::{FloatSum, Pairs, Variance, kind};
use super::group_states::States;
use super::rows::{Groups, Single, State};
use super::spread::NumericVariance;
use super::sums::{Average, IntervalAverage, IntervalExtreme, IntervalSum, Sum};
use super::{Body, Factory};
use crate::functions::arithmetic::numeric::{QUOTIENT_SCALE, first};
use crate::functions::call::Call;
use crate::functions::coercion::{NUMERIC_DIGITS, as_numeric};
use crate::functions::overload::{CallTypes, Constant, Declaration, Overload, declare};

struct Of<S>(PhantomData<fn() -> S>);

impl<S: State> Factory for Of<S> {
    fn accumulator(&self, types: &CallTypes) -> Box<dyn Accumulator> {
        Box::new(Single::<S>::new(types.clone()))
    }

    fn groups(&self, types: &CallTypes) -> Box<dyn GroupsAccumulator> {
        Box::new(Groups::<S>::new(types.clone()))
    }

    fn group_states(&self, types: &CallTypes, append_only: bool) -> Option<Arc<dyn GroupStates>> {
        let can = S::CAN_TAKE || append_only;
        can.then(|| Arc::new(States::<S>::new(types.clone())) as Arc<dyn GroupStates>)
    }
}

macro_rules! rows {
    ($state:ty) => {
        Body::Rows(&Of::<$state>(PhantomData))
    };
}

/// The aggregates of each name.
pub(super) fn by_name() -> BTreeMap<String, Vec<(Overload, Body)>> {
    let mut by_name: BTreeMap<String, Vec<(Overload, Body)>> = BTreeMap::new();
    for (declaration, body) in sums().into_iter().chain(variances()).chain(pairs()).chain(others())
    {
        let overload = declaration.overload();
        by_name.entry(overload.name.clone()).or_default().push((overload, body));
    }
    by_name
}

const fn aggregate(text: &'static str) -> Declaration {
    declare(text, no_scalar)
}

fn no_scalar(call: &Call<'_>) -> Result<ArrayRef> {
    Err(Error::internal(format!("aggregate {} was called for a row", call.name)))
}

/// A numeric of 38 digits with that many of the argument behind the point.
fn sum_type(types: &[SqlType], _: &[Option<Constant>]) -> SqlType {
    match &types[0] {
        SqlType::Numeric(None) => SqlType::Numeric(None),
        other => SqlType::Numeric(Some((NUMERIC_DIGITS, as_numeric(other).1))),
    }
}

fn average_type(types: &[SqlType], _: &[Option<Constant>]) -> SqlType {
    SqlType::Numeric(Some((NUMERIC_DIGITS, as_numeric(&types[0]).1.max(QUOTIENT_SCALE))))
}

fn sums() -> Vec<(Declaration, Body)> {
    vec![
        (aggregate("sum(int2) -> int8"), rows!(Sum)),
        (aggregate("sum(int4) -> int8"), rows!(Sum)),
        (aggregate("sum(int8) -> numeric").returns(sum_type), rows!(Sum)),
        (aggregate("sum(numeric) -> numeric").returns(sum_type), rows!(Sum)),
        (aggregate("sum(float4) -> float4"), rows!(FloatSum<false>)),
        (aggregate("sum(float8) -> float8"), rows!(FloatSum<false>)),
        (aggregate("sum(interval) -> interval"), rows!(IntervalSum)),
        (aggregate("avg(int2) -> numeric").returns(average_type), rows!(Average)),
        (aggregate("avg(int4) -> numeric").returns(average_type), rows!(Average)),
        (aggregate("avg(int8) -> numeric").returns(average_type), rows!(Average)),
        (aggregate("avg(numeric) -> numeric").returns(average_type), rows!(Average)),
        (aggregate("avg(float4) -> float8"), rows!(FloatSum<true>)),
        (aggregate("avg(float8) -> float8"), rows!(FloatSum<true>)),
        (aggregate("avg(interval) -> interval"), rows!(IntervalAverage)),
    ]
}

fn variances() -> Vec<(Declaration, Body)> {
    let mut list = Vec::new();
    macro_rules! variance {
        ($name:literal, $kind:ident) => {
            for text in [
                concat!($name, "(int2) -> numeric"),
                concat!($name, "(int4) -> numeric"),
                concat!($name, "(int8) -> numeric"),
                concat!($name, "(numeric) -> numeric"),
            ] {
                let body = rows!(NumericVariance<{ kind::$kind }>);
                list.push((aggregate(text).returns(average_type), body));
            }
            for text in [concat!($name, "(float4) -> float8"), concat!($name, "(float8) -> float8")]
            {
                list.push((aggregate(text), rows!(Variance<{ kind::$kind }>)));
            }
        };
    }
    variance!("var_pop", VAR_POP);
    variance!("var_samp", VAR_SAMP);
    variance!("variance", VAR_SAMP);
    variance!("stddev_pop", STDDEV_POP);
    variance!("stddev_samp", STDDEV_SAMP);
    variance!("stddev", STDDEV_SAMP);
    list
}

fn pairs() -> Vec<(Declaration, Body)> {
    vec![
        (aggregate("covar_pop(float8, float8) -> float8"), rows!(Pairs<{ kind::COVAR_POP }>)),
        (aggregate("covar_samp(float8, float8) -> float8"), rows!(Pairs<{ kind::COVAR_SAMP }>)),
        (aggregate("corr(float8, float8) -> float8"), rows!(Pairs<{ kind::CORR }>)),
        (aggregate("regr_avgx(float8, float8) -> float8"), rows!(Pairs<{ kind::REGR_AVGX }>)),
        (aggregate("regr_avgy(float8, float8) -> float8"), rows!(Pairs<{ kind::REGR_AVGY }>)),
        (aggregate("regr_count(float8, float8) -> int8"), rows!(Pairs<{ kind::REGR_COUNT }>)),
        (
            aggregate("regr_intercept(float8, float8) -> float8"),
            rows!(Pairs<{ kind::REGR_INTERCEPT }>),
        ),
        (aggregate("regr_r2(float8, float8) -> float8"), rows!(Pairs<{ kind::REGR_R2 }>)),
        (aggregate("regr_slope(float8, float8) -> float8"), rows!(Pairs<{ kind::REGR_SLOPE }>)),
        (aggregate("regr_sxx(float8, float8) -> float8"), rows!(Pairs<{ kind::REGR_SXX }>)),
        (aggregate("regr_sxy(float8, float8) -> float8"), rows!(Pairs<{ kind::REGR_SXY }>)),
        (aggregate("regr_syy(float8, float8) -> float8"), rows!(Pairs<{ kind::REGR_SYY }>)),
    ]
}

fn others() -> Vec<(Declaration, Body)> {
    let mut list = Vec::new();
    let mut native = |texts: &[&'static str], udaf: fn() -> Arc<AggregateUDF>| {
        for text in texts {
            list.push((aggregate(text), Body::Native(udaf())));
        }
    };
    native(MIN, min_max::min_udaf);
    native(MAX, min_max::max_udaf);
    native(&["bool_and(bool) -> bool", "every(bool) -> bool"], bool_and_or::bool_and_udaf);
    native(&["bool_or(bool) -> bool"], bool_and_or::bool_or_udaf);
    native(
        &["bit_and(int2) -> int2", "bit_and(int4) -> int4", "bit_and(int8) -> int8"],
        bit_and_or_xor::bit_and_udaf,
    );
    native(
        &["bit_or(int2) -> int2", "bit_or(int4) -> int4", "bit_or(int8) -> int8"],
        bit_and_or_xor::bit_or_udaf,
    );
    native(
        &["bit_xor(int2) -> int2", "bit_xor(int4) -> int4", "bit_xor(int8) -> int8"],
        bit_and_or_xor::bit_xor_udaf,
    );
    list.extend([
        (aggregate("min(numeric) -> numeric").returns(first), Body::Native(min_max::min_udaf())),
        (aggregate("max(numeric) -> numeric").returns(first), Body::Native(min_max::max_udaf())),
        (aggregate("min(float4) -> float4"), Body::FloatExtreme(min_max::min_udaf())),
        (aggregate("min(float8) -> float8"), Body::FloatExtreme(min_max::min_udaf())),
        (aggregate("max(float4) -> float4"), Body::FloatExtreme(min_max::max_udaf())),
        (aggregate("max(float8) -> float8"), Body::FloatExtreme(min_max::max_udaf())),
        (aggregate("min(interval) -> interval"), rows!(IntervalExtreme<false>)),
        (aggregate("max(interval) -> interval"), rows!(IntervalExtreme<true>)),
        (aggregate("array_agg(anynonarray) -> anyarray"), Body::Collected(Form::Array)),
        (aggregate("string_agg(text, text) -> text"), Body::Collected(Form::Text)),
        (aggregate("json_agg(any) -> json"), Body::Collected(Form::JsonArray)),
        (aggregate("jsonb_agg(any) -> jsonb"), Body::Collected(Form::JsonbArray)),
        (aggregate("json_object_agg(any, any) -> json"), Body::Collected(Form::JsonObject)),
        (aggregate("jsonb_object_agg(any, any) -> jsonb"), Body::Collected(Form::JsonbObject)),
    ]);
    list
}

macro_rules! extreme {
    ($name:literal) => {
        &[
            concat!($name, "(int2) -> int2"),
            concat!($name, "(int4) -> int4"),
            concat!($name, "(int8) -> int8"),
            concat!($name, "(text) -> text"),
            concat!($name, "(bpchar) -> bpchar"),
            concat!($name, "(date) -> date"),
            concat!($name, "(time) -> time"),
            concat!($name, "(timestamp) -> timestamp"),
            concat!($name, "(timestamptz) -> timestamptz"),
            concat!($name, "(oid) -> oid"),
            concat!($name, "(pg_lsn) -> pg_lsn"),
            concat!($name, "(anyarray) -> anyarray"),
        ]
    };
}

const MIN: &[&str] = extreme!("min");
const MAX: &[&str] = extreme!("max");
