//! Gathering texts out of many batches: arrow's `interleave`, which shares the buffers of its sources,
//! beside a copy into a buffer of its own.
//!
//! Decides how joins and late gathers make their output. Sharing copies 16 bytes a row whatever the text,
//! but keeps every buffer alive that one of its rows is in, and a reader of the result goes there.

use std::hint::black_box;

use arrow::array::{Array, ArrayRef, AsArray, StringViewArray, StringViewBuilder};
use arrow::compute::interleave;

use crate::Result;
use crate::bids::BATCH_ROWS;
use crate::measure::{mixed, ns};
use crate::report::Table;

/// Rows of all sources together, whatever their number: what differs is not how much the caches hold.
const ROWS: usize = 1 << 20;
const SOURCES: [usize; 3] = [1, 64, 1_000];
/// Lists of rows that are gathered in turn, so that no list finds the texts of the last one in a cache.
const LISTS: usize = 32;

pub(crate) fn run() -> Result<Vec<Table>> {
    let mut table = Table::new(
        "8,192 rows at random out of a million in so many arrays of one buffer each. Short texts have 12 \
         bytes and lie in the views, long ones have 32. *Read* goes over all bytes of the result once. \
         *Alive* is what the result keeps in memory.",
        &["gather, ns/row", "gather and read, ns/row", "alive, bytes/row"],
    );
    for (form, text_len) in [("short", 12), ("long", 32)] {
        for n_sources in SOURCES {
            let sources = sources(n_sources, text_len);
            let lists = row_lists(n_sources, sources[0].len());
            for (name, gather) in [("interleave", share as Gather), ("copy", copy as Gather)] {
                let numbers = measure(&sources, &lists, gather)?;
                let buffers = if n_sources == 1 { "source" } else { "sources" };
                table.row(format!("{form}, {n_sources} {buffers}, {name}"), &numbers);
            }
        }
    }
    Ok(vec![table])
}

fn sources(n_sources: usize, text_len: usize) -> Vec<StringViewArray> {
    let n_rows = ROWS / n_sources;
    let source = |source: usize| {
        // One block that all its texts fill.
        let mut texts = StringViewBuilder::new().with_fixed_block_size((n_rows * text_len) as u32);
        for row in 0..n_rows {
            let word = mixed((source * n_rows + row) as u64);
            let text = format!("{word:016x}{word:016x}");
            texts.append_value(&text[..text_len]);
        }
        texts.finish()
    };
    (0..n_sources).map(source).collect()
}

type RowList = Vec<(usize, usize)>;

fn row_lists(n_sources: usize, n_rows: usize) -> Vec<RowList> {
    let row = |n: usize| {
        let word = mixed(n as u64) as usize;
        (word % n_sources, (word >> 20) % n_rows)
    };
    (0..LISTS).map(|list| (list * BATCH_ROWS..(list + 1) * BATCH_ROWS).map(row).collect()).collect()
}

type Gather = fn(&[StringViewArray], &RowList) -> Result<StringViewArray>;

fn share(sources: &[StringViewArray], rows: &RowList) -> Result<StringViewArray> {
    let sources: Vec<&dyn Array> = sources.iter().map(|source| source as &dyn Array).collect();
    let gathered: ArrayRef = interleave(&sources, rows)?;
    Ok(gathered.as_string_view().clone())
}

fn copy(sources: &[StringViewArray], rows: &RowList) -> Result<StringViewArray> {
    let mut texts = StringViewBuilder::with_capacity(rows.len());
    for (source, row) in rows {
        texts.append_value(sources[*source].value(*row));
    }
    Ok(texts.finish())
}

fn measure(sources: &[StringViewArray], lists: &[RowList], gather: Gather) -> Result<[f64; 3]> {
    let n_rows = (lists.len() * BATCH_ROWS) as f64;
    let alone = ns(|| {
        for rows in lists {
            black_box(gather(sources, rows)?);
        }
        Ok(())
    })?;
    let with_read = ns(|| {
        for rows in lists {
            black_box(read(&gather(sources, rows)?));
        }
        Ok(())
    })?;
    let gathered = gather(sources, &lists[0])?;
    let alive = gathered.get_buffer_memory_size() as f64 / BATCH_ROWS as f64;
    Ok([alone / n_rows, with_read / n_rows, alive])
}

fn read(texts: &StringViewArray) -> u64 {
    let bytes = (0..texts.len()).flat_map(|row| texts.value(row).as_bytes());
    bytes.fold(0, |sum, byte| sum + u64::from(*byte))
}
