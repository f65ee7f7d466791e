//! `GROUP BY (a, b)` is by two expressions, and not by a row. Positions in ROLLUP, CUBE and GROUPING SETS mean items of the SELECT, as they do elsewhere in GROUP BY; and
//! `ROLLUP ((a, b), c)`, which DataFusion does not take, becomes the sets that it stands for.

use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, ObjectNamePart, Select, SelectItem, SetExpr, Value,
};
use weir_types::{Error, Result, SqlState};

use super::expression::plain_arguments;

/// Most items of a CUBE and most sets of one GROUP BY, as in PostgreSQL.
const CUBE_MAX: usize = 12;
const SETS_MAX: usize = 4_096;

/// True where the SELECT has GROUP BY.
pub(super) fn groups(select: &Select) -> bool {
    !matches!(&select.group_by, GroupByExpr::Expressions(exprs, _) if exprs.is_empty())
}

/// Takes expressions of GROUP BY out of the parentheses that they share.
pub(super) fn spread(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => {
            let GroupByExpr::Expressions(exprs, _) = &mut select.group_by else { return };
            *exprs = std::mem::take(exprs).into_iter().flat_map(without_parentheses).collect();
        }
        SetExpr::SetOperation { left, right, .. } => {
            spread(left);
            spread(right);
        }
        _ => {}
    }
}

/// The expressions in parentheses; `()` stands for no expression, and is none.
fn without_parentheses(expr: Expr) -> Vec<Expr> {
    match expr {
        Expr::Tuple(items) if !items.is_empty() => {
            items.into_iter().flat_map(without_parentheses).collect()
        }
        Expr::Nested(inner) if matches!(*inner, Expr::Tuple(_) | Expr::Nested(_)) => {
            without_parentheses(*inner)
        }
        other => vec![other],
    }
}

/// Makes each ROLLUP and CUBE one of whose items is several expressions, or that is in GROUPING SETS, such sets.
///
/// # Errors
/// 54001 for too many of them.
pub(super) fn spell_out(select: &mut Select) -> Result<()> {
    let GroupByExpr::Expressions(exprs, _) = &mut select.group_by else { return Ok(()) };
    for expr in exprs {
        let sets = match &*expr {
            Expr::Rollup(items) if items.iter().any(|item| item.len() != 1) => rolled_up(items),
            Expr::Cube(items) if items.iter().any(|item| item.len() != 1) => cubed(items)?,
            Expr::GroupingSets(sets) if sets.iter().any(|set| nested(set).is_some()) => {
                let mut all = Vec::new();
                for set in sets {
                    match nested(set) {
                        Some((Nested::Rollup, items)) => all.extend(rolled_up(&items)),
                        Some((Nested::Cube, items)) => all.extend(cubed(&items)?),
                        None => all.push(set.clone()),
                    }
                }
                all
            }
            _ => continue,
        };
        if sets.len() > SETS_MAX {
            return Err(Error::new(
                SqlState::StatementTooComplex,
                format!("too many grouping sets present (maximum {SETS_MAX})"),
            ));
        }
        *expr = Expr::GroupingSets(sets);
    }
    Ok(())
}

/// What sqlparser takes for the call of a function within GROUPING SETS.
enum Nested {
    Rollup,
    Cube,
}

/// The items of a ROLLUP or CUBE that is one of GROUPING SETS.
fn nested(set: &[Expr]) -> Option<(Nested, Vec<Vec<Expr>>)> {
    let [Expr::Function(function)] = set else { return None };
    let [ObjectNamePart::Identifier(name)] = function.name.0.as_slice() else { return None };
    let nested = match name.value.as_str() {
        "rollup" if name.quote_style.is_none() => Nested::Rollup,
        "cube" if name.quote_style.is_none() => Nested::Cube,
        _ => return None,
    };
    let items = plain_arguments(&function.args)?.into_iter().map(|item| match item {
        Expr::Tuple(exprs) => exprs,
        Expr::Nested(expr) => vec![*expr],
        other => vec![other],
    });
    Some((nested, items.collect()))
}

/// The first items of all, of all but the last, and so on to none.
fn rolled_up(items: &[Vec<Expr>]) -> Vec<Vec<Expr>> {
    (0..=items.len()).rev().map(|n_items| set_of(items[..n_items].iter())).collect()
}

/// Each choice of the items.
fn cubed(items: &[Vec<Expr>]) -> Result<Vec<Vec<Expr>>> {
    if items.len() > CUBE_MAX {
        return Err(Error::new(
            SqlState::TooManyColumns,
            format!("CUBE is limited to {CUBE_MAX} elements"),
        ));
    }
    let chosen = |choice: usize| {
        let is_in = move |(place, _): &(usize, &Vec<Expr>)| choice & (1 << place) != 0;
        set_of(items.iter().enumerate().filter(is_in).map(|(_, item)| item))
    };
    Ok((0..1_usize << items.len()).rev().map(chosen).collect())
}

/// The expressions of those items, each once.
fn set_of<'a>(items: impl Iterator<Item = &'a Vec<Expr>>) -> Vec<Expr> {
    let mut set: Vec<Expr> = Vec::new();
    for expr in items.flatten() {
        if !set.contains(expr) {
            set.push(expr.clone());
        }
    }
    set
}

/// Puts the items in the place of their positions.
///
/// # Errors
/// 42P10 for a position that the SELECT does not have.
pub(super) fn name_positions(select: &mut Select) -> Result<()> {
    let GroupByExpr::Expressions(exprs, _) = &mut select.group_by else { return Ok(()) };
    for expr in exprs {
        if let Expr::Rollup(sets) | Expr::Cube(sets) | Expr::GroupingSets(sets) = expr {
            for item in sets.iter_mut().flatten() {
                name_position(item, &select.projection)?;
            }
        }
    }
    Ok(())
}

fn name_position(expr: &mut Expr, items: &[SelectItem]) -> Result<()> {
    let Expr::Value(value) = &*expr else { return Ok(()) };
    let Value::Number(text, _) = &value.value else { return Ok(()) };
    let found = text.parse::<usize>().ok().and_then(|position| items.get(position.checked_sub(1)?));
    *expr = match found {
        Some(SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. }) => {
            item.clone()
        }
        _ => {
            return Err(Error::new(
                SqlState::InvalidColumnReference,
                format!("GROUP BY position {text} is not in select list"),
            ));
        }
    };
    Ok(())
}
