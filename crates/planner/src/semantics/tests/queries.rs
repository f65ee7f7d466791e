//! Each query of `tests-data/queries.txt`, over the relations that `tests-data/relations.sql` defines.

use super::{agrees, run};

const RELATIONS: &str = include_str!("../../../tests-data/relations.sql");
const CASES: &str = include_str!("../../../tests-data/queries.txt");

#[test]
fn queries_have_postgresqls_answers() {
    let mut failures = Vec::new();
    let mut n_cases = 0;
    for case in CASES.split("\n\n").filter(|case| !case.trim().is_empty()) {
        let (query, wanted) = case.trim_end().split_once("\n----").expect("a query and its answer");
        n_cases += 1;
        let found = answer(query);
        if !is_same(&found, wanted) {
            failures.push(format!("{query}\n  gives\n{found}\n  not{wanted}"));
        }
    }
    assert!(n_cases > 100, "only {n_cases} cases were read");
    assert!(
        failures.is_empty(),
        "{} of {n_cases} queries differ from PostgreSQL:\n{}",
        failures.len(),
        failures.join("\n\n")
    );
}

/// Types, then rows in the order of the query, or by text where it has none.
fn answer(query: &str) -> String {
    let with = RELATIONS.trim_end();
    let sql = match query.strip_prefix("WITH ") {
        Some(more) => format!("{}, {}", with, more.strip_prefix("RECURSIVE ").unwrap_or(more)),
        None => format!("{with} {query}"),
    };
    let answer = match run(&sql) {
        Ok(answer) => answer,
        Err(error) => return format!("error {}", error.state().code()),
    };
    let types: Vec<String> = answer.types.iter().map(|t| t.internal_name()).collect();
    let mut rows: Vec<String> = answer
        .rows
        .iter()
        .map(|row| {
            let texts = row.iter().map(|text| text.as_deref().unwrap_or("\\N"));
            texts.collect::<Vec<_>>().join("|")
        })
        .collect();
    if !query.contains("ORDER BY") {
        rows.sort_unstable();
    }
    format!("{}\n{}", types.join("|"), rows.join("\n"))
}

fn is_same(found: &str, wanted: &str) -> bool {
    let (found, wanted): (Vec<&str>, Vec<&str>) =
        (found.trim().split('\n').collect(), wanted.trim().split('\n').collect());
    let types: Vec<&str> = wanted[0].split('|').collect();
    let row_agrees = |(found, wanted): (&&str, &&str)| {
        let (found, wanted): (Vec<&str>, Vec<&str>) =
            (found.split('|').collect(), wanted.split('|').collect());
        found.len() == wanted.len()
            && found.iter().zip(&wanted).zip(&types).all(|((f, w), t)| agrees(f, w, t))
    };
    found.len() == wanted.len()
        && found[0] == wanted[0]
        && found.iter().zip(&wanted).skip(1).all(row_agrees)
}
