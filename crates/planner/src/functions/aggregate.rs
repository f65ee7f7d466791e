//! Aggregates: by name, whose types are not told yet, and bound to their types.

mod collected;
mod declared;
mod distinct;
mod exact;
mod extremes;
mod float_extremes;
mod floats;
pub(crate) mod group_states;
pub(crate) mod row_at;
mod rows;
mod spread;
mod sums;
mod tallies;

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF, Signature,
    Volatility,
};
use weir_dataflow::GroupStates;
use weir_delta::schema;
use weir_types::{Error, Result, SqlType};

use self::collected::Form;
use super::overload::{CallTypes, Overload};
use super::resolution::{Choice, choose};
use super::scalar::{external, given_type, missing_function};

/// All aggregates of one name. The planner puts it into a plan; the semantics replace it by the
/// [`BoundAggregate`] that the arguments' types choose.
#[derive(Debug)]
pub(crate) struct Aggregate {
    name: String,
    overloads: Vec<(Overload, Body)>,
    signature: Signature,
}

/// How an aggregate is computed.
#[derive(Clone)]
pub(crate) enum Body {
    /// By a state of ours per group.
    Rows(&'static dyn Factory),
    /// By DataFusion.
    Native(Arc<AggregateUDF>),
    /// By DataFusion, for floats by integers of their order.
    FloatExtreme(Arc<AggregateUDF>),
    /// From all rows, put together at the end.
    Collected(Form),
}

/// Makes accumulators of one kind of state.
pub(crate) trait Factory: Send + Sync {
    fn accumulator(&self, types: &CallTypes) -> Box<dyn Accumulator>;
    fn groups(&self, types: &CallTypes) -> Box<dyn GroupsAccumulator>;

    /// States without groups in a view; `None` where rows cannot be taken back and are to be.
    fn group_states(&self, types: &CallTypes, append_only: bool) -> Option<Arc<dyn GroupStates>>;
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Rows(_) => "Rows",
            Self::Native(_) => "Native",
            Self::FloatExtreme(_) => "FloatExtreme",
            Self::Collected(_) => "Collected",
        })
    }
}

/// All aggregates of ours.
pub(crate) fn all() -> impl Iterator<Item = Arc<AggregateUDF>> {
    declared::by_name().into_iter().map(|(name, overloads)| {
        Arc::new(AggregateUDF::new_from_impl(Aggregate {
            name,
            overloads,
            signature: Signature::user_defined(Volatility::Immutable),
        }))
    })
}

impl Aggregate {
    /// The one for arguments of those types.
    ///
    /// # Errors
    /// 42883 where there is none.
    pub(crate) fn choose(&self, given: &[SqlType]) -> Result<BoundAggregate> {
        let overloads: Vec<Overload> =
            self.overloads.iter().map(|(overload, _)| overload.clone()).collect();
        match choose(&overloads, given, &[]) {
            Choice::Found(found, types) => {
                let place = overloads.iter().position(|overload| std::ptr::eq(overload, found));
                let (_, body) = &self.overloads[place.unwrap_or(0)];
                Ok(BoundAggregate {
                    name: self.name.clone(),
                    types,
                    body: body.clone(),
                    signature: self.signature.clone(),
                })
            }
            Choice::Missing | Choice::Ambiguous => Err(missing_function(&self.name, given)),
        }
    }
}

impl PartialEq for Aggregate {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Aggregate {}

impl Hash for Aggregate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl AggregateUDFImpl for Aggregate {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> DfResult<DataType> {
        Err(external(Error::internal(format!(
            "{} was asked for its type without fields",
            self.name
        ))))
    }

    /// While a query is planned, types below may not be final: where they do not fit, the type stays
    /// open, and the error is left to the semantics.
    fn return_field(&self, arguments: &[FieldRef]) -> DfResult<FieldRef> {
        let given: Vec<SqlType> = arguments.iter().map(|field| given_type(field, None)).collect();
        Ok(Arc::new(match self.choose(&given) {
            Ok(bound) => schema::field(&self.name, &bound.types.returns, true),
            Err(_) => Field::new(&self.name, DataType::Null, true),
        }))
    }

    fn coerce_types(&self, types: &[DataType]) -> DfResult<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn accumulator(&self, _args: AccumulatorArgs<'_>) -> DfResult<Box<dyn Accumulator>> {
        Err(external(Error::internal(format!(
            "{} was computed before its types were told",
            self.name
        ))))
    }
}

/// An aggregate with its types, as it is computed.
#[derive(Clone, Debug)]
pub(crate) struct BoundAggregate {
    name: String,
    pub(crate) types: CallTypes,
    body: Body,
    signature: Signature,
}

impl BoundAggregate {
    /// The scalar function that makes one text of the arguments of a row, where that is what the aggregate
    /// is over.
    pub(crate) fn row_function(&self) -> Option<&'static str> {
        match self.body {
            Body::Collected(form) => form.row_function(),
            _ => None,
        }
    }

    /// True if the result depends on the order of the rows.
    pub(crate) fn is_ordered(&self) -> bool {
        matches!(self.body, Body::Collected(_))
    }

    /// The aggregate of DataFusion that does the work.
    fn inner(&self) -> Option<Arc<AggregateUDF>> {
        match &self.body {
            Body::Rows(_) | Body::Collected(_) => None,
            Body::Native(inner) | Body::FloatExtreme(inner) => Some(Arc::clone(inner)),
        }
    }

    fn over(&self, inner: AggregateUDF) -> Self {
        match &self.body {
            Body::Native(_) => Self { body: Body::Native(Arc::new(inner)), ..self.clone() },
            _ => self.clone(),
        }
    }

    /// The Arrow types of the arguments that reach the accumulator.
    fn argument_types(&self) -> Vec<DataType> {
        match self.row_function() {
            Some(_) => vec![DataType::Utf8View],
            None => self.types.arguments.iter().map(schema::arrow_type).collect(),
        }
    }
}

/// True for an aggregate over texts that a function makes of its arguments.
pub(crate) fn is_of_texts(func: &AggregateUDF) -> bool {
    let bound = func.inner().downcast_ref::<BoundAggregate>();
    bound.is_some_and(|bound| bound.row_function().is_some())
}

impl PartialEq for BoundAggregate {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.types == other.types
    }
}

impl Eq for BoundAggregate {}

impl Hash for BoundAggregate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.types.arguments.hash(state);
    }
}

impl AggregateUDFImpl for BoundAggregate {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> DfResult<DataType> {
        Ok(schema::arrow_type(&self.types.returns))
    }

    fn return_field(&self, _arguments: &[FieldRef]) -> DfResult<FieldRef> {
        Ok(Arc::new(schema::field(&self.name, &self.types.returns, true)))
    }

    fn coerce_types(&self, types: &[DataType]) -> DfResult<Vec<DataType>> {
        let mut wanted = self.argument_types();
        if self.is_ordered() {
            // What DISTINCT goes by stands behind what is shown.
            wanted.extend_from_slice(types.get(wanted.len()..).unwrap_or_default());
        }
        if types.len() != wanted.len() {
            return Err(external(Error::internal(format!(
                "{} is bound to {} arguments and called with {}",
                self.name,
                wanted.len(),
                types.len()
            ))));
        }
        Ok(wanted)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> DfResult<Box<dyn Accumulator>> {
        match &self.body {
            Body::Rows(factory) if args.is_distinct => Ok(Box::new(distinct::Distinct::new(
                factory.accumulator(&self.types),
                self.argument_types(),
            ))),
            Body::Rows(factory) => Ok(factory.accumulator(&self.types)),
            Body::Native(inner) => inner.accumulator(args),
            Body::FloatExtreme(inner) => float_extremes::accumulator(inner, args),
            Body::Collected(form) => collected::accumulator(*form, &args),
        }
    }

    fn create_sliding_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> DfResult<Box<dyn Accumulator>> {
        match &self.body {
            Body::Native(inner) => inner.create_sliding_accumulator(args),
            Body::FloatExtreme(inner) => float_extremes::sliding_accumulator(inner, args),
            _ => self.accumulator(args),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> DfResult<Vec<FieldRef>> {
        match (&self.body, self.inner()) {
            (Body::Rows(_), _) if args.is_distinct => {
                Ok(distinct::state_fields(args.name, &self.argument_types()))
            }
            (Body::FloatExtreme(_), _) => Ok(float_extremes::state_fields(&args)),
            (Body::Collected(_), _) => Ok(collected::state_fields(&args)),
            (_, Some(inner)) => inner.state_fields(args),
            (_, None) => {
                let name = format_state_name(args.name, "state");
                Ok(vec![Arc::new(Field::new(name, DataType::Binary, true))])
            }
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        match &self.body {
            Body::Rows(_) => !args.is_distinct,
            Body::Native(inner) | Body::FloatExtreme(inner) => {
                inner.groups_accumulator_supported(args)
            }
            Body::Collected(_) => true,
        }
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> DfResult<Box<dyn GroupsAccumulator>> {
        match &self.body {
            Body::Rows(factory) => Ok(factory.groups(&self.types)),
            Body::Native(inner) => inner.create_groups_accumulator(args),
            Body::FloatExtreme(inner) => float_extremes::groups_accumulator(inner, args),
            Body::Collected(form) => collected::groups_accumulator(*form, &args),
        }
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        match self.inner() {
            // The accumulator sorts by itself: rows need not come in the order, which could be one for each of
            // several aggregates.
            _ if self.is_ordered() => AggregateOrderSensitivity::Beneficial,
            Some(inner) => inner.order_sensitivity(),
            None => AggregateOrderSensitivity::Insensitive,
        }
    }

    fn with_beneficial_ordering(
        self: Arc<Self>,
        beneficial_ordering: bool,
    ) -> DfResult<Option<Arc<dyn AggregateUDFImpl>>> {
        match &self.body {
            _ if self.is_ordered() => Ok(Some(self)),
            Body::Native(inner) => {
                let inner = inner.as_ref().clone().with_beneficial_ordering(beneficial_ordering)?;
                Ok(inner.map(|inner| Arc::new(self.over(inner)) as Arc<dyn AggregateUDFImpl>))
            }
            _ => Ok(Some(self)),
        }
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        match &self.body {
            _ if self.is_ordered() => ReversedUDAF::NotSupported,
            Body::Native(inner) => match inner.reverse_udf() {
                ReversedUDAF::Reversed(inner) => ReversedUDAF::Reversed(Arc::new(
                    AggregateUDF::new_from_impl(self.over(inner.as_ref().clone())),
                )),
                other => other,
            },
            _ => ReversedUDAF::Identical,
        }
    }
}
