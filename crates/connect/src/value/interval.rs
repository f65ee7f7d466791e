//! `interval` as text, in the styles of the setting `IntervalStyle`.

use bytes::BytesMut;

use super::calendar::MICROS_PER_SECOND;
use super::digits::Line;
use super::settings::IntervalStyle;

/// Room for the longest text: every field with ten digits and its unit.
type Text = Line<192>;

/// An interval as PostgreSQL has it: three parts that do not convert into each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Interval {
    pub(super) months: i32,
    pub(super) days: i32,
    pub(super) micros: i64,
}

/// The fields that are shown; all of the time have the same sign.
struct Fields {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    micros: i64,
}

impl Interval {
    fn fields(self) -> Fields {
        let seconds = self.micros / MICROS_PER_SECOND;
        Fields {
            year: i64::from(self.months / 12),
            month: i64::from(self.months % 12),
            day: i64::from(self.days),
            hour: seconds / 3600,
            minute: seconds / 60 % 60,
            second: seconds % 60,
            micros: self.micros % MICROS_PER_SECOND,
        }
    }
}

pub(super) fn write(interval: Interval, style: IntervalStyle, out: &mut BytesMut) {
    let mut text = Text::new();
    match style {
        IntervalStyle::Postgres => write_postgres(interval, &mut text),
        IntervalStyle::PostgresVerbose => write_verbose(interval, &mut text),
        IntervalStyle::SqlStandard => write_sql_standard(interval, &mut text),
        IntervalStyle::Iso8601 => write_iso(interval, &mut text),
    }
    out.extend_from_slice(text.as_bytes());
}

/// `05.5` or `5.5`: seconds without their sign.
fn write_seconds(fields: &Fields, width: usize, text: &mut Text) {
    text.padded(fields.second.unsigned_abs(), width);
    text.fraction(fields.micros.unsigned_abs() as u32);
}

/// `04:05:06.7`, without its sign.
fn write_clock(fields: &Fields, hour_width: usize, text: &mut Text) {
    text.padded(fields.hour.unsigned_abs(), hour_width);
    text.byte(b':');
    text.pair(fields.minute.unsigned_abs() as u32);
    text.byte(b':');
    write_seconds(fields, 2, text);
}

fn write_postgres(interval: Interval, text: &mut Text) {
    let fields = interval.fields();
    // A field behind a negative one shows its plus.
    let mut is_behind_negative = false;
    let mut is_first = true;
    for (value, unit) in [(fields.year, " year"), (fields.month, " mon"), (fields.day, " day")] {
        if value == 0 {
            continue;
        }
        if !is_first {
            text.byte(b' ');
        }
        if is_behind_negative && value > 0 {
            text.byte(b'+');
        }
        text.integer(value);
        text.text(unit);
        if value != 1 {
            text.byte(b's');
        }
        is_behind_negative = value < 0;
        is_first = false;
    }
    if is_first || interval.micros != 0 {
        if !is_first {
            text.byte(b' ');
        }
        if interval.micros < 0 {
            text.byte(b'-');
        } else if is_behind_negative {
            text.byte(b'+');
        }
        write_clock(&fields, 2, text);
    }
}

fn write_verbose(interval: Interval, text: &mut Text) {
    let fields = interval.fields();
    // The first field that is not 0 tells if the whole is `ago`, and takes its sign with it.
    let (mut is_first, mut is_ago) = (true, false);
    text.byte(b'@');
    for (value, unit) in [
        (fields.year, " year"),
        (fields.month, " mon"),
        (fields.day, " day"),
        (fields.hour, " hour"),
        (fields.minute, " min"),
    ] {
        if value == 0 {
            continue;
        }
        is_ago = if is_first { value < 0 } else { is_ago };
        is_first = false;
        let shown = if is_ago { -value } else { value };
        text.byte(b' ');
        text.integer(shown);
        text.text(unit);
        if shown != 1 {
            text.byte(b's');
        }
    }
    if fields.second != 0 || fields.micros != 0 {
        let is_negative = fields.second < 0 || fields.micros < 0;
        text.byte(b' ');
        if is_first {
            is_ago = is_negative;
        } else if is_negative != is_ago {
            text.byte(b'-');
        }
        is_first = false;
        write_seconds(&fields, 1, text);
        text.text(if fields.second.abs() != 1 || fields.micros != 0 { " secs" } else { " sec" });
    }
    if is_first {
        text.text(" 0");
    }
    if is_ago {
        text.text(" ago");
    }
}

fn write_sql_standard(interval: Interval, text: &mut Text) {
    let fields = interval.fields();
    let Interval { months, days, micros } = interval;
    let has_negative = months < 0 || days < 0 || micros < 0;
    let has_positive = months > 0 || days > 0 || micros > 0;
    if !has_negative && !has_positive {
        text.byte(b'0');
        return;
    }
    let is_standard =
        !(has_negative && has_positive) && !(months != 0 && (days != 0 || micros != 0));
    if !is_standard {
        let sign = |is_negative: bool| if is_negative { b'-' } else { b'+' };
        text.byte(sign(months < 0));
        text.padded(fields.year.unsigned_abs(), 1);
        text.byte(b'-');
        text.padded(fields.month.unsigned_abs(), 1);
        text.byte(b' ');
        text.byte(sign(days < 0));
        text.padded(fields.day.unsigned_abs(), 1);
        text.byte(b' ');
        text.byte(sign(micros < 0));
        write_clock(&fields, 1, text);
        return;
    }
    if has_negative {
        text.byte(b'-');
    }
    if months != 0 {
        text.padded(fields.year.unsigned_abs(), 1);
        text.byte(b'-');
        text.padded(fields.month.unsigned_abs(), 1);
        return;
    }
    if days != 0 {
        text.padded(fields.day.unsigned_abs(), 1);
        text.byte(b' ');
    }
    write_clock(&fields, 1, text);
}

fn write_iso(interval: Interval, text: &mut Text) {
    let fields = interval.fields();
    if interval == Interval::default() {
        text.text("PT0S");
        return;
    }
    let part = |value: i64, unit: u8, text: &mut Text| {
        if value != 0 {
            text.integer(value);
            text.byte(unit);
        }
    };
    text.byte(b'P');
    part(fields.year, b'Y', text);
    part(fields.month, b'M', text);
    part(fields.day, b'D', text);
    if interval.micros != 0 {
        text.byte(b'T');
    }
    part(fields.hour, b'H', text);
    part(fields.minute, b'M', text);
    if fields.second != 0 || fields.micros != 0 {
        if interval.micros < 0 {
            text.byte(b'-');
        }
        write_seconds(&fields, 1, text);
        text.byte(b'S');
    }
}
