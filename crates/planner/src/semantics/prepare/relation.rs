//! Functions in FROM.

use datafusion::sql::sqlparser::ast::{
    DataType, Expr, FunctionArg, FunctionArgExpr, FunctionArgumentList, Ident, ObjectName,
    SelectItem, TableAlias, TableAliasColumnDef, TableFactor, Value,
};

use super::build::{
    array_function, builtin_name, call, cast, derived, function, quoted, select_query,
};
use crate::dialect::fold;
use crate::functions::library;

/// The functions that give the members of a JSON object, as two columns.
const MEMBERS: [&str; 4] = ["json_each", "jsonb_each", "json_each_text", "jsonb_each_text"];

/// The columns of the functions that name them.
fn own_columns(function: &str) -> &'static [&'static str] {
    match function {
        "json_array_elements"
        | "jsonb_array_elements"
        | "json_array_elements_text"
        | "jsonb_array_elements_text" => &["value"],
        function if MEMBERS.contains(&function) => &["key", "value"],
        _ => &[],
    }
}

/// A function in FROM becomes the unnested array of its rows, or the one row of its value.
pub(super) fn rewrite(relation: &mut TableFactor) {
    match relation {
        TableFactor::UNNEST { array_exprs, alias, with_ordinality, .. } => {
            let exprs = std::mem::take(array_exprs);
            *relation = unnest(exprs, "unnest", alias.take(), *with_ordinality);
        }
        TableFactor::Function { name, args, alias, with_ordinality, .. } => {
            let args = std::mem::take(args);
            let (name, alias) = (name.clone(), alias.take());
            *relation = of_function(name, args, alias, *with_ordinality);
        }
        TableFactor::Table { name, args: Some(arguments), alias, with_ordinality, .. } => {
            let args = std::mem::take(&mut arguments.args);
            let (name, alias) = (name.clone(), alias.take());
            *relation = of_function(name, args, alias, *with_ordinality);
        }
        _ => {}
    }
}

/// True for a function whose one column has another name than the relation.
pub(super) fn has_value(relation: &TableFactor) -> bool {
    match relation {
        TableFactor::UNNEST { alias: Some(alias), .. } => {
            matches!(alias.columns.as_slice(), [only] if fold(&only.name) != fold(&alias.name))
        }
        _ => false,
    }
}

fn of_function(
    name: ObjectName,
    args: Vec<FunctionArg>,
    alias: Option<TableAlias>,
    with_ordinality: bool,
) -> TableFactor {
    let Some(builtin) = builtin_name(&name) else {
        return plain(name, args, alias, with_ordinality);
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
        (_, Some(args)) if MEMBERS.contains(&builtin.as_str()) => {
            let list = |part: &str| call(&format!("{builtin}_{part}_list"), args.clone());
            unnest(vec![list("keys"), list("values")], &builtin, alias, with_ordinality)
        }
        (Some(list_function), Some(args)) => {
            unnest(vec![call(list_function, args)], &builtin, alias, with_ordinality)
        }
        _ if library::udf(&builtin).is_ok() && !with_ordinality => {
            one_row(&builtin, name, args, alias)
        }
        _ => plain(name, args, alias, with_ordinality),
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
) -> TableFactor {
    let n_columns = arrays.len();
    if with_ordinality {
        return numbered_rows(arrays, with_columns(alias, name, n_columns));
    }
    TableFactor::UNNEST {
        alias: Some(with_columns(alias, name, n_columns)),
        array_exprs: arrays,
        with_offset: false,
        with_offset_alias: None,
        with_ordinality: false,
    }
}

/// `(SELECT unnest(a) AS x, .., unnest(1 to the longest) AS ordinality)`: sets of a select list go on
/// together, to the end of the longest.
fn numbered_rows(arrays: Vec<Expr>, mut alias: TableAlias) -> TableFactor {
    let lengths = arrays.iter().map(|array| call("cardinality", vec![array.clone()])).collect();
    let longest = cast(call("greatest", lengths), DataType::BigInt(None));
    let first = cast(Expr::value(Value::Number("1".to_owned(), false)), DataType::BigInt(None));
    let numbers = call("generate_series_list", vec![first, longest]);
    let names = std::mem::take(&mut alias.columns).into_iter().map(|column| column.name);
    let names = names.chain([quoted("ordinality")]);
    let items = arrays.into_iter().chain([numbers]).zip(names);
    let items: Vec<SelectItem> = items
        .map(|(set, alias)| SelectItem::ExprWithAlias { expr: call("unnest", vec![set]), alias })
        .collect();
    derived(select_query(items, Vec::new()), alias, true)
}

/// The alias of a function: its name, and for its one column the name of the relation, where the function gives it none.
fn with_columns(alias: Option<TableAlias>, name: &str, n_columns: usize) -> TableAlias {
    let mut alias = alias.unwrap_or_else(|| TableAlias {
        explicit: true,
        name: quoted(name),
        columns: Vec::new(),
        at: None,
    });
    alias.explicit = true;
    let own = own_columns(name);
    for column in alias.columns.len()..n_columns {
        let name = match own.get(column) {
            Some(own) => quoted(own),
            None => numbered(&alias.name, column),
        };
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
    let alias = with_columns(alias, builtin, 1);
    let list = FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() };
    let item = SelectItem::ExprWithAlias {
        expr: Expr::Function(function(name, list)),
        alias: alias.columns[0].name.clone(),
    };
    let query = select_query(vec![item], Vec::new());
    let alias = TableAlias { columns: Vec::new(), ..alias };
    derived(query, alias, false)
}
