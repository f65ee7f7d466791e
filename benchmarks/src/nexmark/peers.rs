//! Runs the peers' programs of `benchmarks/peers`, each in a process of its own.
//!
//! A program takes one argument, a JSON object that says what to do, and prints lines that begin with
//! `@weir `, each with a JSON object: `begin` when it is ready, `end` with the seconds, `refused` where the
//! engine does not take the query. Everything else that it says goes to a log.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::plan::Engine;
use super::store::{Measured, Outcome, Taken};
use crate::Result;
use crate::usage::{self, Watch};

/// What a program's lines for this process begin with.
const MARK: &str = "@weir ";
/// A program that is not ready by then has failed: a JVM starts in seconds.
const START_MAX: Duration = Duration::from_secs(180);
/// After its last line a program has nothing to do but to end.
const END_MAX: Duration = Duration::from_secs(60);
/// Lines of a log that are told after a failure.
const LOG_LINES: usize = 12;

/// The installed peers.
pub(crate) struct Peers {
    /// The interpreters of those that were installed.
    pub(crate) pythons: Vec<(Engine, PathBuf)>,
    pub(crate) java_home: Option<PathBuf>,
    /// Memory for the heap of a JVM, in MiB.
    pub(crate) heap_mib: u64,
    pub(crate) root: PathBuf,
}

/// The files of an engine's program; the first is what is run.
pub(crate) fn programs(root: &Path, engine: Engine) -> [PathBuf; 2] {
    let dir = root.join("benchmarks/peers");
    [dir.join(format!("run_{}.py", engine.name())), dir.join("protocol.py")]
}

impl Peers {
    /// Runs an engine's program; what it takes is measured from `begin` to `end`.
    pub(crate) fn run(
        &self,
        engine: Engine,
        task: &Value,
        log: &Path,
        bound: Duration,
    ) -> Result<Measured> {
        let mut child = self.start(engine, task, log)?;
        let watch = Watch::new(child.id());
        let lines = lines(&mut child, log)?;
        let mut began: Option<f64> = None;
        let mut deadline = Instant::now() + START_MAX;
        let mut details = json!({});
        let outcome = loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) if line["event"] == "begin" => {
                    began = Some(watch.cpu_seconds());
                    deadline = Instant::now() + bound;
                    details = line;
                }
                Ok(line) if line["event"] == "end" => {
                    let cpu_seconds = watch.cpu_seconds() - began.unwrap_or_default();
                    let seconds = line["seconds"].as_f64().ok_or("\"end\" has no seconds")?;
                    let peak_bytes = watch.peak_bytes();
                    merge(&mut details, line);
                    break Outcome::Finished(Taken { seconds, cpu_seconds, peak_bytes });
                }
                Ok(line) => {
                    let reason = line["message"].as_str().unwrap_or("no reason was given");
                    break Outcome::Refused(reason.to_owned());
                }
                Err(RecvTimeoutError::Disconnected) => break Outcome::Failed(last_words(log)),
                Err(RecvTimeoutError::Timeout) if began.is_none() => {
                    break Outcome::Failed(format!("not ready in {} s", START_MAX.as_secs()));
                }
                Err(RecvTimeoutError::Timeout) => {
                    let peak_bytes = watch.peak_bytes();
                    break Outcome::Unfinished { seconds: bound.as_secs(), peak_bytes };
                }
            }
        };
        if !matches!(outcome, Outcome::Finished(_)) {
            watch.kill();
        }
        end(&mut child, &watch)?;
        Ok(Measured { outcome, details })
    }

    fn start(&self, engine: Engine, task: &Value, log: &Path) -> Result<Child> {
        let (_, python) =
            self.pythons.iter().find(|(one, _)| *one == engine).ok_or_else(|| {
                format!("{} is not installed: name it in --engines", engine.label())
            })?;
        let mut task = task.clone();
        task["heap_mib"] = json!(self.heap_mib);
        let mut command = Command::new(python);
        command
            .arg(&programs(&self.root, engine)[0])
            .arg(task.to_string())
            .env("TZ", "UTC")
            // No files of the interpreter beside the programs of the checkout.
            .env("PYTHONDONTWRITEBYTECODE", "1")
            // Its other end is with the child: the program ends when it is closed.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(log)?);
        if let Some(java_home) = &self.java_home {
            command.env("JAVA_HOME", java_home);
        }
        let started = command.spawn();
        started.map_err(|error| format!("could not start {}: {error}", python.display()).into())
    }
}

/// The program's lines for this process; all others go to the log.
fn lines(child: &mut Child, log: &Path) -> Result<Receiver<Value>> {
    let stdout = child.stdout.take().ok_or("stdout is piped")?;
    let mut log = File::options().append(true).open(log)?;
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(std::io::Result::ok) {
            let event = line.strip_prefix(MARK).and_then(|text| serde_json::from_str(text).ok());
            // Nobody may listen any longer, and a full disk shows elsewhere.
            let _ = match event {
                Some(event) => sender.send(event).map_err(drop),
                None => writeln!(log, "{line}").map_err(drop),
            };
        }
    });
    Ok(receiver)
}

fn merge(details: &mut Value, more: Value) {
    if let (Value::Object(details), Value::Object(more)) = (details, more) {
        details.extend(more);
        details.remove("event");
    }
}

/// Waits for the program and all that it started, and kills what does not end: a JVM ends after the program, and
/// would be at work still in what is measured next.
fn end(child: &mut Child, watch: &Watch) -> Result<()> {
    let since = Instant::now();
    let started = watch.processes();
    while child.try_wait()?.is_none() || !usage::are_gone(&started) {
        if since.elapsed() > END_MAX {
            watch.kill();
            usage::kill(&started);
            child.wait()?;
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// The end of a log, on one line.
fn last_words(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(LOG_LINES)..];
    format!("the program ended early; {} ends with: {}", log.display(), last.join(" | "))
}
