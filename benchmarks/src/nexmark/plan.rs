//! What there is to measure: engines, queries, and ways of running them.

use std::fmt;

/// The queries, in their order.
pub(crate) const QUERIES: [&str; 9] = ["q0", "q1", "q2", "q14", "q15", "q16", "q17", "q21", "q22"];
/// Those with state; all others take row after row.
pub(crate) const AGGREGATING: [&str; 3] = ["q15", "q16", "q17"];
/// Stands where a measurement is not of a query.
pub(crate) const ALL_TABLES: &str = "all";

/// A system that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Engine {
    Weir,
    Flink,
    Spark,
    DuckDb,
}

/// A way of running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    /// All three tables, from files to what the engine keeps.
    Load,
    /// Weir: over rows in its log, into a sink that drops them.
    FromLogSink,
    /// The same with one worker.
    FromLogOneWorker,
    /// Weir: over rows in its log, into a materialized view.
    FromLogView,
    /// Weir: from files through the log into a sink that drops them.
    EndToEnd,
    /// Flink, Spark: from files into a sink that drops rows. DuckDB: over loaded tables.
    Query,
    /// The result compared with DuckDB's, not measured.
    Check,
}

/// One measurement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) engine: Engine,
    pub(crate) what: What,
    pub(crate) query: String,
    /// From 1.
    pub(crate) repeat: usize,
}

impl Engine {
    pub(crate) const ALL: [Self; 4] = [Self::Weir, Self::Flink, Self::Spark, Self::DuckDb];

    /// As in options and names of files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Weir => "weir",
            Self::Flink => "flink",
            Self::Spark => "spark",
            Self::DuckDb => "duckdb",
        }
    }

    /// As in the report.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Weir => "Weir",
            Self::Flink => "Flink",
            Self::Spark => "Spark",
            Self::DuckDb => "DuckDB",
        }
    }

    /// The ways in which it runs each query.
    pub(crate) fn whats(self) -> &'static [What] {
        match self {
            Self::Weir => {
                &[What::FromLogSink, What::FromLogOneWorker, What::FromLogView, What::EndToEnd]
            }
            Self::Flink | Self::Spark | Self::DuckDb => &[What::Query],
        }
    }
}

impl What {
    /// As in names of files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::FromLogSink => "from-log-sink",
            Self::FromLogOneWorker => "from-log-one-worker",
            Self::FromLogView => "from-log-view",
            Self::EndToEnd => "end-to-end",
            Self::Query => "query",
            Self::Check => "check",
        }
    }
}

impl Key {
    pub(crate) fn new(engine: Engine, what: What, query: &str, repeat: usize) -> Self {
        Self { engine, what, query: query.to_owned(), repeat }
    }

    /// A name that no other measurement has.
    pub(crate) fn file_name(&self) -> String {
        let Self { engine, what, query, repeat } = self;
        format!("{}-{}-{query}-{repeat}", engine.name(), what.name())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { engine, what, query, repeat } = self;
        write!(f, "{} {} {query}, turn {repeat}", engine.name(), what.name())
    }
}
