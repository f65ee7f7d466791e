//! Functions that return sets, in FROM and in select lists.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, Query, SelectItem,
    SetExpr, TableAlias, TableAliasColumnDef, TableFactor, TableWithJoins, Value, VisitorMut,
};
use weir_planner::dialect::visit::visit_mut;
use weir_planner::dialect::{plain_query, plain_select};

use super::{as_oid, call, fold, is_system_name, last_name, number, take};

/// A function of FROM that becomes something else.
pub(super) fn rewrite(factor: &mut TableFactor) {
    let replaced = match factor {
        TableFactor::Table { name, alias, args: Some(args), .. } => {
            from_function(name, &args.args, alias)
        }
        TableFactor::Function { name, args, alias, .. } => from_function(name, args, alias),
        _ => None,
    };
    if let Some(replaced) = replaced {
        *factor = replaced;
    }
}

fn from_function(
    name: &ObjectName,
    args: &[FunctionArg],
    alias: &Option<TableAlias>,
) -> Option<TableFactor> {
    if !is_system_name(name) {
        return None;
    }
    let args: Option<Vec<Expr>> = args
        .iter()
        .map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
            _ => None,
        })
        .collect();
    let args = args?;
    let name = last_name(name);
    let alias = alias.clone();
    match (name.as_str(), &args[..]) {
        ("_pg_expandarray", [array]) => {
            let items = vec![
                item(call("unnest", vec![array.clone()]), "x"),
                item(
                    call(
                        "unnest",
                        vec![call("generate_subscripts", vec![array.clone(), number(1)])],
                    ),
                    "n",
                ),
            ];
            Some(derived(items, Vec::new(), None, alias, &name))
        }
        ("pg_options_to_table", [options]) => Some(options_table(options.clone(), alias, &name)),
        ("aclexplode", [acl]) => Some(privileges_table(acl.clone(), alias, &name)),
        ("pg_get_keywords", []) => Some(keywords_table(alias)),
        _ if is_row_function(&name) => {
            let shown = alias.as_ref().map_or_else(|| name.clone(), |alias| fold(&alias.name));
            let items = vec![item(call(&name, args), &shown)];
            Some(derived(items, Vec::new(), None, alias, &name))
        }
        _ => None,
    }
}

/// True for a function of the session, which FROM takes as a relation of one row.
fn is_row_function(name: &str) -> bool {
    super::super::functions::is_function(name)
}

fn table_alias(name: &str) -> TableAlias {
    TableAlias { explicit: true, name: Ident::new(name), columns: Vec::new(), at: None }
}

fn item(expr: Expr, name: &str) -> SelectItem {
    SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', name) }
}

/// `LATERAL (SELECT items FROM from WHERE filter) AS alias`.
fn derived(
    items: Vec<SelectItem>,
    from: Vec<TableWithJoins>,
    filter: Option<Expr>,
    alias: Option<TableAlias>,
    name: &str,
) -> TableFactor {
    let mut body = plain_select(items, from);
    body.selection = filter;
    let query = plain_query(SetExpr::Select(Box::new(body)));
    TableFactor::Derived {
        lateral: true,
        subquery: Box::new(query),
        alias: Some(alias.unwrap_or_else(|| table_alias(name))),
        sample: None,
    }
}

/// FROM over one array, its element named `o`.
fn elements(array: Expr) -> Vec<TableWithJoins> {
    let mut alias = table_alias("__options");
    alias.columns.push(TableAliasColumnDef::from_name("o"));
    let relation = TableFactor::UNNEST {
        alias: Some(alias),
        array_exprs: vec![array],
        with_offset: false,
        with_offset_alias: None,
        with_ordinality: false,
    };
    vec![TableWithJoins { relation, joins: Vec::new() }]
}

/// `name=value` texts as (option_name, option_value).
fn options_table(options: Expr, alias: Option<TableAlias>, name: &str) -> TableFactor {
    let text = |text: &str| Expr::value(Value::SingleQuotedString(text.to_owned()));
    let option = || Expr::Identifier(Ident::new("o"));
    let after = Expr::BinaryOp {
        left: Box::new(call("strpos", vec![option(), text("=")])),
        op: BinaryOperator::Plus,
        right: Box::new(number(1)),
    };
    let items = vec![
        item(call("split_part", vec![option(), text("="), number(1)]), "option_name"),
        item(call("substr", vec![option(), after]), "option_value"),
    ];
    derived(items, elements(options), None, alias, name)
}

/// Access lists are always NULL in Weir, so what they hold has no rows.
fn privileges_table(acl: Expr, alias: Option<TableAlias>, name: &str) -> TableFactor {
    let zero = || as_oid(number(0));
    let items = vec![
        item(zero(), "grantor"),
        item(zero(), "grantee"),
        item(Expr::Identifier(Ident::new("o")), "privilege_type"),
        item(Expr::value(Value::Boolean(false)), "is_grantable"),
    ];
    derived(items, elements(acl), Some(Expr::value(Value::Boolean(false))), alias, name)
}

fn keywords_table(alias: Option<TableAlias>) -> TableFactor {
    let name = ObjectName::from(vec![Ident::new("pg_catalog"), Ident::new("pg_get_keywords")]);
    TableFactor::Table {
        name,
        alias: Some(alias.unwrap_or_else(|| table_alias("pg_get_keywords"))),
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    }
}

/// `_pg_expandarray` in a select list is a set.
pub(super) fn unnest_sets(expr: &mut Expr) {
    let _ = visit_mut(expr, &mut Unnester { depth: 0 });
}

struct Unnester {
    /// Nested queries have select lists of their own.
    depth: usize,
}

impl VisitorMut for Unnester {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr
            && self.depth == 0
            && is_system_name(&function.name)
            && last_name(&function.name) == "_pg_expandarray"
        {
            *expr = call("unnest", vec![take(expr)]);
        }
        ControlFlow::Continue(())
    }
}
