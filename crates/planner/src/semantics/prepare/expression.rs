//! Expressions whose parts are rewritten already.

use datafusion::sql::sqlparser::ast::AccessExpr;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    Ident, Interval, ObjectName, Query, Subscript, UnaryOperator, Value, ValueWithSpan,
    WindowFrameBound, WindowSpec, WindowType,
};
use weir_types::{Error, Result, SqlType};

use super::build::{array_function, builtin_name, call, cast};
use super::row_in::in_query;
use crate::functions::huge_number;
use crate::functions::operator::Comparison;
use crate::names::plain;

/// Types that name objects: their casts need the catalog, and are functions of the session.
const OBJECT_TYPES: &[&str] = &[
    "regclass",
    "regtype",
    "regproc",
    "regnamespace",
    "regrole",
    "regoperator",
    "regprocedure",
    "regoper",
];

pub(super) fn rewrite(expr: &mut Expr) -> Result<()> {
    let taken = std::mem::replace(expr, Expr::value(Value::Null));
    *expr = match taken {
        Expr::Nested(inner) if matches!(*inner, Expr::Tuple(_)) => *inner,
        Expr::AtTimeZone { timestamp, time_zone } => call("timezone", vec![*time_zone, *timestamp]),
        // DataFusion plans the elements of an array apart from the query around: without its columns and WITH queries.
        Expr::Array(array) if !array.elem.is_empty() => call("array", array.elem),
        Expr::Interval(interval) => of_interval(interval),
        Expr::Value(ValueWithSpan { value: Value::Number(digits, false), .. })
            if huge_number::is_huge(&digits) =>
        {
            call(huge_number::HUGE_NUMBER, vec![text_literal(digits)])
        }
        Expr::UnaryOp { op, expr } => of_unary(op, expr),
        Expr::BinaryOp { left, op, right } => of_binary(*left, op, *right)?,
        Expr::AnyOp { left, compare_op, right, .. } if !is_query(&right) => {
            call(&format!("any {}", symbol(&compare_op)), vec![*left, *right])
        }
        Expr::AllOp { left, compare_op, right } if !is_query(&right) => {
            call(&format!("all {}", symbol(&compare_op)), vec![*left, *right])
        }
        Expr::IsDistinctFrom(left, right) => of_distinct(left, right, true)?,
        Expr::IsNotDistinctFrom(left, right) => of_distinct(left, right, false)?,
        Expr::InSubquery { expr, subquery, negated } => in_query(*expr, subquery, negated)?,
        Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. }
            if items(&left).is_some() =>
        {
            in_query(*left, query_of(*right)?, false)?
        }
        Expr::AllOp { left, compare_op: BinaryOperator::NotEq, right }
            if items(&left).is_some() =>
        {
            in_query(*left, query_of(*right)?, true)?
        }
        Expr::IsNull(inner) => of_null_test(inner, Expr::IsNull),
        Expr::IsNotNull(inner) => of_null_test(inner, Expr::IsNotNull),
        Expr::InList { expr, list, negated } => of_in_list(*expr, list, negated)?,
        Expr::Cast { kind, expr, data_type, array, format } => {
            match object_cast(&expr, &data_type) {
                Some(function) => call(&function, vec![object_operand(*expr, &data_type)]),
                None => {
                    let expr = if is_float(&data_type) { as_text(expr) } else { expr };
                    Expr::Cast { kind, expr, data_type, array, format }
                }
            }
        }
        Expr::Like { negated, any: false, expr, pattern, escape_char: Some(escape) }
            if is_empty(&escape) =>
        {
            let pattern = Box::new(without_escape(*pattern));
            Expr::Like { negated, any: false, expr, pattern, escape_char: None }
        }
        Expr::ILike { negated, any: false, expr, pattern, escape_char: Some(escape) }
            if is_empty(&escape) =>
        {
            let pattern = Box::new(without_escape(*pattern));
            Expr::ILike { negated, any: false, expr, pattern, escape_char: None }
        }
        Expr::Collate { expr, collation } => of_collation(*expr, &collation)?,
        Expr::CompoundFieldAccess { root, access_chain } => {
            Expr::CompoundFieldAccess { root, access_chain: bounded_slices(access_chain) }
        }
        Expr::Function(function) => of_function(function)?,
        other => other,
    };
    Ok(())
}

fn is_float(name: &DataType) -> bool {
    matches!(crate::dialect::sql_type(name), Ok(SqlType::Float4 | SqlType::Float8))
}

fn text_literal(text: String) -> Expr {
    Expr::value(Value::SingleQuotedString(text))
}

/// A number that is cast to a float can have more digits than `numeric` has here: it is read from its
/// text.
fn as_text(expr: Box<Expr>) -> Box<Expr> {
    match *expr {
        Expr::Value(ValueWithSpan { value: Value::Number(digits, false), span })
            if digits.contains(['e', 'E']) || digits.len() > 38 =>
        {
            Box::new(Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(digits), span }))
        }
        other => Box::new(other),
    }
}

fn is_query(expr: &Expr) -> bool {
    match expr {
        Expr::Subquery(_) => true,
        Expr::Nested(inner) => is_query(inner),
        _ => false,
    }
}

/// The query of an operand of which it is known that it is one.
fn query_of(expr: Expr) -> Result<Box<Query>> {
    match expr {
        Expr::Subquery(query) => Ok(query),
        Expr::Nested(inner) => query_of(*inner),
        _ => Err(Error::internal("a row is compared with what is no query")),
    }
}

/// The symbol of an operator, without its schema.
pub(super) fn symbol(op: &BinaryOperator) -> String {
    match op {
        BinaryOperator::PGCustomBinaryOperator(path) => path.last().cloned().unwrap_or_default(),
        other => other.to_string(),
    }
}

/// Literals of intervals are read by the type's input function.
fn of_interval(interval: Interval) -> Expr {
    let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), span }) =
        *interval.value
    else {
        return Expr::Interval(interval);
    };
    // A unit behind the literal is that of a bare number.
    let is_number = !text.trim().is_empty()
        && text
            .trim()
            .trim_start_matches(['-', '+'])
            .bytes()
            .all(|b| b.is_ascii_digit() || b == b'.');
    let unit = interval.last_field.as_ref().or(interval.leading_field.as_ref());
    let text = match unit {
        Some(unit) if is_number => format!("{} {unit}", text.trim()),
        _ => text,
    };
    let literal = Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), span });
    cast(literal, DataType::Interval { fields: None, precision: None })
}

fn of_unary(op: UnaryOperator, operand: Box<Expr>) -> Expr {
    let name = match op {
        UnaryOperator::PGAbs => "@",
        UnaryOperator::BitwiseNot => "~",
        UnaryOperator::PGSquareRoot => "|/",
        UnaryOperator::PGCubeRoot => "||/",
        op => return Expr::UnaryOp { op, expr: operand },
    };
    call(name, vec![*operand])
}

/// The items of a row; `None` for another expression.
pub(super) fn items(expr: &Expr) -> Option<&[Expr]> {
    match expr {
        Expr::Tuple(items) => Some(items),
        Expr::Nested(inner) => items(inner),
        _ => None,
    }
}

/// Comparisons of rows, item by item.
pub(super) fn of_binary(left: Expr, op: BinaryOperator, right: Expr) -> Result<Expr> {
    let (Some(a), Some(b)) = (items(&left), items(&right)) else {
        return Ok(Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) });
    };
    if a.len() != b.len() {
        return Err(Error::syntax("unequal number of entries in row expressions"));
    }
    let compared = compare_rows(a, &op, b)
        .ok_or_else(|| Error::unsupported(format!("operator {op} on rows is not supported")))?;
    Ok(Expr::Nested(Box::new(compared)))
}

fn compare_rows(a: &[Expr], op: &BinaryOperator, b: &[Expr]) -> Option<Expr> {
    use BinaryOperator as B;
    let each = a.iter().zip(b).map(|(a, b)| binary(a.clone(), op.clone(), b.clone()));
    match op {
        B::Eq => each.reduce(|all, one| binary(all, B::And, one)),
        B::NotEq => each.reduce(|any, one| binary(any, B::Or, one)),
        B::Lt | B::LtEq | B::Gt | B::GtEq => {
            let (first_a, rest_a) = a.split_first()?;
            let (first_b, rest_b) = b.split_first()?;
            if rest_a.is_empty() {
                return Some(binary(first_a.clone(), op.clone(), first_b.clone()));
            }
            let strict = if matches!(op, B::Lt | B::LtEq) { B::Lt } else { B::Gt };
            let before = binary(first_a.clone(), strict, first_b.clone());
            let equal = binary(first_a.clone(), B::Eq, first_b.clone());
            let rest = compare_rows(rest_a, op, rest_b)?;
            let rest = if rest_a.len() > 1 { Expr::Nested(Box::new(rest)) } else { rest };
            Some(binary(before, B::Or, binary(equal, B::And, rest)))
        }
        _ => None,
    }
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

/// `IS [NOT] DISTINCT FROM`, of rows item by item. DataFusion's planner would refuse operands whose types are open.
fn of_distinct(left: Box<Expr>, right: Box<Expr>, is_distinct: bool) -> Result<Expr> {
    let is_null =
        |expr: &Expr| matches!(plain(expr), Expr::Value(value) if value.value == Value::Null);
    let test = |expr| if is_distinct { Expr::IsNotNull(expr) } else { Expr::IsNull(expr) };
    let (name, joined) = if is_distinct {
        (Comparison::Distinct.name(), BinaryOperator::Or)
    } else {
        (Comparison::NotDistinct.name(), BinaryOperator::And)
    };
    match (items(&left), items(&right)) {
        (Some(a), Some(b)) if a.len() == b.len() => {
            let each = a.iter().zip(b).map(|(a, b)| call(name, vec![a.clone(), b.clone()]));
            let all = each.reduce(|all, one| binary(all, joined.clone(), one));
            let all = all.ok_or_else(|| Error::syntax("cannot compare rows of zero length"))?;
            Ok(Expr::Nested(Box::new(all)))
        }
        (Some(_), Some(_)) => Err(Error::syntax("unequal number of entries in row expressions")),
        // Any type can be compared so, even one without an equality.
        (None, None) if is_null(&right) => Ok(test(as_one_value(left)?)),
        (None, None) if is_null(&left) => Ok(test(as_one_value(right)?)),
        // No row is NULL as a whole, whatever its items are.
        (Some(_), None) if is_null(&right) => Ok(Expr::value(Value::Boolean(is_distinct))),
        (None, Some(_)) if is_null(&left) => Ok(Expr::value(Value::Boolean(is_distinct))),
        _ => Ok(call(name, vec![*left, *right])),
    }
}

/// An operand that is not NULL where a row's items are: IS NULL of the same text would test them.
fn as_one_value(operand: Box<Expr>) -> Result<Box<Expr>> {
    match plain(&operand) {
        Expr::QualifiedWildcard(name, _) => {
            Err(Error::unsupported(format!("{name}.* IS DISTINCT FROM NULL is not supported"))
                .with_hint("Test a column that is NOT NULL, such as the primary key."))
        }
        // In parentheses the name of a relation is not its row.
        Expr::Identifier(_) => Ok(Box::new(Expr::Nested(operand))),
        _ => Ok(operand),
    }
}

/// A row is NULL where each item is, and not NULL where each is not.
fn of_null_test(tested: Box<Expr>, test: fn(Box<Expr>) -> Expr) -> Expr {
    let each = items(&tested).into_iter().flatten().map(|item| test(Box::new(item.clone())));
    match each.reduce(|all, one| binary(all, BinaryOperator::And, one)) {
        Some(all) => Expr::Nested(Box::new(all)),
        None => test(tested),
    }
}

/// `(a, b) IN ((1, 2), (3, 4))`
fn of_in_list(expr: Expr, list: Vec<Expr>, negated: bool) -> Result<Expr> {
    if items(&expr).is_none() {
        return Ok(Expr::InList { expr: Box::new(expr), list, negated });
    }
    let mut any: Option<Expr> = None;
    for item in list {
        let is_equal = of_binary(expr.clone(), BinaryOperator::Eq, item)?;
        any = Some(match any {
            Some(before) => binary(before, BinaryOperator::Or, is_equal),
            None => is_equal,
        });
    }
    let any = Expr::Nested(Box::new(any.ok_or_else(|| Error::syntax("an IN list has no items"))?));
    Ok(if negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(any) } } else { any })
}

/// The name of a type that names objects.
fn object_type(data_type: &DataType) -> Option<String> {
    let name = match data_type {
        DataType::Regclass => "regclass".to_owned(),
        DataType::Custom(name, _) => builtin_name(name)?,
        _ => return None,
    };
    OBJECT_TYPES.contains(&name.as_str()).then_some(name)
}

/// The function of a cast to a type that names objects, or from one to its text.
fn object_cast(expr: &Expr, data_type: &DataType) -> Option<String> {
    if let Some(name) = object_type(data_type) {
        return Some(name);
    }
    let is_text = match data_type {
        DataType::Text | DataType::Varchar(_) | DataType::CharacterVarying(_) => true,
        DataType::Custom(name, _) => {
            matches!(builtin_name(name).as_deref(), Some("text" | "name" | "varchar"))
        }
        _ => false,
    };
    let Expr::Function(function) = plain(expr) else { return None };
    let name = builtin_name(&function.name)?;
    (is_text && OBJECT_TYPES.contains(&name.as_str())).then(|| format!("{name}_text"))
}

/// What the function of an object's cast takes: of a cast to text, the operand of the inner cast.
fn object_operand(expr: Expr, data_type: &DataType) -> Expr {
    if object_type(data_type).is_some() {
        return expr;
    }
    let expr = match expr {
        Expr::Nested(inner) => *inner,
        other => other,
    };
    match expr {
        Expr::Function(Function { args: FunctionArguments::List(mut list), .. }) => {
            match list.args.pop() {
                Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(operand))) => operand,
                _ => Expr::value(Value::Null),
            }
        }
        other => other,
    }
}

fn is_empty(literal: &ValueWithSpan) -> bool {
    matches!(&literal.value, Value::SingleQuotedString(text) if text.is_empty())
}

fn without_escape(pattern: Expr) -> Expr {
    let empty = Expr::value(Value::SingleQuotedString(String::new()));
    call("like_escape", vec![pattern, empty])
}

/// There is one collation, by code points; others would order otherwise.
fn of_collation(expr: Expr, collation: &ObjectName) -> Result<Expr> {
    match builtin_name(collation).as_deref() {
        Some("C" | "POSIX" | "ucs_basic" | "default" | "c" | "posix") => Ok(expr),
        _ => Err(Error::unsupported(format!("collation {collation} is not supported"))
            .with_hint("Texts compare by code points: collation \"C\".")),
    }
}

/// Slices without a bound reach to the end.
fn bounded_slices(chain: Vec<AccessExpr>) -> Vec<AccessExpr> {
    let number = |text: &str| Expr::value(Value::Number(text.to_owned(), false));
    chain
        .into_iter()
        .map(|access| match access {
            AccessExpr::Subscript(Subscript::Slice { lower_bound, upper_bound, stride }) => {
                AccessExpr::Subscript(Subscript::Slice {
                    lower_bound: Some(lower_bound.unwrap_or_else(|| number("1"))),
                    upper_bound: Some(upper_bound.unwrap_or_else(|| number("2147483647"))),
                    stride,
                })
            }
            other => other,
        })
        .collect()
}

/// The parameters of `make_interval`, which is called by name mostly.
const MAKE_INTERVAL: [&str; 7] = ["years", "months", "weeks", "days", "hours", "mins", "secs"];

fn of_function(mut function: Function) -> Result<Expr> {
    if let Some(WindowType::WindowSpec(window)) = &mut function.over {
        frame_bounds(window);
    }
    let Some(name) = builtin_name(&function.name) else { return Ok(Expr::Function(function)) };
    if function.name.0.len() > 1 {
        function.name.0.drain(..function.name.0.len() - 1);
    }
    if name == "row"
        && let Some(items) = plain_arguments(&function.args)
    {
        return Ok(Expr::Tuple(items));
    }
    if name == "make_interval"
        && let Some(args) = named_arguments(&function.args, &MAKE_INTERVAL)?
    {
        return Ok(call("make_interval", args));
    }
    if let Some(list_function) = array_function(&name)
        && function.over.is_none()
    {
        function.name = ObjectName::from(Ident::with_quote('"', list_function));
        return Ok(call("unnest", vec![Expr::Function(function)]));
    }
    Ok(Expr::Function(function))
}

/// The offsets of a frame as the parser gave them: DataFusion's planner takes no expressions there.
fn frame_bounds(window: &mut WindowSpec) {
    let Some(frame) = &mut window.window_frame else { return };
    for bound in [Some(&mut frame.start_bound), frame.end_bound.as_mut()].into_iter().flatten() {
        let (WindowFrameBound::Preceding(Some(offset)) | WindowFrameBound::Following(Some(offset))) =
            bound
        else {
            continue;
        };
        if let Expr::Cast { expr, data_type: DataType::Interval { .. }, .. } = offset.as_mut() {
            let value = std::mem::replace(expr.as_mut(), Expr::value(Value::Null));
            **offset = Expr::Interval(Interval {
                value: Box::new(value),
                leading_field: None,
                leading_precision: None,
                last_field: None,
                fractional_seconds_precision: None,
            });
        }
    }
}

/// The arguments of a call that has some, and no names.
pub(super) fn plain_arguments(arguments: &FunctionArguments) -> Option<Vec<Expr>> {
    let FunctionArguments::List(list) = arguments else { return None };
    let plain = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    };
    let plain: Vec<Expr> = list.args.iter().map(plain).collect::<Option<_>>()?;
    (!plain.is_empty()).then_some(plain)
}

/// All arguments in order, 0 where there is none; `None` for a call without names.
fn named_arguments(arguments: &FunctionArguments, names: &[&str]) -> Result<Option<Vec<Expr>>> {
    let FunctionArguments::List(list) = arguments else { return Ok(None) };
    if list.args.iter().all(|arg| matches!(arg, FunctionArg::Unnamed(_))) {
        return Ok(None);
    }
    let zero = Expr::value(Value::Number("0".to_owned(), false));
    let mut all = vec![zero; names.len()];
    for (place, argument) in list.args.iter().enumerate() {
        let (place, value) = match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => (Some(place), value),
            FunctionArg::Named { name, arg: FunctionArgExpr::Expr(value), .. } => {
                let name = name.value.to_lowercase();
                (names.iter().position(|known| *known == name), value)
            }
            FunctionArg::ExprNamed {
                name: Expr::Identifier(name),
                arg: FunctionArgExpr::Expr(value),
                ..
            } => {
                let name = name.value.to_lowercase();
                (names.iter().position(|known| *known == name), value)
            }
            other => return Err(Error::syntax(format!("bad argument: {other}"))),
        };
        let slot = place.and_then(|place| all.get_mut(place)).ok_or_else(|| {
            Error::new(
                weir_types::SqlState::UndefinedFunction,
                format!("the function has no argument like {argument}"),
            )
        })?;
        slot.clone_from(value);
    }
    Ok(Some(all))
}
