//! The views: filters, projections, aggregations.

use tokio_postgres::{Client, Error};

/// A view, and what it is.
pub(crate) struct View {
    pub(crate) name: &'static str,
    pub(crate) kind: &'static str,
    query: &'static str,
}

const fn view(name: &'static str, kind: &'static str, query: &'static str) -> View {
    View { name, kind, query }
}

/// Each has `writer` and `seq`, by which rows are known; the last row of an INSERT, whose `seq` is 24 modulo
/// 25, is in all of them.
pub(crate) const VIEWS: [View; 12] = [
    view(
        "dear",
        "filter",
        "SELECT writer, seq, price FROM ticks WHERE seq % 25 = 24 OR price > 990",
    ),
    view(
        "one_item",
        "filter",
        "SELECT writer, seq, item FROM ticks WHERE seq % 25 = 24 OR item % 100 = 7",
    ),
    view(
        "cheap_of_a_kind",
        "filter",
        "SELECT writer, seq, kind FROM ticks WHERE seq % 25 = 24 OR kind LIKE 'a%' AND price < 100",
    ),
    view(
        "few_items",
        "filter",
        "SELECT writer, seq, item, price FROM ticks WHERE seq % 25 = 24 OR item BETWEEN 10 AND 19",
    ),
    view("in_euros", "projection", "SELECT writer, seq, price * 0.908 AS euros FROM ticks"),
    view(
        "labels",
        "projection",
        "SELECT writer, seq, upper(kind) || '-' || item AS label FROM ticks",
    ),
    view(
        "classes",
        "projection",
        "SELECT writer, seq, CASE WHEN price < 100 THEN 'low' WHEN price < 900 THEN 'middle' ELSE 'high' END \
         AS class FROM ticks",
    ),
    view("rounded", "projection", "SELECT writer, seq, item, round(price) AS price FROM ticks"),
    view(
        "by_writer",
        "aggregation",
        "SELECT writer, max(seq) AS seq, count(*) AS n, sum(price) AS total FROM ticks GROUP BY writer",
    ),
    view(
        "by_kind",
        "aggregation",
        "SELECT writer, kind, max(seq) AS seq, avg(price) AS mean, min(price) AS low, max(price) AS high \
         FROM ticks GROUP BY writer, kind",
    ),
    view(
        "by_item",
        "aggregation",
        "SELECT writer, item, max(seq) AS seq, count(*) FILTER (WHERE price > 500) AS dear FROM ticks \
         GROUP BY writer, item",
    ),
    view(
        "items_of_kinds",
        "aggregation",
        "SELECT writer, kind, max(seq) AS seq, count(DISTINCT item) AS items FROM ticks GROUP BY writer, kind",
    ),
];

/// Makes the stream and its views.
pub(crate) async fn create(client: &Client) -> Result<(), Error> {
    client
        .batch_execute(
            "CREATE STREAM ticks (writer integer, seq bigint, item integer, kind text, \
             price double precision)",
        )
        .await?;
    for View { name, query, .. } in VIEWS {
        client.batch_execute(&format!("CREATE MATERIALIZED VIEW {name} AS {query}")).await?;
    }
    Ok(())
}

/// Views of streams that nothing comes into, of the same kinds.
pub(crate) async fn create_idle(client: &Client, n_views: usize) -> Result<(), Error> {
    for view_idx in 0..n_views {
        let stream = format!("idle_{}", view_idx / 100);
        if view_idx % 100 == 0 {
            client
                .batch_execute(&format!(
                    "CREATE STREAM {stream} (writer integer, seq bigint, item integer, kind text, \
                     price double precision)"
                ))
                .await?;
        }
        let View { query, .. } = VIEWS[view_idx % VIEWS.len()];
        let query = query.replace("FROM ticks", &format!("FROM {stream}"));
        client
            .batch_execute(&format!("CREATE MATERIALIZED VIEW idle_view_{view_idx} AS {query}"))
            .await?;
    }
    Ok(())
}
