//! A running Weir server.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Result;

/// A server that was asked to stop and is still there after this is killed: it has no more to say.
const STOP_MAX: Duration = Duration::from_secs(60);

/// Stops with its value.
pub(crate) struct Weir {
    child: Child,
    address: String,
}

impl Weir {
    /// Starts a server on free ports; `log` takes what it says on stderr.
    pub(crate) fn start(
        binary: &Path,
        data_dir: &Path,
        flags: &[&OsStr],
        log: Option<&Path>,
    ) -> Result<Self> {
        let mut command = Command::new(binary);
        command
            .args(["serve", "--pg-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"])
            .arg("--data-dir")
            .arg(data_dir)
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        if let Some(log) = log {
            command.stderr(File::create(log)?);
        }
        let mut child = command
            .spawn()
            .map_err(|error| format!("could not start {}: {error}", binary.display()))?;
        let stdout = child.stdout.take().ok_or("stdout is piped")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.split(' ').find_map(|word| word.strip_prefix("pg=")).map(str::to_owned);
        match address {
            Some(address) => Ok(Self { child, address }),
            None => {
                let log = log.map(|log| format!("; see {}", log.display())).unwrap_or_default();
                Err(format!("Weir did not start on {}: {line}{log}", data_dir.display()).into())
            }
        }
    }

    /// What a PostgreSQL driver connects to.
    pub(crate) fn connect_line(&self) -> String {
        let (host, port) = self.address.rsplit_once(':').unwrap_or((&self.address, "7432"));
        format!("host={host} port={port} user=weir dbname=weir")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Nothing of it runs until [`Self::go_on`].
    pub(crate) fn pause(&self) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::STOP)?)
    }

    /// Goes on where it was paused.
    pub(crate) fn go_on(&self) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::CONT)?)
    }

    /// Ends it at once, as a loss of power would.
    pub(crate) fn kill(&mut self) {
        // Of a server that has ended both fail, and nothing is left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Stops it in order.
    ///
    /// # Errors
    /// Where it had to be killed, or ended with a failure.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            return ended(status);
        }
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        // A paused one would not hear it.
        self.go_on()?;
        let asked = Instant::now();
        while asked.elapsed() < STOP_MAX {
            if let Some(status) = self.child.try_wait()? {
                return ended(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.kill();
        Err(format!("Weir did not stop in {} s and was killed", STOP_MAX.as_secs()).into())
    }
}

fn ended(status: std::process::ExitStatus) -> Result<()> {
    if status.success() { Ok(()) } else { Err(format!("Weir ended with {status}").into()) }
}

impl Drop for Weir {
    fn drop(&mut self) {
        // Who wants to know how it ended calls `stop`.
        let _ = self.end();
    }
}
