//! Brings a plan to PostgreSQL's types: bottom up, each node's expressions are typed anew over the final
//! types of its inputs, literals of unknown type get the type that their place asks for, operators and
//! functions are bound to the types of their arguments.
//!
//! The types that DataFusion's planner saw on the way are guesses. Resolving a resolved plan changes
//! nothing.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::catalog::cte_worktable::CteWorkTable;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DFSchemaRef, NullEquality};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{grouping_set_to_exprlist, merge_schema};
use datafusion::logical_expr::{
    Distinct, Expr, GroupingSet, Join, JoinType, LogicalPlan, Projection, RecursiveQuery,
    TableScanBuilder, Union, Values, lit,
};
use datafusion::scalar::ScalarValue;
use weir_connect::value::FormatSettings;
use weir_delta::schema;
use weir_types::{Error, Result, SqlState, SqlType};

use super::error::to_error;
use super::expression::Resolver;
use super::typing::{Typed, condition, convert, into_exactly, mismatch, to_common, type_of};
use crate::functions::cast::{FINAL_FIELD, native};
use crate::functions::coercion::{Context, common_type, element_of, same};
use crate::functions::conditional::AS_NULLABLE;
use crate::functions::scalar::external;
use crate::names::{SUFFIX, wire_name};

/// The plan with all types told.
pub(super) fn resolve(plan: LogicalPlan, settings: &Arc<FormatSettings>) -> Result<LogicalPlan> {
    let plan = open(plan, settings)?;
    settle(plan, settings)
}

/// The plan with all types told, and with outputs of the types of those columns.
pub(super) fn resolve_for_columns(
    plan: LogicalPlan,
    columns: &[Option<(&str, &SqlType)>],
    settings: &Arc<FormatSettings>,
) -> Result<LogicalPlan> {
    let n_outputs = plan.schema().fields().len();
    if n_outputs != columns.len() {
        let more = if n_outputs > columns.len() {
            ("expressions", "target columns")
        } else {
            ("target columns", "expressions")
        };
        return Err(Error::new(
            SqlState::SyntaxError,
            format!("INSERT has more {} than {}", more.0, more.1),
        ));
    }
    let all: Option<Vec<(&str, &SqlType)>> = columns.iter().copied().collect();
    match (plan, all) {
        (LogicalPlan::Values(values), Some(columns)) => assign_values(values, &columns, settings),
        (plan, _) => assign_outputs(open(plan, settings)?, columns, settings),
    }
}

/// A list of values, each brought to the type of its column by itself: `('1'), (2)` is fine.
fn assign_values(
    values: Values,
    columns: &[(&str, &SqlType)],
    settings: &Arc<FormatSettings>,
) -> Result<LogicalPlan> {
    let no_columns = DFSchema::empty();
    let resolver = Resolver { schema: &no_columns, settings };
    let mut rows = Vec::with_capacity(values.values.len());
    for row in values.values {
        let mut assigned = Vec::with_capacity(row.len());
        for (item, column) in row.into_iter().zip(columns) {
            let item = resolver.expr(without_guess(item)).map_err(to_error)?;
            assigned.push(assign(Typed::new(item, &no_columns)?, *column, settings)?);
        }
        rows.push(assigned);
    }
    let fields = values.schema.fields().iter().zip(columns);
    let fields: Vec<_> =
        fields.map(|(field, (_, t))| schema::field(field.name(), t, true)).collect();
    let schema =
        DFSchema::from_unqualified_fields(fields.into(), HashMap::new()).map_err(to_error)?;
    Ok(LogicalPlan::Values(Values { schema: Arc::new(schema), values: rows }))
}

fn assign_outputs(
    plan: LogicalPlan,
    columns: &[Option<(&str, &SqlType)>],
    settings: &Arc<FormatSettings>,
) -> Result<LogicalPlan> {
    let (exprs, input) = match plan {
        LogicalPlan::Projection(projection) => (projection.expr, projection.input),
        other => {
            let outputs = other.schema().columns().into_iter().map(Expr::Column).collect();
            (outputs, Arc::new(settle(other, settings)?))
        }
    };
    let schema = Arc::clone(input.schema());
    let names = NamePreserver::new_for_projection();
    let mut assigned = Vec::with_capacity(exprs.len());
    for (expr, column) in exprs.into_iter().zip(columns) {
        let name = names.save(&expr);
        let typed = Typed::new(expr, &schema)?;
        let expr = match column {
            Some(column) => assign(typed, *column, settings)?,
            None => settled(typed, settings)?,
        };
        assigned.push(name.restore(expr));
    }
    Projection::try_new(assigned, input).map(LogicalPlan::Projection).map_err(to_error)
}

/// The value of a column.
fn assign(
    typed: Typed,
    (name, to): (&str, &SqlType),
    settings: &Arc<FormatSettings>,
) -> Result<Expr> {
    let from = typed.sql_type.clone();
    convert(typed, to, Context::Assignment, settings).map(|typed| typed.expr).map_err(|error| {
        if error.state() != SqlState::CannotCoerce {
            return error;
        }
        Error::new(
            SqlState::DatatypeMismatch,
            format!("column \"{name}\" is of type {to} but expression is of type {from}"),
        )
        .with_hint("You will need to rewrite or cast the expression.")
    })
}

/// The plan with all types told but those of its outputs that are bare literals.
pub(super) fn open(plan: LogicalPlan, settings: &Arc<FormatSettings>) -> Result<LogicalPlan> {
    let plan = recursive_queries(plan, settings)?;
    let plan = open_operands(plan).map_err(to_error)?;
    plan.transform_up(|node| node_of(node, settings).map(Transformed::yes).map_err(external))
        .data()
        .map_err(to_error)
}

fn node_of(node: LogicalPlan, settings: &Arc<FormatSettings>) -> Result<LogicalPlan> {
    let node = match node {
        LogicalPlan::Union(union) => return unite(union, settings),
        LogicalPlan::Values(values) => return list_values(values, settings),
        LogicalPlan::Join(join) if is_set_operation(&join) => match_columns(join, settings)?,
        // A DISTINCT below INTERSECT hides literals from it no more than PostgreSQL does.
        LogicalPlan::Distinct(Distinct::All(input)) => {
            return Ok(LogicalPlan::Distinct(Distinct::All(input)));
        }
        LogicalPlan::Projection(projection) => {
            label_elements(settle_inputs(LogicalPlan::Projection(projection), settings)?)?
        }
        other => settle_inputs(other, settings)?,
    };
    let schema = expression_schema(&node)?;
    let resolver = Resolver { schema: &schema, settings };
    let names = NamePreserver::new(&node);
    let node = node
        .map_expressions(|expr| {
            let expr = match expr {
                Expr::GroupingSet(set) => Expr::GroupingSet(grouping_set(set, &resolver)?),
                expr => {
                    let name = names.save(&expr);
                    name.restore(resolver.expr(expr)?)
                }
            };
            Ok(Transformed::yes(expr))
        })
        .data()
        .map_err(to_error)?;
    let node = grouping_arguments(node).map_err(to_error)?;
    finish(node, &schema, settings)?.recompute_schema().map_err(to_error)
}

/// DataFusion's unnesting hands on the Arrow type of elements, but not their SQL type. The projection
/// over it adds that.
fn label_elements(node: LogicalPlan) -> Result<LogicalPlan> {
    let LogicalPlan::Projection(projection) = &node else { return Ok(node) };
    let LogicalPlan::Unnest(unnest) = projection.input.as_ref() else { return Ok(node) };
    let mut labels: HashMap<String, SqlType> = HashMap::new();
    for (column, output) in &unnest.list_type_columns {
        let list = unnest.input.schema().field(*column);
        let mut sql_type = schema::sql_type(list);
        for _ in 0..output.depth {
            let Some(element) = element_of(&sql_type) else { break };
            sql_type = element;
        }
        if !schema::field("", &sql_type, true).metadata().is_empty() {
            labels.insert(output.output_column.name.clone(), sql_type);
        }
    }
    if labels.is_empty() {
        return Ok(node);
    }
    let names = NamePreserver::new_for_projection();
    node.map_expressions(|expr| {
        let name = names.save(&expr);
        let labelled = expr.transform_down(|expr| match &expr {
            Expr::Cast(cast) if cast.field.name() == FINAL_FIELD => {
                let is_labelled = matches!(cast.expr.as_ref(), Expr::Column(_));
                let next =
                    if is_labelled { TreeNodeRecursion::Jump } else { TreeNodeRecursion::Continue };
                Ok(Transformed::new(expr, false, next))
            }
            Expr::Column(column) => Ok(match labels.get(&column.name) {
                Some(label) => Transformed::new(native(expr, label), true, TreeNodeRecursion::Jump),
                None => Transformed::no(expr),
            }),
            _ => Ok(Transformed::no(expr)),
        })?;
        Ok(labelled.update_data(|expr| name.restore(expr)))
    })
    .data()
    .map_err(to_error)
}

/// The expressions of a grouping set keep their names one by one: the set has none.
fn grouping_set(set: GroupingSet, resolver: &Resolver<'_>) -> DfResult<GroupingSet> {
    let names = NamePreserver::new_for_projection();
    let list = |exprs: Vec<Expr>| -> DfResult<Vec<Expr>> {
        exprs
            .into_iter()
            .map(|expr| {
                let name = names.save(&expr);
                Ok(name.restore(resolver.expr(expr)?))
            })
            .collect()
    };
    Ok(match set {
        GroupingSet::Rollup(exprs) => GroupingSet::Rollup(list(exprs)?),
        GroupingSet::Cube(exprs) => GroupingSet::Cube(list(exprs)?),
        GroupingSet::GroupingSets(sets) => {
            GroupingSet::GroupingSets(sets.into_iter().map(list).collect::<DfResult<_>>()?)
        }
    })
}

/// Gives the arguments of `grouping()` the names of the grouped expressions that they are: what their types
/// changed in both keeps its old name only there.
fn grouping_arguments(node: LogicalPlan) -> DfResult<LogicalPlan> {
    let LogicalPlan::Aggregate(aggregate) = &node else { return Ok(node) };
    let grouped: Vec<Expr> =
        grouping_set_to_exprlist(&aggregate.group_expr)?.into_iter().cloned().collect();
    let names = NamePreserver::new(&node);
    let named = |arg: Expr| {
        let known = grouped.iter().find(|known| Expr::clone(known).unalias() == arg);
        known.cloned().unwrap_or(arg)
    };
    node.map_expressions(|expr| {
        let name = names.save(&expr);
        let told = expr.transform_up(|expr| match expr {
            Expr::AggregateFunction(mut call) if call.func.name() == "grouping" => {
                call.params.args = call.params.args.into_iter().map(named).collect();
                Ok(Transformed::yes(Expr::AggregateFunction(call)))
            }
            expr => Ok(Transformed::no(expr)),
        })?;
        Ok(told.update_data(|expr| name.restore(expr)))
    })
    .data()
}

/// The columns that expressions of the node can name.
fn expression_schema(node: &LogicalPlan) -> Result<DFSchema> {
    let mut schema = merge_schema(&node.inputs());
    if let LogicalPlan::TableScan(scan) = node {
        let source =
            DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())
                .map_err(to_error)?;
        schema.merge(&source);
    }
    Ok(schema)
}

/// What the clauses of a node ask of the types of their expressions.
fn finish(
    node: LogicalPlan,
    schema: &DFSchema,
    settings: &Arc<FormatSettings>,
) -> Result<LogicalPlan> {
    match node {
        LogicalPlan::Filter(mut filter) => {
            let what = if is_having(&filter.input) { "HAVING" } else { "WHERE" };
            no_window(&filter.predicate, what)?;
            filter.predicate = condition(filter.predicate, what, schema, settings)?;
            Ok(LogicalPlan::Filter(filter))
        }
        LogicalPlan::Limit(mut limit) => {
            for bound in [&mut limit.skip, &mut limit.fetch] {
                if let Some(expr) = bound.take() {
                    *bound = Some(Box::new(row_count(*expr, schema, settings)?));
                }
            }
            Ok(LogicalPlan::Limit(limit))
        }
        LogicalPlan::Sort(mut sort) => {
            let resolver = Resolver { schema, settings };
            sort.expr = resolver.sort_keys(sort.expr)?;
            Ok(LogicalPlan::Sort(sort))
        }
        LogicalPlan::Distinct(Distinct::On(mut distinct)) => {
            // DataFusion wants the first keys of the order to be what is distinct.
            let resolver = Resolver { schema, settings };
            let mut keys: Vec<Expr> = Vec::new();
            for key in resolver.keys(distinct.on_expr)? {
                // A key that comes twice it takes for two outputs of one name.
                if !keys.contains(&key) {
                    keys.push(key);
                }
            }
            distinct.on_expr = keys;
            distinct.sort_expr =
                distinct.sort_expr.map(|keys| resolver.sort_keys(keys)).transpose()?;
            Ok(LogicalPlan::Distinct(Distinct::On(distinct)))
        }
        LogicalPlan::Join(mut join) => {
            let resolver = Resolver { schema, settings };
            let mut on = Vec::with_capacity(join.on.len());
            for (left, right) in join.on {
                on.push(resolver.equal_pair(left, right)?);
            }
            join.on = on;
            if let Some(filter) = join.filter.take() {
                no_window(&filter, "JOIN conditions")?;
                join.filter = Some(condition(filter, "JOIN/ON", schema, settings)?);
            }
            Ok(LogicalPlan::Join(join))
        }
        other => Ok(other),
    }
}

/// Window functions are computed over the rows that conditions have left.
fn no_window(condition: &Expr, place: &str) -> Result<()> {
    let is_window = |expr: &Expr| Ok(matches!(expr, Expr::WindowFunction(_)));
    if condition.exists(is_window).map_err(to_error)? {
        return Err(Error::new(
            SqlState::WindowingError,
            format!("window functions are not allowed in {place}"),
        ));
    }
    Ok(())
}

/// More rows than any query has. DataFusion adds LIMIT and OFFSET up, without a look at the largest number.
const ROW_COUNT_MAX: i64 = 1 << 52;

/// The number of rows of a LIMIT or OFFSET.
fn row_count(expr: Expr, schema: &DFSchema, settings: &Arc<FormatSettings>) -> Result<Expr> {
    let count = match &expr {
        Expr::Literal(ScalarValue::Int32(Some(count)), None) => Some(i64::from(*count)),
        Expr::Literal(ScalarValue::Int64(Some(count)), None) => Some(*count),
        Expr::Literal(ScalarValue::Decimal128(Some(digits), _, scale), None) => {
            Some(rounded(*digits, *scale)?)
        }
        _ => None,
    };
    match count {
        Some(count) => Ok(lit(count.min(ROW_COUNT_MAX))),
        None => into_exactly(Typed::new(expr, schema)?, &SqlType::Int8, settings),
    }
}

/// A decimal number as the nearest `bigint`, halves away from zero.
fn rounded(digits: i128, scale: i8) -> Result<i64> {
    let unit = u32::try_from(scale).ok().and_then(|scale| 10_i128.checked_pow(scale));
    let rounded = unit.and_then(|unit| {
        let rest = digits % unit;
        let away = if rest.abs() >= unit - rest.abs() { digits.signum() } else { 0 };
        i64::try_from(digits / unit + away).ok()
    });
    rounded.ok_or_else(|| Error::new(SqlState::NumericValueOutOfRange, "bigint out of range"))
}

fn is_having(input: &LogicalPlan) -> bool {
    matches!(input, LogicalPlan::Aggregate(_))
}

/// Literals of unknown type among the outputs of a query are text.
pub(super) fn settle(plan: LogicalPlan, settings: &Arc<FormatSettings>) -> Result<LogicalPlan> {
    let LogicalPlan::Projection(projection) = plan else {
        return match plan {
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let input = settle(Arc::unwrap_or_clone(input), settings)?;
                Ok(LogicalPlan::Distinct(Distinct::All(Arc::new(input))))
            }
            other => Ok(other),
        };
    };
    let schema = Arc::clone(projection.input.schema());
    let mut is_open = false;
    for expr in &projection.expr {
        is_open |= type_of(expr, &schema)? == SqlType::Unknown;
    }
    if !is_open {
        return Ok(LogicalPlan::Projection(projection));
    }
    let names = NamePreserver::new_for_projection();
    let mut exprs = Vec::with_capacity(projection.expr.len());
    for expr in projection.expr {
        let name = names.save(&expr);
        let typed = Typed::new(expr, &schema)?;
        exprs.push(name.restore(settled(typed, settings)?));
    }
    let projection = Projection::try_new(exprs, projection.input).map_err(to_error)?;
    Ok(LogicalPlan::Projection(projection))
}

/// An output, as text where its type is open.
fn settled(typed: Typed, settings: &Arc<FormatSettings>) -> Result<Expr> {
    if typed.sql_type != SqlType::Unknown {
        return Ok(typed.expr);
    }
    Ok(convert(typed, &SqlType::Text, Context::Implicit, settings)?.expr)
}

fn settle_inputs(node: LogicalPlan, settings: &Arc<FormatSettings>) -> Result<LogicalPlan> {
    node.map_children(|input| settle(input, settings).map(Transformed::yes).map_err(external))
        .data()
        .map_err(to_error)
}

/// The types of a query's outputs; unknown for bare literals.
fn output_types(plan: &LogicalPlan) -> Result<Vec<SqlType>> {
    match plan {
        LogicalPlan::Projection(projection) => {
            let schema = projection.input.schema();
            projection.expr.iter().map(|expr| type_of(expr, schema)).collect()
        }
        LogicalPlan::Distinct(Distinct::All(input)) => output_types(input),
        other => Ok(other.schema().fields().iter().map(|field| schema::sql_type(field)).collect()),
    }
}

/// The query with outputs of just those types. Names stay.
pub(super) fn with_output_types(
    plan: LogicalPlan,
    types: &[SqlType],
    settings: &Arc<FormatSettings>,
) -> Result<LogicalPlan> {
    if output_types(&plan)? == types {
        return Ok(plan);
    }
    let (exprs, input) = match plan {
        LogicalPlan::Distinct(Distinct::All(input)) => {
            let input = with_output_types(Arc::unwrap_or_clone(input), types, settings)?;
            return Ok(LogicalPlan::Distinct(Distinct::All(Arc::new(input))));
        }
        LogicalPlan::Projection(projection) => (projection.expr, projection.input),
        other => {
            let columns = other.schema().columns().into_iter().map(Expr::Column).collect();
            (columns, Arc::new(other))
        }
    };
    let schema = Arc::clone(input.schema());
    let names = NamePreserver::new_for_projection();
    let mut converted = Vec::with_capacity(exprs.len());
    for (expr, to) in exprs.into_iter().zip(types) {
        let name = names.save(&expr);
        converted.push(name.restore(into_exactly(Typed::new(expr, &schema)?, to, settings)?));
    }
    Projection::try_new(converted, input).map(LogicalPlan::Projection).map_err(to_error)
}

fn unite(union: Union, settings: &Arc<FormatSettings>) -> Result<LogicalPlan> {
    let mut columns: Vec<Vec<SqlType>> = Vec::new();
    for input in &union.inputs {
        columns.push(output_types(input)?);
    }
    let mut types = Vec::with_capacity(union.schema.fields().len());
    for column in 0..union.schema.fields().len() {
        let of_inputs: Vec<SqlType> = columns.iter().map(|types| types[column].clone()).collect();
        types.push(common_type(&of_inputs).ok_or_else(|| mismatch(&of_inputs, "UNION"))?);
    }
    let mut inputs = Vec::with_capacity(union.inputs.len());
    for input in union.inputs {
        let mut input = with_output_types(Arc::unwrap_or_clone(input), &types, settings)?;
        // DataFusion's optimizer asks for the columns of a union by its names where one input is left of it, and where
        // it makes one union of several.
        let mut names = input.schema().fields().iter().zip(union.schema.fields());
        if names.any(|(own, field)| own.name() != field.name()) {
            input = with_names(input, &union.schema).map_err(to_error)?;
        }
        inputs.push(Arc::new(input));
    }
    let fields =
        union.schema.iter().zip(&types).enumerate().map(|(column, ((qualifier, field), t))| {
            let is_nullable = inputs.iter().any(|input| input.schema().field(column).is_nullable());
            (qualifier.cloned(), Arc::new(schema::field(field.name(), t, is_nullable)))
        });
    let schema = DFSchema::new_with_metadata(fields.collect(), HashMap::new()).map_err(to_error)?;
    Ok(LogicalPlan::Union(Union { inputs, schema: Arc::new(schema) }))
}

/// DataFusion plans INTERSECT and EXCEPT as joins on all columns that take NULL for equal to NULL.
pub(super) fn is_set_operation(join: &Join) -> bool {
    matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti)
        && join.null_equality == NullEquality::NullEqualsNull
        && join.filter.is_none()
        && join.on.len() == join.left.schema().fields().len()
}

/// The query with outputs of the names in the schema, its qualifiers included.
fn with_names(plan: LogicalPlan, schema: &DFSchema) -> DfResult<LogicalPlan> {
    let (exprs, input) = match plan {
        LogicalPlan::Distinct(Distinct::All(input)) => {
            let input = with_names(Arc::unwrap_or_clone(input), schema)?;
            return Ok(LogicalPlan::Distinct(Distinct::All(Arc::new(input))));
        }
        LogicalPlan::Projection(projection) => (projection.expr, projection.input),
        other => {
            let columns = other.schema().columns().into_iter().map(Expr::Column).collect();
            (columns, Arc::new(other))
        }
    };
    let named = exprs
        .into_iter()
        .zip(schema.columns())
        .map(|(expr, name)| expr.unalias().alias_qualified(name.relation, name.name));
    Projection::try_new(named.collect(), input).map(LogicalPlan::Projection)
}

/// DataFusion gives the sides of INTERSECT and EXCEPT an alias where they have columns of one name. As names of the
/// outputs it does not hide literals of open type.
fn open_operands(plan: LogicalPlan) -> DfResult<LogicalPlan> {
    plan.transform_down(|node| match node {
        LogicalPlan::Join(mut join) if is_set_operation(&join) => {
            join.left = Arc::new(without_alias(Arc::unwrap_or_clone(join.left))?);
            join.right = Arc::new(without_alias(Arc::unwrap_or_clone(join.right))?);
            Ok(Transformed::yes(LogicalPlan::Join(join)))
        }
        other => Ok(Transformed::no(other)),
    })
    .data()
}

fn without_alias(plan: LogicalPlan) -> DfResult<LogicalPlan> {
    match plan {
        LogicalPlan::Distinct(Distinct::All(input)) => {
            let input = without_alias(Arc::unwrap_or_clone(input))?;
            Ok(LogicalPlan::Distinct(Distinct::All(Arc::new(input))))
        }
        LogicalPlan::SubqueryAlias(alias)
            if matches!(alias.input.as_ref(), LogicalPlan::Projection(_)) =>
        {
            with_names(Arc::unwrap_or_clone(alias.input), &alias.schema)
        }
        other => Ok(other),
    }
}

fn match_columns(mut join: Join, settings: &Arc<FormatSettings>) -> Result<LogicalPlan> {
    let what = if join.join_type == JoinType::LeftSemi { "INTERSECT" } else { "EXCEPT" };
    let (left, right) = (output_types(&join.left)?, output_types(&join.right)?);
    let mut types = Vec::with_capacity(left.len());
    for (left, right) in left.into_iter().zip(right) {
        let pair = [left, right];
        types.push(common_type(&pair).ok_or_else(|| mismatch(&pair, what))?);
    }
    join.left = Arc::new(with_output_types(Arc::unwrap_or_clone(join.left), &types, settings)?);
    join.right = Arc::new(with_output_types(Arc::unwrap_or_clone(join.right), &types, settings)?);
    Ok(LogicalPlan::Join(join))
}

fn list_values(values: Values, settings: &Arc<FormatSettings>) -> Result<LogicalPlan> {
    let no_columns = DFSchema::empty();
    let resolver = Resolver { schema: &no_columns, settings };
    let n_columns = values.schema.fields().len();
    let mut columns: Vec<Vec<Typed>> = vec![Vec::with_capacity(values.values.len()); n_columns];
    for row in values.values {
        for (column, item) in columns.iter_mut().zip(row) {
            let item = resolver.expr(without_guess(item)).map_err(to_error)?;
            column.push(Typed::new(item, &no_columns)?);
        }
    }
    let mut fields = Vec::with_capacity(n_columns);
    let mut rows: Vec<Vec<Expr>> = vec![Vec::with_capacity(n_columns); columns[0].len()];
    for (column, field) in columns.into_iter().zip(values.schema.fields()) {
        let (items, sql_type) = to_common(column, "VALUES", settings)?;
        fields.push(schema::field(field.name(), &sql_type, true));
        for (row, item) in rows.iter_mut().zip(items) {
            row.push(item);
        }
    }
    let schema =
        DFSchema::from_unqualified_fields(fields.into(), HashMap::new()).map_err(to_error)?;
    Ok(LogicalPlan::Values(Values { schema: Arc::new(schema), values: rows }))
}

/// DataFusion casts the items of VALUES to the type that it takes for the common one.
fn without_guess(item: Expr) -> Expr {
    match item {
        Expr::Cast(cast) if cast.field.name().is_empty() => *cast.expr,
        other => other,
    }
}

/// DataFusion casts the outputs of a recursive term to the types that it takes for those of the other one.
fn without_guesses(plan: LogicalPlan) -> Result<LogicalPlan> {
    let LogicalPlan::Projection(Projection { expr, input, .. }) = plan else { return Ok(plan) };
    let names = NamePreserver::new_for_projection();
    let exprs = expr.into_iter().map(|expr| {
        let name = names.save(&expr);
        name.restore(without_guess(expr.unalias()))
    });
    Projection::try_new(exprs.collect(), input).map(LogicalPlan::Projection).map_err(to_error)
}

/// The recursive term of a query sees the final types of the other one.
fn recursive_queries(plan: LogicalPlan, settings: &Arc<FormatSettings>) -> Result<LogicalPlan> {
    let plan = apart(plan)?;
    plan.transform_down(|node| {
        let LogicalPlan::RecursiveQuery(query) = node else { return Ok(Transformed::no(node)) };
        let query = recursive_query(query, settings).map_err(external)?;
        Ok(Transformed::yes(LogicalPlan::RecursiveQuery(query)))
    })
    .data()
    .map_err(to_error)
}

fn recursive_query(
    query: RecursiveQuery,
    settings: &Arc<FormatSettings>,
) -> Result<RecursiveQuery> {
    let RecursiveQuery { name, static_term, recursive_term, is_distinct, .. } = query;
    let static_term = nullable(resolve(Arc::unwrap_or_clone(static_term), settings)?, settings)?;
    let types = output_types(&static_term)?;
    let recursive = rescan(Arc::unwrap_or_clone(recursive_term), &name, static_term.schema())?;
    let recursive = open(without_guesses(recursive)?, settings)?;
    for (column, (found, wanted)) in output_types(&recursive)?.iter().zip(&types).enumerate() {
        let overall = common_type(&[found.clone(), wanted.clone()]);
        let is_wider = match wanted {
            // Rows that have passed once would be cut, or refused.
            SqlType::Varchar(Some(_)) | SqlType::Char(Some(_)) => overall.as_ref() != Some(wanted),
            _ => {
                *found != SqlType::Unknown
                    && !same(found, wanted)
                    && overall.as_ref() != Some(wanted)
            }
        };
        if is_wider {
            let overall = overall.as_ref().unwrap_or(found);
            return Err(Error::new(
                SqlState::DatatypeMismatch,
                format!(
                    "recursive query \"{}\" column {} has type {wanted} in non-recursive term but \
                     type {overall} overall",
                    wire_name(&name),
                    column + 1
                ),
            )
            .with_hint("Cast the output of the non-recursive term to the correct type."));
        }
    }
    let recursive = nullable(with_output_types(recursive, &types, settings)?, settings)?;
    RecursiveQuery::try_new(name, Arc::new(static_term), Arc::new(recursive), is_distinct)
        .map_err(to_error)
}

/// The plan with outputs that can be NULL. Of a term's word that it gives no NULL, what DataFusion executes may know
/// nothing (`grouping()`, for one), and the work table has one schema for both terms.
fn nullable(plan: LogicalPlan, settings: &Arc<FormatSettings>) -> Result<LogicalPlan> {
    let schema = Arc::clone(plan.schema());
    if schema.fields().iter().all(|field| field.is_nullable()) {
        return Ok(plan);
    }
    let resolver = Resolver { schema: &schema, settings };
    let outputs = schema.columns().into_iter().zip(schema.fields()).map(|(column, field)| {
        let output = Expr::Column(column.clone());
        if field.is_nullable() {
            return Ok(output);
        }
        let output = resolver.call(AS_NULLABLE, vec![output])?;
        Ok(output.alias_qualified(column.relation, column.name))
    });
    let outputs = outputs.collect::<Result<Vec<_>>>()?;
    Projection::try_new(outputs, Arc::new(plan)).map(LogicalPlan::Projection).map_err(to_error)
}

/// Recursive queries inside each other have different names: DataFusion finds a work table by its name, and a view may
/// have the same names in it as a query that reads it.
fn apart(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::RecursiveQuery(query) = node else { return Ok(Transformed::no(node)) };
        let RecursiveQuery { name, static_term, recursive_term, is_distinct, .. } = query;
        let depth = depth(&recursive_term)?.max(depth(&static_term)?);
        let own = format!("{}{SUFFIX}{depth}", wire_name(&name));
        let term = Arc::unwrap_or_clone(recursive_term);
        let term = work_tables(term, &name, |table| CteWorkTable::new(&own, table.schema()))?;
        let query = RecursiveQuery::try_new(own, static_term, Arc::new(term), is_distinct)?;
        Ok(Transformed::yes(LogicalPlan::RecursiveQuery(query)))
    })
    .data()
    .map_err(to_error)
}

/// How many recursive queries are inside each other.
fn depth(plan: &LogicalPlan) -> DfResult<usize> {
    let mut deepest = 0;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::RecursiveQuery(query) = node {
            let known = query.name.rsplit(SUFFIX).next().and_then(|depth| depth.parse().ok());
            deepest = deepest.max(known.unwrap_or(0) + 1);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(deepest)
}

/// The plan with its scans of the work table of that name over another schema.
fn rescan(plan: LogicalPlan, name: &str, schema: &DFSchemaRef) -> Result<LogicalPlan> {
    let columns = Arc::clone(schema.inner());
    work_tables(plan, name, |_| CteWorkTable::new(name, Arc::clone(&columns))).map_err(to_error)
}

/// The plan with the work table of that name exchanged.
fn work_tables(
    plan: LogicalPlan,
    name: &str,
    exchange: impl Fn(&CteWorkTable) -> CteWorkTable,
) -> DfResult<LogicalPlan> {
    plan.transform_down_with_subqueries(|node| {
        let LogicalPlan::TableScan(scan) = &node else { return Ok(Transformed::no(node)) };
        let Ok(provider) = source_as_provider(&scan.source) else {
            return Ok(Transformed::no(node));
        };
        let Some(table) =
            provider.downcast_ref::<CteWorkTable>().filter(|table| table.name() == name)
        else {
            return Ok(Transformed::no(node));
        };
        let source = provider_as_source(Arc::new(exchange(table)));
        let scan = TableScanBuilder::new(scan.table_name.clone(), source)
            .with_projection(scan.projection.clone())
            .build()?;
        Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
    })
    .data()
}
