//! Plans and runs a query over the sample catalog, as the engine does.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};

use arrow::array::Array;
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::catalog::{
    CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider,
};
use datafusion::datasource::MemTable;
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::sqlparser::ast::{
    self as sql, Expr, Ident, ObjectNamePart, Query, SelectItem, SetExpr, Statement, VisitMut,
    VisitorMut,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use weir_catalog::{Catalog, SearchPath};
use weir_types::{Error, ObjectId, Result, SqlState, Timestamp};

use super::{sample, shared};
use crate::system::{
    ConnectionRow, FunctionContext, SystemContext, SystemRelation, decorrelate, find, functions,
    relations, rewrite, rows,
};

#[derive(Debug)]
pub(super) struct Session {
    pub(super) catalog: Catalog,
    search_path: SearchPath,
}

impl Session {
    pub(super) fn new() -> Self {
        Self { catalog: sample::catalog(), search_path: SearchPath::default() }
    }

    pub(super) fn context(&self) -> SystemContext<'_> {
        let settings = [("server_version", "15.0 (Weir 0.1.0)"), ("TimeZone", "UTC")];
        let settings = settings.map(|(n, v)| (n.to_owned(), v.to_owned(), String::new()));
        SystemContext {
            catalog: &self.catalog,
            settings: settings.into(),
            user: "weir".to_owned(),
            database: "weir".to_owned(),
            search_path: self.search_path.clone(),
            cursors: Vec::new(),
            connections: vec![ConnectionRow {
                pid: 7,
                user: "weir".to_owned(),
                application_name: "psql".to_owned(),
                state: "active".to_owned(),
                ..ConnectionRow::default()
            }],
            row_counts: BTreeMap::from([(ObjectId(sample::CUSTOMERS), 3)]),
            unpopulated: vec![],
            extra: &[],
        }
    }
}

impl FunctionContext for Session {
    fn catalog(&self) -> &Catalog {
        &self.catalog
    }
    fn search_path(&self) -> &SearchPath {
        &self.search_path
    }
    fn user(&self) -> &str {
        "weir"
    }
    fn database(&self) -> &str {
        "weir"
    }
    fn backend_pid(&self) -> i32 {
        7
    }
    fn setting(&self, name: &str) -> Option<String> {
        match name {
            "server_version" => Some("15.0 (Weir 0.1.0)".to_owned()),
            "server_version_num" => Some("150000".to_owned()),
            "search_path" => Some("\"$user\",public".to_owned()),
            "default_table_access_method" => Some("heap".to_owned()),
            "jit" => Some("off".to_owned()),
            _ => None,
        }
    }
    fn set_setting(&self, name: &str, value: &str, _is_local: bool) -> Result<String> {
        if self.setting(name).is_some() {
            Ok(value.to_owned())
        } else {
            Err(Error::new(SqlState::UndefinedObject, format!("no setting {name}")))
        }
    }
    fn signal_backend(&self, pid: i32, _terminate: bool) -> Result<bool> {
        Ok(pid == 7)
    }
    fn relation_bytes(&self, id: ObjectId) -> i64 {
        if id.0 == sample::CUSTOMERS { 8192 } else { 0 }
    }
    fn database_bytes(&self) -> i64 {
        7_000_000
    }
    fn server_start(&self) -> Timestamp {
        Timestamp(0)
    }
    fn extra(&self) -> &[SystemRelation] {
        &[]
    }
}

/// A DataFusion context with every system relation.
static CONTEXT: LazyLock<SessionContext> = LazyLock::new(|| {
    let session = Arc::new(Session::new());
    let config = SessionConfig::new()
        .with_default_catalog_and_schema("weir", "public")
        .with_information_schema(false)
        .with_target_partitions(1);
    let state = SessionStateBuilder::new().with_default_features().with_config(config).build();
    let context = SessionContext::new_with_state(state);
    let catalog = MemoryCatalogProvider::new();
    for name in ["pg_catalog", "information_schema", "public"] {
        let schema = Arc::new(MemorySchemaProvider::new());
        let functions = ["pg_get_keywords"].iter().filter_map(|f| find("pg_catalog", f));
        for relation in relations().iter().chain(functions).filter(|r| r.schema == name) {
            let batch = rows(relation, &session.context()).expect("rows fit their relation");
            let table = MemTable::try_new(relation.arrow_schema(), vec![vec![batch]]);
            let table = Arc::new(table.expect("one batch of its schema"));
            schema.register_table(relation.name.to_owned(), table).expect("a new name");
        }
        catalog.register_schema(name, schema).expect("a new schema");
    }
    context.register_catalog("weir", Arc::new(catalog));
    for function in shared::functions() {
        context.register_udf(function);
    }
    for function in functions(session) {
        context.register_udf(function.as_ref().clone());
    }
    context
});

/// The result of a query: column names and rows as text, NULL as `None`.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) names: Vec<String>,
    pub(super) rows: Vec<Vec<Option<String>>>,
}

/// Plans and runs one query.
pub(super) fn run(text: &str) -> std::result::Result<Answer, String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().build().map_err(|e| e.to_string())?;
    runtime.block_on(run_async(text))
}

async fn run_async(text: &str) -> std::result::Result<Answer, String> {
    let mut statements =
        Parser::parse_sql(&PostgreSqlDialect {}, text).map_err(|e| format!("parse: {e}"))?;
    let Some(Statement::Query(mut query)) = statements.pop() else {
        return Err("not one query".to_owned());
    };
    rewrite::query(&mut query);
    name_outputs(&mut query);
    qualify(&mut query);
    let rewritten = query.to_string();
    let fail = |step: &str, e: datafusion::error::DataFusionError| {
        format!("{step}: {}\n  {rewritten}", e.strip_backtrace())
    };
    let statement =
        datafusion::sql::parser::Statement::Statement(Box::new(Statement::Query(query)));
    let state = CONTEXT.state();
    let plan = state.statement_to_plan(statement).await.map_err(|e| fail("plan", e))?;
    let plan = decorrelate::decorrelate(plan).map_err(|e| fail("decorrelate", e))?;
    let frame = CONTEXT.execute_logical_plan(plan).await.map_err(|e| fail("execute", e))?;
    let names = frame
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().split('\u{1}').next().unwrap_or_default().to_owned());
    let names = names.collect();
    let batches = frame.collect().await.map_err(|e| fail("run", e))?;
    Ok(Answer { names, rows: batches.iter().flat_map(texts).collect() })
}

fn texts(batch: &RecordBatch) -> Vec<Vec<Option<String>>> {
    let options = FormatOptions::default();
    let columns: Vec<_> = batch
        .columns()
        .iter()
        .map(|c| (c, ArrayFormatter::try_new(c, &options).expect("every type has a text")))
        .collect();
    (0..batch.num_rows())
        .map(|row| {
            let value = |(column, text): &(&Arc<dyn Array>, ArrayFormatter<'_>)| {
                (!column.logical_nulls().is_some_and(|nulls| nulls.is_null(row)))
                    .then(|| text.value(row).to_string())
            };
            columns.iter().map(value).collect()
        })
        .collect()
}

/// Bare names of system relations get their schema, as the search path gives it.
fn qualify(query: &mut Query) {
    let _ = sql::visit_relations_mut(query, |name| {
        let [ObjectNamePart::Identifier(ident)] = &name.0[..] else {
            return ControlFlow::<()>::Continue(());
        };
        if find("pg_catalog", &ident.value.to_lowercase()).is_some() {
            name.0.insert(0, ObjectNamePart::Identifier(Ident::new("pg_catalog")));
        }
        ControlFlow::Continue(())
    });
}

/// Outputs without a name get one of their own; the planner does it in earnest.
fn name_outputs(query: &mut Query) {
    struct Namer;
    impl VisitorMut for Namer {
        type Break = ();
        fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
            name_body(&mut query.body);
            ControlFlow::Continue(())
        }
    }
    let _ = VisitMut::visit(query, &mut Namer);
}

fn name_body(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => {
            let mut seen = std::collections::BTreeSet::new();
            for (i, item) in select.projection.iter_mut().enumerate() {
                if let SelectItem::ExprWithAlias { alias, .. } = item
                    && !seen.insert(alias.value.clone())
                {
                    *alias = Ident::with_quote('"', format!("{}\u{1}{i}", alias.value));
                }
                let SelectItem::UnnamedExpr(expr) = item else { continue };
                let name = match expr {
                    Expr::Identifier(_) | Expr::CompoundIdentifier(_) => continue,
                    Expr::Function(function) => {
                        function.name.0.last().map_or_else(String::new, |part| part.to_string())
                    }
                    _ => "?column?".to_owned(),
                };
                let alias = Ident::with_quote('"', format!("{name}\u{1}{i}"));
                *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
            }
        }
        SetExpr::SetOperation { left, right, .. } => {
            name_body(left);
            name_body(right);
        }
        _ => {}
    }
}
