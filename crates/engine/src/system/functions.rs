//! The functions of `pg_catalog` that answer from the catalog, the session and the server.
//!
//! They are made for each statement, over its catalog snapshot; see [`functions`].

mod catalog;
mod expand;
mod session;
mod sleep;

use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion::error::{DataFusionError, Result as DfResult};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::scalar::ScalarValue;
use weir_catalog::{Catalog, SearchPath};
use weir_types::{Error, ObjectId, Result, SqlState, SqlType, Timestamp};

use super::SystemRelation;
use super::resolve::Names;
use super::row::{Datum, array_of};

/// What the functions of one statement look things up in.
pub trait FunctionContext: Send + Sync + Debug {
    /// All objects.
    fn catalog(&self) -> &Catalog;
    /// Where bare names are looked up.
    fn search_path(&self) -> &SearchPath;
    /// The session's user.
    fn user(&self) -> &str;
    /// Name of the database.
    fn database(&self) -> &str;
    /// Number of the connection.
    fn backend_pid(&self) -> i32;
    /// The value of a setting, by lower-case name; `None` where there is no such setting.
    fn setting(&self, name: &str) -> Option<String>;
    /// Changes a setting for the session, or for the transaction, and gives its new value.
    ///
    /// # Errors
    /// As `SET`: an unknown name, a bad value.
    fn set_setting(&self, name: &str, value: &str, is_local: bool) -> Result<String>;
    /// Cancels the statement of that connection, or ends it; false where there is no such connection.
    ///
    /// # Errors
    /// 42501 where the user may not do that.
    fn signal_backend(&self, pid: i32, terminate: bool) -> Result<bool>;
    /// Bytes on disk of a stream, table or materialized view; 0 where it is not known.
    fn relation_bytes(&self, id: ObjectId) -> i64;
    /// Bytes on disk of everything.
    fn database_bytes(&self) -> i64;
    /// When the server started.
    fn server_start(&self) -> Timestamp;
    /// Waits on a thread of a query.
    ///
    /// # Errors
    /// 57014 where the statement is to end before, 57P01 where the session is.
    fn sleep(&self, duration: Duration) -> Result<()>;
    /// Definitions of `sys.*`.
    fn extra(&self) -> &[SystemRelation];
}

/// All functions, over that context. They are to win over shared functions of the same name.
#[must_use]
pub fn functions(context: Arc<dyn FunctionContext>) -> Vec<Arc<ScalarUDF>> {
    catalog::DEFINITIONS
        .iter()
        .chain(session::DEFINITIONS)
        .map(|definition| {
            let context = Arc::clone(&context);
            let signature = Signature::user_defined(definition.volatility);
            let function = SystemFunction { definition, signature, context };
            Arc::new(ScalarUDF::new_from_impl(function))
        })
        .chain([
            Arc::new(ScalarUDF::new_from_impl(expand::ExpandArray::new())),
            Arc::new(ScalarUDF::new_from_impl(sleep::Sleep::new(Arc::clone(&context)))),
        ])
        .collect()
}

/// True for the name of one of [`functions`].
pub(crate) fn is_function(name: &str) -> bool {
    catalog::DEFINITIONS.iter().chain(session::DEFINITIONS).any(|function| function.name == name)
}

/// A function: name, number of arguments, result, body.
struct Definition {
    name: &'static str,
    /// Least and most arguments.
    n_arguments: (usize, usize),
    returns: SqlType,
    /// The result is an array of `returns`.
    is_array: bool,
    volatility: Volatility,
    /// NULL for any NULL argument, without a call.
    is_strict: bool,
    body: fn(&Call<'_>) -> Result<Datum>,
}

impl Definition {
    /// A strict, stable function.
    const fn new(
        name: &'static str,
        n_arguments: (usize, usize),
        returns: SqlType,
        body: fn(&Call<'_>) -> Result<Datum>,
    ) -> Self {
        Self {
            name,
            n_arguments,
            returns,
            is_array: false,
            volatility: Volatility::Stable,
            is_strict: true,
            body,
        }
    }

    const fn array(mut self) -> Self {
        self.is_array = true;
        self
    }

    fn result_type(&self) -> SqlType {
        let returns = self.returns.clone();
        if self.is_array { SqlType::Array(Box::new(returns)) } else { returns }
    }

    const fn volatile(mut self) -> Self {
        self.volatility = Volatility::Volatile;
        self
    }

    /// Gets NULL arguments.
    const fn takes_null(mut self) -> Self {
        self.is_strict = false;
        self
    }
}

/// One call.
struct Call<'a> {
    context: &'a dyn FunctionContext,
    name: &'static str,
    arguments: &'a [Datum],
}

impl<'a> Call<'a> {
    fn names(&self) -> Names<'a> {
        Names {
            catalog: self.context.catalog(),
            search_path: self.context.search_path(),
            extra: self.context.extra(),
        }
    }

    fn argument(&self, index: usize) -> &'a Datum {
        self.arguments.get(index).unwrap_or(&Datum::Null)
    }

    /// The argument as a text; empty for NULL.
    fn text(&self, index: usize) -> Result<&'a str> {
        match self.argument(index) {
            Datum::Text(text) => Ok(text),
            Datum::Null => Ok(""),
            _ => Err(self.mismatch(index, "text")),
        }
    }

    /// The argument as a number; 0 for NULL.
    fn number(&self, index: usize) -> Result<i64> {
        match self.argument(index) {
            Datum::Int(number) => Ok(*number),
            Datum::Null => Ok(0),
            Datum::Text(text) => text.trim().parse().map_err(|_| {
                Error::new(
                    SqlState::InvalidTextRepresentation,
                    format!("invalid input syntax for type integer: \"{text}\""),
                )
            }),
            _ => Err(self.mismatch(index, "integer")),
        }
    }

    fn oid(&self, index: usize) -> Result<u32> {
        Ok(u32::try_from(self.number(index)?).unwrap_or(0))
    }

    fn flag(&self, index: usize) -> Result<bool> {
        match self.argument(index) {
            Datum::Bool(flag) => Ok(*flag),
            Datum::Null => Ok(false),
            _ => Err(self.mismatch(index, "boolean")),
        }
    }

    fn mismatch(&self, index: usize, wanted: &str) -> Error {
        Error::new(
            SqlState::UndefinedFunction,
            format!("argument {} of function {} must be of type {wanted}", index + 1, self.name),
        )
    }
}

#[derive(Debug)]
struct SystemFunction {
    definition: &'static Definition,
    signature: Signature,
    context: Arc<dyn FunctionContext>,
}

impl Debug for Definition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for SystemFunction {
    fn eq(&self, other: &Self) -> bool {
        self.definition.name == other.definition.name && Arc::ptr_eq(&self.context, &other.context)
    }
}

impl Eq for SystemFunction {}

impl Hash for SystemFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.definition.name.hash(state);
    }
}

impl ScalarUDFImpl for SystemFunction {
    fn name(&self) -> &str {
        self.definition.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> DfResult<DataType> {
        Ok(weir_delta::schema::arrow_type(&self.definition.result_type()))
    }

    fn return_field_from_args(&self, _args: ReturnFieldArgs<'_>) -> DfResult<FieldRef> {
        let field = weir_delta::schema::field(self.name(), &self.definition.result_type(), true);
        Ok(Arc::new(field))
    }

    fn coerce_types(&self, types: &[DataType]) -> DfResult<Vec<DataType>> {
        let (least, most) = self.definition.n_arguments;
        if types.len() < least || types.len() > most {
            return Err(external(Error::new(
                SqlState::UndefinedFunction,
                format!("function {} with {} arguments does not exist", self.name(), types.len()),
            )));
        }
        Ok(types.iter().map(read_as).collect())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let is_constant = args.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let n_rows = if is_constant { 1 } else { args.number_rows };
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let columns: Vec<Vec<Datum>> =
            columns.iter().map(|column| datums(column, n_rows)).collect::<DfResult<_>>()?;
        let mut results = Vec::with_capacity(n_rows);
        for row in 0..n_rows {
            let arguments: Vec<Datum> = columns.iter().map(|column| column[row].clone()).collect();
            results.push(self.call(&arguments).map_err(external)?);
        }
        let array = array_of(&self.definition.result_type(), &results).ok_or_else(|| {
            external(Error::internal(format!("function {} gave another type", self.name())))
        })?;
        if is_constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(array))
    }
}

impl SystemFunction {
    fn call(&self, arguments: &[Datum]) -> Result<Datum> {
        if self.definition.is_strict && arguments.iter().any(Datum::is_null) {
            return Ok(Datum::Null);
        }
        let name = self.definition.name;
        (self.definition.body)(&Call { context: self.context.as_ref(), name, arguments })
    }
}

fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// The type in which an argument is read: each kind of values has one.
fn read_as(given: &DataType) -> DataType {
    match given {
        integer if integer.is_integer() => DataType::Int64,
        number if number.is_numeric() => DataType::Int64,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8View,
        DataType::Dictionary(_, value) => read_as(value),
        other => other.clone(),
    }
}

/// The values of an argument; `n_rows` where a column without rows stands for NULLs.
fn datums(array: &dyn Array, n_rows: usize) -> DfResult<Vec<Datum>> {
    let value = |row: usize| -> Option<Datum> {
        if array.is_null(row) {
            return Some(Datum::Null);
        }
        Some(match array.data_type() {
            DataType::Int64 => Datum::Int(array.as_primitive::<Int64Type>().value(row)),
            DataType::Boolean => Datum::Bool(array.as_boolean().value(row)),
            DataType::Utf8View => Datum::from(array.as_string_view().value(row)),
            DataType::Null => Datum::Null,
            DataType::List(_) => {
                let items = array.as_list::<i32>().value(row);
                let items = arrow::compute::cast(&items, &read_as(items.data_type())).ok()?;
                Datum::List(datums(&items, items.len()).ok()?)
            }
            _ => return None,
        })
    };
    (0..n_rows)
        .map(|row| {
            value(row).ok_or_else(|| {
                external(Error::new(
                    SqlState::UndefinedFunction,
                    format!("no system function takes an argument of type {}", array.data_type()),
                ))
            })
        })
        .collect()
}
