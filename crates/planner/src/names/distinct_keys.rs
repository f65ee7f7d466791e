//! Keys of SELECT DISTINCT and DISTINCT ON that are outputs by what they are, or by their position.
//!
//! DataFusion knows a key as an output by its name alone.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self as sql, Distinct, Expr, JoinConstraint, JoinOperator, OrderByExpr, OrderByOptions, Select,
    SelectItem, Spanned, VisitorMut,
};
use weir_types::{Error, Result, SqlState};

use super::relations::{constraint_of, name_of};
use super::sort_keys::{output, plain};
use super::{fold, quoted};
use crate::dialect::visit::visit_mut;

/// Makes the sort keys of SELECT DISTINCT name outputs.
///
/// # Errors
/// 42P10 for an expression that is none.
pub(super) fn name_outputs(keys: &mut [OrderByExpr], select: &Select) -> Result<()> {
    if !matches!(select.distinct, Some(Distinct::Distinct)) {
        return Ok(());
    }
    let normalizer = Normalizer { relations: relations(select) };
    let names: BTreeSet<String> =
        select.projection.iter().filter_map(output).map(|(name, _)| name).collect();
    for key in keys {
        let is_named = match plain(&key.expr) {
            Expr::Identifier(name) => names.contains(&fold(name)),
            Expr::Value(_) => true,
            _ => false,
        };
        if is_named {
            continue;
        }
        let wanted = normalizer.normal(&key.expr);
        let is_wanted = |item: &SelectItem| {
            output(item).is_some_and(|(_, expr)| normalizer.normal(expr).is(&wanted))
        };
        match select.projection.iter().position(is_wanted) {
            Some(place) => {
                if let Some(reference) = reference(&select.projection, place) {
                    key.expr = reference;
                }
            }
            None if is_column(&key.expr) => {}
            None => return Err(not_in_list(&key.expr)),
        }
    }
    Ok(())
}

/// Puts the outputs in the place of their positions in DISTINCT ON, and takes out what comes twice: DataFusion wants
/// the first sort keys to be as many.
///
/// # Errors
/// 42P10 for a position that the SELECT does not have, 0A000 for one behind `*`.
pub(super) fn name_positions(select: &mut Select) -> Result<()> {
    let normalizer = match select.distinct {
        Some(Distinct::On(_)) => Normalizer { relations: relations(select) },
        _ => return Ok(()),
    };
    let Some(Distinct::On(exprs)) = &mut select.distinct else { return Ok(()) };
    for expr in exprs.iter_mut() {
        let Expr::Value(value) = plain(expr) else { continue };
        let sql::Value::Number(text, _) = &value.value else { continue };
        let items = &select.projection;
        let place = text.parse::<usize>().ok().and_then(|position| position.checked_sub(1));
        let is_wildcard = |item: &SelectItem| output(item).is_none();
        let wildcard = items.iter().position(is_wildcard).unwrap_or(items.len());
        *expr = match place {
            Some(place) if place < wildcard => match &items[place] {
                SelectItem::ExprWithAlias { alias, .. } => Expr::Identifier(alias.clone()),
                SelectItem::UnnamedExpr(item) => item.clone(),
                _ => continue,
            },
            Some(_) if wildcard < items.len() => {
                return Err(Error::unsupported(
                    "a position in SELECT DISTINCT ON that is behind * is not supported",
                )
                .with_hint("Name the column."));
            }
            _ => {
                return Err(Error::new(
                    SqlState::InvalidColumnReference,
                    format!("SELECT DISTINCT ON position {text} is not in select list"),
                ));
            }
        };
    }
    let mut known: Vec<Normal> = Vec::new();
    exprs.retain(|expr| {
        let normal = normalizer.normal(expr);
        let is_new = !known.iter().any(|other| other.is(&normal));
        if is_new {
            known.push(normal);
        }
        is_new
    });
    Ok(())
}

/// Puts the keys of DISTINCT ON in the order of the sort keys, and those without a sort key behind these. PostgreSQL
/// wants the first sort keys to be among them, DataFusion to be the same ones.
/// Others than that are left as they are, for DataFusion to refuse.
pub(super) fn order_as_sorted(select: &mut Select, keys: &mut Vec<OrderByExpr>) {
    let normalizer = match select.distinct {
        Some(Distinct::On(_)) => Normalizer { relations: relations(select) },
        _ => return,
    };
    let items = &select.projection;
    let Some(Distinct::On(exprs)) = &mut select.distinct else { return };
    let normal = |expr: &Expr| normalizer.normal(meaning(expr, items));
    let mut open: Vec<(Normal, Expr)> =
        exprs.iter().map(|expr| (normal(expr), expr.clone())).collect();
    let mut sorted = Vec::with_capacity(open.len());
    for key in keys.iter() {
        let wanted = normal(&key.expr);
        match open.iter().position(|(known, _)| known.is(&wanted)) {
            Some(place) => sorted.push(open.remove(place).1),
            None if open.is_empty() => break,
            None => return,
        }
    }
    for (_, expr) in open {
        keys.push(OrderByExpr {
            expr: expr.clone(),
            options: OrderByOptions::default(),
            with_fill: None,
        });
        sorted.push(expr);
    }
    *exprs = sorted;
}

/// The expression of the output that a key names or has the position of; of another key the key.
fn meaning<'e>(key: &'e Expr, items: &'e [SelectItem]) -> &'e Expr {
    let named = match plain(key) {
        Expr::Identifier(name) => {
            let name = fold(name);
            items.iter().filter_map(output).find(|(known, _)| *known == name)
        }
        Expr::Value(value) => match &value.value {
            sql::Value::Number(text, _) => {
                let place = text.parse::<usize>().ok().and_then(|position| position.checked_sub(1));
                let outputs: Option<Vec<_>> =
                    place.and_then(|place| items.get(..=place)?.iter().map(output).collect());
                outputs.and_then(|mut outputs| outputs.pop())
            }
            _ => None,
        },
        _ => None,
    };
    named.map_or(key, |(_, expr)| expr)
}

/// What means the output in that place as a sort key; `None` where only its expression does.
fn reference(items: &[SelectItem], place: usize) -> Option<Expr> {
    if items[..place].iter().all(|item| output(item).is_some()) {
        let position = (place + 1).to_string();
        return Some(Expr::value(sql::Value::Number(position, false)));
    }
    match &items[place] {
        SelectItem::ExprWithAlias { alias, .. } => Some(Expr::Identifier(quoted(fold(alias)))),
        _ => None,
    }
}

fn is_column(expr: &Expr) -> bool {
    matches!(plain(expr), Expr::Identifier(_) | Expr::CompoundIdentifier(_))
}

fn not_in_list(key: &Expr) -> Error {
    let error = Error::new(
        SqlState::InvalidColumnReference,
        "for SELECT DISTINCT, ORDER BY expressions must appear in select list",
    );
    match key.span().start.column as usize {
        0 => error,
        position => error.with_position(position),
    }
}

/// The relations by whose names a column means the same as without; none where joins merge columns.
fn relations(select: &Select) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for tree in &select.from {
        if tree.joins.iter().any(|join| merges(&join.join_operator)) {
            return BTreeSet::new();
        }
        let joined = tree.joins.iter().map(|join| &join.relation);
        names.extend(std::iter::once(&tree.relation).chain(joined).filter_map(name_of));
    }
    names
}

fn merges(operator: &JoinOperator) -> bool {
    matches!(constraint_of(operator), Some(JoinConstraint::Using(_) | JoinConstraint::Natural))
}

/// Brings the ways to write one expression into one.
struct Normalizer {
    relations: BTreeSet<String>,
}

impl Normalizer {
    fn normal(&self, expr: &Expr) -> Normal {
        let normal = |relations: &BTreeSet<String>| {
            let mut expr = expr.clone();
            let _ = visit_mut(&mut expr, &mut Normalize { relations });
            expr
        };
        Normal { plain: normal(&self.relations), full: normal(&BTreeSet::new()) }
    }
}

/// An expression in one way to write it, without the relations of its columns and with them.
struct Normal {
    plain: Expr,
    full: Expr,
}

impl Normal {
    /// True where both mean the same. Columns of one name are told apart where both have relations.
    fn is(&self, other: &Self) -> bool {
        let names_none = self.full == self.plain || other.full == other.plain;
        self.full == other.full || (names_none && self.plain == other.plain)
    }
}

/// Takes these relations off columns.
struct Normalize<'n> {
    relations: &'n BTreeSet<String>,
}

impl VisitorMut for Normalize<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Nested(inner) => {
                let inner = std::mem::replace(inner.as_mut(), Expr::value(sql::Value::Null));
                *expr = inner;
            }
            Expr::Identifier(name) => *name = quoted(fold(name)),
            Expr::CompoundIdentifier(parts) => {
                parts.iter_mut().for_each(|part| *part = quoted(fold(part)));
                if let [relation, column] = parts.as_slice()
                    && self.relations.contains(&relation.value)
                {
                    *expr = Expr::Identifier(column.clone());
                }
            }
            Expr::Cast { kind, .. } => *kind = sql::CastKind::Cast,
            Expr::Function(function) => {
                for part in &mut function.name.0 {
                    if let sql::ObjectNamePart::Identifier(name) = part {
                        *name = quoted(fold(name));
                    }
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
