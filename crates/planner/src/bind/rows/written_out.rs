//! `*` and `t.*` beside outputs that show one of their columns, too: as the columns that they stand for.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::ast::{
    Distinct, Expr, Select, SelectItem, SelectItemQualifiedWildcardKind,
};

use super::{Plans, Relation};
use crate::names::{self, column_path, fold, is_one_column};

/// True where the list has a wildcard beside another item that can show the same.
pub(super) fn is_due(select: &Select) -> bool {
    let items = &select.projection;
    let n_wildcards = items.iter().filter(|item| is_wildcard(item)).count();
    let is_named = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(expr) => column_path(expr).is_some(),
        // A name with a suffix is one of its own.
        SelectItem::ExprWithAlias { alias, .. } => !alias.value.contains(names::SUFFIX),
        _ => false,
    };
    n_wildcards > 1 || (n_wildcards == 1 && items.iter().any(is_named))
}

fn is_wildcard(item: &SelectItem) -> bool {
    matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..))
}

/// Puts columns in the place of the wildcards, where one meets another output of its name. Where the columns of a
/// relation cannot be told, the wildcards stay. So they do beside an alias of the name in a SELECT with keys, of which
/// one may mean either.
pub(super) fn write_out(
    select: &mut Select,
    has_keys: bool,
    level: &[Relation],
    plans: &Plans<'_>,
) {
    let of_item = |item: &SelectItem| columns_of(item, level, plans);
    let Some(items) = select.projection.iter().map(of_item).collect::<Option<Vec<_>>>() else {
        return;
    };
    let has_keys = has_keys || matches!(select.distinct, Some(Distinct::On(_)));
    match meeting(&items) {
        Meeting::None => {}
        Meeting::Alias if has_keys => {}
        Meeting::Columns | Meeting::Alias => {
            select.projection = items.into_iter().flatten().collect();
            names::name_select(select);
        }
    }
}

/// The columns of a wildcard; another item as it is.
fn columns_of(item: &SelectItem, level: &[Relation], plans: &Plans<'_>) -> Option<Vec<SelectItem>> {
    let mut columns: Vec<Expr> = Vec::new();
    match item {
        SelectItem::Wildcard(_) => {
            for relation in level {
                columns.extend(relation.columns(plans)?);
            }
        }
        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
            let name = fold(name.0.last()?.as_ident()?);
            columns = level.iter().find(|relation| relation.is_named(&name))?.columns(plans)?;
        }
        SelectItem::QualifiedWildcard(..) => return None,
        other => return Some(vec![other.clone()]),
    }
    Some(columns.into_iter().map(SelectItem::UnnamedExpr).collect())
}

/// Outputs of one name.
enum Meeting {
    None,
    /// Some are one column.
    Columns,
    /// An alias is named like a column.
    Alias,
}

fn meeting(items: &[Vec<SelectItem>]) -> Meeting {
    let mut seen: BTreeMap<String, Vec<(Vec<String>, bool)>> = BTreeMap::new();
    let mut found = Meeting::None;
    for item in items.iter().flatten() {
        let (path, is_alias) = match item {
            SelectItem::UnnamedExpr(expr) => (column_path(expr), false),
            SelectItem::ExprWithAlias { alias, .. } => (Some(vec![fold(alias)]), true),
            _ => continue,
        };
        let Some(path) = path else { continue };
        let Some(name) = path.last() else { continue };
        let others = seen.entry(name.clone()).or_default();
        for (_, is_other_alias) in others.iter().filter(|(other, _)| is_one_column(other, &path)) {
            if is_alias || *is_other_alias {
                return Meeting::Alias;
            }
            found = Meeting::Columns;
        }
        others.push((path, is_alias));
    }
    found
}
