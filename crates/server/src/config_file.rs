//! The configuration file: a flat TOML file. Every complaint names the file and the line.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use toml::de::{DeTable, DeValue};
use weir_types::{Error, Result, SqlState};

use crate::config::{LogFormat, parse_seconds};
use crate::size::parse_size;

/// Keys of the file; the same words as the flags, with `_` for `-`.
const KEYS: [&str; 8] = [
    "checkpoint_interval",
    "data_dir",
    "http_listen",
    "insecure",
    "log_format",
    "memory_limit",
    "pg_listen",
    "workers",
];

/// What the file sets.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct FileSettings {
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) pg_listen: Option<String>,
    pub(crate) http_listen: Option<String>,
    pub(crate) workers: Option<NonZeroUsize>,
    pub(crate) memory_limit: Option<usize>,
    pub(crate) checkpoint_interval: Option<Duration>,
    pub(crate) log_format: Option<LogFormat>,
    pub(crate) insecure: Option<bool>,
}

/// Reads the file at `path`.
///
/// # Errors
/// 58P01, 42501 or 58030 where it cannot be read, F0000 with file and line where it is wrong.
pub(crate) fn read(path: &Path) -> Result<FileSettings> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let what = format!("could not read configuration file \"{}\"", path.display());
        Error::io(what, &error)
            .with_hint("Check the path given with --config or WEIR_CONFIG and its permissions.")
    })?;
    parse(&path.display().to_string(), &text)
}

fn parse(file: &str, text: &str) -> Result<FileSettings> {
    let table = DeTable::parse(text).map_err(|error| {
        let line = line_of(text, error.span().map_or(0, |span| span.start));
        let reason = error.message().replace('\n', ", ");
        Error::new(SqlState::ConfigFileError, format!("{file}:{line}: {reason}"))
            .with_hint("The file is TOML: one key = value a line, texts in double quotes.")
    })?;
    let mut settings = FileSettings::default();
    for (key, value) in table.get_ref() {
        let place = Place { file, text };
        let name: &str = key.get_ref();
        if !KEYS.contains(&name) {
            return Err(place.unknown_key(name, key.span()));
        }
        set(&mut settings, name, value.get_ref())
            .map_err(|expected| place.bad_value(name, value.span(), expected))?;
    }
    Ok(settings)
}

/// Takes one setting; on failure says what the value must be.
fn set(
    settings: &mut FileSettings,
    name: &str,
    value: &DeValue<'_>,
) -> std::result::Result<(), &'static str> {
    let text = || value.as_str().map(str::to_owned).ok_or("a text in double quotes");
    let integer = || value.as_integer().map(|n| n.as_str().to_owned());
    match name {
        "data_dir" => settings.data_dir = Some(PathBuf::from(text()?)),
        "pg_listen" => settings.pg_listen = Some(text()?),
        "http_listen" => settings.http_listen = Some(text()?),
        "workers" => {
            let count = integer().and_then(|text| text.parse().ok());
            settings.workers = Some(count.ok_or("a whole number, 1 or more")?);
        }
        "memory_limit" => {
            let expected = "a size such as \"512MB\"";
            let given = integer().map_or_else(|| text().map_err(|_| expected), Ok)?;
            settings.memory_limit = Some(parse_size(&given).map_err(|_| expected)?);
        }
        "checkpoint_interval" => {
            let expected = "a number of seconds above 0";
            let given = value.as_float().map(|n| n.as_str().to_owned()).or_else(integer);
            let given = given.ok_or(expected)?;
            settings.checkpoint_interval = Some(parse_seconds(&given).map_err(|_| expected)?);
        }
        "log_format" => {
            let expected = "\"text\" or \"json\"";
            let given = text().map_err(|_| expected)?;
            settings.log_format = Some(LogFormat::from_str(&given, false).map_err(|_| expected)?);
        }
        "insecure" => settings.insecure = Some(value.as_bool().ok_or("true or false")?),
        _ => unreachable!("the key was checked against the list"),
    }
    Ok(())
}

/// Where in the file something is.
struct Place<'a> {
    file: &'a str,
    text: &'a str,
}

impl Place<'_> {
    fn unknown_key(&self, name: &str, span: Range<usize>) -> Error {
        let line = line_of(self.text, span.start);
        let nearest = KEYS.into_iter().min_by_key(|key| edit_distance(name, key));
        let error = Error::new(
            SqlState::ConfigFileError,
            format!("{}:{line}: unrecognized key \"{name}\"", self.file),
        );
        match nearest {
            Some(key) => error
                .with_hint(format!("The nearest key is \"{key}\". Keys are: {}.", KEYS.join(", "))),
            None => error,
        }
    }

    fn bad_value(&self, name: &str, span: Range<usize>, expected: &str) -> Error {
        let line = line_of(self.text, span.start);
        let given = self.text.get(span).unwrap_or_default();
        Error::new(
            SqlState::ConfigFileError,
            format!("{}:{line}: invalid value for key \"{name}\": {given}", self.file),
        )
        .with_hint(format!("It must be {expected}."))
    }
}

/// The line, from 1, of a place in bytes.
fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

/// Letters to insert, delete or replace to get from one word to the other.
fn edit_distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_are_read() {
        let text = "# settings\ndata_dir = \"/d\"\npg_listen = \"a:1\"\nhttp_listen = \"b:2\"\n\
                    workers = 4\nmemory_limit = \"1GB\"\nlog_format = \"json\"\ncheckpoint_interval = 0.5\ninsecure = true\n";
        let expected = FileSettings {
            data_dir: Some("/d".into()),
            pg_listen: Some("a:1".to_owned()),
            http_listen: Some("b:2".to_owned()),
            workers: NonZeroUsize::new(4),
            checkpoint_interval: Some(Duration::from_millis(500)),
            memory_limit: Some(1 << 30),
            log_format: Some(LogFormat::Json),
            insecure: Some(true),
        };
        assert_eq!(parse("weir.toml", text).expect("the file is right"), expected);
        assert_eq!(text.matches(" = ").count(), KEYS.len());
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_the_nearest_key() {
        let error = parse("weir.toml", "workers = 1\n\npg-listn = \"x\"\n").unwrap_err();
        assert_eq!(error.state().code(), "F0000");
        assert_eq!(error.message(), "weir.toml:3: unrecognized key \"pg-listn\"");
        assert!(
            error
                .hint()
                .expect("the error has a hint")
                .starts_with("The nearest key is \"pg_listen\".")
        );
    }

    #[test]
    fn a_bad_value_is_named_with_its_line() {
        for (text, hint) in [
            ("\nworkers = 0\n", "It must be a whole number, 1 or more."),
            ("\nmemory_limit = \"much\"\n", "It must be a size such as \"512MB\"."),
            ("\nlog_format = \"xml\"\n", "It must be \"text\" or \"json\"."),
            ("\ninsecure = \"yes\"\n", "It must be true or false."),
            ("\ndata_dir = 7\n", "It must be a text in double quotes."),
        ] {
            let error = parse("f", text).unwrap_err();
            assert!(error.message().starts_with("f:2: invalid value for key"), "{error}");
            assert_eq!(error.hint(), Some(hint), "{text}");
        }
    }

    #[test]
    fn a_file_that_is_not_toml_is_refused_with_its_line() {
        let error = parse("f", "workers = 1\nworkers: 2\n").unwrap_err();
        assert_eq!(error.state().code(), "F0000");
        assert!(error.message().starts_with("f:2: "), "{error}");
    }
}
