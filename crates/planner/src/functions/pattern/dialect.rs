//! PostgreSQL's advanced regular expressions in the words of the `regex` crate.

use std::iter::Peekable;
use std::str::Chars;

use regex::{Regex, RegexBuilder};
use weir_types::{Error, Result, SqlState};

use super::Flags;

/// Bytes that a compiled expression may take.
pub(super) const COMPILED_BYTES_MAX: usize = 10 << 20;

/// The expression of a pattern.
///
/// # Errors
/// 2201B for a bad pattern, 0A000 for what cannot be matched in linear time.
pub(super) fn compile(pattern: &str, flags: Flags) -> Result<Regex> {
    let mut flags = flags;
    let pattern = embedded(pattern, &mut flags)?;
    let translated = if flags.is_literal {
        regex::escape(pattern)
    } else {
        Translator::new(pattern).translate()?
    };
    RegexBuilder::new(&translated)
        .case_insensitive(flags.ignores_case)
        .ignore_whitespace(flags.is_expanded && !flags.is_literal)
        .dot_matches_new_line(!flags.stops_at_newline)
        .multi_line(flags.is_multi_line)
        .size_limit(COMPILED_BYTES_MAX)
        .build()
        .map_err(|error| invalid(error.to_string().lines().last().unwrap_or("").trim()))
}

fn invalid(detail: &str) -> Error {
    let detail = detail.strip_prefix("error: ").unwrap_or(detail);
    Error::new(SqlState::InvalidRegularExpression, format!("invalid regular expression: {detail}"))
}

fn unsupported(what: &str) -> Error {
    Error::unsupported(format!("{what} in regular expressions is not supported"))
}

/// Takes a director (`***=`) and options (`(?i)`) off the front of a pattern.
fn embedded<'p>(pattern: &'p str, flags: &mut Flags) -> Result<&'p str> {
    let mut pattern = pattern;
    if let Some(literal) = pattern.strip_prefix("***=") {
        flags.is_literal = true;
        return Ok(literal);
    }
    pattern = pattern.strip_prefix("***:").unwrap_or(pattern);
    if flags.is_literal {
        return Ok(pattern);
    }
    if let Some((letters, rest)) = pattern.strip_prefix("(?").and_then(|rest| rest.split_once(')'))
        && !letters.is_empty()
        && letters.bytes().all(|letter| letter.is_ascii_lowercase())
    {
        flags.add(letters, "embedded option")?;
        pattern = rest;
    }
    Ok(pattern)
}

impl Flags {
    /// Adds what the letters ask for; later letters win.
    pub(super) fn add(&mut self, letters: &str, what: &str) -> Result<()> {
        for letter in letters.chars() {
            match letter {
                'g' => self.is_global = true,
                'i' => self.ignores_case = true,
                'c' => self.ignores_case = false,
                'x' => self.is_expanded = true,
                't' => self.is_expanded = false,
                'q' => self.is_literal = true,
                'n' | 'm' => (self.stops_at_newline, self.is_multi_line) = (true, true),
                'p' => (self.stops_at_newline, self.is_multi_line) = (true, false),
                'w' => (self.stops_at_newline, self.is_multi_line) = (false, true),
                's' => (self.stops_at_newline, self.is_multi_line) = (false, false),
                'e' => {}
                _ => {
                    return Err(Error::new(
                        SqlState::InvalidParameterValue,
                        format!("invalid regular expression {what}: \"{letter}\""),
                    ));
                }
            }
        }
        Ok(())
    }
}

struct Translator<'p> {
    rest: Peekable<Chars<'p>>,
    out: String,
}

impl<'p> Translator<'p> {
    fn new(pattern: &'p str) -> Self {
        Self { rest: pattern.chars().peekable(), out: String::with_capacity(pattern.len() + 8) }
    }

    fn translate(mut self) -> Result<String> {
        while let Some(c) = self.rest.next() {
            match c {
                '\\' => self.escape(false)?,
                '[' => self.bracket()?,
                '(' => self.group()?,
                // No bound: the brace stands for itself.
                '{' if !self.rest.peek().is_some_and(char::is_ascii_digit) => {
                    self.out.push_str("\\{")
                }
                '{' => self.bound()?,
                '}' => self.out.push_str("\\}"),
                other => self.out.push(other),
            }
        }
        Ok(self.out)
    }

    fn group(&mut self) -> Result<()> {
        self.out.push('(');
        if self.rest.next_if_eq(&'?').is_none() {
            return Ok(());
        }
        match self.rest.next() {
            Some(':') => self.out.push_str("?:"),
            Some('=' | '!') => return Err(unsupported("lookahead")),
            Some('<') => return Err(unsupported("lookbehind")),
            Some('#') => {
                // A comment, up to the next bracket.
                self.out.pop();
                while self.rest.next().is_some_and(|c| c != ')') {}
            }
            _ => return Err(invalid("quantifier operand invalid")),
        }
        Ok(())
    }

    fn bound(&mut self) -> Result<()> {
        self.out.push('{');
        loop {
            match self.rest.next() {
                Some('}') => {
                    self.out.push('}');
                    return Ok(());
                }
                Some(c) if c.is_ascii_digit() || c == ',' => self.out.push(c),
                _ => return Err(invalid("invalid repetition count(s)")),
            }
        }
    }

    fn escape(&mut self, in_bracket: bool) -> Result<()> {
        let Some(c) = self.rest.next() else {
            return Err(invalid("invalid escape \\ sequence"));
        };
        match c {
            'y' if !in_bracket => self.out.push_str("\\b"),
            'Y' if !in_bracket => self.out.push_str("\\B"),
            'm' if !in_bracket => self.out.push_str("\\b{start}"),
            'M' if !in_bracket => self.out.push_str("\\b{end}"),
            'A' if !in_bracket => self.out.push_str("\\A"),
            'Z' if !in_bracket => self.out.push_str("\\z"),
            'b' => self.out.push_str("\\x08"),
            'B' => self.out.push_str("\\\\"),
            'e' => self.out.push_str("\\x1B"),
            'd' | 'D' | 's' | 'S' | 'w' | 'W' | 'a' | 'f' | 'n' | 'r' | 't' | 'v' => {
                self.out.push('\\');
                self.out.push(c);
            }
            'x' => self.code_point(usize::MAX)?,
            'u' => self.code_point(4)?,
            'U' => self.code_point(8)?,
            'c' => {
                let control = self.rest.next().map_or(0, |c| c as u32 & 0x1F);
                self.out.push_str(&format!("\\x{{{control:X}}}"));
            }
            '0' => self.out.push_str("\\x00"),
            '1'..='9' => return Err(unsupported("a back reference")),
            c if c.is_alphabetic() => return Err(invalid("invalid escape \\ sequence")),
            c => self.out.push_str(&regex::escape(&c.to_string())),
        }
        Ok(())
    }

    fn code_point(&mut self, digits_max: usize) -> Result<()> {
        let mut digits = String::new();
        while digits.len() < digits_max
            && let Some(digit) = self.rest.next_if(char::is_ascii_hexdigit)
        {
            digits.push(digit);
        }
        if digits.is_empty() {
            return Err(invalid("invalid escape \\ sequence"));
        }
        self.out.push_str(&format!("\\x{{{digits}}}"));
        Ok(())
    }

    fn bracket(&mut self) -> Result<()> {
        if self.word_boundary() {
            return Ok(());
        }
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        // A bracket right at the start stands for itself.
        if self.rest.next_if_eq(&']').is_some() {
            self.out.push_str("\\]");
        }
        loop {
            match self.rest.next() {
                None => return Err(invalid("brackets [] not balanced")),
                Some(']') => {
                    self.out.push(']');
                    return Ok(());
                }
                Some('[') => self.in_bracket()?,
                Some('\\') => self.escape(true)?,
                // Set operations of the crate.
                Some(c @ ('&' | '~')) => {
                    self.out.push('\\');
                    self.out.push(c);
                }
                Some(c) => self.out.push(c),
            }
        }
    }

    /// `[[:<:]]` and `[[:>:]]`: where a word begins and ends.
    fn word_boundary(&mut self) -> bool {
        for (written, boundary) in [("[:<:]]", "\\b{start}"), ("[:>:]]", "\\b{end}")] {
            let mut ahead = self.rest.clone();
            if written.chars().all(|c| ahead.next() == Some(c)) {
                self.rest = ahead;
                self.out.push_str(boundary);
                return true;
            }
        }
        false
    }

    /// A class (`[:alpha:]`), an equivalence or a collating element; or a bracket that stands for itself.
    fn in_bracket(&mut self) -> Result<()> {
        match self.rest.peek() {
            Some(':') => {
                self.out.push('[');
                loop {
                    match self.rest.next() {
                        None => return Err(invalid("brackets [] not balanced")),
                        Some(']') => {
                            self.out.push(']');
                            return Ok(());
                        }
                        Some(c) => self.out.push(c),
                    }
                }
            }
            Some(&mark @ ('=' | '.')) => {
                self.rest.next();
                let element = self.rest.next();
                if self.rest.next() != Some(mark) || self.rest.next() != Some(']') {
                    return Err(invalid("invalid collating element"));
                }
                self.out.extend(element.map(|c| regex::escape(&c.to_string())));
                Ok(())
            }
            _ => {
                self.out.push_str("\\[");
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::compile;
    use crate::functions::pattern::Flags;

    fn matches(pattern: &str, text: &str) -> bool {
        compile(pattern, Flags::default()).expect("a pattern").is_match(text)
    }

    #[test]
    fn what_postgresql_writes_otherwise() {
        assert!(matches("^a.c$", "a\nc"));
        assert!(!matches("^a$", "a\n"));
        assert!(matches("\\mcat\\M", "a cat sat"));
        assert!(!matches("[[:<:]]at", "a cat sat"));
        assert!(matches("[]a]+", "]a"));
        assert!(matches("^[a[b]+$", "a[b"));
        assert!(matches("^[[:alpha:]_]+$", "ab_"));
        assert!(matches("a{x}", "a{x}"));
        assert!(matches("^a{2,3}$", "aaa"));
        assert!(matches("(?i)ABC", "abc"));
        assert!(matches("***=a.c", "xa.cx"));
        assert!(matches("[\\d&]", "&"));
    }

    #[test]
    fn bad_and_unsupported_patterns_have_their_states() {
        for (pattern, code) in [
            ("(a", "2201B"),
            ("[a", "2201B"),
            ("a\\", "2201B"),
            ("(a)\\1", "0A000"),
            ("(?=a)", "0A000"),
        ] {
            let error = compile(pattern, Flags::default()).expect_err("no pattern");
            assert_eq!(error.state().code(), code, "{pattern}: {error}");
        }
    }
}
