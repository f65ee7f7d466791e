//! Calls of window functions.

use arrow::datatypes::DataType;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::{WindowFunction, WindowFunctionDefinition};
use datafusion::scalar::ScalarValue;
use weir_types::{Error, Result, SqlState, SqlType};

use super::Resolver;
use crate::functions::cast::null_literal;
use crate::semantics::error::to_error;
use crate::semantics::typing::{Typed, to_common, type_of};

impl Resolver<'_> {
    pub(super) fn window(&self, call: WindowFunction) -> Result<WindowFunction> {
        let WindowFunction { mut fun, mut params } = call;
        match fun {
            WindowFunctionDefinition::AggregateUDF(func) => {
                let (func, args) = self.bind_aggregate(func, params.args)?;
                (fun, params.args) = (WindowFunctionDefinition::AggregateUDF(func), args);
            }
            WindowFunctionDefinition::WindowUDF(func) => {
                params.args = self.window_arguments(func.name(), params.args)?;
                fun = WindowFunctionDefinition::WindowUDF(func);
            }
        }
        params.partition_by = params
            .partition_by
            .into_iter()
            .map(|expr| self.keyed(expr))
            .collect::<Result<Vec<_>>>()?;
        params.order_by = self.sort_keys(params.order_by)?;
        if let Some(filter) = params.filter.take() {
            params.filter = Some(self.boxed_condition(*filter, "FILTER")?);
        }
        Ok(WindowFunction { fun, params })
    }

    /// `lag` and `lead` bring their first and third argument to a common type.
    fn window_arguments(&self, name: &str, args: Vec<Expr>) -> Result<Vec<Expr>> {
        let typed: Vec<Typed> =
            args.into_iter().map(|argument| self.typed(argument)).collect::<Result<_>>()?;
        let mut typed = typed.into_iter();
        let Some(value) = typed.next() else { return Ok(Vec::new()) };
        let Some(number) = typed.next() else { return Ok(vec![self.settled(value.expr)?]) };
        let number = self.literal_as(number, &SqlType::Int4)?.expr;
        if name == "nth_value" {
            check_nth(&number)?;
        }
        let mut args = match typed.next() {
            None => vec![self.settled(value.expr)?],
            Some(default) => to_common(vec![value, default], name, self.settings)?.0,
        };
        if matches!(name, "lag" | "lead") && is_null(&number) {
            // No row is so far away: there is no value, and no default either. DataFusion takes the next row.
            let of_type = type_of(&args[0], self.schema)?;
            return Ok(vec![null_literal(&of_type)?]);
        }
        args.insert(1, number);
        Ok(args)
    }
}

fn is_null(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(value, _) => value.is_null(),
        Expr::Cast(cast) => is_null(&cast.expr),
        Expr::Alias(alias) => is_null(&alias.expr),
        _ => false,
    }
}

/// Refuses a place of `nth_value` before the first: DataFusion would count from the last.
fn check_nth(number: &Expr) -> Result<()> {
    match number {
        Expr::Literal(value, _) if !value.is_null() => {
            let first = ScalarValue::Int64(Some(1));
            let number = value.cast_to(&DataType::Int64).map_err(to_error)?;
            if number >= first {
                return Ok(());
            }
            Err(Error::new(
                SqlState::InvalidArgumentForNthValue,
                "argument of nth_value must be greater than zero",
            ))
        }
        _ => Ok(()),
    }
}
