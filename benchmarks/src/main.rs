//! Programs that measure Weir beside other systems. `cargo xtask bench` builds and runs them.

mod client;
mod disk;
#[cfg(feature = "ingest")]
mod ingest;
mod latency;
mod machine;
mod nexmark;
mod times;
mod usage;
mod weir;

use std::process::ExitCode;

/// Any error, told as it is.
type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

const USAGE: &str = "\
usage: weir-benchmarks ingest WEIR_BINARY DIRECTORY RESULTS_DIRECTORY
       weir-benchmarks latency WEIR_BINARY DIRECTORY RESULTS_DIRECTORY [SECONDS]
       weir-benchmarks nexmark --weir BINARY --root CHECKOUT --work DIR --cache DIR [OPTIONS]";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match words.split_first() {
        #[cfg(feature = "ingest")]
        Some((name, rest)) if name == "ingest" => ingest::run(rest),
        Some((name, rest)) if name == "latency" => latency::run(rest),
        Some((name, rest)) if name == "nexmark" => nexmark::run(rest),
        _ => Err(USAGE.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("benchmark: {error}");
            ExitCode::FAILURE
        }
    }
}
