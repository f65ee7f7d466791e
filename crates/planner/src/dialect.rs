//! SQL text to [`Statement`]: PostgreSQL's grammar by sqlparser, Weir's own statements by hand on
//! top of its tokens.

mod ast;
mod build;
mod guard;
mod lex;
mod parse;
mod split;
pub mod visit;

pub use ast::*;
pub use build::{fold, no_rows, plain_query, plain_select, star_query, without_places};
pub use guard::check_text;
pub use parse::{parse_expr, parse_query, parse_sql, sql_type};
