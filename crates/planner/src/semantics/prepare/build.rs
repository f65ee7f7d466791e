//! Pieces of parsed SQL.

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, ObjectName, Query, SelectItem, SetExpr, TableAlias, TableFactor,
    TableWithJoins,
};

use crate::dialect::{plain_query, plain_select};
use crate::functions::LIST_ITEM;

/// A name that is taken as it is.
pub(super) fn quoted(name: &str) -> Ident {
    Ident::with_quote('"', name)
}

/// The function that marks an item of VALUES.
pub(super) fn list_item() -> &'static str {
    LIST_ITEM
}

/// A call of a function.
pub(super) fn call(name: &str, args: Vec<Expr>) -> Expr {
    let args =
        args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))).collect();
    Expr::Function(function(
        ObjectName::from(quoted(name)),
        FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() },
    ))
}

pub(super) fn function(name: ObjectName, args: FunctionArgumentList) -> Function {
    Function {
        name,
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(args),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    }
}

pub(super) fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast {
        kind: CastKind::DoubleColon,
        expr: Box::new(expr),
        data_type,
        array: false,
        format: None,
    }
}

/// The last part of a name, in lower case unless it is quoted; `None` for a name with a schema other than
/// `pg_catalog`.
pub(super) fn builtin_name(name: &ObjectName) -> Option<String> {
    let fold = |ident: &Ident| match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    };
    let idents: Vec<&Ident> = name.0.iter().filter_map(|part| part.as_ident()).collect();
    match idents.as_slice() {
        [name] => Some(fold(name)),
        [schema, name] if fold(schema) == "pg_catalog" => Some(fold(name)),
        _ => None,
    }
}

/// The functions of PostgreSQL that give rows, and those that give the same as an array.
pub(super) fn array_function(name: &str) -> Option<&'static str> {
    Some(match name {
        "generate_series" => "generate_series_list",
        "generate_subscripts" => "generate_subscripts_list",
        "regexp_split_to_table" => "regexp_split_to_array",
        "regexp_matches" => "regexp_matches_list",
        "string_to_table" => "string_to_array",
        "json_array_elements" => "json_array_elements_list",
        "jsonb_array_elements" => "jsonb_array_elements_list",
        "json_array_elements_text" => "json_array_elements_text_list",
        "jsonb_array_elements_text" => "jsonb_array_elements_text_list",
        "json_object_keys" => "json_object_keys_list",
        "jsonb_object_keys" => "jsonb_object_keys_list",
        _ => return None,
    })
}

/// `SELECT items FROM from`
pub(super) fn select_query(items: Vec<SelectItem>, from: Vec<TableFactor>) -> Query {
    let from = from.into_iter().map(|relation| TableWithJoins { relation, joins: Vec::new() });
    plain_query(SetExpr::Select(Box::new(plain_select(items, from.collect()))))
}

/// `(query) AS alias` in FROM.
pub(super) fn derived(query: Query, alias: TableAlias, lateral: bool) -> TableFactor {
    TableFactor::Derived { lateral, subquery: Box::new(query), alias: Some(alias), sample: None }
}
