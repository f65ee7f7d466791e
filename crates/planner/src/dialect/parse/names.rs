//! Names of objects, columns and roles.

use datafusion::sql::sqlparser::ast as sql;
use datafusion::sql::sqlparser::tokenizer::Token;
use weir_catalog::ObjectName;
use weir_types::{Error, Result, SqlState, limits};

use super::cursor::Cursor;

/// The one database.
const DATABASE: &str = "weir";

impl Cursor<'_> {
    /// `[[database.]schema.]name`.
    pub(super) fn object_name(&mut self) -> Result<ObjectName> {
        let start = self.index();
        let parts = self.dotted_name()?;
        self.resolve(parts, start)
    }

    /// A dotted name, of which only the first part must not be a reserved word.
    pub(super) fn dotted_name(&mut self) -> Result<Vec<String>> {
        let mut parts = vec![self.name()?];
        while self.accept_token(&Token::Period) {
            parts.push(self.label()?);
        }
        Ok(parts)
    }

    /// The object that a dotted name, which begins at lexeme `start`, stands for.
    pub(super) fn resolve(&self, parts: Vec<String>, start: usize) -> Result<ObjectName> {
        resolve_parts(parts).map_err(|error| error.with_position(self.position(start)))
    }

    /// The name of a schema.
    pub(super) fn schema_name(&mut self) -> Result<ObjectName> {
        let start = self.index();
        let mut parts = self.dotted_name()?;
        match (parts.pop(), parts.as_slice()) {
            (Some(name), []) => Ok(ObjectName::bare(name)),
            (Some(name), [database]) if database == DATABASE => Ok(ObjectName::bare(name)),
            _ => Err(self
                .unsupported_at(start, "cross-database references are not implemented")
                .with_hint("Weir has one database; name the schema alone.")),
        }
    }

    /// `(a, b, ..)`, each name once.
    pub(super) fn column_names(&mut self) -> Result<Vec<String>> {
        let start = self.index();
        let names = self.parenthesized(Self::name)?;
        self.check_distinct(names.iter().map(String::as_str), start)?;
        if names.len() > limits::COLUMNS_MAX {
            return Err(self.too_many_columns(start));
        }
        Ok(names)
    }

    /// 42701 where a name comes twice.
    pub(super) fn check_distinct<'n>(
        &self,
        names: impl Iterator<Item = &'n str>,
        start: usize,
    ) -> Result<()> {
        let mut seen = std::collections::HashSet::new();
        for name in names {
            if !seen.insert(name) {
                return Err(Error::new(
                    SqlState::DuplicateColumn,
                    format!("column \"{name}\" specified more than once"),
                )
                .with_position(self.position(start)));
            }
        }
        Ok(())
    }

    /// The error of a list of columns that is too long.
    pub(super) fn too_many_columns(&self, start: usize) -> Error {
        Error::new(
            SqlState::ProgramLimitExceeded,
            format!("a relation can have at most {} columns", limits::COLUMNS_MAX),
        )
        .with_position(self.position(start))
    }
}

/// Takes the database off, which must be Weir's.
fn resolve_parts(mut parts: Vec<String>) -> Result<ObjectName> {
    let shown = parts.join(".");
    match (parts.pop(), parts.as_slice()) {
        (Some(name), []) => Ok(ObjectName::bare(name)),
        (Some(name), [schema]) => Ok(ObjectName::qualified(schema, name)),
        (Some(name), [database, schema]) if database == DATABASE => {
            Ok(ObjectName::qualified(schema, name))
        }
        (Some(_), [_, _]) => Err(Error::unsupported(format!(
            "cross-database references are not implemented: \"{shown}\""
        ))
        .with_hint(format!("The database is \"{DATABASE}\"."))),
        _ => {
            Err(Error::syntax(format!("improper qualified name (too many dotted names): {shown}")))
        }
    }
}

/// Takes the database off the name of a relation in a query.
pub(super) fn without_database(name: &mut sql::ObjectName) -> Result<()> {
    if name.0.len() <= 2 {
        return Ok(());
    }
    let parts = name.0.iter().filter_map(|part| part.as_ident());
    resolve_parts(parts.map(|ident| ident.value.clone()).collect())?;
    name.0.remove(0);
    Ok(())
}

/// A name as it must be written in SQL: quoted where it is not a plain lower-case word.
pub(super) fn quote(name: &str) -> String {
    let is_plain = name.bytes().enumerate().all(|(idx, byte)| match byte {
        b'a'..=b'z' | b'_' => true,
        b'0'..=b'9' => idx > 0,
        _ => false,
    });
    if is_plain && !name.is_empty() && !super::words::is_reserved(name) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}
