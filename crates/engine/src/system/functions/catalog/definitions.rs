//! Functions that give an object's definition as SQL text.

use weir_types::{ObjectId, Result};

use super::{Call, Datum, relation};
use crate::system::describe::{self, Relation, quote_ident};
use crate::system::objects::{constraints, definition_text, index_definition};
use crate::system::resolve::format_type;
use crate::system::static_rows::{PROCS, StaticRow};

pub(super) fn view(call: &Call<'_>) -> Result<Datum> {
    let catalog = call.context.catalog();
    Ok(relation(call, 0)?.and_then(|relation| definition_text(catalog, relation)).into())
}

/// The whole definition, or with a column number above 0 that column's name.
pub(super) fn index(call: &Call<'_>) -> Result<Datum> {
    let Some(index @ Relation::Index(..)) = relation(call, 0)? else { return Ok(Datum::Null) };
    let number = call.number(1)?;
    if number == 0 {
        let table = match index {
            Relation::Index(table, _) if call.flag(2)? => {
                Some(call.names().shown_name(Relation::Object(table)))
            }
            _ => None,
        };
        return Ok(index_definition(call.context.catalog(), index, table).into());
    }
    let attributes = index.attributes();
    let column = attributes.iter().find(|attribute| i64::from(attribute.number) == number);
    Ok(column.map_or_else(String::new, |column| quote_ident(column.name)).into())
}

pub(super) fn constraint(call: &Call<'_>) -> Result<Datum> {
    let (oid, is_pretty) = (call.oid(0)?, call.flag(1)?);
    let found = call.context.catalog().objects().find_map(|object| {
        constraints(object).iter().find(|c| c.oid == oid).map(|c| c.definition(is_pretty))
    });
    Ok(found.into())
}

/// The rule of a view, as PostgreSQL words it.
pub(super) fn rule(call: &Call<'_>) -> Result<Datum> {
    let oid = call.oid(0)?;
    let names = call.names();
    let view = describe::users(call.context.catalog())
        .find(|r| r.has_query() && describe::part_oid(ObjectId(r.oid()), 0) == oid);
    Ok(view
        .and_then(|view| {
            let name = names.shown_name(view);
            let query = definition_text(call.context.catalog(), view)?;
            Some(format!("CREATE RULE \"_RETURN\" AS\n    ON SELECT TO {name} DO INSTEAD {query}"))
        })
        .into())
}

fn result_of(row: &StaticRow) -> String {
    let name = format_type(row.oid("prorettype"), None);
    if row.flag("proretset") { format!("SETOF {name}") } else { name }
}

fn arguments_of(row: &StaticRow) -> String {
    let names = match row.get("proargnames") {
        Datum::List(names) => names.clone(),
        _ => Vec::new(),
    };
    let variadic = row.oid("provariadic");
    let types = row.oids("proargtypes");
    let n_types = types.len();
    let arguments = types.into_iter().enumerate().map(|(i, oid)| {
        let mut text = String::new();
        if variadic != 0 && i + 1 == n_types {
            text.push_str("VARIADIC ");
        }
        if let Some(Datum::Text(name)) = names.get(i)
            && !name.is_empty()
        {
            text.push_str(&quote_ident(name));
            text.push(' ');
        }
        text + &format_type(oid, None)
    });
    arguments.collect::<Vec<_>>().join(", ")
}

pub(super) fn function_result(call: &Call<'_>) -> Result<Datum> {
    Ok(PROCS.get(&call.oid(0)?).map(result_of).into())
}

pub(super) fn function_arguments(call: &Call<'_>) -> Result<Datum> {
    Ok(PROCS.get(&call.oid(0)?).map(arguments_of).into())
}

pub(super) fn function(call: &Call<'_>) -> Result<Datum> {
    let Some(row) = PROCS.get(&call.oid(0)?) else { return Ok(Datum::Null) };
    let mut traits = vec![match row.text("provolatile") {
        "i" => "IMMUTABLE",
        "s" => "STABLE",
        _ => "",
    }];
    traits.push(match row.text("proparallel") {
        "s" => "PARALLEL SAFE",
        "r" => "PARALLEL RESTRICTED",
        _ => "",
    });
    traits.push(if row.flag("proisstrict") { "STRICT" } else { "" });
    traits.retain(|text| !text.is_empty());
    let traits = traits.iter().map(|text| format!(" {text}")).collect::<String>();
    let traits = if traits.is_empty() { String::new() } else { format!("{traits}\n") };
    Ok(format!(
        "CREATE OR REPLACE FUNCTION pg_catalog.{}({})\n RETURNS {}\n LANGUAGE internal\n{traits}\
         AS $function${}$function$\n",
        quote_ident(row.text("proname")),
        arguments_of(row),
        result_of(row),
        row.text("prosrc"),
    )
    .into())
}
