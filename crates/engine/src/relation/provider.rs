//! A relation as of one epoch, as DataFusion scans it.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result as DfResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use weir_types::Result;

/// Batches of rows, made as they are asked for.
pub(crate) type Batches = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// Something that has rows, in one or more parts that can be read side by side.
pub(crate) trait RowSource: Send + Sync + fmt::Debug {
    /// The columns.
    fn schema(&self) -> SchemaRef;

    /// Number of parts.
    fn n_parts(&self) -> usize;

    /// The rows of a part, with those columns only.
    fn read(&self, part: usize, projection: &[usize]) -> Batches;
}

/// A [`RowSource`] for DataFusion. It tells no statistics: a plan must not depend on a moment's counts.
#[derive(Debug)]
pub(crate) struct RowsProvider {
    source: Arc<dyn RowSource>,
}

impl RowsProvider {
    pub(crate) fn new(source: Arc<dyn RowSource>) -> Self {
        Self { source }
    }
}

#[async_trait]
impl TableProvider for RowsProvider {
    fn schema(&self) -> SchemaRef {
        self.source.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let all = || (0..self.source.schema().fields().len()).collect();
        let projection: Arc<[usize]> = projection.cloned().unwrap_or_else(all).into();
        let schema = Arc::new(self.source.schema().project(&projection)?);
        let parts = (0..self.source.n_parts())
            .map(|part| {
                let source = Arc::clone(&self.source);
                let (projection, schema) = (Arc::clone(&projection), Arc::clone(&schema));
                Arc::new(Part { source, part, projection, schema }) as Arc<dyn PartitionStream>
            })
            .collect();
        let exec = StreamingTableExec::try_new(schema, parts, None, None, false, limit)?;
        Ok(Arc::new(exec))
    }
}

/// One part of a scan.
#[derive(Debug)]
struct Part {
    source: Arc<dyn RowSource>,
    part: usize,
    projection: Arc<[usize]>,
    schema: SchemaRef,
}

impl PartitionStream for Part {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = Arc::clone(&self.schema);
        let batches = self.source.read(self.part, &self.projection).map(move |batch| {
            // The plan was made for this schema, field metadata included.
            let batch = batch
                .map_err(|error| datafusion::error::DataFusionError::External(Box::new(error)))?;
            // Rows are kept under the names that their columns had then.
            weir_delta::rows::with_schema(&batch, &schema)
                .map_err(|error| datafusion::error::DataFusionError::External(Box::new(error)))
        });
        let stream = futures::stream::iter(batches);
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), stream))
    }
}

/// Rows that are there already.
#[derive(Debug)]
pub(crate) struct Fixed(pub(crate) RecordBatch);

impl RowSource for Fixed {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn n_parts(&self) -> usize {
        1
    }

    fn read(&self, _part: usize, projection: &[usize]) -> Batches {
        let batch = weir_delta::rows::project(&self.0, projection);
        Box::new(std::iter::once(batch))
    }
}
