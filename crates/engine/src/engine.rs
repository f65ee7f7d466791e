//! The engine of one data directory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use weir_dataflow::Scheduler;
use weir_env::{Clock, Rng, SystemClock};
use weir_log::{EmbeddedLog, Log, LogOptions};
use weir_store::DataDir;
use weir_types::{Epoch, Error, Result, SqlState};

use crate::auth::{self, ScramVerifier};
use crate::batch::BatchEngine;
use crate::checkpoint::{Checkpointer, Checkpoints};
use crate::commit;
use crate::config::{EngineConfig, Metric};
use crate::connections::Connections;
use crate::metrics;
use crate::recover;
use crate::session::{Session, SessionStartup};
use crate::shared::{Parts, Shared};
use crate::upkeep::Upkeep;

/// How long the end waits for threads, and for queries of each kind.
const END_PATIENCE: Duration = Duration::from_secs(2);
const QUERY_PATIENCE: Duration = Duration::from_millis(500);

/// The engine of one data directory. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    verifier: Option<ScramVerifier>,
    threads: Mutex<Vec<std::thread::JoinHandle<()>>>,
    upkeep: Mutex<Option<Upkeep>>,
    checkpointer: Mutex<Option<Checkpointer>>,
}

impl Engine {
    /// Opens the data directory, or makes it, and recovers what is there. Blocks.
    ///
    /// # Errors
    /// 55006 where another process has the directory, XX001 for damage and lost commits, 0A000 for a newer
    /// format.
    pub fn open(config: EngineConfig) -> Result<Self> {
        let mut rng = Rng::from_os();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let data = Arc::new(DataDir::open(&config.data_dir, &mut rng)?);
        let state_dir = data.state_dir();
        let log = EmbeddedLog::open(data, LogOptions::default())?;
        let log: Arc<dyn Log> = Arc::new(log);
        let checkpoints = Checkpoints::open(&state_dir, log.as_ref())?;
        let password = config.password.as_deref();
        let verifier = auth::settle(log.as_ref(), password, &mut rng, clock.now())?;
        let catalog = recover::catalog(&|space| log.scan_meta(space))?;
        let last_now = log.newest_now();
        let scheduler = Scheduler::start(config.workers, log.newest_epoch());
        let shared = Arc::new(Shared::new(Parts {
            began: clock.now(),
            clock,
            data_dir: config.data_dir,
            n_workers: config.workers.max(1),
            log,
            scheduler,
            batch: BatchEngine::new(config.workers, config.memory_limit)?,
            checkpoints,
            connections: Connections::new(rng),
            catalog,
            last_now,
        }));
        let (committer, threads) = commit::start(&shared);
        shared.set_committer(committer);
        recover::start(&shared)?;
        let upkeep = Upkeep::start(&shared);
        let checkpointer = Checkpointer::start(&shared, config.checkpoint_interval);
        Ok(Self {
            inner: Arc::new(Inner {
                shared,
                verifier,
                threads: Mutex::new(threads),
                upkeep: Mutex::new(Some(upkeep)),
                checkpointer: Mutex::new(Some(checkpointer)),
            }),
        })
    }

    /// A session for a client.
    ///
    /// # Errors
    /// 3D000 for an unknown database, 53300 with too many connections, 22023 for bad settings.
    pub fn session(&self, startup: SessionStartup) -> Result<Arc<Session>> {
        if self.inner.shared.committer().is_err() {
            return Err(Error::new(SqlState::AdminShutdown, "the server is shutting down"));
        }
        Session::new(&self.inner.shared, startup)
    }

    /// How clients prove that they know the password; `None` lets everybody in.
    #[must_use]
    pub fn password_verifier(&self) -> Option<ScramVerifier> {
        self.inner.verifier.clone()
    }

    /// Ends the running statement of a session, where the secret is right.
    pub fn cancel(&self, pid: i32, secret: i32) {
        self.inner.shared.connections.cancel(pid, secret);
    }

    /// The newest durable epoch.
    #[must_use]
    pub fn newest_epoch(&self) -> Epoch {
        self.inner.shared.durable.newest()
    }

    /// True once queries are answered.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.inner.shared.committer().is_ok()
    }

    /// Numbers for monitoring.
    #[must_use]
    pub fn metrics(&self) -> Vec<Metric> {
        metrics::metrics(&self.inner.shared)
    }

    /// Ends all statements, makes everything durable, closes. Later calls of sessions fail.
    ///
    /// # Errors
    /// Of the disk.
    pub async fn shutdown(&self) -> Result<()> {
        let inner = Arc::clone(&self.inner);
        let close = move || {
            let shared = &inner.shared;
            shared.connections.terminate_all();
            let mut threads = shared.sources.stop_all();
            if let Some(mut upkeep) = inner.upkeep.lock().take() {
                upkeep.stop();
            }
            if let Some(mut checkpointer) = inner.checkpointer.lock().take() {
                checkpointer.stop();
                // Without it the next start has more to replay, and that is all.
                if let Err(error) = crate::checkpoint::make(shared) {
                    tracing::warn!(%error, "no checkpoint was made at the end");
                }
            }
            shared.take_committer();
            threads.append(&mut shared.scheduler.stop());
            shared.views.all().iter().for_each(|(_, view)| view.wanted.end());
            threads.append(&mut inner.threads.lock());
            // Requests that wait are committed first, and ticks and queries come to their end, so that nothing
            // has the directory any more; what takes long does not hold the end up.
            let deadline = Instant::now() + END_PATIENCE;
            for thread in threads {
                while !thread.is_finished() && Instant::now() < deadline {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            shared.batch.end(QUERY_PATIENCE);
            shared.log.close()
        };
        tokio::task::spawn_blocking(close)
            .await
            .map_err(|_| Error::internal("closing the engine panicked"))?
    }
}

#[cfg(test)]
pub(crate) mod tests;
