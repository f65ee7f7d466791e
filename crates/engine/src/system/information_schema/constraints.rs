//! Constraints in `information_schema`. NOT NULL is listed as a check there, as in PostgreSQL.

use weir_catalog::Object;
use weir_types::Result;

use super::yes_no;
use crate::system::SystemContext;
use crate::system::describe;
use crate::system::objects::{Constraint, ConstraintKind, constraints};
use crate::system::row::{Datum, Rows};

pub(super) fn push(rows: &mut Rows<'_>, context: &SystemContext<'_>) -> Result<()> {
    for object in context.catalog.objects() {
        let schema = context.catalog.schema_name(object.schema);
        for constraint in constraints(object) {
            push_named(rows, context, schema, &constraint)?;
        }
        push_not_nulls(rows, context, schema, object)?;
    }
    Ok(())
}

fn push_named(
    rows: &mut Rows<'_>,
    context: &SystemContext<'_>,
    schema: &str,
    constraint: &Constraint<'_>,
) -> Result<()> {
    let name = constraint.name;
    let table = &constraint.table.name;
    match (rows.relation().name, &constraint.kind) {
        ("table_constraints", ConstraintKind::PrimaryKey(_)) => {
            push_table_constraint(rows, context, schema, table, name, "PRIMARY KEY")
        }
        ("table_constraints", ConstraintKind::Check(_)) => {
            push_table_constraint(rows, context, schema, table, name, "CHECK")
        }
        ("check_constraints", ConstraintKind::Check(text)) => {
            push_check(rows, context, schema, name, format!("(({text}))"))
        }
        ("constraint_table_usage", ConstraintKind::PrimaryKey(_)) => rows.push([
            ("table_catalog", (&context.database).into()),
            ("table_schema", schema.into()),
            ("table_name", table.into()),
            ("constraint_catalog", (&context.database).into()),
            ("constraint_schema", schema.into()),
            ("constraint_name", name.into()),
        ]),
        ("key_column_usage", ConstraintKind::PrimaryKey(_)) | ("constraint_column_usage", _) => {
            push_columns(rows, context, schema, constraint)
        }
        _ => Ok(()),
    }
}

fn push_table_constraint(
    rows: &mut Rows<'_>,
    context: &SystemContext<'_>,
    schema: &str,
    table: &str,
    name: &str,
    kind: &str,
) -> Result<()> {
    rows.push([
        ("constraint_catalog", (&context.database).into()),
        ("constraint_schema", schema.into()),
        ("constraint_name", name.into()),
        ("table_catalog", (&context.database).into()),
        ("table_schema", schema.into()),
        ("table_name", table.into()),
        ("constraint_type", kind.into()),
        ("is_deferrable", yes_no(false).into()),
        ("initially_deferred", yes_no(false).into()),
        ("enforced", yes_no(true).into()),
    ])
}

fn push_check(
    rows: &mut Rows<'_>,
    context: &SystemContext<'_>,
    schema: &str,
    name: &str,
    clause: String,
) -> Result<()> {
    rows.push([
        ("constraint_catalog", (&context.database).into()),
        ("constraint_schema", schema.into()),
        ("constraint_name", name.into()),
        ("check_clause", clause.into()),
    ])
}

fn push_columns(
    rows: &mut Rows<'_>,
    context: &SystemContext<'_>,
    schema: &str,
    constraint: &Constraint<'_>,
) -> Result<()> {
    let with_position = rows.relation().name == "key_column_usage";
    for (position, number) in (1..).zip(&constraint.columns) {
        let mut columns = describe::visible_columns(constraint.table);
        let Some((_, column)) = columns.find(|(n, _)| n == number) else { continue };
        let shared = [
            ("table_catalog", Datum::from(&context.database)),
            ("table_schema", schema.into()),
            ("table_name", (&constraint.table.name).into()),
            ("column_name", (&column.name).into()),
            ("constraint_catalog", (&context.database).into()),
            ("constraint_schema", schema.into()),
            ("constraint_name", constraint.name.into()),
        ];
        if with_position {
            let [a, b, c, d, e, f, g] = shared;
            rows.push([a, b, c, d, e, f, g, ("ordinal_position", Datum::Int(position))])?;
        } else {
            rows.push(shared)?;
        }
    }
    Ok(())
}

fn push_not_nulls(
    rows: &mut Rows<'_>,
    context: &SystemContext<'_>,
    schema: &str,
    object: &Object,
) -> Result<()> {
    if !matches!(rows.relation().name, "table_constraints" | "check_constraints") {
        return Ok(());
    }
    for (number, column) in describe::visible_columns(object).filter(|(_, c)| !c.nullable) {
        let name = format!("{}_{}_{number}_not_null", object.schema, object.id);
        if rows.relation().name == "table_constraints" {
            push_table_constraint(rows, context, schema, &object.name, &name, "CHECK")?;
        } else {
            push_check(rows, context, schema, &name, format!("{} IS NOT NULL", column.name))?;
        }
    }
    Ok(())
}
