//! Blocks whose parts are stored apart.

use weir_types::SqlState;

use super::*;
use crate::block::{self, PartEntry};

/// Three parts of 3,000 bytes, with 100 bytes before each and behind the last.
fn in_parts(seed: u64) -> Append {
    let part =
        |idx: usize| Part { id: 30 - idx as u32, range: idx * 3_100 + 100..(idx + 1) * 3_100 };
    let parts = (0..3).map(part).collect();
    Append { parts, ..rows(10, 0, &noise(seed, 9_400)) }
}

/// A log with five such blocks, which does not have them in memory.
fn five_blocks(dir: &Path, config: TopicConfig) -> EmbeddedLog {
    let log = with_topic(dir, config);
    let blocks: Vec<_> = (0..5).map(|seed| (P1, in_parts(seed))).collect();
    commit(&log, &blocks);
    drop(log);
    // Opening moves the blocks from the write-ahead log into a blob file.
    open(dir)
}

fn read_projected(log: &EmbeddedLog, projection: &Projection) -> Vec<Result<Block>> {
    log.read(TOPIC, P1, Offset(0), Offset(50), projection).expect("in range").collect()
}

/// The places of the pieces of a block, whose bytes are those that were written.
fn pieces(block: &Block) -> Vec<std::ops::Range<usize>> {
    let written = noise(block.header.base_offset.0 / 10, 9_400);
    let pieces = block.payload.pieces().iter().map(|(begin, bytes)| {
        let range = *begin..begin + bytes.len();
        assert_eq!(bytes, &written[range.clone()]);
        range
    });
    pieces.collect()
}

#[test]
fn only_the_parts_that_a_reader_asks_for_are_read_from_disk() {
    let dir = tempfile::tempdir().expect("made");
    let log = five_blocks(dir.path(), config());
    let rest = [0..100, 3_100..3_200, 6_200..6_300, 9_300..9_400];
    let expected = |parts: &[std::ops::Range<usize>]| {
        let mut pieces = [&rest[..], parts].concat();
        pieces.sort_by_key(|range| range.start);
        pieces
    };
    let (first, last) = (96..3_100, 6_288..9_300);
    for (projection, expected) in [
        (Projection::none(), expected(&[])),
        (Projection::parts([7, 28]), expected(std::slice::from_ref(&last))),
        (Projection::parts([30, 28]), expected(&[first, last])),
    ] {
        let blocks = read_projected(&log, &projection);
        assert_eq!(blocks.len(), 5);
        for block in blocks {
            assert_eq!(pieces(&block.expect("whole")), expected, "{projection:?}");
        }
    }
    for (block_idx, (base, payload)) in read(&log, P1, 0, 50).into_iter().enumerate() {
        assert_eq!((base, payload), (block_idx as u64 * 10, noise(block_idx as u64, 9_400)));
    }
    // Who has it from memory has all of it, in one piece.
    let options = LogOptions { tail_bytes_max: 1 << 20, ..options() };
    drop(log);
    let log = open_with(dir.path(), options).expect("opened");
    commit(&log, &[(P1, in_parts(5))]);
    let mut blocks =
        log.read(TOPIC, P1, Offset(50), Offset(60), &Projection::none()).expect("in range");
    let block = blocks.next().expect("one").expect("whole");
    assert_eq!(block.payload.pieces().len(), 1);
    assert_eq!(payload(&block), noise(5, 9_400));
}

#[test]
fn damaged_part_is_found_by_those_who_read_it() {
    let dir = tempfile::tempdir().expect("made");
    drop(five_blocks(dir.path(), config()));
    let blob = files(dir.path(), "blob").pop().expect("a blob file");
    let bytes = std::fs::read(&blob).expect("read");
    let damaged = noise(2, 9_400);
    let at = bytes.windows(16).position(|window| window == &damaged[5_000..5_016]);
    crash::flip(&blob, at.expect("stored") as u64);
    let log = open(dir.path());
    let good = read_projected(&log, &Projection::parts([30, 28]));
    assert_eq!(
        good.into_iter().map(|block| pieces(&block.expect("whole")).len()).sum::<usize>(),
        30
    );
    let mut blocks = read_projected(&log, &Projection::parts([29]));
    let error = blocks.pop().expect("the last").expect_err("damaged");
    assert_eq!(blocks.len(), 2);
    assert_eq!(error.state(), SqlState::DataCorrupted);
    assert!(error.message().contains("topic \"orders\" partition 1"), "{error}");
}

/// The first block as it is stored, and the parts that it lacks.
fn first_stored(log: &EmbeddedLog) -> (Block, Vec<PartEntry>) {
    let topic = log.topics.get(TOPIC).expect("there");
    let blocks = log.shelf.store.blocks(topic.class, TOPIC, P1, Offset(0), None).expect("healthy");
    let (last, bytes) = blocks.into_iter().next().expect("one").expect("readable");
    block::decode("orders", TOPIC, P1, last, &bytes).expect("whole")
}

#[test]
fn part_that_is_not_there_is_damage_unless_retention_has_taken_it() {
    let dir = tempfile::tempdir().expect("made");
    let log = five_blocks(dir.path(), TopicConfig { retention_ms: Some(0), ..config() });
    let topic = log.topics.get(TOPIC).expect("there");
    let (block, parts) = first_stored(&log);
    assert_eq!(parts.len(), 3);
    let read = |parts: &[PartEntry]| {
        let mut block = block.clone();
        log.shelf.read_parts(&topic, &mut block, parts.to_vec()).map(|()| pieces(&block).len())
    };
    assert_eq!(read(&parts).expect("there"), 7);
    let unknown = PartEntry { id: 5, ..parts[0].clone() };
    let error = read(&[parts[1].clone(), unknown]).expect_err("no such part");
    assert_eq!(error.state(), SqlState::DataCorrupted);
    assert!(error.message().contains("partition 1 at offset 9 is damaged: its part 5 is missing"));
    let other = PartEntry { id: parts[1].id, ..parts[0].clone() };
    let error = read(&[other]).expect_err("another part's checksum");
    assert!(error.message().contains("the checksum of its part 29 is wrong"), "{error}");
    log.enforce_retention(Timestamp(1), &|_, _| None).expect("enforced");
    let error = read(&parts).expect_err("taken");
    assert_eq!(error.state(), SqlState::ObjectNotInPrerequisiteState);
}
