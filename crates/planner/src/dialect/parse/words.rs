//! PostgreSQL's key words, as far as they decide what can be a name.

/// Reserved: neither a column, a table, a type nor a function.
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
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "column",
    "constraint",
    "create",
    "current_catalog",
    "current_date",
    "current_role",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "false",
    "fetch",
    "for",
    "foreign",
    "from",
    "grant",
    "group",
    "having",
    "in",
    "initially",
    "intersect",
    "into",
    "lateral",
    "leading",
    "limit",
    "localtime",
    "localtimestamp",
    "not",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "placing",
    "primary",
    "references",
    "returning",
    "select",
    "session_user",
    "some",
    "symmetric",
    "table",
    "then",
    "to",
    "trailing",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "variadic",
    "when",
    "where",
    "window",
    "with",
];

/// Reserved, except as the name of a type or a function.
const RESERVED_EXCEPT_FUNCTION: &[&str] = &[
    "authorization",
    "binary",
    "collation",
    "concurrently",
    "cross",
    "current_schema",
    "freeze",
    "full",
    "ilike",
    "inner",
    "is",
    "isnull",
    "join",
    "left",
    "like",
    "natural",
    "notnull",
    "outer",
    "overlaps",
    "right",
    "similar",
    "tablesample",
    "verbose",
];

/// Reserved words with which an expression can begin.
const EXPRESSION_STARTS: &[&str] = &[
    "array",
    "case",
    "cast",
    "current_catalog",
    "current_date",
    "current_role",
    "current_time",
    "current_timestamp",
    "current_user",
    "false",
    "localtime",
    "localtimestamp",
    "not",
    "null",
    "session_user",
    "true",
    "user",
];

/// Not an output column's label unless AS comes before it.
const NOT_BARE_LABELS: &[&str] = &[
    "array",
    "as",
    "char",
    "character",
    "create",
    "day",
    "except",
    "fetch",
    "filter",
    "for",
    "from",
    "grant",
    "group",
    "having",
    "hour",
    "intersect",
    "into",
    "isnull",
    "limit",
    "minute",
    "month",
    "national",
    "notnull",
    "offset",
    "on",
    "order",
    "over",
    "overlaps",
    "precision",
    "returning",
    "second",
    "to",
    "union",
    "varying",
    "where",
    "window",
    "with",
    "within",
    "without",
    "year",
];

/// Words that begin a clause in DataFusion's dialect although PostgreSQL has them for names.
const CLAUSE_STARTS: &[&str] = &["asof", "match_condition", "qualify"];

/// True for a word that cannot name a column or a table.
pub(super) fn is_reserved(word: &str) -> bool {
    contains(RESERVED, word) || contains(RESERVED_EXCEPT_FUNCTION, word)
}

/// True for a word that can name no function and is no expression by itself either.
pub(super) fn is_reserved_in_expression(word: &str, is_call: bool) -> bool {
    if contains(RESERVED, word) {
        return !contains(EXPRESSION_STARTS, word);
    }
    !is_call && word != "current_schema" && contains(RESERVED_EXCEPT_FUNCTION, word)
}

/// True for a word that can label an output column without AS.
pub(super) fn is_bare_label(word: &str) -> bool {
    !contains(NOT_BARE_LABELS, word) && !contains(CLAUSE_STARTS, word)
}

/// True for a word that can name a relation of FROM without AS.
pub(super) fn is_bare_alias(word: &str) -> bool {
    !is_reserved(word) && !contains(CLAUSE_STARTS, word)
}

fn contains(sorted: &[&str], word: &str) -> bool {
    sorted.binary_search(&word).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted() {
        for list in
            [RESERVED, RESERVED_EXCEPT_FUNCTION, EXPRESSION_STARTS, NOT_BARE_LABELS, CLAUSE_STARTS]
        {
            assert!(list.is_sorted(), "{list:?}");
        }
    }

    #[test]
    fn a_function_may_have_a_name_that_a_column_may_not() {
        assert!(is_reserved("left") && !is_reserved_in_expression("left", true));
        assert!(is_reserved_in_expression("left", false));
        assert!(is_reserved_in_expression("where", true));
        assert!(!is_reserved_in_expression("case", false));
        assert!(!is_reserved("position") && !is_reserved("name"));
    }
}
