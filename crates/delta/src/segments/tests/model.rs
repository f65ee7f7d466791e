//! Random deltas against a model: a list of row versions that is searched from end to end.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use weir_types::Epoch;

use crate::delta::{Delta, Weights};
use crate::rows;
use crate::segments::{ApplyErrorKind, Key, Segments, Snapshot};

/// A row in canonical form: the number by its bits, with one NaN.
type Row = (Option<u64>, Option<String>, Option<String>);

/// Numbers that are easily mixed up, and where -0.0 and a second NaN come from.
const NUMBERS: [Option<f64>; 6] =
    [None, Some(0.0), Some(-0.0), Some(f64::NAN), Some(-f64::NAN), Some(1.0)];
const TEXTS: [Option<&str>; 5] = [
    None,
    Some(""),
    Some("a"),
    Some("a text of more than twelve bytes"),
    Some("a text of more than twelve bytez"),
];

fn canonical(number: Option<f64>) -> Option<u64> {
    number.map(|n| if n.is_nan() { f64::NAN.to_bits() } else { n.to_bits() })
}

/// The key of a row: to it there is one zero.
fn key(row: &Row) -> (Option<u64>, Option<String>) {
    (row.0.map(|bits| (f64::from_bits(bits) + 0.0).to_bits()), row.1.clone())
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("number", DataType::Float64, true),
        Field::new("text", DataType::Utf8View, true),
        Field::new("payload", DataType::Utf8View, true),
    ]))
}

/// The batch of those rows. NaN comes in any of its forms.
fn batch(random: &mut SmallRng, rows: &[Row]) -> RecordBatch {
    let numbers: Float64Array = rows
        .iter()
        .map(|row| {
            let forms: Vec<Option<f64>> =
                NUMBERS.iter().copied().filter(|n| canonical(*n) == row.0).collect();
            *forms.choose(random).expect("a number of the list")
        })
        .collect();
    let texts: StringViewArray = rows.iter().map(|row| row.1.as_deref()).collect();
    let payloads: StringViewArray = rows.iter().map(|row| row.2.as_deref()).collect();
    let columns: Vec<ArrayRef> = vec![Arc::new(numbers), Arc::new(texts), Arc::new(payloads)];
    rows::batch(schema(), columns, rows.len()).expect("a batch")
}

fn read(batch: &RecordBatch) -> Vec<Row> {
    let numbers = batch.column(0).as_primitive::<Float64Type>();
    let text = |at: usize, row: usize| {
        let column = batch.column(at).as_string_view();
        column.is_valid(row).then(|| column.value(row).to_owned())
    };
    let row =
        |row| (canonical(numbers.iter().nth(row).expect("a row")), text(1, row), text(2, row));
    (0..batch.num_rows()).map(row).collect()
}

fn random_row(random: &mut SmallRng) -> Row {
    let number = canonical(*NUMBERS.choose(random).expect("some"));
    let text = TEXTS.choose(random).expect("some").map(str::to_owned);
    let payload = TEXTS.choose(random).expect("some").map(str::to_owned);
    (number, text, payload)
}

#[derive(Clone)]
struct Version {
    row: Row,
    created: u64,
    deleted: u64,
}

#[derive(Clone)]
struct Model {
    is_unique: bool,
    versions: Vec<Version>,
    /// The last deletion of each key.
    deletions: BTreeMap<(Option<u64>, Option<String>), u64>,
}

impl Model {
    fn live(&self) -> impl Iterator<Item = &Version> {
        self.versions.iter().filter(|version| version.deleted == u64::MAX)
    }

    fn apply(&mut self, epoch: u64, changes: &[(Row, i64)]) -> Result<(), (ApplyErrorKind, usize)> {
        let mut next = self.clone();
        for (at, (row, weight)) in changes.iter().enumerate() {
            for _ in 0..-weight {
                let is_same = |version: &Version| match self.is_unique {
                    true => key(&version.row) == key(row) && version.row.2 == row.2,
                    false => version.row == *row,
                };
                let live = |version: &&mut Version| version.deleted == u64::MAX && is_same(version);
                let version = next.versions.iter_mut().find(live);
                version.ok_or((ApplyErrorKind::MissingRow, at))?.deleted = epoch;
                next.deletions.insert(key(row), epoch);
            }
        }
        for (at, (row, weight)) in changes.iter().enumerate() {
            for _ in 0..*weight {
                let same_key = |version: &Version| key(&version.row) == key(row);
                if self.is_unique && next.live().any(same_key) {
                    return Err((ApplyErrorKind::DuplicateKey, at));
                }
                next.versions.push(Version { row: row.clone(), created: epoch, deleted: u64::MAX });
            }
        }
        *self = next;
        Ok(())
    }

    fn at(&self, epoch: u64) -> BTreeMap<Row, i64> {
        let mut rows = BTreeMap::new();
        for version in &self.versions {
            if version.created <= epoch && epoch < version.deleted {
                *rows.entry(version.row.clone()).or_default() += 1;
            }
        }
        rows
    }

    fn changes(&self, after: u64, upto: u64) -> BTreeMap<Row, i64> {
        let mut changes = self.at(upto);
        for (row, n) in self.at(after) {
            *changes.entry(row).or_default() -= n;
        }
        changes.retain(|_, weight| *weight != 0);
        changes
    }
}

fn counts(rows: impl IntoIterator<Item = (Row, i64)>) -> BTreeMap<Row, i64> {
    let mut counts = BTreeMap::new();
    rows.into_iter().for_each(|(row, weight)| *counts.entry(row).or_default() += weight);
    counts
}

/// A snapshot with the model and the horizon of its time.
struct Kept {
    snapshot: Snapshot,
    model: Model,
    horizon: u64,
    newest: u64,
}

impl Kept {
    fn check(&self, random: &mut SmallRng) {
        let at = random.random_range(self.horizon..=self.newest);
        let batches: Vec<RecordBatch> = self.snapshot.scan(Epoch(at), None).collect();
        let rows = batches.iter().flat_map(read).map(|row| (row, 1));
        assert_eq!(counts(rows), self.model.at(at), "rows at {at}");
        let n_rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        assert_eq!(self.snapshot.n_rows(Epoch(at)), n_rows);
        let upto = random.random_range(at..=self.newest);
        let changes = self.snapshot.changes(Epoch(at), Epoch(upto), None).expect("changes");
        let rows = read(changes.rows());
        assert_eq!(counts(rows.iter().cloned().map(|row| (row, 0))).len(), rows.len());
        let weights = (0..changes.len()).map(|row| changes.weight(row));
        let expected = self.model.changes(at, upto);
        assert_eq!(counts(rows.into_iter().zip(weights)), expected, "changes from {at} to {upto}");
        let mut history = BTreeMap::new();
        for of_epoch in self.snapshot.history(Epoch(at), Epoch(upto)) {
            let (epoch, delta) = of_epoch.expect("a history");
            let weights = (0..delta.len()).map(|row| delta.weight(row));
            let changes: BTreeMap<Row, i64> = read(delta.rows()).into_iter().zip(weights).collect();
            assert_eq!(changes.len(), delta.len(), "each row once");
            assert!(history.last_key_value().is_none_or(|(last, _)| *last < epoch.0));
            history.insert(epoch.0, changes);
        }
        let expected = (at + 1..=upto)
            .map(|epoch| (epoch, self.model.changes(epoch - 1, epoch)))
            .filter(|(_, changes)| !changes.is_empty());
        assert_eq!(history, expected.collect(), "history from {at} to {upto}");
    }
}

struct Run {
    random: SmallRng,
    store: Segments,
    model: Model,
    epoch: u64,
    horizon: u64,
    released: u64,
    kept: Vec<Kept>,
    n_refused: usize,
}

impl Run {
    fn new(seed: u64, key: Key) -> Self {
        let is_unique = matches!(key, Key::Unique(_));
        Self {
            random: SmallRng::seed_from_u64(seed),
            store: Segments::new(schema(), key),
            model: Model { is_unique, versions: Vec::new(), deletions: BTreeMap::new() },
            epoch: 1,
            horizon: 0,
            released: 0,
            kept: Vec::new(),
            n_refused: 0,
        }
    }

    /// Mostly live rows to retract, and rows to insert that replace them or are new.
    fn random_changes(&mut self) -> Vec<(Row, i64)> {
        let live: Vec<Row> = self.model.live().map(|version| version.row.clone()).collect();
        let n_changes = *[1, 1, 1, 2, 3, 8].choose(&mut self.random).expect("some");
        let mut changes = Vec::new();
        for _ in 0..n_changes {
            let random = &mut self.random;
            match live.choose(random) {
                Some(row) if random.random_bool(0.6) => {
                    changes.push((row.clone(), -1));
                    if random.random_bool(0.5) {
                        let payload = random_row(random).2;
                        changes.push(((row.0, row.1.clone(), payload), 1));
                    }
                }
                _ => {
                    let weight =
                        if random.random_bool(0.1) { random.random_range(-2..3) } else { 1 };
                    changes.push((random_row(random), weight));
                }
            }
        }
        changes
    }

    fn apply(&mut self) {
        let changes = self.random_changes();
        let rows: Vec<Row> = changes.iter().map(|change| change.0.clone()).collect();
        let weights = changes.iter().map(|change| change.1).collect();
        let delta = Delta::new(batch(&mut self.random, &rows), Weights::Mixed(weights));
        let expected = self.model.apply(self.epoch, &changes);
        let applied = self.store.apply(Epoch(self.epoch), &delta);
        match (applied, expected) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err((kind, _))) => {
                assert_eq!(error.kind, kind, "{changes:?}");
                self.n_refused += 1;
            }
            (applied, expected) => panic!("{applied:?}, expected {expected:?}: {changes:?}"),
        }
    }

    fn check_keys(&mut self) {
        let rows: Vec<Row> = (0..5).map(|_| random_row(&mut self.random)).collect();
        let probe = batch(&mut self.random, &rows);
        let n_columns = if self.model.is_unique { 2 } else { 3 };
        let keys = &probe.columns()[..n_columns];
        let (found, changed) = (self.store.lookup(keys), self.store.last_change(keys));
        for (at, row) in rows.iter().enumerate() {
            let is_same = |version: &&Version| match self.model.is_unique {
                true => key(&version.row) == key(row),
                false => version.row == *row,
            };
            let live = self.model.live().filter(is_same).last();
            assert_eq!(found[at].is_some(), live.is_some(), "{row:?}");
            let Some(version) = live else {
                let deletion = self.model.deletions.get(&key(row)).copied();
                let deletion =
                    deletion.filter(|epoch| self.model.is_unique && *epoch > self.released);
                assert_eq!(changed[at], deletion.map(Epoch), "{row:?}");
                continue;
            };
            let reference = found[at].expect("it was found");
            let gathered = self.store.gather(&[reference]).expect("a row");
            assert_eq!(read(&gathered)[0], version.row);
            let created = self.store.created(reference).expect("a row that is held").0;
            assert_eq!(changed[at], Some(Epoch(created)));
            let settled = self.horizon.min(self.released);
            if self.model.is_unique && version.created > settled {
                assert_eq!(created, version.created);
            } else if self.model.is_unique {
                assert!((version.created..=settled).contains(&created));
            }
        }
    }

    fn step(&mut self) {
        match self.random.random_range(0..20) {
            0..12 => self.apply(),
            12..14 => self.epoch += self.random.random_range(1..4),
            14 => self.check_keys(),
            15 => {
                // The newest epoch may still grow, and is not complete.
                let newest = self.epoch - 1;
                if newest >= self.horizon {
                    let (snapshot, model) = (self.store.snapshot(), self.model.clone());
                    self.kept.push(Kept { snapshot, model, horizon: self.horizon, newest });
                }
            }
            16 => {
                self.horizon = self.random.random_range(self.horizon..self.epoch);
                self.store.compact(Epoch(self.horizon));
            }
            17 => {
                self.released = self.random.random_range(self.released..self.epoch);
                self.store.release(Epoch(self.released));
            }
            _ => {
                if !self.kept.is_empty() {
                    let at = self.random.random_range(0..self.kept.len());
                    self.kept[at].check(&mut self.random);
                    if self.random.random_bool(0.3) {
                        self.kept.swap_remove(at);
                    }
                }
            }
        }
        assert_eq!(self.store.n_live(), self.model.live().count());
    }
}

fn run(key: &Key, seeds: std::ops::Range<u64>, n_steps: usize) {
    for seed in seeds {
        let mut run = Run::new(seed, key.clone());
        for _ in 0..n_steps {
            run.step();
        }
        run.epoch += 1;
        while run.store.compact(Epoch(run.horizon)) {}
        let newest = run.epoch - 1;
        let (snapshot, model) = (run.store.snapshot(), run.model.clone());
        run.kept.push(Kept { snapshot, model, horizon: run.horizon, newest });
        for kept in &run.kept {
            (0..3).for_each(|_| kept.check(&mut run.random));
        }
        assert!(run.n_refused * 20 > n_steps / 2, "seed {seed} is of valid deltas only");
    }
}

#[test]
fn unique_keys() {
    run(&Key::Unique(vec![0, 1]), 0..40, 400);
}

#[test]
fn bags() {
    run(&Key::Bag, 0..40, 400);
}
