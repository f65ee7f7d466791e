//! Reads: which epoch a statement sees, and the rows behind its relations there.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use tokio::sync::oneshot;
use weir_catalog::{Catalog, Object, ObjectBody, StoredRelation};
use weir_planner::source::{RelationSource, Target};
use weir_types::planted::{self, Bug};
use weir_types::{ColumnId, Epoch, Error, ObjectId, Result, SqlState};

use crate::batch::Rows;
use crate::pins::{Pin, Starts};
use crate::relation::{
    self, Fixed, OverlaidRows, Overlay, RowSource, RowsProvider, SnapshotColumn, SnapshotRows,
    StoredColumn, StreamRelation, TableData, table_of,
};
use crate::shared::Shared;
use crate::statement::columns_changed;
use crate::views::failed;

/// How a read chooses its epoch (`weir.read`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadMode {
    /// Sees everything acknowledged before it began.
    Strict,
    /// Sees the newest content that is there.
    Newest,
}

/// Chooses the epoch of a read of those relations, and waits until they can be read there. Where there are
/// `later` views, these and all other relations can be read there later.
///
/// # Errors
/// That of a view which cannot get there; 55000 for a view without content in [`ReadMode::Newest`].
pub(crate) async fn choose_epoch(
    shared: &Shared,
    catalog: &Catalog,
    relations: &BTreeSet<ObjectId>,
    later: Option<&[ObjectId]>,
    mode: ReadMode,
) -> Result<Pin> {
    let views = views_of(catalog, relations);
    views.iter().try_for_each(|id| shared.views.check_whole(*id))?;
    if mode == ReadMode::Newest {
        for id in &views {
            shared.views.check_readable(shared, catalog, *id, Epoch::MAX)?;
        }
        // A view alone keeps its own newest content.
        let is_alone = views.len() == 1 && relations.len() == 1 && later.is_none();
        if let Some(pin) = pin_newest(shared, &views, is_alone)? {
            shared.durable.wait(pin.epoch()).await?;
            return Ok(pin);
        }
    }
    // Holds everything that is readable now, until the epoch is known.
    let _hold = shared.pins.pin(shared.durable.newest());
    let (sender, outcome) = oneshot::channel();
    let waiter = Box::new(move |result| {
        let _ = sender.send(result);
    });
    let epoch = shared.scheduler.wait_at_newest(&views, later.unwrap_or_default(), waiter);
    let pin = shared.pins.pin(epoch);
    shared.durable.wait(epoch).await?;
    outcome
        .await
        .map_err(|_| Error::internal("a wait for views was lost"))?
        .map_err(|failure| failed::told(catalog, &views, failure))?;
    Ok(pin)
}

/// The newest epoch at which the views are exact; `None` where other relations are not readable there any
/// more, because a view has been made from older content than they keep.
///
/// # Errors
/// 55000 where there is no such epoch.
fn pin_newest(shared: &Shared, views: &[ObjectId], is_alone: bool) -> Result<Option<Pin>> {
    let horizon = shared.horizon.lock();
    let common = shared.scheduler.newest_common(views).ok_or_else(|| {
        Error::new(
            SqlState::ObjectNotInPrerequisiteState,
            "the materialized views of the query have no common epoch yet",
        )
        .with_hint("SET weir.read = 'strict' waits for one.")
    })?;
    let is_kept = is_alone || common >= *horizon;
    Ok(is_kept.then(|| shared.pins.pin(common)))
}

/// Waits until those relations can be read at an epoch that [`choose_epoch`] gave with them as `others`.
///
/// # Errors
/// That of a view which cannot get there.
pub(crate) async fn wait_at(
    shared: &Shared,
    catalog: &Catalog,
    relations: &BTreeSet<ObjectId>,
    epoch: Epoch,
) -> Result<()> {
    let views = views_of(catalog, relations);
    let (sender, outcome) = oneshot::channel();
    let waiter = Box::new(move |result| {
        let _ = sender.send(result);
    });
    shared.scheduler.wait_at(epoch, &views, waiter);
    outcome
        .await
        .map_err(|_| Error::internal("a wait for views was lost"))?
        .map_err(|failure| failed::told(catalog, &views, failure))
}

/// Those that ticks bring up to date: materialized views, and the sinks that FLUSH waits for.
fn views_of(catalog: &Catalog, relations: &BTreeSet<ObjectId>) -> Vec<ObjectId> {
    let is_view = |id: &&ObjectId| {
        catalog.get(**id).is_some_and(|object| {
            matches!(object.body, ObjectBody::MaterializedView(_) | ObjectBody::Sink(_))
        })
    };
    relations.iter().filter(is_view).copied().collect()
}

/// The stored relations that reading these names reads.
pub(crate) fn read_set(catalog: &Catalog, relations: &[StoredRelation]) -> BTreeSet<ObjectId> {
    catalog.read_set(relations.iter().map(|relation| relation.id))
}

/// Rows of system relations, made for one statement.
pub(crate) trait SystemRows: Send + Sync {
    /// The rows of that system relation.
    fn rows(&self, schema: &str, name: &str) -> Result<arrow::array::RecordBatch>;
}

/// No system relations.
pub(crate) struct NoSystemRows;

impl SystemRows for NoSystemRows {
    fn rows(&self, schema: &str, name: &str) -> Result<arrow::array::RecordBatch> {
        Err(Error::unsupported(format!("cannot read \"{schema}.{name}\" here")))
    }
}

/// The rows of all relations at one epoch, with a transaction's own writes on top.
pub(crate) struct EpochRows<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) epoch: Epoch,
    pub(crate) overlays: HashMap<ObjectId, Arc<Overlay>>,
    /// The catalog that the transaction's own DDL began with.
    pub(crate) before_ddl: Option<Arc<Catalog>>,
    /// Rows that the transaction appended to streams, by stream; all columns.
    pub(crate) appended: HashMap<ObjectId, Arc<Vec<arrow::array::RecordBatch>>>,
    pub(crate) system: &'a dyn SystemRows,
    /// Where streams begin.
    pub(crate) starts: Arc<Starts>,
    /// Rows that the statement brings along.
    pub(crate) locals: HashMap<String, arrow::array::RecordBatch>,
}

impl<'a> EpochRows<'a> {
    /// The rows at that epoch, of relations only.
    pub(crate) fn at(shared: &'a Shared, catalog: Arc<Catalog>, epoch: Epoch) -> Self {
        Self {
            shared,
            catalog,
            epoch,
            overlays: HashMap::new(),
            before_ddl: None,
            appended: HashMap::new(),
            system: &NoSystemRows,
            starts: Arc::default(),
            locals: HashMap::new(),
        }
    }

    fn object(&self, id: ObjectId, source: &RelationSource) -> Result<Arc<dyn RowSource>> {
        use datafusion::logical_expr::TableSource;
        let object = self.catalog.require(id)?;
        let schema = source.schema();
        let columns: &[ColumnId] = &source.columns;
        Ok(match &object.body {
            ObjectBody::Stream(_) => self.stream(object, columns, schema)?,
            ObjectBody::Table(_) => self.table(object, columns, schema)?,
            ObjectBody::MaterializedView(view) => {
                let position = |id| view.columns.iter().position(|column| column.id == id);
                let columns = columns
                    .iter()
                    .map(|id| position(*id).map(SnapshotColumn::At))
                    .collect::<Option<Vec<_>>>()
                    .ok_or_else(|| Error::internal("a materialized view lost a column"))?;
                let snapshot = self.shared.views.get(id)?.segments.snapshot();
                let stale = u64::from(planted::is(Bug::StaleView));
                let epoch = Epoch(self.epoch.0 - stale);
                Arc::new(SnapshotRows { snapshot, epoch, columns, schema })
            }
            _ => {
                return Err(Error::internal(format!("\"{}\" has no rows of its own", object.name)));
            }
        })
    }
}

impl EpochRows<'_> {
    fn stream(
        &self,
        object: &Object,
        columns: &[ColumnId],
        schema: SchemaRef,
    ) -> Result<Arc<dyn RowSource>> {
        let own = self.appended.get(&object.id).map(|own| own.as_slice());
        let log = Arc::clone(&self.shared.log);
        if object.created == Epoch::MAX {
            // The open block itself has made it: there is no topic yet, and all its rows are own ones.
            let none = StreamRelation::in_ranges(log, object, columns, schema, Vec::new())?;
            let own = own.unwrap_or_default();
            return Ok(Arc::new(WithOwn::new(none, object, columns, own)?));
        }
        if let Some(known) = self.shared.catalog().get(object.id) {
            check_added_once(self.before_ddl.as_deref(), object, known.columns().len())?;
        }
        let ranges = StreamRelation::retained(&log, object, self.epoch, &self.starts)?;
        let rows = StreamRelation::in_ranges(log, object, columns, schema, ranges)?;
        Ok(match own {
            None => Arc::new(rows),
            Some(own) => Arc::new(WithOwn::new(rows, object, columns, own)?),
        })
    }

    fn table(
        &self,
        object: &Object,
        columns: &[ColumnId],
        schema: SchemaRef,
    ) -> Result<Arc<dyn RowSource>> {
        let definition = table_of(object)?;
        let table = match object.created {
            // The open block itself has made it: its rows are all in the overlay.
            Epoch::MAX => Arc::new(TableData::new(definition)?),
            _ => self.shared.tables.of(object)?,
        };
        check_added_once(self.before_ddl.as_deref(), object, table.columns.len())?;
        let stale = u64::from(planted::is(Bug::StaleTable));
        let base = table.at(Epoch(self.epoch.0 - stale), definition, columns, schema)?;
        let Some(overlay) = self.overlays.get(&object.id) else { return Ok(Arc::new(base)) };
        if overlay.n_columns() != definition.columns.len() {
            return Err(columns_changed());
        }
        let position = |id: &ColumnId| definition.columns.iter().position(|known| known.id == *id);
        let own = columns.iter().map(position).collect::<Option<_>>();
        let own = own.ok_or_else(|| Error::internal("a table lost a column"))?;
        Ok(Arc::new(OverlaidRows { base, overlay: Arc::clone(overlay), own }))
    }
}

/// Refuses a relation to which the open block and another transaction both added columns: they took the same
/// ids. `before` is the catalog that the block's DDL began with, `n_known` how many columns are committed.
///
/// # Errors
/// 40001.
pub(crate) fn check_added_once(
    before: Option<&Catalog>,
    object: &Object,
    n_known: usize,
) -> Result<()> {
    let Some(before) = before.and_then(|catalog| catalog.get(object.id)) else { return Ok(()) };
    let n_before = before.columns().len();
    match object.columns().len() > n_before && n_known > n_before {
        true => Err(columns_changed()),
        false => Ok(()),
    }
}

impl Rows for EpochRows<'_> {
    fn provider(&self, source: &RelationSource) -> Result<Arc<dyn TableProvider>> {
        let rows: Arc<dyn RowSource> = match &source.target {
            Target::Object(id) => self.object(*id, source)?,
            Target::System { schema, name } => Arc::new(Fixed(self.system.rows(schema, name)?)),
            Target::Local(name) => {
                let rows = self.locals.get(name).ok_or_else(|| {
                    Error::internal(format!("the statement lost its rows \"{name}\""))
                })?;
                Arc::new(Fixed(rows.clone()))
            }
            Target::View(_) => {
                return Err(Error::internal("a view was left in a plan"));
            }
        };
        Ok(Arc::new(RowsProvider::new(rows)))
    }
}

/// A stream's rows and those that the transaction itself appended; these have no offset yet.
#[derive(Debug)]
struct WithOwn {
    stored: StreamRelation,
    own: Vec<arrow::array::RecordBatch>,
}

impl WithOwn {
    fn new(
        stored: StreamRelation,
        object: &Object,
        columns: &[ColumnId],
        own: &[arrow::array::RecordBatch],
    ) -> Result<Self> {
        let schema = stored.schema();
        let all = object.columns().iter().map(StoredColumn::new).collect::<Result<Vec<_>>>()?;
        let all_schema = relation::schema(&all);
        let position = |id: &ColumnId| object.columns().iter().position(|column| column.id == *id);
        let positions: Vec<Option<usize>> = columns.iter().map(position).collect();
        let shown = |own: &arrow::array::RecordBatch| {
            // Rows from before an ADD COLUMN lack it.
            let own = relation::widened(own, &all, &all_schema)?;
            let columns = positions.iter().zip(schema.fields());
            let arrays = columns.map(|(position, field)| match position {
                Some(position) => Arc::clone(own.column(*position)),
                None => arrow::array::new_null_array(field.data_type(), own.num_rows()),
            });
            weir_delta::rows::batch(Arc::clone(&schema), arrays.collect(), own.num_rows())
        };
        let own = own.iter().map(shown).collect::<Result<_>>()?;
        Ok(Self { stored, own })
    }
}

impl RowSource for WithOwn {
    fn schema(&self) -> arrow::datatypes::SchemaRef {
        self.stored.schema()
    }

    fn n_parts(&self) -> usize {
        self.stored.n_parts() + 1
    }

    fn read(&self, part: usize, projection: &[usize]) -> crate::relation::Batches {
        if part < self.stored.n_parts() {
            return self.stored.read(part, projection);
        }
        let projection = projection.to_vec();
        let own = self.own.clone().into_iter();
        Box::new(own.map(move |batch| weir_delta::rows::project(&batch, &projection)))
    }
}
