//! One text to its statements.

use std::ops::Range;

use datafusion::sql::sqlparser::tokenizer::Token;

use super::lex::Lexeme;

/// The lexemes of each statement, without its semicolon; empty statements are left out.
///
/// A semicolon ends a statement wherever it is, as in PostgreSQL: inside brackets it is an error of
/// the statement that it cuts.
pub(super) fn statements(lexemes: &[Lexeme]) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut start = 0;
    for (idx, lexeme) in lexemes.iter().enumerate() {
        if lexeme.token == Token::SemiColon {
            ranges.push(start..idx);
            start = idx + 1;
        }
    }
    ranges.push(start..lexemes.len());
    ranges.retain(|range| !range.is_empty());
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::lex::lex;

    fn split(text: &str) -> Vec<&str> {
        let lexed = lex(text).expect("valid tokens");
        let ranges = statements(&lexed.lexemes);
        let slice = |range: &Range<usize>| {
            &text[lexed.lexemes[range.start].start..lexed.lexemes[range.end - 1].end]
        };
        ranges.iter().map(slice).collect()
    }

    #[test]
    fn only_semicolons_outside_of_constants_and_comments_split() {
        assert_eq!(split("SELECT 1; SELECT 2"), ["SELECT 1", "SELECT 2"]);
        assert_eq!(
            split("SELECT ';', \"a;b\", $$;$$, $t$ ; $$ $t$, E'\\';' -- ;\n /* ; /* ; */ ; */ ;x"),
            ["SELECT ';', \"a;b\", $$;$$, $t$ ; $$ $t$, E'\\';'", "x"]
        );
    }

    #[test]
    fn empty_statements_vanish() {
        assert_eq!(split(""), [""; 0]);
        assert_eq!(split(" ;; -- nothing\n;"), [""; 0]);
        assert_eq!(split(";SELECT 1;;\n"), ["SELECT 1"]);
    }
}
