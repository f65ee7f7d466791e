//! The proleptic Gregorian calendar: days since 1970-01-01 to year, month, day and back.
//!
//! Own arithmetic, because the range of PostgreSQL's dates (4714 BC to 5874897 AD) is wider than
//! that of any date library here.

pub(super) const MICROS_PER_SECOND: i64 = 1_000_000;
pub(super) const SECONDS_PER_DAY: i64 = 86_400;
pub(super) const MICROS_PER_DAY: i64 = SECONDS_PER_DAY * MICROS_PER_SECOND;

/// Days from 1970-01-01 to 2000-01-01, where PostgreSQL's binary dates begin.
pub(super) const POSTGRES_EPOCH_DAYS: i32 = 10_957;
/// Microseconds from 1970-01-01 to 2000-01-01.
pub(super) const POSTGRES_EPOCH_MICROS: i64 = POSTGRES_EPOCH_DAYS as i64 * MICROS_PER_DAY;
/// Julian day number of 1970-01-01.
pub(super) const UNIX_EPOCH_JULIAN: i64 = 2_440_588;

/// First day of a `date`: 4714-11-24 BC, Julian day 0.
pub(super) const DATE_MIN: i32 = -2_440_588;
/// Last day of a `date`: 5874897-12-31.
pub(super) const DATE_MAX: i32 = 2_145_042_905;
/// First instant of a `timestamp`: 4714-11-24 00:00:00 BC. The last one is `i64::MAX`.
pub(super) const TIMESTAMP_MIN: i64 = DATE_MIN as i64 * MICROS_PER_DAY;

pub(super) const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
pub(super) const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/// A day of the calendar. Year 0 is 1 BC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: i32,
    /// From 1.
    pub(super) month: u32,
    /// From 1.
    pub(super) day: u32,
}

impl Civil {
    /// The day that many days after 1970-01-01; any `i32` of days is good, and every day of a
    /// timestamp.
    pub(super) fn from_days(days: i64) -> Self {
        // Eras of 400 years that begin on 1 March, so that the leap day is the last of its year.
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097) as u32;
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = era * 400 + i64::from(year_of_era) + i64::from(month <= 2);
        Self { year: year as i32, month, day }
    }

    /// Days since 1970-01-01. Month and day must be in range.
    pub(super) fn days(self) -> i64 {
        let year = i64::from(self.year) - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let month_from_march =
            i64::from(if self.month > 2 { self.month - 3 } else { self.month + 9 });
        let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(self.day) - 1;
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year
            - 719_468
    }
}

pub(super) fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub(super) fn days_in_month(year: i32, month: u32) -> u32 {
    match month {
        2 => 28 + u32::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// From 0 (Sunday), of a day since 1970-01-01.
pub(super) fn weekday(days: i64) -> usize {
    (days + 4).rem_euclid(7) as usize
}

#[cfg(test)]
mod tests {
    use super::{Civil, DATE_MAX, DATE_MIN, days_in_month, weekday};

    #[test]
    fn known_days() {
        for (days, year, month, day, name) in [
            (0, 1970, 1, 1, 4),
            (-1, 1969, 12, 31, 3),
            (10_957, 2000, 1, 1, 6),
            (11_016, 2000, 2, 29, 2),
            (DATE_MIN, -4713, 11, 24, 1),
            (DATE_MAX, 5_874_897, 12, 31, 2),
        ] {
            let civil = Civil { year, month, day };
            assert_eq!(Civil::from_days(i64::from(days)), civil);
            assert_eq!(civil.days(), i64::from(days));
            assert_eq!(weekday(i64::from(days)), name);
        }
    }

    #[test]
    fn each_day_follows_the_one_before() {
        let mut civil = Civil::from_days(-1_000_000);
        for days in -999_999..1_000_000 {
            let next = if civil.day < days_in_month(civil.year, civil.month) {
                Civil { day: civil.day + 1, ..civil }
            } else if civil.month < 12 {
                Civil { month: civil.month + 1, day: 1, ..civil }
            } else {
                Civil { year: civil.year + 1, month: 1, day: 1 }
            };
            civil = Civil::from_days(days);
            assert_eq!(civil, next);
            assert_eq!(civil.days(), days);
        }
    }
}
