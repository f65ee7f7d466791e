//! Any date, time or timestamp that PostgreSQL reads: fields in almost any order.

use super::Failure;
use super::fields::{
    DATE, DAY, ERA, Fields, MERIDIEM, MONTH, Parts, SPECIAL, SUMMER_TIME, TIME, WEEKDAY, ZONE,
};
use super::tokens::{Kind, Tokens};
use crate::value::abbreviation::{self, Abbreviation};
use crate::value::calendar::{Civil, MICROS_PER_SECOND, SECONDS_PER_DAY};
use crate::value::settings::FormatSettings;
use crate::value::zone::TimeZone;

/// Zones are at most this many hours from UTC.
const ZONE_HOURS_MAX: i32 = 15;

/// A word that stands for a whole value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Special {
    Epoch,
    Infinity(&'static str),
}

/// What a word of a date or time means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Month(i32),
    Weekday,
    /// True after noon.
    Meridiem(bool),
    /// True before Christ.
    Era(bool),
    /// Makes the zone before it summer time: `MET DST`.
    SummerTime,
    Special(Special),
    /// Midnight UTC.
    AllBalls,
    /// `now`, `today` and the like.
    Clock,
    /// Between date and time.
    T,
    Julian,
    /// `at`, `on`
    Filler,
    /// Units of labelled forms such as `y2024m01d02`, which are not read.
    Unit,
}

fn word(text: &str) -> Option<Word> {
    Some(match text {
        "jan" | "january" => Word::Month(1),
        "feb" | "february" => Word::Month(2),
        "mar" | "march" => Word::Month(3),
        "apr" | "april" => Word::Month(4),
        "may" => Word::Month(5),
        "jun" | "june" => Word::Month(6),
        "jul" | "july" => Word::Month(7),
        "aug" | "august" => Word::Month(8),
        "sep" | "sept" | "september" => Word::Month(9),
        "oct" | "october" => Word::Month(10),
        "nov" | "november" => Word::Month(11),
        "dec" | "december" => Word::Month(12),
        "sun" | "sunday" | "mon" | "monday" | "tue" | "tues" | "tuesday" | "wed" | "weds"
        | "wednesday" | "thu" | "thur" | "thurs" | "thursday" | "fri" | "friday" | "sat"
        | "saturday" => Word::Weekday,
        "am" => Word::Meridiem(false),
        "pm" => Word::Meridiem(true),
        "ad" => Word::Era(false),
        "bc" => Word::Era(true),
        "dst" => Word::SummerTime,
        "epoch" => Word::Special(Special::Epoch),
        "infinity" => Word::Special(Special::Infinity("infinity")),
        "-infinity" => Word::Special(Special::Infinity("-infinity")),
        "allballs" => Word::AllBalls,
        "now" | "today" | "tomorrow" | "yesterday" => Word::Clock,
        "t" => Word::T,
        "j" | "jd" | "julian" => Word::Julian,
        "at" | "on" => Word::Filler,
        "d" | "h" | "m" | "mm" | "s" | "y" | "dow" | "doy" | "isodow" | "isoyear" => Word::Unit,
        _ => return None,
    })
}

/// True for letters that are a word of their own, so that a digit may follow them at once.
pub(in crate::value) fn is_core_word(text: &str) -> bool {
    word(text).is_some()
}

/// The zone of a text, as far as the text alone tells.
#[derive(Debug)]
enum Zone {
    Offset(i32),
    Named(TimeZone),
    /// An abbreviation whose meaning changed over time.
    Word(TimeZone, String),
}

/// What the word or letter before a field makes of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Prefix {
    None,
    T,
    Julian,
}

/// Reads one text.
pub(super) struct Decoder {
    fields: Fields,
    seen: Parts,
    zone: Option<Zone>,
    /// Seconds that `DST` adds to the zone.
    summer_time: i32,
    /// The text is of type `time`.
    time_only: bool,
    special: Option<Special>,
}

impl Decoder {
    /// For a date, or a date and time.
    pub(super) fn new(settings: &FormatSettings) -> Self {
        Self {
            fields: Fields::new(settings.date_style.order),
            seen: 0,
            zone: None,
            summer_time: 0,
            time_only: false,
            special: None,
        }
    }

    /// For a time of day, before which a date may stand.
    pub(super) fn time_only(settings: &FormatSettings) -> Self {
        Self { time_only: true, ..Self::new(settings) }
    }

    /// Reads all fields and checks that together they are a value.
    pub(super) fn decode(&mut self, text: &str) -> Result<Option<Special>, Failure> {
        let tokens = Tokens::split(text, is_core_word)?;
        let mut prefix = Prefix::None;
        for at in 0..tokens.len() {
            let new = self.take(&tokens, at, &mut prefix)?;
            if new & self.seen != 0 {
                return Err(Failure::Format);
            }
            self.seen |= new;
        }
        self.fields.complete_date(self.seen)?;
        self.fields.complete_time()?;
        if self.special.is_some() {
            return Ok(self.special);
        }
        if self.time_only {
            self.fields.check_time()?;
        }
        let needed = if self.time_only { TIME } else { DATE };
        let has_stray_summer_time = self.seen & SUMMER_TIME != 0
            && (self.zone.is_none() || matches!(self.zone, Some(Zone::Named(_))));
        if self.seen & needed != needed || has_stray_summer_time {
            return Err(Failure::Format);
        }
        if self.time_only
            && self.seen & DATE != DATE
            && matches!(&self.zone, Some(Zone::Named(zone)) if !zone.is_fixed())
        {
            return Err(Failure::Format);
        }
        Ok(None)
    }

    /// Days since 1970-01-01.
    pub(super) fn days(&self) -> i64 {
        let Fields { year, month, day, .. } = self.fields;
        Civil { year, month: month as u32, day: day as u32 }.days()
    }

    /// Seconds since 1970-01-01 of the local clock, without the fraction.
    pub(super) fn local_seconds(&self) -> i64 {
        self.days() * SECONDS_PER_DAY + self.fields.seconds_of_day()
    }

    /// The fraction of the second.
    pub(super) fn micros(&self) -> i64 {
        self.fields.micros
    }

    /// Microseconds since midnight.
    pub(super) fn time_of_day(&self) -> i64 {
        self.fields.seconds_of_day() * MICROS_PER_SECOND + self.fields.micros
    }

    /// Seconds east of UTC at a local time: of the text's zone, else of the session's.
    pub(super) fn offset(&self, local_seconds: i64, session_zone: &TimeZone) -> i32 {
        let east = match &self.zone {
            None => session_zone.offset_of_local(local_seconds),
            Some(Zone::Offset(east)) => *east,
            Some(Zone::Named(zone)) => zone.offset_of_local(local_seconds),
            Some(Zone::Word(zone, word)) => zone.offset_of_abbreviation(word, local_seconds),
        };
        east + self.summer_time
    }

    /// Takes one field; the parts it gave.
    fn take(&mut self, tokens: &Tokens, at: usize, prefix: &mut Prefix) -> Result<Parts, Failure> {
        let text = tokens.text(at);
        let before = std::mem::replace(prefix, Prefix::None);
        match tokens.kind(at).ok_or(Failure::Format)? {
            Kind::Date => self.take_joined(tokens, at, before),
            Kind::Time if before == Prefix::Julian => Err(Failure::Format),
            Kind::Time => {
                let parts = self.fields.take_time(text)?;
                if !self.time_only {
                    self.fields.check_time()?;
                }
                Ok(parts)
            }
            Kind::Signed => {
                *prefix = before;
                self.zone = Some(Zone::Offset(numeric_zone(text)?));
                Ok(ZONE)
            }
            Kind::Number => match before {
                Prefix::None => self.take_number(tokens, at),
                Prefix::Julian => self.fields.take_julian(text),
                Prefix::T => match self.fields.take_run(text, self.seen | DATE)? {
                    TIME => Ok(TIME),
                    _ => Err(Failure::Format),
                },
            },
            Kind::Word | Kind::SignedWord => {
                *prefix = before;
                self.take_word(tokens, at, prefix)
            }
        }
    }

    fn take_number(&mut self, tokens: &Tokens, at: usize) -> Result<Parts, Failure> {
        let text = tokens.text(at);
        let n_before_point = text.find('.');
        if self.time_only {
            return match n_before_point {
                Some(_) if self.is_leading_date(tokens, at) => self.take_date(text),
                Some(n) if n > 2 => self.fields.take_run(text, self.seen | DATE),
                Some(_) => Err(Failure::Format),
                None if text.len() > 4 => self.fields.take_run(text, self.seen | DATE),
                None => self.fields.take_number(text, self.seen | DATE),
            };
        }
        match n_before_point {
            Some(_) if self.seen & DATE == 0 => self.take_date(text),
            Some(n) if n > 2 => self.fields.take_run(text, self.seen),
            // Five digits are a year, and so are six and more where date or time is known.
            _ if text.len() >= 6 && (self.seen & DATE == 0 || self.seen & TIME == 0) => {
                self.fields.take_run(text, self.seen)
            }
            _ => self.fields.take_number(text, self.seen),
        }
    }

    /// A date may stand before a time if it is the first field, and a time or zone goes with it.
    fn is_leading_date(&self, tokens: &Tokens, at: usize) -> bool {
        at == 0 && tokens.len() >= 2 && tokens.kind(tokens.len() - 1) == Some(Kind::Date)
    }

    fn take_date(&mut self, text: &str) -> Result<Parts, Failure> {
        self.fields.take_date(text, self.seen, |part| match word(part) {
            Some(Word::Month(month)) => Some(month),
            _ => None,
        })
    }

    /// Takes a field of digits and letters joined by punctuation: a date, a zone's name, or a time
    /// with a zone (`030405-07`).
    fn take_joined(
        &mut self,
        tokens: &Tokens,
        at: usize,
        before: Prefix,
    ) -> Result<Parts, Failure> {
        let text = tokens.text(at);
        if before == Prefix::Julian && self.time_only {
            return Err(Failure::Format);
        }
        if before == Prefix::Julian {
            let end = text.find(['+', '-']).ok_or(Failure::Format)?;
            let parts = self.fields.take_julian(&text[..end])?;
            self.zone = Some(Zone::Offset(numeric_zone(&text[end..])?));
            return Ok(parts | TIME | ZONE);
        }
        let is_date = if self.time_only {
            self.is_leading_date(tokens, at) || (at == 0 && tokens.kind(1) == Some(Kind::Time))
        } else {
            before == Prefix::None && self.seen & (MONTH | DAY) != MONTH | DAY
        };
        if is_date {
            return self.take_date(text);
        }
        if before == Prefix::T || text.starts_with(|c: char| c.is_ascii_digit()) {
            let end = text.find('-').filter(|_| self.seen & TIME == 0).ok_or(Failure::Format)?;
            self.zone = Some(Zone::Offset(numeric_zone(&text[end..])?));
            let seen = if self.time_only { self.seen | DATE } else { self.seen };
            return Ok(self.fields.take_run(&text[..end], seen)? | ZONE);
        }
        let zone = TimeZone::lookup(text).ok_or_else(|| Failure::Zone(text.to_owned()))?;
        self.zone = Some(Zone::Named(zone));
        Ok(ZONE)
    }

    fn take_word(
        &mut self,
        tokens: &Tokens,
        at: usize,
        prefix: &mut Prefix,
    ) -> Result<Parts, Failure> {
        let text = tokens.text(at);
        match abbreviation::lookup(text) {
            Some(Abbreviation::Fixed(east)) => {
                self.zone = Some(Zone::Offset(east));
                return Ok(ZONE);
            }
            Some(Abbreviation::Zone(name)) => {
                let zone = TimeZone::lookup(name).ok_or_else(|| Failure::Zone(name.to_owned()))?;
                self.zone = Some(Zone::Word(zone, text.to_owned()));
                return Ok(ZONE);
            }
            None => {}
        }
        match word(text) {
            Some(Word::Filler) => Ok(0),
            Some(Word::Meridiem(is_afternoon)) => {
                self.fields.is_afternoon = Some(is_afternoon);
                Ok(MERIDIEM)
            }
            Some(Word::Era(is_bc)) => {
                self.fields.is_bc = is_bc;
                Ok(ERA)
            }
            Some(Word::SummerTime) => {
                self.summer_time = 3600;
                Ok(SUMMER_TIME)
            }
            Some(Word::Clock) if text == "now" || !self.time_only => {
                Err(Failure::Clock(text.to_owned()))
            }
            Some(Word::AllBalls) => {
                self.zone = Some(Zone::Offset(0));
                Ok(TIME | ZONE)
            }
            Some(Word::T) => {
                let has_date = self.time_only || self.seen & DATE == DATE;
                let is_before_time =
                    matches!(tokens.kind(at + 1), Some(Kind::Number | Kind::Time | Kind::Date));
                if !has_date || !is_before_time {
                    return Err(Failure::Format);
                }
                *prefix = Prefix::T;
                Ok(0)
            }
            Some(Word::Julian) => {
                *prefix = Prefix::Julian;
                Ok(0)
            }
            Some(Word::Month(month)) if !self.time_only => Ok(self.take_month(month)),
            Some(Word::Weekday) if !self.time_only => Ok(WEEKDAY),
            Some(Word::Special(special)) if !self.time_only => {
                self.special = Some(special);
                Ok(SPECIAL)
            }
            Some(_) => Err(Failure::Format),
            None => {
                self.zone = Some(Zone::Named(TimeZone::lookup(text).ok_or(Failure::Format)?));
                Ok(ZONE)
            }
        }
    }

    /// A month's name turns a number that was taken for the month into the day: `2 Jan 2024`.
    fn take_month(&mut self, month: i32) -> Parts {
        let fields = &mut self.fields;
        let takes_place = self.seen & MONTH != 0
            && self.seen & DAY == 0
            && !fields.has_named_month
            && (1..=31).contains(&fields.month);
        fields.has_named_month = true;
        if takes_place {
            fields.day = fields.month;
        }
        fields.month = month;
        if takes_place { DAY } else { MONTH }
    }
}

/// Seconds east of UTC of `+02`, `-0530`, `+05:30:15`.
fn numeric_zone(text: &str) -> Result<i32, Failure> {
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'+') => (1, &text[1..]),
        Some(b'-') => (-1, &text[1..]),
        _ => return Err(Failure::Format),
    };
    let mut parts = [0; 3];
    let mut rest = digits;
    for (at, part) in parts.iter_mut().enumerate() {
        if at > 0 {
            match rest.strip_prefix(':') {
                Some(behind) => rest = behind,
                None => break,
            }
        }
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number = &rest[..end];
        *part = if number.is_empty() {
            0
        } else {
            number.parse::<i32>().map_err(|_| Failure::Displacement)?
        };
        rest = &rest[end..];
    }
    let [mut hours, mut minutes, seconds] = parts;
    if text.len() > 3 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        (hours, minutes) = (hours / 100, hours % 100);
    }
    if hours > ZONE_HOURS_MAX || minutes >= 60 || seconds >= 60 {
        return Err(Failure::Displacement);
    }
    if !rest.is_empty() {
        return Err(Failure::Format);
    }
    Ok(sign * (hours * 3600 + minutes * 60 + seconds))
}
