//! Functions that return sets, in FROM and in select lists.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName,
    Query, SelectItem, SetExpr, TableAlias, TableAliasColumnDef, TableFactor, Value, VisitMut,
    VisitorMut,
};
use std::ops::ControlFlow;

use super::array::select;
use super::{call, fold, is_system_name, is_vector_column, last_name, number, take};

/// A function of FROM that becomes something else.
pub(super) fn rewrite(factor: &mut TableFactor) {
    let replaced = match factor {
        TableFactor::Table { name, alias, args: Some(args), with_ordinality, .. } => {
            from_function(name, &args.args, alias, *with_ordinality)
        }
        TableFactor::Function { name, args, alias, with_ordinality, .. } => {
            from_function(name, args, alias, *with_ordinality)
        }
        TableFactor::UNNEST { array_exprs, alias, with_ordinality, with_offset: false, .. } => {
            let sets = std::mem::take(array_exprs);
            Some(unnest_factor("unnest", sets, alias.take(), *with_ordinality))
        }
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
    with_ordinality: bool,
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
        ("unnest", [_, ..]) => Some(unnest_factor(&name, args, alias, with_ordinality)),
        ("generate_series", [_, _] | [_, _, _]) => {
            let series = call("generate_series", args);
            Some(unnest_factor(&name, vec![series], alias, with_ordinality))
        }
        ("generate_subscripts", [array, ..]) => {
            Some(unnest_factor(&name, vec![subscripts(array.clone())], alias, with_ordinality))
        }
        ("_pg_expandarray", [array]) => {
            let items = vec![
                item(call("unnest", vec![array.clone()]), "x"),
                item(call("unnest", vec![positions(array.clone(), 1)]), "n"),
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

/// True for a function that gives one value, which FROM takes as a relation of one row.
fn is_row_function(name: &str) -> bool {
    matches!(name, "string_to_array" | "regexp_split_to_array" | "now" | "parse_ident")
        || super::super::functions::is_function(name)
}

/// `UNNEST(a, ..) AS t(c, ..)`. A function's column is named like the function or its alias.
fn unnest_factor(
    name: &str,
    mut sets: Vec<Expr>,
    alias: Option<TableAlias>,
    with_ordinality: bool,
) -> TableFactor {
    let mut alias = alias.unwrap_or_else(|| table_alias(name));
    if alias.columns.is_empty() && sets.len() == 1 {
        alias.columns.push(TableAliasColumnDef { name: alias.name.clone(), data_type: None });
    }
    if !with_ordinality {
        return TableFactor::UNNEST {
            alias: Some(alias),
            array_exprs: sets,
            with_offset: false,
            with_offset_alias: None,
            with_ordinality: false,
        };
    }
    let mut names: Vec<String> = alias.columns.iter().map(|column| fold(&column.name)).collect();
    if names.len() == sets.len() {
        names.push("ordinality".to_owned());
    }
    // The sets are padded to the longest, and so is the count beside them.
    let n_sets = sets.len();
    let longest = match &sets[..] {
        [set] => positions(set.clone(), 1),
        _ => {
            let lengths = sets.iter().map(|set| length(set.clone())).collect();
            call("generate_series", vec![number(1), call("greatest", lengths)])
        }
    };
    sets.push(longest);
    let items = sets.into_iter().enumerate().map(|(i, set)| {
        let fallback = format!("unnest_{i}");
        item(call("unnest", vec![set]), names.get(i).unwrap_or(&fallback))
    });
    let items: Vec<SelectItem> = items.collect();
    debug_assert_eq!(items.len(), n_sets + 1);
    alias.columns.clear();
    derived(items, Vec::new(), None, Some(alias), name)
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
    from: Vec<datafusion::sql::sqlparser::ast::TableWithJoins>,
    filter: Option<Expr>,
    alias: Option<TableAlias>,
    name: &str,
) -> TableFactor {
    let mut body = select(items, from);
    body.selection = filter;
    let query = Query {
        with: None,
        body: Box::new(SetExpr::Select(Box::new(body))),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    };
    TableFactor::Derived {
        lateral: true,
        subquery: Box::new(query),
        alias: Some(alias.unwrap_or_else(|| table_alias(name))),
        sample: None,
    }
}

/// FROM over one array, its element named `o`.
fn elements(array: Expr) -> Vec<datafusion::sql::sqlparser::ast::TableWithJoins> {
    let mut alias = table_alias("__options");
    alias.columns.push(TableAliasColumnDef::from_name("o"));
    let relation = TableFactor::UNNEST {
        alias: Some(alias),
        array_exprs: vec![array],
        with_offset: false,
        with_offset_alias: None,
        with_ordinality: false,
    };
    vec![datafusion::sql::sqlparser::ast::TableWithJoins { relation, joins: Vec::new() }]
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
    let zero = || call("oid", vec![number(0)]);
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

fn length(array: Expr) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(call("cardinality", vec![array])),
        data_type: DataType::BigInt(None),
        array: false,
        format: None,
    }
}

/// The numbers of an array's elements, from `first`.
fn positions(array: Expr, first: i64) -> Expr {
    let last = Expr::BinaryOp {
        left: Box::new(length(array)),
        op: BinaryOperator::Plus,
        right: Box::new(number(first - 1)),
    };
    call("generate_series", vec![number(first), last])
}

fn subscripts(array: Expr) -> Expr {
    let first = i64::from(!is_vector_column(&array));
    positions(array, first)
}

/// Set-returning functions of a select list, as calls of `unnest`.
pub(super) fn unnest_sets(expr: &mut Expr) {
    let _ = VisitMut::visit(expr, &mut Unnester { depth: 0 });
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
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        if self.depth > 0 || !is_system_name(&function.name) {
            return ControlFlow::Continue(());
        }
        let name = last_name(&function.name);
        let set = match (name.as_str(), super::arguments(function).as_deref()) {
            // An `unnest` around it is already there: see below.
            ("unnest", Some([inner])) => unnested(inner),
            ("generate_series" | "_pg_expandarray", _) => Some(take(expr)),
            ("generate_subscripts", Some([array, ..])) => Some(subscripts((*array).clone())),
            _ => None,
        };
        if let Some(set) = set {
            *expr = call("unnest", vec![set]);
        }
        ControlFlow::Continue(())
    }
}

/// The set of an argument that became a call of `unnest` itself.
fn unnested(argument: &Expr) -> Option<Expr> {
    let Expr::Function(function) = argument else { return None };
    if last_name(&function.name) != "unnest" {
        return None;
    }
    super::arguments(function).and_then(|arguments| arguments.first().map(|set| (*set).clone()))
}
