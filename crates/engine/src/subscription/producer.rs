//! The task that makes a subscription's changes.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use tokio::sync::oneshot;
use weir_dataflow::{Graph, Origin};
use weir_delta::Delta;
use weir_planner::semantics;
use weir_types::{Epoch, Error, ObjectId, Result, SqlState, limits};

use super::Form;
use super::hidden::Hidden;
use super::queue::Queue;
use super::source::{Changes, Source};
use crate::batch::normalize;
use crate::pins::Pin;
use crate::shared::Shared;
use crate::views::failed;

/// Follows the durable epoch, and puts what changed into the queue.
pub(super) struct Producer {
    pub(super) shared: Arc<Shared>,
    pub(super) queue: Arc<Queue>,
    pub(super) sources: Vec<Source>,
    pub(super) graph: Graph,
    pub(super) form: Form,
    /// The changes up to here are in the queue.
    pub(super) after: Epoch,
    /// Keeps the history from `after` on.
    pub(super) pin: Pin,
    pub(super) views: Vec<ObjectId>,
    /// What it reads, for the error when that is dropped.
    pub(super) names: HashMap<ObjectId, String>,
    pub(super) hidden: Option<Hidden>,
}

/// The newest epoch, when it is durable and those views have come to it.
///
/// # Errors
/// That of a view which cannot get there.
pub(super) async fn reach_newest(shared: &Shared, views: &[ObjectId]) -> Result<Epoch> {
    let (sender, outcome) = oneshot::channel();
    let waiter = Box::new(move |result| {
        // The subscription may have ended meanwhile.
        let _ = sender.send(result);
    });
    let epoch = shared.scheduler.wait_at_newest(views, &[], waiter);
    shared.durable.wait(epoch).await?;
    outcome
        .await
        .map_err(|_| Error::internal("a wait for views was lost"))?
        .map_err(|failure| failed::told(&shared.catalog(), views, failure))?;
    Ok(epoch)
}

impl Producer {
    pub(super) async fn run(mut self) {
        let Err(error) = self.follow().await;
        let error = self.dropped().unwrap_or(error);
        self.queue.end(error);
    }

    async fn follow(&mut self) -> Result<Infallible> {
        let mut durable = self.shared.durable.subscribe();
        loop {
            let after = self.after;
            durable
                .wait_for(|epoch| *epoch > after)
                .await
                .map_err(|_| Error::new(SqlState::AdminShutdown, "the server is shutting down"))?;
            if let Some(error) = self.dropped() {
                return Err(error);
            }
            let upto = reach_newest(&self.shared, &self.views).await?;
            self.emit(upto).await?;
            self.after = upto;
            self.pin = self.shared.pins.pin(upto);
            if let Some(hidden) = &self.hidden {
                hidden.compact(upto);
            }
            self.queue.reach(upto);
        }
    }

    /// The error for a relation that is not there any more.
    fn dropped(&self) -> Option<Error> {
        let catalog = self.shared.catalog();
        let (_, name) = self.names.iter().find(|(id, _)| catalog.get(**id).is_none())?;
        Some(Error::new(SqlState::UndefinedTable, format!("{name} was dropped during SUBSCRIBE")))
    }

    /// Puts the changes up to `upto` into the queue.
    async fn emit(&mut self, upto: Epoch) -> Result<()> {
        let catalog = self.shared.catalog();
        let can_wait = self.sources.iter().all(Source::is_log);
        let mut inputs = Vec::new();
        for (input, source) in self.sources.iter_mut().enumerate() {
            let changes = source.changes(&self.shared, &catalog, self.after, upto)?;
            inputs.extend(changes.into_iter().map(|changes| (input, changes.peekable())));
        }
        loop {
            if can_wait {
                self.queue.room().await;
            }
            // Others on these threads get their turn, and an abort is noticed.
            tokio::task::yield_now().await;
            let Some((epoch, changes)) = take_epoch(&mut inputs)? else { return Ok(()) };
            let delta = self.apply(changes)?;
            if !delta.is_empty() {
                self.queue.push(epoch, self.output(epoch, &delta)?)?;
            }
        }
    }

    /// The change of the query that the changes of its inputs make.
    fn apply(&self, changes: Vec<(usize, Delta)>) -> Result<Delta> {
        let mut outputs = Vec::new();
        for (input, delta) in changes {
            for pipeline in self.graph.pipelines.iter().filter(|p| p.origin == Origin::Input(input))
            {
                let output = pipeline.apply(delta.clone()).map_err(semantics::to_error)?;
                let rows = normalize(output.rows(), &self.form.content)?;
                outputs.push(Delta::new(rows, output.weights().clone()));
            }
        }
        Delta::concat(&self.form.content, &outputs)?.consolidate()
    }

    fn output(&self, epoch: Epoch, delta: &Delta) -> Result<Vec<RecordBatch>> {
        let weights: Int64Array = (0..delta.len()).map(|row| delta.weight(row)).collect();
        let all = self.form.output(epoch, weights, delta.rows())?;
        let starts = (0..all.num_rows()).step_by(limits::BATCH_ROWS);
        let part = |start| all.slice(start, limits::BATCH_ROWS.min(all.num_rows() - start));
        Ok(starts.map(part).collect())
    }
}

type Inputs = Vec<(usize, std::iter::Peekable<Changes>)>;

/// An epoch, and the changes of inputs at it.
type EpochChanges = (Epoch, Vec<(usize, Delta)>);

/// The changes of the first epoch that is left, by input.
fn take_epoch(inputs: &mut Inputs) -> Result<Option<EpochChanges>> {
    let mut first: Option<Epoch> = None;
    for (_, changes) in inputs.iter_mut() {
        match changes.peek() {
            None => {}
            Some(Err(error)) => return Err(error.clone()),
            Some(Ok((epoch, _))) => first = Some(first.map_or(*epoch, |known| known.min(*epoch))),
        }
    }
    let Some(epoch) = first else { return Ok(None) };
    let mut found = Vec::new();
    for (input, changes) in inputs.iter_mut() {
        let is_of_epoch = |change: &Result<(Epoch, Delta)>| match change {
            Ok((of, _)) => *of == epoch,
            Err(_) => true,
        };
        while let Some(change) = changes.next_if(is_of_epoch) {
            found.push((*input, change?.1));
        }
    }
    Ok(Some((epoch, found)))
}
