//! Developer commands: `cargo xtask <command>`.
//!
//! Each does the set-up it needs on a fresh Debian machine with a Rust toolchain, and says what it
//! is at. No heavy dependency, because every command waits until this crate is built.

pub mod layers;
pub mod licences;

mod bench;
mod cargo;
mod demo;
mod harness;
mod lint;
mod pg_client;
mod progress;
mod setup;
mod test;
mod workspace;

/// The result of a command; the error is told to the developer as it is.
pub type Result<T, E = String> = std::result::Result<T, E>;

const USAGE: &str = "\
usage: cargo xtask <command>

  test [-- FILTERS]  run all tests, in one profile
  harness [--rounds N] [--seed N] [--go-on] [--small] [--release] [--force-recompute KINDS]
                     run the equality harness alone, 2,000 rounds if nothing else is said
  lint               formatting, clippy, docs, licences, one arrow and datafusion, layers
  bench ingest       rows in, beside PostgreSQL; results go to benchmarks/results/
  bench latency [SECONDS]
                     from acknowledged to visible in twelve views; results as above
  bench nexmark [--help | OPTIONS]
                     queries of Nexmark, beside Flink, Spark and DuckDB; results as above
  bench spikes [NAME..]
                     small measurements behind decisions; results go to benchmarks/spikes/
  demo [--once]      run Weir on real data; --once prints, checks against a batch computation, ends
";

/// Runs the command that `arguments` name.
///
/// # Errors
/// Usage, or what failed.
pub fn run(arguments: &[String]) -> Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["test", rest @ ..] => test::run(rest),
        ["harness", rest @ ..] => harness::run(rest),
        ["lint"] => lint::run(),
        ["bench", "ingest"] => bench::ingest(),
        ["bench", "latency"] => bench::latency(&[]),
        ["bench", "latency", seconds] => bench::latency(&[seconds]),
        ["bench", "nexmark", rest @ ..] => bench::nexmark(rest),
        ["bench", "spikes", names @ ..] => bench::spikes(names),
        ["demo"] => demo::run(demo::Mode::Stay),
        ["demo", "--once"] => demo::run(demo::Mode::Once),
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        _ => Err(format!("unknown command: {}\n\n{USAGE}", words.join(" "))),
    }
}
