//! Time zones: IANA names, fixed offsets, and the offset of an instant or of a local time.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, LocalResult, NaiveDateTime, Offset, TimeZone as _};
use chrono_tz::{OffsetName, TZ_VARIANTS, Tz};
use weir_types::Result;

use super::calendar::{Civil, SECONDS_PER_DAY, is_leap, weekday};
use super::settings::bad_setting;

/// A time zone of the IANA database, or a fixed offset from UTC. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeZone(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Named(Tz),
    Fixed(Arc<FixedZone>),
}

#[derive(Debug, PartialEq, Eq)]
struct FixedZone {
    /// Seconds east of UTC.
    east: i32,
    /// As SHOW has it: POSIX, where the sign is that of "west of".
    name: String,
    abbreviation: String,
}

/// The tables of chrono-tz end here (2100-01-01): later instants take the rules of a like year.
const TABLE_END: i64 = 4_102_444_800;
/// 28 years without a century's exception have a like year for every year.
const LIKE_YEARS: std::ops::Range<i32> = 2072..2100;

impl TimeZone {
    /// UTC.
    #[must_use]
    pub fn utc() -> Self {
        Self(Kind::Named(Tz::UTC))
    }

    /// The zone that `SET TimeZone = text` gives: a name in any case (`europe/berlin`), hours east
    /// of UTC (`2`, `-3.5`), or POSIX's form without rules (`UTC+3`: three hours *west*). 22023 for
    /// anything else.
    pub fn parse(text: &str) -> Result<Self> {
        if let Ok(hours) = text.trim().parse::<f64>() {
            return Self::from_hours(hours).ok_or_else(|| bad_setting("TimeZone", text));
        }
        Self::lookup(text).ok_or_else(|| bad_setting("TimeZone", text))
    }

    /// The zone of that name or POSIX form.
    #[must_use]
    pub fn lookup(name: &str) -> Option<Self> {
        if let Ok(zone) = name.parse::<Tz>() {
            return Some(Self(Kind::Named(zone)));
        }
        TZ_VARIANTS
            .iter()
            .find(|zone| zone.name().eq_ignore_ascii_case(name))
            .map(|zone| Self(Kind::Named(*zone)))
            .or_else(|| posix(name))
    }

    /// The zone that many seconds east of UTC; `None` from a day on.
    #[must_use]
    pub fn fixed(east: i32) -> Option<Self> {
        if i64::from(east.unsigned_abs()) >= SECONDS_PER_DAY {
            return None;
        }
        let digits = offset_digits(east.unsigned_abs());
        let (sign, opposite) = if east >= 0 { ('+', '-') } else { ('-', '+') };
        Some(Self(Kind::Fixed(Arc::new(FixedZone {
            east,
            name: format!("<{sign}{digits}>{opposite}{digits}"),
            abbreviation: format!("{sign}{digits}"),
        }))))
    }

    fn from_hours(hours: f64) -> Option<Self> {
        if hours.abs() < 24.0 { Self::fixed((hours * 3600.0) as i32) } else { None }
    }

    /// The name, as SHOW has it.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.0 {
            Kind::Named(zone) => zone.name(),
            Kind::Fixed(zone) => &zone.name,
        }
    }

    /// Seconds east of UTC at an instant (seconds since 1970-01-01 UTC).
    #[must_use]
    pub fn offset_at(&self, unix_seconds: i64) -> i32 {
        match &self.0 {
            Kind::Named(Tz::UTC) => 0,
            Kind::Named(zone) => zone
                .offset_from_utc_datetime(&datetime(in_table(*zone, unix_seconds)))
                .fix()
                .local_minus_utc(),
            Kind::Fixed(zone) => zone.east,
        }
    }

    /// Seconds east of UTC at a local time (as seconds since 1970-01-01 of the local clock). A time
    /// that the clock shows twice or never is taken as standard time, as PostgreSQL does.
    #[must_use]
    pub fn offset_of_local(&self, local_seconds: i64) -> i32 {
        let zone = match &self.0 {
            Kind::Named(Tz::UTC) => return 0,
            Kind::Fixed(zone) => return zone.east,
            Kind::Named(zone) => *zone,
        };
        let local = in_table(zone, local_seconds);
        match zone.offset_from_local_datetime(&datetime(local)) {
            LocalResult::Single(offset) => offset.fix().local_minus_utc(),
            LocalResult::Ambiguous(one, other) => {
                one.fix().local_minus_utc().min(other.fix().local_minus_utc())
            }
            // No two changes are within a day, so a day earlier is before the gap.
            LocalResult::None => self.offset_at(local - SECONDS_PER_DAY),
        }
    }

    /// True if the offset never changes, as far as the name tells.
    pub(super) fn is_fixed(&self) -> bool {
        match &self.0 {
            Kind::Named(zone) => *zone == Tz::UTC || zone.name().starts_with("Etc/"),
            Kind::Fixed(_) => true,
        }
    }

    /// Writes what the zone calls itself at an instant (`CEST`, `+03`).
    pub(super) fn write_abbreviation(
        &self,
        unix_seconds: i64,
        out: &mut impl fmt::Write,
    ) -> fmt::Result {
        match &self.0 {
            Kind::Named(zone) => {
                let offset =
                    zone.offset_from_utc_datetime(&datetime(in_table(*zone, unix_seconds)));
                match offset.abbreviation() {
                    Some(name) => out.write_str(name),
                    None => {
                        let east = offset.fix().local_minus_utc();
                        let digits = offset_digits(east.unsigned_abs()).replace(':', "");
                        write!(out, "{}{digits}", if east >= 0 { '+' } else { '-' })
                    }
                }
            }
            Kind::Fixed(zone) => out.write_str(&zone.abbreviation),
        }
    }

    /// The offset for which the zone's abbreviation is `word` (in lower case), at a local time or
    /// half a year around it; the zone's offset where it never is.
    pub(super) fn offset_of_abbreviation(&self, word: &str, local_seconds: i64) -> i32 {
        let half_year = 182 * SECONDS_PER_DAY;
        let mut name = String::new();
        for seconds in [local_seconds, local_seconds - half_year, local_seconds + half_year] {
            let instant = seconds - i64::from(self.offset_of_local(seconds));
            name.clear();
            self.write_abbreviation(instant, &mut name).expect("a String takes any text");
            if name.eq_ignore_ascii_case(word) {
                return self.offset_at(instant);
            }
        }
        self.offset_of_local(local_seconds)
    }
}

/// Writes the name, as SHOW has it.
impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An instant with the same rules that the tables of the zone reach.
fn in_table(zone: Tz, seconds: i64) -> i64 {
    if seconds < TABLE_END {
        return seconds;
    }
    let offset = |seconds| zone.offset_from_utc_datetime(&datetime(seconds)).fix();
    let half_year = 182 * SECONDS_PER_DAY;
    if offset(TABLE_END - 1) == offset(TABLE_END - half_year) {
        return TABLE_END - 1;
    }
    let days = seconds.div_euclid(SECONDS_PER_DAY);
    let year = Civil::from_days(days).year;
    let new_year = |year| Civil { year, month: 1, day: 1 }.days();
    let like = LIKE_YEARS
        .rev()
        .find(|like| {
            is_leap(*like) == is_leap(year) && weekday(new_year(*like)) == weekday(new_year(year))
        })
        .expect("28 years in a row hold each of the 14 calendars");
    seconds - (new_year(year) - new_year(like)) * SECONDS_PER_DAY
}

fn datetime(unix_seconds: i64) -> NaiveDateTime {
    DateTime::from_timestamp(unix_seconds, 0)
        .expect("instants up to the year 2100 and from 4714 BC on are in chrono's range")
        .naive_utc()
}

/// `02`, `05:30`, `00:53:28`.
fn offset_digits(seconds: u32) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (minutes, seconds) {
        (0, 0) => format!("{hours:02}"),
        (_, 0) => format!("{hours:02}:{minutes:02}"),
        _ => format!("{hours:02}:{minutes:02}:{seconds:02}"),
    }
}

/// POSIX's form without daylight saving: an abbreviation (`UTC`, `<+02>`), which may be left out, and the
/// offset *west* of UTC.
fn posix(text: &str) -> Option<TimeZone> {
    let (abbreviation, offset) = if let Some(rest) = text.strip_prefix('<') {
        rest.split_once('>')?
    } else {
        let end = text.find(|c: char| !c.is_ascii_alphabetic())?;
        text.split_at(end)
    };
    let has_name =
        abbreviation.len() >= 3 || abbreviation.is_empty() && text.starts_with(['+', '-']);
    if !has_name || !abbreviation.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-".contains(&b)) {
        return None;
    }
    let (west, digits) = match offset.as_bytes().first()? {
        b'-' => (-1, &offset[1..]),
        b'+' => (1, &offset[1..]),
        _ => (1, offset),
    };
    let mut seconds = 0;
    for (part, (unit, limit)) in digits.split(':').zip([(3600, 24), (60, 60), (1, 60)]) {
        let is_number = (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        let value: i32 = part.parse().ok().filter(|value| is_number && *value < limit)?;
        seconds += value * unit;
    }
    if digits.split(':').count() > 3 {
        return None;
    }
    Some(TimeZone(Kind::Fixed(Arc::new(FixedZone {
        east: -west * seconds,
        name: text.to_owned(),
        abbreviation: abbreviation.to_owned(),
    }))))
}

#[cfg(test)]
mod tests {
    use super::TimeZone;

    fn zone(name: &str) -> TimeZone {
        TimeZone::parse(name).expect("a zone")
    }

    #[test]
    fn names_are_read_in_any_case_and_shown_as_written_in_the_database() {
        assert_eq!(zone("europe/BERLIN").name(), "Europe/Berlin");
        assert_eq!(zone("utc"), TimeZone::lookup("UTC").expect("UTC"));
        assert_eq!(zone("+02").name(), "<+02>-02");
        assert_eq!(zone("-3.5").name(), "<-03:30>+03:30");
        assert_eq!(zone("UTC+3").offset_at(0), -10_800);
        assert_eq!(zone("<+02>-02").offset_at(0), 7200);
        assert_eq!(zone("+02:00").offset_at(0), -7200);
        assert_eq!(zone("-04:30").offset_at(0), 16_200);
        assert_eq!(TimeZone::lookup("+02").expect("a zone").offset_at(0), -7200);
        for name in
            ["Europe/Atlantis", "", "24", "UTC+", "UTC+1:2:3:4", "UT+1", "nan", "<\u{e9}>+1"]
        {
            let error = TimeZone::parse(name).expect_err("no zone");
            assert_eq!(error.state().code(), "22023", "{name}");
        }
    }

    #[test]
    fn offsets_follow_summer_time_now_and_in_the_far_future() {
        let berlin = zone("Europe/Berlin");
        for (seconds, offset) in [
            (1_704_067_200, 3600),      // 2024-01-01
            (1_719_792_000, 7200),      // 2024-07-01
            (-5_364_662_400, 3208),     // 1800-01-01, local mean time
            (4_118_083_200, 7200),      // 2100-07-01
            (95_617_584_000 - 1, 3600), // end of 4999
            (9_223_372_036_854, 3600),  // January 294247
        ] {
            assert_eq!(berlin.offset_at(seconds), offset, "{seconds}");
        }
        assert_eq!(zone("Asia/Tokyo").offset_at(9_223_372_036_854), 32_400);
    }

    #[test]
    fn a_local_time_shown_twice_or_never_is_standard_time() {
        let berlin = zone("Europe/Berlin");
        assert_eq!(berlin.offset_of_local(1_711_852_200), 3600); // 2024-03-31 02:30: skipped
        assert_eq!(berlin.offset_of_local(1_729_996_200), 3600); // 2024-10-27 02:30: twice
        assert_eq!(berlin.offset_of_local(1_729_990_800), 7200); // 2024-10-27 01:00
    }

    #[test]
    fn abbreviations_that_changed_their_meaning_follow_the_zone() {
        let moscow = zone("Europe/Moscow");
        assert_eq!(moscow.offset_of_abbreviation("msk", 1_577_836_800), 10_800); // 2020
        assert_eq!(moscow.offset_of_abbreviation("msk", 1_356_998_400), 14_400); // 2013
        assert_eq!(moscow.offset_of_abbreviation("msk", 1_121_000_000), 10_800); // summer of 2005
        let mut name = String::new();
        moscow.write_abbreviation(1_121_000_000, &mut name).expect("a text");
        assert_eq!(name, "MSD");
    }
}
