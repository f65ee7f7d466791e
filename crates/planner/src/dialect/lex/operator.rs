//! Operators and punctuation.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::Lexer;

/// Longest operator; also keeps a long run of signs, each of which is one token, linear.
const OPERATOR_BYTES_MAX: usize = 64;

impl Lexer<'_> {
    /// The operator or punctuation mark at the cursor; a character that SQL does not know becomes
    /// [`Token::Char`], at which the parser fails.
    pub(super) fn symbol(&mut self, start: usize) -> Token {
        let first = self.text.as_bytes()[start];
        if is_operator_part(first) {
            let len = operator_len(self.rest());
            self.at += len;
            return operator_token(&self.text[start..self.at]);
        }
        let (token, len) = match (first, self.peek_at(1)) {
            (b',', _) => (Token::Comma, 1),
            (b'(', _) => (Token::LParen, 1),
            (b')', _) => (Token::RParen, 1),
            (b'[', _) => (Token::LBracket, 1),
            (b']', _) => (Token::RBracket, 1),
            (b';', _) => (Token::SemiColon, 1),
            (b'.', _) => (Token::Period, 1),
            (b':', Some(b':')) => (Token::DoubleColon, 2),
            (b':', Some(b'=')) => (Token::Assignment, 2),
            (b':', _) => (Token::Colon, 1),
            (other, _) => (Token::Char(char::from(other)), 1),
        };
        self.at += len;
        token
    }
}

fn is_operator_part(byte: u8) -> bool {
    b"~!@#^&|`?+-*/%<>=".contains(&byte)
}

/// PostgreSQL's rule: the longest run of operator characters, up to a comment; without a `+` or `-`
/// at its end unless one of `~!@#%^&|`? is in it, so that `a=-1` is `a = -1`.
fn operator_len(text: &str) -> usize {
    let bytes = text.as_bytes();
    let run = bytes.iter().take(OPERATOR_BYTES_MAX);
    let run = run.take_while(|byte| is_operator_part(**byte)).count();
    let comment = (1..run).find(|&at| matches!(bytes.get(at..at + 2), Some(b"--" | b"/*")));
    let mut len = comment.unwrap_or(run);
    if !bytes[..len].iter().any(|byte| b"~!@#^&|`?%".contains(byte)) {
        while len > 1 && matches!(bytes[len - 1], b'+' | b'-') {
            len -= 1;
        }
    }
    len
}

fn operator_token(text: &str) -> Token {
    match text {
        "+" => Token::Plus,
        "-" => Token::Minus,
        "*" => Token::Mul,
        "/" => Token::Div,
        "%" => Token::Mod,
        "^" => Token::Caret,
        "=" => Token::Eq,
        "<" => Token::Lt,
        ">" => Token::Gt,
        "<=" => Token::LtEq,
        ">=" => Token::GtEq,
        "<>" | "!=" => Token::Neq,
        "=>" => Token::RArrow,
        "||" => Token::StringConcat,
        "&" => Token::Ampersand,
        "|" => Token::Pipe,
        "#" => Token::Sharp,
        "<<" => Token::ShiftLeft,
        ">>" => Token::ShiftRight,
        "&&" => Token::Overlap,
        "^@" => Token::CaretAt,
        "@" => Token::AtSign,
        "|/" => Token::PGSquareRoot,
        "||/" => Token::PGCubeRoot,
        "~" => Token::Tilde,
        "~*" => Token::TildeAsterisk,
        "!~" => Token::ExclamationMarkTilde,
        "!~*" => Token::ExclamationMarkTildeAsterisk,
        "~~" => Token::DoubleTilde,
        "~~*" => Token::DoubleTildeAsterisk,
        "!~~" => Token::ExclamationMarkDoubleTilde,
        "!~~*" => Token::ExclamationMarkDoubleTildeAsterisk,
        "->" => Token::Arrow,
        "->>" => Token::LongArrow,
        "#>" => Token::HashArrow,
        "#>>" => Token::HashLongArrow,
        "#-" => Token::HashMinus,
        "@>" => Token::AtArrow,
        "<@" => Token::ArrowAt,
        "@?" => Token::AtQuestion,
        "@@" => Token::AtAt,
        "?" => Token::Question,
        "?|" => Token::QuestionPipe,
        "?&" => Token::QuestionAnd,
        other => Token::CustomBinaryOperator(other.to_owned()),
    }
}
