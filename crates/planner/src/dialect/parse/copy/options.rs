//! COPY's options, in the form with parentheses and in the old one.

use datafusion::sql::sqlparser::tokenizer::Token;
use weir_types::{Error, Result, SqlState};

use super::super::cursor::Cursor;
use super::super::subscribe::boolean;
use crate::dialect::ast::{CopyFormat, CopyOptions};

/// Characters that the text format gives a meaning of their own after a backslash.
const NOT_TEXT_DELIMITERS: &str = "\\.abcdefghijklmnopqrstuvwxyz0123456789";

/// What is told; what is not gets the format's default.
#[derive(Default)]
struct Told {
    format: Option<CopyFormat>,
    delimiter: Option<String>,
    null: Option<String>,
    header: Option<bool>,
    quote: Option<String>,
    escape: Option<String>,
    force_quote: Option<ForceQuote>,
    is_encoding_told: bool,
    is_freeze_told: bool,
}

enum ForceQuote {
    All,
    Columns(Vec<String>),
}

/// `[[WITH] (..) | old form]`, to the end of the options.
pub(super) fn options(c: &mut Cursor<'_>, from: bool, is_binary: bool) -> Result<CopyOptions> {
    let start = c.index();
    let mut told = Told::default();
    if is_binary {
        told.format = Some(CopyFormat::Binary);
    }
    if c.accept_words(&["using", "delimiters"]) {
        told.delimiter = Some(c.string()?);
    }
    c.accept("with");
    if c.accept_token(&Token::LParen) {
        loop {
            new_option(c, &mut told)?;
            if !c.accept_token(&Token::Comma) {
                break;
            }
        }
        c.expect_token(&Token::RParen)?;
    } else {
        while old_option(c, &mut told)? {}
    }
    told.finish(from).map_err(|error| error.with_position(c.position(start)))
}

fn once<T>(c: &Cursor<'_>, start: usize, slot: &mut Option<T>, value: T) -> Result<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(redundant(c, start)),
    }
}

fn redundant(c: &Cursor<'_>, start: usize) -> Error {
    Error::syntax("conflicting or redundant options").with_position(c.position(start))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(SqlState::InvalidParameterValue, message)
}

/// One of `FORMAT csv, DELIMITER ',', HEADER, ..`.
fn new_option(c: &mut Cursor<'_>, told: &mut Told) -> Result<()> {
    let start = c.index();
    let name = c.label()?;
    match name.as_str() {
        "format" => {
            let format = format_of(c, start)?;
            once(c, start, &mut told.format, format)
        }
        "delimiter" => {
            let value = c.option_value()?;
            once(c, start, &mut told.delimiter, value)
        }
        "null" => {
            let value = c.option_value()?;
            once(c, start, &mut told.null, value)
        }
        "quote" => {
            let value = c.option_value()?;
            once(c, start, &mut told.quote, value)
        }
        "escape" => {
            let value = c.option_value()?;
            once(c, start, &mut told.escape, value)
        }
        "header" => {
            let header = flag(c, "header", start)?;
            once(c, start, &mut told.header, header)
        }
        "freeze" => {
            flag(c, "freeze", start)?;
            if std::mem::replace(&mut told.is_freeze_told, true) {
                return Err(redundant(c, start));
            }
            Ok(())
        }
        "force_quote" => {
            let columns = force_quote(c)?;
            once(c, start, &mut told.force_quote, columns)
        }
        "encoding" => encoding(c, told, start),
        "force_not_null" | "force_null" | "default" | "on_error" | "reject_limit"
        | "log_verbosity" => Err(c.unsupported_at(
            start,
            format!("COPY option {} is not supported", name.to_uppercase()),
        )),
        _ => Err(Error::syntax(format!("option \"{name}\" not recognized"))
            .with_position(c.position(start))),
    }
}

fn format_of(c: &mut Cursor<'_>, start: usize) -> Result<CopyFormat> {
    let name = c.option_value()?;
    match name.as_str() {
        "text" => Ok(CopyFormat::Text),
        "csv" => Ok(CopyFormat::Csv),
        "binary" => Ok(CopyFormat::Binary),
        _ => Err(invalid(format!("COPY format \"{name}\" not recognized"))
            .with_hint("The formats are text, csv and binary.")
            .with_position(c.position(start))),
    }
}

/// A Boolean option's value; true where none is given.
fn flag(c: &mut Cursor<'_>, name: &str, start: usize) -> Result<bool> {
    if matches!(c.peek(), Token::Comma | Token::RParen) {
        return Ok(true);
    }
    let value = c.option_value()?;
    if name == "header" && value == "match" {
        return Err(c.unsupported_at(start, "COPY option HEADER MATCH is not supported"));
    }
    boolean(&value).ok_or_else(|| {
        Error::syntax(format!("{name} requires a Boolean value")).with_position(c.position(start))
    })
}

/// `*` or `(a, b)`, and in the old form `a, b`.
fn force_quote(c: &mut Cursor<'_>) -> Result<ForceQuote> {
    if c.accept_token(&Token::Mul) {
        Ok(ForceQuote::All)
    } else if *c.peek() == Token::LParen {
        c.column_names().map(ForceQuote::Columns)
    } else {
        c.list(Cursor::name).map(ForceQuote::Columns)
    }
}

fn encoding(c: &mut Cursor<'_>, told: &mut Told, start: usize) -> Result<()> {
    let name = c.option_value()?;
    if std::mem::replace(&mut told.is_encoding_told, true) {
        return Err(redundant(c, start));
    }
    match name.to_ascii_lowercase().as_str() {
        "utf8" | "utf-8" | "unicode" => Ok(()),
        _ => Err(c
            .unsupported_at(start, format!("COPY in encoding \"{name}\" is not supported"))
            .with_hint("Convert the data to UTF8.")),
    }
}

/// One of `CSV`, `HEADER`, `DELIMITER AS ','`, ..; false where none begins here.
fn old_option(c: &mut Cursor<'_>, told: &mut Told) -> Result<bool> {
    let start = c.index();
    let words = [
        "binary",
        "csv",
        "header",
        "freeze",
        "delimiter",
        "null",
        "quote",
        "escape",
        "force",
        "encoding",
    ];
    let Some(word) = c.accept_one(&words) else { return Ok(false) };
    if matches!(word, "delimiter" | "null" | "quote" | "escape") {
        c.accept("as");
    }
    match word {
        "binary" => once(c, start, &mut told.format, CopyFormat::Binary)?,
        "csv" => once(c, start, &mut told.format, CopyFormat::Csv)?,
        "header" => once(c, start, &mut told.header, true)?,
        "freeze" => told.is_freeze_told = true,
        "delimiter" => {
            let value = c.string()?;
            once(c, start, &mut told.delimiter, value)?;
        }
        "null" => {
            let value = c.string()?;
            once(c, start, &mut told.null, value)?;
        }
        "quote" => {
            let value = c.string()?;
            once(c, start, &mut told.quote, value)?;
        }
        "escape" => {
            let value = c.string()?;
            once(c, start, &mut told.escape, value)?;
        }
        "encoding" => encoding(c, told, start)?,
        _ => {
            if !c.accept("quote") {
                return Err(
                    c.unsupported_at(start, "COPY option FORCE [NOT] NULL is not supported")
                );
            }
            let columns = force_quote(c)?;
            once(c, start, &mut told.force_quote, columns)?;
        }
    }
    Ok(true)
}

impl Told {
    /// The whole of the options, checked as PostgreSQL does.
    fn finish(self, from: bool) -> Result<CopyOptions> {
        let format = self.format.unwrap_or(CopyFormat::Text);
        let is_csv = format == CopyFormat::Csv;
        if format == CopyFormat::Binary {
            for (name, is_told) in [
                ("DELIMITER", self.delimiter.is_some()),
                ("NULL", self.null.is_some()),
                ("HEADER", self.header == Some(true)),
            ] {
                if is_told {
                    return Err(Error::syntax(format!("cannot specify {name} in BINARY mode")));
                }
            }
        }
        for (name, is_told) in [
            ("QUOTE", self.quote.is_some()),
            ("ESCAPE", self.escape.is_some()),
            ("FORCE_QUOTE", self.force_quote.is_some()),
        ] {
            if is_told && !is_csv {
                return Err(Error::unsupported(format!("COPY {name} requires CSV mode")));
            }
        }
        if from && self.force_quote.is_some() {
            return Err(Error::unsupported("COPY FORCE_QUOTE cannot be used with COPY FROM"));
        }
        let delimiter = match &self.delimiter {
            Some(text) => one_byte("delimiter", text)?,
            None => {
                if is_csv {
                    b','
                } else {
                    b'\t'
                }
            }
        };
        let null = self.null.unwrap_or_else(|| if is_csv { "" } else { "\\N" }.to_owned());
        let quote = self.quote.as_deref().map_or(Ok(b'"'), |text| one_byte("quote", text))?;
        let escape = self.escape.as_deref().map_or(Ok(quote), |text| one_byte("escape", text))?;
        check(format, delimiter, &null, quote)?;
        let (force_quote, force_quote_all) = match self.force_quote {
            None => (Vec::new(), false),
            Some(ForceQuote::All) => (Vec::new(), true),
            Some(ForceQuote::Columns(columns)) => (columns, false),
        };
        Ok(CopyOptions {
            format,
            delimiter,
            null,
            header: self.header.unwrap_or(false),
            quote,
            escape,
            force_quote,
            force_quote_all,
        })
    }
}

fn one_byte(name: &str, text: &str) -> Result<u8> {
    match text.as_bytes() {
        [byte] => Ok(*byte),
        _ => Err(Error::unsupported(format!("COPY {name} must be a single one-byte character"))),
    }
}

/// PostgreSQL's rules for delimiter, NULL and quote together.
fn check(format: CopyFormat, delimiter: u8, null: &str, quote: u8) -> Result<()> {
    if format == CopyFormat::Binary {
        return Ok(());
    }
    if matches!(delimiter, b'\n' | b'\r') {
        return Err(invalid("COPY delimiter cannot be newline or carriage return"));
    }
    if null.contains(['\n', '\r']) {
        return Err(invalid("COPY null representation cannot use newline or carriage return"));
    }
    if null.as_bytes().contains(&delimiter) {
        return Err(invalid("COPY delimiter character must not appear in the NULL specification"));
    }
    if format == CopyFormat::Text {
        if NOT_TEXT_DELIMITERS.as_bytes().contains(&delimiter) {
            let delimiter = char::from(delimiter);
            return Err(invalid(format!("COPY delimiter cannot be \"{delimiter}\"")));
        }
        return Ok(());
    }
    if delimiter == quote {
        return Err(invalid("COPY delimiter and quote must be different"));
    }
    if null.as_bytes().contains(&quote) {
        return Err(invalid("CSV quote character must not appear in the NULL specification"));
    }
    Ok(())
}
