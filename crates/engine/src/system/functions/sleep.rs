//! `pg_sleep`, which a cancel wakes.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, AsArray, StringViewArray};
use arrow::datatypes::{DataType, FieldRef, Float64Type};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use weir_types::SqlType;

use super::{FunctionContext, external};

/// Longest sleep: beyond it a clock cannot count.
const SECONDS_MAX: f64 = 1e9;

/// Sleeps once for each row.
#[derive(Debug)]
pub(super) struct Sleep {
    signature: Signature,
    context: Arc<dyn FunctionContext>,
}

impl Sleep {
    pub(super) fn new(context: Arc<dyn FunctionContext>) -> Self {
        let signature = Signature::exact(vec![DataType::Float64], Volatility::Volatile);
        Self { signature, context }
    }
}

impl PartialEq for Sleep {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.context, &other.context)
    }
}

impl Eq for Sleep {}

impl Hash for Sleep {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl ScalarUDFImpl for Sleep {
    fn name(&self) -> &'static str {
        "pg_sleep"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> DfResult<DataType> {
        Ok(weir_delta::schema::arrow_type(&SqlType::Void))
    }

    fn return_field_from_args(&self, _args: ReturnFieldArgs<'_>) -> DfResult<FieldRef> {
        Ok(Arc::new(weir_delta::schema::field(self.name(), &SqlType::Void, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let seconds = args.args[0].to_array(args.number_rows)?;
        let seconds = seconds.as_primitive::<Float64Type>();
        for seconds in seconds.iter().flatten().filter(|seconds| *seconds > 0.0) {
            let duration = Duration::from_secs_f64(seconds.min(SECONDS_MAX));
            self.context.sleep(duration).map_err(external)?;
        }
        let slept = (0..seconds.len()).map(|row| seconds.is_valid(row).then_some(""));
        Ok(ColumnarValue::Array(Arc::new(slept.collect::<StringViewArray>())))
    }
}
