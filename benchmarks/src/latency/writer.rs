//! A connection that writes at a steady rate.

use std::fmt::Write;
use std::time::{Duration, Instant};

use tokio::time::sleep_until;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error};

use super::turns::Turns;
use super::{ROWS, STATEMENTS_PER_SECOND};

const KINDS: [&str; 8] = ["apple", "avocado", "banana", "cherry", "fig", "grape", "lemon", "pear"];
const ITEMS: i64 = 1_000;

/// An INSERT.
#[derive(Clone, Copy)]
pub(crate) struct Sent {
    /// When it was due: a server that lags does not slow the clock down.
    pub(crate) due: Instant,
    /// When its acknowledgement was there.
    pub(crate) acknowledged: Instant,
}

/// Writes in the turns that begin at `starts`; gives the number of the writer, and what was sent, in order.
pub(crate) async fn write(
    client: Client,
    writer: usize,
    turns: Turns,
    starts: Vec<tokio::time::Instant>,
) -> Result<(usize, Vec<Sent>), Error> {
    let statement = client.prepare(&insert()).await?;
    let mut sent = Vec::with_capacity(turns.n_statements());
    // Writers are not in step.
    let period = Duration::from_secs(1) / STATEMENTS_PER_SECOND;
    let offset = period * writer as u32 / super::WRITERS as u32;
    for statement_idx in 0..turns.n_statements() {
        let (turn, idx) = (
            statement_idx / turns.statements_of_turn(),
            statement_idx % turns.statements_of_turn(),
        );
        // One that is late does not move those behind it.
        let due = starts[turn] + offset + period * idx as u32;
        sleep_until(due).await;
        let rows: Vec<_> =
            (0..ROWS).map(|row| row_of(writer, (statement_idx * ROWS + row) as i64)).collect();
        let values: Vec<&(dyn ToSql + Sync)> = rows
            .iter()
            .flat_map(|(writer, seq, item, kind, price)| {
                [writer as &(dyn ToSql + Sync), seq, item, kind, price]
            })
            .collect();
        client.execute(&statement, &values).await?;
        sent.push(Sent { due: due.into_std(), acknowledged: Instant::now() });
    }
    Ok((writer, sent))
}

fn insert() -> String {
    let mut sql = "INSERT INTO ticks VALUES ".to_owned();
    for row in 0..ROWS {
        let first = row * 5 + 1;
        let comma = if row == 0 { "" } else { ", " };
        write!(
            sql,
            "{comma}(${first}, ${}, ${}, ${}, ${})",
            first + 1,
            first + 2,
            first + 3,
            first + 4
        )
        .expect("a string takes all");
    }
    sql
}

fn row_of(writer: usize, seq: i64) -> (i32, i64, i32, &'static str, f64) {
    let mixed = (seq.wrapping_mul(0x9e37_79b9) ^ writer as i64).rem_euclid(1 << 32);
    let item = (mixed % ITEMS) as i32;
    let kind = KINDS[(mixed / ITEMS % 8) as usize];
    let price = (mixed / 8 % 100_000) as f64 / 100.0;
    (writer as i32, seq, item, kind, price)
}
