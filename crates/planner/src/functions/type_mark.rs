//! Marks a cast, so that its type is a part of the names that DataFusion's planner gives.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use weir_types::Error;

use super::scalar::external;

/// What the names of marks begin with, which cannot be typed; the type follows.
pub(crate) const TYPE_MARK: &str = "\u{1}as ";

/// The mark of that name, if it is one.
pub(super) fn udf(name: &str) -> Option<Arc<ScalarUDF>> {
    name.starts_with(TYPE_MARK).then(|| {
        let signature = Signature::any(1, Volatility::Immutable);
        Arc::new(ScalarUDF::new_from_impl(TypeMark { name: name.to_owned(), signature }))
    })
}

/// The mark: it is its argument, until the semantics take it off.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct TypeMark {
    name: String,
    signature: Signature,
}

impl ScalarUDFImpl for TypeMark {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> DfResult<DataType> {
        Ok(arguments[0].clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> DfResult<FieldRef> {
        Ok(Arc::clone(&args.arg_fields[0]))
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        Err(external(Error::internal("a cast was evaluated with its mark")))
    }
}
