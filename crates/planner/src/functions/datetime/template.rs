//! Templates of `to_char`, `to_timestamp` and `to_date`: `YYYY-MM-DD HH24:MI`.

use super::calendar::{MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND};

/// A part of a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Field(Field),
    /// A character that stands for itself; true in double quotes.
    Char(char, bool),
}

/// A field of a date or time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Field {
    pub(super) key: Key,
    /// The key as written: its case says the case of names.
    pub(super) written: &'static str,
    /// `FM`: neither zeros nor blanks fill it up.
    pub(super) is_bare: bool,
    pub(super) ordinal: Option<Ordinal>,
}

/// The ending of ordinal numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Ordinal {
    Upper,
    Lower,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Meridiem,
    Era,
    Century,
    DayName,
    DayAbbreviation,
    DayOfYear,
    DayOfMonth,
    DayOfWeek,
    Fraction(u8),
    Hour24,
    Hour12,
    IsoDayOfYear,
    IsoDayOfWeek,
    IsoWeek,
    IsoYear(u8),
    Julian,
    Minute,
    Month,
    MonthName,
    MonthAbbreviation,
    Millisecond,
    Microsecond,
    Offset,
    Quarter,
    Roman,
    SecondOfDay,
    Second,
    ZoneHour,
    ZoneMinute,
    ZoneName,
    WeekOfYear,
    WeekOfMonth,
    YearWithComma,
    Year(u8),
}

/// The microseconds of the largest unit of local time that a template does not look into; `None` where it looks
/// into all, or shows more than local time.
pub(super) fn unit(nodes: &[Node]) -> Option<i64> {
    let of_key = |key: Key| match key {
        Key::Fraction(_)
        | Key::Millisecond
        | Key::Microsecond
        | Key::Offset
        | Key::ZoneHour
        | Key::ZoneMinute
        | Key::ZoneName => None,
        Key::Second | Key::SecondOfDay => Some(MICROS_PER_SECOND),
        Key::Minute => Some(MICROS_PER_MINUTE),
        Key::Hour24 | Key::Hour12 | Key::Meridiem => Some(MICROS_PER_HOUR),
        _ => Some(MICROS_PER_DAY),
    };
    nodes.iter().try_fold(MICROS_PER_DAY, |unit, node| match node {
        Node::Field(field) => of_key(field.key).map(|of_key| unit.min(of_key)),
        Node::Char(..) => Some(unit),
    })
}

/// Longer keys before their beginnings.
const KEYS: &[(&str, Key)] = &[
    ("A.D.", Key::Era),
    ("a.d.", Key::Era),
    ("B.C.", Key::Era),
    ("b.c.", Key::Era),
    ("A.M.", Key::Meridiem),
    ("a.m.", Key::Meridiem),
    ("P.M.", Key::Meridiem),
    ("p.m.", Key::Meridiem),
    ("AD", Key::Era),
    ("ad", Key::Era),
    ("BC", Key::Era),
    ("bc", Key::Era),
    ("AM", Key::Meridiem),
    ("am", Key::Meridiem),
    ("PM", Key::Meridiem),
    ("pm", Key::Meridiem),
    ("CC", Key::Century),
    ("cc", Key::Century),
    ("DAY", Key::DayName),
    ("Day", Key::DayName),
    ("day", Key::DayName),
    ("DDD", Key::DayOfYear),
    ("ddd", Key::DayOfYear),
    ("DD", Key::DayOfMonth),
    ("dd", Key::DayOfMonth),
    ("DY", Key::DayAbbreviation),
    ("Dy", Key::DayAbbreviation),
    ("dy", Key::DayAbbreviation),
    ("D", Key::DayOfWeek),
    ("d", Key::DayOfWeek),
    ("FF1", Key::Fraction(1)),
    ("FF2", Key::Fraction(2)),
    ("FF3", Key::Fraction(3)),
    ("FF4", Key::Fraction(4)),
    ("FF5", Key::Fraction(5)),
    ("FF6", Key::Fraction(6)),
    ("ff1", Key::Fraction(1)),
    ("ff2", Key::Fraction(2)),
    ("ff3", Key::Fraction(3)),
    ("ff4", Key::Fraction(4)),
    ("ff5", Key::Fraction(5)),
    ("ff6", Key::Fraction(6)),
    ("HH24", Key::Hour24),
    ("hh24", Key::Hour24),
    ("HH12", Key::Hour12),
    ("hh12", Key::Hour12),
    ("HH", Key::Hour12),
    ("hh", Key::Hour12),
    ("IDDD", Key::IsoDayOfYear),
    ("iddd", Key::IsoDayOfYear),
    ("ID", Key::IsoDayOfWeek),
    ("id", Key::IsoDayOfWeek),
    ("IW", Key::IsoWeek),
    ("iw", Key::IsoWeek),
    ("IYYY", Key::IsoYear(4)),
    ("iyyy", Key::IsoYear(4)),
    ("IYY", Key::IsoYear(3)),
    ("iyy", Key::IsoYear(3)),
    ("IY", Key::IsoYear(2)),
    ("iy", Key::IsoYear(2)),
    ("I", Key::IsoYear(1)),
    ("i", Key::IsoYear(1)),
    ("J", Key::Julian),
    ("j", Key::Julian),
    ("MI", Key::Minute),
    ("mi", Key::Minute),
    ("MM", Key::Month),
    ("mm", Key::Month),
    ("MONTH", Key::MonthName),
    ("Month", Key::MonthName),
    ("month", Key::MonthName),
    ("MON", Key::MonthAbbreviation),
    ("Mon", Key::MonthAbbreviation),
    ("mon", Key::MonthAbbreviation),
    ("MS", Key::Millisecond),
    ("ms", Key::Millisecond),
    ("OF", Key::Offset),
    ("of", Key::Offset),
    ("Q", Key::Quarter),
    ("q", Key::Quarter),
    ("RM", Key::Roman),
    ("rm", Key::Roman),
    ("SSSSS", Key::SecondOfDay),
    ("sssss", Key::SecondOfDay),
    ("SSSS", Key::SecondOfDay),
    ("ssss", Key::SecondOfDay),
    ("SS", Key::Second),
    ("ss", Key::Second),
    ("TZH", Key::ZoneHour),
    ("tzh", Key::ZoneHour),
    ("TZM", Key::ZoneMinute),
    ("tzm", Key::ZoneMinute),
    ("TZ", Key::ZoneName),
    ("tz", Key::ZoneName),
    ("US", Key::Microsecond),
    ("us", Key::Microsecond),
    ("WW", Key::WeekOfYear),
    ("ww", Key::WeekOfYear),
    ("W", Key::WeekOfMonth),
    ("w", Key::WeekOfMonth),
    ("Y,YYY", Key::YearWithComma),
    ("y,yyy", Key::YearWithComma),
    ("YYYY", Key::Year(4)),
    ("yyyy", Key::Year(4)),
    ("YYY", Key::Year(3)),
    ("yyy", Key::Year(3)),
    ("YY", Key::Year(2)),
    ("yy", Key::Year(2)),
    ("Y", Key::Year(1)),
    ("y", Key::Year(1)),
];

/// The nodes of a template, and whether it asks for an exact match (`FX`).
pub(super) fn parse(template: &str) -> (Vec<Node>, bool) {
    let (mut nodes, mut is_exact, mut rest) = (Vec::new(), false, template);
    while !rest.is_empty() {
        let mut is_bare = false;
        // Modifiers in front of a key.
        loop {
            if let Some(after) = strip(rest, "FM") {
                (is_bare, rest) = (true, after);
            } else if let Some(after) = strip(rest, "FX") {
                (is_exact, rest) = (true, after);
            } else if let Some(after) =
                rest.strip_prefix("TM").filter(|after| begins_with_name(after))
            {
                // Localized names: those of the one locale there is.
                rest = after;
            } else {
                break;
            }
        }
        if let Some((written, key)) = KEYS.iter().find(|(written, _)| rest.starts_with(written)) {
            rest = &rest[written.len()..];
            let ordinal = if let Some(after) = rest.strip_prefix("TH") {
                rest = after;
                Some(Ordinal::Upper)
            } else if let Some(after) = rest.strip_prefix("th") {
                rest = after;
                Some(Ordinal::Lower)
            } else {
                None
            };
            nodes.push(Node::Field(Field { key: *key, written, is_bare, ordinal }));
        } else {
            rest = literal(rest, &mut nodes);
        }
    }
    (nodes, is_exact)
}

fn strip<'t>(text: &'t str, modifier: &str) -> Option<&'t str> {
    text.strip_prefix(modifier).or_else(|| text.strip_prefix(&modifier.to_lowercase()))
}

fn begins_with_name(text: &str) -> bool {
    let name = |key: &Key| {
        matches!(key, Key::MonthName | Key::MonthAbbreviation | Key::DayName | Key::DayAbbreviation)
    };
    KEYS.iter().any(|(written, key)| name(key) && text.starts_with(written))
}

/// Takes a character, or a text in double quotes, off the front.
fn literal<'t>(text: &'t str, nodes: &mut Vec<Node>) -> &'t str {
    let mut chars = text.chars();
    match chars.next() {
        Some('"') => {
            while let Some(c) = chars.next() {
                match c {
                    '"' => break,
                    '\\' => nodes.extend(chars.next().map(|c| Node::Char(c, true))),
                    c => nodes.push(Node::Char(c, true)),
                }
            }
        }
        Some('\\') if text[1..].starts_with('"') => {
            nodes.extend(chars.next().map(|c| Node::Char(c, false)));
        }
        Some(c) => nodes.push(Node::Char(c, false)),
        None => {}
    }
    chars.as_str()
}

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(super) const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
pub(super) const ROMAN_MONTHS: [&str; 12] =
    ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];

/// `st`, `nd`, `rd` or `th` of a number that ends with these digits.
pub(crate) fn ordinal_ending(digits: &str) -> &'static str {
    let bytes = digits.as_bytes();
    let is_teen = bytes.len() > 1 && bytes[bytes.len() - 2] == b'1';
    match bytes.last() {
        Some(b'1') if !is_teen => "st",
        Some(b'2') if !is_teen => "nd",
        Some(b'3') if !is_teen => "rd",
        _ => "th",
    }
}
