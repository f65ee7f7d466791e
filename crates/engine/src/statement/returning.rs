//! RETURNING: a query over the rows that a statement writes.
//!
//! It runs before the rows are written: where it fails, nothing of the statement is there.

mod others;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{FieldRef, Schema};
use datafusion::sql::sqlparser::ast as sql;
use futures::StreamExt;
use weir_catalog::{Catalog, Object};
use weir_delta::rows;
use weir_planner::bind::BoundQuery;
use weir_types::Result;

use super::parameters::Parameters;
use super::{query, quoted, scaffold};
use crate::pins::Pin;
use crate::session::{Execution, RowTag, Session};

pub(super) use others::{WithOthers, take_out};

/// The name under which the rows of a statement that writes are local. It cannot be typed: to the subqueries of
/// the statement the table's name means the table, and the alias, of which these rows are, no relation.
pub(super) const ROWS: &str = "\u{1}rows";

/// The plan of RETURNING, over the rows that are written.
pub(super) fn plan_returning(
    session: &Session,
    catalog: &Arc<Catalog>,
    object: &Object,
    alias: &str,
    items: &[sql::SelectItem],
    parameters: &mut Parameters,
) -> Result<Option<BoundQuery>> {
    plan_with_others(session, catalog, object, alias, items, &[], parameters)
}

/// As [`plan_returning`], of rows with further columns.
pub(super) fn plan_with_others(
    session: &Session,
    catalog: &Arc<Catalog>,
    object: &Object,
    alias: &str,
    items: &[sql::SelectItem],
    others: &[FieldRef],
    parameters: &mut Parameters,
) -> Result<Option<BoundQuery>> {
    if items.is_empty() {
        return Ok(None);
    }
    let rows = format!("SELECT * FROM {} AS {}", quoted(ROWS), quoted(alias));
    let mut select = scaffold::select(&rows)?;
    select.projection = items.to_vec();
    let parsed = scaffold::query(select);
    let visible = object.columns().iter().filter(|column| !column.hidden);
    let schema = weir_planner::source::schema_of(visible);
    let fields = schema.fields().iter().chain(others).cloned();
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let locals = [(ROWS.to_owned(), schema)];
    let bound = query::with_binder(session, catalog, |binder| {
        binder.query_over(&parsed, parameters.known(), &locals)
    })?;
    parameters.add(&bound);
    Ok(Some(bound))
}

/// The RETURNING of a statement.
pub(super) struct Returning<'a> {
    pub(super) session: &'a Session,
    pub(super) catalog: &'a Arc<Catalog>,
    pub(super) object: &'a Object,
    /// `None` without RETURNING.
    pub(super) query: Option<&'a BoundQuery>,
    /// Of the statement's parameters.
    pub(super) values: &'a [ArrayRef],
}

/// What a statement has written.
pub(super) struct Written {
    pub(super) n_rows: usize,
    /// What RETURNING gives of it.
    pub(super) rows: Option<Vec<RecordBatch>>,
}

impl Returning<'_> {
    /// What it gives of rows that are about to be written. Subqueries see the relations at the pin.
    ///
    /// # Errors
    /// Of running the query.
    pub(super) async fn of(&self, written: &RecordBatch, pin: &Pin) -> Result<Written> {
        self.of_with_others(written, &[], Vec::new(), pin).await
    }

    /// As [`Self::of`], of rows with further columns.
    ///
    /// # Errors
    /// Of running the query.
    pub(super) async fn of_with_others(
        &self,
        written: &RecordBatch,
        others: &[FieldRef],
        values_of_others: Vec<ArrayRef>,
        pin: &Pin,
    ) -> Result<Written> {
        let n_rows = written.num_rows();
        let Some(bound) = self.query else { return Ok(Written { n_rows, rows: None }) };
        let visible: Vec<usize> = self
            .object
            .columns()
            .iter()
            .enumerate()
            .filter(|(_, column)| !column.hidden)
            .map(|(column_idx, _)| column_idx)
            .collect();
        let mut local = rows::project(written, &visible)?;
        if !others.is_empty() {
            let fields = local.schema_ref().fields().iter().chain(others).cloned();
            let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
            let columns = local.columns().iter().cloned().chain(values_of_others);
            local = rows::batch(schema, columns.collect(), n_rows)?;
        }
        let locals = HashMap::from([(ROWS.to_owned(), local)]);
        let plan = query::with_values(bound.plan.clone(), self.values)?;
        let rows = query::collect_plan(self.session, self.catalog, plan, pin, locals);
        let rows = Box::pin(rows).await?;
        Ok(Written { n_rows, rows: Some(rows) })
    }

    /// The answer of a statement with RETURNING.
    pub(super) fn answer(&self, written: Written, verb: &'static str) -> Execution {
        let columns = self.query.map(|bound| bound.columns.as_slice()).unwrap_or_default();
        let rows = written.rows.unwrap_or_default();
        Execution::Rows {
            columns: query::output_columns(self.catalog, columns),
            rows: futures::stream::iter(rows.into_iter().map(Ok)).boxed(),
            tag: RowTag(verb),
        }
    }
}
