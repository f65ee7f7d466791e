//! The time of the statement. The functions that tell it are put into plans as calls of `now`, which the
//! engine replaces by a constant before a plan runs: nothing reads a clock while rows are computed.

use arrow::array::ArrayRef;
use arrow::datatypes::TimestampMicrosecondType;
use weir_types::{Error, Result, SqlState};

use super::call::Call;
use super::overload::{Declaration, declare};

/// The one function that stands for the statement's time.
pub(crate) const NOW: &str = "now";

/// PostgreSQL's other names of it. All statements of a transaction read at one moment, so that they
/// agree.
pub(crate) const SYNONYMS: &[&str] =
    &["current_timestamp", "transaction_timestamp", "statement_timestamp"];

pub(crate) const DECLARATIONS: &[Declaration] = &[
    declare("now() -> timestamptz", unbound).stable().total(),
    declare("current_timestamp() -> timestamptz", unbound).stable().total(),
    declare("transaction_timestamp() -> timestamptz", unbound).stable().total(),
    declare("statement_timestamp() -> timestamptz", unbound).stable().total(),
    declare("clock_timestamp() -> timestamptz", |call| {
        call.each::<TimestampMicrosecondType>(|_| Ok(chrono::Utc::now().timestamp_micros()))
    })
    .volatile()
    .total(),
    // Local forms: cast from `now` when planned, in the zone of the session.
    declare("localtimestamp() -> timestamp", unbound).stable().total(),
    declare("current_date() -> date", unbound).stable().total(),
    declare("localtime() -> time", unbound).stable().total(),
];

fn unbound(call: &Call<'_>) -> Result<ArrayRef> {
    Err(Error::new(
        SqlState::InternalError,
        format!("{}() was to be replaced by the time of the statement", call.name),
    ))
}
