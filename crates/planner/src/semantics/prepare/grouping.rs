//! Positions in ROLLUP, CUBE and GROUPING SETS mean items of the SELECT, as they do elsewhere in GROUP BY.

use datafusion::sql::sqlparser::ast::{Expr, GroupByExpr, Select, SelectItem, Value};
use weir_types::{Error, Result, SqlState};

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
