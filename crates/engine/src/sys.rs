//! `sys`: Weir's own system relations.

use std::sync::LazyLock;
use std::sync::atomic::Ordering;

use arrow::array::RecordBatch;
use weir_catalog::{Catalog, ObjectBody};
use weir_connect::value::{ColumnBuilder, FormatSettings};
use weir_types::{Epoch, ObjectId, Offset, PartitionId, Result, SqlType};

use crate::shared::Shared;
use crate::sources::error_text;
use crate::system::SystemRelation;
use crate::upkeep::holds;
use crate::views::failed;

/// A row as texts; `None` is NULL.
type Row = Vec<Option<String>>;

fn relation(oid: u32, name: &'static str, columns: &[(&'static str, SqlType)]) -> SystemRelation {
    SystemRelation {
        oid,
        schema: "sys",
        name,
        columns: columns.to_vec(),
        not_null: vec![false; columns.len()],
        kind: 'v',
    }
}

static RELATIONS: LazyLock<Vec<SystemRelation>> = LazyLock::new(|| {
    use SqlType::{Bool, Float8, Int4, Int8, PgLsn, Text, Timestamptz};
    vec![
        relation(
            13_100,
            "views",
            &[
                ("schema", Text),
                ("name", Text),
                ("state", Text),
                ("epoch", PgLsn),
                ("lag", Int8),
                ("rows", Int8),
                ("bytes", Int8),
                ("error", Text),
            ],
        ),
        relation(
            13_101,
            "streams",
            &[
                ("schema", Text),
                ("name", Text),
                ("partition", Int4),
                ("start_offset", Int8),
                ("end_offset", Int8),
                ("source_state", Text),
                ("source_rows", Int8),
                ("source_bad_rows", Int8),
                ("source_error", Text),
            ],
        ),
        relation(
            13_102,
            "backfill",
            &[
                ("schema", Text),
                ("name", Text),
                ("rows", Int8),
                ("total_rows", Int8),
                ("rows_per_second", Float8),
                ("percent", Float8),
                ("done", Bool),
            ],
        ),
        relation(
            13_103,
            "retention_holds",
            &[
                ("schema", Text),
                ("relation", Text),
                ("partition", Int4),
                ("holder", Text),
                ("start_offset", Int8),
                ("held_offset", Int8),
            ],
        ),
        relation(
            13_104,
            "connections",
            &[
                ("pid", Int4),
                ("user", Text),
                ("application_name", Text),
                ("client_address", Text),
                ("connected_at", Timestamptz),
                ("state", Text),
                ("query", Text),
            ],
        ),
    ]
});

/// All relations of `sys`.
pub(crate) fn relations() -> &'static [SystemRelation] {
    &RELATIONS
}

/// The relation of that name.
pub(crate) fn find(schema: &str, name: &str) -> Option<&'static SystemRelation> {
    RELATIONS.iter().find(|relation| relation.schema == schema && relation.name == name)
}

/// The rows of a relation of `sys`.
pub(crate) fn rows(
    relation: &SystemRelation,
    shared: &Shared,
    catalog: &Catalog,
) -> Result<RecordBatch> {
    let rows = match relation.name {
        "views" => views(shared, catalog),
        "streams" => streams(shared, catalog)?,
        "backfill" => backfill(shared, catalog),
        "retention_holds" => retention_holds(shared, catalog)?,
        _ => connections(shared),
    };
    let settings = FormatSettings::default();
    let mut arrays = Vec::with_capacity(relation.columns.len());
    for (column_idx, (_, sql_type)) in relation.columns.iter().enumerate() {
        let mut builder = ColumnBuilder::new(sql_type, &settings);
        for row in &rows {
            match &row[column_idx] {
                Some(text) => builder.push_text(text)?,
                None => builder.push_null(),
            }
        }
        arrays.push(builder.finish()?);
    }
    weir_delta::rows::batch(relation.arrow_schema(), arrays, rows.len())
}

fn views(shared: &Shared, catalog: &Catalog) -> Vec<Row> {
    let newest = shared.durable.newest();
    let mut rows = Vec::new();
    for (id, view) in shared.views.all() {
        let (Some(object), Some(status)) = (catalog.get(id), shared.scheduler.status(id)) else {
            continue;
        };
        // Nobody reads the rows of a sink: what counts is how many it has taken.
        let n_rows = match view.is_read {
            true => view.segments.n_live() as u64,
            false => view.n_out.load(Ordering::Relaxed),
        };
        let state = match (&status.failed, status.processed) {
            (Some(_), _) => "failed",
            (None, Epoch::ZERO) => "backfilling",
            (None, _) => "running",
        };
        let epoch = status.processed.min(newest);
        rows.push(vec![
            Some(catalog.schema_name(object.schema).to_owned()),
            Some(object.name.clone()),
            Some(state.to_owned()),
            Some(epoch.to_string()),
            Some(newest.0.saturating_sub(epoch.0).to_string()),
            Some(n_rows.to_string()),
            Some(view.n_bytes().to_string()),
            status.failed.map(|failure| failed::cause(catalog, id, &failure)),
        ]);
    }
    rows.sort();
    rows
}

fn streams(shared: &Shared, catalog: &Catalog) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for object in catalog.objects() {
        let ObjectBody::Stream(stream) = &object.body else { continue };
        let source = shared.sources.get(object.id);
        for partition in 0..stream.options.partitions {
            let id = PartitionId(partition);
            let state = source.as_ref().map(|source| {
                if source.error.lock().is_some() {
                    "failed"
                } else if source.finished.load(Ordering::Relaxed) {
                    "finished"
                } else {
                    "running"
                }
            });
            let (begin, end) = match object.created {
                // The open block itself has made it: there is no topic yet.
                Epoch::MAX => (Offset(0), Offset(0)),
                _ => (
                    shared.log.start_offset(stream.topic, id)?,
                    shared.log.end_offset(stream.topic, id)?,
                ),
            };
            rows.push(vec![
                Some(catalog.schema_name(object.schema).to_owned()),
                Some(object.name.clone()),
                Some(partition.to_string()),
                Some(begin.to_string()),
                Some(end.to_string()),
                state.map(str::to_owned),
                source.as_ref().map(|s| s.n_rows.load(Ordering::Relaxed).to_string()),
                source.as_ref().map(|s| s.n_bad.load(Ordering::Relaxed).to_string()),
                source.as_ref().and_then(|s| s.error.lock().as_ref().map(error_text)),
            ]);
        }
    }
    Ok(rows)
}

fn backfill(shared: &Shared, catalog: &Catalog) -> Vec<Row> {
    let mut rows = Vec::new();
    for (id, view) in shared.views.all() {
        let (Some(object), Some(status)) = (catalog.get(id), shared.scheduler.status(id)) else {
            continue;
        };
        let done = status.processed > Epoch::ZERO;
        let total = view.backfill_total.load(Ordering::Relaxed);
        let taken = view.backfill_rows.load(Ordering::Relaxed);
        let seconds = (shared.clock.now().0 - view.backfill_began.0).max(1) as f64 / 1e6;
        let rate = if done { None } else { Some((taken as f64 / seconds).to_string()) };
        rows.push(vec![
            Some(catalog.schema_name(object.schema).to_owned()),
            Some(object.name.clone()),
            Some(if done { total } else { taken }.to_string()),
            Some(total.to_string()),
            rate,
            Some(if done { 100.0 } else { view.percent() }.to_string()),
            Some(done.to_string()),
        ]);
    }
    rows
}

fn retention_holds(shared: &Shared, catalog: &Catalog) -> Result<Vec<Row>> {
    let records = shared.checkpoints.epochs();
    let mut rows = Vec::new();
    for object in catalog.objects() {
        let Some(topic) = object.topic() else { continue };
        if object.created == Epoch::MAX {
            // The open block itself has made it: there is no topic yet.
            continue;
        }
        let n_partitions = match &object.body {
            ObjectBody::Stream(stream) => stream.options.partitions,
            _ => 1,
        };
        for partition in (0..n_partitions).map(PartitionId) {
            let start = shared.log.start_offset(topic, partition)?;
            for hold in holds(shared, catalog, &records, topic, partition) {
                rows.push(vec![
                    Some(catalog.schema_name(object.schema).to_owned()),
                    Some(object.name.clone()),
                    Some(partition.to_string()),
                    Some(catalog.full_name(hold.id)),
                    Some(start.to_string()),
                    Some(hold.from.to_string()),
                ]);
            }
        }
    }
    Ok(rows)
}

fn connections(shared: &Shared) -> Vec<Row> {
    let time = |at: weir_types::Timestamp| {
        let array = arrow::array::TimestampMicrosecondArray::from(vec![at.0]).with_timezone("UTC");
        weir_connect::value::display(&array, 0, &SqlType::Timestamptz)
    };
    let row = |row: crate::system::ConnectionRow| {
        vec![
            Some(row.pid.to_string()),
            Some(row.user),
            Some(row.application_name),
            row.client_address,
            Some(time(row.backend_start)),
            Some(row.state),
            Some(row.query),
        ]
    };
    shared.connections.rows().into_iter().map(row).collect()
}

/// Bytes of an object's rows: in memory for tables and views; 0 for streams, whose topic tells no size.
pub(crate) fn relation_bytes(shared: &Shared, catalog: &Catalog, id: ObjectId) -> i64 {
    let n_bytes = match catalog.get(id).map(|object| &object.body) {
        Some(ObjectBody::Table(_)) => {
            Ok(shared.tables.get(id).map_or(0, |table| table.segments.n_bytes()))
        }
        Some(ObjectBody::MaterializedView(_)) => shared.views.get(id).map(|view| view.n_bytes()),
        _ => Ok(0),
    };
    n_bytes.map_or(0, |n_bytes| n_bytes as i64)
}
