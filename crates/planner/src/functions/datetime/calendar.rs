//! Days and microseconds since 1970-01-01 to fields of the calendar and back, in the range of
//! PostgreSQL's dates, which is wider than that of chrono.

use weir_connect::value::TimeZone;
use weir_types::{Error, Result, SqlState};

pub(crate) const MICROS_PER_SECOND: i64 = 1_000_000;
pub(crate) const MICROS_PER_MINUTE: i64 = 60 * MICROS_PER_SECOND;
pub(crate) const MICROS_PER_HOUR: i64 = 60 * MICROS_PER_MINUTE;
pub(crate) const SECONDS_PER_DAY: i64 = 86_400;
pub(crate) const MICROS_PER_DAY: i64 = SECONDS_PER_DAY * MICROS_PER_SECOND;
/// Julian day number of 1970-01-01.
pub(crate) const UNIX_EPOCH_JULIAN: i64 = 2_440_588;
/// First day of a `date`: 4714-11-24 BC.
const DATE_MIN: i64 = -UNIX_EPOCH_JULIAN;
/// Last day of a `date`: 5874897-12-31.
const DATE_MAX: i64 = 2_145_042_905;
/// First instant of a `timestamp`.
const TIMESTAMP_MIN: i64 = DATE_MIN * MICROS_PER_DAY;

/// A day of the calendar. Year 0 is 1 BC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    /// From 1.
    pub(crate) month: i64,
    /// From 1.
    pub(crate) day: i64,
}

impl Civil {
    /// The day that many days after 1970-01-01.
    pub(crate) fn from_days(days: i64) -> Self {
        // Eras of 400 years that begin on 1 March, so that the leap day is the last of its year.
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        Self { year: era * 400 + year_of_era + i64::from(month <= 2), month, day }
    }

    /// Days since 1970-01-01. The month must be in range.
    pub(crate) fn days(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let month_from_march = if self.month > 2 { self.month - 3 } else { self.month + 9 };
        let day_of_year = (153 * month_from_march + 2) / 5 + self.day - 1;
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year
            - 719_468
    }

    /// The day that many months later; the last of its month where that has fewer days.
    pub(crate) fn plus_months(self, months: i64) -> Self {
        let month0 = self.year * 12 + self.month - 1 + months;
        let (year, month) = (month0.div_euclid(12), month0.rem_euclid(12) + 1);
        Self { year, month, day: self.day.min(days_in_month(year, month)) }
    }
}

pub(crate) fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// From 0 (Sunday), of a day since 1970-01-01.
pub(crate) fn weekday(days: i64) -> i64 {
    (days + 4).rem_euclid(7)
}

/// ISO 8601's year and week of a day since 1970-01-01.
pub(crate) fn iso_week(days: i64) -> (i64, i64) {
    // The week belongs to the year of its Thursday.
    let thursday = days + 3 - (weekday(days) + 6) % 7;
    let year = Civil::from_days(thursday).year;
    let first = Civil { year, month: 1, day: 1 }.days();
    (year, (thursday - first) / 7 + 1)
}

/// The Monday of a week of ISO 8601, in days since 1970-01-01.
pub(crate) fn iso_week_monday(year: i64, week: i64) -> i64 {
    let january_fourth = Civil { year, month: 1, day: 4 }.days();
    january_fourth - (weekday(january_fourth) + 6) % 7 + (week - 1) * 7
}

/// Days since 1970-01-01 and microseconds of the day.
pub(crate) fn split(micros: i64) -> (i64, i64) {
    (micros.div_euclid(MICROS_PER_DAY), micros.rem_euclid(MICROS_PER_DAY))
}

/// The timestamp of a day and a time of it; `None` outside PostgreSQL's range.
pub(crate) fn join(days: i64, micros_of_day: i64) -> Option<i64> {
    let micros = i128::from(days) * i128::from(MICROS_PER_DAY) + i128::from(micros_of_day);
    i64::try_from(micros).ok().filter(|micros| *micros >= TIMESTAMP_MIN)
}

/// The day, if it is one of PostgreSQL's.
pub(crate) fn date(days: i64) -> Option<i32> {
    if (DATE_MIN..=DATE_MAX).contains(&days) { i32::try_from(days).ok() } else { None }
}

/// `timestamp out of range` (22008).
pub(crate) fn out_of_range(what: &str) -> Error {
    Error::new(SqlState::DatetimeFieldOverflow, format!("{what} out of range"))
}

/// The instant of a local time in that zone.
pub(crate) fn to_instant(local: i64, zone: &TimeZone) -> Result<i64> {
    let east = i64::from(zone.offset_of_local(local.div_euclid(MICROS_PER_SECOND)));
    local
        .checked_sub(east * MICROS_PER_SECOND)
        .filter(|micros| *micros >= TIMESTAMP_MIN)
        .ok_or_else(|| out_of_range("timestamp"))
}

/// The local time of an instant in that zone.
pub(crate) fn to_local(instant: i64, zone: &TimeZone) -> Result<i64> {
    let east = i64::from(zone.offset_at(instant.div_euclid(MICROS_PER_SECOND)));
    instant.checked_add(east * MICROS_PER_SECOND).ok_or_else(|| out_of_range("timestamp"))
}

#[cfg(test)]
mod tests {
    use super::{Civil, iso_week, iso_week_monday, weekday};

    #[test]
    fn days_and_fields_agree() {
        for (days, year, month, day) in [
            (0, 1970, 1, 1),
            (11_016, 2000, 2, 29),
            (-2_440_588, -4713, 11, 24),
            (19_000, 2022, 1, 8),
        ] {
            let civil = Civil { year, month, day };
            assert_eq!((Civil::from_days(days), civil.days()), (civil, days));
        }
    }

    #[test]
    fn months_end_where_they_end() {
        let january = Civil { year: 2024, month: 1, day: 31 };
        assert_eq!(january.plus_months(1), Civil { year: 2024, month: 2, day: 29 });
        assert_eq!(january.plus_months(-11), Civil { year: 2023, month: 2, day: 28 });
    }

    #[test]
    fn weeks_are_those_of_iso_8601() {
        let days = |year, month, day| Civil { year, month, day }.days();
        assert_eq!(iso_week(days(2021, 1, 3)), (2020, 53));
        assert_eq!(iso_week(days(2019, 12, 30)), (2020, 1));
        assert_eq!(iso_week_monday(2020, 53), days(2020, 12, 28));
        assert_eq!(weekday(days(2024, 2, 29)), 4);
    }
}
