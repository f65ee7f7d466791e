//! Progress lines: what a command is at, and that a silent step is alive.

use std::process::Command;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::Result;

/// After so long without an end a running step says again what it is.
const HEARTBEAT: Duration = Duration::from_secs(20);

/// Says what comes now.
pub(crate) fn say(text: impl AsRef<str>) {
    eprintln!("xtask: {}", text.as_ref());
}

/// Runs `command` with its output going through, and a line each [`HEARTBEAT`].
///
/// # Errors
/// When it cannot be started or fails; with the command line.
pub(crate) fn run(label: &str, command: &mut Command) -> Result<()> {
    let line = command_line(command);
    say(format!("{label}: {line}"));
    let began = Instant::now();
    let status = with_heartbeat(label, || command.status())
        .map_err(|error| format!("{label}: could not start {line}: {error}"))?;
    if !status.success() {
        return Err(format!("{label} failed ({status}): {line}"));
    }
    say(format!("{label}: done after {} s", began.elapsed().as_secs()));
    Ok(())
}

/// Runs `work`; says each [`HEARTBEAT`] that it is still at it.
pub(crate) fn with_heartbeat<T>(label: &str, work: impl FnOnce() -> T) -> T {
    let (end, ended) = channel::<()>();
    let label = label.to_owned();
    let ticker = std::thread::spawn(move || {
        let began = Instant::now();
        while ended.recv_timeout(HEARTBEAT) == Err(RecvTimeoutError::Timeout) {
            say(format!("{label}: still running after {} s", began.elapsed().as_secs()));
        }
    });
    let outcome = work();
    drop(end);
    ticker.join().expect("the ticker does not panic");
    outcome
}

fn command_line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    words.join(" ")
}
