//! `weir log dump`: the records of a topic, a line of JSON each.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use weir_catalog::{Catalog, Object, ObjectBody};
use weir_log::LogDump;
use weir_planner::functions::JsonRows;
use weir_planner::source::RecordColumn;
use weir_types::{ColumnId, Error, Offset, PartitionId, Result, SqlState};

use crate::recover;
use crate::relation::BlockRows;

/// Writes a line for each record of a stream's or table's topic from an offset on: its partition, offset,
/// timestamp and row, and for a table whether the row came (`+`) or went (`-`).
///
/// # Errors
/// 42P01 for an unknown name, 42809 for an object without records, 42704 for an unknown partition, XX001
/// for damage, 58030 for the output.
pub fn dump_log(
    data_dir: &Path,
    name: &str,
    partition: Option<u32>,
    from: u64,
    out: &mut dyn Write,
) -> Result<()> {
    let dump = LogDump::open(data_dir)?;
    let catalog = recover::catalog(&|space| dump.scan_meta(space))?;
    let object = find(&catalog, name)?;
    let full_name = catalog.full_name(object.id);
    let config = dump.topics().into_iter().find(|config| Some(config.id) == object.topic());
    let config = config.ok_or_else(|| no_records(&full_name))?;
    let partitions = match partition {
        Some(partition) if partition >= config.partitions => {
            return Err(Error::new(
                SqlState::UndefinedObject,
                format!("partition {partition} of \"{full_name}\" does not exist"),
            )
            .with_hint(format!("It has {}, numbered from 0.", config.partitions)));
        }
        Some(partition) => partition..partition + 1,
        None => 0..config.partitions,
    };
    let records = Records::of(object)?;
    for partition in partitions.map(PartitionId) {
        let range = dump.offsets(config.id, partition)?;
        let begin = Offset(from).max(range.start);
        if begin >= range.end {
            continue;
        }
        for block in dump.read(config.id, partition, begin)? {
            let block = block?;
            let (rows, is_addition) = records.rows.read(&block, partition)?;
            let n_before = begin.0.saturating_sub(block.header.base_offset.0) as usize;
            records.write(&rows, is_addition.as_deref(), n_before, out)?;
        }
    }
    Ok(())
}

/// The stream or table of that name as it is now: with its schema, or bare where one schema has it, `public`
/// first.
fn find<'a>(catalog: &'a Catalog, name: &str) -> Result<&'a Arc<Object>> {
    let full_names = [name.to_owned(), format!("public.{name}")];
    let named = |full_name: &String| {
        catalog.objects().find(|object| catalog.full_name(object.id) == *full_name)
    };
    if let Some(object) = full_names.iter().find_map(named) {
        return if object.topic().is_some() { Ok(object) } else { Err(no_records(name)) };
    }
    let mut bare = catalog.objects().filter(|o| o.name == name && o.topic().is_some());
    match (bare.next(), bare.next()) {
        (Some(object), None) => Ok(object),
        (Some(one), Some(other)) => {
            Err(Error::new(SqlState::DuplicateTable, format!("\"{name}\" is in several schemas"))
                .with_hint(format!(
                    "Name one: {}, {}.",
                    catalog.full_name(one.id),
                    catalog.full_name(other.id)
                )))
        }
        (None, _) => Err(Error::new(
            SqlState::UndefinedTable,
            format!("stream or table \"{name}\" does not exist"),
        )
        .with_hint("Name it as it is called now, with its schema where that is not public.")),
    }
}

fn no_records(name: &str) -> Error {
    Error::new(SqlState::WrongObjectType, format!("\"{name}\" has no records in the log"))
        .with_hint("Streams and tables have records.")
}

/// How the records of an object become lines.
struct Records {
    rows: BlockRows,
    /// What a line begins with.
    of_record: Vec<usize>,
    /// The members of `row`.
    of_row: Vec<usize>,
    /// Its records are changes.
    is_table: bool,
}

impl Records {
    fn of(object: &Object) -> Result<Self> {
        let visible = object.columns().iter().filter(|column| !column.hidden);
        let mut ids: Vec<ColumnId> = RecordColumn::ALL.iter().map(|column| column.id()).collect();
        let n_of_record = ids.len();
        ids.extend(visible.map(|column| column.id));
        Ok(Self {
            rows: BlockRows::new(object, &ids)?,
            of_record: (0..n_of_record).collect(),
            of_row: (n_of_record..ids.len()).collect(),
            is_table: matches!(object.body, ObjectBody::Table(_)),
        })
    }

    /// Writes all rows but the first `n_before`.
    fn write(
        &self,
        rows: &RecordBatch,
        is_addition: Option<&[bool]>,
        n_before: usize,
        out: &mut dyn Write,
    ) -> Result<()> {
        // Few records have a key or headers.
        let is_told = |column: &usize| rows.column(*column).null_count() < rows.num_rows();
        let told: Vec<usize> = self.of_record.iter().copied().filter(is_told).collect();
        let of_record = weir_delta::rows::project(rows, &told)?;
        let of_row = weir_delta::rows::project(rows, &self.of_row)?;
        let (of_record, of_row) = (JsonRows::new(&of_record)?, JsonRows::new(&of_row)?);
        let mut line = String::new();
        for row in n_before..rows.num_rows() {
            line.clear();
            of_record.write(row, &mut line)?;
            line.pop();
            if self.is_table {
                let came = is_addition.is_none_or(|is_addition| is_addition[row]);
                line.push_str(if came { ",\"change\":\"+\"" } else { ",\"change\":\"-\"" });
            }
            line.push_str(",\"row\":");
            of_row.write(row, &mut line)?;
            line.push_str("}\n");
            out.write_all(line.as_bytes()).map_err(|e| Error::io("cannot write the dump", &e))?;
        }
        Ok(())
    }
}
