//! Results of single measurements, one small file each.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::options::Options;
use super::plan::{ALL_TABLES, Engine, Key};
use super::sql::Sql;
use super::{data, install, peers};
use crate::Result;

/// What the reason of a failure begins with where rows are not what they must be.
pub(crate) const WRONG: &str = "WRONG";

/// How a measurement ended.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Finished(Taken),
    /// It was ended after so long.
    Unfinished {
        seconds: u64,
        peak_bytes: u64,
    },
    /// The engine does not take the query, with its words.
    Refused(String),
    /// The engine failed, or its result is wrong.
    Failed(String),
}

/// What a measurement took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taken {
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    /// Resident memory of all processes, since they were started.
    pub(crate) peak_bytes: u64,
}

/// A measurement's result.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) outcome: Outcome,
    /// What else is worth keeping: rows, versions, other times.
    pub(crate) details: Value,
}

impl Measured {
    pub(crate) fn failed(reason: impl Into<String>) -> Self {
        Self { outcome: Outcome::Failed(reason.into()), details: json!({}) }
    }

    /// False where a longer bound could make a difference, and after a failure that may be gone.
    pub(crate) fn holds(&self, bound: Duration) -> bool {
        match &self.outcome {
            Outcome::Finished(_) | Outcome::Refused(_) => true,
            Outcome::Unfinished { seconds, .. } => *seconds >= bound.as_secs(),
            Outcome::Failed(_) => false,
        }
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Outcome::Finished(_) if self.details["rows_compared"].is_u64() => {
                write!(f, "{} rows, the same as DuckDB's", self.details["rows_compared"])
            }
            Outcome::Finished(taken) => write!(
                f,
                "{:.2} s, {:.1} s of CPU, {} MiB",
                taken.seconds,
                taken.cpu_seconds,
                taken.peak_bytes >> 20
            ),
            Outcome::Unfinished { seconds, .. } => write!(f, "not finished in {seconds} s"),
            Outcome::Refused(reason) => write!(f, "refused: {reason}"),
            Outcome::Failed(reason) => write!(f, "failed: {reason}"),
        }
    }
}

/// Results below the work directory.
pub(crate) struct Store {
    dir: PathBuf,
    identities: Vec<(Engine, String)>,
    sql: Vec<((Engine, String), String)>,
}

impl Store {
    /// Reads what the results of each engine depend on.
    pub(crate) fn open(options: &Options, sql: &Sql, peers_heap: u64) -> Result<Self> {
        let dir = options.work.join("results");
        std::fs::create_dir_all(&dir)?;
        let mut identities = Vec::new();
        let mut texts = Vec::new();
        for engine in Engine::ALL {
            let mut hash = Fingerprint::new();
            hash.add(data::GENERATOR.as_bytes());
            hash.add(&options.cores.to_le_bytes());
            hash.add(sql.schema_text.as_bytes());
            match engine {
                Engine::Weir => hash.add_file(&options.weir)?,
                _ => {
                    hash.add(&peers_heap.to_le_bytes());
                    hash.add_file(&install::requirements(&options.root, engine))?;
                    for program in peers::programs(&options.root, engine) {
                        hash.add_file(&program)?;
                    }
                }
            }
            identities.push((engine, hash.text()));
            for query in super::plan::QUERIES {
                let mut hash = Fingerprint::new();
                hash.add(sql.query(engine, query)?.as_bytes());
                texts.push(((engine, query.to_owned()), hash.text()));
            }
            texts.push(((engine, ALL_TABLES.to_owned()), String::new()));
        }
        Ok(Self { dir, identities, sql: texts })
    }

    /// What the engine's results depend on, as a short text.
    pub(crate) fn identity(&self, engine: Engine) -> &str {
        let found = self.identities.iter().find(|(one, _)| *one == engine);
        found.map(|(_, text)| text.as_str()).unwrap_or_default()
    }

    fn identity_of(&self, key: &Key) -> String {
        let sql = self.sql.iter().find(|((e, q), _)| *e == key.engine && *q == key.query);
        let sql = sql.map(|(_, text)| text.as_str()).unwrap_or_default();
        format!("{} {sql}", self.identity(key.engine))
    }

    /// The result, if there is one of the same binary, programs and queries.
    pub(crate) fn get(&self, key: &Key) -> Result<Option<Measured>> {
        let path = self.dir.join(format!("{}.json", key.file_name()));
        let Ok(text) = std::fs::read_to_string(&path) else { return Ok(None) };
        let value: Value = serde_json::from_str(&text).map_err(|error| {
            format!("{} is damaged ({error}): remove it or give --fresh", path.display())
        })?;
        if value["identity"] != json!(self.identity_of(key)) {
            return Ok(None);
        }
        Ok(read(&value))
    }

    pub(crate) fn put(&self, key: &Key, measured: &Measured) -> Result<()> {
        let mut value = write(measured);
        value["identity"] = json!(self.identity_of(key));
        let path = self.dir.join(format!("{}.json", key.file_name()));
        let partial = path.with_extension("partial");
        std::fs::write(&partial, serde_json::to_string_pretty(&value)? + "\n")?;
        Ok(std::fs::rename(partial, path)?)
    }
}

fn write(measured: &Measured) -> Value {
    let outcome = match &measured.outcome {
        Outcome::Finished(taken) => json!({
            "seconds": taken.seconds,
            "cpu_seconds": taken.cpu_seconds,
            "peak_bytes": taken.peak_bytes,
        }),
        Outcome::Unfinished { seconds, peak_bytes } => {
            json!({ "unfinished_after_seconds": seconds, "peak_bytes": peak_bytes })
        }
        Outcome::Refused(reason) => json!({ "refused": reason }),
        Outcome::Failed(reason) => json!({ "failed": reason }),
    };
    json!({
        "measured_at": chrono::Utc::now().format("%Y-%m-%d %H:%M").to_string(),
        "outcome": outcome,
        "details": measured.details,
    })
}

fn read(value: &Value) -> Option<Measured> {
    let outcome = &value["outcome"];
    let peak_bytes = outcome["peak_bytes"].as_u64().unwrap_or_default();
    let outcome = if let Some(reason) = outcome["failed"].as_str() {
        Outcome::Failed(reason.to_owned())
    } else if let Some(reason) = outcome["refused"].as_str() {
        Outcome::Refused(reason.to_owned())
    } else if let Some(seconds) = outcome["unfinished_after_seconds"].as_u64() {
        Outcome::Unfinished { seconds, peak_bytes }
    } else {
        Outcome::Finished(Taken {
            seconds: outcome["seconds"].as_f64()?,
            cpu_seconds: outcome["cpu_seconds"].as_f64()?,
            peak_bytes,
        })
    };
    let mut details = value["details"].clone();
    details["measured_at"] = value["measured_at"].clone();
    Some(Measured { outcome, details })
}

/// A short text that tells contents apart (FNV-1a): no protection, nobody forges a benchmark's input.
pub(crate) struct Fingerprint(u64);

impl Fingerprint {
    pub(crate) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(crate) fn add_file(&mut self, path: &Path) -> Result<()> {
        let bytes = std::fs::read(path)
            .map_err(|error| format!("could not read {}: {error}", path.display()))?;
        self.add(&bytes);
        Ok(())
    }

    pub(crate) fn text(&self) -> String {
        format!("{:016x}", self.0)
    }
}
