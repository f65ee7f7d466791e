//! Dates, times and timestamps as text, in the styles of the setting `DateStyle`.

use bytes::BytesMut;
use weir_types::Result;

use super::calendar::{
    Civil, DATE_MAX, DATE_MIN, MICROS_PER_DAY, MICROS_PER_SECOND, MONTHS, TIMESTAMP_MIN, WEEKDAYS,
    weekday,
};
use super::digits::Line;
use super::failure::datetime_range;
use super::settings::{DateFormat, DateOrder, DateStyle};
use super::zone::TimeZone;

/// Room for the longest text: `Mon Nov 24 00:00:00.000000 294247 +00:53:28 BC` and a long
/// abbreviation of a POSIX zone is cut there, as PostgreSQL does.
type Text = Line<96>;

/// Bytes of a zone's abbreviation that are shown.
const ABBREVIATION_MAX: usize = 10;

/// Writes a date, in days since 1970-01-01; 22008 outside PostgreSQL's range.
pub(super) fn write_date(days: i32, style: DateStyle, out: &mut BytesMut) -> Result<()> {
    if !(DATE_MIN..=DATE_MAX).contains(&days) {
        return Err(datetime_range("date"));
    }
    let civil = Civil::from_days(i64::from(days));
    let mut text = Text::new();
    write_day(civil, style, &mut text);
    write_era(civil, &mut text);
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// Writes a time of day, in microseconds since midnight; 22008 beyond 24:00:00.
pub(super) fn write_time(micros: i64, out: &mut BytesMut) -> Result<()> {
    if !(0..=MICROS_PER_DAY).contains(&micros) {
        return Err(datetime_range("time"));
    }
    let mut text = Text::new();
    write_clock(micros, &mut text);
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// Writes a timestamp, in microseconds since 1970-01-01 00:00:00.
pub(super) fn write_timestamp(micros: i64, style: DateStyle, out: &mut BytesMut) -> Result<()> {
    let mut text = Text::new();
    let civil = write_local(i128::from(micros), micros, style, &mut text)?;
    write_era(civil, &mut text);
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// Writes an instant, in microseconds since 1970-01-01 00:00:00 UTC, on the clock of `zone`.
pub(super) fn write_timestamptz(
    micros: i64,
    zone: &TimeZone,
    style: DateStyle,
    out: &mut BytesMut,
) -> Result<()> {
    if micros < TIMESTAMP_MIN {
        return Err(datetime_range("timestamp"));
    }
    let unix_seconds = micros.div_euclid(MICROS_PER_SECOND);
    let east = zone.offset_at(unix_seconds);
    let local = i128::from(micros) + i128::from(east) * i128::from(MICROS_PER_SECOND);
    let mut text = Text::new();
    let civil = write_local(local, micros, style, &mut text)?;
    if style.format == DateFormat::Iso {
        write_offset(east, &mut text);
    } else {
        let mut name = Line::<64>::new();
        zone.write_abbreviation(unix_seconds, &mut Cut(&mut name)).expect("a line takes any text");
        text.byte(b' ');
        for byte in name.as_bytes() {
            text.byte(*byte);
        }
    }
    write_era(civil, &mut text);
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// Takes the first bytes of a zone's abbreviation.
struct Cut<'a>(&'a mut Line<64>);

impl std::fmt::Write for Cut<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let room = ABBREVIATION_MAX.saturating_sub(self.0.as_bytes().len());
        self.0.text(&text[..text.len().min(room)]);
        Ok(())
    }
}

/// Writes date and time of a local clock, without era and zone.
fn write_local(local: i128, micros: i64, style: DateStyle, text: &mut Text) -> Result<Civil> {
    if micros < TIMESTAMP_MIN {
        return Err(datetime_range("timestamp"));
    }
    let day = i128::from(MICROS_PER_DAY);
    let (days, time) = (local.div_euclid(day) as i64, local.rem_euclid(day) as i64);
    let civil = Civil::from_days(days);
    if style.format == DateFormat::Postgres {
        text.text(WEEKDAYS[weekday(days)]);
        text.byte(b' ');
        if style.order == DateOrder::Dmy {
            text.pair(civil.day);
            text.byte(b' ');
        }
        text.text(MONTHS[civil.month as usize - 1]);
        text.byte(b' ');
        if style.order != DateOrder::Dmy {
            text.pair(civil.day);
            text.byte(b' ');
        }
        write_clock(time, text);
        text.byte(b' ');
        write_year(civil.year, text);
    } else {
        write_day(civil, style, text);
        text.byte(b' ');
        write_clock(time, text);
    }
    Ok(civil)
}

fn write_day(civil: Civil, style: DateStyle, text: &mut Text) {
    let separator = match style.format {
        DateFormat::Iso => {
            write_year(civil.year, text);
            text.byte(b'-');
            text.pair(civil.month);
            text.byte(b'-');
            text.pair(civil.day);
            return;
        }
        DateFormat::Sql => b'/',
        DateFormat::Postgres => b'-',
        DateFormat::German => b'.',
    };
    let day_first = style.format == DateFormat::German || style.order == DateOrder::Dmy;
    text.pair(if day_first { civil.day } else { civil.month });
    text.byte(separator);
    text.pair(if day_first { civil.month } else { civil.day });
    text.byte(separator);
    write_year(civil.year, text);
}

fn write_year(year: i32, text: &mut Text) {
    let shown = if year > 0 { year.unsigned_abs() } else { (1 - year).unsigned_abs() };
    if shown < 10_000 {
        text.pair(shown / 100);
        text.pair(shown);
    } else {
        text.padded(u64::from(shown), 4);
    }
}

fn write_era(civil: Civil, text: &mut Text) {
    if civil.year <= 0 {
        text.text(" BC");
    }
}

fn write_clock(micros: i64, text: &mut Text) {
    let seconds = (micros / MICROS_PER_SECOND) as u32;
    text.pair(seconds / 3600);
    text.byte(b':');
    text.pair(seconds / 60 % 60);
    text.byte(b':');
    text.pair(seconds % 60);
    text.fraction((micros % MICROS_PER_SECOND) as u32);
}

/// `+02`, `+05:30`, `-00:53:28`.
fn write_offset(east: i32, text: &mut Text) {
    text.byte(if east >= 0 { b'+' } else { b'-' });
    let (minutes, seconds) = (east.unsigned_abs() / 60, east.unsigned_abs() % 60);
    text.pair(minutes / 60);
    if minutes % 60 > 0 || seconds > 0 {
        text.byte(b':');
        text.pair(minutes % 60);
    }
    if seconds > 0 {
        text.byte(b':');
        text.pair(seconds);
    }
}
