//! The life of the server: bind, recover, say that it is ready, serve, stop.
//!
//! Sockets are bound before the data is touched, so that a port in use costs nothing. HTTP is
//! served during recovery; PostgreSQL clients wait in the backlog until it is done.
//!
//! The stop is bounded: [`STOP_MAX`] from the first signal to the end of the process. What does not
//! fit in is recovered at the next start.

use std::io::Write;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use weir_engine::{Engine, EngineConfig};
use weir_pg::PgOptions;
use weir_types::{Error, Result};

use crate::config::Settings;
use crate::listen::{Endpoint, check_exposure};
use crate::shutdown::Signals;

/// How long the server may take to stop; service managers and the documentation count on 5 s.
const STOP_MAX: Duration = Duration::from_millis(4_500);
/// How long statements may run on after the signal; leaves the engine time for its checkpoint.
const DRAIN: Duration = Duration::from_millis(2_000);

/// Runs the server until a signal stops it.
///
/// # Errors
/// What kept it from starting or from serving.
pub(crate) fn run(settings: Settings) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("weir-async")
        .enable_all()
        .build()
        .map_err(|error| Error::io("could not start the runtime's threads", &error))?;
    let outcome = runtime.block_on(serve(settings));
    // A recovery or a statement that overstayed its time is not waited for.
    runtime.shutdown_background();
    outcome
}

async fn serve(settings: Settings) -> Result<()> {
    let mut signals = Signals::catch()?;
    let (pg_listener, http_listener) = listeners(&settings).await?;
    let (pg_address, http_address) = (address(&pg_listener)?, address(&http_listener)?);

    let stop = CancellationToken::new();
    let slot = Arc::new(OnceLock::new());
    let http = weir_console::serve(http_listener, Arc::clone(&slot), stop.clone());
    let mut http = tokio::spawn(http);

    let opening = tokio::task::spawn_blocking(move || Engine::open(engine_config(settings)));
    let engine = tokio::select! {
        opened = opening => opened.map_err(|error| {
            Error::internal(format!("the recovery ended by a defect: {error}"))
        })??,
        signal = signals.next() => {
            tracing::info!(signal, "stopped during recovery");
            return Ok(());
        }
    };
    if slot.set(engine.clone()).is_err() {
        unreachable!("only this function sets the engine");
    }
    let options = PgOptions { drain: DRAIN, ..PgOptions::default() };
    let pg = weir_pg::serve(engine.clone(), pg_listener, options, stop.clone());
    let mut pg = tokio::spawn(pg);
    announce(&pg_address, &http_address, &engine);

    let failure = tokio::select! {
        signal = signals.next() => {
            tracing::info!(signal, "stopping");
            None
        }
        ended = &mut pg => Some(early_end("PostgreSQL", ended)),
        ended = &mut http => Some(early_end("HTTP", ended)),
    };
    signals.exit_on_next();
    stop_all(&engine, &stop, [pg, http]).await;
    failure.map_or(Ok(()), Err)
}

fn engine_config(settings: Settings) -> EngineConfig {
    EngineConfig {
        data_dir: settings.data_dir,
        workers: settings.workers,
        memory_limit: settings.memory_limit,
        checkpoint_interval: settings.checkpoint_interval,
        password: settings.password,
    }
}

async fn listeners(settings: &Settings) -> Result<(TcpListener, TcpListener)> {
    let pg = Endpoint { flag: "--pg-listen", text: &settings.pg_listen };
    let http = Endpoint { flag: "--http-listen", text: &settings.http_listen };
    let is_permitted = settings.insecure || settings.password.is_some();
    let (pg_addresses, http_addresses) = (pg.resolve().await?, http.resolve().await?);
    check_exposure(&pg, &pg_addresses, is_permitted)?;
    check_exposure(&http, &http_addresses, is_permitted)?;
    Ok((pg.listen(&pg_addresses).await?, http.listen(&http_addresses).await?))
}

fn address(listener: &TcpListener) -> Result<String> {
    let address = listener
        .local_addr()
        .map_err(|error| Error::io("could not read a listening address", &error))?;
    Ok(address.to_string())
}

/// Prints the one line that scripts wait for.
fn announce(pg: &str, http: &str, engine: &Engine) {
    let epoch = engine.newest_epoch().0;
    let mut stdout = std::io::stdout().lock();
    let written = writeln!(stdout, "weir ready pg={pg} http={http} epoch={epoch}")
        .and_then(|()| stdout.flush());
    if let Err(error) = written {
        tracing::warn!(%error, "could not print the ready line");
    }
    tracing::info!(pg, http, epoch, version = env!("CARGO_PKG_VERSION"), "ready");
}

/// A door that ended although nobody asked it to.
fn early_end(door: &str, ended: std::result::Result<Result<()>, tokio::task::JoinError>) -> Error {
    match ended {
        Ok(Err(error)) => error,
        Ok(Ok(())) => Error::internal(format!("the {door} listener ended by itself")),
        Err(error) => Error::internal(format!("the {door} listener ended by a defect: {error}")),
    }
}

/// Closes the doors, then the engine, within [`STOP_MAX`].
async fn stop_all(engine: &Engine, stop: &CancellationToken, doors: [JoinHandle<Result<()>>; 2]) {
    let began = Instant::now();
    stop.cancel();
    let left = || STOP_MAX.saturating_sub(began.elapsed());
    for door in doors {
        // One that has ended already was the reason for the stop, and its error is returned.
        if door.is_finished() {
            continue;
        }
        // The pg door bounds itself; the bound here is for HTTP clients that do not read.
        match tokio::time::timeout(left().min(DRAIN + Duration::from_secs(1)), door).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::error!(%error, "a door failed while closing"),
            Ok(Err(error)) => tracing::error!(%error, "a door panicked while closing"),
            Err(_) => tracing::warn!("a door did not close in time"),
        }
    }
    match tokio::time::timeout(left(), engine.shutdown()).await {
        Ok(Ok(())) => tracing::info!("stopped"),
        Ok(Err(error)) => tracing::error!(%error, "the engine failed while closing"),
        Err(_) => tracing::warn!("the engine did not close in time; the next start recovers"),
    }
}
