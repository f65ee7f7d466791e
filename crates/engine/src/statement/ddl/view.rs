//! CREATE VIEW, CREATE MATERIALIZED VIEW, CREATE SINK.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::LogicalPlan;
use weir_catalog::{
    Catalog, Column, DLQ_ID, MaterializedView, Object, ObjectBody, OnError, OperatorKind, Sink,
    StoredQuery, View,
};
use weir_planner::bind::{Binder, BoundQuery};
use weir_planner::dialect::{CreateSink, CreateView};
use weir_planner::incremental::Dataflow;
use weir_planner::semantics;
use weir_planner::source::{RelationSource, Target};
use weir_types::{Error, Notice, ObjectId, Result, SqlState, SqlType};

use super::relation::{dead_name, new_object, numbered};
use super::{change, check_columns, check_free, free_name};
use crate::commit::DdlContext;
use crate::dead_rows;
use crate::session::{Execution, Session};
use crate::statement::explain::touched_columns;
use crate::statement::query;
use crate::{sys, system, views};

/// Plans a query that is to be maintained: without parameters and system relations.
pub(crate) fn bind(session: &Session, catalog: &Arc<Catalog>, text: &str) -> Result<BoundQuery> {
    crate::stack::on_planner_stack(|| {
        let parsed = weir_planner::dialect::parse_query(text)?;
        let config = query::config(session);
        let path = session.search_path();
        let binder = Binder {
            catalog,
            search_path: &path,
            functions: &session.shared.batch.functions(),
            config: &config,
            system: &StoredOnly,
            show_hidden: None,
        };
        let bound = binder.query(&parsed, &[])?;
        if let Some(name) = system_relation(&bound.plan)? {
            return Err(Error::unsupported(format!(
                "system relation \"{name}\" cannot be used in a view, a sink or SUBSCRIBE"
            ))
            .with_detail(
                "Its rows are not part of any commit, so nobody could tell when they change.",
            )
            .with_hint("Query it ad hoc."));
        }
        if !bound.parameters.is_empty() {
            return Err(Error::new(
                SqlState::UndefinedParameter,
                "views, sinks and subscriptions cannot have parameters",
            ));
        }
        Ok(bound)
    })
}

/// System relations are there, to be refused by name.
struct StoredOnly;

impl weir_planner::bind::SystemRelations for StoredOnly {
    fn schema(&self, schema: &str, name: &str) -> Option<SchemaRef> {
        let found = system::find(schema, name).or_else(|| sys::find(schema, name));
        found.map(system::SystemRelation::arrow_schema)
    }
}

/// The name of a system relation that the plan reads.
fn system_relation(plan: &LogicalPlan) -> Result<Option<String>> {
    let mut found = None;
    let outcome = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            let source: &dyn std::any::Any = scan.source.as_ref();
            let target = source.downcast_ref::<RelationSource>().map(|source| &source.target);
            if let Some(Target::System { schema, name }) = target {
                found = Some(format!("{schema}.{name}"));
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    });
    outcome.map_err(semantics::to_error)?;
    Ok(found)
}

fn stored(session: &Session, text: &str, bound: &BoundQuery) -> StoredQuery {
    StoredQuery {
        sql: text.to_owned(),
        time_zone: session.meaning().time_zone().to_owned(),
        relations: bound.relations.clone(),
    }
}

/// The view's columns: the query's, renamed as asked.
fn view_columns(bound: &BoundQuery, names: &[String]) -> Result<Vec<Column>> {
    if names.len() > bound.columns.len() {
        return Err(Error::syntax("CREATE VIEW specifies more column names than columns"));
    }
    let named = bound.columns.iter().enumerate().map(|(idx, column)| {
        let name = names.get(idx).cloned().unwrap_or_else(|| column.name.clone());
        let sql_type = match &column.sql_type {
            SqlType::Unknown => SqlType::Text,
            sql_type => sql_type.clone(),
        };
        (name, sql_type)
    });
    let columns = numbered(named.collect());
    check_columns(&columns)?;
    Ok(columns)
}

pub(super) async fn create_view(session: &Session, create: &CreateView) -> Result<Execution> {
    let catalog = session.catalog();
    let tag = if create.materialized { "CREATE MATERIALIZED VIEW" } else { "CREATE VIEW" };
    let path = session.search_path();
    let replaced = match create.or_replace {
        true => catalog.lookup(&create.name, &path).cloned(),
        false => None,
    };
    let schema = match &replaced {
        Some(object) => object.schema,
        None => match free_name(session, &catalog, &create.name, create.if_not_exists)? {
            Some(schema) => schema,
            None => return Ok(Execution::Done { tag: tag.to_owned() }),
        },
    };
    let bound = bind(session, &catalog, &create.query_text)?;
    let columns = view_columns(&bound, &create.columns)?;
    let query = stored(session, &create.query_text, &bound);
    let mut options = create.options.clone();
    let body = if create.materialized {
        let on_error = on_error(options.remove("on_error").as_deref())?;
        let force_recompute = force_recompute(options.remove("force_recompute").as_deref())?;
        notices(session, &bound, &force_recompute)?;
        let view = MaterializedView { query, columns, on_error, force_recompute };
        ObjectBody::MaterializedView(view)
    } else {
        ObjectBody::View(View { query, columns })
    };
    if let Some(name) = options.keys().next() {
        return Err(Error::new(
            SqlState::InvalidParameterValue,
            format!("unrecognized option \"{name}\" of a view"),
        ));
    }
    if let Some(old) = replaced {
        return replace(session, &catalog, &old, body).await;
    }
    let id = session.shared.allocate_id();
    let object = new_object(session, id, schema, &create.name.name, body);
    let dead_id = session.shared.allocate_id();
    let step = move |context: &mut DdlContext<'_>| {
        check_free(context.catalog, object.schema, &object.name)?;
        check_inputs(context.catalog, &object)?;
        context.put(Object { created: context.epoch, ..object.clone() });
        keep_dead_rows(context, &object, dead_id)
    };
    change(session, Arc::new(step), tag).await
}

/// Makes `dlq.<view>` for a view that goes on without rows for which its query fails, unless it is there.
pub(super) fn keep_dead_rows(
    context: &mut DdlContext<'_>,
    object: &Object,
    dead_id: ObjectId,
) -> Result<()> {
    let ObjectBody::MaterializedView(view) = &object.body else { return Ok(()) };
    let is_there = context.catalog.objects().any(|other| other.part_of == Some(object.id));
    if view.on_error != OnError::Skip || is_there {
        return Ok(());
    }
    let name = dead_name(context.catalog, object.schema, &object.name);
    check_free(context.catalog, DLQ_ID, &name)?;
    let columns = dead_rows::columns().map(|(name, sql_type)| (name.to_owned(), sql_type));
    let body = MaterializedView {
        query: view.query.clone(),
        columns: numbered(columns.to_vec()),
        on_error: OnError::Fail,
        force_recompute: BTreeSet::new(),
    };
    context.put(Object {
        id: dead_id,
        schema: DLQ_ID,
        name,
        created: context.epoch,
        part_of: Some(object.id),
        comment: None,
        body: ObjectBody::MaterializedView(body),
        ..object.clone()
    });
    Ok(())
}

/// Refuses a query over something that was dropped meanwhile.
fn check_inputs(catalog: &Catalog, object: &Object) -> Result<()> {
    object.uses().try_for_each(|used| catalog.require(used).map(|_| ()))
}

/// Refuses what cannot be maintained, and says what costs more than the change.
fn notices(
    session: &Session,
    bound: &BoundQuery,
    recomputed: &BTreeSet<OperatorKind>,
) -> Result<()> {
    if let Some(function) = semantics::volatility_problem(&bound.plan) {
        return Err(Error::unsupported(format!(
            "function {function}() cannot be used in a materialized view"
        ))
        .with_detail("Its result differs from call to call, so the view would not equal its query.")
        .with_hint("Call it in INSERT, or in a column's DEFAULT, where its value is stored."));
    }
    let config = query::config(session);
    let (shared, catalog) = (&session.shared, session.catalog());
    let dataflow = views::dataflow(shared, &catalog, bound.plan.clone(), &config, recomputed)?;
    if let Dataflow::Recompute { because, keys, .. } = dataflow {
        let because = because.join(", ");
        let what = match touched_columns(&bound.columns, keys.as_ref()) {
            Some(columns) => {
                format!("its query again at each tick for touched values of ({columns})")
            }
            None => "its whole query again at each tick".to_owned(),
        };
        session.notice(
            Notice::new(format!("the view runs {what}, because of {because}"))
                .with_hint("EXPLAIN CREATE MATERIALIZED VIEW shows the plan."),
        );
    }
    Ok(())
}

pub(super) fn on_error(text: Option<&str>) -> Result<OnError> {
    match text {
        None | Some("fail") => Ok(OnError::Fail),
        Some("skip") => Ok(OnError::Skip),
        Some(other) => Err(Error::new(
            SqlState::InvalidParameterValue,
            format!("invalid value for option \"on_error\": \"{other}\""),
        )
        .with_hint("Use 'fail' or 'skip'.")),
    }
}

/// The kinds of operators of a list of names, which `all` stands for.
///
/// # Errors
/// 22023 for another name.
pub(in crate::statement) fn force_recompute(text: Option<&str>) -> Result<BTreeSet<OperatorKind>> {
    let mut kinds = BTreeSet::new();
    for name in text.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty()) {
        if name == "all" {
            kinds.extend(OperatorKind::ALL);
            continue;
        }
        let kind = OperatorKind::ALL.into_iter().find(|kind| kind.as_str() == name);
        kinds.insert(kind.ok_or_else(|| {
            let known = OperatorKind::ALL.map(OperatorKind::as_str).join(", ");
            Error::new(
                SqlState::InvalidParameterValue,
                format!("invalid value for option \"force_recompute\": \"{name}\""),
            )
            .with_hint(format!("Name operators, separated by commas: {known}, or all."))
        })?);
    }
    Ok(kinds)
}

/// CREATE OR REPLACE: the same columns may only be followed by further ones.
async fn replace(
    session: &Session,
    catalog: &Catalog,
    old: &Arc<Object>,
    body: ObjectBody,
) -> Result<Execution> {
    let (ObjectBody::View(before), ObjectBody::View(after)) = (&old.body, &body) else {
        return Err(Error::new(
            SqlState::WrongObjectType,
            format!("\"{}\" is not a view", old.name),
        )
        .with_hint("Only plain views can be replaced; DROP and CREATE the others."));
    };
    check_replacement(old, &before.columns, &after.columns)?;
    check_replaceable(catalog, old, &after.query)?;
    let object = Object { body, ..old.as_ref().clone() };
    let step = move |context: &mut DdlContext<'_>| {
        context.catalog.require(object.id)?;
        check_inputs(context.catalog, &object)?;
        if let Some(query) = object.query() {
            check_replaceable(context.catalog, &object, query)?;
        }
        context.put(object.clone());
        Ok(())
    };
    change(session, Arc::new(step), "CREATE VIEW").await
}

/// Refuses to take the ground from what is maintained over the view, and a view of itself.
fn check_replaceable(catalog: &Catalog, view: &Object, query: &StoredQuery) -> Result<()> {
    let users = catalog.transitive_users(view.id);
    let reads = |id: &ObjectId| query.relations.iter().any(|relation| relation.id == *id);
    if reads(&view.id) || users.iter().any(reads) {
        return Err(Error::new(
            SqlState::InvalidObjectDefinition,
            format!("view \"{}\" would read itself", view.name),
        )
        .with_hint("Read the relations that the view reads."));
    }
    let is_maintained = |id: &ObjectId| {
        catalog.get(*id).is_some_and(|o| {
            matches!(o.body, ObjectBody::MaterializedView(_) | ObjectBody::Sink(_))
        })
    };
    match users.into_iter().find(is_maintained).and_then(|id| catalog.get(id)) {
        None => Ok(()),
        Some(user) => Err(Error::new(
            SqlState::DependentObjectsStillExist,
            format!(
                "cannot replace view \"{}\" because {} \"{}\" uses it",
                view.name,
                user.kind(),
                catalog.full_name(user.id)
            ),
        )
        .with_hint("Drop that first, or create a view of another name.")),
    }
}

/// The old columns must stay as they are, as in PostgreSQL.
fn check_replacement(view: &Object, before: &[Column], after: &[Column]) -> Result<()> {
    let refuse = |message: String| {
        Error::new(SqlState::InvalidTableDefinition, message)
            .with_detail(format!(
                "The columns of view \"{}\" may only be followed by more.",
                view.name
            ))
            .with_hint("DROP the view and create it again.")
    };
    if after.len() < before.len() {
        return Err(refuse("cannot drop columns from view".to_owned()));
    }
    for (old, new) in before.iter().zip(after) {
        if old.name != new.name {
            return Err(refuse(format!(
                "cannot change name of view column \"{}\" to \"{}\"",
                old.name, new.name
            )));
        }
        if old.sql_type != new.sql_type {
            return Err(refuse(format!(
                "cannot change data type of view column \"{}\" from {} to {}",
                old.name, old.sql_type, new.sql_type
            )));
        }
    }
    Ok(())
}

pub(super) async fn create_sink(session: &Session, create: &CreateSink) -> Result<Execution> {
    let catalog = session.catalog();
    let tag = "CREATE SINK";
    let Some(schema) = free_name(session, &catalog, &create.name, create.if_not_exists)? else {
        return Ok(Execution::Done { tag: tag.to_owned() });
    };
    let mut options: BTreeMap<String, String> = create.options.clone();
    let connector = options.remove("connector").unwrap_or_default();
    if connector != "blackhole" {
        return Err(Error::new(
            SqlState::InvalidParameterValue,
            format!("unknown sink connector \"{connector}\""),
        )
        .with_hint("The connector of a sink is 'blackhole'."));
    }
    let bound = bind(session, &catalog, &create.query_text)?;
    let columns = view_columns(&bound, &[])?;
    notices(session, &bound, &BTreeSet::new())?;
    let query = stored(session, &create.query_text, &bound);
    let id = session.shared.allocate_id();
    let body = ObjectBody::Sink(Sink { query, columns, connector, options });
    let object = new_object(session, id, schema, &create.name.name, body);
    let step = move |context: &mut DdlContext<'_>| {
        check_free(context.catalog, object.schema, &object.name)?;
        check_inputs(context.catalog, &object)?;
        context.put(Object { created: context.epoch, ..object.clone() });
        Ok(())
    };
    change(session, Arc::new(step), tag).await
}
