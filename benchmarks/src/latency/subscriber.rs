//! A connection that follows a view, as an application would.

use std::pin::pin;
use std::time::Instant;

use futures::TryStreamExt;
use tokio_postgres::{Client, Error};

use super::{ROWS, WRITERS};

/// For each writer, the last rows of its INSERTs as they were seen: `seq`, ascending, and when.
pub(crate) type Seen = [Vec<(i64, Instant)>; WRITERS];

/// Follows a view until it has the last row of each writer.
pub(crate) async fn follow(client: Client, view: &str, n_statements: usize) -> Result<Seen, Error> {
    let sql =
        format!("SUBSCRIBE TO (SELECT writer, seq FROM {view} WHERE seq % {ROWS} = {})", ROWS - 1);
    let last = (n_statements * ROWS) as i64 - 1;
    let mut rows = pin!(client.query_raw(&sql, Vec::<i64>::new()).await?);
    let mut seen = Seen::default();
    let mut n_done = 0;
    while n_done < WRITERS
        && let Some(row) = rows.try_next().await?
    {
        let at = Instant::now();
        let (diff, writer, seq): (i64, i32, i64) =
            (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
        let of_writer = &mut seen[writer as usize];
        if diff > 0 && of_writer.last().is_none_or(|(before, _)| *before < seq) {
            of_writer.push((seq, at));
            n_done += usize::from(seq == last);
        }
    }
    Ok(seen)
}
