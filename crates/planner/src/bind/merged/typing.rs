//! The type of a merged column: the common one of the two that it is made of.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{CastKind, Expr, Query};
use weir_types::{Result, SqlType};

use super::call;
use crate::dialect;
use crate::functions::TYPE_MARK;
use crate::functions::coercion::{base, common_type, element_of, same};

/// How queries over relations become plans.
#[derive(Clone, Copy)]
pub(in crate::bind) struct Plans<'a> {
    pub(in crate::bind) plan: &'a dyn Fn(Query) -> Result<LogicalPlan>,
    /// Gives a plan its final types.
    pub(in crate::bind) analyze: &'a dyn Fn(LogicalPlan) -> Result<LogicalPlan>,
}

impl Plans<'_> {
    /// The names of a query's output columns, as its plan has them.
    pub(in crate::bind) fn names(&self, query: Query) -> Result<Vec<String>> {
        let plan = (self.plan)(query)?;
        Ok(plan.schema().fields().iter().map(|field| field.name().clone()).collect())
    }
}

/// A relation in FROM.
#[derive(Debug)]
pub(super) struct Relation {
    /// `SELECT *` of it.
    all: Query,
    /// The types of its columns by name, once something asked for them.
    types: OnceCell<BTreeMap<String, SqlType>>,
}

impl Relation {
    pub(super) fn new(all: Query) -> Self {
        Self { all, types: OnceCell::new() }
    }

    pub(super) fn all(&self) -> &Query {
        &self.all
    }

    /// None where it cannot be planned without what is around it.
    fn types(&self, plans: &Plans<'_>) -> &BTreeMap<String, SqlType> {
        self.types.get_or_init(|| {
            let plan = (plans.plan)(self.all.clone()).and_then(|plan| (plans.analyze)(plan));
            let Ok(plan) = plan else { return BTreeMap::new() };
            let typed = |field: &arrow::datatypes::FieldRef| {
                (field.name().clone(), weir_delta::schema::sql_type(field))
            };
            plan.schema().fields().iter().map(typed).collect()
        })
    }
}

/// Where the type of a column is found.
#[derive(Clone, Debug)]
pub(super) enum Typing {
    /// In the plan of a relation, under that name.
    Planned(Rc<Relation>, String),
    /// It is merged; `None` where the type cannot be told.
    Merged(Option<SqlType>),
}

impl Typing {
    pub(super) fn sql_type(&self, plans: &Plans<'_>) -> Option<SqlType> {
        match self {
            Self::Planned(relation, name) => relation.types(plans).get(name).cloned(),
            Self::Merged(known) => known.clone(),
        }
    }
}

/// The common type of two columns. A column of the type keeps its modifier, another one gets none.
pub(super) fn common(left: &SqlType, right: &SqlType) -> Option<SqlType> {
    if same(left, right) {
        return Some(left.clone());
    }
    common_type(&[left.clone(), right.clone()]).map(|common| base(&common))
}

/// The value of that type in the common one.
pub(super) fn converted(value: Expr, own: &SqlType, common: Option<&SqlType>) -> Expr {
    let target = common.filter(|common| !same(own, common) && is_plain(common));
    // A type is written as it is shown.
    let written = target.and_then(|t| dialect::parse_expr(&format!("NULL::{}", base(t))).ok());
    let Some(Expr::Cast { data_type, .. }) = written else { return value };
    // The column itself may stand beside it, and DataFusion leaves casts out of names.
    let mark = format!("{TYPE_MARK}{data_type}");
    let kind = CastKind::DoubleColon;
    let expr = Box::new(value);
    call(&mark, vec![Expr::Cast { kind, expr, data_type, array: false, format: None }])
}

/// True for the types of values. Those of the catalog show as more than they are.
fn is_plain(t: &SqlType) -> bool {
    use SqlType as T;
    match t {
        T::Int2 | T::Int4 | T::Int8 | T::Float4 | T::Float8 | T::Numeric(_) => true,
        T::Text | T::Varchar(_) | T::Char(_) => true,
        T::Date | T::Time | T::Timestamp | T::Timestamptz | T::Interval => true,
        T::Array(_) => element_of(t).is_some_and(|element| is_plain(&element)),
        _ => false,
    }
}
