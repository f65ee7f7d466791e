//! Subqueries in expressions: each correlated one becomes a column of a joined plan.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, JoinType, not_impl_err};
use datafusion::error::Result;
use datafusion::functions_aggregate::expr_fn::{bool_or, count};
use datafusion::logical_expr::expr::{Case, Exists, InSubquery, SetComparison, SetQuantifier};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator,
    Subquery, binary_expr, lit, when,
};

use datafusion::scalar::ScalarValue;

use super::as_is::group_as_is;
use super::domain::{Domain, join_domain};
use super::{
    FreshNames, alias_plan, conditions, decorrelate_node, has_column, outer_columns, single_value,
};

/// The node with nested subquery plans decorrelated in themselves.
pub(super) fn decorrelate_inside(plan: LogicalPlan, names: &FreshNames) -> Result<LogicalPlan> {
    let plan = plan.map_expressions(|expr| {
        expr.transform_up(|expr| {
            let inside = |subquery: Subquery| -> Result<Subquery> {
                let plan = decorrelate_node(Arc::unwrap_or_clone(subquery.subquery), names)?;
                Ok(Subquery { subquery: Arc::new(plan), ..subquery })
            };
            Ok(match expr {
                Expr::ScalarSubquery(subquery) => {
                    Transformed::yes(Expr::ScalarSubquery(inside(subquery)?))
                }
                Expr::Exists(exists) => Transformed::yes(Expr::Exists(Exists {
                    subquery: inside(exists.subquery)?,
                    negated: exists.negated,
                })),
                Expr::InSubquery(test) => Transformed::yes(Expr::InSubquery(InSubquery {
                    subquery: inside(test.subquery)?,
                    ..test
                })),
                Expr::SetComparison(test) => match (test.op, &test.quantifier) {
                    // `= ANY` is IN, `<> ALL` is NOT IN.
                    (Operator::Eq, SetQuantifier::Any) | (Operator::NotEq, SetQuantifier::All) => {
                        Transformed::yes(Expr::InSubquery(InSubquery {
                            expr: test.expr,
                            subquery: inside(test.subquery)?,
                            negated: test.op == Operator::NotEq,
                        }))
                    }
                    // DataFusion puts both sides into one condition, so their columns need different names.
                    _ => Transformed::yes(Expr::SetComparison(SetComparison {
                        subquery: apart(inside(test.subquery)?, names)?,
                        ..test
                    })),
                },
                Expr::Not(inner) => match *inner {
                    Expr::InSubquery(test) => Transformed::yes(Expr::InSubquery(InSubquery {
                        negated: !test.negated,
                        ..test
                    })),
                    inner => Transformed::no(Expr::Not(Box::new(inner))),
                },
                other => Transformed::no(other),
            })
        })
    })?;
    Ok(plan.data)
}

/// The subquery with its columns under a name that nothing else has.
fn apart(subquery: Subquery, names: &FreshNames) -> Result<Subquery> {
    let plan = alias_plan(Arc::unwrap_or_clone(subquery.subquery), names.make())?;
    Ok(Subquery { subquery: Arc::new(plan), ..subquery })
}

/// The plan of an expression that is a subquery.
pub(super) fn plan_of(expr: &Expr) -> Option<&LogicalPlan> {
    match expr {
        Expr::ScalarSubquery(subquery)
        | Expr::Exists(Exists { subquery, .. })
        | Expr::InSubquery(InSubquery { subquery, .. })
        | Expr::SetComparison(SetComparison { subquery, .. }) => Some(&subquery.subquery),
        _ => None,
    }
}

/// The node in which a subquery stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Filter,
    Projection,
    Other,
}

/// The node with every correlated subquery that DataFusion would refuse joined to its input.
pub(super) fn replace_subqueries(plan: LogicalPlan, names: &FreshNames) -> Result<LogicalPlan> {
    let plan = decorrelate_inside(plan, names)?;
    let plan = match plan {
        LogicalPlan::Filter(filter) => LogicalPlan::Filter(conditions::with_exists(filter)?),
        other => other,
    };
    let place = match plan {
        LogicalPlan::Filter(_) => Place::Filter,
        LogicalPlan::Projection(_) => Place::Projection,
        LogicalPlan::Aggregate(_) | LogicalPlan::Sort(_) | LogicalPlan::Window(_) => Place::Other,
        _ => return Ok(plan),
    };
    if !needs_work(&plan, place)? {
        return Ok(plan);
    }
    let plan = match plan {
        LogicalPlan::Filter(filter) => LogicalPlan::Filter(conditions::before_subqueries(filter)?),
        other => other,
    };
    let columns = plan.schema().columns();
    let input = plan.inputs()[0].clone();
    let n_input = input.schema().fields().len();
    let mut joined = Joined { original: input.clone(), plan: input, names, guards: Vec::new() };
    let passes_input = !matches!(plan, LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_));
    let mut exprs = Vec::with_capacity(columns.len());
    for (i, expr) in plan.expressions().into_iter().enumerate() {
        let replaced = joined.replace(expr.clone(), place)?;
        // Outputs keep the names that the subqueries' texts gave them.
        exprs.push(match columns.get(i).filter(|_| !passes_input && replaced != expr) {
            Some(column) => {
                replaced.unalias().alias_qualified(column.relation.clone(), column.name.clone())
            }
            None => replaced,
        });
    }
    let n_values = joined.plan.schema().fields().len() - n_input;
    let plan = plan.with_new_exprs(exprs, vec![joined.plan])?.recompute_schema()?;
    if n_values == 0 || !passes_input {
        return Ok(plan);
    }
    let made = plan.schema().columns();
    let shown = columns.into_iter().enumerate().map(|(i, column)| match made.get(i + n_values) {
        // What a window adds is called after the subqueries in it.
        Some(value) if i >= n_input => {
            Expr::Column(value.clone()).alias_qualified(column.relation, column.name)
        }
        _ => Expr::Column(column),
    });
    let shown: Vec<Expr> = shown.collect();
    LogicalPlanBuilder::from(plan).project(shown)?.build()
}

fn needs_work(plan: &LogicalPlan, place: Place) -> Result<bool> {
    let input = plan.inputs()[0].clone();
    let mut found = false;
    plan.apply_expressions(|expr| {
        let known = known_tests(expr);
        expr.apply(|expr| {
            found |= is_replaced(expr, &input, place, &known);
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(found)
}

/// The tests with IN of a condition of which it does not matter whether they are NULL or false: conditions that
/// must be met, and of OR those that are not negated. DataFusion's joins know no NULL.
fn known_tests(condition: &Expr) -> Vec<InSubquery> {
    let mut known = Vec::new();
    let mut open = vec![(condition, true)];
    while let Some((expr, must_be_met)) = open.pop() {
        match expr {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
                open.extend([(left.as_ref(), must_be_met), (right.as_ref(), must_be_met)]);
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
                open.extend([(left.as_ref(), false), (right.as_ref(), false)]);
            }
            Expr::InSubquery(test) if !test.negated => known.push(test.clone()),
            // DataFusion's join for NOT IN knows NULLs of a column, not that a constant meets one.
            Expr::InSubquery(test) if must_be_met && test.expr.any_column_refs() => {
                known.push(test.clone());
            }
            _ => {}
        }
    }
    known
}

/// True for a subquery that must become a join here. DataFusion turns EXISTS and IN of a filter
/// into semi joins by itself where only the subquery's filters are correlated, and an aggregate into a
/// grouped one where they are so by equality; its plans are the better ones.
fn is_replaced(expr: &Expr, input: &LogicalPlan, place: Place, known: &[InSubquery]) -> bool {
    let correlated = |subquery: &Subquery| {
        let outer = outer_columns(&subquery.subquery);
        outer.iter().any(|column| has_column(input.schema(), column))
    };
    match expr {
        Expr::ScalarSubquery(subquery) => {
            let is_left = place != Place::Other && is_grouped_by_equality(&subquery.subquery);
            correlated(subquery) && !is_left
        }
        // DataFusion's join for NOT IN knows one key, which the correlation would be a second of.
        Expr::InSubquery(InSubquery { subquery, negated: true, .. }) if correlated(subquery) => {
            true
        }
        Expr::InSubquery(test) if !known.contains(test) => true,
        Expr::SetComparison(SetComparison { subquery, .. }) => {
            place == Place::Projection || correlated(subquery)
        }
        Expr::Exists(Exists { subquery, .. }) | Expr::InSubquery(InSubquery { subquery, .. }) => {
            place != Place::Filter
                || (correlated(subquery) && !has_plain_correlation(&subquery.subquery))
        }
        _ => false,
    }
}

/// True where outer columns occur only in filters over inner joins. DataFusion loses those of a filter below an alias,
/// and takes the columns that the filters ask for for one where two relations have them under one name.
fn has_plain_correlation(plan: &LogicalPlan) -> bool {
    let mut asked_for = HashSet::new();
    if !has_plain_filters(plan, &mut asked_for) {
        return false;
    }
    let names: HashSet<&str> = asked_for.iter().map(Column::name).collect();
    names.len() == asked_for.len()
}

/// True where outer columns occur only in filters over inner joins. Adds the inner columns of those conditions.
fn has_plain_filters(plan: &LogicalPlan, asked_for: &mut HashSet<Column>) -> bool {
    match plan {
        LogicalPlan::Filter(filter) => {
            for condition in split_conjunction(&filter.predicate) {
                if condition.contains_outer() {
                    asked_for.extend(condition.column_refs().into_iter().cloned());
                }
            }
            !has_correlated_subquery(&filter.predicate)
                && has_plain_filters(&filter.input, asked_for)
        }
        LogicalPlan::Projection(projection) => {
            !projection.expr.iter().any(Expr::contains_outer)
                && has_plain_filters(&projection.input, asked_for)
        }
        other => outer_columns(other).is_empty(),
    }
}

fn has_correlated_subquery(expr: &Expr) -> bool {
    expr.exists(|expr| {
        Ok(match expr {
            Expr::ScalarSubquery(subquery)
            | Expr::Exists(Exists { subquery, .. })
            | Expr::InSubquery(InSubquery { subquery, .. })
            | Expr::SetComparison(SetComparison { subquery, .. }) => {
                !outer_columns(&subquery.subquery).is_empty()
            }
            _ => false,
        })
    })
    .expect("the visitor gives no error")
}

/// True for an aggregate over filters that are correlated by `column = outer value` alone.
fn is_grouped_by_equality(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => {
            !projection.expr.iter().any(Expr::contains_outer)
                && is_grouped_by_equality(&projection.input)
        }
        LogicalPlan::Aggregate(aggregate) => {
            aggregate.group_expr.is_empty()
                && !aggregate.aggr_expr.iter().any(Expr::contains_outer)
                && has_plain_correlation(&aggregate.input)
                && has_only_equalities(&aggregate.input)
        }
        _ => false,
    }
}

fn has_only_equalities(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Filter(filter) => {
            let mut conditions = split_conjunction(&filter.predicate).into_iter();
            conditions.all(|condition| !condition.contains_outer() || is_key_equality(condition))
                && has_only_equalities(&filter.input)
        }
        LogicalPlan::SubqueryAlias(alias) => has_only_equalities(&alias.input),
        LogicalPlan::Projection(projection) => has_only_equalities(&projection.input),
        _ => true,
    }
}

/// `column = expression of outer columns`, on either side.
fn is_key_equality(condition: &Expr) -> bool {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = condition else {
        return false;
    };
    match (left.as_ref(), right.as_ref()) {
        (Expr::Column(_), outer) | (outer, Expr::Column(_)) => !outer.any_column_refs(),
        _ => false,
    }
}

/// An input that grows by a column for each replaced subquery.
struct Joined<'n> {
    original: LogicalPlan,
    plan: LogicalPlan,
    names: &'n FreshNames,
    /// What the rows meet for which the part of the expression is asked that is replaced.
    guards: Vec<Expr>,
}

/// True for an expression of which one part decides whether another is asked, and so whether a subquery in it runs.
fn is_asked_in_turn(expr: &Expr) -> bool {
    match expr {
        Expr::BinaryExpr(BinaryExpr { op: Operator::And | Operator::Or, right, .. }) => {
            has_subquery(right)
        }
        // A subquery as the operand is asked first.
        Expr::Case(case) => !case.expr.as_deref().is_some_and(has_subquery) && has_subquery(expr),
        _ => false,
    }
}

impl Joined<'_> {
    fn replace(&mut self, expr: Expr, place: Place) -> Result<Expr> {
        let known = known_tests(&expr);
        self.replace_in(expr, place, &known)
    }

    fn replace_in(&mut self, expr: Expr, place: Place, known: &[InSubquery]) -> Result<Expr> {
        let original = self.original.clone();
        let replaced = expr.transform_down(|expr| {
            if is_asked_in_turn(&expr) {
                let replaced = self.replace_in_turn(expr, place, known)?;
                return Ok(Transformed::new(replaced, true, TreeNodeRecursion::Jump));
            }
            if !is_replaced(&expr, &original, place, known) {
                return Ok(Transformed::no(expr));
            }
            let value = match expr {
                Expr::ScalarSubquery(subquery) => self.join_scalar(subquery)?,
                Expr::Exists(exists) => self.join_exists(exists)?,
                Expr::InSubquery(test) => self.join_in(test)?,
                Expr::SetComparison(test) => self.join_comparison(test)?,
                other => other,
            };
            Ok(Transformed::new(value, true, TreeNodeRecursion::Jump))
        })?;
        Ok(replaced.data)
    }

    /// An expression that asks its parts in turn: subqueries in a part run for the rows that come to it, so that they
    /// do not fail for others.
    fn replace_in_turn(&mut self, expr: Expr, place: Place, known: &[InSubquery]) -> Result<Expr> {
        let n_guards = self.guards.len();
        let replaced = match expr {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                let first = self.replace_in(left.as_ref().clone(), place, known)?;
                self.guard(if op == Operator::Or {
                    left.is_not_true()
                } else {
                    left.is_not_false()
                });
                binary_expr(first, op, self.replace_in(*right, place, known)?)
            }
            Expr::Case(case) => Expr::Case(self.replace_in_branches(case, place, known)?),
            other => other,
        };
        self.guards.truncate(n_guards);
        Ok(replaced)
    }

    fn replace_in_branches(
        &mut self,
        case: Case,
        place: Place,
        known: &[InSubquery],
    ) -> Result<Case> {
        let Case { expr: operand, when_then_expr, else_expr } = case;
        let mut branches = Vec::with_capacity(when_then_expr.len());
        for (when, then) in when_then_expr {
            let condition = match &operand {
                Some(operand) => operand.as_ref().clone().eq(when.as_ref().clone()),
                None => when.as_ref().clone(),
            };
            let when = self.replace_in(*when, place, known)?;
            let n_guards = self.guards.len();
            self.guard(condition.clone().is_true());
            let then = self.replace_in(*then, place, known)?;
            self.guards.truncate(n_guards);
            self.guard(condition.is_not_true());
            branches.push((Box::new(when), Box::new(then)));
        }
        let otherwise = else_expr.map(|expr| self.replace_in(*expr, place, known).map(Box::new));
        Ok(Case::new(operand, branches, otherwise.transpose()?))
    }

    /// From here on rows are those that meet the condition, where it can be asked of the input alone.
    fn guard(&mut self, condition: Expr) {
        self.guards.extend(conditions::is_plain(&condition).then_some(condition));
    }

    /// A column with the subquery's value for each row.
    fn join_scalar(&mut self, subquery: Subquery) -> Result<Expr> {
        let plan = Arc::unwrap_or_clone(subquery.subquery);
        let outer: Vec<Column> = outer_columns(&plan)
            .into_iter()
            .filter(|column| has_column(self.original.schema(), column))
            .collect();
        let is_one_row = gives_one_row(&plan);
        let rows = conditions::filtered(self.original.clone(), self.guards.clone())?;
        let mut domain = Domain::new(&rows, outer, self.names)?;
        let (inner, keys) = domain.push_into(plan)?;
        let value = inner.schema().columns()[0].clone();
        let (inner, keys) = name_columns(inner, &value, &keys, is_one_row, self.names)?;
        let result = inner.schema().columns()[0].clone();
        let outer_plan = self.plan.clone();
        let always = keys.is_empty().then(|| lit(true));
        self.plan = join_domain(outer_plan, inner, domain.outer(), &keys, always, JoinType::Left)?;
        Ok(Expr::Column(result))
    }

    fn join_exists(&mut self, exists: Exists) -> Result<Expr> {
        let plan = Arc::unwrap_or_clone(exists.subquery.subquery);
        let counted = LogicalPlanBuilder::from(plan)
            .aggregate(Vec::<Expr>::new(), [count(lit(1_i64)).alias("n")])?
            .build()?;
        let n = self.join_scalar(Subquery { subquery: Arc::new(counted), ..exists.subquery })?;
        Ok(if exists.negated { n.eq(lit(0_i64)) } else { n.gt(lit(0_i64)) })
    }

    /// As [`Self::join_in`], of a subquery that is the same for all rows: its distinct values are joined, and the
    /// numbers of its rows and of its values, which tell of empty sets and of NULLs.
    fn join_in_same(&mut self, test: InSubquery) -> Result<Expr> {
        let plan = Arc::unwrap_or_clone(test.subquery.subquery);
        let value = Expr::Column(plan.schema().columns()[0].clone());
        let (set, sizes) = (self.names.make(), self.names.make());
        let of = |relation: &str, name: &str| Expr::Column(Column::new(Some(relation), name));
        let values = LogicalPlanBuilder::from(plan.clone())
            .project([value.clone().alias("value"), lit(true).alias("found")])?
            .distinct()?
            .alias(set.as_str())?
            .build()?;
        let counted = LogicalPlanBuilder::from(plan)
            .aggregate(
                Vec::<Expr>::new(),
                [count(lit(1_i64)).alias("n_rows"), count(value).alias("n_known")],
            )?
            .alias(sizes.as_str())?
            .build()?;
        let is_equal = test.expr.as_ref().clone().eq(of(&set, "value"));
        self.plan = LogicalPlanBuilder::from(self.plan.clone())
            .join_on(values, JoinType::Left, [is_equal])?
            .cross_join(counted)?
            .build()?;
        let n_rows = of(&sizes, "n_rows");
        let has_null = test.expr.is_null().or(n_rows.clone().gt(of(&sizes, "n_known")));
        let found = when(of(&set, "found").is_not_null(), lit(true))
            .when(n_rows.eq(lit(0_i64)), lit(false))
            .when(has_null, lit(ScalarValue::Boolean(None)))
            .otherwise(lit(false))?;
        Ok(if test.negated { !found } else { found })
    }

    /// True with an equal row, else NULL with a NULL on either side of one, else false.
    fn join_in(&mut self, test: InSubquery) -> Result<Expr> {
        if outer_columns(&test.subquery.subquery).is_empty() && !has_subquery(&test.expr) {
            return self.join_in_same(test);
        }
        let found = self.join_any(*test.expr, Operator::Eq, test.subquery)?;
        Ok(if test.negated { !found } else { found })
    }

    /// `ALL` is where not any compares the other way.
    fn join_comparison(&mut self, test: SetComparison) -> Result<Expr> {
        let SetComparison { expr, subquery, op, quantifier } = test;
        match (quantifier, op.negate()) {
            (SetQuantifier::Any, _) => self.join_any(*expr, op, subquery),
            (SetQuantifier::All, Some(opposite)) => Ok(!self.join_any(*expr, opposite, subquery)?),
            (SetQuantifier::All, None) => not_impl_err!("{op} ALL over a correlated subquery"),
        }
    }

    /// True with a row to which the expression compares so, else NULL with a comparison that is, else false.
    fn join_any(&mut self, expr: Expr, op: Operator, subquery: Subquery) -> Result<Expr> {
        let plan = Arc::unwrap_or_clone(subquery.subquery);
        let value = Expr::Column(plan.schema().columns()[0].clone());
        let schema = self.original.schema().clone();
        let tested = expr.transform(|expr| match expr {
            Expr::Column(column) => {
                let (_, field) = Expr::Column(column.clone()).to_field(&schema)?;
                Ok(Transformed::yes(Expr::OuterReferenceColumn(field, column)))
            }
            other => Ok(Transformed::no(other)),
        })?;
        let column = |name: &str| Expr::Column(Column::new_unqualified(name));
        let aggregates = [
            count(lit(1_i64)).alias("n_rows"),
            count(column("is_met")).alias("n_known"),
            bool_or(column("is_met")).alias("found"),
        ];
        let unknown = lit(ScalarValue::Boolean(None));
        let result = when(column("found").is_true(), lit(true))
            .when(column("n_rows").gt(column("n_known")), unknown)
            .otherwise(lit(false))?;
        let plan = LogicalPlanBuilder::from(plan)
            .project([binary_expr(tested.data, op, value).alias("is_met")])?
            .aggregate(Vec::<Expr>::new(), aggregates)?
            .project([result.alias("result")])?
            .build()?;
        self.join_scalar(Subquery { subquery: Arc::new(plan), ..subquery })
    }
}

/// True for an expression with a subquery in it.
pub(crate) fn has_subquery(expr: &Expr) -> bool {
    let is_subquery = |expr: &Expr| {
        Ok(matches!(
            expr,
            Expr::ScalarSubquery(_)
                | Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::SetComparison(_)
        ))
    };
    expr.exists(is_subquery).expect("the visitor gives no error")
}

/// True where the plan gives exactly one row for each outer value, whatever its input is.
pub(crate) fn gives_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => gives_one_row(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => gives_one_row(&alias.input),
        LogicalPlan::Sort(sort) => gives_one_row(&sort.input),
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        LogicalPlan::EmptyRelation(empty) => empty.produce_one_row,
        _ => false,
    }
}

/// The value and the keys under fresh names, with one row for each key; a second row of a key is
/// an error when the plan runs.
fn name_columns(
    plan: LogicalPlan,
    value: &Column,
    keys: &[Column],
    is_one_row: bool,
    names: &FreshNames,
) -> Result<(LogicalPlan, Vec<Column>)> {
    let prefix = names.make();
    let value_name = format!("{prefix}_value");
    let names: Vec<String> = (0..keys.len()).map(|i| format!("{prefix}_{i}")).collect();
    let named = keys.iter().zip(&names).map(|(key, name)| Expr::Column(key.clone()).alias(name));
    let value = Expr::Column(value.clone()).alias(&value_name);
    let plan = LogicalPlanBuilder::from(plan).project(std::iter::once(value).chain(named))?;
    let plan = if is_one_row {
        plan.build()?
    } else {
        let column = |name: &String| Expr::Column(Column::new_unqualified(name));
        let groups = names.iter().map(|name| group_as_is(&Column::new_unqualified(name.as_str())));
        let single = single_value::single_value(column(&value_name)).alias(&value_name);
        let grouped = Aggregate::try_new(Arc::new(plan.build()?), groups.collect(), vec![single])?;
        let shown = std::iter::once(&value_name).chain(&names).map(column);
        LogicalPlanBuilder::from(LogicalPlan::Aggregate(grouped)).project(shown)?.build()?
    };
    let plan = super::alias_plan(plan, prefix.as_str())?;
    let keys = plan.schema().columns().split_off(1);
    Ok((plan, keys))
}
