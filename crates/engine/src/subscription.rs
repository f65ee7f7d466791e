//! SUBSCRIBE: the rows of a query, then its changes, epoch by epoch, until the client has enough.
//!
//! A query of linear operators keeps no state: the changes of its inputs go through its pipelines. Any other
//! is a materialized view without a name, which lives as long as the statement. A *producer* on the query
//! threads follows the durable epoch; what it has made waits in a bounded queue for the client.
//!
//! **Invariant:** every epoch at which the content changes comes once, in order, consolidated. An epoch is
//! one of a commit, or one at which a tick of a view that is read ended.

mod hidden;
mod producer;
mod queue;
mod source;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::{Field, Schema, SchemaRef};
use futures::StreamExt;
use weir_catalog::{Catalog, ObjectBody};
use weir_dataflow::{Graph, Origin, Pipeline, Target};
use weir_planner::bind::BoundQuery;
use weir_planner::dialect::Subscribe;
use weir_planner::incremental::Dataflow;
use weir_planner::semantics;
use weir_types::{Epoch, Error, ObjectId, Result, SqlType};

use crate::batch::{AbortOnDrop, normalize};
use crate::pins::Pin;
use crate::read::{self, ReadMode};
use crate::session::{OutputColumn, RowStream, Session};
use crate::statement::{bind_stored, query};
use crate::views;
use hidden::Hidden;
use producer::Producer;
use queue::{Pop, Queue};
use source::Source;

/// A query whose changes are followed. Dropping it ends all that it needs.
pub(crate) struct Subscription {
    pub(crate) columns: Arc<[OutputColumn]>,
    /// The rows of its begin that were not handed out yet.
    snapshot: Option<RowStream>,
    queue: Arc<Queue>,
    _producer: AbortOnDrop,
}

/// What SUBSCRIBE gives: `epoch`, `diff`, then the query's columns.
fn output_columns(bound: &BoundQuery) -> Arc<[OutputColumn]> {
    let column = |name: &str, sql_type: SqlType| OutputColumn {
        name: name.to_owned(),
        sql_type,
        table_oid: 0,
        attribute: 0,
    };
    let own = [column("epoch", SqlType::PgLsn), column("diff", SqlType::Int8)];
    let of_query = bound.columns.iter().map(|c| column(&c.name, known(&c.sql_type)));
    own.into_iter().chain(of_query).collect()
}

fn known(sql_type: &SqlType) -> SqlType {
    match sql_type {
        SqlType::Unknown => SqlType::Text,
        known => known.clone(),
    }
}

/// The columns of a SUBSCRIBE.
///
/// # Errors
/// Of planning.
pub(crate) fn columns(session: &Session, subscribe: &Subscribe) -> Result<Arc<[OutputColumn]>> {
    let bound = bind_stored(session, &session.catalog(), &subscribe.query_text)?;
    Ok(output_columns(&bound))
}

/// The forms in which a subscription's rows go through it.
#[derive(Clone)]
struct Form {
    /// The query's columns.
    content: SchemaRef,
    /// `epoch` and `diff` before them.
    output: SchemaRef,
}

impl Form {
    fn new(columns: &[OutputColumn]) -> Self {
        let field = |c: &OutputColumn| weir_delta::schema::field(&c.name, &c.sql_type, true);
        let all: Vec<Field> = columns.iter().map(field).collect();
        let content = Arc::new(Schema::new(all[2..].to_vec()));
        Self { content, output: Arc::new(Schema::new(all)) }
    }

    /// Rows of the query with their epoch and weights before them.
    fn output(&self, epoch: Epoch, weights: Int64Array, rows: &RecordBatch) -> Result<RecordBatch> {
        let n_rows = rows.num_rows();
        let epochs = Int64Array::from(vec![epoch.0 as i64; n_rows]);
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(epochs), Arc::new(weights)];
        arrays.extend(rows.columns().iter().cloned());
        weir_delta::rows::batch(Arc::clone(&self.output), arrays, n_rows)
    }

    /// Rows that are there at the begin.
    fn of_snapshot(&self, epoch: Epoch, batch: &RecordBatch) -> Result<RecordBatch> {
        let rows = normalize(batch, &self.content)?;
        self.output(epoch, Int64Array::from(vec![1; rows.num_rows()]), &rows)
    }
}

/// The begin of a subscription: an epoch, and the rows there.
struct Begin {
    pin: Pin,
    snapshot: RowStream,
    sources: Vec<Source>,
    graph: Graph,
    /// The scheduled views that must have come to an epoch before it can be read.
    views: Vec<ObjectId>,
    hidden: Option<Hidden>,
}

impl Subscription {
    /// Begins at the newest epoch.
    ///
    /// # Errors
    /// Of planning, and of waiting for the views it reads; 0A000 in a transaction that has written.
    pub(crate) async fn open(session: &Session, subscribe: &Subscribe) -> Result<Self> {
        let wrote = session.with_block(|block| block.has_writes() || block.catalog.is_some());
        if wrote == Some(true) {
            return Err(Error::unsupported("cannot SUBSCRIBE in a transaction that has written")
                .with_hint("COMMIT first."));
        }
        let shared = &session.shared;
        let catalog = shared.catalog();
        let bound = bind_stored(session, &catalog, &subscribe.query_text)?;
        if let Some(function) = semantics::volatility_problem(&bound.plan) {
            return Err(Error::unsupported(format!("cannot SUBSCRIBE to function {function}()"))
                .with_detail("Its result differs from call to call."));
        }
        let columns = output_columns(&bound);
        let form = Form::new(&columns);
        let names = names(&catalog, &bound);
        let begin = begin(session, &catalog, bound, &form).await?;
        let epoch = begin.pin.epoch();
        let snapshot = subscribe.snapshot.then(|| {
            let form = form.clone();
            let rows = begin.snapshot.map(move |batch| form.of_snapshot(epoch, &batch?));
            rows.fuse().boxed()
        });
        let queue = Arc::new(Queue::new(epoch));
        let producer = Producer {
            shared: Arc::clone(shared),
            queue: Arc::clone(&queue),
            sources: begin.sources,
            graph: begin.graph,
            form,
            after: epoch,
            pin: begin.pin,
            views: begin.views,
            names,
            hidden: begin.hidden,
        };
        let task = shared.batch.spawn(producer.run());
        Ok(Self { columns, snapshot, queue, _producer: task })
    }

    /// The next rows, waiting for them.
    ///
    /// # Errors
    /// What ends the subscription.
    pub(crate) async fn next(&mut self) -> Result<RecordBatch> {
        loop {
            if let Some(batch) = self.next_of_snapshot().await? {
                return Ok(batch);
            }
            match self.queue.pop(Epoch::MAX) {
                Pop::Batch(batch) => return Ok(batch),
                Pop::Ended(error) => return Err(error),
                Pop::Waiting | Pop::Reached => self.queue.changed().await,
            }
        }
    }

    /// Rows that are there; `None` where there are none.
    ///
    /// # Errors
    /// What ends the subscription.
    pub(crate) async fn next_if_there(&mut self) -> Result<Option<RecordBatch>> {
        if let Some(batch) = self.next_of_snapshot().await? {
            return Ok(Some(batch));
        }
        match self.queue.pop(Epoch::MAX) {
            Pop::Batch(batch) => Ok(Some(batch)),
            Pop::Ended(error) => Err(error),
            Pop::Waiting | Pop::Reached => Ok(None),
        }
    }

    /// The next rows up to an epoch, waiting until that is reached; `None` then.
    ///
    /// # Errors
    /// What ends the subscription.
    pub(crate) async fn next_until(&mut self, epoch: Epoch) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.next_of_snapshot().await? {
                return Ok(Some(batch));
            }
            match self.queue.pop(epoch) {
                Pop::Batch(batch) => return Ok(Some(batch)),
                Pop::Ended(error) => return Err(error),
                Pop::Reached => return Ok(None),
                Pop::Waiting => self.queue.changed().await,
            }
        }
    }

    async fn next_of_snapshot(&mut self) -> Result<Option<RecordBatch>> {
        let Some(snapshot) = &mut self.snapshot else { return Ok(None) };
        match snapshot.next().await {
            Some(batch) => batch.map(Some),
            None => {
                self.snapshot = None;
                Ok(None)
            }
        }
    }

    /// All rows to come, up to the error that ends it.
    pub(crate) fn into_stream(self) -> RowStream {
        let next = |subscription: Option<Self>| async move {
            let mut subscription = subscription?;
            match subscription.next().await {
                Ok(batch) => Some((Ok(batch), Some(subscription))),
                Err(error) => Some((Err(error), None)),
            }
        };
        futures::stream::unfold(Some(self), next).boxed()
    }
}

/// The relations whose end is the subscription's end, with their names.
fn names(catalog: &Catalog, bound: &BoundQuery) -> HashMap<ObjectId, String> {
    let mut all = read::read_set(catalog, &bound.relations);
    all.extend(bound.relations.iter().map(|relation| relation.id));
    let name = |id: ObjectId| {
        let kind = catalog.get(id).map_or("relation", |object| object.kind().as_str());
        (id, format!("{kind} \"{}\"", catalog.full_name(id)))
    };
    all.into_iter().map(name).collect()
}

async fn begin(
    session: &Session,
    catalog: &Arc<Catalog>,
    bound: BoundQuery,
    form: &Form,
) -> Result<Begin> {
    let shared = &session.shared;
    let relations: BTreeSet<ObjectId> = read::read_set(catalog, &bound.relations);
    let config = query::config(session);
    match views::dataflow(shared, catalog, bound.plan.clone(), &config, &views::with_state())? {
        Dataflow::Incremental { graph, inputs } => {
            let choose = read::choose_epoch(shared, catalog, &relations, None, ReadMode::Strict);
            let pin = session.interrupt.or(choose).await?;
            let rows = query::stream_plan(session, catalog, bound.plan, &pin, HashMap::new());
            let snapshot = rows.await?;
            let source = |input| Source::new(shared, catalog, input, pin.epoch());
            let sources = inputs.into_iter().map(source).collect::<Result<_>>()?;
            let is_view = |id: &ObjectId| {
                let object = catalog.get(*id);
                object.is_some_and(|o| matches!(o.body, ObjectBody::MaterializedView(_)))
            };
            let views = relations.into_iter().filter(is_view).collect();
            Ok(Begin { pin, snapshot, sources, graph, views, hidden: None })
        }
        Dataflow::Recompute { .. } => {
            // What the hidden view reads stays from here on.
            let hold = shared.pins.pin(shared.durable.newest());
            let hidden = Hidden::start(shared, catalog, bound.plan, &relations, form, config);
            let views = vec![hidden.id()];
            let wait = producer::reach_newest(shared, &views);
            let epoch = session.interrupt.or(wait).await?;
            let pin = shared.pins.pin(epoch);
            drop(hold);
            let rows = hidden.segments().snapshot().scan(epoch, None);
            let snapshot = futures::stream::iter(rows.map(Ok)).boxed();
            let sources = vec![Source::Hidden(Arc::clone(hidden.segments()))];
            let whole =
                Pipeline { origin: Origin::Input(0), steps: Vec::new(), target: Target::Content };
            let graph = Graph { pipelines: vec![whole], aggregations: Vec::new() };
            Ok(Begin { pin, snapshot, sources, graph, views, hidden: Some(hidden) })
        }
    }
}
