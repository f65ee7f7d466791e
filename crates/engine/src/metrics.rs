//! Numbers for monitoring: of the server, of views, of what is in the log.

use std::sync::atomic::Ordering;

use weir_catalog::{Catalog, ObjectBody};
use weir_types::{Epoch, PartitionId};

use crate::config::{Metric, MetricKind};
use crate::shared::Shared;

/// Name and help of each metric, in the order in which they are shown, with its kind.
#[rustfmt::skip]
const METRICS: &[(&str, MetricKind, &str)] = &[
    ("weir_epoch", MetricKind::Gauge, "Newest durable epoch."),
    ("weir_connections", MetricKind::Gauge, "Open connections."),
    ("weir_records_total", MetricKind::Counter, "Records that came into a stream or table, ever."),
    ("weir_log_bytes", MetricKind::Gauge, "Bytes of the records of a stream or table in the log."),
    ("weir_source_bad_rows_total", MetricKind::Counter, "Rows that a source could not decode."),
    ("weir_source_failed", MetricKind::Gauge, "1 where a source has failed."),
    ("weir_view_epoch", MetricKind::Gauge, "Epoch of a view's content."),
    ("weir_view_lag_epochs", MetricKind::Gauge, "Epochs from a view's content to the newest."),
    ("weir_view_rows", MetricKind::Gauge, "Rows of a view; rows taken by a sink."),
    ("weir_view_bytes", MetricKind::Gauge, "Bytes of memory of a view's rows and state."),
    ("weir_view_failed", MetricKind::Gauge, "1 where a view, or one that it reads, has failed."),
    ("weir_view_backfill_percent", MetricKind::Gauge, "How much of a view's first filling is done."),
];

/// What is measured, by name.
struct Measured(Vec<Metric>);

impl Measured {
    fn add(&mut self, name: &'static str, labels: &[(&'static str, &str)], value: f64) {
        let Some((_, kind, help)) = METRICS.iter().find(|(known, ..)| *known == name) else {
            unreachable!("{name} is in the list");
        };
        let labels = labels.iter().map(|(label, value)| (*label, (*value).to_owned())).collect();
        self.0.push(Metric { name, help, kind: *kind, labels, value });
    }
}

/// All numbers, those of one name together.
pub(crate) fn metrics(shared: &Shared) -> Vec<Metric> {
    let mut measured = Measured(Vec::new());
    measured.add("weir_epoch", &[], shared.durable.newest().0 as f64);
    measured.add("weir_connections", &[], shared.connections.len() as f64);
    let catalog = shared.catalog();
    add_relations(shared, &catalog, &mut measured);
    add_views(shared, &catalog, &mut measured);
    let place = |metric: &Metric| METRICS.iter().position(|(name, ..)| *name == metric.name);
    measured.0.sort_by(|a, b| (place(a), &a.labels).cmp(&(place(b), &b.labels)));
    measured.0
}

fn add_relations(shared: &Shared, catalog: &Catalog, measured: &mut Measured) {
    for object in catalog.objects() {
        let Some(topic) = object.topic() else { continue };
        let n_partitions = match &object.body {
            ObjectBody::Stream(stream) => stream.options.partitions,
            _ => 1,
        };
        let (mut n_records, mut n_bytes) = (0, 0);
        for partition in (0..n_partitions).map(PartitionId) {
            // Dropped meanwhile, or damaged: reading it says so.
            n_records += shared.log.end_offset(topic, partition).map_or(0, |end| end.0);
            n_bytes += shared.log.n_bytes(topic, partition).unwrap_or(0);
        }
        let name = catalog.full_name(object.id);
        let labels = [("relation", name.as_str())];
        measured.add("weir_records_total", &labels, n_records as f64);
        measured.add("weir_log_bytes", &labels, n_bytes as f64);
        if let Some(source) = shared.sources.get(object.id) {
            let n_bad = source.n_bad.load(Ordering::Relaxed);
            measured.add("weir_source_bad_rows_total", &labels, n_bad as f64);
            let failed = source.error.lock().is_some();
            measured.add("weir_source_failed", &labels, f64::from(u8::from(failed)));
        }
    }
}

fn add_views(shared: &Shared, catalog: &Catalog, measured: &mut Measured) {
    let newest = shared.durable.newest();
    for (id, view) in shared.views.all() {
        let Some(status) = shared.scheduler.status(id) else { continue };
        let name = catalog.full_name(id);
        let labels = [("view", name.as_str())];
        let epoch = status.processed.min(newest);
        let n_rows = match view.is_read {
            true => view.segments.n_live() as u64,
            false => view.n_out.load(Ordering::Relaxed),
        };
        let filled = status.processed > Epoch::ZERO;
        let percent = if filled { 100.0 } else { view.percent() };
        measured.add("weir_view_epoch", &labels, epoch.0 as f64);
        measured.add("weir_view_lag_epochs", &labels, (newest.0 - epoch.0) as f64);
        measured.add("weir_view_rows", &labels, n_rows as f64);
        measured.add("weir_view_bytes", &labels, view.n_bytes() as f64);
        measured.add("weir_view_failed", &labels, f64::from(u8::from(status.failed.is_some())));
        measured.add("weir_view_backfill_percent", &labels, percent);
    }
}
