//! System relations and functions, as one statement of a session sees them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::sql::sqlparser::ast::Query;
use weir_catalog::{Catalog, SearchPath};
use weir_connect::value::{FormatSettings, NameSource, ObjectNames};
use weir_planner::bind::{Functions, SystemRelations};
use weir_types::{Error, ObjectId, RegKind, Result, Timestamp};

use super::{Interrupt, Session};
use crate::read::SystemRows;
use crate::shared::Shared;
use crate::sys;
use crate::system::{self, FunctionContext, SystemContext, SystemRelation};

/// System relations and functions, as one statement of a session sees them.
#[derive(Clone)]
pub(crate) struct StatementSystem {
    shared: Arc<Shared>,
    session: Weak<Session>,
    interrupt: Interrupt,
    catalog: Arc<Catalog>,
    path: Arc<SearchPath>,
    user: String,
    pid: i32,
    settings: Arc<BTreeMap<String, String>>,
}

impl std::fmt::Debug for StatementSystem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StatementSystem").field("user", &self.user).finish_non_exhaustive()
    }
}

impl StatementSystem {
    pub(crate) fn new(session: &Session, catalog: &Arc<Catalog>) -> Self {
        let all = session.state.lock().settings.all();
        let settings =
            all.into_iter().map(|(name, value, _)| (name.to_lowercase(), value)).collect();
        Self {
            shared: Arc::clone(&session.shared),
            session: session.this.clone(),
            interrupt: session.interrupt.clone(),
            catalog: Arc::clone(catalog),
            path: session.search_path(),
            user: session.user.clone(),
            pid: session.pid(),
            settings: Arc::new(settings),
        }
    }

    /// The shared functions and the session's own.
    pub(crate) fn functions(&self, session: &Session) -> Functions {
        let own = system::functions(Arc::new(self.clone()));
        let own: HashMap<_, _> =
            own.into_iter().map(|function| (function.name().to_owned(), function)).collect();
        Functions { registry: session.shared.batch.functions().registry, session: Arc::new(own) }
    }

    fn context(&self) -> SystemContext<'_> {
        let session = self.session.upgrade();
        let settings = session.as_ref().map(|session| session.state.lock().settings.all());
        let cursors = session.as_ref().map(|session| session.cursors());
        SystemContext {
            catalog: &self.catalog,
            settings: settings.unwrap_or_default(),
            user: self.user.clone(),
            database: "weir".to_owned(),
            search_path: self.path.as_ref().clone(),
            connections: self.shared.connections.rows(),
            cursors: cursors.unwrap_or_default(),
            row_counts: BTreeMap::new(),
            unpopulated: Vec::new(),
            extra: sys::relations(),
        }
    }
}

impl SystemRelations for StatementSystem {
    fn schema(&self, schema: &str, name: &str) -> Option<SchemaRef> {
        let found = system::find(schema, name).or_else(|| sys::find(schema, name));
        found.map(SystemRelation::arrow_schema)
    }

    fn rewrite(&self, query: &mut Query) {
        system::rewrite::query(query);
    }
}

/// The names of objects as a session sees them.
struct SessionNames {
    catalog: Arc<Catalog>,
    path: Arc<SearchPath>,
}

impl ObjectNames for SessionNames {
    fn shown(&self, kind: RegKind, oid: u32) -> String {
        system::reg_name(kind, oid, &self.catalog, &self.path, sys::relations())
    }
}

impl Session {
    /// How values are shown in text.
    #[must_use]
    pub fn format_settings(&self) -> FormatSettings {
        let meaning = self.meaning();
        let path = Arc::clone(meaning.search_path());
        let names = SessionNames { catalog: self.catalog(), path };
        FormatSettings {
            object_names: NameSource::new(Arc::new(names)),
            ..meaning.format().clone()
        }
    }
}

impl SystemRows for StatementSystem {
    fn rows(&self, schema: &str, name: &str) -> Result<RecordBatch> {
        if let Some(relation) = sys::find(schema, name) {
            return sys::rows(relation, &self.shared, &self.catalog);
        }
        let relation = system::find(schema, name).ok_or_else(|| {
            Error::internal(format!("system relation \"{schema}.{name}\" was found and lost"))
        })?;
        system::rows(relation, &self.context())
    }
}

impl FunctionContext for StatementSystem {
    fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    fn search_path(&self) -> &SearchPath {
        &self.path
    }

    fn user(&self) -> &str {
        &self.user
    }

    fn database(&self) -> &str {
        "weir"
    }

    fn backend_pid(&self) -> i32 {
        self.pid
    }

    fn setting(&self, name: &str) -> Option<String> {
        self.settings.get(name).cloned()
    }

    fn set_setting(&self, name: &str, value: &str, is_local: bool) -> Result<String> {
        let session = self
            .session
            .upgrade()
            .ok_or_else(|| Error::internal("the session of a statement has ended"))?;
        session.set(name, Some(value), is_local)?;
        let value = session.state.lock().settings.get(name)?.to_owned();
        Ok(value)
    }

    fn signal_backend(&self, pid: i32, terminate: bool) -> Result<bool> {
        Ok(self.shared.connections.signal(pid, terminate))
    }

    fn relation_bytes(&self, id: ObjectId) -> i64 {
        sys::relation_bytes(&self.shared, &self.catalog, id)
    }

    fn database_bytes(&self) -> i64 {
        self.catalog.objects().map(|object| self.relation_bytes(object.id)).sum()
    }

    fn server_start(&self) -> Timestamp {
        self.shared.began
    }

    fn sleep(&self, duration: Duration) -> Result<()> {
        let wait = async {
            tokio::select! {
                biased;
                error = self.interrupt.wait() => Err(error),
                () = tokio::time::sleep(duration) => Ok(()),
            }
        };
        // The thread's other queries go on without it.
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(wait))
    }

    fn extra(&self) -> &[SystemRelation] {
        sys::relations()
    }
}
