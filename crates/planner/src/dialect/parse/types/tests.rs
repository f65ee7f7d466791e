//! Type names, as in casts and definitions.

use datafusion::sql::sqlparser::ast::Expr;

use super::*;
use crate::dialect::parse_expr;

fn found(name: &str) -> Result<SqlType> {
    match parse_expr(&format!("x::{name}")).unwrap_or_else(|error| panic!("{name}: {error:?}")) {
        Expr::Cast { data_type, .. } => sql_type(&data_type),
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn every_spelling_is_known() {
    for (expected, names) in [
        ("boolean", "bool|boolean|pg_catalog.bool|\"bool\""),
        ("smallint", "smallint|int2"),
        ("integer", "int|INTEGER|int4|pg_catalog.int4|pg_catalog.\"int4\""),
        ("bigint", "bigint|int8"),
        ("real", "real|float4|float(24)|float(1)"),
        ("double precision", "double precision|float8|float|float(53)"),
        ("numeric", "numeric|decimal|dec|pg_catalog.numeric"),
        ("numeric(10,2)", "numeric(10,2)|decimal(10, 2)|pg_catalog.numeric(10,2)"),
        ("numeric(38,0)", "numeric(38)|dec(38)"),
        ("text", "text|pg_catalog.text|TEXT"),
        ("character varying", "varchar|character varying|char varying"),
        ("bpchar", "bpchar|pg_catalog.bpchar"),
        ("bpchar[]", "bpchar[]|_bpchar"),
        ("character varying(7)", "varchar(7)|character varying(7)|pg_catalog.varchar(7)"),
        ("character(1)", "char|character|character(1)|bpchar(1)"),
        ("character(3)", "char(3)|pg_catalog.bpchar(3)"),
        ("\"char\"", "\"char\"|pg_catalog.\"char\""),
        ("name", "name|pg_catalog.name"),
        ("bytea", "bytea"),
        ("date", "date"),
        ("time without time zone", "time|time without time zone|time(6)"),
        ("timestamp without time zone", "timestamp|timestamp without time zone|timestamp(6)"),
        (
            "timestamp with time zone",
            "timestamptz|timestamp with time zone|timestamp(6) with time zone|pg_catalog.timestamptz",
        ),
        ("interval", "interval|interval day to second|interval second|interval(6)"),
        ("uuid", "uuid"),
        ("json", "json"),
        ("jsonb", "jsonb"),
        ("oid", "oid|pg_catalog.oid"),
        ("regclass", "regclass|pg_catalog.regclass"),
        ("regtype", "regtype|pg_catalog.regtype"),
        ("regproc", "regproc"),
        ("regnamespace", "regnamespace"),
        ("pg_lsn", "pg_lsn"),
        ("int2vector", "int2vector"),
        ("oidvector", "oidvector"),
        ("integer[]", "int[]|int[3]|int[][]|_int4|pg_catalog._int4|int4[2][3]"),
        ("numeric(5,1)[]", "numeric(5,1)[]"),
        ("timestamp with time zone[]", "timestamptz[]"),
    ] {
        for name in names.split('|') {
            match found(name) {
                Ok(sql_type) => assert_eq!(sql_type.to_string(), expected, "{name}"),
                Err(error) => panic!("{name}: {error:?}"),
            }
        }
    }
}

#[test]
fn what_is_refused_says_why() {
    for (name, state, message) in [
        ("whatever", "42704", "type \"whatever\" does not exist"),
        ("s.whatever", "42704", "type \"s.whatever\" does not exist"),
        ("public.int4", "42704", "type \"public.int4\" does not exist"),
        ("string", "42704", "type \"string\" does not exist"),
        ("double", "42704", "type \"double\" does not exist"),
        ("datetime", "42704", "type \"datetime\" does not exist"),
        ("money", "0A000", "type money is not supported"),
        ("inet", "0A000", "type inet is not supported"),
        ("xml", "0A000", "type xml is not supported"),
        ("bit(3)", "0A000", "type bit is not supported"),
        ("timetz", "0A000", "type time with time zone is not supported"),
        ("bigserial", "0A000", "type bigserial is not supported"),
        ("numeric(39)", "0A000", "NUMERIC precision 39 is not supported: the limit is 38"),
        ("numeric(1001)", "22023", "NUMERIC precision 1001 must be between 1 and 1000"),
        ("numeric(0)", "22023", "NUMERIC precision 0 must be between 1 and 1000"),
        (
            "numeric(5,-1)",
            "0A000",
            "NUMERIC scale -1 is not supported: it must be between 0 and precision 5",
        ),
        (
            "numeric(3,5)",
            "0A000",
            "NUMERIC scale 5 is not supported: it must be between 0 and precision 3",
        ),
        ("varchar(0)", "22023", "length for type varchar must be at least 1"),
        ("char(10485761)", "22023", "length for type char cannot exceed 10485760"),
        ("float(54)", "22023", "precision for type float must be less than 54 bits"),
        ("int(3)", "42601", "type modifier is not allowed for type \"integer\""),
        ("oid(3)", "42601", "type modifier is not allowed for type \"oid\""),
        (
            "timestamp(3)",
            "0A000",
            "precision 3 of type timestamp without time zone is not supported: values are kept in microseconds",
        ),
        ("interval day", "0A000", "type interval day is not supported"),
    ] {
        match found(name) {
            Ok(sql_type) => panic!("{name}: {sql_type}"),
            Err(error) => {
                assert_eq!((error.state().code(), error.message()), (state, message), "{name}");
            }
        }
    }
    assert_eq!(found("string").expect_err("unknown").hint(), Some("Use text."));
    assert_eq!(found("whatever").expect_err("unknown").position(), Some(4));
}

#[test]
fn the_list_of_unsupported_types_is_sorted() {
    assert!(KNOWN_UNSUPPORTED.is_sorted());
}

#[test]
fn every_type_is_known_by_the_name_that_it_shows() {
    let scalars = [
        SqlType::Bool,
        SqlType::Int2,
        SqlType::Int4,
        SqlType::Int8,
        SqlType::Float4,
        SqlType::Float8,
        SqlType::Numeric(None),
        SqlType::Numeric(Some((38, 38))),
        SqlType::Text,
        SqlType::Varchar(None),
        SqlType::Varchar(Some(9)),
        SqlType::Char(None),
        SqlType::Char(Some(4)),
        SqlType::Bytea,
        SqlType::Date,
        SqlType::Time,
        SqlType::Timestamp,
        SqlType::Timestamptz,
        SqlType::Interval,
        SqlType::Uuid,
        SqlType::Json,
        SqlType::Jsonb,
        SqlType::Oid,
        SqlType::Name,
        SqlType::InternalChar,
        SqlType::Reg(RegKind::Class),
        SqlType::Reg(RegKind::Type),
        SqlType::Reg(RegKind::Proc),
        SqlType::Reg(RegKind::Namespace),
        SqlType::Int2Vector,
        SqlType::OidVector,
        SqlType::PgLsn,
        SqlType::Unknown,
        SqlType::Void,
        SqlType::Record,
    ];
    for scalar in scalars {
        let array = SqlType::Array(Box::new(scalar.clone()));
        for sql_type in [scalar, array] {
            let name = sql_type.to_string();
            assert_eq!(found(&name).unwrap_or_else(|error| panic!("{name}: {error:?}")), sql_type);
        }
    }
}
