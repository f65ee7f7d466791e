//! Values of every type: few that come often, so that rows meet, and those at the edges.

use super::ty::Ty;
use crate::dice::Dice;

/// A value as a quoted literal without its type; NULL in `nulls` of a hundred cases.
pub fn value(dice: &mut Dice, ty: Ty, nulls: usize) -> String {
    if dice.percent(nulls) {
        return "NULL".to_owned();
    }
    let of = if dice.percent(12) { edges(ty) } else { common(ty) };
    quoted(dice.pick::<&str>(of))
}

/// A literal with its type, not NULL but for one in twenty.
pub fn typed(dice: &mut Dice, ty: Ty) -> String {
    let nulls = 5;
    format!("{}::{}", value(dice, ty, nulls), ty.sql())
}

/// A literal with its type that comes often among the rows.
pub fn usual(dice: &mut Dice, ty: Ty) -> String {
    format!("{}::{}", quoted(dice.pick::<&str>(common(ty))), ty.sql())
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn common(ty: Ty) -> &'static [&'static str] {
    match ty {
        Ty::Bool => &["true", "false"],
        Ty::Int2 | Ty::Int4 | Ty::Int8 => &["0", "1", "2", "3", "4", "5", "-1", "-2"],
        Ty::Real | Ty::Double => &["0", "1.5", "-2.25", "0.1", "3", "-0"],
        Ty::Numeric => &["0", "1.5", "-3.25", "10", "0.0001", "7"],
        Ty::Text | Ty::Varchar => &["a", "b", "ab", "A", "", "c", "a string of more than 12 bytes"],
        Ty::Bytea => &["\\x", "\\x00", "\\xdeadbeef", "\\x61"],
        Ty::Date => &["2024-01-01", "2024-01-02", "2024-02-29", "2023-12-31"],
        Ty::Time => &["00:00:00", "12:30:00", "08:05:00.25"],
        Ty::Timestamp => &[
            "2024-01-01 00:00:00",
            "2024-01-01 12:00:00.5",
            "2023-12-31 23:59:59",
            "2024-02-29 06:00:00",
        ],
        Ty::Timestamptz => &[
            "2024-01-01 00:00:00+00",
            "2024-01-01 02:00:00+02",
            "2024-03-31 01:30:00+00",
            "2023-06-01 12:00:00-07",
        ],
        Ty::Interval => &["0", "1 day", "1 mon", "02:00:00", "-1 day"],
        Ty::Uuid => &[
            "00000000-0000-0000-0000-000000000000",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            "11111111-2222-3333-4444-555555555555",
        ],
        Ty::IntArray => &["{}", "{1}", "{1,2,3}", "{2,2}"],
        Ty::TextArray => &["{}", "{a}", "{a,b}", "{b}"],
        Ty::Jsonb => {
            &["{}", "{\"a\": 1}", "{\"a\": \"x\", \"b\": [1, 2]}", "[1, \"x\"]", "3", "\"s\""]
        }
    }
}

fn edges(ty: Ty) -> &'static [&'static str] {
    match ty {
        Ty::Bool => &["true"],
        Ty::Int2 => &["-32768", "32767"],
        Ty::Int4 => &["-2147483648", "2147483647"],
        Ty::Int8 => &["-9223372036854775808", "9223372036854775807"],
        Ty::Real => &["NaN", "Infinity", "-Infinity", "3.4028235e38", "1e-45", "-0"],
        Ty::Double => &["NaN", "Infinity", "-Infinity", "1.7976931348623157e308", "5e-324", "-0"],
        Ty::Numeric => &["99999999999999999999.9999", "-99999999999999999999.9999", "-0.0001"],
        Ty::Text | Ty::Varchar => &[
            "",
            " ",
            "it's",
            "\u{17e}lu\u{165}ou\u{10d}k\u{fd} k\u{16f}\u{148}",
            "\u{1f600}",
            "NULL",
            "a string of more than 12 byteS",
        ],
        Ty::Bytea => &["\\x000102030405060708090a0b0c0d0e0f", "\\xff"],
        Ty::Date => &["0001-01-01", "9999-12-31", "1969-12-31", "1900-02-28"],
        Ty::Time => &["23:59:59.999999", "00:00:00.000001"],
        Ty::Timestamp => {
            &["0001-01-01 00:00:00", "9999-12-31 23:59:59.999999", "1969-07-20 20:17:40.123456"]
        }
        Ty::Timestamptz => {
            &["1969-12-31 23:59:59.999999+00", "9999-12-31 23:59:59+00", "0001-01-01 00:00:00+00"]
        }
        Ty::Interval => &["1 year 2 mons -3 days 04:05:06.789", "24:00:00", "30 days", "-1 mon"],
        Ty::Uuid => &["ffffffff-ffff-ffff-ffff-ffffffffffff"],
        Ty::IntArray => &["{NULL,1}", "{2147483647,-2147483648}", "{NULL}"],
        Ty::TextArray => &["{NULL,\"\"}", "{\"a,b\",\"c\\\"d\"}", "{\"NULL\"}"],
        Ty::Jsonb => &["null", "{\"a\": null}", "{\"a\": {\"b\": \"c\"}}", "[]", "true"],
    }
}
