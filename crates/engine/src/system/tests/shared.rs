//! Stand-ins for functions of the planner's registry that clients call beside system relations.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, StringViewArray};
use arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

type Body = fn(&[ArrayRef]) -> ArrayRef;

#[derive(Debug)]
struct StandIn {
    name: &'static str,
    returns: DataType,
    signature: Signature,
    body: Body,
}

impl PartialEq for StandIn {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for StandIn {}

impl std::hash::Hash for StandIn {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for StandIn {
    fn name(&self) -> &str {
        self.name
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(self.returns.clone())
    }
    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let as_text = |t: &DataType| match t {
            DataType::List(_) => t.clone(),
            _ => DataType::Utf8View,
        };
        Ok(types.iter().map(as_text).collect())
    }
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays: Vec<ArrayRef> = args
            .args
            .iter()
            .map(|value| value.to_array(args.number_rows))
            .collect::<Result<_>>()?;
        Ok(ColumnarValue::Array((self.body)(&arrays)))
    }
}

fn bound(lists: &[ArrayRef], lower: bool) -> ArrayRef {
    let list = lists[0].as_list_opt::<i32>();
    let bound = |row: usize| {
        let list = list.filter(|list| list.is_valid(row) && list.value_length(row) > 0)?;
        Some(if lower { 1 } else { list.value_length(row) })
    };
    Arc::new((0..lists[0].len()).map(bound).collect::<Int32Array>())
}

/// `%s`, `%I` and `%L` one after the other, without quoting.
fn format(values: &[ArrayRef]) -> ArrayRef {
    let text = |column: usize, row: usize| values[column].as_string_view().value(row).to_owned();
    let rows = (0..values[0].len()).map(|row| {
        let mut out = String::new();
        let template = text(0, row);
        let mut parts = template.split('%');
        out.push_str(parts.next().unwrap_or(""));
        for (column, part) in (1..).zip(parts) {
            out.push_str(&text(column, row));
            out.push_str(&part[1..]);
        }
        Some(out)
    });
    Arc::new(rows.collect::<StringViewArray>())
}

/// Without escapes.
fn json_object(values: &[ArrayRef]) -> ArrayRef {
    let text = |column: usize, row: usize| values[column].as_string_view().value(row).to_owned();
    let rows = (0..values[0].len()).map(|row| {
        let pairs = (0..values.len()).step_by(2);
        let pairs = pairs.map(|i| format!("\"{}\" : {}", text(i, row), text(i + 1, row)));
        Some(format!("{{{}}}", pairs.collect::<Vec<_>>().join(", ")))
    });
    Arc::new(rows.collect::<StringViewArray>())
}

fn same(values: &[ArrayRef]) -> ArrayRef {
    Arc::clone(&values[0])
}

/// The functions.
pub(super) fn functions() -> Vec<ScalarUDF> {
    let list: [(&'static str, DataType, Body); 7] = [
        ("json_build_object", DataType::Utf8View, json_object),
        ("array_upper", DataType::Int32, |v| bound(v, false)),
        ("array_lower", DataType::Int32, |v| bound(v, true)),
        ("format", DataType::Utf8View, format),
        ("quote_ident", DataType::Utf8View, same),
        ("quote_literal", DataType::Utf8View, same),
        ("parse_ident", DataType::new_list(DataType::Utf8View, true), |v| {
            let names: Vec<Option<Vec<Option<String>>>> = v[0]
                .as_string_view()
                .iter()
                .map(|name| name.map(|name| vec![Some(name.to_owned())]))
                .collect();
            let mut builder =
                arrow::array::ListBuilder::new(arrow::array::StringViewBuilder::new());
            for name in names {
                builder.append_option(name);
            }
            Arc::new(builder.finish())
        }),
    ];
    let signature = || Signature::user_defined(Volatility::Immutable);
    list.into_iter()
        .map(|(name, returns, body)| {
            ScalarUDF::new_from_impl(StandIn { name, returns, signature: signature(), body })
        })
        .collect()
}
