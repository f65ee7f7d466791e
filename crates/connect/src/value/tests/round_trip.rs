//! Every type against itself: what is written is read as the same value.

use arrow::array::{Array, ArrayRef};
use bytes::BytesMut;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use weir_delta::schema;
use weir_types::{Epoch, SqlType};

use super::postgres::{cases, settings_of};
use super::type_of;
use crate::value::{ColumnBuilder, FormatSettings, IntervalStyle, TimeZone, ValueEncoder};

/// All types that can be read, with the modifiers that change something.
const TYPES: [&str; 33] = [
    "boolean",
    "smallint",
    "integer",
    "bigint",
    "real",
    "double precision",
    "numeric",
    "numeric(5,2)",
    "numeric(38,10)",
    "numeric(38,0)",
    "numeric(3,-2)",
    "numeric(3,5)",
    "numeric(60,20)",
    "text",
    "varchar",
    "varchar(6)",
    "char(6)",
    "bytea",
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "interval",
    "uuid",
    "json",
    "jsonb",
    "oid",
    "name",
    "\"char\"",
    "regclass",
    "int2vector",
    "oidvector",
    "pg_lsn",
];

fn pick<T: Copy>(random: &mut StdRng, values: &[T]) -> T {
    *values.choose(random).expect("some values")
}

/// A random text of a type. Half of the values are at the limits of the type.
fn random_text(random: &mut StdRng, type_name: &str) -> String {
    let is_extreme = random.random_bool(0.3);
    match type_name {
        "boolean" => pick(random, &["t", "f"]).to_owned(),
        "smallint" if is_extreme => pick(random, &["-32768", "32767", "0"]).to_owned(),
        "smallint" => random.random::<i16>().to_string(),
        "integer" if is_extreme => pick(random, &["-2147483648", "2147483647", "0"]).to_owned(),
        "integer" => (random.random::<i32>() >> random.random_range(0..32)).to_string(),
        "bigint" if is_extreme => {
            pick(random, &["-9223372036854775808", "9223372036854775807", "0"]).to_owned()
        }
        "bigint" => (random.random::<i64>() >> random.random_range(0..64)).to_string(),
        "real" if is_extreme => {
            pick(random, &["NaN", "Infinity", "-Infinity", "-0", "3.4028235e38", "1e-45"])
                .to_owned()
        }
        "real" => format!("{:e}", f32::from_bits(random.random())),
        "double precision" if is_extreme => {
            let limits = ["NaN", "Infinity", "-Infinity", "-0", "1.7976931348623157e308", "5e-324"];
            pick(random, &limits).to_owned()
        }
        "double precision" => format!("{:e}", f64::from_bits(random.random())),
        "date" => random_date(random, 5_874_897),
        "time" => random_time(random),
        "timestamp" | "timestamptz" => {
            let date = random_date(random, 294_246);
            let (day, era) = date.split_once(' ').unwrap_or((&date, ""));
            format!("{day} {} {era}", random_time(random))
        }
        "interval" => format!(
            "{} mons {} days {}{}",
            random.random::<i32>() >> random.random_range(0..32),
            random.random::<i32>() >> random.random_range(0..32),
            pick(random, &["", "-"]),
            random_time(random)
        ),
        "uuid" => format!("{:032x}", random.random::<u128>()),
        "json" | "jsonb" => random_json(random, 3),
        "oid" | "regclass" => random.random::<u32>().to_string(),
        "pg_lsn" => Epoch(random.random::<u64>() >> random.random_range(0..64)).to_string(),
        "int2vector" => {
            (0..random.random_range(0..4)).map(|_| format!("{} ", random.random::<i16>())).collect()
        }
        "oidvector" => {
            (0..random.random_range(0..4)).map(|_| format!("{} ", random.random::<u32>())).collect()
        }
        "bytea" => {
            let n = random.random_range(0..20);
            let digits = (0..n).map(|_| format!("{:02x}", random.random::<u8>()));
            format!("\\x{}", digits.collect::<String>())
        }
        "\"char\"" => pick(random, &["", "a", "\\377", " ", "\\", "\""]).to_owned(),
        _ if type_name.starts_with("numeric") => random_numeric(random, type_name),
        _ => random_string(random, if type_name.ends_with("(6)") { 6 } else { 40 }),
    }
}

fn random_string(random: &mut StdRng, max: usize) -> String {
    const CHARACTERS: [char; 22] = [
        'a',
        'b',
        'N',
        'U',
        'L',
        ' ',
        '\t',
        '\n',
        '\r',
        '"',
        '\'',
        '\\',
        '{',
        '}',
        '(',
        ')',
        ',',
        '.',
        '\u{1}',
        '\u{e9}',
        '\u{65e5}',
        '\u{1f600}',
    ];
    let length = random.random_range(0..=max);
    (0..length).map(|_| pick(random, &CHARACTERS)).collect()
}

fn random_numeric(random: &mut StdRng, type_name: &str) -> String {
    let (precision, scale) = match type_of(type_name) {
        SqlType::Numeric(Some((precision, scale))) => (i32::from(precision), i32::from(scale)),
        _ => (38, 10),
    };
    let n_digits = random.random_range(1..=precision);
    let digit = |random: &mut StdRng| char::from(b'0' + random.random_range(0..10_u8));
    let digits: String = (0..n_digits).map(|_| digit(random)).collect();
    format!("{}{digits}e{}", pick(random, &["", "-"]), -scale)
}

fn random_date(random: &mut StdRng, year_max: i32) -> String {
    let year = match random.random_range(0..4) {
        0 => random.random_range(1..=year_max),
        1 => -random.random_range(1..=4713),
        2 => pick(random, &[-4713, 1, -1, 9999, 10_000, 1900, 2000, year_max]),
        _ => random.random_range(1900..2100),
    };
    let (month, day) = (random.random_range(1..=12), random.random_range(1..=28));
    if year < 0 {
        // The first day of the calendar is in the last but one month of that year.
        let month = if year == -4713 { 12 } else { month };
        format!("{:04}-{month:02}-{day:02} BC", -year)
    } else {
        format!("{year:04}-{month:02}-{day:02}")
    }
}

fn random_time(random: &mut StdRng) -> String {
    let (hour, minute) = (random.random_range(0..24), random.random_range(0..60));
    let micros = random.random_range(0..1_000_000) / 10_i32.pow(random.random_range(0..7));
    format!("{hour:02}:{minute:02}:{:02}.{micros:06}", random.random_range(0..60))
}

fn random_json(random: &mut StdRng, depth: usize) -> String {
    let string = |random: &mut StdRng| {
        let text = random_string(random, 5);
        let escaped = text.chars().map(|c| match c {
            '"' | '\\' => format!("\\{c}"),
            c if c < ' ' => format!("\\u{:04x}", c as u32),
            c => c.to_string(),
        });
        format!("\"{}\"", escaped.collect::<String>())
    };
    match random.random_range(if depth == 0 { 2 } else { 0 }..6) {
        0 => {
            let n = random.random_range(0..4);
            let members =
                (0..n).map(|_| format!("{} : {}", string(random), random_json(random, depth - 1)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(" ,"))
        }
        1 => {
            let n = random.random_range(0..4);
            let elements = (0..n).map(|_| random_json(random, depth - 1));
            format!("[{}]", elements.collect::<Vec<_>>().join(", "))
        }
        2 => string(random),
        3 => pick(random, &["null", "true", "false"]).to_owned(),
        4 => format!(
            "{}.{}e{}",
            random.random::<i32>(),
            random.random::<u16>(),
            random.random::<i8>()
        ),
        _ => random.random::<i64>().to_string(),
    }
}

/// An array of random values and NULLs.
fn random_array(
    random: &mut StdRng,
    type_name: &str,
    settings: &FormatSettings,
    n_rows: usize,
) -> ArrayRef {
    let sql_type = type_of(type_name);
    let mut builder = ColumnBuilder::new(&sql_type, settings);
    while builder.len() < n_rows {
        if random.random_bool(0.2) {
            builder.push_null();
            continue;
        }
        let text = match type_name.strip_suffix("[]") {
            Some(element) => random_array_text(random, element),
            None => random_text(random, type_name),
        };
        if let Err(error) = builder.push_text(&text) {
            assert_eq!(error.state().code(), "22001", "{type_name} {text:?}: {error}");
        }
    }
    builder.finish().expect("few values")
}

fn random_array_text(random: &mut StdRng, element: &str) -> String {
    let n = random.random_range(0..4);
    let elements = (0..n).map(|_| {
        if random.random_bool(0.2) {
            return "NULL".to_owned();
        }
        let text = random_text(random, element);
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    });
    format!("{{{}}}", elements.collect::<Vec<_>>().join(","))
}

/// Writes all values and reads them again.
fn again(
    array: &ArrayRef,
    sql_type: &SqlType,
    settings: &FormatSettings,
    binary: bool,
) -> ArrayRef {
    let encoder = ValueEncoder::new(array.as_ref(), sql_type, settings).expect("an encoder");
    let mut builder = ColumnBuilder::new(sql_type, settings);
    for row in 0..array.len() {
        let mut out = BytesMut::new();
        if encoder.is_null(row) {
            builder.push_null();
        } else if binary {
            encoder.write_binary(row, &mut out).expect("a value with a binary form");
            builder.push_binary(&out).expect("the binary form is good");
        } else {
            encoder.write_text(row, &mut out).expect("a value with a text form");
            let text = std::str::from_utf8(&out).expect("text is UTF-8");
            builder
                .push_text(text)
                .unwrap_or_else(|error| panic!("{sql_type} {text:?}: {error:?}"));
        }
    }
    builder.finish().expect("few values")
}

#[test]
fn random_values_of_every_type_read_back() {
    let mut random = StdRng::seed_from_u64(15);
    let zones = ["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "-3.5"];
    let styles = ["postgres", "postgres_verbose", "sql_standard", "iso_8601"];
    for round in 0..20 {
        let settings = FormatSettings {
            time_zone: TimeZone::parse(zones[round % zones.len()]).expect("a zone"),
            interval_style: IntervalStyle::parse(styles[round % styles.len()]).expect("a style"),
            bytea_escape: round % 2 == 1,
            ..FormatSettings::default()
        };
        for name in TYPES {
            let array_name = format!("{name}[]");
            for name in [name, &array_name] {
                let sql_type = type_of(name);
                let array = random_array(&mut random, name, &settings, 50);
                assert_eq!(array.data_type(), &schema::arrow_type(&sql_type));
                for binary in [false, true] {
                    let read = again(&array, &sql_type, &settings, binary);
                    assert_eq!(&read, &array, "{name} binary {binary} {settings:?}");
                }
            }
        }
    }
}

#[test]
fn dates_read_back_in_every_style() {
    let mut random = StdRng::seed_from_u64(15);
    for style in ["ISO", "SQL, DMY", "SQL, MDY", "German", "Postgres, DMY", "Postgres, MDY"] {
        let mut settings = FormatSettings::default();
        settings.date_style = settings.date_style.with(style).expect("a style");
        for name in ["date", "timestamp", "timestamptz"] {
            let array = random_array(&mut random, name, &FormatSettings::default(), 200);
            let read = again(&array, &type_of(name), &settings, false);
            assert_eq!(&read, &array, "{name} in {style}");
        }
    }
}

/// Changes some characters of a text.
fn mutated(random: &mut StdRng, text: &str) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for _ in 0..random.random_range(1..4) {
        let at = random.random_range(0..=characters.len());
        let new: Vec<char> =
            "0123456789-+:./ eTZ,{}\"\\Pxy\u{e9}bc'[]()\u{0}@infaNULL".chars().collect();
        match random.random_range(0..4) {
            0 => characters.insert(at, pick(random, &new)),
            1 if at < characters.len() => {
                characters.remove(at);
            }
            2 if at < characters.len() => characters[at] = pick(random, &new),
            _ => {
                let tail = characters.split_off(at);
                characters.splice(0..0, tail);
            }
        }
    }
    characters.into_iter().collect()
}

#[test]
fn any_text_is_refused_or_reads_back() {
    let mut random = StdRng::seed_from_u64(15);
    for _ in 0..20 {
        for case in cases() {
            let (sql_type, settings) = (type_of(&case.type_name), settings_of(&case.settings));
            let text = mutated(&mut random, &case.input);
            let mut builder = ColumnBuilder::new(&sql_type, &settings);
            if builder.push_text(&text).is_err() {
                assert_eq!(builder.len(), 0, "{sql_type} {text:?}");
                continue;
            }
            // The names of zones say less than their offsets, and rounded floats less than all.
            let settings = FormatSettings {
                date_style: FormatSettings::default().date_style,
                extra_float_digits: 1,
                ..settings
            };
            let array = builder.finish().expect("one value");
            for binary in [false, true] {
                let read = again(&array, &sql_type, &settings, binary);
                assert_eq!(&read, &array, "{sql_type} {text:?} binary {binary}");
            }
        }
    }
}

#[test]
fn any_bytes_are_refused_or_read_back() {
    let mut random = StdRng::seed_from_u64(15);
    let settings = FormatSettings::default();
    for round in 0..2_000 {
        for name in TYPES {
            let array_name = format!("{name}[]");
            let name = if round % 2 == 0 { name } else { &array_name };
            let sql_type = type_of(name);
            let start = random_array(&mut random, name, &settings, 1);
            let encoder =
                ValueEncoder::new(start.as_ref(), &sql_type, &settings).expect("an encoder");
            let mut bytes = BytesMut::new();
            if !encoder.is_null(0) {
                encoder.write_binary(0, &mut bytes).expect("a value with a binary form");
            }
            let mut bytes = bytes.to_vec();
            for _ in 0..random.random_range(0..3) {
                let at = random.random_range(0..=bytes.len());
                match random.random_range(0..3) {
                    0 => bytes.insert(at, random.random()),
                    1 => bytes.truncate(at),
                    _ if at < bytes.len() => {
                        bytes[at] = pick(&mut random, &[0, 1, 0x7F, 0x80, 0xFF])
                    }
                    _ => {}
                }
            }
            let mut builder = ColumnBuilder::new(&sql_type, &settings);
            if builder.push_binary(&bytes).is_err() {
                assert_eq!(builder.len(), 0, "{name} {bytes:?}");
                continue;
            }
            let array = builder.finish().expect("one value");
            let read = again(&array, &sql_type, &settings, true);
            assert_eq!(&read, &array, "{name} {bytes:?}");
        }
    }
}

#[test]
fn a_refused_array_leaves_nothing_behind() {
    let sql_type = type_of("integer[]");
    let mut builder = ColumnBuilder::new(&sql_type, &FormatSettings::default());
    for text in ["{1,2}", "{3,x}", "{4,NULL}", "{5,6,99999999999}", "{}"] {
        let _refused = builder.push_text(text);
    }
    builder.push_null();
    assert_eq!(builder.len(), 4);
    let array = builder.finish().expect("few values");
    let encoder = ValueEncoder::new(array.as_ref(), &sql_type, &FormatSettings::default())
        .expect("an encoder");
    let texts: Vec<String> = (0..4)
        .map(|row| {
            let mut out = BytesMut::new();
            encoder.write_text(row, &mut out).expect("an array");
            String::from_utf8(out.to_vec()).expect("UTF-8")
        })
        .collect();
    assert_eq!(texts, ["{1,2}", "{4,NULL}", "{}", "{}"]);
    assert!(encoder.is_null(3) && !encoder.is_null(2));
    assert!(builder.is_empty());
    let empty: ArrayRef = builder.finish().expect("no values");
    assert_eq!(empty.len(), 0);
}
