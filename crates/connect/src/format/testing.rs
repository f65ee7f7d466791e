//! What the tests of formats and sources share: all column types, and rows as text.

use arrow::array::RecordBatch;
use bytes::BytesMut;
use weir_delta::schema::sql_type;
use weir_types::SqlType;

use crate::value::{FormatSettings, ValueEncoder};

/// Columns by the names that [`parse_type`] knows: `a integer, b text[]`.
pub(crate) fn columns(list: &str) -> Vec<(String, SqlType)> {
    list.split(", ")
        .map(|column| {
            let (name, sql_type) = column.split_once(' ').expect("a name and a type");
            (name.to_owned(), parse_type(sql_type))
        })
        .collect()
}

fn parse_type(name: &str) -> SqlType {
    if let Some(element) = name.strip_suffix("[]") {
        return SqlType::Array(Box::new(parse_type(element)));
    }
    match name {
        "boolean" => SqlType::Bool,
        "smallint" => SqlType::Int2,
        "integer" => SqlType::Int4,
        "bigint" => SqlType::Int8,
        "real" => SqlType::Float4,
        "double" => SqlType::Float8,
        "numeric" => SqlType::Numeric(None),
        "numeric(6,2)" => SqlType::Numeric(Some((6, 2))),
        "text" => SqlType::Text,
        "varchar(3)" => SqlType::Varchar(Some(3)),
        "char(3)" => SqlType::Char(Some(3)),
        "bytea" => SqlType::Bytea,
        "date" => SqlType::Date,
        "time" => SqlType::Time,
        "timestamp" => SqlType::Timestamp,
        "timestamptz" => SqlType::Timestamptz,
        "interval" => SqlType::Interval,
        "uuid" => SqlType::Uuid,
        "json" => SqlType::Json,
        "jsonb" => SqlType::Jsonb,
        other => panic!("the tests do not know type {other}"),
    }
}

/// The rows of a batch: PostgreSQL's text forms with `|` between them, `NULL` for NULL.
pub(crate) fn texts(batch: &RecordBatch) -> Vec<String> {
    let settings = FormatSettings::default();
    let schema = batch.schema();
    let types: Vec<SqlType> = schema.fields().iter().map(|field| sql_type(field)).collect();
    let encoders: Vec<ValueEncoder> = batch
        .columns()
        .iter()
        .zip(&types)
        .map(|(array, sql_type)| {
            ValueEncoder::new(array, sql_type, &settings).expect("every value has a text")
        })
        .collect();
    let text = |encoder: &ValueEncoder, row| {
        if encoder.is_null(row) {
            return "NULL".to_owned();
        }
        let mut out = BytesMut::new();
        encoder.write_text(row, &mut out).expect("every value has a text");
        String::from_utf8(out.to_vec()).expect("text is UTF-8")
    };
    let rows = (0..batch.num_rows())
        .map(|row| encoders.iter().map(|encoder| text(encoder, row)).collect::<Vec<_>>().join("|"));
    rows.collect()
}

/// Random numbers for mutations: the same in every run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound
    }

    /// Changes, inserts, deletes or repeats a few bytes.
    pub(crate) fn mutate(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len().max(1)).min(bytes.len());
            match self.below(4) {
                0 if at < bytes.len() => bytes[at] = self.below(256) as u8,
                1 => bytes.insert(at, b"\"{}[],:\\\n\r'0-\xff\0"[self.below(15)]),
                2 if at < bytes.len() => {
                    bytes.remove(at);
                }
                _ => {
                    let end = (at + self.below(20)).min(bytes.len());
                    let part = bytes[at..end].to_vec();
                    bytes.splice(at..at, part);
                }
            }
        }
        bytes
    }
}
