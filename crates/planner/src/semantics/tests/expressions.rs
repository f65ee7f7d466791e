//! Each line of `tests-data/expressions.txt`: an expression, its type and its text in PostgreSQL 15.

use weir_types::SqlType;

use super::{agrees, rounded, run};

const CASES: &str = include_str!("../../../tests-data/expressions.txt");

/// What differs from PostgreSQL on purpose, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("1 / 3.0", "a quotient has 16 digits behind the point"),
    ("2.0 / 3", "a quotient has 16 digits behind the point"),
    ("array[1,2,3][2]", "a subscript right behind an array constructor is taken"),
];

#[test]
fn expressions_have_postgresqls_types_and_values() {
    let mut failures = Vec::new();
    let mut n_cases = 0;
    for line in CASES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [expression, wanted_type, wanted] = fields[..] else { panic!("a bad line: {line}") };
        if DIFFERENT.iter().any(|(different, _)| *different == expression) {
            continue;
        }
        n_cases += 1;
        let (found_type, found) = answer(expression);
        let has_value = match wanted_type {
            "error" => found.starts_with(wanted),
            _ => agrees(&found, wanted, wanted_type),
        };
        if found_type != wanted_type || !has_value {
            failures.push(format!(
                "{expression}\n    is {found_type} {found}\n    not {wanted_type} {wanted}"
            ));
        }
    }
    assert!(n_cases > 700, "only {n_cases} cases were read");
    assert!(
        failures.is_empty(),
        "{} of {n_cases} cases differ from PostgreSQL:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

fn answer(expression: &str) -> (String, String) {
    match run(&format!("SELECT x FROM (SELECT {expression} AS x) q")) {
        Ok(answer) => {
            let text = match &answer.rows[0][0] {
                Some(text) => text.replace('\\', "\\\\").replace('\n', "\\n"),
                None => "\\N".to_owned(),
            };
            (answer.types[0].internal_name(), text)
        }
        Err(error) => ("error".to_owned(), format!("{} {}", error.state().code(), error.message())),
    }
}

#[test]
fn numerics_are_rounded_for_comparison() {
    assert_eq!(rounded("0.3333333333333333", "0.333"), "0.333");
    assert_eq!(rounded("-1.005", "-1.01"), "-1.01");
    assert_eq!(rounded("1.5", "1.500"), "1.500");
    assert_eq!(SqlType::Int4.internal_name(), "int4");
}
