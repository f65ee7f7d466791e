//! `weir log dump`: the blocks of a topic, as lines.

use std::io::Write;
use std::path::Path;

use weir_log::LogDump;
use weir_types::{Error, Offset, PartitionId, Result, SqlState};

/// Writes a line for each block of a topic from an offset on, and one for each of its rows.
///
/// # Errors
/// 42704 for an unknown topic or partition, XX001 for damage, 58030 for the output.
pub fn dump_log(
    data_dir: &Path,
    topic: &str,
    partition: Option<u32>,
    from: u64,
    out: &mut dyn Write,
) -> Result<()> {
    let dump = LogDump::open(data_dir)?;
    let matches = |name: &str| name == topic || name.rsplit('.').next() == Some(topic);
    let config = dump.topics().into_iter().find(|config| matches(&config.name));
    let config = config.ok_or_else(|| {
        Error::new(SqlState::UndefinedObject, format!("topic \"{topic}\" does not exist"))
    })?;
    let partitions = match partition {
        Some(partition) => partition..partition + 1,
        None => 0..config.partitions,
    };
    for partition in partitions.map(PartitionId) {
        let range = dump.offsets(config.id, partition)?;
        let begin = Offset(from).max(range.start);
        if begin >= range.end {
            continue;
        }
        for block in dump.read(config.id, partition, begin)? {
            let block = block?;
            let header = &block.header;
            writeln!(
                out,
                "{}/{partition} offsets={}..{} epoch={} rows={} timestamp={} schema={} bytes={}",
                config.name,
                header.base_offset,
                header.end_offset(),
                header.epoch,
                header.n_rows,
                header.min_timestamp.0,
                header.schema_version,
                block.payload.len(),
            )
            .map_err(|e| Error::io("cannot write the dump", &e))?;
        }
    }
    Ok(())
}
