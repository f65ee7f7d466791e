//! Texts and their tokens.

use super::*;

/// Tokens with their kind: words as they are, quoted names in `"`, strings in `'`.
fn shown(text: &str) -> Vec<String> {
    let lexed = lex(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    lexed
        .lexemes
        .iter()
        .map(|lexeme| match &lexeme.token {
            Token::CustomBinaryOperator(op) => format!("custom {op}"),
            Token::Char(c) => format!("char {c}"),
            other => other.to_string(),
        })
        .collect()
}

#[test]
fn tokens_are_those_of_postgresql() {
    let cases: &[(&str, &[&str])] = &[
        ("", &[]),
        (
            "SELECT a_1$b, \"A\"\"b\", \u{dc}n\u{ef}code",
            &["select", "a_1$b", ",", "\"A\"b\"", ",", "\u{dc}n\u{ef}code"],
        ),
        // Comments and white space.
        ("a -- b\r c/* /* d */ ' */e\u{b}\u{c}\tf", &["a", "c", "e", "f"]),
        ("a--", &["a"]),
        // Strings.
        ("'it''s' ''", &["'it's'", "''"]),
        ("'a'  \n -- c\n 'b' 'c'", &["'ab'", "'c'"]),
        ("'a' -- c\n 'b'", &["'ab'"]),
        ("'a\\' N'n'", &["'a\\'", "'n'"]),
        (r"E'\n\t\\\'\101\x41\u0041\U0001F600''\q' e'x'", &["'\n\t\\'AAA\u{1f600}'q'", "'x'"]),
        (r"E'\uD83D\uDE00'", &["'\u{1f600}'"]),
        ("E'\\xC3\\xA9\u{e9}\\\u{e9}'", &["'\u{e9}\u{e9}\u{e9}'"]),
        (r#"U&'d\0061t\+000061\\' U&"d\0061t" u"#, &["'data\\'", "\"dat\"", "u"]),
        (r"U&'\D83D\DE00'", &["'\u{1f600}'"]),
        ("$$a'b$c$$ $t_1$ $$ $t$ $t_1$", &["'a'b$c'", "' $$ $t$ '"]),
        ("$$$$ $x", &["''", "char $", "x"]),
        ("$1 $23", &["$1", "$23"]),
        // Numbers.
        ("1 1.5 .5 1. 1e3 1.5E-3 1_000.5", &["1", "1.5", ".5", "1.", "1e3", "1.5E-3", "1000.5"]),
        ("0x1F 0o17 0b101 0x_f", &["31", "15", "5", "15"]),
        ("1..2 a.b t.1", &["1", ".", ".2", "a", ".", "b", "t", ".1"]),
        // Operators.
        (
            "a+-b a*-1 a=-1 a<>-1",
            &["a", "+", "-", "b", "a", "*", "-", "1", "a", "=", "-", "1", "a", "<>", "-", "1"],
        ),
        ("a != b <= c >= d => e", &["a", "<>", "b", "<=", "c", ">=", "d", "=>", "e"]),
        ("a@-b a~*b a!~~*b", &["a", "custom @-", "b", "a", "~*", "b", "a", "!~~*", "b"]),
        ("a->'x'->>0#>>b@>c<@d", &["a", "->", "'x'", "->>", "0", "#>>", "b", "@>", "c", "<@", "d"]),
        ("a*/*c*/b a---c", &["a", "*", "b", "a"]),
        (
            "a::b[1:2] c:=d ? ?| ?& <<| ##",
            &[
                "a",
                "::",
                "b",
                "[",
                "1",
                ":",
                "2",
                "]",
                "c",
                ":=",
                "d",
                "?",
                "?|",
                "?&",
                "custom <<|",
                "custom ##",
            ],
        ),
        ("{ \\", &["char {", "char \\"]),
    ];
    for (text, expected) in cases {
        assert_eq!(shown(text), *expected, "{text}");
    }
}

#[test]
fn positions_count_characters() {
    let lexed = lex("\u{e9} /*\u{fc}*/ '\u{df}' x").expect("valid tokens");
    let starts: Vec<_> =
        lexed.lexemes.iter().map(|l| (l.start, l.start_char, l.end_char)).collect();
    assert_eq!(starts, [(0, 0, 1), (10, 8, 11), (15, 12, 13)]);
    assert_eq!(lexed.slice(1, 3), "'\u{df}' x");
    assert_eq!(lexed.slice(3, 3), "");
    assert_eq!(lexed.position(3), 14);
}

#[test]
fn malformed_texts_are_refused_with_state_and_position() {
    let long = "x".repeat(64);
    let cases: Vec<(String, &str, &str, usize)> = [
        ("SELECT 'abc", "42601", "unterminated quoted string at or near \"'abc\"", 8),
        ("SELECT E'abc\\'", "42601", "unterminated quoted string at or near \"E'abc\\'\"", 8),
        ("\u{e9} \"abc", "42601", "unterminated quoted identifier at or near \"\"abc\"", 3),
        ("a /* b /* c */", "42601", "unterminated /* comment at or near \"/* b /* c */\"", 3),
        ("a $t$ $$", "42601", "unterminated dollar-quoted string at or near \"$t$ $$\"", 3),
        ("SELECT \"\"", "42601", "zero-length delimited identifier at or near \"\"\"\"", 8),
        ("1a", "42601", "trailing junk after numeric literal at or near \"1a\"", 1),
        ("x 1.5\u{e9}", "42601", "trailing junk after numeric literal at or near \"1.5\u{e9}\"", 3),
        ("1__0", "42601", "trailing junk after numeric literal at or near \"1__0\"", 1),
        ("0x1g", "42601", "trailing junk after numeric literal at or near \"0x1g\"", 1),
        ("$1a", "42601", "trailing junk after parameter at or near \"$1a\"", 1),
        ("$0", "42P02", "there is no parameter $0", 1),
        ("$70000", "42P02", "there is no parameter $70000", 1),
        ("a\0", "22021", "invalid byte sequence for encoding \"UTF8\": 0x00", 2),
        ("E'\\000'", "22021", "invalid byte sequence for encoding \"UTF8\": 0x00", 1),
        ("E'\\xff'", "22021", "invalid byte sequence for encoding \"UTF8\": 0xff", 1),
        ("E'\\u12'", "42601", "invalid Unicode escape", 3),
        ("E'\\uD800'", "42601", "invalid Unicode escape value", 3),
        ("U&'\\12'", "42601", "invalid Unicode escape", 1),
        ("X'1F'", "0A000", "bit string constants are not supported", 1),
    ]
    .into_iter()
    .map(|(text, state, message, position)| (text.to_owned(), state, message, position))
    .collect();
    for (text, state, message, position) in cases {
        let error = lex(&text).expect_err(&text);
        assert_eq!(
            (error.state().code(), error.message(), error.position()),
            (state, message, Some(position)),
            "{text:?}"
        );
    }
    let error = lex(&format!("a {long}")).expect_err("64 bytes");
    assert_eq!((error.state().code(), error.position()), ("42622", Some(3)));
    assert!(lex(&long[1..]).is_ok());
}

#[test]
fn a_message_quotes_no_more_than_it_must() {
    let text = format!("'{}", "\u{e9}".repeat(1000));
    let error = lex(&text).expect_err("unterminated");
    assert!(error.message().chars().count() < 150, "{error}");
}
