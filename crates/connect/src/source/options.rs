//! The `WITH (..)` options of a source: typed reads, and an error for every name nobody read.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::time::Duration;

use weir_types::{Error, Result, SqlState};

/// Options of one source. Each read records its name, so that [`Options::finish`] knows all valid
/// names without a second list.
pub(super) struct Options<'a> {
    connector: &'a str,
    values: &'a BTreeMap<String, String>,
    known: RefCell<BTreeSet<String>>,
}

impl<'a> Options<'a> {
    pub(super) fn new(connector: &'a str, values: &'a BTreeMap<String, String>) -> Self {
        let known = RefCell::new(BTreeSet::from(["connector".to_owned()]));
        Self { connector, values, known }
    }

    /// The value of that option, if given.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.known.borrow_mut().insert(name.to_owned());
        self.values.get(name).map(String::as_str)
    }

    /// The value of an option that must be given.
    pub(super) fn required(&self, name: &str, example: &str) -> Result<&'a str> {
        self.text(name).filter(|value| !value.is_empty()).ok_or_else(|| {
            Error::new(
                SqlState::InvalidParameterValue,
                format!("connector \"{}\" needs option \"{name}\"", self.connector),
            )
            .with_hint(format!("Add {name} = '{example}'."))
        })
    }

    /// The value as a number, or another type with a text form that `what` describes.
    pub(super) fn parsed<T: FromStr>(&self, name: &str, what: &str) -> Result<Option<T>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match text.trim().parse() {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(self.invalid(name, text, &format!("It must be {what}."))),
        }
    }

    /// The value as a truth value.
    pub(super) fn boolean(&self, name: &str) -> Result<Option<bool>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match text.trim().to_ascii_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => Ok(Some(true)),
            "false" | "off" | "no" | "0" => Ok(Some(false)),
            _ => Err(self.invalid(name, text, "It must be true or false.")),
        }
    }

    /// The value as a length of time.
    pub(super) fn duration(&self, name: &str) -> Result<Option<Duration>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let hint = "It must be a number with a unit: us, ms, s, min, h or d.";
        parse_duration(text).map(Some).ok_or_else(|| self.invalid(name, text, hint))
    }

    /// The value as one of a few words; gives its index.
    pub(super) fn choice(&self, name: &str, words: &[&str]) -> Result<Option<usize>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let found = words.iter().position(|word| word.eq_ignore_ascii_case(text.trim()));
        found.map(Some).ok_or_else(|| {
            self.invalid(name, text, &format!("It must be one of: {}.", words.join(", ")))
        })
    }

    /// The error of a value that does not fit its option.
    pub(super) fn invalid(&self, name: &str, value: &str, hint: &str) -> Error {
        Error::new(
            SqlState::InvalidParameterValue,
            format!(
                "invalid value for option \"{name}\" of connector \"{}\": \"{value}\"",
                self.connector
            ),
        )
        .with_hint(hint)
    }

    /// Refuses options that nobody asked for. To be called after all reads.
    pub(super) fn finish(self) -> Result<()> {
        let known = self.known.into_inner();
        let Some(name) = self.values.keys().find(|name| !known.contains(*name)) else {
            return Ok(());
        };
        let names = known.iter().map(String::as_str).filter(|name| *name != "connector");
        Err(Error::new(
            SqlState::InvalidParameterValue,
            format!("unrecognized option \"{name}\" of connector \"{}\"", self.connector),
        )
        .with_hint(suggest(name, names, "Options")))
    }
}

/// A hint that names the nearest valid name, if one is near, and all of them.
pub(super) fn suggest<'n>(
    given: &str,
    names: impl IntoIterator<Item = &'n str>,
    what: &str,
) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    let nearest = names.iter().map(|name| (edit_distance(given, name), *name)).min();
    let list = format!("{what} are: {}.", names.join(", "));
    match nearest {
        // A third of the letters wrong is still a slip; more is another word.
        Some((distance, name)) if distance * 3 <= name.len().max(3) => {
            format!("Did you mean \"{name}\"? {list}")
        }
        _ => list,
    }
}

/// Letters to insert, delete, replace or swap with their neighbour to get from one word to the
/// other.
fn edit_distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows = vec![(0..=to.len()).collect::<Vec<usize>>()];
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let replaced = rows[i][j] + usize::from(a != b);
            let mut best = replaced.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

/// Reads `500ms`, `1 s`, `2min`; a bare number is seconds.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..digits].parse().ok()?;
    let seconds = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "us" => 1e-6,
        "ms" => 1e-3,
        "" | "s" | "sec" | "second" | "seconds" => 1.0,
        "m" | "min" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3_600.0,
        "d" | "day" | "days" => 86_400.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn an_unread_option_is_refused_with_the_nearest_name() {
        let given = values(&[("connector", "file"), ("paht", "x")]);
        let options = Options::new("file", &given);
        assert_eq!(options.text("path"), None);
        assert_eq!(options.text("format"), None);
        let error = options.finish().unwrap_err();
        assert_eq!(error.message(), "unrecognized option \"paht\" of connector \"file\"");
        assert_eq!(error.hint(), Some("Did you mean \"path\"? Options are: format, path."));
    }

    #[test]
    fn a_name_far_from_all_gets_only_the_list() {
        assert_eq!(suggest("zzzzzz", ["path"], "Options"), "Options are: path.");
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(parse_duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(parse_duration(" 1.5 s"), Some(Duration::from_millis(1500)));
        assert_eq!(parse_duration("2 min"), Some(Duration::from_secs(120)));
        assert_eq!(parse_duration("0"), Some(Duration::ZERO));
        for bad in ["", "s", "1 fortnight", "-1s", "1e30d"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn bad_values_name_the_option() {
        let given = values(&[("header", "perhaps"), ("rows", "many")]);
        let options = Options::new("file", &given);
        assert!(options.boolean("header").unwrap_err().message().contains("\"header\""));
        let error = options.parsed::<u64>("rows", "a whole number").unwrap_err();
        assert_eq!(error.hint(), Some("It must be a whole number."));
        assert_eq!(options.required("path", "x.json").unwrap_err().state().code(), "22023");
    }
}
