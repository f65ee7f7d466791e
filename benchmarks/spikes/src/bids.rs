//! Bids of Nexmark, for spikes that want rows like those of a real stream.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringViewArray, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use nexmark::EventGenerator;
use nexmark::config::NexmarkConfig;
use nexmark::event::{Bid, Event, EventType};

use crate::Result;

/// Rows of a full batch.
pub(crate) const BATCH_ROWS: usize = 8192;

/// The first bids of the generator.
pub(crate) fn bids(n_rows: usize) -> Vec<Bid> {
    // A base time of its own: the default is the time of the run.
    let config = NexmarkConfig { base_time: 1_700_000_000_000, ..NexmarkConfig::default() };
    let events = EventGenerator::new(config).with_type_filter(EventType::Bid);
    let bids = events.filter_map(|event| match event {
        Event::Bid(bid) => Some(bid),
        _ => None,
    });
    bids.take(n_rows).collect()
}

/// The columns of a bid.
pub(crate) fn schema() -> SchemaRef {
    let field = |name: &str, data_type: &DataType| Field::new(name, data_type.clone(), true);
    Arc::new(Schema::new(vec![
        field("auction", &DataType::Int64),
        field("bidder", &DataType::Int64),
        field("price", &DataType::Int64),
        field("channel", &DataType::Utf8View),
        field("url", &DataType::Utf8View),
        field("date_time", &DataType::Timestamp(TimeUnit::Millisecond, None)),
        field("extra", &DataType::Utf8View),
    ]))
}

/// Those bids in columns.
pub(crate) fn batch(bids: &[Bid]) -> Result<RecordBatch> {
    let numbers = |value: fn(&Bid) -> usize| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(bids.iter().map(|bid| value(bid) as i64)))
    };
    let texts = |value: fn(&Bid) -> &str| -> ArrayRef {
        Arc::new(StringViewArray::from_iter_values(bids.iter().map(value)))
    };
    let times = bids.iter().map(|bid| bid.date_time as i64);
    let columns = vec![
        numbers(|bid| bid.auction),
        numbers(|bid| bid.bidder),
        numbers(|bid| bid.price),
        texts(|bid| &bid.channel),
        texts(|bid| &bid.url),
        Arc::new(TimestampMillisecondArray::from_iter_values(times)),
        texts(|bid| &bid.extra),
    ];
    Ok(RecordBatch::try_new(schema(), columns)?)
}

/// That many bids in full batches.
pub(crate) fn batches(n_batches: usize) -> Result<Vec<RecordBatch>> {
    bids(n_batches * BATCH_ROWS).chunks(BATCH_ROWS).map(batch).collect()
}
