//! Texts as they are written in SQL.

use arrow::array::ArrayRef;
use weir_types::Result;

use super::argument_texts;
use crate::functions::call::Call;
use crate::functions::overload::{Declaration, declare};

pub(super) const DECLARATIONS: &[Declaration] = &[
    declare("quote_ident(text) -> text", |call| {
        let texts = call.texts(0);
        call.each_text(|row, out| {
            quote_ident(texts.at(row), out);
            Ok(())
        })
    })
    .total(),
    declare("quote_literal(text) -> text", |call| quoted(call, false)).total(),
    declare("quote_literal(anyelement) -> text", |call| quoted(call, false))
        .uses_settings()
        .total(),
    declare("quote_nullable(text) -> text", |call| quoted(call, true)).takes_null().total(),
    declare("quote_nullable(anyelement) -> text", |call| quoted(call, true))
        .takes_null()
        .uses_settings()
        .total(),
];

fn quoted(call: &Call<'_>, shows_null: bool) -> Result<ArrayRef> {
    let arguments = [argument_texts(&call.arguments[0], &call.types.arguments[0], call.settings)?];
    let texts =
        Call::new(call.name, &arguments, call.types, call.n_rows, call.settings, !shows_null);
    texts.each_text(|row, out| {
        match texts.texts(0).get(row) {
            Some(text) => quote_literal(text, out),
            None => out.push_str("NULL"),
        }
        Ok(())
    })
}

/// Words that are no names without quotes: PostgreSQL's reserved ones.
const RESERVED: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "between",
    "bigint",
    "binary",
    "bit",
    "boolean",
    "both",
    "case",
    "cast",
    "char",
    "character",
    "check",
    "coalesce",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "dec",
    "decimal",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "exists",
    "extract",
    "false",
    "fetch",
    "float",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "greatest",
    "group",
    "grouping",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "inout",
    "int",
    "integer",
    "intersect",
    "interval",
    "into",
    "is",
    "isnull",
    "join",
    "lateral",
    "leading",
    "least",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "national",
    "natural",
    "nchar",
    "none",
    "normalize",
    "not",
    "notnull",
    "null",
    "nullif",
    "numeric",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "out",
    "outer",
    "overlaps",
    "overlay",
    "placing",
    "position",
    "precision",
    "primary",
    "real",
    "references",
    "returning",
    "right",
    "row",
    "select",
    "session_user",
    "setof",
    "similar",
    "smallint",
    "some",
    "substring",
    "symmetric",
    "table",
    "tablesample",
    "then",
    "time",
    "timestamp",
    "to",
    "trailing",
    "treat",
    "trim",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "values",
    "varchar",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
    "xmlattributes",
    "xmlconcat",
    "xmlelement",
    "xmlexists",
    "xmlforest",
    "xmlnamespaces",
    "xmlparse",
    "xmlpi",
    "xmlroot",
    "xmlserialize",
    "xmltable",
];

/// Appends a name, in double quotes where it would mean something else without.
pub(super) fn quote_ident(name: &str, out: &mut String) {
    let mut bytes = name.bytes();
    let is_plain = bytes.next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_')
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && RESERVED.binary_search(&name).is_err();
    if is_plain {
        out.push_str(name);
    } else {
        out.push('"');
        out.push_str(&name.replace('"', "\"\""));
        out.push('"');
    }
}

/// Appends a text as a literal.
pub(super) fn quote_literal(text: &str, out: &mut String) {
    if text.contains('\\') {
        // Backslashes mean nothing by themselves in an E'' literal alone.
        out.push('E');
    }
    out.push('\'');
    for c in text.chars() {
        if matches!(c, '\'' | '\\') {
            out.push(c);
        }
        out.push(c);
    }
    out.push('\'');
}

#[cfg(test)]
mod tests {
    use super::RESERVED;

    #[test]
    fn reserved_words_are_sorted() {
        assert!(RESERVED.is_sorted());
    }
}
