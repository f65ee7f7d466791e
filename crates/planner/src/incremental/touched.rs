//! Which rows of a query can change when some rows of its inputs do.
//!
//! An output column is a *key* if the rows with one value of it follow from the rows of every input that have that
//! value in one column of theirs: a column of GROUP BY, of PARTITION BY, of an equality that joins. Then a change of
//! the inputs needs the query only for the values that changed rows have: the *touched* ones. Values are told by
//! their hash, so that a few more may be taken for touched, which changes nothing.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, DFSchema};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::{
    Aggregate, ColumnarValue, Distinct, Expr, ExprSchemable, Filter, Join, JoinType, LogicalPlan,
    ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TableScan, Unnest, Volatility, Window,
};
use hashbrown::HashSet;
use weir_delta::hash::hash_rows;
use weir_types::Result;

use super::{InputRelation, input_relation, nonlinear_expr, source};
use crate::decorrelate::is_row_key;
use crate::functions::comparison_key::COMPARISON_KEY;
use crate::semantics;

/// The keys of a plan.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The positions among the outputs.
    pub outputs: Vec<usize>,
    /// For each scan, in the order of the plan's tree: the relation, with the columns that have the values of the
    /// keys.
    pub inputs: Vec<InputRelation>,
    /// For each scan, where those columns are among the columns that it gives.
    positions: Vec<Vec<usize>>,
}

/// The values of keys that changed rows have.
#[derive(Clone, Debug, Default)]
pub struct Touched {
    hashes: HashSet<u64>,
}

impl Touched {
    /// Adds the values of rows; `columns` are those of the keys, in their order.
    pub fn add(&mut self, columns: &[ArrayRef]) {
        self.hashes.extend(hash_rows(columns));
    }

    /// True without a value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// The rows whose values are touched.
    ///
    /// # Errors
    /// None but defects.
    pub fn of_batch(&self, batch: &RecordBatch, keys: &[usize]) -> Result<RecordBatch> {
        let columns: Vec<ArrayRef> =
            keys.iter().map(|position| Arc::clone(batch.column(*position))).collect();
        let is_touched = self.test(&columns);
        arrow::compute::filter_record_batch(batch, &is_touched)
            .map_err(|error| weir_types::Error::internal(format!("rows of touched keys: {error}")))
    }

    fn test(&self, columns: &[ArrayRef]) -> BooleanArray {
        hash_rows(columns).iter().map(|hash| Some(self.hashes.contains(hash))).collect()
    }
}

impl Keys {
    /// The keys of an optimized plan; `None` where it has none, or reads nothing that changes.
    #[must_use]
    pub fn of(plan: &LogicalPlan) -> Option<Self> {
        let lineage = lineage(plan)?;
        let mut scans = Vec::new();
        collect_scans(plan, &mut scans);
        debug_assert_eq!(scans.len(), lineage.n_scans, "every scan is in the lineage");
        let mut outputs = Vec::new();
        let mut known: Vec<&Vec<usize>> = Vec::new();
        for (position, columns) in lineage.columns.iter().enumerate() {
            if let Some(columns) = columns
                && !known.contains(&columns)
            {
                known.push(columns);
                outputs.push(position);
            }
        }
        if outputs.is_empty() || scans.is_empty() {
            return None;
        }
        let positions: Vec<Vec<usize>> = (0..scans.len())
            .map(|scan_idx| known.iter().map(|columns| columns[scan_idx]).collect())
            .collect();
        let inputs = scans
            .iter()
            .zip(&positions)
            .map(|(scan, positions)| input_relation(scan, positions))
            .collect();
        Some(Self { outputs, inputs, positions })
    }

    /// The plan for the touched values alone.
    ///
    /// # Errors
    /// None but defects.
    pub fn restrict(&self, plan: LogicalPlan, touched: &Arc<Touched>) -> Result<LogicalPlan> {
        let mut scan_idx = 0;
        let restricted = restrict_scans(plan, &mut |scan| {
            let positions = &self.positions[scan_idx];
            scan_idx += 1;
            only_touched(LogicalPlan::TableScan(scan), positions, touched)
        });
        restricted
            .and_then(|plan| only_touched(plan, &self.outputs, touched))
            .map_err(semantics::to_error)
    }
}

fn collect_scans<'a>(plan: &'a LogicalPlan, scans: &mut Vec<&'a TableScan>) {
    if let LogicalPlan::TableScan(scan) = plan {
        scans.push(scan);
    }
    for input in plan.inputs() {
        collect_scans(input, scans);
    }
}

fn restrict_scans(
    plan: LogicalPlan,
    restrict: &mut dyn FnMut(TableScan) -> DfResult<LogicalPlan>,
) -> DfResult<LogicalPlan> {
    match plan {
        LogicalPlan::TableScan(scan) => restrict(scan),
        other => {
            other.map_children(|input| restrict_scans(input, restrict).map(Transformed::yes)).data()
        }
    }
}

fn only_touched(
    plan: LogicalPlan,
    keys: &[usize],
    touched: &Arc<Touched>,
) -> DfResult<LogicalPlan> {
    let columns = plan.schema().columns();
    let arguments = keys.iter().map(|position| Expr::Column(columns[*position].clone())).collect();
    let predicate = ScalarUDF::new_from_impl(IsTouched::new(Arc::clone(touched))).call(arguments);
    Filter::try_new(predicate, Arc::new(plan)).map(LogicalPlan::Filter)
}

/// Where the values of each output column come from.
struct Lineage {
    /// The scans of the plan.
    n_scans: usize,
    /// For each output that is a key: its column in each of the scans.
    columns: Vec<Option<Vec<usize>>>,
}

impl Lineage {
    fn without_keys(n_scans: usize, n_columns: usize) -> Self {
        // What reads nothing is the same for every value.
        let columns = if n_scans == 0 { Some(Vec::new()) } else { None };
        Self { n_scans, columns: vec![columns; n_columns] }
    }

    fn of(&self, column: &Column, schema: &DFSchema) -> Option<Vec<usize>> {
        self.columns[schema.maybe_index_of_column(column)?].clone()
    }
}

/// The lineage of a plan; `None` for a plan with an operator of unknown lineage.
fn lineage(plan: &LogicalPlan) -> Option<Lineage> {
    if plan.expressions().iter().any(|expr| nonlinear_expr(expr).is_some()) {
        return None;
    }
    let n_columns = plan.schema().fields().len();
    let inputs = plan.inputs().into_iter().map(lineage).collect::<Option<Vec<Lineage>>>()?;
    let n_scans = inputs.iter().map(|input| input.n_scans).sum();
    let none = Lineage::without_keys(n_scans, n_columns);
    Some(match plan {
        LogicalPlan::TableScan(scan) => {
            source(scan)?;
            let is_plain = scan.filters.is_empty() && scan.fetch.is_none();
            let columns = (0..n_columns).map(|column| is_plain.then(|| vec![column])).collect();
            Lineage { n_scans: 1, columns }
        }
        // What reads nothing has no touched values.
        _ if n_scans == 0 && !matches!(plan, LogicalPlan::TableScan(_)) => none,
        LogicalPlan::Filter(_) | LogicalPlan::SubqueryAlias(_) => single(inputs)?,
        LogicalPlan::Distinct(Distinct::All(_)) => single(inputs)?,
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => single(inputs)?,
        LogicalPlan::Sort(_) | LogicalPlan::Limit(_) => none,
        LogicalPlan::Projection(projection) => {
            let input = single(inputs)?;
            let schema = projection.input.schema();
            let columns = projection.expr.iter().map(|expr| column_of(expr, &input, schema));
            Lineage { n_scans, columns: columns.collect() }
        }
        LogicalPlan::Aggregate(aggregate) => of_aggregate(aggregate, &single(inputs)?, none),
        LogicalPlan::Window(window) => of_window(window, &single(inputs)?, none),
        LogicalPlan::Unnest(unnest) => of_unnest(unnest, &single(inputs)?),
        LogicalPlan::Union(_) => {
            let column = |at: usize| {
                let of_inputs = inputs.iter().map(|input| input.columns[at].clone());
                of_inputs.collect::<Option<Vec<_>>>().map(|columns| columns.concat())
            };
            Lineage { n_scans, columns: (0..n_columns).map(column).collect() }
        }
        LogicalPlan::Join(join) => of_join(join, &inputs, none)?,
        _ => return None,
    })
}

fn single(inputs: Vec<Lineage>) -> Option<Lineage> {
    inputs.into_iter().next()
}

/// The lineage of an expression that is a column, or the key of a column of floats: equal floats hash alike.
fn column_of(expr: &Expr, input: &Lineage, schema: &DFSchema) -> Option<Vec<usize>> {
    match expr {
        Expr::Alias(alias) => column_of(&alias.expr, input, schema),
        Expr::Column(column) => input.of(column, schema),
        Expr::ScalarFunction(call) if call.name() == COMPARISON_KEY => {
            let [value] = call.args.as_slice() else { return None };
            let data_type = value.get_type(schema).ok()?;
            data_type.is_floating().then(|| column_of(value, input, schema))?
        }
        _ => None,
    }
}

/// Columns of GROUP BY. Of several grouping sets none is in all.
fn of_aggregate(aggregate: &Aggregate, input: &Lineage, mut none: Lineage) -> Lineage {
    if matches!(aggregate.group_expr.as_slice(), [Expr::GroupingSet(_)]) {
        return none;
    }
    let schema = aggregate.input.schema();
    for (position, expr) in aggregate.group_expr.iter().enumerate() {
        none.columns[position] = column_of(expr, input, schema);
    }
    none
}

/// Columns by which every function partitions.
fn of_window(window: &Window, input: &Lineage, mut none: Lineage) -> Lineage {
    let schema = window.input.schema();
    let partitions = |column: &Expr| {
        window.window_expr.iter().all(|expr| match expr.clone().unalias() {
            Expr::WindowFunction(call) => call.params.partition_by.contains(column),
            _ => false,
        })
    };
    for (position, column) in schema.columns().into_iter().enumerate() {
        let column = Expr::Column(column);
        if partitions(&column) {
            none.columns[position] = column_of(&column, input, schema);
        }
    }
    none
}

fn of_unnest(unnest: &Unnest, input: &Lineage) -> Lineage {
    let is_unnested = |position: &usize| {
        unnest.list_type_columns.iter().any(|(column, _)| column == position)
            || unnest.struct_type_columns.contains(position)
    };
    let column = |position: &usize| {
        if is_unnested(position) { None } else { input.columns[*position].clone() }
    };
    Lineage {
        n_scans: input.n_scans,
        columns: unnest.dependency_indices.iter().map(column).collect(),
    }
}

/// Columns that must be equal on both sides. The side that a join can fill with NULLs gives no keys: such a row
/// depends on the other values of that side.
fn of_join(join: &Join, inputs: &[Lineage], mut none: Lineage) -> Option<Lineage> {
    let [left, right] = inputs else { return None };
    if join.null_aware {
        return Some(none);
    }
    let (left_schema, right_schema) = (join.left.schema(), join.right.schema());
    let n_left = left_schema.fields().len();
    let (shows_left, shows_right) = match join.join_type {
        JoinType::Inner => (true, true),
        JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => {
            (true, false)
        }
        JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => {
            (false, true)
        }
        JoinType::Full => (false, false),
    };
    // Where the right side is shown alone, its columns are the first.
    let right_first = match join.join_type {
        JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => 0,
        _ => n_left,
    };
    if shows_left && right.n_scans == 0 {
        none.columns[..n_left].clone_from_slice(&left.columns);
    }
    if shows_right && left.n_scans == 0 {
        let n_right = right.columns.len();
        none.columns[right_first..right_first + n_right].clone_from_slice(&right.columns);
    }
    let pairs = join.on.iter().flat_map(|(left, right)| equal_columns(left, right));
    for (left_column, right_column) in pairs {
        let (Some(left_at), Some(right_at)) = (
            left_schema.maybe_index_of_column(left_column),
            right_schema.maybe_index_of_column(right_column),
        ) else {
            continue;
        };
        if left_schema.field(left_at).data_type() != right_schema.field(right_at).data_type() {
            continue;
        }
        let (Some(of_left), Some(of_right)) = (&left.columns[left_at], &right.columns[right_at])
        else {
            continue;
        };
        let both = [of_left.as_slice(), of_right.as_slice()].concat();
        if shows_left {
            none.columns[left_at] = Some(both.clone());
        }
        if shows_right {
            none.columns[right_first + right_at] = Some(both);
        }
    }
    Some(none)
}

/// Columns that are equal where the two sides of a join's condition are.
fn equal_columns<'a>(left: &'a Expr, right: &'a Expr) -> Vec<(&'a Column, &'a Column)> {
    match (left, right) {
        (Expr::Column(left), Expr::Column(right)) => vec![(left, right)],
        (Expr::ScalarFunction(left), Expr::ScalarFunction(right))
            if is_row_key(&left.func) && is_row_key(&right.func) =>
        {
            let pairs = left.args.iter().zip(&right.args);
            pairs.flat_map(|(left, right)| equal_columns(left, right)).collect()
        }
        _ => Vec::new(),
    }
}

/// A function that is true for rows of touched values.
#[derive(Debug)]
pub(crate) struct IsTouched {
    touched: Arc<Touched>,
    signature: Signature,
}

impl IsTouched {
    fn new(touched: Arc<Touched>) -> Self {
        Self { touched, signature: Signature::variadic_any(Volatility::Immutable) }
    }
}

impl PartialEq for IsTouched {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.touched, &other.touched)
    }
}

impl Eq for IsTouched {}

impl Hash for IsTouched {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.touched).hash(state);
    }
}

impl ScalarUDFImpl for IsTouched {
    fn name(&self) -> &'static str {
        "is_touched"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> DfResult<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        Ok(ColumnarValue::Array(Arc::new(self.touched.test(&columns))))
    }
}
