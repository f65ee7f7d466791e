//! Functions by name, whose types are not told yet, and functions bound to their types.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use arrow::array::new_empty_array;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result as DfResult};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::scalar::ScalarValue;
use weir_connect::value::FormatSettings;
use weir_delta::schema;
use weir_types::{Error, Result, SqlState, SqlType};

use super::call::{Argument, Call};
use super::coercion::base;
use super::overload::{CallTypes, Constant, Overload};
use super::resolution::{Choice, choose, choose_operator};

/// Most parts of arguments that a column's name spells out.
const SHORT_PARTS_MAX: usize = 64;

/// All functions of one name, or all operators of one symbol. The planner puts it into a plan; the
/// semantics replace it by the [`Bound`] one that the arguments' types choose.
#[derive(Debug)]
pub(crate) struct Function {
    name: String,
    pub(crate) overloads: Arc<Overloads>,
    signature: Signature,
    is_operator: bool,
}

/// The functions of one name.
pub(crate) struct Overloads(pub(crate) Vec<Overload>);

impl std::fmt::Debug for Overloads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} overloads", self.0.len())
    }
}

impl Function {
    pub(crate) fn new(overloads: Vec<Overload>) -> Self {
        let name = overloads[0].name.clone();
        let volatility = overloads[0].volatility;
        Self {
            is_operator: !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'),
            name,
            overloads: Arc::new(Overloads(overloads)),
            signature: Signature::user_defined(volatility),
        }
    }

    /// The one for arguments of those types.
    ///
    /// # Errors
    /// 42883 where there is none, 42725 where several fit equally.
    pub(crate) fn choose(
        &self,
        given: &[SqlType],
        constants: &[Option<Constant>],
    ) -> Result<(&Overload, CallTypes)> {
        let choice = if self.is_operator {
            choose_operator(&self.overloads.0, given)
        } else {
            choose(&self.overloads.0, given, constants)
        };
        match choice {
            Choice::Found(overload, types) => Ok((overload, types)),
            Choice::Missing => Err(self.missing(given)),
            Choice::Ambiguous => Err(self.ambiguous(given)),
        }
    }

    /// The list that every function of so many arguments gives; `None` where they give others.
    fn list_of(&self, n_arguments: usize) -> Option<&SqlType> {
        let mut fitting =
            self.overloads.0.iter().filter(|overload| overload.patterns(n_arguments).is_some());
        let list = fitting.next()?.fixed_list()?;
        fitting.all(|overload| overload.fixed_list() == Some(list)).then_some(list)
    }

    fn call_text(&self, given: &[SqlType]) -> String {
        let types: Vec<String> = given.iter().map(type_text).collect();
        match (self.is_operator, types.as_slice()) {
            (true, [operand]) => format!("{} {operand}", self.name),
            (true, [left, right]) => format!("{left} {} {right}", self.name),
            _ => format!("{}({})", self.name, types.join(", ")),
        }
    }

    fn missing(&self, given: &[SqlType]) -> Error {
        if !self.is_operator {
            return missing_function(&self.name, given);
        }
        let message = format!("operator does not exist: {}", self.call_text(given));
        Error::new(SqlState::UndefinedFunction, message).with_hint(OPERATOR_HINT)
    }

    fn ambiguous(&self, given: &[SqlType]) -> Error {
        let kind = if self.is_operator { "operator" } else { "function" };
        let call = self.call_text(given);
        let message = if self.is_operator {
            format!("{kind} is not unique: {call}")
        } else {
            format!("{kind} {call} is not unique")
        };
        Error::new(SqlState::AmbiguousFunction, message).with_hint(format!(
            "Could not choose a best candidate {kind}. You might need to add explicit type casts."
        ))
    }
}

const OPERATOR_HINT: &str = "No operator matches the given name and argument types. You might need to \
                             add explicit type casts.";
const FUNCTION_HINT: &str = "No function matches the given name and argument types. You might need to \
                             add explicit type casts.";

/// The name of a type without its modifier.
pub(super) fn type_text(t: &SqlType) -> String {
    match t {
        SqlType::Char(_) => "character".to_owned(),
        SqlType::Array(element) => format!("{}[]", type_text(element)),
        other => base(other).to_string(),
    }
}

/// The error of a function that does not take such arguments (42883).
pub(crate) fn missing_function(name: &str, given: &[SqlType]) -> Error {
    let types: Vec<String> = given.iter().map(type_text).collect();
    let message = format!("function {name}({}) does not exist", types.join(", "));
    Error::new(SqlState::UndefinedFunction, message).with_hint(FUNCTION_HINT)
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        &self.name
    }

    fn schema_name(&self, args: &[Expr]) -> DfResult<String> {
        column_name(&self.name, args)
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> DfResult<DataType> {
        Err(external(Error::internal(format!(
            "{} was asked for its type without fields",
            self.name
        ))))
    }

    /// While a query is planned, types below may not be final: where they do not fit, the type stays
    /// open, and the error is left to the semantics. But for a list, which is a list to `unnest` at once.
    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> DfResult<FieldRef> {
        let given: Vec<SqlType> = args
            .arg_fields
            .iter()
            .zip(args.scalar_arguments)
            .map(|(field, scalar)| given_type(field, *scalar))
            .collect();
        let constants: Vec<Option<Constant>> =
            args.scalar_arguments.iter().map(|scalar| scalar.and_then(constant)).collect();
        Ok(Arc::new(match self.choose(&given, &constants) {
            Ok((_, types)) => schema::field(&self.name, &types.returns, true),
            Err(_) => match self.list_of(given.len()) {
                Some(list) => schema::field(&self.name, list, true),
                None => Field::new(&self.name, DataType::Null, true),
            },
        }))
    }

    fn coerce_types(&self, types: &[DataType]) -> DfResult<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        Err(external(Error::internal(format!(
            "{} was called before its types were told",
            self.name
        ))))
    }
}

/// The type of an argument as the choice of a function sees it: a text literal is of unknown type, a
/// small number is an `integer`.
pub(crate) fn given_type(field: &Field, literal: Option<&ScalarValue>) -> SqlType {
    match (field.data_type(), literal) {
        (DataType::Null, _) | (DataType::Utf8, Some(_)) => SqlType::Unknown,
        (DataType::Int64, Some(ScalarValue::Int64(Some(value))))
            if i32::try_from(*value).is_ok() =>
        {
            SqlType::Int4
        }
        _ => schema::sql_type(field),
    }
}

/// The value of a literal, for functions whose type depends on it.
pub(crate) fn constant(literal: &ScalarValue) -> Option<Constant> {
    match literal {
        ScalarValue::Int16(Some(value)) => Some(Constant::Integer((*value).into())),
        ScalarValue::Int32(Some(value)) => Some(Constant::Integer((*value).into())),
        ScalarValue::Int64(Some(value)) => Some(Constant::Integer(*value)),
        ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) => {
            Some(Constant::Text(text.clone()))
        }
        _ => None,
    }
}

/// A function with its types, as it is evaluated. Its arguments have just the Arrow types of their SQL
/// types.
#[derive(Clone)]
pub(crate) struct Bound {
    overload: Arc<Overload>,
    pub(crate) types: CallTypes,
    settings: Arc<FormatSettings>,
    signature: Signature,
}

impl Bound {
    pub(crate) fn new(
        overload: &Overload,
        types: CallTypes,
        settings: &Arc<FormatSettings>,
    ) -> Self {
        let settings =
            if overload.uses_settings { Arc::clone(settings) } else { default_settings() };
        Self {
            overload: Arc::new(overload.clone()),
            types,
            settings,
            signature: Signature::user_defined(overload.volatility),
        }
    }

    /// A call of it.
    pub(crate) fn call(self, arguments: Vec<Expr>) -> Expr {
        ScalarUDF::new_from_impl(self).call(arguments)
    }

    /// False if no call of it raises an error.
    pub(crate) fn can_fail(&self) -> bool {
        self.overload.can_fail
    }

    /// The results for arguments that are evaluated.
    pub(crate) fn evaluate(
        &self,
        arguments: &[Argument],
        n_rows: usize,
    ) -> Result<arrow::array::ArrayRef> {
        let call = Call::new(
            &self.overload.name,
            arguments,
            &self.types,
            n_rows,
            &self.settings,
            self.overload.is_strict,
        );
        (self.overload.kernel)(&call)
    }
}

/// One shared copy of the settings of functions that use none.
fn default_settings() -> Arc<FormatSettings> {
    static DEFAULT: std::sync::LazyLock<Arc<FormatSettings>> =
        std::sync::LazyLock::new(Arc::default);
    Arc::clone(&DEFAULT)
}

impl std::fmt::Debug for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{:?}", self.overload.name, self.types)
    }
}

impl PartialEq for Bound {
    fn eq(&self, other: &Self) -> bool {
        self.overload.name == other.overload.name
            && self.types == other.types
            && self.settings == other.settings
    }
}

impl Eq for Bound {}

impl Hash for Bound {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.overload.name.hash(state);
        self.types.arguments.hash(state);
    }
}

impl ScalarUDFImpl for Bound {
    fn name(&self) -> &str {
        &self.overload.name
    }

    fn schema_name(&self, args: &[Expr]) -> DfResult<String> {
        column_name(&self.overload.name, args)
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn is_strict(&self) -> bool {
        self.overload.is_strict
    }

    fn return_type(&self, _arguments: &[DataType]) -> DfResult<DataType> {
        Ok(schema::arrow_type(&self.types.returns))
    }

    fn return_field_from_args(&self, _args: ReturnFieldArgs<'_>) -> DfResult<FieldRef> {
        Ok(Arc::new(schema::field(&self.overload.name, &self.types.returns, true)))
    }

    fn coerce_types(&self, types: &[DataType]) -> DfResult<Vec<DataType>> {
        if types.len() != self.types.arguments.len() {
            return Err(external(Error::internal(format!(
                "{} is bound to {} arguments and called with {}",
                self.overload.name,
                self.types.arguments.len(),
                types.len()
            ))));
        }
        Ok(self.types.arguments.iter().map(schema::arrow_type).collect())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        // Constants of a branch that no row takes must not fail.
        if args.number_rows == 0 {
            let none = new_empty_array(&schema::arrow_type(&self.types.returns));
            return Ok(ColumnarValue::Array(none));
        }
        let is_constant = self.signature.volatility != Volatility::Volatile
            && args.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let mut arguments = Vec::with_capacity(args.args.len());
        for value in args.args {
            arguments.push(match value {
                ColumnarValue::Array(array) => Argument { array, is_constant: false },
                ColumnarValue::Scalar(scalar) => {
                    if scalar.is_null() && self.overload.is_strict {
                        let null = ScalarValue::try_from(schema::arrow_type(&self.types.returns))?;
                        return Ok(ColumnarValue::Scalar(null));
                    }
                    Argument { array: scalar.to_array()?, is_constant: true }
                }
            });
        }
        let n_rows = if is_constant { 1 } else { args.number_rows };
        let result = self.evaluate(&arguments, n_rows).map_err(external)?;
        if is_constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

/// An error of ours on its way through DataFusion.
pub(crate) fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// The name of the column that a call gives: that of DataFusion where it is short, and a hash of the arguments where
/// they are many calls deep. DataFusion asks for the names of all parts of an expression once for each of them, and a
/// name has those of its parts in it: the planner's time grew with the cube of the length of a chain of operators.
fn column_name(name: &str, args: &[Expr]) -> DfResult<String> {
    let mut n_parts = 0;
    for arg in args {
        arg.apply(|_| {
            n_parts += 1;
            let is_long = n_parts > SHORT_PARTS_MAX;
            Ok(if is_long { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })?;
    }
    if n_parts > SHORT_PARTS_MAX {
        let mut hasher = DefaultHasher::new();
        args.hash(&mut hasher);
        return Ok(format!("{name}(#{:016x})", hasher.finish()));
    }
    let args: Vec<String> = args.iter().map(|arg| arg.schema_name().to_string()).collect();
    Ok(format!("{name}({})", args.join(",")))
}
