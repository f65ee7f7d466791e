//! A PostgreSQL server to measure beside.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::load::Target;
use crate::Result;

/// A server that does not answer by then does not start.
const START_MAX: Duration = Duration::from_secs(60);

/// A running PostgreSQL with the settings of its package, on TCP like the other.
pub(crate) struct Postgres {
    child: Child,
    port: u16,
    home: PathBuf,
}

impl Postgres {
    pub(crate) fn start(dir: &Path) -> Result<Self> {
        let programs = programs()?;
        let account = account()?;
        // Its account has to get through.
        std::fs::set_permissions(dir, PermissionsExt::from_mode(0o755))?;
        let home = dir.join("postgres");
        std::fs::create_dir(&home)?;
        if let Some((uid, gid)) = account {
            chown(&home, Some(uid), Some(gid))?;
        }
        let data = home.join("data");
        let made = program(&programs, "initdb", account)
            .args(["--auth=trust", "--username=weir", "--encoding=UTF8", "--locale=C", "--pgdata"])
            .arg(&data)
            .output()?;
        if !made.status.success() {
            return Err(format!("initdb failed: {}", String::from_utf8_lossy(&made.stderr)).into());
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let log = std::fs::File::create(dir.join("postgres.log"))?;
        let child = program(&programs, "postgres", account)
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(&home)
            .args(["-h", "127.0.0.1", "-p", &port.to_string()])
            .args(["-c", "synchronous_commit=on", "-c", "fsync=on"])
            .stderr(log)
            .spawn()?;
        let server = Self { child, port, home };
        let began = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if began.elapsed() > START_MAX {
                return Err("PostgreSQL does not answer".into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        // It listens before it lets clients in.
        std::thread::sleep(Duration::from_secs(1));
        Ok(server)
    }

    pub(crate) fn target(&self) -> Target {
        let connect = format!("host=127.0.0.1 port={} user=weir dbname=postgres", self.port);
        Target { connect, kind: "TABLE" }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        stop(&mut self.child, Signal::INT);
        // The next one takes the same place; what is left goes with the directory around it.
        let _ = std::fs::remove_dir_all(&self.home);
    }
}

fn stop(child: &mut Child, signal: Signal) {
    // Of a server that has ended both fail, and nothing is left to do.
    let _ = kill_process(Pid::from_child(child), signal);
    let _ = child.wait();
}

fn program(programs: &Path, name: &str, account: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(programs.join(name));
    if let Some((uid, gid)) = account {
        command.gid(gid).uid(uid);
    }
    command.current_dir("/").env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// Where the newest version's programs are.
fn programs() -> Result<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql")?;
    let folders = versions.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    let newest = folders.filter(|folder| folder.join("initdb").exists()).max();
    newest.ok_or_else(|| "no server in /usr/lib/postgresql (Debian: apt install postgresql)".into())
}

/// The account `postgres` where this process is root's: PostgreSQL refuses root.
fn account() -> Result<Option<(u32, u32)>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let accounts = std::fs::read_to_string("/etc/passwd")?;
    let fields = accounts
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields[0] == "postgres" && fields.len() > 3)
        .ok_or("PostgreSQL refuses root, and there is no account \"postgres\"")?;
    Ok(Some((fields[2].parse()?, fields[3].parse()?)))
}
