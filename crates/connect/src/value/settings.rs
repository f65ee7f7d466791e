//! The session settings that shape values as text: time zone, date style, interval style and so on.

use std::fmt;

use weir_types::{Error, Result, SqlState};

use super::{NameSource, TimeZone};

/// How values are written and read as text. The binary forms depend on none of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatSettings {
    /// `TimeZone`: where `timestamptz` is shown, and meant where the text has no zone.
    pub time_zone: TimeZone,
    /// `DateStyle`
    pub date_style: DateStyle,
    /// `IntervalStyle`
    pub interval_style: IntervalStyle,
    /// `extra_float_digits`: above 0 the shortest text that reads back exactly, else 15 (6 for
    /// `real`) plus this many digits.
    pub extra_float_digits: i32,
    /// `bytea_output = 'escape'`; false is `hex`.
    pub bytea_escape: bool,
    /// By what `reg*` values are shown.
    pub object_names: NameSource,
}

impl Default for FormatSettings {
    fn default() -> Self {
        Self {
            time_zone: TimeZone::utc(),
            date_style: DateStyle { format: DateFormat::Iso, order: DateOrder::Mdy },
            interval_style: IntervalStyle::Postgres,
            extra_float_digits: 1,
            bytea_escape: false,
            object_names: NameSource::default(),
        }
    }
}

/// The setting `DateStyle`: how dates are written, and which field comes first in `1/2/2024`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateStyle {
    /// How dates are written.
    pub format: DateFormat,
    /// Which of day, month and year comes first where the text does not tell.
    pub order: DateOrder,
}

/// How dates are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateFormat {
    /// `2024-01-02 03:04:05+00`
    Iso,
    /// `Tue Jan 02 03:04:05 2024 UTC`
    Postgres,
    /// `01/02/2024 03:04:05 UTC`
    Sql,
    /// `02.01.2024 03:04:05 UTC`
    German,
}

/// Which of day, month and year comes first where the text does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateOrder {
    /// Month, day, year.
    Mdy,
    /// Day, month, year.
    Dmy,
    /// Year, month, day.
    Ymd,
}

impl DateStyle {
    /// The style that `SET DateStyle = text` gives: words that `text` leaves out stay as they are
    /// in `self`. 22023 for an unknown word or two that contradict each other.
    pub fn with(self, text: &str) -> Result<Self> {
        let (mut format, mut order, mut is_default) = (None, None, false);
        let words = text.split(',').map(|word| word.trim().to_ascii_lowercase());
        for word in words.filter(|_| !text.trim().is_empty()) {
            let agrees = match word.as_str() {
                "iso" => set(&mut format, DateFormat::Iso),
                "sql" => set(&mut format, DateFormat::Sql),
                "german" => set(&mut format, DateFormat::German),
                _ if word.starts_with("postgres") => set(&mut format, DateFormat::Postgres),
                "ymd" => set(&mut order, DateOrder::Ymd),
                "dmy" => set(&mut order, DateOrder::Dmy),
                "mdy" | "us" => set(&mut order, DateOrder::Mdy),
                _ if word.starts_with("euro") => set(&mut order, DateOrder::Dmy),
                _ if word.starts_with("noneuro") => set(&mut order, DateOrder::Mdy),
                "default" => {
                    is_default = true;
                    true
                }
                _ => {
                    return Err(bad_setting("DateStyle", text)
                        .with_detail(format!("Unrecognized key word: \"{word}\".")));
                }
            };
            if !agrees {
                return Err(bad_setting("DateStyle", text)
                    .with_detail("Conflicting \"datestyle\" specifications."));
            }
        }
        if format == Some(DateFormat::German) {
            order = order.or(Some(DateOrder::Dmy));
        }
        let base = if is_default { FormatSettings::default().date_style } else { self };
        Ok(Self { format: format.unwrap_or(base.format), order: order.unwrap_or(base.order) })
    }
}

/// Sets what was not set yet; false where it was set to another value.
fn set<T: Copy + PartialEq>(slot: &mut Option<T>, value: T) -> bool {
    *slot.get_or_insert(value) == value
}

/// Writes the setting as SHOW does (`ISO, MDY`).
impl fmt::Display for DateStyle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.format {
            DateFormat::Iso => "ISO, ",
            DateFormat::Postgres => "Postgres, ",
            DateFormat::Sql => "SQL, ",
            DateFormat::German => "German, ",
        })?;
        f.write_str(match self.order {
            DateOrder::Mdy => "MDY",
            DateOrder::Dmy => "DMY",
            DateOrder::Ymd => "YMD",
        })
    }
}

/// The setting `IntervalStyle`: how intervals are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntervalStyle {
    /// `1 year 2 mons 3 days 04:05:06`
    Postgres,
    /// `@ 1 year 2 mons 3 days 4 hours 5 mins 6 secs`
    PostgresVerbose,
    /// `+1-2 +3 +4:05:06`; a leading minus of the text then counts for all fields.
    SqlStandard,
    /// `P1Y2M3DT4H5M6S`
    Iso8601,
}

impl IntervalStyle {
    /// The style of that name, in any case; 22023 for another name.
    pub fn parse(text: &str) -> Result<Self> {
        match text.to_ascii_lowercase().as_str() {
            "postgres" => Ok(Self::Postgres),
            "postgres_verbose" => Ok(Self::PostgresVerbose),
            "sql_standard" => Ok(Self::SqlStandard),
            "iso_8601" => Ok(Self::Iso8601),
            _ => Err(bad_setting("IntervalStyle", text).with_hint(
                "Available values: postgres, postgres_verbose, sql_standard, iso_8601.",
            )),
        }
    }
}

/// Writes the name as SHOW does.
impl fmt::Display for IntervalStyle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres => "postgres",
            Self::PostgresVerbose => "postgres_verbose",
            Self::SqlStandard => "sql_standard",
            Self::Iso8601 => "iso_8601",
        })
    }
}

/// The error of a setting's value that is none (22023).
pub(super) fn bad_setting(setting: &str, value: &str) -> Error {
    Error::new(
        SqlState::InvalidParameterValue,
        format!("invalid value for parameter \"{setting}\": \"{value}\""),
    )
}

#[cfg(test)]
mod tests {
    use super::{DateFormat, DateOrder, DateStyle, FormatSettings, IntervalStyle};

    #[test]
    fn date_style_keeps_what_the_text_leaves_out() {
        let default = FormatSettings::default().date_style;
        for (text, shown) in [
            ("iso", "ISO, MDY"),
            ("dmy", "ISO, DMY"),
            ("SQL, european", "SQL, DMY"),
            ("German", "German, DMY"),
            ("German, mdy", "German, MDY"),
            ("postgres, US", "Postgres, MDY"),
            ("default", "ISO, MDY"),
            ("default, sql", "SQL, MDY"),
            ("iso, ISO", "ISO, MDY"),
            ("", "ISO, MDY"),
        ] {
            assert_eq!(
                default.with(text).map(|style| style.to_string()).ok().as_deref(),
                Some(shown)
            );
        }
        let german = DateStyle { format: DateFormat::German, order: DateOrder::Ymd };
        assert_eq!(german.with("iso").expect("a style").to_string(), "ISO, YMD");
    }

    #[test]
    fn bad_styles_are_named() {
        let default = FormatSettings::default().date_style;
        for text in ["iso, german", "mdy, dmy", "french", "iso,"] {
            let error = default.with(text).expect_err("no such style");
            assert_eq!(error.state().code(), "22023");
            assert!(error.message().contains(&format!("\"DateStyle\": \"{text}\"")));
        }
        assert_eq!(IntervalStyle::parse("ISO_8601").expect("a style").to_string(), "iso_8601");
        assert_eq!(IntervalStyle::parse("x").expect_err("no style").state().code(), "22023");
    }
}
