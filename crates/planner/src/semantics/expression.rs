//! Brings an expression to PostgreSQL's types, from its leaves up.

mod comparison;
mod window;

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DFSchema, ExprSchema};
use datafusion::error::Result as DfResult;
use datafusion::functions::core::r#struct::StructFunc;
use datafusion::logical_expr::expr::{
    AggregateFunction, AggregateFunctionParams, Between, Case, Cast, InSubquery, Like, Placeholder,
    ScalarFunction, SetComparison, Sort as SortKey,
};
use datafusion::logical_expr::{
    AggregateUDF, BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, Subquery, not,
};
use datafusion::scalar::ScalarValue;
use weir_connect::value::FormatSettings;
use weir_delta::schema;
use weir_types::{Error, Result, SqlState, SqlType};

use super::error::to_error;
use super::filter::can_fail;
use super::resolve::{open, settle};
use super::typing::{
    PARAMETER_FIELD, Typed, canonical_type, condition, constant_of, convert, into_exactly,
    to_common, type_of,
};
use crate::decorrelate::{bytes_of, gives_one_row, taken_as_is};
use crate::functions::aggregate::{Aggregate, BoundAggregate, is_of_texts};
use crate::functions::cast::{self, CAST_FIELD, FINAL_FIELD, native};
use crate::functions::coercion::Context;
use crate::functions::comparison_key::{COMPARISON_KEY, has_key};
use crate::functions::conditional::AS_NULLABLE;
use crate::functions::operator::{self, Comparison};
use crate::functions::overload::Constant;
use crate::functions::scalar::{Bound, Function, external};
use crate::functions::{ListItem, TypeMark, array, clock, conditional, library, pattern};

/// Types the expressions of one plan node.
pub(super) struct Resolver<'a> {
    /// The columns that the expressions can name.
    pub(super) schema: &'a DFSchema,
    pub(super) settings: &'a Arc<FormatSettings>,
}

impl Resolver<'_> {
    /// The expression with all types told, but that of a bare literal.
    pub(super) fn expr(&self, expr: Expr) -> DfResult<Expr> {
        expr.transform_up(|expr| self.node(expr).map(Transformed::yes).map_err(external)).data()
    }

    fn typed(&self, expr: Expr) -> Result<Typed> {
        Typed::new(expr, self.schema)
    }

    fn condition(&self, expr: Expr, what: &str) -> Result<Expr> {
        condition(expr, what, self.schema, self.settings)
    }

    fn boxed_condition(&self, expr: Expr, what: &str) -> Result<Box<Expr>> {
        Ok(Box::new(self.condition(expr, what)?))
    }

    /// A node whose children are resolved.
    fn node(&self, expr: Expr) -> Result<Expr> {
        Ok(match expr {
            Expr::Literal(value, None) => literal(value)?,
            // DataFusion's planner guesses types of parameters from types that are guesses themselves.
            Expr::Placeholder(Placeholder { id, field: Some(field) })
                if field.name() != PARAMETER_FIELD =>
            {
                Expr::Placeholder(Placeholder { id, field: None })
            }
            Expr::Column(_) => self.canonical(expr)?,
            Expr::Cast(cast) => self.cast(cast)?,
            Expr::ScalarFunction(call) => self.function(call)?,
            Expr::BinaryExpr(binary) => self.binary(binary)?,
            Expr::Negative(operand) => self.call("-", vec![*operand])?,
            Expr::Not(operand) => Expr::Not(self.boxed_condition(*operand, "NOT")?),
            Expr::IsTrue(operand) => Expr::IsTrue(self.boxed_condition(*operand, "IS TRUE")?),
            Expr::IsFalse(operand) => Expr::IsFalse(self.boxed_condition(*operand, "IS FALSE")?),
            Expr::IsUnknown(operand) => {
                Expr::IsUnknown(self.boxed_condition(*operand, "IS UNKNOWN")?)
            }
            Expr::IsNotTrue(operand) => {
                Expr::IsNotTrue(self.boxed_condition(*operand, "IS NOT TRUE")?)
            }
            Expr::IsNotFalse(operand) => {
                Expr::IsNotFalse(self.boxed_condition(*operand, "IS NOT FALSE")?)
            }
            Expr::IsNotUnknown(operand) => {
                Expr::IsNotUnknown(self.boxed_condition(*operand, "IS NOT UNKNOWN")?)
            }
            Expr::IsNull(operand) => Expr::IsNull(Box::new(self.settled(*operand)?)),
            Expr::IsNotNull(operand) => Expr::IsNotNull(Box::new(self.settled(*operand)?)),
            Expr::Like(like) => self.like(like)?,
            Expr::SimilarTo(like) => self.similar(like)?,
            Expr::Between(between) => self.between(between)?,
            Expr::InList(list) => self.in_list(list)?,
            Expr::Case(case) => self.case(case)?,
            Expr::AggregateFunction(call) => Expr::AggregateFunction(self.aggregate(call)?),
            Expr::WindowFunction(call) => Expr::WindowFunction(Box::new(self.window(*call)?)),
            Expr::ScalarSubquery(subquery) => self.scalar_subquery(subquery)?,
            Expr::Exists(mut exists) => {
                exists.subquery = self.subquery(exists.subquery)?;
                Expr::Exists(exists)
            }
            Expr::InSubquery(in_subquery) => self.in_subquery(in_subquery)?,
            Expr::SetComparison(comparison) => self.set_comparison(comparison)?,
            other => other,
        })
    }

    /// A subquery without rows is NULL, whatever its column may be, or may become: the optimizer folds calls that could
    /// be NULL to constants that are not. One that always has its row stays bare, as a join for it depends on its form;
    /// and a record, as functions do not know its fields.
    fn scalar_subquery(&self, subquery: Subquery) -> Result<Expr> {
        let subquery = self.subquery(subquery)?;
        let plan = subquery.subquery.as_ref();
        let field = plan.schema().field(0);
        let is_record = schema::sql_type(field) == SqlType::Record;
        let is_bare = field.is_nullable() && (is_record || gives_one_row(plan));
        let expr = Expr::ScalarSubquery(subquery);
        if is_bare { Ok(expr) } else { self.call(AS_NULLABLE, vec![expr]) }
    }

    /// A literal of unknown type as text, where its place asks for nothing else.
    fn settled(&self, expr: Expr) -> Result<Expr> {
        let typed = self.typed(expr)?;
        if typed.sql_type != SqlType::Unknown {
            return Ok(typed.expr);
        }
        Ok(convert(typed, &SqlType::Text, Context::Implicit, self.settings)?.expr)
    }

    /// What has an Arrow type that SQL does not have, in the one that SQL has.
    fn canonical(&self, expr: Expr) -> Result<Expr> {
        let (_, field) = expr.to_field(self.schema).map_err(to_error)?;
        Ok(match canonical_type(field.data_type(), &schema::sql_type(&field)) {
            Some(sql_type) => native(expr, &sql_type),
            None => expr,
        })
    }

    fn cast(&self, cast: Cast) -> Result<Expr> {
        match cast.field.name().as_str() {
            CAST_FIELD => {}
            // Over what was labelled anew it is one label too many.
            FINAL_FIELD => {
                return Ok(match *cast.expr {
                    Expr::Cast(inner) if inner.field == cast.field => Expr::Cast(inner),
                    inner => Expr::Cast(Cast { expr: Box::new(inner), ..cast }),
                });
            }
            _ => return self.foreign_cast(cast),
        }
        let to = schema::sql_type(&cast.field);
        let mut typed = self.typed(*cast.expr)?;
        if cast::is_kept_as_text(&to)
            && let Some(name) = conditional::name_of_type(&typed.expr)
        {
            let literal = Expr::Literal(ScalarValue::Utf8(Some(name)), None);
            typed = Typed { expr: literal, sql_type: SqlType::Unknown };
        }
        Ok(convert(typed, &to, Context::Explicit, self.settings)?.expr)
    }

    /// DataFusion's planner turns `AT TIME ZONE 'z'` into a cast to a timestamp in nanoseconds, which no
    /// type of SQL is.
    fn foreign_cast(&self, cast: Cast) -> Result<Expr> {
        match cast.field.data_type() {
            DataType::Timestamp(TimeUnit::Nanosecond, Some(zone)) => {
                let zone = Expr::Literal(ScalarValue::Utf8(Some(zone.to_string())), None);
                self.call("timezone", vec![zone, *cast.expr])
            }
            _ => self.canonical(Expr::Cast(cast)),
        }
    }

    /// A call of the function of that name, or the operator of that symbol.
    pub(super) fn call(&self, name: &str, arguments: Vec<Expr>) -> Result<Expr> {
        self.call_of(library::function(name)?, arguments)
    }

    /// A call of the function that the types of the arguments choose.
    fn call_of(&self, function: &Function, arguments: Vec<Expr>) -> Result<Expr> {
        let mut typed = Vec::with_capacity(arguments.len());
        for argument in arguments {
            typed.push(self.typed(argument)?);
        }
        let given: Vec<SqlType> = typed.iter().map(|typed| typed.sql_type.clone()).collect();
        let constants: Vec<Option<Constant>> =
            typed.iter().map(|typed| constant_of(&typed.expr)).collect();
        let (overload, _) = function.choose(&given, &constants)?;
        // Literals first: a numeric one has the digits of its text, which the result depends on.
        let mut fitted = Vec::with_capacity(typed.len());
        let declared = overload
            .types(&given, &constants)
            .ok_or_else(|| Error::internal("a chosen function does not take its arguments"))?;
        for (typed, to) in typed.into_iter().zip(&declared.arguments) {
            fitted.push(if typed.sql_type == SqlType::Unknown {
                convert(typed, to, Context::Implicit, self.settings)?
            } else {
                typed
            });
        }
        let given: Vec<SqlType> = fitted.iter().map(|typed| typed.sql_type.clone()).collect();
        let types = overload
            .types(&given, &constants)
            .ok_or_else(|| Error::internal("a chosen function does not take its literals"))?;
        let mut arguments = Vec::with_capacity(fitted.len());
        for (typed, to) in fitted.into_iter().zip(&types.arguments) {
            arguments.push(self.argument(typed, to)?);
        }
        Ok(Bound::new(overload, types, self.settings).call(arguments))
    }

    /// An argument of just that type. What is kept as text needs no cast to another such type.
    fn argument(&self, typed: Typed, to: &SqlType) -> Result<Expr> {
        if cast::is_kept_alike(&typed.sql_type, to) {
            return Ok(typed.expr);
        }
        into_exactly(typed, to, self.settings)
    }

    fn function(&self, call: ScalarFunction) -> Result<Expr> {
        let ScalarFunction { func, args } = call;
        let implementation = func.inner();
        if implementation.is::<ListItem>() || implementation.is::<TypeMark>() {
            return args.into_iter().next().ok_or_else(|| Error::internal("a mark is empty"));
        }
        if implementation.is::<Bound>() {
            return Ok(Expr::ScalarFunction(ScalarFunction::new_udf(func, args)));
        }
        if let Some(function) = implementation.downcast_ref::<Function>() {
            if let Some(comparison) = Comparison::of_symbol(func.name()) {
                let [left, right] = two(args)?;
                return self.compare(comparison, left, right);
            }
            if let Some((negated, case_insensitive)) = pattern::like_of_symbol(func.name()) {
                let [expr, pattern] = two(args)?.map(Box::new);
                return self.like(Like::new(negated, expr, pattern, None, case_insensitive));
            }
            if let Some(special) = conditional::Special::of(func.name()) {
                return self.special(special, args);
            }
            if let Some(symbol) = array::quantified_symbol(func.name()) {
                return self.quantified(function, symbol, args);
            }
            if let Some(time) = self.statement_time(func.name(), &args)? {
                return Ok(time);
            }
            return self.call_of(function, args);
        }
        let mut arguments = Vec::with_capacity(args.len());
        for argument in args {
            arguments.push(self.settled(argument)?);
        }
        self.canonical(Expr::ScalarFunction(ScalarFunction::new_udf(func, arguments)))
    }

    /// The functions that tell the time of the statement, by the one that is bound to it.
    fn statement_time(&self, name: &str, args: &[Expr]) -> Result<Option<Expr>> {
        let now = || self.call(clock::NOW, Vec::new());
        let local = |to: &SqlType| {
            let now = Typed { expr: now()?, sql_type: SqlType::Timestamptz };
            convert(now, to, Context::Explicit, self.settings).map(|typed| typed.expr)
        };
        Ok(match (name, args) {
            (name, []) if clock::SYNONYMS.contains(&name) => Some(now()?),
            ("localtimestamp", []) => Some(local(&SqlType::Timestamp)?),
            ("current_date", []) => Some(local(&SqlType::Date)?),
            ("localtime", []) => Some(local(&SqlType::Time)?),
            // The age at the midnight that today began with.
            ("age", [since]) => {
                let today = Typed { expr: local(&SqlType::Date)?, sql_type: SqlType::Date };
                let to = match type_of(since, self.schema)? {
                    SqlType::Timestamp => SqlType::Timestamp,
                    _ => SqlType::Timestamptz,
                };
                let today = convert(today, &to, Context::Implicit, self.settings)?.expr;
                Some(self.call("age", vec![today, since.clone()])?)
            }
            _ => None,
        })
    }

    fn special(&self, special: conditional::Special, args: Vec<Expr>) -> Result<Expr> {
        use conditional::Special;
        match special {
            Special::Nullif => {
                let [value, other] = two(args)?;
                let is_equal = self.compare(Comparison::Equal, value.clone(), other.clone())?;
                // The type is the one that `=` takes.
                let value = self.typed(value)?;
                let given = [value.sql_type.clone(), self.typed(other)?.sql_type];
                let (_, types) = library::function("=")?.choose(&given, &[])?;
                let value = convert(value, &types.arguments[0], Context::Implicit, self.settings)?;
                let Typed { expr: value, sql_type } = value;
                let null = cast::null_literal(&sql_type)?;
                let case = Case::new(
                    None,
                    vec![(Box::new(is_equal), Box::new(null))],
                    Some(Box::new(value)),
                );
                Ok(labelled(Expr::Case(case), &sql_type))
            }
            Special::Common(name, function) => {
                let mut typed = Vec::with_capacity(args.len());
                for argument in args {
                    typed.push(self.typed(argument)?);
                }
                let (args, sql_type) = to_common(typed, name, self.settings)?;
                if name != "COALESCE" {
                    check_order(&sql_type)?;
                }
                if has_key(&sql_type)
                    && let Some(extreme) = conditional::extreme_by_key(name)
                {
                    return self.call(extreme, args);
                }
                let call = ScalarFunction::new_udf(function(), args);
                Ok(labelled(Expr::ScalarFunction(call), &sql_type))
            }
            Special::TypeOf => {
                let [value] = <[Expr; 1]>::try_from(args)
                    .map_err(|_| Error::internal("pg_typeof takes one argument"))?;
                let sql_type = type_of(&value, self.schema)?;
                Ok(conditional::type_literal(&sql_type))
            }
        }
    }

    fn binary(&self, binary: BinaryExpr) -> Result<Expr> {
        let BinaryExpr { left, op, right } = binary;
        match op {
            Operator::And | Operator::Or => {
                let what = if op == Operator::And { "AND" } else { "OR" };
                let left = self.boxed_condition(*left, what)?;
                let right = self.boxed_condition(*right, what)?;
                Ok(Expr::BinaryExpr(BinaryExpr::new(left, op, right)))
            }
            _ => match (Comparison::of_operator(op), operator::symbol_of(op)) {
                (Some(comparison), _) => self.compare(comparison, *left, *right),
                (None, Some(symbol)) => self.call(symbol, vec![*left, *right]),
                (None, None) => Ok(Expr::BinaryExpr(BinaryExpr::new(left, op, right))),
            },
        }
    }

    fn literal_as(&self, typed: Typed, to: &SqlType) -> Result<Typed> {
        if typed.sql_type == SqlType::Unknown {
            return convert(typed, to, Context::Implicit, self.settings);
        }
        Ok(typed)
    }

    /// Keys that order rows as PostgreSQL does.
    pub(super) fn sort_keys(&self, keys: Vec<SortKey>) -> Result<Vec<SortKey>> {
        let in_order = |mut key: SortKey| {
            key.expr = self.keyed(key.expr)?;
            Ok(key)
        };
        keys.into_iter().map(in_order).collect()
    }

    /// What values that are equal to SQL have in common.
    pub(super) fn keys(&self, exprs: Vec<Expr>) -> Result<Vec<Expr>> {
        exprs.into_iter().map(|expr| self.keyed(expr)).collect()
    }

    fn keyed(&self, expr: Expr) -> Result<Expr> {
        if let Some(value) = taken_as_is(&expr) {
            let is_told_apart = has_key(&type_of(value, self.schema)?);
            return Ok(if is_told_apart { bytes_of(value.clone()) } else { value.clone() });
        }
        if let Expr::ScalarFunction(call) = &expr
            && call.func.inner().is::<StructFunc>()
        {
            let ScalarFunction { func, args } = call.clone();
            return Ok(Expr::ScalarFunction(ScalarFunction::new_udf(func, self.keys(args)?)));
        }
        // The key of a float is a float.
        let is_key = matches!(&expr, Expr::ScalarFunction(call) if call.name() == COMPARISON_KEY);
        if !is_key && has_key(&type_of(&expr, self.schema)?) {
            return self.call(COMPARISON_KEY, vec![expr]);
        }
        Ok(expr)
    }

    fn like(&self, like: Like) -> Result<Expr> {
        let symbol = match (like.case_insensitive, like.negated) {
            (false, false) => "~~",
            (false, true) => "!~~",
            (true, false) => "~~*",
            (true, true) => "!~~*",
        };
        let mut pattern = *like.pattern;
        if let Some(escape) = like.escape_char.filter(|escape| *escape != '\\') {
            let escape = Expr::Literal(ScalarValue::Utf8(Some(escape.to_string())), None);
            pattern = self.call("like_escape", vec![pattern, escape])?;
        }
        let (expr, pattern) = (self.typed(*like.expr)?, self.typed(pattern)?);
        let given = [expr.sql_type.clone(), pattern.sql_type.clone()];
        let (_, types) = library::function(symbol)?.choose(&given, &[])?;
        if types.arguments[0] == SqlType::Bytea {
            return self.call(symbol, vec![expr.expr, pattern.expr]);
        }
        let expr = self.literal_as(expr, &types.arguments[0])?;
        let expr = self.argument(expr, &types.arguments[0])?;
        let pattern = self.literal_as(pattern, &types.arguments[1])?;
        let pattern = self.argument(pattern, &types.arguments[1])?;
        Ok(Expr::Like(Like::new(
            like.negated,
            Box::new(expr),
            Box::new(pattern),
            None,
            like.case_insensitive,
        )))
    }

    fn similar(&self, like: Like) -> Result<Expr> {
        let mut arguments = vec![*like.pattern];
        if let Some(escape) = like.escape_char {
            arguments.push(Expr::Literal(ScalarValue::Utf8(Some(escape.to_string())), None));
        }
        let pattern = self.call("similar_to_escape", arguments)?;
        self.call(if like.negated { "!~" } else { "~" }, vec![*like.expr, pattern])
    }

    fn between(&self, between: Between) -> Result<Expr> {
        let Between { expr, negated, low, high } = between;
        let from = self.compare(Comparison::GreaterOrEqual, expr.as_ref().clone(), *low)?;
        let to = self.compare(Comparison::LessOrEqual, *expr, *high)?;
        if let (Expr::BinaryExpr(from), Expr::BinaryExpr(to)) = (&from, &to)
            && from.left == to.left
            // DataFusion's simplifier takes 0.0 and -0.0 for two values.
            && !is_float(&type_of(&from.left, self.schema)?)
        {
            return Ok(Expr::Between(Between::new(
                from.left.clone(),
                negated,
                from.right.clone(),
                to.right.clone(),
            )));
        }
        let both = from.and(to);
        Ok(if negated { not(both) } else { both })
    }

    fn case(&self, mut case: Case) -> Result<Expr> {
        if let Some(operand) = case.expr.take() {
            case.expr = Some(Box::new(self.settled(*operand)?));
        }
        let mut conditions = Vec::with_capacity(case.when_then_expr.len());
        let mut results = Vec::with_capacity(case.when_then_expr.len() + 1);
        // The default is what decides on the type before all others.
        let has_else = case.else_expr.is_some();
        if let Some(otherwise) = case.else_expr {
            results.push(self.typed(*otherwise)?);
        }
        for (when, then) in case.when_then_expr {
            conditions.push(match &case.expr {
                Some(operand) => {
                    self.compare(Comparison::Equal, operand.as_ref().clone(), *when)?
                }
                None => self.condition(*when, "CASE/WHEN")?,
            });
            results.push(self.typed(*then)?);
        }
        let (results, sql_type) = to_common(results, "CASE", self.settings)?;
        let mut results = results.into_iter();
        let otherwise = if has_else { results.next() } else { None };
        let branches = conditions
            .into_iter()
            .zip(results)
            .map(|(when, then)| (Box::new(when), Box::new(then)))
            .collect();
        let case = Case::new(None, branches, otherwise.map(Box::new));
        Ok(labelled(Expr::Case(case), &sql_type))
    }

    fn aggregate(&self, call: AggregateFunction) -> Result<AggregateFunction> {
        let AggregateFunction { mut func, mut params } = call;
        if params.distinct && func.inner().is::<Aggregate>() {
            orders_by_arguments(&params)?;
        }
        let given = params.distinct.then(|| params.args.clone());
        (func, params.args) = self.bind_aggregate(func, params.args)?;
        if let Some(given) = given
            && is_of_texts(&func)
            && params.args.len() == 1
            && params.args != given
        {
            // Rows are distinct, and sorted, by the values that the texts are made of.
            params.args.extend(self.keys(self.settled_all(given)?)?);
        }
        if params.distinct {
            params.args = self.distinct_arguments(func.name(), params.args)?;
        }
        params.order_by = self.sort_keys(params.order_by)?;
        if let Some(filter) = params.filter.take() {
            let filter = self.boxed_condition(*filter, "FILTER")?;
            params.args = self.asked_if(&filter, params.args)?;
            params.filter = Some(filter);
        }
        Ok(AggregateFunction { func, params })
    }

    /// Arguments that can fail are asked for the rows that the filter lets through alone.
    fn asked_if(&self, filter: &Expr, args: Vec<Expr>) -> Result<Vec<Expr>> {
        args.into_iter()
            .map(|argument| {
                if !can_fail(&argument) {
                    return Ok(argument);
                }
                let sql_type = type_of(&argument, self.schema)?;
                let branch = (Box::new(filter.clone()), Box::new(argument));
                Ok(labelled(Expr::Case(Case::new(None, vec![branch], None)), &sql_type))
            })
            .collect()
    }

    /// Arguments of which equal ones are one to DISTINCT. Where only their number counts, their keys do as well; what is
    /// collected has its key behind it.
    fn distinct_arguments(&self, function: &str, args: Vec<Expr>) -> Result<Vec<Expr>> {
        let mut distinct = Vec::with_capacity(args.len() + 1);
        for argument in args {
            let sql_type = type_of(&argument, self.schema)?;
            if sql_type == SqlType::Interval && matches!(function, "sum" | "avg") {
                return Err(equal_intervals(function));
            }
            let by_key = is_float(&sql_type) || function == "count";
            distinct.push(if by_key { self.keyed(argument)? } else { argument });
        }
        if function == "array_agg"
            && let [argument] = distinct.as_slice()
        {
            let key = self.keyed(argument.clone())?;
            if key != *argument {
                distinct.push(key);
            }
        }
        Ok(distinct)
    }

    fn settled_all(&self, exprs: Vec<Expr>) -> Result<Vec<Expr>> {
        exprs.into_iter().map(|expr| self.settled(expr)).collect()
    }

    /// The aggregate that the arguments' types choose, and the arguments in the types that it takes.
    fn bind_aggregate(
        &self,
        func: Arc<AggregateUDF>,
        args: Vec<Expr>,
    ) -> Result<(Arc<AggregateUDF>, Vec<Expr>)> {
        let Some(aggregate) = func.inner().downcast_ref::<Aggregate>() else {
            let args =
                if func.inner().is::<BoundAggregate>() { args } else { self.settled_all(args)? };
            return Ok((func, args));
        };
        let mut typed = Vec::with_capacity(args.len());
        for argument in args {
            typed.push(self.typed(argument)?);
        }
        let given: Vec<SqlType> = typed.iter().map(|typed| typed.sql_type.clone()).collect();
        let bound = aggregate.choose(&given)?;
        let mut arguments = Vec::with_capacity(typed.len());
        for (typed, to) in typed.into_iter().zip(&bound.types.arguments) {
            let typed = self.literal_as(typed, to)?;
            arguments.push(self.argument(typed, to)?);
        }
        if let Some(row_function) = bound.row_function() {
            arguments = vec![self.call(row_function, arguments)?];
        }
        Ok((Arc::new(AggregateUDF::new_from_impl(bound)), arguments))
    }

    /// A subquery, over the final types of the columns that it takes from outside.
    fn subquery(&self, subquery: Subquery) -> Result<Subquery> {
        let Subquery { subquery: plan, outer_ref_columns, spans } = subquery;
        let plan = self.with_outer_types(Arc::unwrap_or_clone(plan))?;
        let plan = settle(open(plan, self.settings)?, self.settings)?;
        let outer_ref_columns = outer_ref_columns
            .into_iter()
            .map(|column| self.outer_types(column).data())
            .collect::<DfResult<Vec<_>>>()
            .map_err(to_error)?;
        Ok(Subquery { subquery: Arc::new(plan), outer_ref_columns, spans })
    }

    fn with_outer_types(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        plan.transform_down_with_subqueries(|node| {
            node.map_expressions(|expr| self.outer_types(expr))
        })
        .data()
        .map_err(to_error)
    }

    fn outer_types(&self, expr: Expr) -> DfResult<Transformed<Expr>> {
        expr.transform_up(|expr| {
            let Expr::OuterReferenceColumn(_, column) = &expr else {
                return Ok(Transformed::no(expr));
            };
            match self.schema.field_from_column(column) {
                Ok(field) => Ok(Transformed::yes(Expr::OuterReferenceColumn(
                    Arc::clone(field),
                    column.clone(),
                ))),
                // A column of a query further out.
                Err(_) => Ok(Transformed::no(expr)),
            }
        })
    }

    fn in_subquery(&self, in_subquery: InSubquery) -> Result<Expr> {
        let InSubquery { expr, subquery, negated } = in_subquery;
        let (expr, subquery) = self.compared_subquery(*expr, subquery, "=")?;
        Ok(Expr::InSubquery(InSubquery::new(Box::new(expr), subquery, negated)))
    }

    fn set_comparison(&self, comparison: SetComparison) -> Result<Expr> {
        let SetComparison { expr, subquery, op, quantifier } = comparison;
        let symbol = Comparison::of_operator(op)
            .ok_or_else(|| {
                Error::unsupported(format!("{op} ANY/ALL over a subquery is not supported"))
            })?
            .symbol();
        let (expr, subquery) = self.compared_subquery(*expr, subquery, symbol)?;
        Ok(Expr::SetComparison(SetComparison::new(Box::new(expr), subquery, op, quantifier)))
    }
}

/// Which of several equal intervals counts would be open, and of '1 mon' and '30 days' the sums differ.
fn equal_intervals(function: &str) -> Error {
    Error::new(
        SqlState::FeatureNotSupported,
        format!("{function}(DISTINCT) over intervals is not supported"),
    )
    .with_hint("Take the distinct ones in a subquery, SELECT DISTINCT, and those of it together.")
}

/// 42P10 where DISTINCT leaves open which row of several it is whose key counts.
fn orders_by_arguments(params: &AggregateFunctionParams) -> Result<()> {
    if params.order_by.iter().all(|key| params.args.contains(&key.expr)) {
        return Ok(());
    }
    Err(Error::new(
        SqlState::InvalidColumnReference,
        "in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list",
    ))
}

/// 42883 for a type without an order.
fn check_order(t: &SqlType) -> Result<()> {
    let found = library::function("<")?.choose(&[t.clone(), t.clone()], &[]);
    found.map(|_| ()).map_err(|_| {
        Error::new(
            SqlState::UndefinedFunction,
            format!("could not identify a comparison function for type {t}"),
        )
    })
}

fn is_float(t: &SqlType) -> bool {
    matches!(t, SqlType::Float4 | SqlType::Float8)
}

fn two(args: Vec<Expr>) -> Result<[Expr; 2]> {
    <[Expr; 2]>::try_from(args).map_err(|args| {
        Error::new(
            SqlState::UndefinedFunction,
            format!("function with {} arguments does not exist", args.len()),
        )
        .with_hint("No function matches the given name and argument types.")
    })
}

/// The type of a numeric literal as PostgreSQL's scanner sees it.
fn literal(value: ScalarValue) -> Result<Expr> {
    let value = match value {
        ScalarValue::Int64(Some(number)) => match i32::try_from(number) {
            Ok(number) => ScalarValue::Int32(Some(number)),
            Err(_) => ScalarValue::Int64(Some(number)),
        },
        ScalarValue::UInt64(Some(number)) => ScalarValue::Decimal128(Some(number.into()), 20, 0),
        ScalarValue::Decimal256(Some(number), _, scale) => {
            let number = number.to_i128().filter(|_| (0..=38).contains(&scale));
            let number = number.ok_or_else(crate::functions::arithmetic::numeric::overflow)?;
            ScalarValue::Decimal128(Some(number), 38, scale)
        }
        ScalarValue::Decimal128(Some(number), _, scale) if scale < 0 => whole(number, scale)?,
        other => other,
    };
    Ok(Expr::Literal(value, None))
}

/// A number with an exponent, which to PostgreSQL has no digits behind the point.
fn whole(number: i128, scale: i8) -> Result<ScalarValue> {
    let number = 10_i128
        .checked_pow(scale.unsigned_abs().into())
        .and_then(|power| number.checked_mul(power))
        .filter(|number| number.unsigned_abs() < 10_u128.pow(38))
        .ok_or_else(crate::functions::arithmetic::numeric::overflow)?;
    let digits = number.unsigned_abs().checked_ilog10().unwrap_or(0) + 1;
    Ok(ScalarValue::Decimal128(Some(number), digits as u8, 0))
}

/// An expression that would hand on no SQL type with its Arrow type.
fn labelled(expr: Expr, sql_type: &SqlType) -> Expr {
    if schema::field("", sql_type, true).metadata().is_empty() {
        expr
    } else {
        native(expr, sql_type)
    }
}
