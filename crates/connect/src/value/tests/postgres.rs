//! `postgres15.tsv`: what a PostgreSQL 15 server answers to one text of one type.
//!
//! Each line has the type, settings (`name=value;..`), the text, the SQLSTATE or nothing, the text
//! or message, and the binary form in hexadecimal or the detail; escaped as COPY does.

use super::{read_binary, read_text, type_of, unescape, written};
use crate::value::{DateStyle, FormatSettings, IntervalStyle, TimeZone};

const CASES: &str = include_str!("postgres15.tsv");

pub(super) struct Case {
    pub(super) type_name: String,
    pub(super) settings: String,
    pub(super) input: String,
    state: String,
    text: String,
    rest: String,
}

pub(super) fn cases() -> impl Iterator<Item = Case> {
    CASES.lines().map(|line| {
        let mut fields = line.split('\t').map(unescape);
        let mut next = || String::from_utf8(fields.next().expect("six fields")).expect("a text");
        Case {
            type_name: next(),
            settings: next(),
            input: next(),
            state: next(),
            text: next(),
            rest: next(),
        }
    })
}

pub(super) fn settings_of(text: &str) -> FormatSettings {
    let mut settings = FormatSettings::default();
    for (name, value) in text.split(';').filter_map(|setting| setting.split_once('=')) {
        match name {
            "timezone" => settings.time_zone = TimeZone::parse(value).expect("a zone"),
            "datestyle" => {
                let style: DateStyle = settings.date_style.with(value).expect("a date style");
                settings.date_style = style;
            }
            "intervalstyle" => {
                settings.interval_style = IntervalStyle::parse(value).expect("an interval style");
            }
            "extra_float_digits" => {
                settings.extra_float_digits = value.parse().expect("a number");
            }
            "bytea_output" => settings.bytea_escape = value == "escape",
            other => panic!("unknown setting {other}"),
        }
    }
    settings
}

/// SQLSTATEs that Weir has no own code for.
fn known_state(state: &str) -> &str {
    match state {
        "22015" => "22008",
        other => other,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().map(|digit| digit.to_digit(16).expect("a digit") as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

#[test]
fn text_is_read_and_written_as_by_postgres() {
    let mut wrong = Vec::new();
    for case in cases() {
        let (sql_type, settings) = (type_of(&case.type_name), settings_of(&case.settings));
        let found = match read_text(&case.input, &sql_type, &settings)
            .and_then(|array| written(&array, &sql_type, &settings))
        {
            Ok((text, binary)) => (String::new(), text, hex(&binary)),
            Err(error) => (
                error.state().code().to_owned(),
                error.message().to_owned(),
                error.detail().unwrap_or_default().to_owned(),
            ),
        };
        let expected = (known_state(&case.state).to_owned(), case.text, case.rest);
        if found != expected {
            let Case { type_name, settings, input, .. } = case;
            wrong.push(format!("{type_name} [{settings}] {input:?}\n  PostgreSQL {expected:?}\n  found      {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} cases differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn binary_is_read_as_by_postgres() {
    let mut n_values = 0;
    for case in cases().filter(|case| case.state.is_empty()) {
        let (sql_type, settings) = (type_of(&case.type_name), settings_of(&case.settings));
        let array = read_binary(&unhex(&case.rest), &sql_type).expect("PostgreSQL wrote it");
        let found = written(&array, &sql_type, &settings).expect("a value");
        assert_eq!((found.0, hex(&found.1)), (case.text, case.rest), "{}", case.type_name);
        n_values += 1;
    }
    assert!(n_values > 1000, "the file of cases is whole");
}
