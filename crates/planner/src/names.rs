//! Names of output columns, as PostgreSQL gives them.
//!
//! DataFusion names an unnamed expression by its text (`Int64(1)`, `count(*)`) and refuses two outputs of
//! one name. Here every unnamed expression gets PostgreSQL's name as an alias before planning, and a
//! second output of the same name gets a suffix that cannot be typed; [`wire_name`] takes it off.

mod distinct_keys;
pub(crate) mod relations;
mod sort_keys;
mod subquery_keys;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self as sql, Expr, Ident, Query, Select, SelectItem, SetExpr, VisitorMut,
};
use weir_types::Result;

use crate::dialect::visit::visit_mut;

pub(crate) use crate::dialect::fold;

pub(crate) use sort_keys::plain;

/// Separates a name from the number that keeps it apart from its twins.
pub(crate) const SUFFIX: char = '\u{1}';

/// The name of an output column as clients see it.
#[must_use]
pub(crate) fn wire_name(name: &str) -> &str {
    name.split(SUFFIX).next().unwrap_or(name)
}

/// A text of others with the names in it as clients see them.
#[must_use]
pub(crate) fn with_wire_names(text: &str) -> String {
    let mut pieces = text.split(SUFFIX);
    let mut shown = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        shown.push_str(piece.trim_start_matches(|c: char| c.is_ascii_alphanumeric()));
    }
    shown
}

/// Gives every unnamed select item of the query and its subqueries PostgreSQL's name, and names in ORDER BY
/// their meaning.
///
/// # Errors
/// 42702 for a sort key that names two outputs, 42P10 for one of SELECT DISTINCT that is no output, 0A000 for some keys
/// beside `*`.
pub(crate) fn name_outputs(query: &mut Query) -> Result<()> {
    if let SetExpr::Select(select) = query.body.as_mut() {
        keep_wildcards_apart(&mut select.projection);
    }
    sort_keys::resolve(query)?;
    let _ = visit_mut(query, &mut Namer);
    Ok(())
}

struct Namer;

impl VisitorMut for Namer {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        match query.body.as_mut() {
            SetExpr::Select(select) => name_select(select),
            body @ SetExpr::SetOperation { .. } => name_operand(body),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Names the outputs of an operand of a set operation.
fn name_operand(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => name_each(&mut select.projection, true),
        SetExpr::Query(query) => name_operand(&mut query.body),
        SetExpr::SetOperation { left, right, .. } => {
            name_operand(left);
            name_operand(right);
        }
        _ => {}
    }
}

/// Names the items of one SELECT: columns and aliases keep their names, the rest gets PostgreSQL's.
pub(crate) fn name_select(select: &mut Select) {
    name_items(&mut select.projection);
}

/// Names the items of a RETURNING list or a SELECT.
pub(crate) fn name_items(items: &mut [SelectItem]) {
    name_each(items, false);
}

/// In an operand of a set operation, columns of one name are kept apart also where they are of different relations:
/// DataFusion finds them by their bare names.
fn name_each(items: &mut [SelectItem], is_operand: bool) {
    let mut taken: BTreeSet<String> = items.iter().filter_map(fixed_name).collect();
    let columns: BTreeSet<String> = items.iter().filter_map(column_name).collect();
    let mut seen_aliases = BTreeSet::new();
    let mut seen_columns: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
    for (item_idx, item) in items.iter_mut().enumerate() {
        let expr = match item {
            SelectItem::UnnamedExpr(expr) => expr,
            SelectItem::ExprWithAlias { alias, .. } => {
                if !seen_aliases.insert(alias.value.clone()) || columns.contains(&fold(alias)) {
                    *alias = quoted(format!("{}{SUFFIX}{item_idx}", fold(alias)));
                }
                continue;
            }
            _ => continue,
        };
        let name = match column_path(expr) {
            Some(path) => {
                // Two references to one column are two outputs of one name.
                let name = figure(expr).0;
                let others = seen_columns.entry(name.clone()).or_default();
                if !others.iter().any(|other| is_operand || is_one_column(other, &path)) {
                    others.push(path);
                    continue;
                }
                format!("{name}{SUFFIX}{item_idx}")
            }
            None => {
                let name = figure(expr).0;
                if taken.insert(name.clone()) { name } else { format!("{name}{SUFFIX}{item_idx}") }
            }
        };
        let expr = std::mem::replace(
            expr,
            Expr::Wildcard(sql::helpers::attached_token::AttachedToken::empty()),
        );
        *item = SelectItem::ExprWithAlias { expr, alias: quoted(name) };
    }
}

/// `SELECT t.a, t.*` gives a column twice: the one beside the wildcard is kept apart. In a subquery
/// neither could be referred to.
fn keep_wildcards_apart(items: &mut [SelectItem]) {
    let is_wildcard = |item: &SelectItem| {
        matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..))
    };
    if !items.iter().any(is_wildcard) {
        return;
    }
    for (item_idx, item) in items.iter_mut().enumerate() {
        if let SelectItem::UnnamedExpr(expr) = item {
            let alias = quoted(format!("{}{SUFFIX}{item_idx}", figure(expr).0));
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
        }
    }
}

/// The parts of a reference to a column.
pub(crate) fn column_path(expr: &Expr) -> Option<Vec<String>> {
    match expr {
        Expr::Identifier(ident) => Some(vec![fold(ident)]),
        Expr::CompoundIdentifier(idents) => Some(idents.iter().map(fold).collect()),
        _ => None,
    }
}

/// True where two references can mean one column: one is the other, or tells less of its relation.
pub(crate) fn is_one_column(a: &[String], b: &[String]) -> bool {
    a.ends_with(b) || b.ends_with(a)
}

/// The identifier that means exactly that name.
pub(crate) fn quoted(name: String) -> Ident {
    Ident::with_quote('"', name)
}

/// The name that an item has by itself.
fn fixed_name(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(fold(alias)),
        other => column_name(other),
    }
}

/// The name of an item that is a bare column.
fn column_name(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::UnnamedExpr(Expr::Identifier(ident)) => Some(fold(ident)),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(idents)) => idents.last().map(fold),
        _ => None,
    }
}

/// PostgreSQL's `FigureColname`: a name, and how strong its claim is (0 none, 1 weak, 2 strong).
pub(crate) fn figure(expr: &Expr) -> (String, u8) {
    let strong = |name: &str| (name.to_owned(), 2);
    match expr {
        Expr::Identifier(ident) => (fold(ident), 2),
        Expr::CompoundIdentifier(idents) => (idents.last().map_or_else(none_name, fold), 2),
        Expr::Function(function) => match function.name.0.last().and_then(|part| part.as_ident()) {
            Some(ident) => (fold(ident), 2),
            None => (none_name(), 0),
        },
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => figure(inner),
        Expr::CompoundFieldAccess { root, access_chain } => {
            let field = access_chain.iter().rev().find_map(|access| match access {
                sql::AccessExpr::Dot(Expr::Identifier(field)) => Some((fold(field), 2)),
                _ => None,
            });
            field.unwrap_or_else(|| figure(root))
        }
        Expr::Cast { expr, data_type, .. } => {
            let (name, strength) = figure(expr);
            if strength > 1 { (name, strength) } else { (type_name(data_type), 1) }
        }
        Expr::TypedString(typed) => (type_name(&typed.data_type), 1),
        Expr::Interval(_) => ("interval".to_owned(), 1),
        Expr::Case { else_result, .. } => match else_result.as_deref().map(figure) {
            Some((name, 2)) => (name, 2),
            _ => ("case".to_owned(), 1),
        },
        Expr::Extract { .. } => strong("extract"),
        Expr::Position { .. } => strong("position"),
        Expr::Substring { .. } => strong("substring"),
        Expr::Trim { trim_where, .. } => strong(match trim_where {
            Some(sql::TrimWhereField::Leading) => "ltrim",
            Some(sql::TrimWhereField::Trailing) => "rtrim",
            _ => "btrim",
        }),
        Expr::Overlay { .. } => strong("overlay"),
        Expr::Ceil { .. } => strong("ceil"),
        Expr::Floor { .. } => strong("floor"),
        Expr::AtTimeZone { .. } => strong("timezone"),
        Expr::Exists { .. } => strong("exists"),
        Expr::Array(_) => strong("array"),
        Expr::Tuple(_) => strong("row"),
        Expr::Subquery(query) => first_output(query),
        _ => (none_name(), 0),
    }
}

fn none_name() -> String {
    "?column?".to_owned()
}

/// The name of a scalar subquery is that of its one output.
fn first_output(query: &Query) -> (String, u8) {
    match query.body.as_ref() {
        SetExpr::Select(select) => match select.projection.first() {
            Some(SelectItem::UnnamedExpr(expr)) => figure(expr),
            Some(SelectItem::ExprWithAlias { alias, .. }) => {
                (wire_name(&fold(alias)).to_owned(), 2)
            }
            // A query that was put around another.
            Some(SelectItem::Wildcard(_)) => match select.from.first().map(|tree| &tree.relation) {
                Some(sql::TableFactor::Derived { subquery, alias, .. }) => {
                    let given = alias.as_ref().and_then(|alias| alias.columns.first());
                    given.map_or_else(|| first_output(subquery), |column| (fold(&column.name), 2))
                }
                _ => (none_name(), 0),
            },
            _ => (none_name(), 0),
        },
        _ => (none_name(), 0),
    }
}

fn type_name(data_type: &sql::DataType) -> String {
    match crate::dialect::sql_type(data_type) {
        Ok(sql_type) => sql_type.internal_name(),
        Err(_) => data_type.to_string().to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let mut query = crate::dialect::parse_query(text).expect("valid SQL");
        name_outputs(&mut query).expect("keys have one meaning");
        let SetExpr::Select(select) = *query.body else { panic!("a SELECT") };
        select
            .projection
            .iter()
            .map(|item| match item {
                SelectItem::ExprWithAlias { alias, .. } => alias.value.clone(),
                SelectItem::UnnamedExpr(expr) => format!("={expr}"),
                _ => "*".to_owned(),
            })
            .collect()
    }

    #[test]
    fn unnamed_outputs_get_the_names_that_postgresql_gives() {
        assert_eq!(
            names(
                "SELECT 1, count(*), a, t.b, a::text, 1::bigint, CASE WHEN true THEN 1 END, \
                   extract(year FROM ts), (SELECT max(x) FROM u), lower(a) AS c FROM t"
            ),
            ["?column?", "count", "=a", "=t.b", "a\u{1}4", "int8", "case", "extract", "max", "c"]
        );
    }

    #[test]
    fn a_column_beside_its_wildcard_is_kept_apart() {
        let found = names("SELECT t.a, lower(b), t.*, (c).d, c AS e FROM t");
        assert_eq!(found, ["a\u{1}0", "lower\u{1}1", "*", "d\u{1}3", "e"]);
        assert_eq!(names("SELECT (c).d FROM t"), ["d"]);
    }

    #[test]
    fn columns_of_different_relations_are_twins_in_set_operations() {
        let text = "(SELECT t.a, u.a FROM t, u) EXCEPT SELECT 1, 2";
        let mut query = crate::dialect::parse_query(text).expect("valid SQL");
        name_outputs(&mut query).expect("no keys");
        assert_eq!(
            query.to_string(),
            "(SELECT t.a, u.a AS \"a\u{1}1\" FROM t, u) EXCEPT SELECT 1 AS \"?column?\", 2 AS \
             \"?column?\u{1}1\""
        );
    }

    #[test]
    fn twins_are_kept_apart_and_look_the_same_on_the_wire() {
        let found = names("SELECT 1, 2, a, a FROM t");
        assert_eq!(found, ["?column?", "?column?\u{1}1", "=a", "a\u{1}3"]);
        assert_eq!(wire_name(&found[1]), "?column?");
        assert_eq!(wire_name(&found[3]), "a");
        assert_eq!(with_wire_names("\"a\u{1}key0\" of b\u{1}outer.c"), "\"a\" of b.c");
        assert_eq!(names("SELECT a, t.a, A FROM t"), ["=a", "a\u{1}1", "a\u{1}2"]);
        assert_eq!(names("SELECT t.a, u.a FROM t, u"), ["=t.a", "=u.a"]);
        assert_eq!(names("SELECT t.a, unnest(b) AS a FROM t"), ["=t.a", "a\u{1}1"]);
    }
}
