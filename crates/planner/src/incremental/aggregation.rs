//! Aggregations that are maintained from changes alone.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams};
use datafusion::logical_expr::utils::grouping_set_to_exprlist;
use datafusion::logical_expr::{Aggregate as Plan, Expr, ExprSchemable, GroupingSet, LogicalPlan};
use weir_dataflow::{Aggregate, Call, DistinctArguments, GroupStates, Step};
use weir_types::{Error, Result};

use super::physical;
use crate::functions::aggregate::BoundAggregate;
use crate::functions::aggregate::group_states;
use crate::semantics;

/// An aggregation of a plan, taken apart. With grouping sets, one of several.
pub(super) struct Planned {
    /// Computes the columns that the aggregation reads.
    pub(super) project: Step,
    pub(super) aggregate: Aggregate,
}

/// True where all its calls have states.
pub(super) fn is_native(plan: &Plan, append_only: bool) -> bool {
    let is_set = |expr: &Expr| matches!(expr, Expr::GroupingSet(_));
    let is_grouped = plan.group_expr.len() == 1 || !plan.group_expr.iter().any(is_set);
    is_grouped && plan.aggr_expr.iter().all(|expr| call_of(expr, append_only).is_some())
}

/// The aggregations of `plan`, one for each grouping set. `is_native` was told.
///
/// # Errors
/// Of making physical expressions.
pub(super) fn planned(plan: &Plan, append_only: bool) -> Result<Vec<Planned>> {
    let schema = Arc::clone(plan.schema.inner());
    sets(plan)?
        .into_iter()
        .map(|set| one(set, &plan.aggr_expr, &plan.input, &schema, append_only))
        .collect()
}

/// DISTINCT over all columns: an aggregation without calls.
///
/// # Errors
/// As [`planned`].
pub(super) fn distinct(input: &LogicalPlan) -> Result<Planned> {
    let columns = input.schema().columns();
    let keys = columns.into_iter().map(Expr::Column).collect();
    one(Set { keys, is_empty: false }, &[], input, input.schema().inner(), true)
}

/// A grouping set.
struct Set {
    /// As many expressions as the output has keys.
    keys: Vec<Expr>,
    /// True for the set of no columns: its group is there without rows.
    is_empty: bool,
}

fn sets(plan: &Plan) -> Result<Vec<Set>> {
    let [Expr::GroupingSet(set)] = plan.group_expr.as_slice() else {
        let keys = plan.group_expr.clone();
        return Ok(vec![Set { is_empty: keys.is_empty(), keys }]);
    };
    let all = grouping_set_to_exprlist(&plan.group_expr).map_err(semantics::to_error)?;
    let all: Vec<Expr> = all.into_iter().cloned().collect();
    let members = members(set);
    let id_field = plan.schema.field(all.len());
    let mut seen: Vec<(u64, u64)> = Vec::new();
    let mut sets = Vec::with_capacity(members.len());
    for member in members {
        let mut mask = 0_u64;
        let mut key = Vec::with_capacity(all.len() + 1);
        for (place, expr) in all.iter().enumerate() {
            let is_null = !member.contains(expr);
            mask = mask << 1 | u64::from(is_null);
            key.push(if is_null {
                null_of(plan.schema.field(place).data_type())?
            } else {
                expr.clone()
            });
        }
        // A set that comes again is told apart by its number above the mask.
        let ordinal = match seen.iter_mut().find(|(known, _)| *known == mask) {
            Some((_, n)) => {
                *n += 1;
                *n
            }
            None => {
                seen.push((mask, 0));
                0
            }
        };
        let id = ScalarValue::UInt64(Some(mask | ordinal << all.len()));
        let id = id.cast_to(id_field.data_type()).map_err(semantics::to_error)?;
        key.push(Expr::Literal(id, None));
        sets.push(Set { keys: key, is_empty: member.is_empty() });
    }
    Ok(sets)
}

fn null_of(data_type: &DataType) -> Result<Expr> {
    Ok(Expr::Literal(ScalarValue::try_from(data_type).map_err(semantics::to_error)?, None))
}

fn members(set: &GroupingSet) -> Vec<Vec<Expr>> {
    match set {
        GroupingSet::GroupingSets(sets) => sets.clone(),
        GroupingSet::Rollup(exprs) => {
            (0..=exprs.len()).rev().map(|n| exprs[..n].to_vec()).collect()
        }
        GroupingSet::Cube(exprs) => (0..1_usize << exprs.len())
            .map(|taken| {
                let is_in = |place: &usize| taken >> place & 1 == 1;
                (0..exprs.len()).filter(is_in).map(|place| exprs[place].clone()).collect()
            })
            .collect(),
    }
}

/// What a call is made of.
struct CallParts {
    name: String,
    arguments: Vec<Expr>,
    filter: Option<Expr>,
    distinct: bool,
    states: Arc<dyn GroupStates>,
}

/// The parts of a call; `None` where it has no states.
fn call_of(expr: &Expr, append_only: bool) -> Option<CallParts> {
    let Expr::AggregateFunction(AggregateFunction { func, params }) =
        expr.clone().unalias_nested().data
    else {
        return None;
    };
    let AggregateFunctionParams { args, distinct, filter, null_treatment, .. } = params;
    if null_treatment.is_some() {
        return None;
    }
    let (states, arguments) = match func.inner().downcast_ref::<BoundAggregate>() {
        Some(bound) => (bound.group_states(append_only)?, args),
        None if func.name() == "count" => {
            let is_star = matches!(args.as_slice(), [Expr::Literal(value, _)] if !value.is_null());
            (group_states::count(), if is_star && !distinct { Vec::new() } else { args })
        }
        None => return None,
    };
    let filter = filter.map(|filter| *filter);
    Some(CallParts { name: func.name().to_owned(), arguments, filter, distinct, states })
}

/// The columns that an aggregation reads: each expression once.
struct Columns<'a> {
    input: &'a LogicalPlan,
    exprs: Vec<Expr>,
    fields: Vec<Field>,
}

impl Columns<'_> {
    /// The place of an expression in that type, or in its own.
    fn place(&mut self, expr: &Expr, data_type: Option<&DataType>) -> Result<usize> {
        let schema: &DFSchema = self.input.schema();
        let own = expr.get_type(schema).map_err(semantics::to_error)?;
        let expr = match data_type {
            Some(wanted) if *wanted != own => {
                expr.clone().cast_to(wanted, schema).map_err(semantics::to_error)?
            }
            _ => expr.clone(),
        };
        if let Some(place) = self.exprs.iter().position(|known| *known == expr) {
            return Ok(place);
        }
        let data_type = data_type.cloned().unwrap_or(own);
        self.fields.push(Field::new(format!("c{}", self.exprs.len()), data_type, true));
        self.exprs.push(expr);
        Ok(self.exprs.len() - 1)
    }

    fn data_type(&self, place: usize) -> DataType {
        self.fields[place].data_type().clone()
    }

    fn project(&self) -> Result<Step> {
        let exprs = self.exprs.iter().map(|expr| physical(expr, self.input));
        let schema = Arc::new(Schema::new(self.fields.clone()));
        Ok(Step::Project(exprs.collect::<Result<_>>()?, schema))
    }
}

fn one(
    Set { keys, is_empty }: Set,
    calls: &[Expr],
    input: &LogicalPlan,
    schema: &SchemaRef,
    append_only: bool,
) -> Result<Planned> {
    let mut columns = Columns { input, exprs: Vec::new(), fields: Vec::new() };
    let key_types: Vec<DataType> =
        schema.fields()[..keys.len()].iter().map(|field| field.data_type().clone()).collect();
    let key_places = keys
        .iter()
        .zip(&key_types)
        .map(|(key, data_type)| columns.place(key, Some(data_type)))
        .collect::<Result<Vec<_>>>()?;
    let mut aggregate = Aggregate {
        only_group: is_empty.then(|| constants(&keys, &key_types)).transpose()?,
        keys: key_places,
        key_types,
        calls: Vec::with_capacity(calls.len()),
        filters: Vec::new(),
        distinct: Vec::new(),
        append_only,
        schema: Arc::clone(schema),
    };
    for call in calls {
        let parts = call_of(call, append_only).expect("calls without states were sorted out");
        let call = planned_call(parts, &mut columns, &mut aggregate)?;
        aggregate.calls.push(call);
    }
    Ok(Planned { project: columns.project()?, aggregate })
}

/// The values of the keys of the empty grouping set, which are constants.
fn constants(keys: &[Expr], types: &[DataType]) -> Result<Vec<ArrayRef>> {
    keys.iter()
        .zip(types)
        .map(|(key, data_type)| match key {
            Expr::Literal(value, _) => value
                .cast_to(data_type)
                .and_then(|value| value.to_array())
                .map_err(semantics::to_error),
            _ => Err(Error::internal("the empty grouping set has a key that is no constant")),
        })
        .collect()
}

fn planned_call(
    parts: CallParts,
    columns: &mut Columns<'_>,
    aggregate: &mut Aggregate,
) -> Result<Call> {
    let arguments = parts
        .arguments
        .iter()
        .map(|argument| columns.place(argument, None))
        .collect::<Result<Vec<_>>>()?;
    let filter = match &parts.filter {
        None => None,
        Some(filter) => {
            let column = columns.place(filter, Some(&DataType::Boolean))?;
            Some(place_of(&mut aggregate.filters, column))
        }
    };
    let distinct = parts.distinct.then(|| {
        let sets = &mut aggregate.distinct;
        let set_idx = sets.iter().position(|set| set.arguments == arguments).unwrap_or_else(|| {
            let types = arguments.iter().map(|place| columns.data_type(*place)).collect();
            let arguments = arguments.clone();
            sets.push(DistinctArguments { arguments, types, filters: Vec::new() });
            sets.len() - 1
        });
        (set_idx, place_of(&mut sets[set_idx].filters, filter))
    });
    Ok(Call { name: parts.name, arguments, filter, distinct, states: parts.states })
}

/// The place of a value in a list, where it is put if it is new.
fn place_of<T: PartialEq>(list: &mut Vec<T>, value: T) -> usize {
    list.iter().position(|known| *known == value).unwrap_or_else(|| {
        list.push(value);
        list.len() - 1
    })
}
