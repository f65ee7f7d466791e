//! Functions and operators of dates, times, timestamps and intervals.

mod arithmetic;
pub(crate) mod calendar;
mod extract;
mod format;
pub(crate) mod interval;
mod make;
mod parse;
pub(crate) mod template;
mod trunc;

pub(crate) use arithmetic::{instant_after, plus as stamp_after};

use super::overload::Declaration;

/// The functions of this module.
pub(crate) fn declarations() -> impl Iterator<Item = &'static Declaration> {
    arithmetic::DECLARATIONS
        .iter()
        .chain(extract::DECLARATIONS)
        .chain(format::DECLARATIONS)
        .chain(interval::DECLARATIONS)
        .chain(make::DECLARATIONS)
        .chain(parse::DECLARATIONS)
        .chain(trunc::DECLARATIONS)
}
