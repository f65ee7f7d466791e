//! Functions in FROM.

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArgumentList, Ident, ObjectName, Query, TableAlias,
    TableAliasColumnDef, TableFactor,
};
use weir_types::{Error, Result};

use super::build::{array_function, builtin_name, call, function, quoted};
use crate::functions::library;

/// A function in FROM becomes the unnested array of its rows, or the one row of its value.
pub(super) fn rewrite(relation: &mut TableFactor) -> Result<()> {
    match relation {
        TableFactor::UNNEST { array_exprs, alias, with_ordinality, .. } => {
            let exprs = std::mem::take(array_exprs);
            *relation = unnest(exprs, "unnest", alias.take(), *with_ordinality)?;
        }
        TableFactor::Function { name, args, alias, with_ordinality, .. } => {
            let args = std::mem::take(args);
            let (name, alias) = (name.clone(), alias.take());
            *relation = of_function(name, args, alias, *with_ordinality)?;
        }
        TableFactor::Table { name, args: Some(arguments), alias, with_ordinality, .. } => {
            let args = std::mem::take(&mut arguments.args);
            let (name, alias) = (name.clone(), alias.take());
            *relation = of_function(name, args, alias, *with_ordinality)?;
        }
        _ => {}
    }
    Ok(())
}

fn of_function(
    name: ObjectName,
    args: Vec<FunctionArg>,
    alias: Option<TableAlias>,
    with_ordinality: bool,
) -> Result<TableFactor> {
    let Some(builtin) = builtin_name(&name) else {
        return Ok(plain(name, args, alias, with_ordinality));
    };
    let plain_args: Option<Vec<Expr>> = args
        .iter()
        .map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
            _ => None,
        })
        .collect();
    match (array_function(&builtin), plain_args) {
        (_, Some(arrays)) if builtin == "unnest" => {
            unnest(arrays, &builtin, alias, with_ordinality)
        }
        (Some(list_function), Some(args)) => {
            unnest(vec![call(list_function, args)], &builtin, alias, with_ordinality)
        }
        _ if library::udf(&builtin).is_ok() && !with_ordinality => {
            Ok(one_row(&builtin, name, args, alias))
        }
        _ => Ok(plain(name, args, alias, with_ordinality)),
    }
}

fn plain(
    name: ObjectName,
    args: Vec<FunctionArg>,
    alias: Option<TableAlias>,
    with_ordinality: bool,
) -> TableFactor {
    TableFactor::Function { lateral: false, name, args, with_ordinality, alias }
}

fn unnest(
    arrays: Vec<Expr>,
    name: &str,
    alias: Option<TableAlias>,
    with_ordinality: bool,
) -> Result<TableFactor> {
    if with_ordinality {
        return Err(Error::unsupported("WITH ORDINALITY is not supported")
            .with_hint("Use unnest(x) and unnest(generate_subscripts(x, 1)) in a select list."));
    }
    let n_columns = arrays.len();
    Ok(TableFactor::UNNEST {
        alias: Some(with_columns(alias, name, n_columns)),
        array_exprs: arrays,
        with_offset: false,
        with_offset_alias: None,
        with_ordinality: false,
    })
}

/// The alias of a function: its name, and for its one column the name of the relation.
fn with_columns(alias: Option<TableAlias>, name: &str, n_columns: usize) -> TableAlias {
    let mut alias = alias.unwrap_or_else(|| TableAlias {
        explicit: true,
        name: quoted(name),
        columns: Vec::new(),
        at: None,
    });
    alias.explicit = true;
    for column in alias.columns.len()..n_columns {
        let name = if n_columns == 1 { alias.name.clone() } else { numbered(&alias.name, column) };
        alias.columns.push(TableAliasColumnDef { name, data_type: None });
    }
    alias
}

/// Further columns of one name get a number, as they could not be told apart.
fn numbered(name: &Ident, column: usize) -> Ident {
    match column {
        0 => name.clone(),
        _ => Ident { value: format!("{}_{}", name.value, column + 1), ..name.clone() },
    }
}

/// A function that gives one value gives a relation of one row.
fn one_row(
    builtin: &str,
    name: ObjectName,
    args: Vec<FunctionArg>,
    alias: Option<TableAlias>,
) -> TableFactor {
    use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
    use datafusion::sql::sqlparser::ast::{GroupByExpr, Select, SelectFlavor, SelectItem, SetExpr};
    let alias = with_columns(alias, builtin, 1);
    let list = FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() };
    let item = SelectItem::ExprWithAlias {
        expr: Expr::Function(function(name, list)),
        alias: alias.columns[0].name.clone(),
    };
    let select = Select {
        select_token: AttachedToken::empty(),
        optimizer_hints: Vec::new(),
        distinct: None,
        select_modifiers: None,
        top: None,
        top_before_distinct: false,
        projection: vec![item],
        exclude: None,
        into: None,
        from: Vec::new(),
        lateral_views: Vec::new(),
        prewhere: None,
        selection: None,
        connect_by: Vec::new(),
        group_by: GroupByExpr::Expressions(Vec::new(), Vec::new()),
        cluster_by: Vec::new(),
        distribute_by: Vec::new(),
        sort_by: Vec::new(),
        having: None,
        named_window: Vec::new(),
        qualify: None,
        window_before_qualify: false,
        value_table_mode: None,
        flavor: SelectFlavor::Standard,
    };
    let query = Query {
        with: None,
        body: Box::new(SetExpr::Select(Box::new(select))),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    };
    let alias = TableAlias { columns: Vec::new(), ..alias };
    TableFactor::Derived {
        lateral: false,
        subquery: Box::new(query),
        alias: Some(alias),
        sample: None,
    }
}
