//! Results as tables for people.

use crate::Result;
use crate::pg_client::{Answer, PgClient};

/// Prints what the views over the flights hold.
pub(super) fn flights(client: &mut PgClient) -> Result<()> {
    for (title, query) in [
        (
            "Airlines by mean delay of departure (minutes), a join kept up to date",
            "SELECT * FROM delays_by_airline ORDER BY mean_delay DESC, airline",
        ),
        (
            "Delays by wind (miles an hour), a join with the weather of the hour",
            "SELECT * FROM delays_by_wind ORDER BY wind_from_mph",
        ),
        (
            "The worst hours, an aggregate by event time",
            "SELECT * FROM departures_by_hour \
             ORDER BY delay_minutes DESC NULLS LAST, origin, time_hour LIMIT 5",
        ),
        (
            "The busiest routes, an outer join with the airports",
            "SELECT * FROM routes ORDER BY flights DESC, origin, dest LIMIT 5",
        ),
    ] {
        let answer = client.query(query)?;
        println!("\n{title}\n{}", table(&answer));
    }
    Ok(())
}

/// Prints one line of what the live views hold now.
pub(super) fn live(client: &mut PgClient) -> Result<()> {
    let channels = client
        .query("SELECT channel, bids FROM bids_by_channel ORDER BY bids DESC, channel LIMIT 4")?;
    let categories =
        client.query("SELECT category, highest FROM bids_by_category ORDER BY category LIMIT 5")?;
    let total = client.number("SELECT coalesce(sum(bids), 0) FROM bids_by_channel")?;
    println!(
        "live: {total} bids | bids by channel: {} | highest bid by category: {}",
        pairs(&channels),
        pairs(&categories)
    );
    Ok(())
}

fn pairs(answer: &Answer) -> String {
    let words: Vec<String> =
        answer.rows.iter().map(|row| row.iter().map(shown).collect::<Vec<_>>().join(" ")).collect();
    words.join(", ")
}

fn shown(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or("-")
}

/// Columns padded to the longest value.
fn table(answer: &Answer) -> String {
    let mut lines: Vec<Vec<&str>> = vec![answer.columns.iter().map(String::as_str).collect()];
    lines.extend(answer.rows.iter().map(|row| row.iter().map(shown).collect()));
    let widths: Vec<usize> = (0..answer.columns.len())
        .map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut out = String::new();
    for line in lines {
        let cells: Vec<String> =
            line.iter().zip(&widths).map(|(text, width)| format!("{text:<width$}")).collect();
        out.push_str(&format!("  {}\n", cells.join("  ").trim_end()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_longest_value() {
        let answer = Answer {
            columns: vec!["a".to_owned(), "flights".to_owned()],
            rows: vec![vec![Some("EWR".to_owned()), None]],
        };
        assert_eq!(table(&answer), "  a    flights\n  EWR  -\n");
    }
}
