//! Relations of one name in several schemas.
//!
//! DataFusion takes `t` and `b.t` for the same relation when it looks for the one that `b.t.id` is of. So relations that
//! are known by a schema, or share their name with another one beside them, get names of their own.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self as sql, Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, ObjectNamePart, Query,
    Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableFactor, VisitorMut,
};
use weir_types::{Error, Result, SqlState};

use crate::dialect::visit::{of_flow, to_flow, visit_mut};
use crate::names::relations::{alias_of, name_of, of_tree, set_name};
use crate::names::{SUFFIX, fold};

/// Behind the suffix of such a name.
const MARK: &str = "in";

/// Gives each relation that is known by its schema, or whose name another one has beside it, a name of its own.
/// `schema_of` gives the schema in which a relation of that name is found.
///
/// # Errors
/// 42712 for a name that a FROM has twice, 42P09 for a reference that means two relations.
pub(super) fn rename(
    query: &mut Query,
    schema_of: &dyn Fn(&ObjectName) -> Option<String>,
) -> Result<()> {
    let with_names = with_names(query);
    let mut finder = Walk::new(schema_of, &with_names, None);
    of_flow(visit_mut(query, &mut finder))?;
    let Walk { told, has_twins, .. } = finder;
    if told.is_empty() && !has_twins {
        return Ok(());
    }
    of_flow(visit_mut(query, &mut Walk::new(schema_of, &with_names, Some(told))))
}

/// The names of all WITH queries.
fn with_names(query: &mut Query) -> BTreeSet<String> {
    struct Names(BTreeSet<String>);
    impl VisitorMut for Names {
        type Break = ();
        fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
            let all = query.with.iter().flat_map(|with| &with.cte_tables);
            self.0.extend(all.map(|cte| fold(&cte.alias.name)));
            ControlFlow::Continue(())
        }
    }
    let mut names = Names(BTreeSet::new());
    let _ = visit_mut(query, &mut names);
    names.0
}

/// A relation in FROM.
#[derive(Clone)]
struct Relation {
    name: String,
    /// Its schema, where it has no alias.
    schema: Option<String>,
    renamed: Option<Ident>,
}

/// Visits a query: first to find what refers to relations by their schemas, then to rename.
struct Walk<'a> {
    schema_of: &'a dyn Fn(&ObjectName) -> Option<String>,
    with_names: &'a BTreeSet<String>,
    /// The relations of the SELECTs around, outermost first.
    scopes: Vec<Vec<Relation>>,
    /// The next SELECT is the body of a query, which has its relations already: its ORDER BY sees them, too.
    is_body: bool,
    /// Whether each SELECT around has relations of its own in `scopes`.
    has_own: Vec<bool>,
    n_renamed: usize,
    /// Schema and name of relations that are referred to so.
    told: BTreeSet<(String, String)>,
    has_twins: bool,
    renames: bool,
}

impl<'a> Walk<'a> {
    fn new(
        schema_of: &'a dyn Fn(&ObjectName) -> Option<String>,
        with_names: &'a BTreeSet<String>,
        told: Option<BTreeSet<(String, String)>>,
    ) -> Self {
        Self {
            schema_of,
            with_names,
            scopes: Vec::new(),
            is_body: false,
            has_own: Vec::new(),
            n_renamed: 0,
            renames: told.is_some(),
            told: told.unwrap_or_default(),
            has_twins: false,
        }
    }

    /// Notes the relations of a SELECT, and renames them where that is due.
    fn enter(&mut self, select: &mut Select) -> Result<()> {
        let mut relations = Vec::new();
        for tree in &mut select.from {
            of_tree(tree, &mut |factor| relations.extend(self.relation(factor)));
        }
        for (idx, relation) in relations.iter().enumerate() {
            for twin in relations[..idx].iter().filter(|twin| twin.name == relation.name) {
                if relation.schema.is_none()
                    || relation.schema == twin.schema
                    || twin.schema.is_none()
                {
                    return Err(Error::new(
                        SqlState::DuplicateAlias,
                        format!("table name \"{}\" specified more than once", relation.name),
                    ));
                }
                self.has_twins = true;
            }
        }
        if self.renames {
            let names: Vec<String> =
                relations.iter().map(|relation| relation.name.clone()).collect();
            for relation in &mut relations {
                let Some(schema) = &relation.schema else { continue };
                let is_twin = names.iter().filter(|name| **name == relation.name).count() > 1;
                if is_twin || self.told.contains(&(schema.clone(), relation.name.clone())) {
                    let name = format!("{}{SUFFIX}{MARK}{}", relation.name, self.n_renamed);
                    self.n_renamed += 1;
                    relation.renamed = Some(Ident::with_quote('"', name));
                }
            }
            let mut next = relations.iter();
            for tree in &mut select.from {
                of_tree(tree, &mut |factor| {
                    if name_of(factor).is_some()
                        && let Some(Relation { renamed: Some(name), .. }) = next.next()
                    {
                        set_name(factor, name.clone());
                    }
                });
            }
        }
        self.scopes.push(relations);
        Ok(())
    }

    fn relation(&self, factor: &mut TableFactor) -> Option<Relation> {
        let name = name_of(factor)?;
        let has_alias = alias_of(factor).is_some_and(|alias| alias.is_some());
        let schema = match factor {
            TableFactor::Table { name: full, .. } if !has_alias => {
                let is_with = full.0.len() == 1 && self.with_names.contains(&name);
                if is_with { None } else { (self.schema_of)(full) }
            }
            _ => None,
        };
        Some(Relation { name, schema, renamed: None })
    }

    /// The relation that a reference means; `None` where there is none of the name, or none to rename.
    fn meaning(&mut self, schema: Option<&Ident>, name: &Ident) -> Result<Option<Ident>> {
        let (schema, name) = (schema.map(fold), fold(name));
        for scope in self.scopes.iter().rev() {
            let is_meant = |relation: &&Relation| {
                relation.name == name && (schema.is_none() || relation.schema == schema)
            };
            let mut meant = scope.iter().filter(is_meant);
            let Some(first) = meant.next() else { continue };
            if meant.next().is_some() {
                return Err(Error::new(
                    SqlState::AmbiguousAlias,
                    format!("table reference \"{name}\" is ambiguous"),
                ));
            }
            let renamed = first.renamed.clone();
            if let Some(schema) = schema {
                self.told.insert((schema, name));
            }
            return Ok(renamed);
        }
        Ok(None)
    }

    fn column(&mut self, parts: &mut Vec<Ident>) -> Result<()> {
        let renamed = match parts.as_slice() {
            [schema, name, _, ..] => {
                self.meaning(Some(schema), name)?.map(|renamed| (renamed, schema.span, 2))
            }
            [name, _] => self.meaning(None, name)?.map(|renamed| (renamed, name.span, 1)),
            _ => None,
        };
        if let Some((renamed, span, n_parts)) = renamed {
            parts.splice(..n_parts, [Ident { span, ..renamed }]);
        }
        Ok(())
    }

    fn wildcard(&mut self, name: &mut ObjectName) -> Result<()> {
        let parts: Vec<&Ident> = name.0.iter().filter_map(ObjectNamePart::as_ident).collect();
        let renamed = match parts.as_slice() {
            [schema, name] => self.meaning(Some(schema), name)?,
            [name] => self.meaning(None, name)?,
            _ => None,
        };
        if let Some(renamed) = renamed {
            name.0 = vec![ObjectNamePart::Identifier(renamed)];
        }
        Ok(())
    }

    fn in_expression(&mut self, expr: &mut Expr) -> Result<()> {
        match expr {
            Expr::CompoundIdentifier(parts) => self.column(parts)?,
            Expr::QualifiedWildcard(name, _) => self.wildcard(name)?,
            Expr::Function(function) => {
                if let sql::FunctionArguments::List(list) = &mut function.args {
                    for argument in &mut list.args {
                        if let FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(name)) =
                            argument
                        {
                            self.wildcard(name)?;
                        }
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn in_items(&mut self, select: &mut Select) -> Result<()> {
        for item in &mut select.projection {
            if let SelectItem::QualifiedWildcard(kind, _) = item
                && let SelectItemQualifiedWildcardKind::ObjectName(name) = kind
            {
                self.wildcard(name)?;
            }
        }
        Ok(())
    }
}

impl VisitorMut for Walk<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        let own = match query.body.as_mut() {
            SetExpr::Select(select) => self.enter(select),
            _ => {
                self.scopes.push(Vec::new());
                Ok(())
            }
        };
        self.is_body = matches!(query.body.as_ref(), SetExpr::Select(_)) && query.with.is_none();
        to_flow(own)
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<Error> {
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        let is_body = std::mem::take(&mut self.is_body);
        self.has_own.push(!is_body);
        let entered = if is_body { Ok(()) } else { self.enter(select) };
        to_flow(entered.and_then(|()| self.in_items(select)))
    }

    fn post_visit_select(&mut self, _select: &mut Select) -> ControlFlow<Error> {
        if self.has_own.pop() == Some(true) {
            self.scopes.pop();
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        to_flow(self.in_expression(expr))
    }
}
