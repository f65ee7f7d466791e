//! Column definitions and table constraints.

use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;
use weir_types::{Error, Result, SqlState, SqlType, limits};

use super::cursor::Cursor;
use super::types::sql_type;
use crate::dialect::ast::ColumnDefinition;

/// DEFAULT ends where `NOT NULL` may follow: above the precedence of IS, so that it is no operator.
const DEFAULT_PRECEDENCE: u8 = 40;
/// Collations that order by bytes, as Weir always does.
const BYTE_COLLATIONS: [&str; 4] = ["C", "POSIX", "default", "ucs_basic"];

/// What is in the parentheses of CREATE TABLE and CREATE STREAM.
#[derive(Debug, Default)]
pub(super) struct Elements {
    /// The columns.
    pub(super) columns: Vec<ColumnDefinition>,
    /// `PRIMARY KEY (..)`, or the named one of a column.
    pub(super) primary_key: Option<(Option<String>, Vec<String>)>,
    /// `CHECK (..)` of the table.
    pub(super) checks: Vec<(Option<String>, String)>,
    /// Lexeme after the first column that has a name only, for CREATE TABLE .. AS.
    pub(super) untyped: Option<usize>,
}

impl Cursor<'_> {
    /// A type name.
    pub(super) fn type_name(&mut self) -> Result<SqlType> {
        let start = self.index();
        let data_type = self.parse(Parser::parse_data_type)?;
        let found = sql_type(&data_type).map_err(|error| match error.position() {
            Some(_) => self.with_absolute_position(error),
            None => error.with_position(self.position(start)),
        })?;
        if !self.accept("array") {
            return Ok(found);
        }
        if self.accept_token(&Token::LBracket) {
            self.signed_number()?;
            self.expect_token(&Token::RBracket)?;
        }
        Ok(SqlType::Array(Box::new(found)))
    }

    /// `(column | constraint, ..)`.
    pub(super) fn table_elements(&mut self, table: &str) -> Result<Elements> {
        let start = self.index();
        let mut elements = Elements::default();
        self.expect_token(&Token::LParen)?;
        if self.accept_token(&Token::RParen) {
            return Ok(elements);
        }
        loop {
            if !self.table_constraint(table, &mut elements)? {
                self.column(table, &mut elements)?;
            }
            if !self.accept_token(&Token::Comma) {
                break;
            }
        }
        self.expect_token(&Token::RParen)?;
        self.check_distinct(elements.columns.iter().map(|column| column.name.as_str()), start)?;
        if elements.columns.len() > limits::COLUMNS_MAX {
            return Err(self.too_many_columns(start));
        }
        Ok(elements)
    }

    /// A constraint of the table; false where none begins here.
    fn table_constraint(&mut self, table: &str, elements: &mut Elements) -> Result<bool> {
        if self.peek_word() == Some("like") {
            return Err(self.unsupported("CREATE TABLE (LIKE ..) is not supported"));
        }
        if self.at_words(&["watermark", "for"]) {
            return Err(self.unsupported("WATERMARK FOR is not supported yet"));
        }
        let name = if self.accept("constraint") { Some(self.name()?) } else { None };
        let start = self.index();
        match self.peek_word() {
            Some("primary") => {
                self.advance();
                self.expect("key")?;
                let columns = self.column_names()?;
                self.check_first_key(table, elements, start)?;
                elements.primary_key = Some((name, columns));
            }
            Some("check") => {
                self.advance();
                elements.checks.push((name, self.check_condition()?));
            }
            Some("unique") => return Err(self.no_unique()),
            Some("foreign") => return Err(self.no_references()),
            Some("exclude") if *self.peek_nth(1) != Token::Comma => {
                return Err(self.unsupported("EXCLUDE constraints are not supported"));
            }
            _ if name.is_some() => return Err(self.syntax_error()),
            _ => return Ok(false),
        }
        self.no_deferral()?;
        Ok(true)
    }

    fn check_first_key(&self, table: &str, elements: &Elements, start: usize) -> Result<()> {
        let has_key = elements.primary_key.is_some()
            || elements.columns.iter().any(|column| column.primary_key);
        if has_key {
            return Err(Error::new(
                SqlState::InvalidTableDefinition,
                format!("multiple primary keys for table \"{table}\" are not allowed"),
            )
            .with_position(self.position(start)));
        }
        Ok(())
    }

    /// A column of CREATE TABLE or CREATE STREAM.
    fn column(&mut self, table: &str, elements: &mut Elements) -> Result<()> {
        let name = self.name()?;
        if matches!(self.peek(), Token::Comma | Token::RParen) {
            elements.untyped = elements.untyped.or(Some(self.index()));
            elements.columns.push(new_column(name, SqlType::Unknown));
            return Ok(());
        }
        let start = self.index();
        let (mut column, key_name) = self.column_definition(table, name)?;
        if column.primary_key {
            self.check_first_key(table, elements, start)?;
            if key_name.is_some() {
                elements.primary_key = Some((key_name, vec![column.name.clone()]));
                column.primary_key = false;
            }
        }
        elements.columns.push(column);
        Ok(())
    }

    /// The type and the constraints of a column, and the name given to its PRIMARY KEY.
    pub(super) fn column_definition(
        &mut self,
        table: &str,
        name: String,
    ) -> Result<(ColumnDefinition, Option<String>)> {
        let mut column = new_column(name, self.type_name()?);
        let mut key_name = None;
        let mut is_null = false;
        loop {
            let constraint = if self.accept("constraint") { Some(self.name()?) } else { None };
            let start = self.index();
            match self.peek_word() {
                Some("not") if self.at_words(&["not", "null"]) => {
                    self.accept_words(&["not", "null"]);
                    column.not_null = true;
                }
                Some("null") => {
                    self.advance();
                    is_null = true;
                }
                Some("default") => {
                    self.advance();
                    let text = self.default_text()?;
                    if column.default.replace(text).is_some() {
                        return Err(self.column_error(
                            "multiple default values specified",
                            &column.name,
                            table,
                            start,
                        ));
                    }
                }
                Some("generated") => column.generated = Some(self.generated()?),
                Some("primary") => {
                    self.advance();
                    self.expect("key")?;
                    column.primary_key = true;
                    key_name = constraint;
                }
                Some("check") => {
                    self.advance();
                    let condition = self.check_condition()?;
                    column.checks.push((constraint, condition));
                }
                Some("collate") => self.collation()?,
                Some("unique") => return Err(self.no_unique()),
                Some("references") => return Err(self.no_references()),
                _ if constraint.is_some() => return Err(self.syntax_error()),
                _ => break,
            }
            self.no_deferral()?;
            if is_null && (column.not_null || column.primary_key) {
                let message = "conflicting NULL/NOT NULL declarations";
                return Err(self.column_error(message, &column.name, table, start));
            }
            if column.default.is_some() && column.generated.is_some() {
                let message = "both default and generation expression specified";
                return Err(self.column_error(message, &column.name, table, start));
            }
        }
        Ok((column, key_name))
    }

    fn column_error(&self, message: &str, column: &str, table: &str, start: usize) -> Error {
        Error::syntax(format!("{message} for column \"{column}\" of table \"{table}\""))
            .with_position(self.position(start))
    }

    /// The text of DEFAULT's expression.
    fn default_text(&mut self) -> Result<String> {
        let start = self.index();
        let mut expr = self.parse(|parser| parser.parse_subexpr(DEFAULT_PRECEDENCE))?;
        self.apply_rules(&mut expr)?;
        Ok(self.text_since(start).to_owned())
    }

    /// `GENERATED ALWAYS AS (expr) [STORED]`: the expression's text.
    fn generated(&mut self) -> Result<String> {
        let start = self.index();
        self.expect("generated")?;
        let is_always = self.accept("always");
        if !is_always {
            self.expect_words(&["by", "default"])?;
        }
        self.expect("as")?;
        if self.peek_word() == Some("identity") {
            return Err(self
                .unsupported_at(start, "identity columns are not supported")
                .with_hint(
                    "Weir has no sequences: give values of your own, or leave the primary key out.",
                ));
        }
        if !is_always {
            return Err(self.syntax_error());
        }
        let text = self.parenthesized_expr_text()?;
        if self.peek_word() == Some("virtual") {
            return Err(self
                .unsupported("virtual generated columns are not supported")
                .with_hint("Use STORED, or a view."));
        }
        self.accept("stored");
        Ok(text)
    }

    /// `(condition) [NO INHERIT]`: the condition's text.
    fn check_condition(&mut self) -> Result<String> {
        let text = self.parenthesized_expr_text()?;
        self.accept_words(&["no", "inherit"]);
        if self.at_words(&["not", "valid"]) {
            return Err(self.unsupported("CHECK .. NOT VALID is not supported"));
        }
        Ok(text)
    }

    fn collation(&mut self) -> Result<()> {
        self.expect("collate")?;
        let start = self.index();
        let mut parts = vec![self.label()?];
        while self.accept_token(&Token::Period) {
            parts.push(self.label()?);
        }
        match parts.last() {
            Some(name) if BYTE_COLLATIONS.contains(&name.as_str()) => Ok(()),
            _ => Err(self
                .unsupported_at(
                    start,
                    format!("collation \"{}\" is not supported", parts.join(".")),
                )
                .with_hint("Text is ordered by its UTF-8 bytes, as by collation \"C\".")),
        }
    }

    fn no_deferral(&self) -> Result<()> {
        if self.peek_word() == Some("deferrable")
            || self.peek_word() == Some("initially")
            || self.at_words(&["not", "deferrable"])
        {
            return Err(self.unsupported("deferrable constraints are not supported"));
        }
        Ok(())
    }

    fn no_unique(&self) -> Error {
        self.unsupported("UNIQUE constraints are not supported")
            .with_hint("Use PRIMARY KEY, which can have several columns.")
    }

    fn no_references(&self) -> Error {
        self.unsupported("foreign keys are not supported").with_hint(
            "Leave the constraint out; a materialized view can show the rows that break it.",
        )
    }
}

fn new_column(name: String, sql_type: SqlType) -> ColumnDefinition {
    ColumnDefinition {
        name,
        sql_type,
        not_null: false,
        default: None,
        generated: None,
        primary_key: false,
        checks: Vec::new(),
    }
}
