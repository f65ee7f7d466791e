//! Recovery: the catalog and the tables from the log, then everything that runs.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::ArrayRef;
use weir_catalog::{Catalog, Object, ObjectBody, decode_object};
use weir_delta::{Delta, Weights};
use weir_log::{Log, Projection};
use weir_types::planted::{self, Bug};
use weir_types::{Epoch, Error, Offset, PartitionId, Result};

use crate::relation::{StoredColumn, TableData, batch, decoder, schema, table_of};
use crate::shared::Shared;
use crate::storage::{self, MetaSpace};

/// Reads all meta records of a space.
pub(crate) type ScanMeta<'a> = &'a dyn Fn(u8) -> Result<Vec<(Vec<u8>, Vec<u8>)>>;

/// The catalog as of the newest commit.
///
/// # Errors
/// XX001 for damage.
pub(crate) fn catalog(scan_meta: ScanMeta<'_>) -> Result<Catalog> {
    let mut catalog = Catalog::new();
    for (_, value) in scan_meta(MetaSpace::Object as u8)? {
        catalog.put(decode_object(&value)?);
    }
    for (_, value) in scan_meta(MetaSpace::NextId as u8)? {
        catalog.set_next_id(storage::read_id(&value)?);
    }
    Ok(catalog)
}

/// Fills the tables, then starts views and sources.
///
/// # Errors
/// XX001 for damage.
pub(crate) fn start(shared: &Arc<Shared>) -> Result<()> {
    shared.checkpoints.pin(&shared.pins);
    let catalog = shared.catalog();
    for object in catalog.objects() {
        if matches!(object.body, ObjectBody::Table(_)) {
            let table = table(shared, object)?;
            shared.tables.insert(object.id, Arc::new(table));
        }
    }
    let mut refilled = BTreeSet::new();
    for object in in_order(&catalog) {
        let record = shared.checkpoints.record(object.id);
        shared.views.resume(shared, object, record.as_ref(), &mut refilled)?;
    }
    for object in catalog.objects() {
        if let ObjectBody::Stream(stream) = &object.body
            && stream.source.is_some()
        {
            shared.sources.start(shared, object);
        }
    }
    Ok(())
}

/// Materialized views and sinks, each after those it reads.
fn in_order(catalog: &Catalog) -> Vec<&Arc<Object>> {
    // A view is created after what it reads, and ids ascend.
    let runs = |object: &&Arc<Object>| {
        matches!(object.body, ObjectBody::MaterializedView(_) | ObjectBody::Sink(_))
    };
    catalog.objects().filter(runs).collect()
}

/// The rows of a table: those of its checkpoint, and the changes of its topic since.
fn table(shared: &Shared, object: &Object) -> Result<TableData> {
    let definition = table_of(object)?;
    let table = TableData::new(definition)?;
    let log = shared.log.as_ref();
    let partition = PartitionId(0);
    let mut covered = Epoch::ZERO;
    let mut start = log.start_offset(definition.topic, partition)?;
    if let Some(record) = shared.checkpoints.record(object.id) {
        shared.checkpoints.load(object, &record, &table.segments)?;
        table.saw_row_id(record.last_row_id);
        covered = record.epoch;
        start = start.max(log.end_offset_at(definition.topic, partition, covered)?);
    }
    replay(log, object, &table, start, covered)?;
    Ok(table)
}

/// Applies the changes of a table's topic from an offset on, those after an epoch.
fn replay(
    log: &dyn Log,
    object: &Object,
    table: &TableData,
    start: Offset,
    covered: Epoch,
) -> Result<()> {
    let definition = table_of(object)?;
    let columns = definition.columns.iter().map(StoredColumn::new).collect::<Result<Vec<_>>>()?;
    let row_schema = schema(&columns);
    let partition = PartitionId(0);
    let end = log.end_offset(definition.topic, partition)?;
    if start >= end {
        return Ok(());
    }
    for block in log.read(definition.topic, partition, start, end, &Projection::All)? {
        let block = block?;
        if block.header.epoch <= covered {
            continue;
        }
        if planted::is(Bug::LostReplay)
            && block.header.base_offset.0 + u64::from(block.header.n_rows) >= end.0
        {
            continue;
        }
        let decoder = decoder(&block.payload)?;
        let arrays: Vec<ArrayRef> =
            columns.iter().map(|column| column.read(&decoder)).collect::<Result<_>>()?;
        let rows = batch(Arc::clone(&row_schema), arrays, decoder.n_rows())?;
        table.saw_rows(&rows);
        let weights = match decoder.weights() {
            None => Weights::One,
            Some(weights) => Weights::Mixed(weights.into_iter().map(i64::from).collect()),
        };
        table.segments.apply(block.header.epoch, &Delta::new(rows, weights)).map_err(|error| {
            Error::corrupt(format!(
                "table \"{}\" cannot be replayed at offset {}: {error}",
                object.name, block.header.base_offset
            ))
        })?;
    }
    Ok(())
}
