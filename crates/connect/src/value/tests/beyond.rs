//! Where Weir differs from PostgreSQL: the values that it has not.

use arrow::array::AsArray;
use arrow::datatypes::{Float32Type, Float64Type};
use weir_types::SqlType;

use super::{read_binary, read_text, type_of, written};
use crate::value::{ColumnBuilder, FormatSettings};

#[test]
fn values_that_do_not_exist_are_refused_by_name() {
    let settings = FormatSettings::default();
    for (type_name, text, state, message) in [
        ("date", "infinity", "0A000", "date \"infinity\" is not supported"),
        ("timestamp", "-infinity", "0A000", "timestamp \"-infinity\" is not supported"),
        ("timestamptz", "now", "0A000", "timestamp with time zone \"now\" is not supported"),
        ("date", "today", "0A000", "date \"today\" is not supported"),
        ("time", "now", "0A000", "time \"now\" is not supported"),
        ("numeric", "NaN", "0A000", "numeric \"NaN\" is not supported"),
        ("numeric(5,2)", "-Infinity", "0A000", "numeric \"-Infinity\" is not supported"),
        ("numeric", "1e28", "22003", "value overflows numeric format"),
        ("integer[]", "{{1},{2}}", "0A000", "multidimensional arrays are not supported"),
        (
            "integer[]",
            "[0:0]={1}",
            "0A000",
            "arrays with a lower bound other than 1 are not supported",
        ),
        ("interval", "2562048 hours", "22008", "interval out of range"),
        ("timestamp", "294248-01-01", "22008", "timestamp out of range: \"294248-01-01\""),
        ("record", "(1)", "0A000", "input of anonymous composite types is not implemented"),
        ("jsonb", "\"\\u0000\"", "22P02", "unsupported Unicode escape sequence"),
        ("text", "a\0", "22021", "invalid byte sequence for encoding \"UTF8\": 0x00"),
    ] {
        let error = read_text(text, &type_of(type_name), &settings).expect_err(text);
        assert_eq!((error.state().code(), error.message()), (state, message));
    }
}

#[test]
fn binary_forms_that_do_not_exist_are_refused() {
    for (type_name, bytes, state, message) in [
        ("date", b"\x7F\xFF\xFF\xFF".as_slice(), "0A000", "date \"infinity\" is not supported"),
        ("date", b"\x80\0\0\x01", "22008", "date out of range"),
        ("timestamp", b"\x80\0\0\0\0\0\0\0", "0A000", "timestamp \"-infinity\" is not supported"),
        ("timestamp", b"\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFE", "22008", "timestamp out of range"),
        ("time", b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", "22008", "time out of range"),
        (
            "interval",
            b"\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF\0\0\0\0\0\0\0\0",
            "22008",
            "interval out of range",
        ),
        ("numeric", b"\0\0\0\0\xC0\0\0\0", "0A000", "numeric \"NaN\" is not supported"),
        ("numeric", b"\0\0\0\0\xD0\0\0\0", "0A000", "numeric \"Infinity\" is not supported"),
        ("numeric", b"\0\0\0\0\x12\x34\0\0", "22P03", "invalid sign in external \"numeric\" value"),
        (
            "numeric",
            b"\0\x01\0\0\0\0\0\0\x27\x10",
            "22P03",
            "invalid digit in external \"numeric\" value",
        ),
        (
            "numeric",
            b"\0\0\0\0\0\0\xFF\xFF",
            "22P03",
            "invalid scale in external \"numeric\" value",
        ),
        ("numeric(5,2)", b"\0\x01\0\x01\0\0\0\0\0\x01", "22003", "numeric field overflow"),
        ("integer", b"\0\0\0", "22P03", "insufficient data left in message"),
        ("integer", b"\0\0\0\0\0", "22P03", "incorrect binary data format"),
        ("boolean", b"", "22P03", "insufficient data left in message"),
        ("text", b"a\xC3", "22021", "invalid byte sequence for encoding \"UTF8\": 0xc3"),
        ("varchar(1)", b"ab", "22001", "value too long for type character varying(1)"),
        ("jsonb", b"\x02{}", "22P03", "unsupported jsonb version number 2"),
        ("json", b"{", "22P02", "invalid input syntax for type json"),
        ("uuid", b"\0", "22P03", "insufficient data left in message"),
        ("integer[]", b"\0\0\0\x07\0\0\0\0\0\0\0\x17", "22P03", "invalid number of dimensions: 7"),
        ("integer[]", b"\0\0\0\0\0\0\0\x02\0\0\0\x17", "22P03", "invalid array flags"),
        (
            "integer[]",
            b"\0\0\0\0\0\0\0\0\0\0\0\x14",
            "42804",
            "binary data has array element type 20 instead of expected 23 (integer)",
        ),
        (
            "integer[]",
            b"\0\0\0\x01\0\0\0\0\0\0\0\x17\xFF\xFF\xFF\xFF\0\0\0\x01",
            "22P03",
            "invalid array length: -1",
        ),
        (
            "integer[]",
            b"\0\0\0\x01\0\0\0\0\0\0\0\x17\x7F\xFF\xFF\xFF\0\0\0\x01",
            "22P03",
            "insufficient data left in message",
        ),
        (
            "integer[]",
            b"\0\0\0\x02\0\0\0\0\0\0\0\x17\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\0\0\x01",
            "0A000",
            "multidimensional arrays are not supported",
        ),
    ] {
        let error = read_binary(bytes, &type_of(type_name)).expect_err(message);
        assert_eq!((error.state().code(), error.message()), (state, message), "{type_name}");
    }
}

#[test]
fn numeric_without_precision_shows_no_trailing_zeros() {
    let (sql_type, settings) = (type_of("numeric"), FormatSettings::default());
    for (text, shown) in [
        ("1.50", "1.5"),
        ("100", "100"),
        ("0.00", "0"),
        ("-0.10", "-0.1"),
        ("0.12345678915", "0.1234567892"),
    ] {
        let array = read_text(text, &sql_type, &settings).expect("a number");
        assert_eq!(written(&array, &sql_type, &settings).expect("a text").0, shown);
    }
}

#[test]
fn values_beyond_the_size_limit_are_refused() {
    let text = "x".repeat(weir_types::limits::VALUE_BYTES_MAX + 1);
    for type_name in ["text", "varchar", "char(4)", "json", "bytea"] {
        let error = read_text(&text, &type_of(type_name), &FormatSettings::default());
        assert_eq!(error.expect_err("too large").state().code(), "54000", "{type_name}");
    }
    let error = read_text(&text, &type_of("integer"), &FormatSettings::default());
    assert!(error.expect_err("no number").message().len() < 2000);
}

#[test]
fn json_of_any_depth_is_read_or_refused() {
    let settings = FormatSettings::default();
    for type_name in ["json", "jsonb"] {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        read_text(&nested(1000), &type_of(type_name), &settings).expect("a thousand levels");
        let error = read_text(&nested(100_000), &type_of(type_name), &settings);
        assert_eq!(error.expect_err("too deep").state().code(), "54001");
    }
}

#[test]
fn there_is_one_nan() {
    let wide = |bits: u64| (f64::NAN.to_bits() | 1 << 63 | bits).to_be_bytes();
    let narrow = |bits: u32| (f32::NAN.to_bits() | 1 << 31 | bits).to_be_bytes();
    let mut double = ColumnBuilder::new(&SqlType::Float8, &FormatSettings::default());
    double.push_text("-nan").expect("a NaN with a sign");
    double.push_binary(&wide(5)).expect("8 bytes");
    let double = double.finish().expect("one column");
    let bits = double.as_primitive::<Float64Type>().values().iter().map(|value| value.to_bits());
    assert_eq!(bits.collect::<Vec<_>>(), [f64::NAN.to_bits(); 2]);
    let mut real = ColumnBuilder::new(&SqlType::Float4, &FormatSettings::default());
    real.push_text("-nan").expect("a NaN with a sign");
    real.push_binary(&narrow(5)).expect("4 bytes");
    let real = real.finish().expect("one column");
    let bits = real.as_primitive::<Float32Type>().values().iter().map(|value| value.to_bits());
    assert_eq!(bits.collect::<Vec<_>>(), [f32::NAN.to_bits(); 2]);
}
