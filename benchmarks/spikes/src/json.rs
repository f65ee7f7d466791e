//! JSON lines to columns: Weir's decoder beside the reader of `arrow-json`.
//!
//! Decides whether a decoder of our own, which PostgreSQL's input forms and single bad rows ask for, costs
//! speed; and what is gained where a query wants few of the columns.

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::json::ReaderBuilder;
use weir_connect::format::RecordDecoder;
use weir_connect::format::json::{JsonDecoder, JsonOptions, TimestampFormat};
use weir_types::SqlType;

use crate::Result;
use crate::bids::{self, BATCH_ROWS};
use crate::measure::ns;
use crate::report::Table;

const ROWS: usize = 100_000;
/// Columns of a bid, the first two for a query that wants no more.
static COLUMNS: [(&str, SqlType); 7] = [
    ("auction", SqlType::Int8),
    ("price", SqlType::Int8),
    ("bidder", SqlType::Int8),
    ("channel", SqlType::Text),
    ("url", SqlType::Text),
    ("date_time", SqlType::Timestamp),
    ("extra", SqlType::Text),
];

pub(crate) fn run() -> Result<Vec<Table>> {
    let mut lines = Vec::new();
    for bid in bids::bids(ROWS) {
        serde_json::to_writer(&mut lines, &bid)?;
        lines.push(b'\n');
    }
    let title = format!(
        "Bids of {} bytes a line, in batches of 8,192 rows, in one thread. `date_time` is a number of \
         milliseconds.",
        lines.len() / ROWS
    );
    let mut table = Table::new(&title, &["MB/s", "ns/row"]);
    for n_columns in [7, 2] {
        let columns = &COLUMNS[..n_columns];
        for (name, decode) in [("Weir", weir as Decode), ("arrow-json", arrow_json as Decode)] {
            let took = ns(|| {
                let batches = decode(black_box(&lines), columns)?;
                check(&batches, n_columns)?;
                black_box(batches);
                Ok(())
            })?;
            let rate = lines.len() as f64 * 1e3 / took;
            table.row(format!("{n_columns} columns, {name}"), &[rate, took / ROWS as f64]);
        }
    }
    Ok(vec![table])
}

type Decode = fn(&[u8], &[(&str, SqlType)]) -> Result<Vec<RecordBatch>>;

fn weir(lines: &[u8], columns: &[(&str, SqlType)]) -> Result<Vec<RecordBatch>> {
    let columns: Vec<_> = columns.iter().map(|(name, t)| ((*name).to_owned(), t.clone())).collect();
    let options = JsonOptions { timestamps: TimestampFormat::Millis, base64: false };
    let mut decoder = JsonDecoder::new(options, &columns);
    let (mut batches, mut n_rows, mut rest) = (Vec::new(), 0, lines);
    while let Some(len) = decoder.frame(rest, true) {
        n_rows += usize::from(decoder.decode(&rest[..len])?);
        rest = &rest[len..];
        if n_rows == BATCH_ROWS {
            batches.push(decoder.finish()?);
            n_rows = 0;
        }
    }
    batches.push(decoder.finish()?);
    Ok(batches)
}

fn arrow_json(lines: &[u8], columns: &[(&str, SqlType)]) -> Result<Vec<RecordBatch>> {
    let all = bids::schema();
    let fields = columns.iter().map(|(name, _)| all.field_with_name(name).cloned());
    let schema = Schema::new(fields.collect::<Result<Vec<_>, _>>()?);
    let reader = ReaderBuilder::new(Arc::new(schema)).with_batch_size(BATCH_ROWS).build(lines)?;
    Ok(reader.collect::<Result<_, _>>()?)
}

fn check(batches: &[RecordBatch], n_columns: usize) -> Result<()> {
    let n_rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let n_nulls: usize =
        batches.iter().flat_map(RecordBatch::columns).map(|column| column.null_count()).sum();
    if n_rows != ROWS || n_nulls > 0 || batches[0].num_columns() != n_columns {
        return Err(format!("{n_rows} rows with {n_nulls} NULLs came out").into());
    }
    Ok(())
}
