//! A tick of an incremental view: its inputs' changes through its pipelines and aggregations.
//!
//! Few rows go straight into the aggregations. Many are read by several threads: each has gathering shards
//! of its own, which it merges into the view's where they are full, and at the end; where nearly each row is
//! another group, it gives up gathering for the rest of the tick. What an aggregation
//! changed is told shard by shard, when all rows that it gets are in; that of many groups by several threads, too.
//!
//! ```text
//! parts of inputs -> pipelines -> gathering shards -> (one lock a shard) -> shards -> changes -> pipelines
//! ```

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use arrow::array::RecordBatch;
use datafusion::error::{DataFusionError, Result};
use parking_lot::Mutex;
use weir_delta::Delta;
use weir_types::Error;
use weir_types::planted;

use crate::InputPart;
use crate::graph::{Graph, Origin, Pipeline, Target};
use crate::metrics::Metrics;
use crate::operator::aggregate::shard::Shard;
use crate::operator::aggregate::stored::TableRows;
use crate::operator::aggregate::{Aggregate, Prepared};

/// From so many rows on, threads are worth their start.
const PARALLEL_ROWS: usize = 1 << 15;
/// Groups of a gathering shard from which on it is merged: what it holds should stay in the cache.
const GATHERED_GROUPS: usize = 1 << 14;
/// Rows for each of the groups, and of the values that calls with DISTINCT have seen, below which gathering
/// does not pay.
const ROWS_OF_GATHERED_MIN: usize = 2;

fn parallel_rows() -> usize {
    if planted::is_small() { 2 } else { PARALLEL_ROWS }
}

fn gathered_max() -> usize {
    if planted::is_small() { 2 } else { GATHERED_GROUPS }
}

/// What the operators of a view remember.
#[derive(Default)]
pub struct GraphState {
    /// For each aggregation, its shards.
    aggregations: Vec<Vec<Mutex<Shard>>>,
}

impl GraphState {
    /// The state before the first row.
    #[must_use]
    pub fn new(graph: &Graph, n_shards: usize) -> Self {
        let shards = |aggregate: &Arc<Aggregate>| {
            (0..n_shards)
                .map(|shard_idx| Mutex::new(Shard::new(aggregate, shard_idx, n_shards)))
                .collect()
        };
        Self { aggregations: graph.aggregations.iter().map(shards).collect() }
    }

    /// Number of groups of an aggregation, and bytes of memory of its state, about.
    #[must_use]
    pub fn size_of(&self, aggregation: usize) -> (usize, usize) {
        self.aggregations[aggregation].iter().fold((0, 0), |(n_groups, n_bytes), shard| {
            let shard = shard.lock();
            (n_groups + shard.n_groups(), n_bytes + shard.n_bytes())
        })
    }

    /// Bytes of memory in use, about.
    #[must_use]
    pub fn n_bytes(&self) -> usize {
        self.shards().map(|shard| shard.lock().n_bytes()).sum()
    }

    /// The tick holds.
    pub fn commit(&self) {
        self.shards().for_each(|shard| shard.lock().commit());
    }

    /// The tick, which kept undo, did not happen.
    pub fn rollback(&self) {
        self.shards().for_each(|shard| shard.lock().rollback());
    }

    /// The state as rows: all of it, or what changed since it was last asked.
    ///
    /// # Errors
    /// XX000 on a defect of a kernel.
    pub fn stored(&self, all: bool) -> Result<Vec<StoredRows>> {
        let mut stored = Vec::new();
        for (aggregation, shards) in self.aggregations.iter().enumerate() {
            for shard in shards {
                let tables = shard.lock().stored(all)?;
                stored.extend(tables.into_iter().map(|TableRows { table, rows }| StoredRows {
                    aggregation,
                    table,
                    rows,
                }));
            }
        }
        Ok(stored)
    }

    /// From now on changes are noted for [`Self::stored`].
    pub fn note_changes(&self) {
        self.shards().for_each(|shard| shard.lock().note_changes());
    }

    /// Puts rows in that [`Self::stored`] gave, in that order. To be followed by [`Self::commit`].
    ///
    /// # Errors
    /// XX001 where they are not of such a state.
    pub fn load(&self, stored: &StoredRows) -> Result<()> {
        let Some(shards) = self.aggregations.get(stored.aggregation) else {
            return Err(DataFusionError::External(Box::new(Error::corrupt(
                "the stored state is of another query",
            ))));
        };
        for (shard_idx, shard) in shards.iter().enumerate() {
            shard.lock().load(stored.table, &stored.rows, shard_idx, shards.len())?;
        }
        Ok(())
    }

    fn shards(&self) -> impl Iterator<Item = &Mutex<Shard>> {
        self.aggregations.iter().flatten()
    }
}

/// Rows of a state.
pub struct StoredRows {
    /// Which of the view's aggregations.
    pub aggregation: usize,
    /// Which of its tables.
    pub table: usize,
    /// The rows.
    pub rows: RecordBatch,
}

/// One tick.
pub struct Run<'a> {
    /// The view's operators.
    pub graph: &'a Graph,
    /// What they remember.
    pub state: &'a GraphState,
    /// Counts what they do; for as many workers.
    pub metrics: &'a Metrics,
    /// Threads to use where there is much to do.
    pub n_workers: usize,
    /// Rows for which an operator fails are left out.
    pub skips_errors: bool,
    /// Takes the changes of the content; from several threads.
    pub content: &'a (dyn Fn(Delta) -> Result<()> + Sync),
}

impl Run<'_> {
    /// Takes in those parts of each of the view's inputs. After an error, or where what comes after it
    /// fails, the state is to be rolled back, which `keeps_undo` allows; else it is to be given up.
    ///
    /// # Errors
    /// Of reading, of operators, of `content`.
    pub fn run(&self, inputs: &[Vec<Box<dyn InputPart + '_>>], keeps_undo: bool) -> Result<()> {
        self.state.shards().for_each(|shard| shard.lock().begin(keeps_undo));
        let parts: Vec<(usize, &dyn InputPart)> = inputs
            .iter()
            .enumerate()
            .flat_map(|(input, parts)| parts.iter().map(move |part| (input, part.as_ref())))
            .collect();
        let n_rows: usize = parts.iter().map(|(_, part)| part.n_rows()).sum();
        if n_rows < parallel_rows() || self.n_workers < 2 {
            for (input, part) in parts {
                while let Some(delta) = part.next()? {
                    self.take_in(Origin::Input(input), delta, 0, None)?;
                }
            }
        } else {
            self.read_side_by_side(&parts)?;
        }
        for aggregation in 0..self.graph.aggregations.len() {
            self.pass_on(aggregation)?;
        }
        Ok(())
    }

    fn read_side_by_side(&self, parts: &[(usize, &dyn InputPart)]) -> Result<()> {
        self.on_all_workers(|worker_idx, others| {
            let mut gathered = Gathered::new(self.graph, self.state);
            // Each begins with another part, and helps with the others when that is read.
            let (before, after) = parts.split_at(worker_idx * parts.len() / self.n_workers);
            for (input, part) in after.iter().chain(before) {
                while let Some(delta) = part.next()? {
                    if others.have_failed() {
                        return Ok(());
                    }
                    self.take_in(Origin::Input(*input), delta, worker_idx, Some(&mut gathered))?;
                }
            }
            gathered.merge_all(self, worker_idx)
        })
    }

    /// Runs `act` on each worker. One that finds that others failed may end without an error: what it did counts
    /// no more.
    fn on_all_workers(&self, act: impl Fn(usize, &Failing) -> Result<()> + Sync) -> Result<()> {
        let failing = Failing::default();
        let outcomes = weir_env::run_side_by_side("weir-tick", self.n_workers, &|worker_idx| {
            let end = OnEnd { failing: &failing, holds: Cell::new(false) };
            let outcome = act(worker_idx, &failing);
            end.holds.set(outcome.is_ok());
            outcome
        });
        outcomes.into_iter().collect()
    }

    /// Sends changes through the pipelines that begin there.
    fn take_in(
        &self,
        origin: Origin,
        delta: Delta,
        worker_idx: usize,
        mut gathered: Option<&mut Gathered>,
    ) -> Result<()> {
        for (number, pipeline) in self.graph.from(origin) {
            for output in self.apply(number, pipeline, delta.clone(), worker_idx)? {
                let Target::Aggregation(to) = pipeline.target else {
                    (self.content)(output)?;
                    continue;
                };
                let began = Instant::now();
                match &mut gathered {
                    Some(gathered) => {
                        gathered.take_in(self.graph, self.state, to, &output, worker_idx)?;
                    }
                    None => self.aggregate(to, &output)?,
                }
                self.metrics.aggregations[to][worker_idx].add(output.len(), 0, began);
            }
        }
        Ok(())
    }

    fn apply(
        &self,
        number: usize,
        pipeline: &Pipeline,
        delta: Delta,
        worker_idx: usize,
    ) -> Result<Vec<Delta>> {
        let outputs = if self.skips_errors {
            pipeline.apply_skipping(delta, &mut |_| Ok(()))?
        } else {
            vec![pipeline.apply_counting(delta, &self.metrics.pipelines[number], worker_idx)?]
        };
        Ok(outputs.into_iter().filter(|output| !output.is_empty()).collect())
    }

    fn aggregate(&self, aggregation: usize, delta: &Delta) -> Result<()> {
        let shards = &self.state.aggregations[aggregation];
        let prepared = Prepared::new(&self.graph.aggregations[aggregation], delta, shards.len());
        update(shards, &prepared, 0)
    }

    /// What the aggregation changed goes on.
    fn pass_on(&self, aggregation: usize) -> Result<()> {
        let shards = &self.state.aggregations[aggregation];
        let n_touched: usize = shards.iter().map(|shard| shard.lock().n_touched()).sum();
        if n_touched < parallel_rows() || self.n_workers < 2 || shards.len() < 2 {
            return shards
                .iter()
                .try_for_each(|shard| self.pass_on_of(aggregation, shard, 0, None));
        }
        let next = AtomicUsize::new(0);
        self.on_all_workers(|worker_idx, others| {
            let mut gathered = Gathered::new(self.graph, self.state);
            while let Some(shard) = shards.get(next.fetch_add(1, Ordering::Relaxed)) {
                if others.have_failed() {
                    return Ok(());
                }
                self.pass_on_of(aggregation, shard, worker_idx, Some(&mut gathered))?;
            }
            gathered.merge_all(self, worker_idx)
        })
    }

    fn pass_on_of(
        &self,
        aggregation: usize,
        shard: &Mutex<Shard>,
        worker_idx: usize,
        mut gathered: Option<&mut Gathered>,
    ) -> Result<()> {
        let began = Instant::now();
        let changes = shard.lock().changes()?;
        let n_rows = changes.iter().map(Delta::len).sum();
        self.metrics.aggregations[aggregation][worker_idx].add(0, n_rows, began);
        for delta in changes {
            let origin = Origin::Aggregation(aggregation);
            self.take_in(origin, delta, worker_idx, gathered.as_deref_mut())?;
        }
        Ok(())
    }
}

/// Whether a worker of the tick has failed.
#[derive(Default)]
struct Failing(AtomicBool);

impl Failing {
    fn have_failed(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Tells the other workers when one ends with an error or a panic.
struct OnEnd<'a> {
    failing: &'a Failing,
    holds: Cell<bool>,
}

impl Drop for OnEnd<'_> {
    fn drop(&mut self) {
        if !self.holds.get() {
            self.failing.0.store(true, Ordering::Relaxed);
        }
    }
}

/// What a worker gathers before it locks the view's shards, for each aggregation.
struct Gathered {
    aggregations: Vec<Gathering>,
}

/// Gathering shards of a worker.
struct Gathering {
    /// With the number of rows that each has taken in.
    shards: Vec<(Shard, usize)>,
    /// Rows turned out to be of so many groups that counting them twice costs more than the locks.
    is_direct: bool,
}

impl Gathered {
    fn new(graph: &Graph, state: &GraphState) -> Self {
        let of = |(aggregate, shards): (&Arc<Aggregate>, &Vec<Mutex<Shard>>)| Gathering {
            shards: shards.iter().map(|_| (Shard::gathering(aggregate), 0)).collect(),
            is_direct: false,
        };
        Self { aggregations: graph.aggregations.iter().zip(&state.aggregations).map(of).collect() }
    }

    fn take_in(
        &mut self,
        graph: &Graph,
        state: &GraphState,
        to: usize,
        delta: &Delta,
        worker_idx: usize,
    ) -> Result<()> {
        let (aggregate, targets) = (&graph.aggregations[to], &state.aggregations[to]);
        let prepared = Prepared::new(aggregate, delta, targets.len());
        let Gathering { shards, is_direct } = &mut self.aggregations[to];
        if *is_direct {
            return update(targets, &prepared, worker_idx);
        }
        for (shard_idx, (shard, n_rows)) in shards.iter_mut().enumerate() {
            let rows = &prepared.rows[shard_idx];
            shard.update(&prepared, rows)?;
            *n_rows += rows.len();
            if shard.n_gathered() > gathered_max() {
                *is_direct |= *n_rows < ROWS_OF_GATHERED_MIN * shard.n_gathered();
                let full = std::mem::replace(shard, Shard::gathering(aggregate));
                *n_rows = 0;
                targets[shard_idx].lock().merge(&full)?;
            }
        }
        Ok(())
    }

    /// Merges all shards, each worker beginning with another.
    fn merge_all(self, run: &Run<'_>, worker_idx: usize) -> Result<()> {
        for (aggregation, Gathering { shards, .. }) in self.aggregations.iter().enumerate() {
            let began = Instant::now();
            let targets = &run.state.aggregations[aggregation];
            for step in 0..shards.len() {
                let shard_idx = (step + worker_idx) % shards.len();
                targets[shard_idx].lock().merge(&shards[shard_idx].0)?;
            }
            run.metrics.aggregations[aggregation][worker_idx].add(0, 0, began);
        }
        Ok(())
    }
}

/// Counts a batch in the view's shards: first in those that no other worker is at.
fn update(shards: &[Mutex<Shard>], batch: &Prepared<'_>, worker_idx: usize) -> Result<()> {
    let mut busy = Vec::new();
    for step in 0..shards.len() {
        let shard_idx = (step + worker_idx) % shards.len();
        let rows = &batch.rows[shard_idx];
        if rows.is_empty() {
            continue;
        }
        match shards[shard_idx].try_lock() {
            Some(mut shard) => shard.update(batch, rows)?,
            None => busy.push(shard_idx),
        }
    }
    busy.into_iter().try_for_each(|idx| shards[idx].lock().update(batch, &batch.rows[idx]))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array};
    use arrow::datatypes::{DataType, Field, Float64Type, Schema};
    use weir_delta::Weights;

    use super::*;

    const N_BATCHES: usize = 2_000;

    /// Batches of many rows; the one that fails gives none.
    struct Part {
        n_read: AtomicUsize,
        fails: bool,
    }

    impl InputPart for Part {
        fn n_rows(&self) -> usize {
            N_BATCHES * PARALLEL_ROWS
        }

        fn next(&self) -> Result<Option<Delta>> {
            if self.fails {
                return Err(DataFusionError::External(Box::new(Error::internal("it fails"))));
            }
            if self.n_read.fetch_add(1, Ordering::Relaxed) == N_BATCHES {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(1));
            let field = Field::new("k", DataType::Int64, true);
            let column: ArrayRef = Arc::new(Int64Array::from(vec![1]));
            let rows = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![column])?;
            Ok(Some(Delta::new(rows, Weights::One)))
        }
    }

    #[test]
    fn one_worker_that_fails_ends_the_others() {
        let pipeline =
            Pipeline { origin: Origin::Input(0), steps: Vec::new(), target: Target::Content };
        let graph = Graph { pipelines: vec![pipeline], aggregations: Vec::new() };
        let [busy, failing] =
            [false, true].map(|fails| Arc::new(Part { n_read: AtomicUsize::new(0), fails }));
        let run = Run {
            graph: &graph,
            state: &GraphState::new(&graph, 2),
            metrics: &Metrics::new(&graph, 2),
            n_workers: 2,
            skips_errors: false,
            content: &|_| Ok(()),
        };
        let parts: Vec<(usize, &dyn InputPart)> = vec![(0, busy.as_ref()), (0, failing.as_ref())];
        run.read_side_by_side(&parts).expect_err("one part fails");
        assert!(busy.n_read.load(Ordering::Relaxed) < N_BATCHES);
    }

    /// The groups of one column of floats.
    fn groups() -> Graph {
        let schema = Arc::new(Schema::new(vec![Field::new("k", DataType::Float64, true)]));
        let aggregate = Aggregate {
            keys: vec![0],
            key_types: vec![DataType::Float64],
            calls: Vec::new(),
            filters: Vec::new(),
            distinct: Vec::new(),
            only_group: None,
            append_only: false,
            schema,
        };
        let pipeline = |origin, target| Pipeline { origin, steps: Vec::new(), target };
        Graph {
            pipelines: vec![
                pipeline(Origin::Input(0), Target::Aggregation(0)),
                pipeline(Origin::Aggregation(0), Target::Content),
            ],
            aggregations: vec![Arc::new(aggregate)],
        }
    }

    struct One(Mutex<Option<Delta>>);

    impl InputPart for One {
        fn n_rows(&self) -> usize {
            1
        }

        fn next(&self) -> Result<Option<Delta>> {
            Ok(self.0.lock().take())
        }
    }

    /// Takes in one row; gives the text of each key that changed.
    fn tick(graph: &Graph, state: &GraphState, key: f64, weights: Weights) -> Vec<String> {
        let shown = Mutex::new(Vec::new());
        let schema = Arc::clone(&graph.aggregations[0].schema);
        let column: ArrayRef = Arc::new(Float64Array::from(vec![key]));
        let rows = RecordBatch::try_new(schema, vec![column]).expect("one column of floats");
        let run = Run {
            graph,
            state,
            metrics: &Metrics::new(graph, 1),
            n_workers: 1,
            skips_errors: false,
            content: &|delta| {
                let keys = delta.rows().column(0).as_primitive::<Float64Type>();
                shown.lock().extend(keys.values().iter().map(|key| format!("{key:?}")));
                Ok(())
            },
        };
        let part: Box<dyn InputPart> = Box::new(One(Mutex::new(Some(Delta::new(rows, weights)))));
        run.run(&[vec![part]], true).expect("no operator fails");
        state.commit();
        shown.into_inner()
    }

    #[test]
    fn a_loaded_group_takes_back_the_key_that_it_showed_last() {
        let graph = groups();
        let state = GraphState::new(&graph, 1);
        assert_eq!(tick(&graph, &state, -0.0, Weights::One), ["-0.0"]);
        let first = state.stored(true).expect("states can be written");
        assert_eq!(tick(&graph, &state, 0.0, Weights::Neg), ["-0.0"]);
        assert_eq!(tick(&graph, &state, 0.0, Weights::One), ["0.0"]);
        let second = state.stored(false).expect("states can be written");
        let loaded = GraphState::new(&graph, 1);
        for rows in first.iter().chain(&second) {
            loaded.load(rows).expect("rows of the same graph");
        }
        loaded.commit();
        assert_eq!(tick(&graph, &loaded, -0.0, Weights::Neg), ["0.0"]);
    }
}
