//! What a view's operators remember, as chunks of a checkpoint.
//!
//! A chunk is format byte 1, the number of the aggregation and of its table as little-endian `u16`, and the
//! rows as an Arrow IPC stream. The rows explain themselves; `weir_dataflow` says what they mean.

use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use weir_catalog::Object;
use weir_dataflow::{Graph, GraphState, StoredRows};
use weir_planner::semantics;
use weir_store::StateBatch;
use weir_types::{Error, Result};

use super::{Checkpoints, STATE_CHUNK, StateRecord};

const FORMAT: u8 = 1;
const HEAD_BYTES: usize = 5;
/// Changes below this many bytes are never a reason to begin anew.
const SINCE_BYTES_MIN: u64 = 1 << 20;

/// The state of a view as of the epoch of a checkpoint, taken between two ticks.
pub(crate) struct Frozen {
    /// All of it, or what changed since the last checkpoint.
    pub(crate) all: bool,
    pub(crate) rows: Vec<StoredRows>,
}

/// What the operators are, as far as their state depends on it.
pub(crate) fn operators(graph: &Graph) -> String {
    let texts = graph.aggregations.iter().map(|aggregate| {
        let calls: Vec<_> = aggregate
            .calls
            .iter()
            .map(|call| format!("{} {:?} {:?}", call.name, call.filter, call.distinct))
            .collect();
        let distinct: Vec<_> = aggregate.distinct.iter().map(|set| &set.types).collect();
        format!("{:?} {calls:?} {distinct:?} {}", aggregate.key_types, aggregate.append_only)
    });
    texts.collect::<Vec<_>>().join("; ")
}

fn encode(stored: &StoredRows) -> Result<Vec<u8>> {
    let mut bytes = vec![FORMAT];
    bytes.extend_from_slice(&(stored.aggregation as u16).to_le_bytes());
    bytes.extend_from_slice(&(stored.table as u16).to_le_bytes());
    let written = || -> std::result::Result<Vec<u8>, arrow::error::ArrowError> {
        let mut writer = StreamWriter::try_new(bytes, &stored.rows.schema())?;
        writer.write(&stored.rows)?;
        writer.into_inner()
    };
    written().map_err(|error| Error::internal(format!("a state cannot be written: {error}")))
}

fn decode(chunk: &[u8]) -> Result<Vec<StoredRows>> {
    let damaged = |what: &str| Error::corrupt(format!("a chunk of a state is damaged: {what}"));
    let head = chunk.first_chunk::<HEAD_BYTES>().ok_or_else(|| damaged("it is too short"))?;
    if head[0] != FORMAT {
        return Err(damaged("its format is unknown"));
    }
    let number = |at: usize| usize::from(u16::from_le_bytes([head[at], head[at + 1]]));
    let reader = StreamReader::try_new(&chunk[HEAD_BYTES..], None);
    let reader = reader.map_err(|error| damaged(&error.to_string()))?;
    reader
        .map(|rows| {
            let rows = rows.map_err(|error| damaged(&error.to_string()))?;
            Ok(StoredRows { aggregation: number(1), table: number(3), rows })
        })
        .collect()
}

impl Checkpoints {
    /// Writes the chunks that the state's new record needs.
    pub(super) fn write_state(
        &self,
        object: &Object,
        frozen: &Frozen,
        operators: String,
        batch: &mut StateBatch,
    ) -> Result<StateRecord> {
        let old = self.record(object.id).and_then(|record| record.state);
        let begin = old.as_ref().map_or(0, |old| old.chunks.1);
        let (mut number, mut n_bytes) = (begin, 0);
        for stored in &frozen.rows {
            let chunk = encode(stored)?;
            n_bytes += chunk.len() as u64;
            self.put_chunk(batch, STATE_CHUNK, object.id, &mut number, &chunk)?;
        }
        Ok(match old.filter(|_| !frozen.all) {
            Some(old) => StateRecord {
                chunks: (old.chunks.0, number),
                since_bytes: old.since_bytes.saturating_add(n_bytes),
                operators,
                ..old
            },
            None => {
                let chunks = (begin, number);
                StateRecord { chunks, base_bytes: n_bytes, since_bytes: 0, operators }
            }
        })
    }

    /// Puts the state of a record into `state`, which has nothing.
    ///
    /// # Errors
    /// XX001 where it is damaged.
    pub(crate) fn load_state(
        &self,
        object: &Object,
        record: &StateRecord,
        state: &GraphState,
    ) -> Result<()> {
        self.each_chunk(object, STATE_CHUNK, record.chunks, |chunk| {
            for stored in decode(chunk)? {
                state.load(&stored).map_err(semantics::to_error)?;
            }
            Ok(())
        })?;
        state.commit();
        state.note_changes();
        Ok(())
    }
}

impl StateRecord {
    /// True where these operators are those whose state it is.
    pub(crate) fn is_of(&self, graph: &Graph) -> bool {
        self.operators == operators(graph)
    }

    /// True where the next checkpoint should write all of the state.
    pub(crate) fn is_grown(&self) -> bool {
        self.since_bytes > SINCE_BYTES_MIN.max(self.base_bytes / 2)
    }

    /// More than any number of bytes.
    pub(super) fn not_counted() -> u64 {
        u64::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::{SINCE_BYTES_MIN, StateRecord};

    #[test]
    fn a_state_is_written_anew_when_the_bytes_since_are_half_of_it() {
        let text = r#"{"chunks": [3, 9], "n_base": 50, "n_since": 0, "operators": ""}"#;
        let of_rows: StateRecord = serde_json::from_str(text).expect("a record of before");
        assert!(of_rows.is_grown());
        let with =
            |base_bytes, since_bytes| StateRecord { base_bytes, since_bytes, ..of_rows.clone() };
        assert!(!with(0, SINCE_BYTES_MIN).is_grown() && with(0, SINCE_BYTES_MIN + 1).is_grown());
        let large = 10 * SINCE_BYTES_MIN;
        assert!(!with(large, large / 2).is_grown() && with(large, large / 2 + 1).is_grown());
        let text = serde_json::to_string(&with(large, 7)).expect("a record is JSON");
        let back: StateRecord = serde_json::from_str(&text).expect("a record");
        assert_eq!(back, with(large, 7));
    }
}
