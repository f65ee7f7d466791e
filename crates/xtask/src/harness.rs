//! `cargo xtask harness`: the equality harness, for longer than the tests run it.

use crate::setup::{self, Need};
use crate::{Result, cargo, progress};

/// Rounds where none are told.
const ROUNDS: &str = "2000";

/// Runs the rounds; `arguments` are `--rounds N`, `--seed N`, `--go-on`, which does not end at the first
/// difference, `--small`, which makes much of few rows: hashes of 4 bits, threads for two rows,
/// `--force-recompute KINDS`, which makes views that do not follow changes by these operators, and
/// `--release`, which plays several times as many in the same time and shares the server's release build.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let (mut rounds, mut seed, mut recomputed) = (None, None, None);
    let (mut goes_on, mut small, mut release) = (false, false, false);
    let mut rest = arguments;
    loop {
        rest = match rest {
            ["--rounds", n, rest @ ..] => {
                rounds = Some(number(n)?);
                rest
            }
            ["--seed", n, rest @ ..] => {
                seed = Some(number(n)?);
                rest
            }
            ["--force-recompute", kinds, rest @ ..] => {
                recomputed = Some(*kinds);
                rest
            }
            ["--go-on", rest @ ..] => {
                goes_on = true;
                rest
            }
            ["--small", rest @ ..] => {
                small = true;
                rest
            }
            ["--release", rest @ ..] => {
                release = true;
                rest
            }
            [] => break,
            [other, ..] => return Err(format!("unknown argument of harness: {other}")),
        };
    }
    setup::provide(&[Need::Libclang, Need::CppCompiler, Need::PostgresServer])?;
    let mut command = cargo::building("test")?;
    command.args(["--workspace", "--locked", "--test", "it"]);
    if release {
        command.arg("--release");
    }
    command.args(["--", "--nocapture"]);
    command.arg("equality::views_equal_their_queries_and_postgres");
    match (seed, rounds) {
        // A seed alone replays its round.
        (Some(seed), None) => command.env("WEIR_SEED", seed),
        (Some(seed), Some(rounds)) => command.env("WEIR_SEED", seed).env("WEIR_ROUNDS", rounds),
        (None, rounds) => command.env("WEIR_ROUNDS", rounds.unwrap_or(ROUNDS)),
    };
    if goes_on {
        command.env("WEIR_GO_ON", "1");
    }
    if small {
        command.env("WEIR_SMALL", "1");
    }
    if let Some(kinds) = recomputed {
        command.env("WEIR_FORCE_RECOMPUTE", kinds);
    }
    progress::run("equality harness", &mut command)
}

fn number(text: &str) -> Result<&str> {
    text.parse::<u64>().map(|_| text).map_err(|_| format!("\"{text}\" is not a number"))
}
