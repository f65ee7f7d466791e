//! The binary from outside: its ready line, its exit codes, and what it says when it cannot start.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// The binary, with nothing of the developer's own settings.
fn weir() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("WEIR_") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command
}

fn serve(data_dir: &Path) -> Command {
    let mut command = weir();
    command
        .args(["serve", "--pg-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--data-dir"])
        .arg(data_dir);
    command
}

/// A running server; killed where a test fails.
struct Running {
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
    pg: String,
    http: String,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let words: Vec<&str> = line.trim_end_matches('\n').split(' ').collect();
        let ["weir", "ready", pg, http, epoch] = words.as_slice() else {
            let mut log = String::new();
            child.kill().unwrap();
            child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
            panic!("no ready line but {line:?}; the log:\n{log}")
        };
        epoch.strip_prefix("epoch=").unwrap().parse::<u64>().unwrap();
        Self {
            pg: pg.strip_prefix("pg=").unwrap().to_owned(),
            http: http.strip_prefix("http=").unwrap().to_owned(),
            child,
            stdout,
        }
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.http).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Sends the signal and gives the exit code, the rest of stdout, and stderr.
    fn stop(mut self, signal: Signal) -> (Option<i32>, String, String) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        let (mut rest, mut log) = (String::new(), String::new());
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        self.stdout.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest, log)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Of a server that has ended already both fail, and nothing is left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a server that cannot start says: exit code 1, one line on stderr, nothing on stdout.
fn refusal(command: &mut Command) -> String {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    if !line.is_empty() {
        child.kill().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(line, "", "{stderr}");
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    let last = stderr.lines().last().unwrap_or_default().to_owned();
    assert!(last.starts_with("weir: error: "), "{stderr}");
    assert!(last.contains("hint: "), "{stderr}");
    last
}

#[test]
fn a_ready_server_answers_http_and_stops_on_sigterm_and_sigint_with_code_0() {
    let dir = TempDir::new().unwrap();
    for signal in [Signal::TERM, Signal::INT] {
        let server = Running::start(&mut serve(dir.path()));
        assert!(server.get("/healthz").starts_with("HTTP/1.1 200"));
        assert!(server.get("/readyz").starts_with("HTTP/1.1 200"));
        let metrics = server.get("/metrics");
        assert!(metrics.contains("text/plain; version=0.0.4"), "{metrics}");
        assert!(metrics.contains("\n# TYPE weir_"), "{metrics}");
        assert!(server.get("/").contains("<h1>Weir"));
        let healthy = weir().args(["healthcheck", "--http", &server.http]).status().unwrap();
        assert!(healthy.success());
        TcpStream::connect(&server.pg).unwrap();
        let (code, rest, log) = server.stop(signal);
        assert_eq!((code, rest.as_str()), (Some(0), ""), "{log}");
        assert!(log.contains("stopped"), "{log}");
    }
}

#[test]
fn an_idle_http_connection_does_not_hold_up_the_stop() {
    let dir = TempDir::new().unwrap();
    let server = Running::start(&mut serve(dir.path()));
    let mut idle = TcpStream::connect(&server.http).unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: weir\r\n\r\nGET /heal").unwrap();
    let mut first = [0; 15];
    idle.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    let (code, _, log) = server.stop(Signal::TERM);
    assert_eq!(code, Some(0), "{log}");
}

#[test]
fn json_logs_are_an_object_a_line() {
    let dir = TempDir::new().unwrap();
    let server = Running::start(serve(dir.path()).args(["--log-format", "json"]));
    let (_, _, log) = server.stop(Signal::TERM);
    assert!(log.contains("\"message\":\"ready\""), "{log}");
    assert!(log.lines().all(|line| line.starts_with('{') && line.ends_with('}')), "{log}");
}

#[test]
fn a_port_in_use_is_refused_before_the_data_is_touched() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for flag in ["--pg-listen", "--http-listen"] {
        let other = if flag == "--pg-listen" { "--http-listen" } else { "--pg-listen" };
        let mut command = weir();
        command.args(["serve", flag, &address, other, "127.0.0.1:0", "--data-dir"]).arg(&data);
        let line = refusal(&mut command);
        assert!(line.contains(&address) && line.contains(flag), "{line}");
        assert!(!data.exists());
    }
}

#[test]
fn beyond_loopback_a_password_or_the_user_s_will_is_needed() {
    let dir = TempDir::new().unwrap();
    let open = ["serve", "--pg-listen", "0.0.0.0:0", "--http-listen", "127.0.0.1:0", "--data-dir"];
    let line = refusal(weir().args(open).arg(dir.path()));
    assert!(line.contains("WEIR_PASSWORD") && line.contains("--insecure"), "{line}");
    for (name, value) in [("WEIR_INSECURE", "true"), ("WEIR_PASSWORD", "a secret")] {
        let data = dir.path().join(name);
        let server = Running::start(weir().args(open).arg(&data).env(name, value));
        assert_eq!(server.stop(Signal::TERM).0, Some(0));
    }
}

#[test]
fn a_second_server_on_the_same_directory_is_refused() {
    let dir = TempDir::new().unwrap();
    let first = Running::start(&mut serve(dir.path()));
    let line = refusal(&mut serve(dir.path()));
    assert!(line.contains(&dir.path().display().to_string()), "{line}");
    assert_eq!(first.stop(Signal::TERM).0, Some(0));
}

#[test]
fn the_configuration_file_is_read_and_its_mistakes_are_placed() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("weir.toml");
    let with_file = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let mut command = serve(&dir.path().join("data"));
        command.arg("--config").arg(&file);
        command
    };
    let line = refusal(&mut with_file("workers = 1\npg_lisen = \"x\"\n"));
    assert!(line.contains(&format!("{}:2: ", file.display())), "{line}");
    assert!(line.contains("\"pg_listen\""), "{line}");
    // A flag wins over the file, which has an address that would be refused.
    let server =
        Running::start(&mut with_file("pg_listen = \"0.0.0.0:0\"\nlog_format = \"json\"\n"));
    let (code, _, log) = server.stop(Signal::TERM);
    assert_eq!(code, Some(0));
    assert!(log.starts_with('{'), "{log}");
    std::fs::remove_file(&file).unwrap();
    let line = refusal(serve(dir.path()).arg("--config").arg(&file));
    assert!(line.contains("weir.toml"), "{line}");
}

#[test]
fn a_variable_sets_what_no_flag_sets() {
    let dir = TempDir::new().unwrap();
    let mut command = weir();
    command
        .arg("serve")
        .env("WEIR_DATA_DIR", dir.path())
        .env("WEIR_PG_LISTEN", "127.0.0.1:0")
        .env("WEIR_HTTP_LISTEN", "127.0.0.1:0")
        .env("WEIR_LOG_FORMAT", "json");
    let (code, _, log) = Running::start(&mut command).stop(Signal::TERM);
    assert_eq!(code, Some(0), "{log}");
    assert!(log.starts_with('{'), "{log}");
}

#[test]
fn bad_flags_end_with_code_2_and_name_the_flag() {
    for (arguments, expected) in [
        (&["serve", "--workers", "0"][..], "--workers"),
        (&["serve", "--memory-limit", "much"], "--memory-limit"),
        (&["serve", "--log-format", "xml"], "--log-format"),
        (&["serve", "--pg-lisen", "x"], "--pg-listen"),
        (&["log", "dump"], "<TOPIC>"),
        (&["sreve"], "serve"),
    ] {
        let output = weir().args(arguments).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
        assert_eq!(output.stdout, b"");
    }
    let line = refusal(weir().args(["serve", "--pg-listen", "7432"]));
    assert!(line.contains("7432"), "{line}");
    let line = refusal(weir().arg("serve").env("WEIR_LOG", "info,weir=loud"));
    assert!(line.contains("WEIR_LOG"), "{line}");
}
