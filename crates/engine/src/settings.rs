//! A session's settings (`SET`, `SHOW`): names, defaults, checks.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_catalog::SearchPath;
use weir_connect::value::{DateStyle, FormatSettings, IntervalStyle, TimeZone};
use weir_types::{Error, Result, SqlState};

use crate::read::ReadMode;

/// PostgreSQL's version that clients are told, with Weir's behind it.
pub(crate) const SERVER_VERSION: &str = concat!("15.0 (Weir ", env!("CARGO_PKG_VERSION"), ")");

/// How a value is checked and brought into its canonical form.
#[derive(Clone, Copy)]
enum Check {
    Any,
    Bool,
    /// Milliseconds, or a number with `ms`, `s`, `min`, `h`, `d`.
    Millis,
    Integer,
    OneOf(&'static [&'static str]),
    TimeZone,
    DateStyle,
    IntervalStyle,
    Utf8,
    ReadOnly,
}

struct Definition {
    name: &'static str,
    default: &'static str,
    check: Check,
    /// Clients are told of changes (ParameterStatus).
    reported: bool,
    description: &'static str,
}

const fn define(
    name: &'static str,
    default: &'static str,
    check: Check,
    reported: bool,
    description: &'static str,
) -> Definition {
    Definition { name, default, check, reported, description }
}

/// Isolation names are accepted and never weaken a read.
const ISOLATION: &[&str] =
    &["read uncommitted", "read committed", "repeatable read", "serializable"];

#[rustfmt::skip]
const DEFINITIONS: &[Definition] = &[
    define("allow_in_place_tablespaces", "off", Check::Bool, false, "Accepted, without effect."),
    define("application_name", "", Check::Any, true, "Name of the client's program."),
    define("backslash_quote", "safe_encoding", Check::OneOf(&["safe_encoding", "on", "off"]), false, "Accepted, without effect."),
    define("block_size", "8192", Check::ReadOnly, false, "Always 8192."),
    define("bytea_output", "hex", Check::OneOf(&["hex", "escape"]), false, "Form of bytea in text."),
    define("check_function_bodies", "on", Check::Bool, false, "Accepted, without effect."),
    define("client_encoding", "UTF8", Check::Utf8, true, "Always UTF8."),
    define("client_min_messages", "notice", Check::OneOf(&["debug5", "debug4", "debug3", "debug2", "debug1", "debug", "log", "notice", "info", "warning", "error", "fatal", "panic"]), false, "Least severity of messages to the client."),
    define("data_checksums", "on", Check::ReadOnly, false, "Always on: blocks of the log have checksums."),
    define("datestyle", "ISO, MDY", Check::DateStyle, true, "Form of dates in text."),
    define("debug_assertions", "off", Check::ReadOnly, false, "Always off."),
    define("default_table_access_method", "heap", Check::ReadOnly, false, "Always heap."),
    define("default_tablespace", "", Check::Any, false, "Accepted, without effect."),
    define("default_text_search_config", "pg_catalog.simple", Check::Any, false, "Accepted, without effect."),
    define("default_transaction_deferrable", "off", Check::Bool, false, "Accepted: reads never wait for writers."),
    define("default_transaction_isolation", "serializable", Check::OneOf(ISOLATION), false, "Accepted; reads are always of one moment."),
    define("default_transaction_read_only", "off", Check::Bool, false, "Transactions begin as read only."),
    define("enable_seqscan", "on", Check::Bool, false, "Accepted, without effect."),
    define("extra_float_digits", "1", Check::Integer, false, "Digits of floats in text."),
    define("idle_in_transaction_session_timeout", "0", Check::Millis, false, "Ends a session that idles in a transaction."),
    define("in_hot_standby", "off", Check::ReadOnly, true, "Always off."),
    define("integer_datetimes", "on", Check::ReadOnly, true, "Always on."),
    define("intervalstyle", "postgres", Check::IntervalStyle, true, "Form of intervals in text."),
    define("is_superuser", "on", Check::ReadOnly, true, "Always on."),
    define("jit", "off", Check::Bool, false, "Accepted, without effect."),
    define("lc_collate", "C.UTF-8", Check::ReadOnly, false, "Texts are ordered by code points."),
    define("lc_ctype", "C.UTF-8", Check::ReadOnly, false, "Class of characters."),
    define("lc_messages", "C", Check::Any, false, "Accepted: messages are English."),
    define("lc_monetary", "C", Check::Any, false, "Accepted, without effect."),
    define("lc_numeric", "C", Check::Any, false, "Accepted, without effect."),
    define("lc_time", "C", Check::Any, false, "Accepted, without effect."),
    define("lock_timeout", "0", Check::Millis, false, "Accepted: there are no locks to wait for."),
    define("max_connections", "10000", Check::ReadOnly, false, "Most connections at a time."),
    define("max_function_args", "100", Check::ReadOnly, false, "Most arguments of a function."),
    define("max_identifier_length", "63", Check::ReadOnly, false, "Longest name, in bytes."),
    define("max_index_keys", "32", Check::ReadOnly, false, "Most columns of a key, as clients of PostgreSQL take it."),
    define("max_prepared_transactions", "0", Check::ReadOnly, false, "There are no prepared transactions."),
    define("plan_cache_mode", "auto", Check::OneOf(&["auto", "force_generic_plan", "force_custom_plan"]), false, "Accepted, without effect."),
    define("row_security", "on", Check::Bool, false, "Accepted, without effect."),
    define("search_path", "public", Check::Any, false, "Schemas in which bare names are looked up."),
    define("server_encoding", "UTF8", Check::ReadOnly, true, "Always UTF8."),
    define("server_version", SERVER_VERSION, Check::ReadOnly, true, "Version that clients adapt to."),
    define("server_version_num", "150000", Check::ReadOnly, false, "Version that clients adapt to."),
    define("session_authorization", "", Check::ReadOnly, true, "The session's user."),
    define("ssl", "off", Check::ReadOnly, false, "Whether connections can be encrypted."),
    define("standard_conforming_strings", "on", Check::OneOf(&["on"]), true, "Always on."),
    define("statement_timeout", "0", Check::Millis, false, "Ends statements that run longer."),
    define("synchronous_commit", "on", Check::Any, false, "Accepted: the objects' durability decides."),
    define("tcp_keepalives_idle", "0", Check::Integer, false, "Accepted, without effect."),
    define("timezone", "UTC", Check::TimeZone, true, "Zone of timestamptz in text."),
    define("transaction_deferrable", "off", Check::Bool, false, "Accepted: reads never wait for writers."),
    define("transaction_isolation", "serializable", Check::OneOf(ISOLATION), false, "Accepted; reads are always of one moment."),
    define("transaction_read_only", "off", Check::Bool, false, "The transaction may not write."),
    define("wal_level", "replica", Check::ReadOnly, false, "Always replica: there is no logical replication."),
    define("weir.read", "strict", Check::OneOf(&["strict", "newest"]), false, "strict: reads see everything acknowledged before; newest: reads do not wait."),
];

/// The values of a session's settings. Each transaction keeps a clone of them: it shares all.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    values: Arc<Values>,
    /// What the session began with: RESET brings it back.
    initial: Arc<Values>,
    meaning: Arc<Meaning>,
}

type Values = BTreeMap<String, String>;

/// What some of the values mean. Each statement asks for it, so it is worked out when they change.
#[derive(Debug)]
pub(crate) struct Meaning {
    search_path: Arc<SearchPath>,
    time_zone: String,
    format: FormatSettings,
    read_mode: ReadMode,
    statement_timeout_ms: u64,
    idle_in_transaction_timeout_ms: u64,
    read_only: bool,
}

fn definition(name: &str) -> Option<&'static Definition> {
    DEFINITIONS.iter().find(|definition| definition.name == name)
}

impl Settings {
    pub(crate) fn new(user: &str) -> Self {
        let mut values: Values = DEFINITIONS
            .iter()
            .map(|definition| (definition.name.to_owned(), definition.default.to_owned()))
            .collect();
        values.insert("session_authorization".to_owned(), user.to_owned());
        let meaning = Arc::new(Meaning::of(&values));
        let values = Arc::new(values);
        Self { initial: Arc::clone(&values), values, meaning }
    }

    /// Sets what the client asked for when it connected.
    pub(crate) fn start(&mut self, name: &str, value: &str) -> Result<()> {
        self.set(name, Some(value))?;
        self.initial = Arc::clone(&self.values);
        Ok(())
    }

    /// The value; names are not case-sensitive.
    ///
    /// # Errors
    /// 42704 for an unknown name.
    pub(crate) fn get(&self, name: &str) -> Result<&str> {
        let name = name.to_lowercase();
        self.values.get(&name).map(String::as_str).ok_or_else(|| unknown(&name))
    }

    /// Sets a value, `None` for what the session began with. Returns the name and value to report to the
    /// client, for a setting that is reported.
    ///
    /// # Errors
    /// 42704 for an unknown name, 22023 for a bad value, 55P02's meaning as 55000 for a fixed one.
    pub(crate) fn set(
        &mut self,
        name: &str,
        value: Option<&str>,
    ) -> Result<Option<(String, String)>> {
        let name = name.to_lowercase();
        let known = definition(&name);
        if known.is_none() && !name.contains('.') {
            return Err(unknown(&name));
        }
        let value = match (value, known) {
            (Some(value), Some(known)) => known.canonical(value)?,
            (Some(value), None) => value.to_owned(),
            (None, _) => match self.initial.get(&name) {
                Some(initial) => initial.clone(),
                None => {
                    // No value of a known setting goes: nothing depends on it.
                    Arc::make_mut(&mut self.values).remove(&name);
                    return Ok(None);
                }
            },
        };
        let before = Arc::make_mut(&mut self.values).insert(name, value.clone());
        let changed = before.as_ref() != Some(&value);
        self.meaning = Arc::new(Meaning::of(&self.values));
        let reported = known.filter(|known| known.reported && changed);
        Ok(reported.map(|known| (wire_name(known.name).to_owned(), value)))
    }

    /// Brings back what the session began with; the changes to report.
    pub(crate) fn reset_all(&mut self) -> Vec<(String, String)> {
        let before = std::mem::replace(&mut self.values, Arc::clone(&self.initial));
        self.meaning = Arc::new(Meaning::of(&self.values));
        let reported = DEFINITIONS.iter().filter(|definition| definition.reported);
        reported
            .filter(|definition| before.get(definition.name) != self.values.get(definition.name))
            .map(|known| (wire_name(known.name).to_owned(), self.values[known.name].clone()))
            .collect()
    }

    /// Name and value of each setting that clients are told when they connect.
    pub(crate) fn reported(&self) -> Vec<(String, String)> {
        let reported = DEFINITIONS.iter().filter(|definition| definition.reported);
        reported
            .map(|known| (wire_name(known.name).to_owned(), self.values[known.name].clone()))
            .collect()
    }

    /// Name, value and description of all settings.
    pub(crate) fn all(&self) -> Vec<(String, String, String)> {
        self.values
            .iter()
            .map(|(name, value)| {
                let description = definition(name).map_or("", |known| known.description);
                (wire_name(name).to_owned(), value.clone(), description.to_owned())
            })
            .collect()
    }

    /// What they mean now: the same one until a value changes.
    pub(crate) fn meaning(&self) -> &Arc<Meaning> {
        &self.meaning
    }
}

impl Meaning {
    fn of(values: &Values) -> Self {
        let known = |name: &str| values.get(name).map_or("", String::as_str);
        let read_mode =
            if known("weir.read") == "newest" { ReadMode::Newest } else { ReadMode::Strict };
        let default = FormatSettings::default();
        Self {
            search_path: Arc::new(search_path(
                known("search_path"),
                known("session_authorization"),
            )),
            time_zone: known("timezone").to_owned(),
            format: FormatSettings {
                time_zone: TimeZone::parse(known("timezone")).unwrap_or_else(|_| TimeZone::utc()),
                date_style: date_style(known("datestyle")).unwrap_or(default.date_style),
                interval_style: IntervalStyle::parse(known("intervalstyle"))
                    .unwrap_or(default.interval_style),
                extra_float_digits: known("extra_float_digits").parse().unwrap_or(1),
                bytea_escape: known("bytea_output") == "escape",
                ..default
            },
            read_mode,
            statement_timeout_ms: millis(known("statement_timeout")).unwrap_or(0),
            idle_in_transaction_timeout_ms: millis(known("idle_in_transaction_session_timeout"))
                .unwrap_or(0),
            read_only: known("default_transaction_read_only") == "on",
        }
    }

    /// Where bare names are looked up.
    pub(crate) fn search_path(&self) -> &Arc<SearchPath> {
        &self.search_path
    }

    pub(crate) fn time_zone(&self) -> &str {
        &self.time_zone
    }

    /// How values are shown in text.
    pub(crate) fn format(&self) -> &FormatSettings {
        &self.format
    }

    pub(crate) fn read_mode(&self) -> ReadMode {
        self.read_mode
    }

    /// 0 is without limit.
    pub(crate) fn statement_timeout_ms(&self) -> u64 {
        self.statement_timeout_ms
    }

    /// 0 is without limit.
    pub(crate) fn idle_in_transaction_timeout_ms(&self) -> u64 {
        self.idle_in_transaction_timeout_ms
    }

    pub(crate) fn read_only(&self) -> bool {
        self.read_only
    }

    /// True if a statement that was planned with the one means the same with the other.
    pub(crate) fn plans_like(self: &Arc<Self>, other: &Arc<Self>) -> bool {
        Arc::ptr_eq(self, other)
            || (self.search_path.0 == other.search_path.0 && self.time_zone == other.time_zone)
    }
}

fn search_path(text: &str, user: &str) -> SearchPath {
    let schemas = text.split(',').map(|schema| {
        let schema = schema.trim();
        match schema.strip_prefix('"').and_then(|quoted| quoted.strip_suffix('"')) {
            Some(quoted) => quoted.replace("\"\"", "\""),
            None => schema.to_lowercase(),
        }
    });
    let schemas = schemas.map(|schema| match schema.as_str() {
        "$user" => user.to_owned(),
        _ => schema,
    });
    SearchPath(schemas.filter(|schema| !schema.is_empty()).collect())
}

/// A value as `pg_settings` has it, and the unit it counts there.
pub(crate) fn without_unit(name: &str, value: &str) -> (String, Option<&'static str>) {
    match definition(&name.to_lowercase()).map(|known| known.check) {
        Some(Check::Millis) => (millis(value).unwrap_or(0).to_string(), Some("ms")),
        _ => (value.to_owned(), None),
    }
}

/// PostgreSQL's spelling of the name.
pub(crate) fn wire_name(name: &str) -> &str {
    match name {
        "datestyle" => "DateStyle",
        "intervalstyle" => "IntervalStyle",
        "timezone" => "TimeZone",
        name => name,
    }
}

fn unknown(name: &str) -> Error {
    Error::new(
        SqlState::UndefinedObject,
        format!("unrecognized configuration parameter \"{name}\""),
    )
    .with_hint("SHOW ALL lists the parameters.")
}

impl Definition {
    fn canonical(&self, value: &str) -> Result<String> {
        let bad = || {
            Error::new(
                SqlState::InvalidParameterValue,
                format!("invalid value for parameter \"{}\": \"{value}\"", self.name),
            )
        };
        let lower = value.trim().to_lowercase();
        match self.check {
            Check::Any => Ok(value.to_owned()),
            Check::Bool => match lower.as_str() {
                "on" | "true" | "yes" | "1" | "t" => Ok("on".to_owned()),
                "off" | "false" | "no" | "0" | "f" => Ok("off".to_owned()),
                _ => Err(bad().with_hint("Use on or off.")),
            },
            Check::Millis => millis(&lower).map(with_unit).ok_or_else(|| {
                bad().with_hint("Valid units are \"ms\", \"s\", \"min\", \"h\", and \"d\".")
            }),
            Check::Integer => lower.parse::<i32>().map(|n| n.to_string()).map_err(|_| bad()),
            Check::OneOf(values) if values.contains(&lower.as_str()) => Ok(lower),
            Check::OneOf(values) => {
                Err(bad().with_hint(format!("Available values: {}.", values.join(", "))))
            }
            Check::TimeZone => TimeZone::parse(value.trim()).map(|zone| zone.to_string()),
            Check::DateStyle => date_style(value).map(|style| style.to_string()),
            Check::IntervalStyle => IntervalStyle::parse(&lower).map(|style| style.to_string()),
            Check::Utf8 if ["utf8", "utf-8", "unicode"].contains(&lower.as_str()) => {
                Ok("UTF8".to_owned())
            }
            Check::Utf8 => Err(bad().with_hint("Weir's client encoding is UTF8.")),
            Check::ReadOnly => Err(Error::new(
                SqlState::ObjectNotInPrerequisiteState,
                format!("parameter \"{}\" cannot be changed", self.name),
            )),
        }
    }
}

fn date_style(text: &str) -> Result<DateStyle> {
    FormatSettings::default().date_style.with(text)
}

fn millis(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_alphabetic());
    let factor = match text[digits.len()..].trim() {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    digits.trim().parse::<u64>().ok()?.checked_mul(factor)
}

/// In the largest unit that shows it whole.
fn with_unit(ms: u64) -> String {
    let units = [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000)];
    match units.iter().find(|(_, factor)| ms.is_multiple_of(*factor)) {
        _ if ms == 0 => "0".to_owned(),
        Some((unit, factor)) => format!("{}{unit}", ms / factor),
        None => format!("{ms}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked_and_reported_under_postgresqls_spelling() {
        let mut settings = Settings::new("u");
        let reported = settings.set("TimeZone", Some("Europe/Berlin")).expect("a zone");
        assert_eq!(reported, Some(("TimeZone".to_owned(), "Europe/Berlin".to_owned())));
        assert_eq!(settings.set("statement_timeout", Some("2min")).expect("a time"), None);
        assert_eq!(settings.get("STATEMENT_TIMEOUT").expect("known"), "2min");
        assert_eq!(settings.meaning().statement_timeout_ms(), 120_000);
        for (given, shown) in
            [("1500", "1500ms"), ("0", "0"), ("90s", "90s"), ("24h", "1d"), ("7200000ms", "2h")]
        {
            settings.set("lock_timeout", Some(given)).expect("a time");
            assert_eq!(settings.get("lock_timeout").expect("known"), shown);
        }
        assert_eq!(without_unit("lock_timeout", "2h"), ("7200000".to_owned(), Some("ms")));
        let error = settings.set("statement_timeout", Some("2 weeks")).expect_err("no unit");
        assert_eq!(error.state().code(), "22023");
        assert_eq!(settings.set("nope", Some("1")).expect_err("unknown").state().code(), "42704");
        assert_eq!(settings.set("my.own", Some("1")).expect("custom"), None);
        let changes = settings.reset_all();
        assert_eq!(changes, [("TimeZone".to_owned(), "UTC".to_owned())]);
    }

    #[test]
    fn the_search_path_knows_the_user_and_quotes() {
        let mut settings = Settings::new("me");
        settings.set("search_path", Some("\"$user\", Public, \"A b\"")).expect("any text");
        assert_eq!(settings.meaning().search_path().0, ["me", "public", "A b"]);
    }
}
