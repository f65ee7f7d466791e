//! How a checkpoint takes what a view's operators remember.
//!
//! A checkpoint needs the state as of its epoch, at which the view stops but does not wait. The epoch is told
//! before any view can pass it; the first tick that goes past it takes the state before it changes anything,
//! or the checkpoint does where no tick came.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use weir_dataflow::GraphState;
use weir_planner::semantics;
use weir_types::{Epoch, Error, Result};

use super::ViewData;
use crate::checkpoint::Frozen;

/// A view's part in the checkpoint that is being made.
#[derive(Default)]
pub(crate) struct Freezing {
    /// Its epoch; 0 while none is made.
    at: AtomicU64,
    taken: Mutex<Taken>,
}

/// Where the state of the checkpoint is. It is taken once: what is noted as changed from then on is for the next
/// checkpoint.
enum Taken {
    /// With the operators.
    NotYet {
        /// All of it is to be taken, or what changed since the last checkpoint.
        all: bool,
    },
    /// Here, until the checkpoint asks for it; or why it could not be taken.
    Here(Result<Frozen>),
    /// With the checkpoint.
    HandedOver,
}

impl Default for Taken {
    fn default() -> Self {
        Self::NotYet { all: true }
    }
}

impl Freezing {
    /// A checkpoint of that epoch begins.
    pub(crate) fn begin(&self, epoch: Epoch) {
        self.at.store(epoch.0, Ordering::SeqCst);
    }

    /// The checkpoint is over. `has_base`: the next one needs only what changed since.
    pub(crate) fn end(&self, has_base: bool) {
        self.at.store(0, Ordering::SeqCst);
        *self.taken.lock() = Taken::NotYet { all: !has_base };
    }

    /// Takes the state where a tick up to `upto` would change it too early. A view that nothing touches
    /// before the epoch goes past it in a tick that began before. Where it cannot be taken the checkpoint fails,
    /// not the tick.
    pub(super) fn before_tick(&self, state: &GraphState, upto: Epoch) {
        let epoch = Epoch(self.at.load(Ordering::SeqCst));
        if epoch == Epoch::ZERO || upto <= epoch {
            return;
        }
        let mut taken = self.taken.lock();
        if let Taken::NotYet { all } = *taken {
            // Stays where a defect panics: what had changed is not known any more.
            *taken = Taken::Here(Err(Error::internal("the state of a view could not be taken")));
            *taken = Taken::Here(freeze(state, all));
        }
    }

    /// The state, for the checkpoint; an error where it could not be taken.
    fn hand_over(&self, state: &GraphState) -> Result<Option<Frozen>> {
        let mut taken = self.taken.lock();
        match std::mem::replace(&mut *taken, Taken::HandedOver) {
            Taken::NotYet { all } => freeze(state, all).map(Some),
            Taken::Here(frozen) => frozen.map(Some),
            Taken::HandedOver => Ok(None),
        }
    }
}

fn freeze(state: &GraphState, all: bool) -> Result<Frozen> {
    let rows = state.stored(all).map_err(semantics::to_error)?;
    Ok(Frozen { all, rows })
}

impl ViewData {
    /// The state as of the checkpoint's epoch, at which the view is, or was when its next tick began; `None`
    /// where it has none.
    ///
    /// # Errors
    /// 54000 for a group whose state is larger than a checkpoint can hold; XX000 on a defect of a kernel.
    pub(crate) fn take_frozen(&self) -> Result<Option<Frozen>> {
        if !self.dataflow.is_stateful() {
            return Ok(None);
        }
        let state = self.state.lock();
        self.freezing.hand_over(&state)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use arrow::datatypes::{DataType, Field, Schema};
    use datafusion::error::Result as DfResult;
    use parking_lot::Mutex;
    use weir_dataflow::{
        Aggregate, Graph, GraphState, InputPart, Metrics, Origin, Pipeline, Run, Target,
    };
    use weir_delta::{Delta, Weights};
    use weir_types::Epoch;

    use super::Freezing;

    /// The groups of one column of integers.
    fn groups() -> Graph {
        let schema = Arc::new(Schema::new(vec![Field::new("k", DataType::Int64, true)]));
        let aggregate = Aggregate {
            keys: vec![0],
            key_types: vec![DataType::Int64],
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

    struct Rows(Mutex<Option<Delta>>);

    impl InputPart for Rows {
        fn n_rows(&self) -> usize {
            self.0.lock().as_ref().map_or(0, Delta::len)
        }

        fn next(&self) -> DfResult<Option<Delta>> {
            Ok(self.0.lock().take())
        }
    }

    fn tick(graph: &Graph, state: &GraphState, keys: &[i64], weights: Weights) {
        let schema = Arc::clone(&graph.aggregations[0].schema);
        let column: ArrayRef = Arc::new(Int64Array::from(keys.to_vec()));
        let rows = RecordBatch::try_new(schema, vec![column]).expect("one column of integers");
        let run = Run {
            graph,
            state,
            metrics: &Metrics::new(graph, 1),
            n_workers: 1,
            skips_errors: false,
            content: &|_| Ok(()),
        };
        let part: Box<dyn InputPart> = Box::new(Rows(Mutex::new(Some(Delta::new(rows, weights)))));
        run.run(&[vec![part]], true).expect("no operator fails");
        state.commit();
    }

    fn hand_over(freezing: &Freezing, state: &GraphState) -> Option<super::Frozen> {
        freezing.hand_over(state).expect("states can be written")
    }

    /// What loads as the state of those checkpoints has in its groups: the rows of each.
    fn n_groups(graph: &Graph, checkpoints: &[super::Frozen]) -> usize {
        let loaded = GraphState::new(graph, 1);
        for rows in checkpoints.iter().flat_map(|frozen| &frozen.rows) {
            loaded.load(rows).expect("rows of the same graph");
        }
        loaded.commit();
        loaded.size_of(0).0
    }

    #[test]
    fn what_changes_until_the_checkpoint_ends_is_in_the_next_one() {
        let graph = groups();
        let state = GraphState::new(&graph, 1);
        let freezing = Freezing::default();
        let take = |state: &GraphState| hand_over(&freezing, state).expect("not taken yet");
        tick(&graph, &state, &[1, 2], Weights::One);

        freezing.begin(Epoch(1));
        freezing.before_tick(&state, Epoch(2));
        tick(&graph, &state, &[3], Weights::One);
        let first = take(&state);
        assert_eq!(n_groups(&graph, std::slice::from_ref(&first)), 2);
        freezing.before_tick(&state, Epoch(3));
        tick(&graph, &state, &[1], Weights::Neg);
        freezing.before_tick(&state, Epoch(4));
        tick(&graph, &state, &[4, 5], Weights::One);
        freezing.end(true);

        freezing.begin(Epoch(4));
        let second = take(&state);
        freezing.end(true);
        assert!(!second.all);
        assert_eq!(n_groups(&graph, &[first, second]), 4);
    }

    #[test]
    fn a_checkpoint_that_failed_leaves_nothing_to_build_on() {
        let graph = groups();
        let state = GraphState::new(&graph, 1);
        let freezing = Freezing::default();
        tick(&graph, &state, &[1, 2], Weights::One);
        for has_base in [false, true] {
            freezing.begin(Epoch(1));
            assert!(hand_over(&freezing, &state).expect("not taken yet").all);
            assert!(hand_over(&freezing, &state).is_none());
            freezing.end(has_base);
        }
    }
}
