//! Patterns: POSIX regular expressions, `SIMILAR TO` and the escapes of `LIKE`.
//!
//! Regular expressions are run by the `regex` crate. **What differs from PostgreSQL:** of alternatives
//! the first that matches wins, not the longest; a quantifier's greed is its own, not that of the first
//! one; back references and lookaround are not supported (0A000).

mod dialect;
mod functions;
mod like;
mod quantified;

use std::collections::VecDeque;

use parking_lot::Mutex;
use regex::Regex;
use weir_types::Result;

use super::overload::Declaration;

/// The functions of this module.
pub(crate) fn declarations() -> impl Iterator<Item = &'static Declaration> {
    let quantified = quantified::DECLARATIONS.as_flattened().iter();
    functions::DECLARATIONS.iter().chain(like::DECLARATIONS).chain(quantified)
}

/// What `LIKE` asks for, where the operator of that symbol is one: negated, and in any case of letters.
pub(crate) fn like_of_symbol(symbol: &str) -> Option<(bool, bool)> {
    match symbol {
        "~~" => Some((false, false)),
        "!~~" => Some((true, false)),
        "~~*" => Some((false, true)),
        "!~~*" => Some((true, true)),
        _ => None,
    }
}

/// What the letters of a flags argument ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Flags {
    ignores_case: bool,
    is_expanded: bool,
    is_literal: bool,
    /// `.` and negated brackets do not match a newline.
    stops_at_newline: bool,
    /// `^` and `$` match at newlines too.
    is_multi_line: bool,
    is_global: bool,
}

/// The last expression of a call: most calls have one pattern for all rows.
#[derive(Default)]
struct Compiled {
    last: Option<(String, Flags, Regex)>,
}

impl Compiled {
    fn get(&mut self, pattern: &str, flags: Flags) -> Result<&Regex> {
        let is_known = self.last.as_ref().is_some_and(|(p, f, _)| p == pattern && *f == flags);
        if !is_known {
            let regex = recent(pattern, flags)?;
            self.last = Some((pattern.to_owned(), flags, regex));
        }
        match &self.last {
            Some((_, _, regex)) => Ok(regex),
            None => Err(weir_types::Error::internal("a regular expression was just compiled")),
        }
    }
}

/// Expressions that are kept compiled: each may take [`dialect::COMPILED_BYTES_MAX`].
const RECENT_MAX: usize = 16;

/// Expressions that calls had lately, the last one first. Compiling one takes as long as matching some
/// thousand texts, and each batch of each thread is a call.
static RECENT: Mutex<VecDeque<(String, Flags, Regex)>> = Mutex::new(VecDeque::new());

/// The compiled expression. A clone shares the program, and has memory of its own to match in.
fn recent(pattern: &str, flags: Flags) -> Result<Regex> {
    let known = {
        let mut recent = RECENT.lock();
        let at = recent.iter().position(|(p, f, _)| p == pattern && *f == flags);
        at.and_then(|at| recent.remove(at))
    };
    let known = match known {
        Some(known) => known,
        None => (pattern.to_owned(), flags, dialect::compile(pattern, flags)?),
    };
    let regex = known.2.clone();
    let mut recent = RECENT.lock();
    recent.push_front(known);
    recent.truncate(RECENT_MAX);
    Ok(regex)
}
