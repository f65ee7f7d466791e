//! Queries to logical plans: names resolved over a catalog snapshot, PostgreSQL's types and functions,
//! parameters typed.

mod determined;
mod hidden;
mod merged;
mod nested_with;
mod origin;
mod parameters;
mod provider;
mod qualified;
mod rows;
mod scopes;
mod shadowed;
mod twins;

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::datatypes::{FieldRef, SchemaRef};
use datafusion::config::ConfigOptions;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, ScalarUDF};
use datafusion::sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast as sql;
use weir_catalog::{Catalog, SearchPath, StoredQuery, StoredRelation};
use weir_types::{ColumnId, Error, ObjectId, Result, SqlType};

use crate::decorrelate;
use crate::functions::Registry;
use crate::names;
use crate::semantics;
use crate::source::RecordColumn;
use provider::Provider;

pub(crate) use hidden::mentioned as mentioned_record_columns;
pub use origin::Origin;

/// Schemas of relations that the engine computes: `pg_catalog`, `information_schema`, `sys`.
pub trait SystemRelations: Sync {
    /// The relation's Arrow schema; `None` where there is no such relation.
    fn schema(&self, schema: &str, name: &str) -> Option<SchemaRef>;

    /// Brings forms of SQL that only work over these relations into forms that can be planned.
    fn rewrite(&self, _query: &mut sql::Query) {}
}

/// No system relations, for tests and for stored queries, which may not use them.
#[derive(Debug)]
pub struct NoSystemRelations;

impl SystemRelations for NoSystemRelations {
    fn schema(&self, _schema: &str, _name: &str) -> Option<SchemaRef> {
        None
    }
}

/// Functions of one statement: the shared ones, and those that answer from the session.
#[derive(Clone, Debug)]
pub struct Functions {
    /// The shared ones.
    pub registry: Arc<Registry>,
    /// Those of the session, by lower-case name; they win.
    pub session: Arc<HashMap<String, Arc<ScalarUDF>>>,
}

/// All that a query's text is read against.
#[derive(Clone)]
pub struct Binder<'a> {
    /// Objects at one moment.
    pub catalog: &'a Catalog,
    /// Where bare names are looked up.
    pub search_path: &'a SearchPath,
    /// Functions and types.
    pub functions: &'a Functions,
    /// DataFusion's settings, with the session's time zone in `execution.time_zone`.
    pub config: &'a ConfigOptions,
    /// Relations that the engine computes.
    pub system: &'a dyn SystemRelations,
    /// The table whose hidden columns can be named, for statements that change its rows.
    pub show_hidden: Option<ObjectId>,
}

/// An output column of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundColumn {
    /// The name on the wire.
    pub name: String,
    /// The type.
    pub sql_type: SqlType,
    /// The column that it is, where it is one.
    pub origin: Option<Origin>,
}

/// The columns that the outputs of a query are assigned to, by name and type. An output without one stays as it is.
#[derive(Clone, Copy, Debug)]
pub enum Targets<'a> {
    /// One for each output.
    Each(&'a [Option<(&'a str, &'a SqlType)>]),
    /// As many of the first ones as there are outputs.
    First(&'a [Option<(&'a str, &'a SqlType)>]),
}

/// A query with its meaning.
#[derive(Clone, Debug)]
pub struct BoundQuery {
    /// Analyzed: every expression has its final type. Relations are `RelationSource`s.
    pub plan: LogicalPlan,
    /// Its outputs.
    pub columns: Vec<BoundColumn>,
    /// Types of `$1`, `$2`, ..; `text` where nothing told.
    pub parameters: Vec<SqlType>,
    /// The numbers of the parameters that its text has.
    pub mentioned: BTreeSet<usize>,
    /// What each relation name in the text meant, each once.
    pub relations: Vec<StoredRelation>,
}

impl Binder<'_> {
    /// The plan of a query.
    ///
    /// # Errors
    /// Unknown names, types that do not fit, constructs that DataFusion cannot run; with position where
    /// it is known.
    pub fn query(&self, query: &sql::Query, parameters: &[Option<SqlType>]) -> Result<BoundQuery> {
        self.bind(query, parameters, None, &[], None)
    }

    /// The plan of a query whose outputs are assigned to columns, over relations that the statement brings along.
    ///
    /// # Errors
    /// As [`Self::query`]; 42804 for an output of a type that its column does not take, 42601 for another number of
    /// outputs.
    pub fn query_for(
        &self,
        targets: Targets<'_>,
        query: &sql::Query,
        parameters: &[Option<SqlType>],
        locals: &[(String, SchemaRef)],
    ) -> Result<BoundQuery> {
        self.bind(query, parameters, None, locals, Some(targets))
    }

    /// The plan of a stored query, with the meaning its text had when it was stored.
    ///
    /// # Errors
    /// As [`Self::query`]; the text was valid once, so an error is a defect or a dropped object.
    pub fn stored(&self, query: &StoredQuery) -> Result<BoundQuery> {
        let parsed = crate::dialect::parse_query(&query.sql)?;
        let mut config = self.config.clone();
        config.execution.time_zone = Some(query.time_zone.clone());
        let binder = Binder {
            config: &config,
            catalog: self.catalog,
            search_path: self.search_path,
            functions: self.functions,
            system: self.system,
            show_hidden: None,
        };
        binder.bind(&parsed, &[], Some(query), &[], None)
    }

    /// The plan of a query over relations that the statement brings along, by name; they hide others.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub fn query_over(
        &self,
        query: &sql::Query,
        parameters: &[Option<SqlType>],
        locals: &[(String, SchemaRef)],
    ) -> Result<BoundQuery> {
        self.bind(query, parameters, None, locals, None)
    }

    fn bind(
        &self,
        query: &sql::Query,
        parameters: &[Option<SqlType>],
        pinned: Option<&StoredQuery>,
        locals: &[(String, SchemaRef)],
        targets: Option<Targets<'_>>,
    ) -> Result<BoundQuery> {
        let mut query = query.clone();
        names::name_outputs(&mut query)?;
        self.system.rewrite(&mut query);
        let found = semantics::prepare(&mut query)?;
        let mentioned = hidden::mentioned(&query);
        if !mentioned.is_empty() {
            hidden::exclude_from_wildcards(&mut query, &mentioned);
        }
        nested_with::rename(&mut query);
        twins::move_names_into_queries(&mut query);
        let provider = Provider::new(self, pinned, mentioned.clone(), locals);
        qualified::rename(&mut query, &|name| provider.schema_of(name))?;
        let mut known = parameters::declared(parameters);
        self.resolve_relations(&mut query, &provider, &mentioned, &known)?;
        if found.groups || found.values {
            scopes::resolve(&mut query, &provider)?;
        }
        shadowed::rename(&mut query, &|name| provider.column_names(name));
        let mut plan = self.to_plan(&provider, query.clone(), known.clone())?;
        twins::check(&plan, &query)?;
        let numbers = parameters::numbers(&plan)?;
        if parameters::has_open(&numbers, &known) {
            // The types of the places are known behind the analysis; what depends on a parameter's type
            // sees it in a second pass.
            known = parameters::infer(&self.analyzed(plan, targets)?, &known)?;
            plan = self.to_plan(&provider, query, known.clone())?;
        }
        let n_outputs = plan.schema().fields().len();
        let origins: Vec<Option<Origin>> = (0..n_outputs)
            .map(|position| origin::of_output(&plan, position, self.catalog))
            .collect();
        let plan = self.analyzed(plan, targets)?;
        let columns = plan
            .schema()
            .fields()
            .iter()
            .zip(origins)
            .map(|(field, origin)| BoundColumn {
                name: names::wire_name(field.name()).to_owned(),
                sql_type: weir_delta::schema::sql_type(field),
                origin,
            })
            .collect();
        let parameters = known
            .iter()
            .map(|field| field.as_ref().map_or(SqlType::Text, |f| weir_delta::schema::sql_type(f)))
            .collect();
        let relations = provider.into_relations();
        Ok(BoundQuery { plan, columns, parameters, mentioned: numbers, relations })
    }

    /// Writes out what stands for columns of relations, which their plans tell.
    fn resolve_relations(
        &self,
        query: &mut sql::Query,
        provider: &Provider<'_>,
        mentioned: &[RecordColumn],
        known: &[Option<FieldRef>],
    ) -> Result<()> {
        let plan = |mut all: sql::Query| {
            if !mentioned.is_empty() {
                hidden::exclude_from_wildcards(&mut all, mentioned);
            }
            self.to_plan(provider, all, known.to_vec())
        };
        let analyze = |plan: LogicalPlan| self.analyzed(plan, None);
        let plans = merged::Plans { plan: &plan, analyze: &analyze };
        merged::expand(query, plans)?;
        let changed = self.show_hidden.and_then(|id| self.catalog.get(id));
        let hidden = changed.into_iter().flat_map(|object| object.columns()).filter(|c| c.hidden);
        let hidden: Vec<String> = hidden.map(|column| column.name.clone()).collect();
        rows::expand(query, &hidden, plans)
    }

    fn analyzed(&self, plan: LogicalPlan, targets: Option<Targets<'_>>) -> Result<LogicalPlan> {
        let plan = decorrelate::decorrelate(plan).map_err(semantics::to_error)?;
        let columns = match targets {
            None => return semantics::apply(plan, self.config),
            Some(Targets::Each(columns)) => columns,
            Some(Targets::First(columns)) => {
                &columns[..columns.len().min(plan.schema().fields().len())]
            }
        };
        semantics::apply_for_columns(plan, columns, self.config)
    }

    fn to_plan(
        &self,
        provider: &Provider<'_>,
        query: sql::Query,
        parameters: Vec<Option<FieldRef>>,
    ) -> Result<LogicalPlan> {
        let planner = SqlToRel::new_with_options(provider, parser_options());
        let mut context = PlannerContext::new().with_prepare_param_data_types(parameters);
        planner
            .sql_statement_to_plan_with_context(
                sql::Statement::Query(Box::new(query)),
                &mut context,
            )
            .map_err(semantics::to_error)
    }
}

fn parser_options() -> ParserOptions {
    ParserOptions::new()
        .with_parse_float_as_decimal(true)
        .with_map_string_types_to_utf8view(true)
        .with_collect_spans(true)
}

/// Relations met while planning.
type Met = RefCell<Vec<StoredRelation>>;

/// The columns of an object as a plan sees them.
struct Visible {
    ids: Vec<ColumnId>,
    schema: SchemaRef,
    stored: StoredRelation,
}

fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// A projection of a view's plan to those of its columns that a reader means, under the reader's names.
fn as_view_columns(
    plan: LogicalPlan,
    columns: &[weir_catalog::Column],
    stored: &StoredRelation,
) -> Result<LogicalPlan> {
    if plan.schema().fields().len() != columns.len() {
        return Err(Error::internal(format!(
            "view \"{}\" has {} columns and its query {}",
            stored.name,
            columns.len(),
            plan.schema().fields().len()
        )));
    }
    let of_query = plan.schema().columns();
    let mut outputs = Vec::with_capacity(stored.columns.len());
    for (id, name, _) in &stored.columns {
        let position = columns.iter().position(|column| column.id == *id).ok_or_else(|| {
            Error::internal(format!("column \"{name}\" of view \"{}\" is gone", stored.name))
        })?;
        outputs.push(Expr::Column(of_query[position].clone()).alias(name));
    }
    LogicalPlanBuilder::from(plan)
        .project(outputs)
        .and_then(LogicalPlanBuilder::build)
        .map_err(semantics::to_error)
}
