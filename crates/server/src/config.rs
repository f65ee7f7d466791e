//! Settings of the server: a flag wins over a `WEIR_*` variable, that over the configuration file,
//! that over the default.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use weir_types::Result;

use crate::config_file::{self, FileSettings};
use crate::size::{self, parse_size};

const DEFAULT_DATA_DIR: &str = "./weir-data";
const DEFAULT_PG_LISTEN: &str = "127.0.0.1:7432";
const DEFAULT_HTTP_LISTEN: &str = "127.0.0.1:7480";
const DEFAULT_CHECKPOINT_INTERVAL: Duration = Duration::from_secs(10);

/// Flags of `weir serve`; clap reads the variables where a flag is not given.
#[derive(Args, Debug, Default)]
pub(crate) struct ServeFlags {
    /// Where all data is [default: ./weir-data]
    #[arg(long, value_name = "DIR", env = "WEIR_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Address for PostgreSQL clients; port 0 takes a free one [default: 127.0.0.1:7432]
    #[arg(long, value_name = "ADDR:PORT", env = "WEIR_PG_LISTEN")]
    pg_listen: Option<String>,
    /// Address for HTTP: health, metrics, status page [default: 127.0.0.1:7480]
    #[arg(long, value_name = "ADDR:PORT", env = "WEIR_HTTP_LISTEN")]
    http_listen: Option<String>,
    /// Threads that maintain views [default: one for each processor]
    #[arg(long, value_name = "N", env = "WEIR_WORKERS")]
    workers: Option<NonZeroUsize>,
    /// Most memory for data, such as 512MB or 4GB [default: half of the machine's]
    #[arg(long, value_name = "SIZE", env = "WEIR_MEMORY_LIMIT", value_parser = parse_size)]
    memory_limit: Option<usize>,
    /// Seconds between checkpoints while rows come; more makes restarts longer [default: 10]
    #[arg(long, value_name = "SECONDS", env = "WEIR_CHECKPOINT_INTERVAL", value_parser = parse_seconds)]
    checkpoint_interval: Option<Duration>,
    /// A TOML file with the same settings, such as pg_listen = "127.0.0.1:7432"
    #[arg(long, value_name = "FILE", env = "WEIR_CONFIG")]
    config: Option<PathBuf>,
    /// Form of the log on stderr [default: text]
    #[arg(long, value_enum, env = "WEIR_LOG_FORMAT")]
    log_format: Option<LogFormat>,
    /// Listen beyond this machine without a password
    #[arg(
        long,
        env = "WEIR_INSECURE",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    insecure: Option<bool>,
}

/// Form of the log on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// One line for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What the server runs with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) data_dir: PathBuf,
    pub(crate) pg_listen: String,
    pub(crate) http_listen: String,
    pub(crate) workers: usize,
    /// Bytes.
    pub(crate) memory_limit: usize,
    pub(crate) checkpoint_interval: Duration,
    pub(crate) log_format: LogFormat,
    pub(crate) insecure: bool,
    pub(crate) password: Option<String>,
}

/// The settings from flags, variables, file and defaults. The password comes from `WEIR_PASSWORD`
/// alone: a flag would show it to every user of the machine.
///
/// # Errors
/// F0000, 58P01, 42501 for the configuration file, each with its name.
pub(crate) fn settings(flags: &ServeFlags) -> Result<Settings> {
    let file = match &flags.config {
        Some(path) => config_file::read(path)?,
        None => FileSettings::default(),
    };
    let password = std::env::var("WEIR_PASSWORD").ok();
    Ok(merge(flags, file, password))
}

fn merge(flags: &ServeFlags, file: FileSettings, password: Option<String>) -> Settings {
    let text = |flag: &Option<String>, file: Option<String>, default: &str| {
        flag.clone().or(file).unwrap_or_else(|| default.to_owned())
    };
    Settings {
        data_dir: flags
            .data_dir
            .clone()
            .or(file.data_dir)
            .unwrap_or_else(|| PathBuf::from(DEFAULT_DATA_DIR)),
        pg_listen: text(&flags.pg_listen, file.pg_listen, DEFAULT_PG_LISTEN),
        http_listen: text(&flags.http_listen, file.http_listen, DEFAULT_HTTP_LISTEN),
        workers: flags.workers.or(file.workers).unwrap_or_else(processors).get(),
        memory_limit: flags
            .memory_limit
            .or(file.memory_limit)
            .unwrap_or_else(size::default_memory_limit),
        checkpoint_interval: flags
            .checkpoint_interval
            .or(file.checkpoint_interval)
            .unwrap_or(DEFAULT_CHECKPOINT_INTERVAL),
        log_format: flags.log_format.or(file.log_format).unwrap_or(LogFormat::Text),
        insecure: flags.insecure.or(file.insecure).unwrap_or(false),
        // Compose files pass variables on that are not set as empty ones.
        password: password.filter(|password| !password.is_empty()),
    }
}

/// A time in seconds, such as `10` or `0.5`.
pub(crate) fn parse_seconds(text: &str) -> std::result::Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| *seconds > 0.0);
    let interval = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    interval.ok_or_else(|| "it must be a number of seconds above 0".to_owned())
}

fn processors() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// The data directory for a command that only reads it.
pub(crate) fn data_dir(flag: Option<&PathBuf>) -> PathBuf {
    flag.cloned().unwrap_or_else(|| PathBuf::from(DEFAULT_DATA_DIR))
}

/// The default address of the HTTP door.
pub(crate) fn default_http_address() -> &'static str {
    DEFAULT_HTTP_LISTEN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
        let flags = ServeFlags {
            pg_listen: Some("127.0.0.1:1".to_owned()),
            workers: NonZeroUsize::new(3),
            ..ServeFlags::default()
        };
        let file = FileSettings {
            pg_listen: Some("127.0.0.1:2".to_owned()),
            http_listen: Some("127.0.0.1:3".to_owned()),
            memory_limit: Some(1 << 20),
            insecure: Some(true),
            ..FileSettings::default()
        };
        let settings = merge(&flags, file, Some(String::new()));
        assert_eq!(settings.pg_listen, "127.0.0.1:1");
        assert_eq!(settings.http_listen, "127.0.0.1:3");
        assert_eq!(settings.data_dir, PathBuf::from("./weir-data"));
        assert_eq!((settings.workers, settings.memory_limit), (3, 1 << 20));
        assert_eq!((settings.insecure, settings.password), (true, None));
    }
}
