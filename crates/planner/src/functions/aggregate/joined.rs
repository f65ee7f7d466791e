//! Aggregates that put the texts of their rows together: the JSON ones.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field};
use datafusion::error::Result as DfResult;
use datafusion::functions_aggregate::array_agg::array_agg_udaf;
use datafusion::logical_expr::Accumulator;
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::scalar::ScalarValue;
use weir_types::{Error, Result};

use crate::functions::call::check_size;
use crate::functions::json;
use crate::functions::scalar::external;

/// What the texts become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    JsonArray,
    JsonbArray,
    JsonObject,
    JsonbObject,
}

impl Form {
    /// The function that makes the text of a row from the arguments.
    pub(super) fn row_function(self) -> &'static str {
        match self {
            Self::JsonArray => "json_element",
            Self::JsonbArray => "jsonb_element",
            Self::JsonObject => "json_member",
            Self::JsonbObject => "jsonb_member",
        }
    }

    fn join(self, texts: &ArrayRef) -> Result<String> {
        let (open, close, separator) = match self {
            Self::JsonArray | Self::JsonbArray => ("[", "]", ", "),
            Self::JsonObject => ("{ ", " }", ", "),
            Self::JsonbObject => ("{", "}", ", "),
        };
        let texts = texts.as_string_view();
        let mut out = String::from(open);
        for row in 0..texts.len() {
            let before = if row == 0 { "" } else { separator };
            let text = if texts.is_null(row) { "null" } else { texts.value(row) };
            write!(out, "{before}{text}")
                .map_err(|_| Error::internal("a String takes any text"))?;
            check_size("json aggregate", out.len())?;
        }
        out.push_str(close);
        // Later members win, and members are sorted.
        if self == Self::JsonbObject { json::canonical_text(&out) } else { Ok(out) }
    }
}

pub(super) fn accumulator(form: Form, args: AccumulatorArgs<'_>) -> DfResult<Box<dyn Accumulator>> {
    let list = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8View, true)));
    let return_field = Arc::new(Field::new("texts", list, true));
    let collector = array_agg_udaf().accumulator(AccumulatorArgs { return_field, ..args })?;
    Ok(Box::new(Joined { form, collector }))
}

#[derive(Debug)]
struct Joined {
    form: Form,
    collector: Box<dyn Accumulator>,
}

impl Accumulator for Joined {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        self.collector.update_batch(values)
    }

    fn evaluate(&mut self) -> DfResult<ScalarValue> {
        let ScalarValue::List(list) = self.collector.evaluate()? else {
            return Err(external(Error::internal("texts are not collected in a list")));
        };
        if list.is_null(0) {
            return Ok(ScalarValue::Utf8View(None));
        }
        let text = self.form.join(&list.value(0)).map_err(external)?;
        Ok(ScalarValue::Utf8View(Some(text)))
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.collector.size()
    }

    fn state(&mut self) -> DfResult<Vec<ScalarValue>> {
        self.collector.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> DfResult<()> {
        self.collector.merge_batch(states)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        self.collector.retract_batch(values)
    }

    fn supports_retract_batch(&self) -> bool {
        self.collector.supports_retract_batch()
    }
}
