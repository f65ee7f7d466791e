//! The real binary as a process of its own, which can be killed.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio_postgres::{Client, NoTls};

/// A server that does not come up by then hangs.
const START_MAX: Duration = Duration::from_secs(60);
/// A stop is bounded by 5 s; the machine may be busy.
const STOP_MAX: Duration = Duration::from_secs(30);

/// The binary beside the running test, as the build of the workspace puts it there.
///
/// # Panics
/// Where it is not there.
#[must_use]
pub fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("a test has an executable");
    // target/debug/deps/it-0123 and target/debug/weir
    let beside = test.parent().and_then(Path::parent).expect("a test is in target/debug/deps");
    let binary = beside.join("weir");
    assert!(
        binary.is_file(),
        "{} is not there: run the tests with --workspace, which builds it",
        binary.display()
    );
    binary
}

/// `weir` with nothing of the developer's own settings.
#[must_use]
pub fn command() -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("WEIR_") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command
}

/// `weir serve` on free ports, with checkpoints so often that kills fall into them and starts use them.
#[must_use]
pub fn serve(data_dir: &Path) -> Command {
    let mut command = command();
    command.args(["serve", "--pg-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"]);
    command.args(["--checkpoint-interval", "0.1"]).arg("--data-dir").arg(data_dir);
    command
}

/// A child that does not outlive its owner.
struct Owned(Child);

/// A server that may not be ready yet; killed where it is dropped.
pub struct Starting {
    child: Owned,
    stdout: BufReader<ChildStdout>,
}

/// A ready server; killed where it is dropped.
pub struct Process {
    child: Owned,
    pg: SocketAddr,
    epoch: u64,
}

/// What a process that ended said.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// The rest of stdout.
    pub stdout: String,
    /// All of stderr.
    pub stderr: String,
}

impl Starting {
    /// Starts the command.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    pub fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        Self { child: Owned(child), stdout }
    }

    /// Waits for the ready line; `Err` is what a process said that ended instead.
    ///
    /// # Errors
    /// The end of the process.
    ///
    /// # Panics
    /// Where it neither gets ready nor ends, or says something else.
    pub fn ready(self) -> Result<Process, Ended> {
        let Self { mut child, mut stdout } = self;
        let watch = Watch::new(child.pid(), START_MAX);
        let mut line = String::new();
        stdout.read_line(&mut line).expect("stdout can be read");
        watch.end();
        if line.is_empty() {
            return Err(ended(child, stdout));
        }
        let words: Vec<&str> = line.trim_end().split(' ').collect();
        let ["weir", "ready", pg, _, epoch] = words.as_slice() else {
            child.kill();
            panic!("no ready line but {line:?}: {:?}", ended(child, stdout))
        };
        let pg = pg.strip_prefix("pg=").and_then(|pg| pg.parse().ok()).expect("pg=ADDR:PORT");
        let epoch = epoch.strip_prefix("epoch=").and_then(|n| n.parse().ok()).expect("epoch=N");
        // The pipes are read to the end by threads: a full one would stop the server.
        drain(stdout);
        drain(child.0.stderr.take().expect("stderr is piped"));
        Ok(Process { child, pg, epoch })
    }

    /// SIGKILL, and waits for the end.
    ///
    /// # Panics
    /// Where the process cannot be killed.
    pub fn kill(mut self) {
        self.child.kill();
    }

    /// Waits for the end.
    ///
    /// # Panics
    /// Where it does not end by itself.
    #[must_use]
    pub fn end(self) -> Ended {
        let Self { child, stdout } = self;
        let watch = Watch::new(child.pid(), START_MAX);
        let ended = ended(child, stdout);
        watch.end();
        ended
    }
}

impl Process {
    /// Starts `weir serve` and waits until it is ready.
    ///
    /// # Panics
    /// Where it does not get ready.
    #[must_use]
    pub fn start(data_dir: &Path) -> Self {
        match Starting::spawn(serve(data_dir)).ready() {
            Ok(process) => process,
            Err(ended) => panic!("the server did not start: {ended:#?}"),
        }
    }

    /// Where the server listens.
    #[must_use]
    pub fn pg(&self) -> SocketAddr {
        self.pg
    }

    /// The number of the process.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.child.pid().as_raw_nonzero().get()
    }

    /// The epoch of the ready line.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// A connection.
    ///
    /// # Errors
    /// Of connecting.
    pub async fn try_connect(&self) -> Result<Client, tokio_postgres::Error> {
        let text = format!("host={} port={} user=weir dbname=weir", self.pg.ip(), self.pg.port());
        let (client, connection) = tokio_postgres::connect(&text, NoTls).await?;
        // Its end is seen by the client's next call.
        tokio::spawn(connection);
        Ok(client)
    }

    /// A connection to a server that lives.
    ///
    /// # Panics
    /// Where it cannot be made.
    pub async fn connect(&self) -> Client {
        self.try_connect().await.expect("a ready server lets clients in")
    }

    /// SIGKILL, and waits for the end.
    ///
    /// # Panics
    /// Where the process cannot be killed.
    pub fn kill(&mut self) {
        self.child.kill();
    }

    /// SIGTERM, without waiting.
    ///
    /// # Panics
    /// Where the process has ended.
    pub fn terminate(&self) {
        kill_process(self.child.pid(), Signal::TERM).expect("an own process takes signals");
    }

    /// SIGTERM, and waits for the end.
    ///
    /// # Panics
    /// Where the process does not end.
    pub fn stop(mut self) -> ExitStatus {
        self.terminate();
        let watch = Watch::new(self.child.pid(), STOP_MAX);
        let status = self.child.0.wait().expect("an own process can be waited for");
        watch.end();
        status
    }
}

impl Owned {
    fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    fn kill(&mut self) {
        self.0.kill().expect("an own process can be killed");
        self.0.wait().expect("an own process can be waited for");
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // Of one that has ended both fail, and nothing is left to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Kills a process that takes too long, so that a test which reads from it fails instead of hanging.
struct Watch(mpsc::Sender<()>);

impl Watch {
    fn new(pid: Pid, time: Duration) -> Self {
        let (end, ended) = mpsc::channel();
        std::thread::spawn(move || {
            if ended.recv_timeout(time) == Err(mpsc::RecvTimeoutError::Timeout) {
                eprintln!("the server took more than {time:?}; it is killed");
                let _ = kill_process(pid, Signal::KILL);
            }
        });
        Self(end)
    }

    fn end(self) {
        let _ = self.0.send(());
    }
}

fn drain(mut pipe: impl Read + Send + 'static) {
    std::thread::spawn(move || std::io::copy(&mut pipe, &mut std::io::stderr()));
}

fn ended(mut child: Owned, mut stdout: BufReader<ChildStdout>) -> Ended {
    let (mut rest, mut stderr) = (String::new(), String::new());
    let pipe = child.0.stderr.as_mut().expect("stderr is piped");
    pipe.read_to_string(&mut stderr).expect("stderr is text");
    stdout.read_to_string(&mut rest).expect("stdout is text");
    let status = child.0.wait().expect("an own process can be waited for");
    Ended { status, stdout: rest, stderr }
}
