//! Names to oids and back, for `regclass`, `regtype`, `regproc`, `regnamespace` and the functions
//! that take them.

use weir_catalog::{Catalog, ObjectName, SearchPath};
use weir_types::{Error, RegKind, Result, SqlState, SqlType};

use super::describe::{self, Relation, quote_ident};
use super::static_rows::{PROCS, TYPES};
use super::{SystemRelation, find};

/// What names are looked up in.
#[derive(Clone, Copy)]
pub(crate) struct Names<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) search_path: &'a SearchPath,
    pub(crate) extra: &'a [SystemRelation],
}

/// The text form of a value of a `reg*` type, as PostgreSQL shows it: the name, qualified where the
/// search path does not find it; the number where nothing has it; `-` for 0.
#[must_use]
pub fn reg_name(
    kind: RegKind,
    oid: u32,
    catalog: &Catalog,
    search_path: &SearchPath,
    extra: &[SystemRelation],
) -> String {
    Names { catalog, search_path, extra }.reg_name(kind, oid)
}

impl<'a> Names<'a> {
    pub(crate) fn reg_name(&self, kind: RegKind, oid: u32) -> String {
        if oid == 0 {
            return "-".to_owned();
        }
        let name = match kind {
            RegKind::Class => self.by_oid(oid).map(|relation| self.shown_name(relation)),
            RegKind::Type => TYPES.contains_key(&oid).then(|| format_type(oid, None)),
            RegKind::Proc => PROCS.get(&oid).map(|row| {
                let name = quote_ident(row.text("proname"));
                if procs_named(row.text("proname")).count() > 1 {
                    format!("pg_catalog.{name}")
                } else {
                    name
                }
            }),
            RegKind::Namespace => self.schema_name(oid).map(quote_ident),
        };
        name.unwrap_or_else(|| oid.to_string())
    }

    pub(crate) fn by_oid(&self, oid: u32) -> Option<Relation<'a>> {
        describe::by_oid(self.catalog, self.extra, oid)
    }

    pub(crate) fn schema_name(&self, oid: u32) -> Option<&'a str> {
        self.catalog.schemas().find(|(_, id)| id.0 == oid).map(|(name, _)| name)
    }

    /// The relation's name, qualified unless the search path finds it.
    pub(crate) fn shown_name(&self, relation: Relation<'_>) -> String {
        let name = quote_ident(relation.name());
        if self.is_visible(relation) {
            return name;
        }
        format!("{}.{name}", quote_ident(self.catalog.schema_name(relation.schema_id())))
    }

    /// True where the bare name means this relation.
    pub(crate) fn is_visible(&self, relation: Relation<'_>) -> bool {
        self.relation(&ObjectName::bare(relation.name()))
            .is_some_and(|found| found.oid() == relation.oid())
    }

    /// The relation or index that the name means.
    pub(crate) fn relation(&self, name: &ObjectName) -> Option<Relation<'a>> {
        match &name.schema {
            Some(schema) => self.relation_in(schema, &name.name),
            None => {
                self.search_path.effective().find_map(|schema| self.relation_in(schema, &name.name))
            }
        }
    }

    fn relation_in(&self, schema: &str, name: &str) -> Option<Relation<'a>> {
        if let Some(system) = find(schema, name) {
            return Some(Relation::System(system));
        }
        let mut extra = self.extra.iter();
        if let Some(system) = extra.find(|r| r.schema == schema && r.name == name) {
            return Some(Relation::System(system));
        }
        let id = self.catalog.schema_id(schema)?;
        let object = self.catalog.lookup_in(id, name).filter(|o| describe::is_relation(o));
        if let Some(object) = object {
            return Some(Relation::Object(object));
        }
        describe::users(self.catalog).find(|relation| {
            matches!(relation, Relation::Index(..))
                && relation.schema_id() == id
                && relation.name() == name
        })
    }

    /// The oid that the text means for a `reg*` type: a number, `-`, or a name.
    ///
    /// # Errors
    /// 42P01, 42704, 42883 or 3F000 for an unknown name, 42725 for a function's name that is not
    /// unique.
    pub(crate) fn reg_oid(&self, kind: RegKind, text: &str) -> Result<u32> {
        let text = text.trim();
        if text == "-" {
            return Ok(0);
        }
        if let Ok(oid) = text.parse() {
            return Ok(oid);
        }
        match kind {
            RegKind::Class => {
                let name = object_name(text)?;
                if let Some(schema) = &name.schema
                    && self.catalog.schema_id(schema).is_none()
                {
                    return Err(unknown_schema(schema));
                }
                self.relation(&name).map(|relation| relation.oid()).ok_or_else(|| {
                    let message = format!("relation \"{name}\" does not exist");
                    Error::new(SqlState::UndefinedTable, message)
                })
            }
            RegKind::Type => type_oid(text).ok_or_else(|| {
                Error::new(SqlState::UndefinedObject, format!("type \"{text}\" does not exist"))
            }),
            RegKind::Proc => proc_oid(text),
            RegKind::Namespace => {
                let name = object_name(text)?.name;
                let id = self.catalog.schema_id(&name).ok_or_else(|| unknown_schema(&name))?;
                Ok(id.0)
            }
        }
    }
}

fn unknown_schema(schema: &str) -> Error {
    Error::new(SqlState::InvalidSchemaName, format!("schema \"{schema}\" does not exist"))
}

fn procs_named(name: &str) -> impl Iterator<Item = u32> {
    PROCS.iter().filter(move |(_, row)| row.text("proname") == name).map(|(oid, _)| *oid)
}

/// The function of that name; an argument list in parentheses is not looked at unless the name
/// alone is not unique.
fn proc_oid(text: &str) -> Result<u32> {
    let (name, arguments) = match text.split_once('(') {
        Some((name, rest)) => (name, Some(rest.trim_end_matches(')'))),
        None => (text, None),
    };
    let name = object_name(name)?;
    let known_schema = name.schema.as_deref().is_none_or(|schema| schema == "pg_catalog");
    let found: Vec<u32> = if known_schema { procs_named(&name.name).collect() } else { Vec::new() };
    let wanted: Option<Vec<u32>> = arguments.map(|arguments| {
        let names = arguments.split(',').filter(|name| !name.trim().is_empty());
        names.filter_map(type_oid).collect()
    });
    let matching = found.iter().filter(|oid| match &wanted {
        Some(wanted) => PROCS[oid].oids("proargtypes") == *wanted,
        None => true,
    });
    match matching.collect::<Vec<_>>()[..] {
        [oid] => Ok(*oid),
        [] => Err(Error::new(
            SqlState::UndefinedFunction,
            format!("function \"{text}\" does not exist"),
        )),
        _ => Err(Error::new(
            SqlState::AmbiguousFunction,
            format!("more than one function named \"{text}\""),
        )),
    }
}

/// `[[database.]schema.]name` with quotes and case folding.
///
/// # Errors
/// 42602 where it is no such name.
pub(crate) fn object_name(text: &str) -> Result<ObjectName> {
    let mut parts = name_parts(text)?;
    let name = parts.pop().unwrap_or_default();
    Ok(ObjectName { schema: parts.pop(), name })
}

/// The parts of a name, without quotes and folded; at least one.
///
/// # Errors
/// 42602 where it is no such name.
pub(crate) fn name_parts(text: &str) -> Result<Vec<String>> {
    let invalid = || Error::new(SqlState::InvalidName, format!("invalid name syntax: \"{text}\""));
    let mut parts = Vec::new();
    let mut rest = text.trim();
    loop {
        let (part, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_part(quoted).ok_or_else(invalid)?,
            None => {
                let end = rest.find('.').unwrap_or(rest.len());
                (rest[..end].trim().to_lowercase(), &rest[end..])
            }
        };
        if part.is_empty() {
            return Err(invalid());
        }
        parts.push(part);
        let after = after.trim_start();
        match after.strip_prefix('.') {
            Some(next) => rest = next.trim_start(),
            None if after.is_empty() => return Ok(parts),
            None => return Err(invalid()),
        }
    }
}

/// The identifier before the closing quote, and what follows it.
fn quoted_part(text: &str) -> Option<(String, &str)> {
    let mut part = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((i, c)) = chars.next() {
        if c != '"' {
            part.push(c);
        } else if matches!(chars.peek(), Some((_, '"'))) {
            chars.next();
            part.push('"');
        } else {
            return Some((part, &text[i + 1..]));
        }
    }
    None
}

/// The oid of the type of that name: PostgreSQL's short names, SQL's names, `[]`, modifiers.
pub(crate) fn type_oid(text: &str) -> Option<u32> {
    let mut name = text.trim();
    if let Some(bare) = name.strip_prefix("pg_catalog.") {
        name = bare;
    }
    if let Some(element) = name.strip_suffix("[]") {
        let element = type_oid(element.trim_end_matches("[]"))?;
        return TYPES.get(&element).map(|row| row.oid("typarray")).filter(|oid| *oid != 0);
    }
    if let Some(quoted) = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        return named_type(quoted);
    }
    let mut folded = name.to_lowercase();
    if let (Some(open), Some(close)) = (folded.find('('), folded.find(')')) {
        folded.replace_range(open..=close.max(open), "");
    }
    let folded = folded.split_whitespace().collect::<Vec<_>>().join(" ");
    let short = match folded.as_str() {
        "boolean" => "bool",
        "smallint" => "int2",
        "integer" | "int" => "int4",
        "bigint" => "int8",
        "real" => "float4",
        "double precision" | "float" => "float8",
        "decimal" | "dec" => "numeric",
        "character varying" | "char varying" => "varchar",
        "character" | "char" => "bpchar",
        "timestamp without time zone" => "timestamp",
        "timestamp with time zone" => "timestamptz",
        "time without time zone" => "time",
        other => other,
    };
    named_type(short)
}

fn named_type(name: &str) -> Option<u32> {
    TYPES.values().find(|row| row.text("typname") == name).map(|row| row.oid("oid"))
}

/// PostgreSQL's `format_type`.
pub(crate) fn format_type(oid: u32, typmod: Option<i32>) -> String {
    if oid == 0 {
        return "-".to_owned();
    }
    match (SqlType::from_oid(oid), TYPES.get(&oid)) {
        // Without a modifier PostgreSQL shows `character`, and `bpchar` where it was asked for the
        // modifier -1.
        (Some(SqlType::Char(_)), _) => match typmod {
            Some(typmod) if typmod >= 4 => format!("character({})", typmod - 4),
            Some(_) => "bpchar".to_owned(),
            None => "character".to_owned(),
        },
        (Some(SqlType::Array(element)), _) => format!("{}[]", format_type(element.oid(), typmod)),
        (Some(sql_type), _) => sql_type.with_typmod(typmod.unwrap_or(-1)).to_string(),
        (None, Some(row)) if row.oid("typelem") != 0 && row.text("typcategory") == "A" => {
            format!("{}[]", format_type(row.oid("typelem"), None))
        }
        (None, Some(row)) => quote_ident(row.text("typname")),
        (None, None) => "???".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_and_folded() {
        let name = object_name("Public.\"My \"\"Table\"").expect("a name");
        assert_eq!(name, ObjectName::qualified("public", "My \"Table"));
        assert_eq!(object_name("db.s.t").expect("a name"), ObjectName::qualified("s", "t"));
        assert!(object_name("a b.").is_err() && object_name("\"open").is_err());
    }

    #[test]
    fn types_are_found_by_every_name() {
        for (text, oid) in [
            ("int", 23),
            ("pg_catalog.int4", 23),
            ("Double  Precision", 701),
            ("character varying(20)", 1043),
            ("char", 1042),
            ("\"char\"", 18),
            ("text[]", 1009),
            ("_int4", 1007),
            ("timestamp(3) with time zone", 1184),
        ] {
            assert_eq!(type_oid(text), Some(oid), "{text}");
        }
        assert_eq!(type_oid("nosuch"), None);
    }

    #[test]
    fn type_names_are_postgresqls() {
        assert_eq!(format_type(1700, Some(655_366)), "numeric(10,2)");
        assert_eq!(format_type(1042, Some(12)), "character(8)");
        assert_eq!(format_type(1042, None), "character");
        assert_eq!(format_type(1009, Some(-1)), "text[]");
        assert_eq!(format_type(2275, None), "cstring");
        assert_eq!(format_type(2277, None), "anyarray");
        assert_eq!((format_type(0, None), format_type(99, None)), ("-".into(), "???".into()));
    }

    #[test]
    fn numbers_and_names_read_back() {
        let (catalog, path) = (Catalog::new(), SearchPath::default());
        let names = Names { catalog: &catalog, search_path: &path, extra: &[] };
        let class = names.reg_oid(RegKind::Class, "pg_catalog.pg_class").expect("exists");
        assert_eq!((class, names.reg_name(RegKind::Class, class)), (1259, "pg_class".into()));
        let tables = names.reg_oid(RegKind::Class, "information_schema.tables").expect("exists");
        assert_eq!(names.reg_name(RegKind::Class, tables), "information_schema.tables");
        assert_eq!(names.reg_oid(RegKind::Class, "17").expect("a number"), 17);
        assert_eq!(names.reg_name(RegKind::Namespace, 2200), "public");
        let array_in = names.reg_oid(RegKind::Proc, "pg_catalog.array_in").expect("exists");
        assert_eq!(names.reg_name(RegKind::Proc, array_in), "array_in");
        for (kind, text, state) in [
            (RegKind::Class, "nosuch", "42P01"),
            (RegKind::Class, "nosuch.t", "3F000"),
            (RegKind::Type, "nosuch", "42704"),
            (RegKind::Proc, "nosuch", "42883"),
            (RegKind::Proc, "sum", "42725"),
            (RegKind::Namespace, "nosuch", "3F000"),
        ] {
            let error = names.reg_oid(kind, text).expect_err("unknown");
            assert_eq!(error.state().code(), state, "{text}");
        }
        assert!(names.reg_oid(RegKind::Proc, "sum(bigint)").is_ok());
    }
}
