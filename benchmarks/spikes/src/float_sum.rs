//! Weir's exact sum of floats, which is the same in any order and can be undone, beside a plain sum and
//! Kahan's.
//!
//! Decides whether views can afford sums that equal their query to the last bit, or need another promise
//! for floats.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, Field, Float64Type, Schema};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::logical_plan::table_scan;
use datafusion::logical_expr::{AggregateUDF, EmitTo, Expr, GroupsAccumulator, LogicalPlan, col};
use weir_planner::functions::Registry;
use weir_planner::semantics;

use crate::Result;
use crate::bids::BATCH_ROWS;
use crate::measure::{median, memory_bytes, mixed};
use crate::report::Table;

const VALUES: usize = 2_000_000;
const GROUPS: [usize; 2] = [1, 100_000];
/// Groups and values of each, for the memory.
const MANY_GROUPS: usize = 1_000_000;
const VALUES_EACH: usize = 4;
const RUNS: usize = 5;

pub(crate) fn run() -> Result<Vec<Table>> {
    let sum = bound_sum()?;
    let ways: [(&str, &dyn Fn() -> Result<Box<dyn Sums>>); 3] = [
        ("plain", &|| Ok(Box::<Plain>::default())),
        ("Kahan", &|| Ok(Box::<Kahan>::default())),
        ("exact", &|| Ok(Box::new(Exact(accumulator(&sum)?)))),
    ];
    let title = format!(
        "{VALUES} amounts with two decimals in batches of 8,192, in one thread, each with the index of its \
         group. *Memory* is what {MANY_GROUPS} groups of {VALUES_EACH} values add to the process. *Differ* \
         counts groups, of 100,000, whose sum is another when the values come in reverse."
    );
    let columns =
        ["1 group, ns/value", "100,000 groups, ns/value", "memory, bytes/group", "differ"];
    let mut table = Table::new(&title, &columns);
    // Memory first, and the most at the end: what was freed would be used again.
    let memory = ways.iter().map(|(_, make)| n_bytes(make)).collect::<Result<Vec<_>>>()?;
    for ((name, make), memory) in ways.iter().zip(memory) {
        let [one, many] = GROUPS.map(|n_groups| ns_a_value(make, n_groups));
        table.row(*name, &[one?, many?, memory, n_differ(make, GROUPS[1])? as f64]);
    }
    Ok(vec![table])
}

/// Sums of groups.
trait Sums {
    fn add(&mut self, values: &ArrayRef, groups: &[usize], n_groups: usize) -> Result<()>;
    fn results(&mut self) -> Result<Vec<f64>>;
}

/// What views and queries use, by DataFusion's interface.
struct Exact(Box<dyn GroupsAccumulator>);

impl Sums for Exact {
    fn add(&mut self, values: &ArrayRef, groups: &[usize], n_groups: usize) -> Result<()> {
        Ok(self.0.update_batch(std::slice::from_ref(values), groups, None, n_groups)?)
    }

    fn results(&mut self) -> Result<Vec<f64>> {
        Ok(self.0.evaluate(EmitTo::All)?.as_primitive::<Float64Type>().values().to_vec())
    }
}

#[derive(Default)]
struct Plain(Vec<f64>);

impl Sums for Plain {
    fn add(&mut self, values: &ArrayRef, groups: &[usize], n_groups: usize) -> Result<()> {
        self.0.resize(n_groups, 0.0);
        for (value, group) in values.as_primitive::<Float64Type>().values().iter().zip(groups) {
            self.0[*group] += value;
        }
        Ok(())
    }

    fn results(&mut self) -> Result<Vec<f64>> {
        Ok(self.0.clone())
    }
}

/// Sums, and what rounding took from them.
#[derive(Default)]
struct Kahan(Vec<(f64, f64)>);

impl Sums for Kahan {
    fn add(&mut self, values: &ArrayRef, groups: &[usize], n_groups: usize) -> Result<()> {
        self.0.resize(n_groups, (0.0, 0.0));
        for (value, group) in values.as_primitive::<Float64Type>().values().iter().zip(groups) {
            let (sum, lost) = &mut self.0[*group];
            let mended = value - *lost;
            let next = *sum + mended;
            *lost = (next - *sum) - mended;
            *sum = next;
        }
        Ok(())
    }

    fn results(&mut self) -> Result<Vec<f64>> {
        Ok(self.0.iter().map(|(sum, _)| *sum).collect())
    }
}

type Make<'a> = &'a dyn Fn() -> Result<Box<dyn Sums>>;
/// Values, and the group of each.
type Batch = (ArrayRef, Vec<usize>);

fn batches(n_values: usize, n_groups: usize) -> Vec<Batch> {
    let numbers: Vec<u64> = (0..n_values as u64).collect();
    let batch = |numbers: &[u64]| -> Batch {
        let values = numbers.iter().map(|n| (mixed(*n) >> 40) as f64 / 100.0);
        let groups = numbers.iter().map(|n| (mixed(!n) % n_groups as u64) as usize).collect();
        (Arc::new(Float64Array::from_iter_values(values)), groups)
    };
    numbers.chunks(BATCH_ROWS).map(batch).collect()
}

fn ns_a_value(make: Make<'_>, n_groups: usize) -> Result<f64> {
    let batches = batches(VALUES, n_groups);
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let mut sums = make()?;
        let began = Instant::now();
        for (values, groups) in &batches {
            sums.add(values, groups, n_groups)?;
        }
        times.push(began.elapsed().as_nanos() as f64 / VALUES as f64);
    }
    Ok(median(times))
}

fn n_bytes(make: Make<'_>) -> Result<f64> {
    let mut sums = make()?;
    let values: ArrayRef = Arc::new(Float64Array::from(vec![1234.56; BATCH_ROWS]));
    let [before, _] = memory_bytes()?;
    for group in (0..MANY_GROUPS * VALUES_EACH).step_by(BATCH_ROWS) {
        let groups: Vec<usize> = (group..group + BATCH_ROWS).map(|n| n % MANY_GROUPS).collect();
        sums.add(&values, &groups, MANY_GROUPS)?;
    }
    let [after, _] = memory_bytes()?;
    Ok((after - before) / MANY_GROUPS as f64)
}

/// Groups whose sum depends on the order of the values.
fn n_differ(make: Make<'_>, n_groups: usize) -> Result<usize> {
    let mut batches = batches(VALUES, n_groups);
    let sum = |batches: &[Batch]| -> Result<Vec<f64>> {
        let mut sums = make()?;
        batches.iter().try_for_each(|(values, groups)| sums.add(values, groups, n_groups))?;
        sums.results()
    };
    let forward = sum(&batches)?;
    batches.reverse();
    for (values, groups) in &mut batches {
        let reversed = values.as_primitive::<Float64Type>().values().iter().rev();
        *values = Arc::new(Float64Array::from_iter_values(reversed.copied()));
        groups.reverse();
    }
    let backward = sum(&batches)?;
    Ok(forward.iter().zip(backward).filter(|(a, b)| a.to_bits() != b.to_bits()).count())
}

/// Weir's `sum` of doubles. It is bound to the types of its arguments where a plan gets its meaning, so
/// it is taken out of one.
fn bound_sum() -> Result<Arc<AggregateUDF>> {
    let schema = Schema::new(vec![Field::new("amount", DataType::Float64, true)]);
    let sum = Registry::new().aggregate("sum").ok_or("there is no sum")?;
    let plan = table_scan(Some("t"), &schema, None)?
        .aggregate(Vec::<Expr>::new(), [sum.call(vec![col("amount")])])?
        .build()?;
    let mut plan = &semantics::apply(plan, &ConfigOptions::new())?;
    loop {
        if let LogicalPlan::Aggregate(aggregate) = plan
            && let Some(Expr::AggregateFunction(call)) =
                aggregate.aggr_expr.first().map(|expr| expr.clone().unalias())
        {
            return Ok(call.func);
        }
        plan = plan.inputs().first().copied().ok_or("the plan has no aggregate")?;
    }
}

fn accumulator(sum: &AggregateUDF) -> Result<Box<dyn GroupsAccumulator>> {
    let field = Arc::new(Field::new("amount", DataType::Float64, true));
    let schema = Schema::new(vec![Arc::clone(&field)]);
    Ok(sum.create_groups_accumulator(AccumulatorArgs {
        return_field: Arc::clone(&field),
        schema: &schema,
        ignore_nulls: false,
        order_bys: &[],
        is_reversed: false,
        name: "sum",
        is_distinct: false,
        exprs: &[],
        expr_fields: &[field],
    })?)
}
