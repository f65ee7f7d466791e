//! `cargo xtask harness`: the equality harness, for longer than the tests run it.

use crate::setup::{self, Need};
use crate::{Result, cargo, progress};

/// Rounds where none are told.
const ROUNDS: &str = "2000";

/// Runs the rounds; `arguments` are `--rounds N` and `--seed N`.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let (mut rounds, mut seed) = (None, None);
    for pair in arguments.chunks(2) {
        match pair {
            ["--rounds", n] => rounds = Some(number(n)?),
            ["--seed", n] => seed = Some(number(n)?),
            _ => return Err(format!("unknown argument of harness: {}", pair.join(" "))),
        }
    }
    setup::provide(&[Need::Libclang, Need::CppCompiler, Need::PostgresServer])?;
    let mut command = cargo::building("test")?;
    command.args(["--workspace", "--locked", "--test", "it", "--", "--nocapture"]);
    command.arg("equality::");
    match (seed, rounds) {
        // A seed alone replays its round.
        (Some(seed), None) => command.env("WEIR_SEED", seed),
        (Some(seed), Some(rounds)) => command.env("WEIR_SEED", seed).env("WEIR_ROUNDS", rounds),
        (None, rounds) => command.env("WEIR_ROUNDS", rounds.unwrap_or(ROUNDS)),
    };
    progress::run("equality harness", &mut command)
}

fn number(text: &str) -> Result<&str> {
    text.parse::<u64>().map(|_| text).map_err(|_| format!("\"{text}\" is not a number"))
}
