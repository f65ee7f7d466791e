//! What the server says about itself on stderr: log lines, panics among them.

use std::io::IsTerminal;
use std::panic;

use tracing_subscriber::EnvFilter;
use weir_types::{Error, Result, SqlState};

use crate::config::LogFormat;

/// Starts logging to stderr. The level comes from `WEIR_LOG`, else `RUST_LOG`, else it is `info`.
///
/// # Errors
/// F0000 for a level that cannot be read.
pub(crate) fn start_logging(format: LogFormat) -> Result<()> {
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter()?).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => subscriber.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => subscriber.json().flatten_event(true).init(),
    }
    Ok(())
}

fn filter() -> Result<EnvFilter> {
    let given = ["WEIR_LOG", "RUST_LOG"]
        .into_iter()
        .find_map(|name| Some((name, std::env::var(name).ok().filter(|text| !text.is_empty())?)));
    let Some((name, text)) = given else { return Ok(EnvFilter::new("info")) };
    EnvFilter::try_new(&text).map_err(|error| {
        Error::new(SqlState::ConfigFileError, format!("invalid value for {name}: {error}"))
            .with_hint("Levels are error, warn, info, debug and trace, such as info,weir_pg=debug.")
    })
}

/// Sends panics to the log, with thread and place. Who contains a panic goes on; the hook does not
/// end the process.
pub(crate) fn log_panics() {
    panic::set_hook(Box::new(|info| {
        let thread = std::thread::current();
        let message = info
            .payload()
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| info.payload().downcast_ref::<String>().map(String::as_str))
            .unwrap_or("without a message");
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let name = thread.name().unwrap_or("unnamed");
        tracing::error!(thread = name, place, "a thread panicked: {message}");
    }));
}
