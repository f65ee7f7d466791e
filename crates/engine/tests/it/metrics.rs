//! Numbers for monitoring.

use crate::harness::Db;

#[tokio::test(flavor = "multi_thread")]
async fn views_and_the_log_are_measured() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE t (k int PRIMARY KEY)").await;
    a.ok("CREATE STREAM s (a int) WITH (partitions = 2)").await;
    a.ok("CREATE MATERIALIZED VIEW m AS SELECT k, 1 / (k - 3) AS r FROM t").await;
    a.ok("CREATE MATERIALIZED VIEW above AS SELECT count(*) AS n FROM m").await;
    a.ok("INSERT INTO s SELECT * FROM generate_series(1, 1000)").await;
    a.ok("INSERT INTO t VALUES (1), (2)").await;
    a.ok("DELETE FROM t WHERE k = 2").await;
    a.rows("SELECT * FROM above").await;
    let value = |name: &str, label: &str| {
        let all = db.engine().metrics();
        let found = all.into_iter().find(|metric| {
            metric.name == name && metric.labels.first().is_none_or(|(_, value)| value == label)
        });
        found.unwrap_or_else(|| panic!("{name} of {label}")).value
    };
    assert_eq!(value("weir_records_total", "public.s"), 1000.0);
    assert_eq!(value("weir_records_total", "public.t"), 3.0);
    assert!(value("weir_log_bytes", "public.s") > 1000.0);
    let epoch = value("weir_epoch", "");
    for view in ["public.m", "public.above"] {
        assert_eq!(value("weir_view_rows", view), 1.0);
        assert_eq!(value("weir_view_epoch", view), epoch);
        assert_eq!(value("weir_view_lag_epochs", view), 0.0);
        assert_eq!(value("weir_view_failed", view), 0.0);
        assert_eq!(value("weir_view_backfill_percent", view), 100.0);
        assert!(value("weir_view_bytes", view) > 0.0);
    }
    a.ok("INSERT INTO t VALUES (3)").await;
    a.error("SELECT * FROM above").await;
    for view in ["public.m", "public.above"] {
        assert_eq!(value("weir_view_failed", view), 1.0);
        assert_eq!(value("weir_view_lag_epochs", view), 1.0);
    }
}
