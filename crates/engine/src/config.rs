//! How an engine is opened, and what it tells of itself.

use std::path::PathBuf;

/// How an engine is opened.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// Threads for views and queries.
    pub workers: usize,
    /// Bytes that batch queries together may use.
    pub memory_limit: usize,
    /// Time between checkpoints while rows come.
    pub checkpoint_interval: std::time::Duration,
    /// The password that clients must know; `None` keeps the stored one, if any.
    pub password: Option<String>,
}

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only goes up.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// A number for monitoring.
#[derive(Clone, Debug)]
pub struct Metric {
    /// Its name, `weir_..`.
    pub name: &'static str,
    /// What it says.
    pub help: &'static str,
    /// How it behaves.
    pub kind: MetricKind,
    /// Labels.
    pub labels: Vec<(&'static str, String)>,
    /// Its value.
    pub value: f64,
}
