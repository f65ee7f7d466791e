//! The distinct outer values of a dependent join, and how they are carried through a plan. Values that nothing but
//! equality makes one are several: a subquery may ask for what tells them apart.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, JoinConstraint, JoinType, NullEquality, not_impl_err};
use datafusion::error::Result;
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::expr::{
    AggregateFunction, Exists, InSubquery, SetComparison, WindowFunction,
};
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, ExprFunctionExt, ExprSchemable, FetchType, Filter, Join, Limit,
    LogicalPlan, LogicalPlanBuilder, Projection, SkipType, Sort, Subquery, Unnest, Window, lit,
    when,
};
use datafusion::scalar::ScalarValue;

use super::as_is::{as_is, distinct_as_is, group_as_is};
use super::row_key::row_key;
use super::subquery::{plan_of, replace_subqueries};
use super::{FreshNames, alias_plan, has_column, outer_columns, project_columns};

/// The distinct values of some columns of an outer plan.
pub(super) struct Domain<'n> {
    /// Gives the distinct values, in columns of fresh names.
    plan: LogicalPlan,
    outer: Vec<Column>,
    names: &'n FreshNames,
}

impl<'n> Domain<'n> {
    pub(super) fn new(
        outer_plan: &LogicalPlan,
        outer: Vec<Column>,
        names: &'n FreshNames,
    ) -> Result<Self> {
        if outer.is_empty() {
            let plan = LogicalPlanBuilder::empty(true).build()?;
            return Ok(Self { plan, outer, names });
        }
        let mut domain = Self::of_rows(outer_plan.clone(), outer, names)?;
        let keys = domain.plan.schema().columns();
        domain.plan = distinct_as_is(domain.plan, &keys)?;
        Ok(domain)
    }

    /// Not the distinct values, but each row's: for plans whose rows follow from one value alone.
    pub(super) fn of_rows(
        outer_plan: LogicalPlan,
        outer: Vec<Column>,
        names: &'n FreshNames,
    ) -> Result<Self> {
        let prefix = names.make();
        let keys = outer
            .iter()
            .enumerate()
            .map(|(i, column)| Expr::Column(column.clone()).alias(format!("{prefix}_{i}")));
        let plan = LogicalPlanBuilder::from(outer_plan).project(keys)?.build()?;
        Ok(Self { plan, outer, names })
    }

    /// The outer columns, in the order of the keys.
    pub(super) fn outer(&self) -> &[Column] {
        &self.outer
    }

    /// The domain as a relation of its own, and its key columns.
    pub(super) fn relation(&self) -> Result<(LogicalPlan, Vec<Column>)> {
        if self.outer.is_empty() {
            return Ok((self.plan.clone(), Vec::new()));
        }
        let name = self.names.make();
        let plan = alias_plan(self.plan.clone(), name.as_str())?;
        let keys = plan.schema().columns();
        Ok((plan, keys))
    }

    fn is_used_by(&self, plan: &LogicalPlan) -> bool {
        outer_columns(plan).iter().any(|column| self.outer.contains(column))
    }

    fn is_used_in(&self, expr: &Expr) -> bool {
        expr.exists(|expr| {
            Ok(match expr {
                Expr::OuterReferenceColumn(_, column) => self.outer.contains(column),
                other => plan_of(other).is_some_and(|plan| self.is_used_by(plan)),
            })
        })
        .expect("the visitor gives no error")
    }

    /// The expression with outer columns replaced by the key columns. In a nested subquery they stay
    /// outer columns, of the input that now has the keys.
    fn bind(&self, expr: Expr, keys: &[Column]) -> Result<Expr> {
        let key_of = |column: &Column| {
            self.outer.iter().position(|outer| outer == column).map(|i| keys[i].clone())
        };
        let bind_nested = |subquery: Subquery| bind_in_subquery(subquery, &key_of);
        let bound = expr.transform(|expr| {
            Ok(match expr {
                Expr::OuterReferenceColumn(field, column) => match key_of(&column) {
                    Some(key) => Transformed::yes(Expr::Column(key)),
                    None => Transformed::no(Expr::OuterReferenceColumn(field, column)),
                },
                Expr::ScalarSubquery(subquery) => {
                    Transformed::yes(Expr::ScalarSubquery(bind_nested(subquery)?))
                }
                Expr::Exists(exists) => Transformed::yes(Expr::Exists(Exists {
                    subquery: bind_nested(exists.subquery)?,
                    negated: exists.negated,
                })),
                Expr::InSubquery(test) => Transformed::yes(Expr::InSubquery(InSubquery {
                    subquery: bind_nested(test.subquery)?,
                    ..test
                })),
                Expr::SetComparison(test) => Transformed::yes(Expr::SetComparison(SetComparison {
                    subquery: bind_nested(test.subquery)?,
                    ..test
                })),
                other => Transformed::no(other),
            })
        })?;
        Ok(bound.data)
    }

    fn bind_all(&self, exprs: Vec<Expr>, keys: &[Column]) -> Result<Vec<Expr>> {
        exprs.into_iter().map(|expr| self.bind(expr, keys)).collect()
    }

    /// The plan run for every value of the domain: its own columns first, then the key columns,
    /// which are returned.
    pub(super) fn push_into(&mut self, plan: LogicalPlan) -> Result<(LogicalPlan, Vec<Column>)> {
        if !self.is_used_by(&plan) {
            return self.cross(plan);
        }
        match plan {
            LogicalPlan::Projection(node) => self.push_into_projection(node),
            LogicalPlan::Filter(node) => {
                let (input, keys) = self.push_into(Arc::unwrap_or_clone(node.input))?;
                let predicate = self.bind(node.predicate, &keys)?;
                let filter = Filter::try_new(predicate, Arc::new(input))?;
                Ok((replace_subqueries(LogicalPlan::Filter(filter), self.names)?, keys))
            }
            LogicalPlan::Subquery(node) => self.push_into(Arc::unwrap_or_clone(node.subquery)),
            LogicalPlan::SubqueryAlias(node) => {
                let (input, keys) = self.push_into(Arc::unwrap_or_clone(node.input))?;
                // Keys lose their qualifier below the alias: give them names of their own first.
                let (input, names) = rename_keys(input, &keys, self.names)?;
                let plan = alias_plan(input, node.alias.clone())?;
                let alias = |name: String| Column::new(Some(node.alias.clone()), name);
                Ok((plan, names.into_iter().map(alias).collect()))
            }
            LogicalPlan::Sort(node) => {
                let (input, keys) = self.push_into(Arc::unwrap_or_clone(node.input))?;
                let mut order = node.expr;
                for sort in &mut order {
                    sort.expr = self.bind(sort.expr.clone(), &keys)?;
                }
                let sort = Sort { expr: order, input: Arc::new(input), fetch: node.fetch };
                Ok((replace_subqueries(LogicalPlan::Sort(sort), self.names)?, keys))
            }
            LogicalPlan::Aggregate(node) => self.push_into_aggregate(node),
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let (input, keys) = self.push_into(Arc::unwrap_or_clone(input))?;
                Ok((distinct_as_is(input, &keys)?, keys))
            }
            LogicalPlan::Limit(node) => self.push_into_limit(node),
            LogicalPlan::Window(node) => self.push_into_window(node),
            LogicalPlan::Unnest(node) => self.push_into_unnest(node),
            LogicalPlan::Join(node) => self.push_into_join(node),
            LogicalPlan::Union(node) => {
                let mut inputs = Vec::with_capacity(node.inputs.len());
                let mut n_keys = 0;
                for input in node.inputs {
                    let (input, keys) = self.push_into(Arc::unwrap_or_clone(input))?;
                    n_keys = keys.len();
                    inputs.push(Arc::new(rename_keys(input, &keys, self.names)?.0));
                }
                let union = datafusion::logical_expr::Union::try_new_with_loose_types(inputs)?;
                let columns = union.schema.columns();
                let keys = columns[columns.len() - n_keys..].to_vec();
                Ok((LogicalPlan::Union(union), keys))
            }
            other => not_impl_err!("a correlated subquery over {}", other.display()),
        }
    }

    fn cross(&self, plan: LogicalPlan) -> Result<(LogicalPlan, Vec<Column>)> {
        if self.outer.is_empty() {
            return Ok((plan, Vec::new()));
        }
        let (domain, keys) = self.relation()?;
        let plan = match plan {
            plan if is_one_row(&plan) => return Ok((domain, keys)),
            // Its literals stay outputs.
            LogicalPlan::Projection(Projection { mut expr, input, .. }) if is_one_row(&input) => {
                expr.extend(keys.iter().cloned().map(Expr::Column));
                let plan = Projection::try_new(expr, Arc::new(domain))?;
                return Ok((LogicalPlan::Projection(plan), keys));
            }
            plan => plan,
        };
        let plan = LogicalPlanBuilder::from(plan).cross_join(domain)?.build()?;
        Ok((plan, keys))
    }

    fn push_into_projection(&mut self, node: Projection) -> Result<(LogicalPlan, Vec<Column>)> {
        let columns = node.schema.columns();
        let (input, keys) = self.push_into(Arc::unwrap_or_clone(node.input))?;
        let mut exprs = Vec::with_capacity(node.expr.len() + keys.len());
        for (expr, column) in node.expr.into_iter().zip(columns) {
            let bound = self.bind(expr.clone(), &keys)?;
            // A name made of the expression's text must not change with it.
            exprs.push(if bound == expr {
                bound
            } else {
                bound.unalias().alias_qualified(column.relation, column.name)
            });
        }
        exprs.extend(keys.iter().cloned().map(Expr::Column));
        let plan = Projection::try_new(exprs, Arc::new(input))?;
        Ok((replace_subqueries(LogicalPlan::Projection(plan), self.names)?, keys))
    }

    fn push_into_aggregate(&mut self, node: Aggregate) -> Result<(LogicalPlan, Vec<Column>)> {
        if node.aggr_expr.iter().any(is_of_outer) {
            return not_impl_err!(
                "an aggregate in a subquery over columns of the outer query alone is not supported"
            );
        }
        let columns = node.schema.columns();
        let (input, keys) = self.push_into(Arc::unwrap_or_clone(node.input))?;
        let is_scalar = node.group_expr.is_empty();
        let mut groups = self.bind_all(node.group_expr, &keys)?;
        if groups.iter().any(|expr| matches!(expr, Expr::GroupingSet(_))) {
            return not_impl_err!("a correlated subquery with grouping sets");
        }
        groups.extend(keys.iter().map(group_as_is));
        let defaults = node
            .aggr_expr
            .iter()
            .map(|expr| empty_value(expr, &input))
            .collect::<Result<Vec<_>>>()?;
        let aggregates = self.bind_all(node.aggr_expr, &keys)?;
        let plan = Aggregate::try_new(Arc::new(input), groups, aggregates)?;
        // Same columns as before, under the same names, then the keys.
        let made = plan.schema.columns();
        let n_groups = made.len() - keys.len() - defaults.len();
        let of = |i: usize| if i < n_groups { i } else { i + keys.len() };
        let plan = replace_subqueries(LogicalPlan::Aggregate(plan), self.names)?;
        if !is_scalar {
            let shown = columns.iter().enumerate().map(|(i, column)| {
                Expr::Column(made[of(i)].clone())
                    .alias_qualified(column.relation.clone(), column.name.clone())
            });
            let shown = shown.chain(keys.iter().cloned().map(Expr::Column)).collect();
            let plan = Projection::try_new(shown, Arc::new(plan))?;
            return Ok((LogicalPlan::Projection(plan), keys));
        }
        self.fill_empty_groups(plan, &keys, &columns, &made[keys.len()..], defaults)
    }

    /// An aggregate without GROUP BY gives a row for every value of the domain, also for those
    /// without input rows.
    fn fill_empty_groups(
        &self,
        aggregate: LogicalPlan,
        keys: &[Column],
        columns: &[Column],
        made: &[Column],
        defaults: Vec<ScalarValue>,
    ) -> Result<(LogicalPlan, Vec<Column>)> {
        let marker = Column::new_unqualified(self.names.make());
        let found = aggregate.schema().columns().into_iter().map(Expr::Column);
        let found = found.chain([lit(true).alias(&marker.name)]);
        let aggregate = LogicalPlanBuilder::from(aggregate).project(found)?.build()?;
        let (domain, all_keys) = self.relation()?;
        let joined = join_domain(domain, aggregate, &all_keys, keys, None, JoinType::Left)?;
        let mut shown = Vec::with_capacity(columns.len() + all_keys.len());
        for ((column, made), default) in columns.iter().zip(made).zip(defaults) {
            let value = Expr::Column(made.clone());
            let value = if default.is_null() {
                value
            } else {
                when(Expr::Column(marker.clone()).is_null(), lit(default)).otherwise(value)?
            };
            shown.push(value.alias_qualified(column.relation.clone(), column.name.clone()));
        }
        shown.extend(all_keys.iter().cloned().map(Expr::Column));
        let plan = Projection::try_new(shown, Arc::new(joined))?;
        Ok((LogicalPlan::Projection(plan), all_keys))
    }

    /// LIMIT counts rows for each value of the domain.
    fn push_into_limit(&mut self, node: Limit) -> Result<(LogicalPlan, Vec<Column>)> {
        let (SkipType::Literal(skip), FetchType::Literal(fetch)) =
            (node.get_skip_type()?, node.get_fetch_type()?)
        else {
            return not_impl_err!("a correlated subquery with an expression in LIMIT");
        };
        // The sort is below the projection where it needs columns that are no outputs: the rows are counted there.
        if let LogicalPlan::Projection(projection) = node.input.as_ref()
            && is_over_sort(&projection.input)
        {
            let Projection { expr, input, schema, .. } = projection.clone();
            let limit = Arc::new(LogicalPlan::Limit(Limit { input, ..node }));
            let counted = Projection::try_new_with_schema(expr, limit, schema)?;
            return self.push_into(LogicalPlan::Projection(counted));
        }
        let (input, keys) = self.push_into(Arc::unwrap_or_clone(node.input))?;
        let order = match &input {
            LogicalPlan::Sort(sort) => sort.expr.clone(),
            _ => Vec::new(),
        };
        let columns = input.schema().columns();
        let number =
            row_number().partition_by(keys.iter().map(as_is).collect()).order_by(order).build()?;
        let name = self.names.make();
        let number_column = Expr::Column(Column::new_unqualified(name.as_str()));
        let shown = columns.iter().cloned().map(Expr::Column);
        let window = Window::try_new(vec![number], Arc::new(input))?;
        let made = window.schema.columns().pop().expect("a window function adds a column");
        let plan = LogicalPlanBuilder::from(LogicalPlan::Window(window))
            .project(shown.chain([Expr::Column(made).alias(name)]))?;
        let mut kept = number_column.clone().gt(lit(skip as u64));
        if let Some(fetch) = fetch {
            kept = kept.and(number_column.lt_eq(lit((skip + fetch) as u64)));
        }
        Ok((project_columns(plan.filter(kept)?.build()?, columns)?, keys))
    }

    fn push_into_window(&mut self, node: Window) -> Result<(LogicalPlan, Vec<Column>)> {
        let columns = node.schema.columns();
        let (input, keys) = self.push_into(Arc::unwrap_or_clone(node.input))?;
        let mut exprs = self.bind_all(node.window_expr, &keys)?;
        for expr in &mut exprs {
            let taken = expr.clone().transform(|expr| match expr {
                Expr::WindowFunction(function) => {
                    let mut function: WindowFunction = *function;
                    function.params.partition_by.extend(keys.iter().map(as_is));
                    Ok(Transformed::yes(Expr::WindowFunction(Box::new(function))))
                }
                other => Ok(Transformed::no(other)),
            })?;
            *expr = taken.data;
        }
        let n_input = input.schema().fields().len() - keys.len();
        let window = Window::try_new(exprs, Arc::new(input))?;
        let made = window.schema.columns();
        let shown = columns.iter().enumerate().map(|(i, column)| {
            let i = if i < n_input { i } else { i + keys.len() };
            Expr::Column(made[i].clone())
                .alias_qualified(column.relation.clone(), column.name.clone())
        });
        let shown = shown.chain(keys.iter().cloned().map(Expr::Column)).collect();
        let plan = Projection::try_new(shown, Arc::new(LogicalPlan::Window(window)))?;
        Ok((LogicalPlan::Projection(plan), keys))
    }

    fn push_into_unnest(&mut self, node: Unnest) -> Result<(LogicalPlan, Vec<Column>)> {
        let (input, keys) = self.push_into(Arc::unwrap_or_clone(node.input))?;
        let plan = LogicalPlanBuilder::from(input)
            .unnest_columns_with_options(node.exec_columns, node.options)?
            .build()?;
        Ok((plan, keys))
    }

    fn push_into_join(&mut self, node: Join) -> Result<(LogicalPlan, Vec<Column>)> {
        if is_set_operation(&node) {
            return self.push_into_set_operation(node);
        }
        let columns = node.schema.columns();
        let left_used = self.is_used_by(&node.left);
        let right_used = self.is_used_by(&node.right);
        let on = node.on.into_iter().map(|(left, right)| left.eq(right));
        let filter = on.chain(node.filter).reduce(Expr::and);
        let filter_used = filter.as_ref().is_some_and(|filter| self.is_used_in(filter));
        let (left, right) = (Arc::unwrap_or_clone(node.left), Arc::unwrap_or_clone(node.right));
        let left_alone = matches!(
            node.join_type,
            JoinType::Inner | JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti
        );
        if !left_alone {
            return not_impl_err!("a correlated subquery over a {} join", node.join_type);
        }
        let inner = node.join_type == JoinType::Inner;
        let (joined, keys) = if right_used && inner && !left_used && !filter_used {
            let (right, keys) = self.push_into(right)?;
            let on = filter.into_iter();
            (LogicalPlanBuilder::from(left).join_on(right, node.join_type, on)?.build()?, keys)
        } else {
            let (left, keys) = self.push_into(left)?;
            let filter = filter.map(|filter| self.bind(filter, &keys)).transpose()?;
            if right_used {
                let (right, right_keys) = self.push_into(right)?;
                let kind = node.join_type;
                (join_domain(left, right, &keys, &right_keys, filter, kind)?, keys)
            } else {
                let on = filter.into_iter();
                (LogicalPlanBuilder::from(left).join_on(right, node.join_type, on)?.build()?, keys)
            }
        };
        let shown = columns.into_iter().chain(keys.iter().cloned()).collect();
        Ok((project_columns(joined, shown)?, keys))
    }

    /// INTERSECT and EXCEPT stay joins on all columns, by which the semantics tell types and number copies. The keys
    /// are one column more, of bytes: outer values that are equal to SQL can be different ones.
    fn push_into_set_operation(&mut self, node: Join) -> Result<(LogicalPlan, Vec<Column>)> {
        let columns = node.schema.columns();
        // Without ALL, DISTINCT is the top of the left side.
        let (left, is_distinct) = match Arc::unwrap_or_clone(node.left) {
            LogicalPlan::Distinct(Distinct::All(input)) => (Arc::unwrap_or_clone(input), true),
            other => (other, false),
        };
        let (mut left, left_key) = self.push_as_one_key(left)?;
        if is_distinct {
            left = LogicalPlan::Distinct(Distinct::All(Arc::new(left)));
        }
        let (right, right_key) = self.push_as_one_key(Arc::unwrap_or_clone(node.right))?;
        let mut on = node.on;
        on.push((Expr::Column(left_key.clone()), Expr::Column(right_key)));
        let (left, right) = (Arc::new(left), Arc::new(right));
        let (kind, how, nulls) = (node.join_type, node.join_constraint, node.null_equality);
        let matched = Join::try_new(left, right, on, None, kind, how, nulls, false)?;
        let (domain, keys) = self.relation()?;
        let on = vec![(Expr::Column(left_key), row_key_of(&keys))];
        let (left, right) = (Arc::new(LogicalPlan::Join(matched)), Arc::new(domain));
        let (kind, nulls) = (JoinType::Inner, NullEquality::NullEqualsNothing);
        let joined = Join::try_new(left, right, on, None, kind, how, nulls, false)?;
        let shown = columns.into_iter().chain(keys.iter().cloned()).collect();
        Ok((project_columns(LogicalPlan::Join(joined), shown)?, keys))
    }

    /// As [`Self::push_into`], with one column of the keys' bytes for the key columns.
    fn push_as_one_key(&mut self, plan: LogicalPlan) -> Result<(LogicalPlan, Column)> {
        let (plan, keys) = self.push_into(plan)?;
        let Outputs { own, keys, input } = Outputs::of(plan, &keys);
        let name = self.names.make();
        let exprs = own.into_iter().chain([row_key(keys).alias(&name)]).collect();
        let plan = LogicalPlan::Projection(Projection::try_new(exprs, input)?);
        Ok((plan, Column::new_unqualified(name)))
    }
}

/// DataFusion plans INTERSECT and EXCEPT as joins that take NULL for equal to NULL. Nothing else is one before it
/// optimizes.
fn is_set_operation(join: &Join) -> bool {
    matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti)
        && join.null_equality == NullEquality::NullEqualsNull
}

/// A subquery's outer columns by those that `key_of` gives, but for columns of queries inside the subquery, which may
/// have the same names.
fn bind_in_subquery(
    subquery: Subquery,
    key_of: &dyn Fn(&Column) -> Option<Column>,
) -> Result<Subquery> {
    let plan = bind_in_plan(Arc::unwrap_or_clone(subquery.subquery), key_of)?;
    Ok(Subquery { subquery: Arc::new(plan), ..subquery })
}

fn bind_in_plan(
    plan: LogicalPlan,
    key_of: &dyn Fn(&Column) -> Option<Column>,
) -> Result<LogicalPlan> {
    let plan = plan.map_children(|input| bind_in_plan(input, key_of).map(Transformed::yes))?.data;
    let inputs: Vec<_> =
        plan.inputs().into_iter().map(|input| Arc::clone(input.schema())).collect();
    let key_from_outside = |column: &Column| {
        let is_inside = inputs.iter().any(|schema| has_column(schema, column));
        if is_inside { None } else { key_of(column) }
    };
    let bound = plan.map_expressions(|expr| {
        expr.transform(|expr| {
            Ok(match expr {
                Expr::OuterReferenceColumn(field, column) => match key_of(&column) {
                    Some(key) => Transformed::yes(Expr::OuterReferenceColumn(field, key)),
                    None => Transformed::no(Expr::OuterReferenceColumn(field, column)),
                },
                Expr::ScalarSubquery(subquery) => Transformed::yes(Expr::ScalarSubquery(
                    bind_in_subquery(subquery, &key_from_outside)?,
                )),
                Expr::Exists(exists) => Transformed::yes(Expr::Exists(Exists {
                    subquery: bind_in_subquery(exists.subquery, &key_from_outside)?,
                    negated: exists.negated,
                })),
                Expr::InSubquery(test) => Transformed::yes(Expr::InSubquery(InSubquery {
                    subquery: bind_in_subquery(test.subquery, &key_from_outside)?,
                    ..test
                })),
                Expr::SetComparison(test) => Transformed::yes(Expr::SetComparison(SetComparison {
                    subquery: bind_in_subquery(test.subquery, &key_from_outside)?,
                    ..test
                })),
                other => Transformed::no(other),
            })
        })
    })?;
    Ok(bound.data)
}

/// True for the relation that a SELECT without FROM reads.
fn is_one_row(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::EmptyRelation(empty) if empty.produce_one_row)
}

fn is_over_sort(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Sort(_) => true,
        LogicalPlan::Projection(projection) => is_over_sort(&projection.input),
        _ => false,
    }
}

/// True for an aggregate of outer columns alone: it is one of the outer query.
fn is_of_outer(call: &Expr) -> bool {
    call.contains_outer() && !call.any_column_refs()
}

/// The value of an aggregate over no rows.
fn empty_value(expr: &Expr, input: &LogicalPlan) -> Result<ScalarValue> {
    let data_type = expr.get_type(input.schema())?;
    match expr.clone().unalias() {
        Expr::AggregateFunction(AggregateFunction { func, .. }) => func.default_value(&data_type),
        _ => ScalarValue::try_from(&data_type),
    }
}

/// The plan with its key columns, which come last, under fresh unqualified names.
fn rename_keys(
    plan: LogicalPlan,
    keys: &[Column],
    names: &FreshNames,
) -> Result<(LogicalPlan, Vec<String>)> {
    let prefix = names.make();
    let names: Vec<String> = (0..keys.len()).map(|i| format!("{prefix}_{i}")).collect();
    let Outputs { own, keys, input } = Outputs::of(plan, keys);
    let renamed = keys.into_iter().zip(&names).map(|(key, name)| key.alias(name));
    let exprs = own.into_iter().chain(renamed).collect();
    let plan = LogicalPlan::Projection(Projection::try_new(exprs, input)?);
    Ok((plan, names))
}

/// A plan taken apart, for other outputs of its rows. Over a projection another one would hide its literals, whose
/// types are still open, from a union or another set operation.
struct Outputs {
    own: Vec<Expr>,
    /// The key columns, without their names.
    keys: Vec<Expr>,
    input: Arc<LogicalPlan>,
}

impl Outputs {
    fn of(plan: LogicalPlan, keys: &[Column]) -> Self {
        let columns = plan.schema().columns();
        let (outputs, input) = match plan {
            LogicalPlan::Projection(Projection { expr, input, .. }) => (expr, input),
            plan => (columns.iter().cloned().map(Expr::Column).collect(), Arc::new(plan)),
        };
        let output_of = |key: &Column| {
            let position = columns.iter().position(|column| column == key);
            position.map_or_else(|| Expr::Column(key.clone()), |at| outputs[at].clone().unalias())
        };
        let of_keys = keys.iter().map(output_of).collect();
        let own = columns.iter().zip(&outputs).filter(|(column, _)| !keys.contains(column));
        let own = own.map(|(_, output)| output.clone()).collect();
        Self { own, keys: of_keys, input }
    }
}

fn row_key_of(columns: &[Column]) -> Expr {
    row_key(columns.iter().cloned().map(Expr::Column))
}

/// Joins where keys are the same, NULL as NULL, and on the filter.
pub(super) fn join_domain(
    left: LogicalPlan,
    right: LogicalPlan,
    left_keys: &[Column],
    right_keys: &[Column],
    filter: Option<Expr>,
    join_type: JoinType,
) -> Result<LogicalPlan> {
    debug_assert!(left_keys.iter().all(|key| has_column(left.schema(), key)));
    let on = if left_keys.is_empty() {
        Vec::new()
    } else {
        vec![(row_key_of(left_keys), row_key_of(right_keys))]
    };
    let (left, right) = (Arc::new(left), Arc::new(right));
    let by_key = NullEquality::NullEqualsNothing;
    let how = JoinConstraint::On;
    Ok(LogicalPlan::Join(Join::try_new(left, right, on, filter, join_type, how, by_key, false)?))
}
