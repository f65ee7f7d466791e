//! PostgreSQL's functions, operators, casts and aggregates, for ad-hoc queries and views alike.
//!
//! A function is put into a plan by its name ([`Registry`]); the semantics bind it to the types of its
//! arguments. What PostgreSQL does not have comes from DataFusion.

pub(crate) mod aggregate;
pub(crate) mod arithmetic;
pub(crate) mod array;
pub(crate) mod call;
pub(crate) mod cast;
pub(crate) mod clock;
pub(crate) mod coercion;
pub(crate) mod comparison_key;
pub(crate) mod conditional;
pub(crate) mod datetime;
pub(crate) mod encoding;
pub(crate) mod huge_number;
pub(crate) mod json;
pub(crate) mod library;
mod list_item;
pub(crate) mod math;
pub(crate) mod number;
mod number_format;
pub(crate) mod operator;
pub(crate) mod overload;
pub(crate) mod pattern;
pub(crate) mod resolution;
pub(crate) mod scalar;
pub(crate) mod text;
mod type_mark;
mod types;
mod window;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use datafusion::error::Result as DfResult;
use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::planner::{ExprPlanner, TypePlanner};
use datafusion::logical_expr::{
    AggregateUDF, Expr, HigherOrderUDF, ScalarUDF, TableSource, WindowUDF,
};
use weir_types::SqlType;

pub use json::JsonRows;
pub(crate) use list_item::{LIST_ITEM, ListItem};
pub(crate) use type_mark::{TYPE_MARK, TypeMark};

/// All functions that need neither catalog nor session.
#[derive(Debug)]
pub struct Registry {
    scalars: HashMap<String, Arc<ScalarUDF>>,
    aggregates: HashMap<String, Arc<AggregateUDF>>,
    windows: HashMap<String, Arc<WindowUDF>>,
    higher_order: HashMap<String, Arc<HigherOrderUDF>>,
    expr_planners: Vec<Arc<dyn ExprPlanner>>,
    type_planner: Arc<dyn TypePlanner>,
}

/// Functions of DataFusion that tell of the run or of files, or mean something else than their namesakes
/// in PostgreSQL.
const HIDDEN: &[&str] = &[
    "any_value",
    "arrow_cast",
    "current_date",
    "current_time",
    "current_timestamp",
    "file_row_index",
    "input_file_name",
    "now",
    "today",
    "version",
];

/// True for the name of an aggregate.
pub(crate) fn is_aggregate(name: &str) -> bool {
    static NAMES: LazyLock<HashSet<String>> =
        LazyLock::new(|| Registry::new().aggregate_names().into_iter().collect());
    NAMES.contains(name)
}

impl Registry {
    /// PostgreSQL's functions, and DataFusion's beside them.
    #[must_use]
    pub fn new() -> Self {
        let mut scalars = HashMap::new();
        for function in SessionStateDefaults::default_scalar_functions() {
            insert(&mut scalars, function.name(), function.aliases(), &function);
        }
        scalars.retain(|name, _| !HIDDEN.contains(&name.as_str()));
        scalars.insert(LIST_ITEM.to_owned(), list_item::udf());
        scalars.extend(library::all().map(|(name, udf)| (name.clone(), Arc::clone(udf))));

        let mut aggregates = HashMap::new();
        for function in SessionStateDefaults::default_aggregate_functions() {
            insert(&mut aggregates, function.name(), function.aliases(), &function);
        }
        aggregates.retain(|name, _| !HIDDEN.contains(&name.as_str()));
        aggregates.extend(aggregate::all().map(|udaf| (udaf.name().to_owned(), udaf)));

        let mut windows = HashMap::new();
        for function in
            SessionStateDefaults::default_window_functions().into_iter().chain(window::all())
        {
            insert(&mut windows, function.name(), function.aliases(), &function);
        }
        let mut higher_order = HashMap::new();
        for function in SessionStateDefaults::default_higher_order_functions() {
            insert(&mut higher_order, function.name(), function.aliases(), &function);
        }
        let mut expr_planners: Vec<Arc<dyn ExprPlanner>> = vec![Arc::new(operator::Operators)];
        expr_planners.extend(SessionStateDefaults::default_expr_planners());
        Self {
            scalars,
            aggregates,
            windows,
            higher_order,
            expr_planners,
            type_planner: Arc::new(types::Types),
        }
    }

    /// The scalar function of that name.
    #[must_use]
    pub fn scalar(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.scalars.get(name).cloned().or_else(|| type_mark::udf(name))
    }

    /// The aggregate of that name.
    #[must_use]
    pub fn aggregate(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.aggregates.get(name).cloned()
    }

    /// The window function of that name.
    #[must_use]
    pub fn window(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.windows.get(name).cloned()
    }

    /// The function of that name that takes a function.
    #[must_use]
    pub fn higher_order(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.higher_order.get(name).cloned()
    }

    /// The relation that a function in FROM gives. Those of PostgreSQL are turned into expressions before
    /// planning (`semantics::prepare`), so that what comes here does not exist.
    ///
    /// # Errors
    /// 42883.
    pub fn table_function(&self, name: &str, args: Vec<Expr>) -> DfResult<Arc<dyn TableSource>> {
        let types: Vec<SqlType> = vec![SqlType::Unknown; args.len()];
        Err(scalar::external(scalar::missing_function(name, &types)))
    }

    /// Planners of operators and of functions with a grammar of their own.
    #[must_use]
    pub fn expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.expr_planners
    }

    /// The planner of type names.
    #[must_use]
    pub fn type_planner(&self) -> Arc<dyn TypePlanner> {
        Arc::clone(&self.type_planner)
    }

    /// Names of all scalar functions.
    #[must_use]
    pub fn scalar_names(&self) -> Vec<String> {
        sorted(&self.scalars)
    }

    /// Names of all aggregates.
    #[must_use]
    pub fn aggregate_names(&self) -> Vec<String> {
        sorted(&self.aggregates)
    }

    /// Names of all window functions.
    #[must_use]
    pub fn window_names(&self) -> Vec<String> {
        sorted(&self.windows)
    }

    /// Names of all functions that take a function.
    #[must_use]
    pub fn higher_order_names(&self) -> Vec<String> {
        sorted(&self.higher_order)
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

fn insert<F>(
    functions: &mut HashMap<String, Arc<F>>,
    name: &str,
    aliases: &[String],
    function: &Arc<F>,
) {
    for name in aliases.iter().map(String::as_str).chain([name]) {
        functions.insert(name.to_owned(), Arc::clone(function));
    }
}

fn sorted<F>(functions: &HashMap<String, F>) -> Vec<String> {
    let mut names: Vec<String> = functions.keys().cloned().collect();
    names.sort_unstable();
    names
}

/// Names of the functions that only work over a window.
pub(crate) fn window_names() -> impl Iterator<Item = String> {
    let all = SessionStateDefaults::default_window_functions().into_iter().chain(window::all());
    all.map(|window| window.name().to_owned())
}

/// PostgreSQL's `row_number`.
pub(crate) fn row_number() -> Arc<WindowUDF> {
    window::row_number()
}
