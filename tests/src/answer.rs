//! Answers of a database as text, and when two of them are the same.

use std::fmt;

/// A row; NULL is `None`.
pub type Row = Vec<Option<String>>;

/// What a statement gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Which rule compares each column; empty where there are no rows to return.
    pub columns: Vec<Form>,
    /// The rows in their order.
    pub rows: Vec<Row>,
    /// The command tag; empty where it was not told.
    pub tag: String,
}

/// How the text of a column's values is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it is.
    Exact,
    /// A number of arbitrary precision: trailing zeros after the point do not count.
    Numeric,
    /// A binary fraction: the sign of zero does not count, since which of two equal zeros stands for a
    /// group is the one that PostgreSQL met first, and always the positive one here.
    Float,
}

/// Why a statement failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The SQLSTATE.
    pub code: String,
    /// The message.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

/// The outcome of a statement.
pub type Outcome = Result<Answer, Failure>;

impl Answer {
    /// The rows as a multiset: sorted, in the forms of `columns`.
    #[must_use]
    pub fn multiset(&self, columns: &[Form]) -> Vec<Row> {
        let cell = |(value, form): (&Option<String>, &Form)| {
            value.as_ref().map(|text| normal(text, *form))
        };
        let mut rows: Vec<Row> =
            self.rows.iter().map(|row| row.iter().zip(columns).map(cell).collect()).collect();
        rows.sort();
        rows
    }
}

fn normal(text: &str, form: Form) -> String {
    match form {
        Form::Exact => text.to_owned(),
        Form::Float if text == "-0" => "0".to_owned(),
        Form::Float => text.to_owned(),
        Form::Numeric if text.contains('.') => {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        Form::Numeric => text.to_owned(),
    }
}

/// How two answers differ as multisets; `None` where they do not. `columns` are the forms to compare in.
#[must_use]
pub fn difference(columns: &[Form], left: &Answer, right: &Answer) -> Option<String> {
    let (left, right) = (left.multiset(columns), right.multiset(columns));
    if left == right {
        return None;
    }
    let only = |these: &[Row], those: &[Row]| {
        let mut others = those.iter().peekable();
        let mut found = Vec::new();
        for row in these {
            while others.next_if(|other| *other < row).is_some() {}
            if others.next_if(|other| *other == row).is_none() {
                found.push(show(row));
            }
        }
        found
    };
    let (missing, extra) = (only(&right, &left), only(&left, &right));
    Some(format!(
        "{} rows against {}\n  only in the first ({}):\n{}  only in the second ({}):\n{}",
        left.len(),
        right.len(),
        extra.len(),
        listed(&extra),
        missing.len(),
        listed(&missing)
    ))
}

/// A row for people.
#[must_use]
pub fn show(row: &Row) -> String {
    let cells = row.iter().map(|cell| cell.as_deref().unwrap_or("NULL").to_owned());
    cells.collect::<Vec<_>>().join(" | ")
}

fn listed(rows: &[String]) -> String {
    const SHOWN_MAX: usize = 12;
    rows.iter().take(SHOWN_MAX).map(|row| format!("    {row}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(rows: &[&[&str]]) -> Answer {
        let row = |cells: &&[&str]| cells.iter().map(|cell| Some((*cell).to_owned())).collect();
        Answer { columns: Vec::new(), rows: rows.iter().map(row).collect(), tag: String::new() }
    }

    #[test]
    fn multisets_count_duplicates_and_ignore_order() {
        let one = answer(&[&["a"], &["b"], &["a"]]);
        assert_eq!(difference(&[Form::Exact], &one, &answer(&[&["b"], &["a"], &["a"]])), None);
        let found = difference(&[Form::Exact], &one, &answer(&[&["a"], &["b"], &["b"]]));
        let expected =
            "3 rows against 3\n  only in the first (1):\n    a\n  only in the second (1):\n    b\n";
        assert_eq!(found.as_deref(), Some(expected));
    }

    #[test]
    fn forms_say_what_counts() {
        let same = |form, left, right| {
            difference(&[form], &answer(&[&[left]]), &answer(&[&[right]])).is_none()
        };
        assert!(same(Form::Numeric, "1.50", "1.5") && same(Form::Numeric, "100", "100"));
        assert!(!same(Form::Numeric, "100", "1") && !same(Form::Exact, "1.50", "1.5"));
        assert!(same(Form::Float, "-0", "0") && !same(Form::Float, "-1", "1"));
    }
}
