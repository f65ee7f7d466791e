//! DataFusion's view of the catalog while one query is planned.

use std::cell::RefCell;
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::TableReference;
use datafusion::config::ConfigOptions;
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::planner::{
    ContextProvider, ExprPlanner, RelationPlanner, TypePlanner,
};
use datafusion::logical_expr::{
    AggregateUDF, Expr, HigherOrderUDF, LogicalPlanBuilder, ScalarUDF, TableSource, WindowUDF,
};
use datafusion::sql::sqlparser::ast as sql;
use weir_catalog::{Column, Object, ObjectBody, ObjectName, StoredQuery, StoredRelation};
use weir_types::{ColumnId, Error, Result, SqlState};

use super::twins::NamedColumns;
use super::{Binder, Met, Visible, as_view_columns, external, origin};
use crate::names;
use crate::semantics;
use crate::source::{RecordColumn, RelationSource, Target, schema_of};

/// Resolves names for one query, and keeps what it resolved.
pub(super) struct Provider<'a> {
    binder: &'a Binder<'a>,
    pinned: Option<&'a StoredQuery>,
    record_columns: Vec<RecordColumn>,
    met: Met,
    /// Relations that the statement brings along.
    locals: &'a [(String, SchemaRef)],
    relation_planners: [Arc<dyn RelationPlanner>; 1],
}

/// The names of a table's columns.
pub(super) struct KeyedColumns {
    /// Those of the primary key.
    pub(super) key: Vec<String>,
    /// All that `*` shows.
    pub(super) columns: Vec<String>,
}

/// A name as the catalog has it.
fn folded(name: &sql::ObjectName) -> Option<ObjectName> {
    let parts: Vec<String> =
        name.0.iter().filter_map(|part| part.as_ident().map(names::fold)).collect();
    match parts.as_slice() {
        [name] => Some(ObjectName::bare(name)),
        [.., schema, name] => Some(ObjectName::qualified(schema, name)),
        [] => None,
    }
}

impl<'a> Provider<'a> {
    pub(super) fn new(
        binder: &'a Binder<'a>,
        pinned: Option<&'a StoredQuery>,
        record_columns: Vec<RecordColumn>,
        locals: &'a [(String, SchemaRef)],
    ) -> Self {
        let relation_planners: [Arc<dyn RelationPlanner>; 1] = [Arc::new(NamedColumns)];
        Self { binder, pinned, record_columns, met: RefCell::default(), locals, relation_planners }
    }

    pub(super) fn into_relations(self) -> Vec<StoredRelation> {
        self.met.into_inner()
    }

    /// The schema in which a relation of that name is found; none where it is in no schema, or not there.
    pub(super) fn schema_of(&self, name: &sql::ObjectName) -> Option<String> {
        let name = folded(name)?;
        if name.schema.is_some() {
            return name.schema;
        }
        if self.locals.iter().any(|(local, _)| *local == name.name) {
            return None;
        }
        let Binder { catalog, search_path, system, .. } = self.binder;
        if let Some(query) = self.pinned {
            let is_meant =
                |stored: &&StoredRelation| stored.schema.is_none() && stored.name == name.name;
            let object = catalog.get(query.relations.iter().find(is_meant)?.id)?;
            return Some(catalog.schema_name(object.schema).to_owned());
        }
        let is_in = |schema: &&str| {
            let in_catalog = catalog.schema_id(schema);
            system.schema(schema, &name.name).is_some()
                || in_catalog.is_some_and(|id| catalog.lookup_in(id, &name.name).is_some())
        };
        search_path.effective().find(is_in).map(str::to_owned)
    }

    /// The columns of a relation of that name; none where there is no such relation.
    pub(super) fn column_names(&self, name: &sql::ObjectName) -> Vec<String> {
        let Some(name) = folded(name) else { return Vec::new() };
        let of_schema = |schema: &SchemaRef| {
            schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>()
        };
        let local =
            self.locals.iter().find(|(local, _)| name.schema.is_none() && *local == name.name);
        if let Some((_, schema)) = local {
            return of_schema(schema);
        }
        if let Some(query) = self.pinned {
            let stored = query
                .relations
                .iter()
                .find(|relation| relation.schema == name.schema && relation.name == name.name);
            let columns = stored.into_iter().flat_map(|relation| &relation.columns);
            return columns.map(|(_, name, _)| name.clone()).collect();
        }
        let Binder { catalog, search_path, system, .. } = self.binder;
        let schemas: Vec<&str> = match &name.schema {
            Some(schema) => vec![schema],
            None => search_path.effective().collect(),
        };
        if let Some(columns) = schemas.iter().find_map(|schema| system.schema(schema, &name.name)) {
            return of_schema(&columns);
        }
        let object = catalog.lookup(&name, search_path);
        let columns = object.into_iter().flat_map(|object| object.columns());
        columns.map(|column| column.name.clone()).collect()
    }

    /// The primary key of a table of that name, and its columns; `None` where there is no such table, or no such key.
    pub(super) fn keyed_columns(&self, name: &sql::ObjectName) -> Option<KeyedColumns> {
        let name = folded(name)?;
        let Binder { catalog, search_path, system, .. } = self.binder;
        if name.schema.is_none() && self.locals.iter().any(|(local, _)| *local == name.name) {
            return None;
        }
        let (object, named): (_, Vec<(ColumnId, String)>) = match self.pinned {
            Some(query) => {
                let is_meant = |stored: &&StoredRelation| {
                    stored.schema == name.schema && stored.name == name.name
                };
                let stored = query.relations.iter().find(is_meant)?;
                let named = stored.columns.iter().map(|(id, name, _)| (*id, name.clone()));
                (catalog.get(stored.id)?, named.collect())
            }
            None => {
                let mut schemas = search_path.effective().take_while(|_| name.schema.is_none());
                if schemas.any(|schema| system.schema(schema, &name.name).is_some()) {
                    return None;
                }
                let object = catalog.lookup(&name, search_path)?;
                let visible = object.columns().iter().filter(|column| !column.hidden);
                let named = visible.map(|column| (column.id, column.name.clone()));
                (object, named.collect())
            }
        };
        let ObjectBody::Table(table) = &object.body else { return None };
        let name_of = |wanted: &ColumnId| {
            named.iter().find(|(id, _)| id == wanted).map(|(_, name)| name.clone())
        };
        let key = table.primary_key.iter().map(name_of).collect::<Option<Vec<String>>>()?;
        let columns = named.into_iter().map(|(_, name)| name).collect();
        Some(KeyedColumns { key, columns })
    }

    fn source(&self, reference: &TableReference) -> Result<Arc<dyn TableSource>> {
        if let TableReference::Bare { table } = reference
            && let Some((name, schema)) = self.locals.iter().find(|(name, _)| **name == **table)
        {
            let target = Target::Local(name.clone());
            return Ok(Arc::new(RelationSource::new(target, Vec::new(), Arc::clone(schema))));
        }
        let name = object_name(reference)?;
        match self.pinned {
            Some(query) => self.pinned_source(query, &name),
            None => self.named_source(&name),
        }
    }

    fn named_source(&self, name: &ObjectName) -> Result<Arc<dyn TableSource>> {
        let catalog = self.binder.catalog;
        let schemas: Vec<&str> = match &name.schema {
            Some(schema) => vec![schema],
            None => self.binder.search_path.effective().collect(),
        };
        for schema in schemas {
            if let Some(columns) = self.binder.system.schema(schema, &name.name) {
                let target = Target::System { schema: schema.to_owned(), name: name.name.clone() };
                return Ok(Arc::new(RelationSource::new(target, Vec::new(), columns)));
            }
            let object = catalog.schema_id(schema).and_then(|id| catalog.lookup_in(id, &name.name));
            if let Some(object) = object {
                let visible = self.visible(name, object);
                return self.object_source(object, visible);
            }
        }
        Err(Error::new(SqlState::UndefinedTable, format!("relation \"{name}\" does not exist")))
    }

    fn pinned_source(
        &self,
        query: &StoredQuery,
        name: &ObjectName,
    ) -> Result<Arc<dyn TableSource>> {
        let stored = query
            .relations
            .iter()
            .find(|relation| relation.schema == name.schema && relation.name == name.name)
            .ok_or_else(|| {
                Error::internal(format!("stored query does not tell what \"{name}\" means"))
            })?;
        let object = self.binder.catalog.require(stored.id)?;
        let visible = self.pinned_columns(stored, object)?;
        self.object_source(object, visible)
    }

    fn object_source(&self, object: &Object, visible: Visible) -> Result<Arc<dyn TableSource>> {
        if matches!(object.body, ObjectBody::Schema(_) | ObjectBody::Sink(_)) {
            return Err(Error::new(
                SqlState::WrongObjectType,
                format!("{} \"{}\" cannot be read", object.kind(), object.name),
            ));
        }
        let source = match &object.body {
            ObjectBody::View(view) => {
                let bound = self.binder.stored(&view.query)?;
                let plan = as_view_columns(bound.plan, &view.columns, &visible.stored)?;
                let mark = origin::view_mark(object.id, &object.name);
                let plan = LogicalPlanBuilder::from(plan).alias(mark);
                let plan = plan.and_then(LogicalPlanBuilder::build);
                RelationSource::view(object.id, plan.map_err(semantics::to_error)?)
            }
            _ => RelationSource::new(Target::Object(object.id), visible.ids, visible.schema),
        };
        let mut met = self.met.borrow_mut();
        let known = met.iter_mut().find(|relation| {
            relation.schema == visible.stored.schema && relation.name == visible.stored.name
        });
        match known {
            Some(known) => *known = visible.stored,
            None => met.push(visible.stored),
        }
        Ok(Arc::new(source))
    }

    /// The columns that `*` means now, and the record columns that the text names.
    fn visible(&self, name: &ObjectName, object: &Object) -> Visible {
        let defined = object.columns().iter().filter(|column| !column.hidden);
        let mut columns: Vec<Column> = defined.cloned().collect();
        let stored = columns.iter().map(|c| (c.id, c.name.clone(), c.sql_type.clone())).collect();
        if self.binder.show_hidden == Some(object.id) {
            columns.extend(object.columns().iter().filter(|column| column.hidden).cloned());
        }
        self.add_record_columns(object, &mut columns);
        Visible {
            ids: columns.iter().map(|column| column.id).collect(),
            schema: schema_of(&columns),
            stored: StoredRelation {
                schema: name.schema.clone(),
                name: name.name.clone(),
                id: object.id,
                columns: stored,
            },
        }
    }

    /// The columns that `*` meant when the query was stored, under the names they had.
    fn pinned_columns(&self, stored: &StoredRelation, object: &Object) -> Result<Visible> {
        let mut columns = Vec::with_capacity(stored.columns.len());
        for (id, name, sql_type) in &stored.columns {
            let now = object.columns().iter().find(|column| column.id == *id).ok_or_else(|| {
                Error::internal(format!("column \"{name}\" of \"{}\" is gone", object.name))
            })?;
            let mut column = now.clone();
            column.name.clone_from(name);
            column.sql_type = sql_type.clone();
            columns.push(column);
        }
        self.add_record_columns(object, &mut columns);
        Ok(Visible {
            ids: columns.iter().map(|column| column.id).collect(),
            schema: schema_of(&columns),
            stored: stored.clone(),
        })
    }

    fn add_record_columns(&self, object: &Object, columns: &mut Vec<Column>) {
        if !matches!(object.body, ObjectBody::Stream(_)) {
            return;
        }
        for column in &self.record_columns {
            if columns.iter().all(|defined| defined.name != column.name()) {
                columns.push(Column::new(column.id(), column.name(), column.sql_type()));
            }
        }
    }
}

/// The catalog's form of DataFusion's name. A third part must name the one database.
fn object_name(reference: &TableReference) -> Result<ObjectName> {
    match reference {
        TableReference::Bare { table } => Ok(ObjectName::bare(&**table)),
        TableReference::Partial { schema, table } => Ok(ObjectName::qualified(&**schema, &**table)),
        TableReference::Full { catalog, schema, table } if &**catalog == "weir" => {
            Ok(ObjectName::qualified(&**schema, &**table))
        }
        TableReference::Full { .. } => Err(Error::unsupported(format!(
            "cross-database references are not implemented: \"{reference}\""
        ))),
    }
}

impl ContextProvider for Provider<'_> {
    fn get_table_source(&self, name: TableReference) -> DfResult<Arc<dyn TableSource>> {
        self.source(&name).map_err(external)
    }

    fn get_table_function_source(
        &self,
        name: &str,
        args: Vec<Expr>,
    ) -> DfResult<Arc<dyn TableSource>> {
        self.binder.functions.registry.table_function(name, args)
    }

    fn create_cte_work_table(
        &self,
        name: &str,
        schema: SchemaRef,
    ) -> DfResult<Arc<dyn TableSource>> {
        let table = datafusion::catalog::cte_worktable::CteWorkTable::new(name, schema);
        Ok(datafusion::datasource::provider_as_source(Arc::new(table)))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.binder.functions.registry.expr_planners()
    }

    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        &self.relation_planners
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(self.binder.functions.registry.type_planner())
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        let name = name.strip_prefix("pg_catalog.").unwrap_or(name);
        let session = self.binder.functions.session.get(name).cloned();
        session.or_else(|| self.binder.functions.registry.scalar(name))
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.binder.functions.registry.higher_order(name)
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        let name = name.strip_prefix("pg_catalog.").unwrap_or(name);
        self.binder.functions.registry.aggregate(name)
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        let name = name.strip_prefix("pg_catalog.").unwrap_or(name);
        self.binder.functions.registry.window(name)
    }

    fn get_variable_type(&self, _names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.binder.config
    }

    fn udf_names(&self) -> Vec<String> {
        let session = self.binder.functions.session.keys().cloned();
        session.chain(self.binder.functions.registry.scalar_names()).collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        self.binder.functions.registry.higher_order_names()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.binder.functions.registry.aggregate_names()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.binder.functions.registry.window_names()
    }
}
