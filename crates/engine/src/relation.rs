//! Relations with their rows: what stands behind a name of a plan when it runs.
//!
//! One way to read: a relation `at` an epoch is a DataFusion table provider. Ad-hoc SELECT, Recompute,
//! backfill and checks all use it.

mod decoded;
mod overlay;
mod provider;
mod stored;
mod stream;
mod table;

pub(crate) use decoded::decoder;
pub(crate) use overlay::{OverlaidRows, Overlay};
pub(crate) use provider::{Batches, Fixed, RowSource, RowsProvider};
pub(crate) use stored::{StoredColumn, batch, schema, widened};
pub(crate) use stream::{BlockRows, SharedRows, StreamRelation, stream_of};
pub(crate) use table::{SnapshotColumn, SnapshotRows, TableData, key_columns, table_of};
