//! PostgreSQL from the system's package, as a second opinion: its own cluster in a temporary directory,
//! reached over a socket in it.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::answer::{Answer, Failure, Outcome};

/// How long a server may take to answer its first connection.
const START_MAX: Duration = Duration::from_secs(60);

/// A running server.
#[derive(Debug)]
pub struct Postgres {
    dir: tempfile::TempDir,
    server: Child,
}

/// The account that the server runs as: PostgreSQL refuses root.
#[derive(Clone, Copy)]
struct Account {
    uid: u32,
    gid: u32,
}

impl Postgres {
    /// The server of this process, started by the first who asks and stopped by the last who has it.
    ///
    /// # Errors
    /// Why there is none, to be told to the developer.
    pub fn shared() -> Result<Arc<Self>, String> {
        static RUNNING: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());
        let mut running = RUNNING.lock().map_err(|_| "starting PostgreSQL panicked".to_owned())?;
        if let Some(server) = running.upgrade() {
            return Ok(server);
        }
        let server = Arc::new(Self::start()?);
        *running = Arc::downgrade(&server);
        Ok(server)
    }

    fn start() -> Result<Self, String> {
        let programs = programs()?;
        let account = account()?;
        let dir = crate::weir::temporary_dir();
        let failed = |what: &str, error: std::io::Error| format!("could not {what}: {error}");
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755))
            .map_err(|e| failed("open the temporary directory to others", e))?;
        let data = dir.path().join("data");
        std::fs::create_dir(&data).map_err(|e| failed("make the data directory", e))?;
        if let Some(Account { uid, gid }) = account {
            for path in [dir.path(), &data] {
                chown(path, Some(uid), Some(gid)).map_err(|e| failed("change an owner", e))?;
            }
        }
        let made = program(&programs, "initdb", account)
            .args([
                "--no-sync",
                "--auth=trust",
                "--username=weir",
                "--encoding=UTF8",
                "--locale=C",
                "--lc-ctype=C.UTF-8",
            ])
            .arg("--pgdata")
            .arg(&data)
            .output()
            .map_err(|e| failed("run initdb", e))?;
        if !made.status.success() {
            return Err(format!("initdb failed: {}", String::from_utf8_lossy(&made.stderr)));
        }
        let log = std::fs::File::create(dir.path().join("log"))
            .map_err(|e| failed("make the server's log", e))?;
        let server = program(&programs, "postgres", account)
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(dir.path())
            .args(["-h", "", "-F", "-c", "timezone=UTC", "-c", "max_connections=20"])
            .args(["-c", "full_page_writes=off", "-c", "jit=off"])
            .stderr(log)
            .spawn()
            .map_err(|e| failed("start postgres", e))?;
        let mut server = Self { dir, server };
        server.wait_until_it_answers()?;
        Ok(server)
    }

    fn wait_until_it_answers(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START_MAX;
        loop {
            let reason = match self.client() {
                Ok(_) => return Ok(()),
                Err(reason) => reason,
            };
            let ended = self.server.try_wait().map_err(|e| e.to_string())?;
            if ended.is_some() || Instant::now() > deadline {
                let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
                return Err(format!("PostgreSQL does not answer: {reason}\n{log}"));
            }
            // The socket is made when the server is ready for it: there is nothing to wait on before.
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// How tokio-postgres connects.
    #[must_use]
    pub fn parameters(&self) -> String {
        format!("host={} user=weir dbname=postgres", self.dir.path().display())
    }

    /// A connection.
    ///
    /// # Errors
    /// Why there is none.
    pub fn client(&self) -> Result<PostgresClient, String> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|e| format!("could not start a runtime: {e}"))?;
        let (client, connection) = runtime
            .block_on(tokio_postgres::connect(&self.parameters(), NoTls))
            .map_err(|e| e.to_string())?;
        // Its error is that of the statement that meets it.
        runtime.spawn(connection);
        Ok(PostgresClient { client, runtime })
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.server.id().cast_signed()) {
            // Gone already, or told to end at once.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::QUIT);
        }
        let _ = self.server.wait();
    }
}

/// A connection to PostgreSQL.
#[derive(Debug)]
pub struct PostgresClient {
    client: Client,
    runtime: Runtime,
}

impl PostgresClient {
    /// Runs the statements of a text by the simple protocol; the answer of the last.
    pub fn run(&self, sql: &str) -> Outcome {
        let messages = self.runtime.block_on(self.client.simple_query(sql)).map_err(failure)?;
        let mut answer = Answer { columns: Vec::new(), rows: Vec::new(), tag: String::new() };
        for message in messages {
            match message {
                SimpleQueryMessage::RowDescription(_) => answer.rows.clear(),
                SimpleQueryMessage::Row(row) => answer
                    .rows
                    .push((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()),
                SimpleQueryMessage::CommandComplete(n_rows) => answer.tag = n_rows.to_string(),
                _ => {}
            }
        }
        Ok(answer)
    }
}

fn failure(error: tokio_postgres::Error) -> Failure {
    match error.as_db_error() {
        Some(db) => Failure { code: db.code().code().to_owned(), message: db.message().to_owned() },
        None => Failure { code: "08006".to_owned(), message: error.to_string() },
    }
}

fn program(programs: &Path, name: &str, account: Option<Account>) -> Command {
    let mut command = Command::new(programs.join(name));
    if let Some(Account { uid, gid }) = account {
        command.gid(gid).uid(uid);
    }
    command.current_dir("/").env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// Where the newest version's programs are.
fn programs() -> Result<PathBuf, String> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").map_err(|e| {
        format!("PostgreSQL is not installed (Debian: apt install postgresql): {e}")
    })?;
    let folders = versions.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    folders
        .filter(|folder| folder.join("postgres").exists() && folder.join("initdb").exists())
        .max()
        .ok_or_else(|| {
            "no server in /usr/lib/postgresql (Debian: apt install postgresql)".to_owned()
        })
}

/// The account `postgres` where this process is root's; `None` where it is somebody's.
fn account() -> Result<Option<Account>, String> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let accounts = std::fs::read_to_string("/etc/passwd")
        .map_err(|e| format!("could not read /etc/passwd: {e}"))?;
    accounts
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields[0] == "postgres")
        .and_then(|fields| {
            Some(Account { uid: fields.get(2)?.parse().ok()?, gid: fields.get(3)?.parse().ok()? })
        })
        .map(Some)
        .ok_or_else(|| "PostgreSQL refuses root, and there is no account \"postgres\"".to_owned())
}
