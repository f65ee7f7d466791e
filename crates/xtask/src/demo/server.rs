//! The demo's server: started on an empty directory of its own, stopped and cleared away with the
//! demo, however that ends.
//!
//! A shell stands between: it waits for the end of its input, a pipe that this process holds, and
//! then stops the server and removes the directory. So Ctrl-C, a crash and a kill of the demo all
//! end the server in order, without a signal handler here.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::Mode;
use crate::progress::{say, with_heartbeat};
use crate::{Result, workspace};

/// `$1` is the directory to remove, the rest the server's command line. After a failure the
/// directory stays, because the log in it says why.
const KEEPER: &str = r#"
dir=$1; shift
exec 3<&0
"$@" 3<&- </dev/null &
server=$!
( cat <&3; kill -TERM "$server" ) >/dev/null 2>&1 &
watcher=$!
exec 3<&-
wait "$server"
code=$?
kill "$watcher" 2>/dev/null
[ "$code" -ne 0 ] || rm -rf "$dir"
exit "$code"
"#;

/// The addresses that the documentation names; used where they are free.
const USUAL_PG: &str = "127.0.0.1:7432";
const USUAL_HTTP: &str = "127.0.0.1:7480";
const FREE_PORT: &str = "127.0.0.1:0";
/// How much of the log is told after a failure.
const LOG_LINES: usize = 20;

/// A running server.
pub(super) struct Server {
    keeper: Child,
    pg: String,
    http: String,
    log: PathBuf,
    dir: PathBuf,
}

impl Server {
    /// Starts `binary` in the checkout's root and waits until it is ready.
    pub(super) fn start(binary: &Path, mode: Mode) -> Result<Self> {
        let dir = workspace::cache_dir()?.join(format!("demo-{}", std::process::id()));
        let failed = |error| format!("could not make {}: {error}", dir.display());
        std::fs::create_dir_all(&dir).map_err(failed)?;
        let log = dir.join("server.log");
        let stderr = std::fs::File::create(&log).map_err(failed)?;
        let (pg, http) = match mode {
            Mode::Stay => (usual_or_free(USUAL_PG), usual_or_free(USUAL_HTTP)),
            Mode::Once => (FREE_PORT, FREE_PORT),
        };
        say(format!("starting the server; its data is in {}", dir.join("data").display()));
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh"])
            .arg(&dir)
            .arg(binary)
            .arg("serve")
            .arg("--data-dir")
            .arg(dir.join("data"))
            .args(["--pg-listen", pg, "--http-listen", http])
            .current_dir(workspace::root())
            // Ctrl-C reaches the demo alone: the server would take the keeper's signal for a second
            // one, and exit without closing.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .map_err(|error| format!("could not start {}: {error}", binary.display()))?;
        let stdout = keeper.stdout.take().expect("stdout is piped");
        let mut line = String::new();
        let read = with_heartbeat("starting", || BufReader::new(stdout).read_line(&mut line));
        let mut server = Self { keeper, pg: String::new(), http: String::new(), log, dir };
        match read.ok().and_then(|_| ready_addresses(&line)) {
            Some((pg, http)) => {
                (server.pg, server.http) = (pg, http);
                Ok(server)
            }
            None => {
                let log = server.last_log_lines();
                drop(server.keeper.stdin.take());
                let end = server.keeper.wait().map_err(|error| error.to_string())?;
                Err(format!("the server did not start ({end}):\n{line}{log}"))
            }
        }
    }

    /// `ADDR:PORT` for PostgreSQL clients.
    pub(super) fn pg_address(&self) -> &str {
        &self.pg
    }

    /// How a person gets in.
    pub(super) fn connect_lines(&self) -> String {
        let (host, port) = self.pg.rsplit_once(':').unwrap_or((&self.pg, ""));
        format!(
            "connect:     psql -h {host} -p {port} -U weir weir\nstatus page: http://{}/\n",
            self.http
        )
    }

    /// The end of the log.
    pub(super) fn last_log_lines(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }

    /// Stops the server as a service manager would.
    ///
    /// # Errors
    /// Where it did not end with exit code 0.
    pub(super) fn stop(&mut self) -> Result<()> {
        say("stopping the server");
        drop(self.keeper.stdin.take());
        let end = with_heartbeat("stopping", || self.keeper.wait())
            .map_err(|error| format!("could not wait for the server: {error}"))?;
        if !end.success() {
            return Err(format!("the server ended with {end}; see {}", self.log.display()));
        }
        say(format!("stopped, and removed {}", self.dir.display()));
        Ok(())
    }
}

/// The address if nobody listens there, else one with a port that the system chooses.
fn usual_or_free(usual: &'static str) -> &'static str {
    if TcpListener::bind(usual).is_ok() { usual } else { FREE_PORT }
}

/// The addresses of `weir ready pg=ADDR:PORT http=ADDR:PORT epoch=N`.
fn ready_addresses(line: &str) -> Option<(String, String)> {
    let words: Vec<&str> = line.trim_end().strip_prefix("weir ready ")?.split(' ').collect();
    let word = |name| words.iter().find_map(|word| word.strip_prefix(name));
    Some((word("pg=")?.to_owned(), word("http=")?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_has_the_addresses() {
        assert_eq!(
            ready_addresses("weir ready pg=127.0.0.1:1 http=[::1]:2 epoch=3\n"),
            Some(("127.0.0.1:1".to_owned(), "[::1]:2".to_owned()))
        );
        assert_eq!(ready_addresses("weir: error: no"), None);
    }
}
