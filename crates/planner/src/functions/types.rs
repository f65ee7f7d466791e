//! Type names in queries to Arrow fields that say their SQL type.

use std::sync::Arc;

use arrow::datatypes::FieldRef;
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast::DataType;
use weir_delta::schema;

use super::cast::CAST_FIELD;
use super::scalar::external;

/// Plans the types of casts.
#[derive(Debug)]
pub(super) struct Types;

impl TypePlanner for Types {
    fn plan_type_field(&self, name: &DataType) -> DfResult<Option<FieldRef>> {
        let sql_type = crate::dialect::sql_type(name).map_err(external)?;
        Ok(Some(Arc::new(schema::field(CAST_FIELD, &sql_type, true))))
    }
}
