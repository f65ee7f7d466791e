//! Window functions whose numbers are of other types in PostgreSQL than in DataFusion.

use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::error::Result as DfResult;
use datafusion::functions_window::{ntile, rank, row_number};
use datafusion::logical_expr::function::{
    ExpressionArgs, PartitionEvaluatorArgs, WindowUDFFieldArgs,
};
use datafusion::logical_expr::window_state::WindowAggState;
use datafusion::logical_expr::{
    LimitEffect, PartitionEvaluator, ReversedUDWF, Signature, WindowUDF, WindowUDFImpl,
};
use datafusion::physical_plan::PhysicalExpr;
use datafusion::scalar::ScalarValue;

fn signed(inner: Arc<WindowUDF>, returns: DataType) -> Arc<WindowUDF> {
    Arc::new(WindowUDF::new_from_impl(Signed { inner, returns }))
}

pub(super) fn row_number() -> Arc<WindowUDF> {
    signed(row_number::row_number_udwf(), DataType::Int64)
}

/// The functions of this module.
pub(super) fn all() -> Vec<Arc<WindowUDF>> {
    vec![
        row_number(),
        signed(rank::rank_udwf(), DataType::Int64),
        signed(rank::dense_rank_udwf(), DataType::Int64),
        signed(ntile::ntile_udwf(), DataType::Int32),
    ]
}

/// A function of DataFusion that counts, with its numbers signed.
#[derive(Debug)]
struct Signed {
    inner: Arc<WindowUDF>,
    returns: DataType,
}

impl PartialEq for Signed {
    fn eq(&self, other: &Self) -> bool {
        self.inner.name() == other.inner.name()
    }
}

impl Eq for Signed {}

impl Hash for Signed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.name().hash(state);
    }
}

impl WindowUDFImpl for Signed {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn expressions(&self, args: ExpressionArgs<'_>) -> Vec<Arc<dyn PhysicalExpr>> {
        self.inner.inner().expressions(args)
    }

    fn partition_evaluator(
        &self,
        args: PartitionEvaluatorArgs<'_>,
    ) -> DfResult<Box<dyn PartitionEvaluator>> {
        let inner = self.inner.inner().partition_evaluator(args)?;
        Ok(Box::new(SignedEvaluator { inner, returns: self.returns.clone() }))
    }

    fn field(&self, args: WindowUDFFieldArgs<'_>) -> DfResult<FieldRef> {
        Ok(Arc::new(Field::new(args.name(), self.returns.clone(), false)))
    }

    fn sort_options(&self) -> Option<SortOptions> {
        self.inner.inner().sort_options()
    }

    fn coerce_types(&self, types: &[DataType]) -> DfResult<Vec<DataType>> {
        self.inner.inner().coerce_types(types)
    }

    fn reverse_expr(&self) -> ReversedUDWF {
        ReversedUDWF::NotSupported
    }

    fn limit_effect(&self, args: &[Arc<dyn PhysicalExpr>]) -> LimitEffect {
        self.inner.inner().limit_effect(args)
    }
}

#[derive(Debug)]
struct SignedEvaluator {
    inner: Box<dyn PartitionEvaluator>,
    returns: DataType,
}

impl SignedEvaluator {
    fn signed(&self, array: &ArrayRef) -> DfResult<ArrayRef> {
        Ok(arrow::compute::cast(array, &self.returns)?)
    }
}

impl PartitionEvaluator for SignedEvaluator {
    fn memoize(&mut self, state: &mut WindowAggState) -> DfResult<()> {
        self.inner.memoize(state)
    }

    fn get_range(&self, index: usize, n_rows: usize) -> DfResult<Range<usize>> {
        self.inner.get_range(index, n_rows)
    }

    fn is_causal(&self) -> bool {
        self.inner.is_causal()
    }

    fn evaluate_all(&mut self, values: &[ArrayRef], n_rows: usize) -> DfResult<ArrayRef> {
        let numbers = self.inner.evaluate_all(values, n_rows)?;
        self.signed(&numbers)
    }

    fn evaluate(&mut self, values: &[ArrayRef], range: &Range<usize>) -> DfResult<ScalarValue> {
        self.inner.evaluate(values, range)?.cast_to(&self.returns)
    }

    fn evaluate_all_with_rank(
        &self,
        n_rows: usize,
        ranks_in_partition: &[Range<usize>],
    ) -> DfResult<ArrayRef> {
        self.signed(&self.inner.evaluate_all_with_rank(n_rows, ranks_in_partition)?)
    }

    fn supports_bounded_execution(&self) -> bool {
        self.inner.supports_bounded_execution()
    }

    fn uses_window_frame(&self) -> bool {
        self.inner.uses_window_frame()
    }

    fn include_rank(&self) -> bool {
        self.inner.include_rank()
    }
}
