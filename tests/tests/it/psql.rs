//! psql 15 against the real binary: what it sends by itself, what it shows, and what Ctrl-C does.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use weir_tests::process::Process;

const SAMPLE: &str = "
    CREATE TABLE customers (
        id bigint PRIMARY KEY, name text NOT NULL, email varchar(80) DEFAULT 'none',
        score numeric(10,2) CONSTRAINT score_positive CHECK (score >= 0), tags text[]);
    CREATE STREAM clicks (at timestamptz, url text NOT NULL);
    CREATE VIEW named AS SELECT id, name FROM customers WHERE name <> '';
    CREATE MATERIALIZED VIEW total AS SELECT count(*) AS n, sum(score) AS score FROM customers;
    INSERT INTO customers VALUES (1, 'ann', 'a@x', 1.50, '{a,\"b c\"}'), (2, 'bob', NULL, NULL, NULL);";

/// A server with the sample's objects; `None`, with the reason printed, where there is no psql.
fn server() -> Option<(TempDir, Process)> {
    if let Err(error) = Command::new("psql").arg("--version").output() {
        eprintln!("SKIPPED: psql cannot be run: {error}; Debian's package is postgresql-client");
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let process = Process::start(&dir.path().join("data"));
    let output = run(&process, &["-q"], SAMPLE);
    assert!(output.status.success(), "{output:?}");
    Some((dir, process))
}

fn psql(process: &Process, arguments: &[&str]) -> Command {
    let mut command = Command::new("psql");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    let port = process.pg().port().to_string();
    command.args(["-X", "-h", "127.0.0.1", "-p", &port, "-U", "weir", "-d", "weir"]);
    command.args(["-v", "ON_ERROR_STOP=0"]).args(arguments).env("LC_ALL", "C.UTF-8");
    command
}

/// Runs a script from stdin.
fn run(process: &Process, arguments: &[&str], script: &str) -> Output {
    let mut command = psql(process, arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// What a script prints that gives no error.
#[track_caller]
fn shown(process: &Process, arguments: &[&str], script: &str) -> String {
    let output = run(process, arguments, script);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr, "", "{script}");
    String::from_utf8(output.stdout).unwrap()
}

/// What a script says on stderr.
fn complaint(process: &Process, script: &str) -> String {
    String::from_utf8(run(process, &["-q", "-At"], script).stderr).unwrap()
}

#[test]
fn describe_shows_columns_keys_checks_and_definitions() {
    let Some((_dir, process)) = server() else { return };
    let table = shown(&process, &[], "\\d customers");
    assert_eq!(
        table,
        "                    Table \"public.customers\"
 Column |         Type          | Collation | Nullable | Default 
--------+-----------------------+-----------+----------+---------
 id     | bigint                |           | not null | 
 name   | text                  |           | not null | 
 email  | character varying(80) |           |          | 'none'
 score  | numeric(10,2)         |           |          | 
 tags   | text[]                |           |          | 
Indexes:
    \"customers_pkey\" PRIMARY KEY, btree (id)
Check constraints:
    \"score_positive\" CHECK (score >= 0)

"
    );
    let view = shown(&process, &[], "\\d+ named");
    assert!(view.contains("View \"public.named\""), "{view}");
    assert!(view.contains("View definition:\n"), "{view}");
    let total = shown(&process, &[], "\\d total");
    assert!(total.contains("Materialized view \"public.total\""), "{total}");
    let stream = shown(&process, &[], "\\d+ clicks");
    assert!(stream.contains("Table \"public.clicks\"") && stream.contains(" url "), "{stream}");
    let index = shown(&process, &[], "\\d customers_pkey");
    assert!(index.contains("primary key, btree, for table \"public.customers\""), "{index}");
    let system = shown(&process, &[], "\\d pg_class\n\\d information_schema.tables");
    assert!(system.contains("Table \"pg_catalog.pg_class\""), "{system}");
}

#[test]
fn lists_show_objects_by_kind() {
    let Some((_dir, process)) = server() else { return };
    let lists = [
        (
            "\\d",
            "public|clicks|table|weir\npublic|customers|table|weir\n\
                 public|named|view|weir\npublic|total|materialized view|weir\n",
        ),
        ("\\dt", "public|clicks|table|weir\npublic|customers|table|weir\n"),
        ("\\dv", "public|named|view|weir\n"),
        ("\\dm", "public|total|materialized view|weir\n"),
        ("\\di", "public|customers_pkey|index|weir|customers\n"),
        ("\\dn", "dlq|weir\nlate|weir\npublic|weir\nsys|weir\n"),
        ("\\l", "weir|weir|UTF8|C.UTF-8|C.UTF-8||libc|\n"),
        ("\\df", ""),
        ("\\dT", ""),
    ];
    for (command, expected) in lists {
        assert_eq!(shown(&process, &["-At"], command), expected, "{command}");
    }
    let functions = shown(&process, &["-At"], "\\dfS pg_sleep");
    assert_eq!(functions, "pg_catalog|pg_sleep|void|double precision|func\n");
    let types = shown(&process, &["-At"], "\\dTS uuid");
    assert!(types.starts_with("pg_catalog|uuid|"), "{types}");
}

/// Every backslash command that asks the server is answered, if with an empty list.
#[test]
fn every_command_that_lists_is_answered() {
    let Some((_dir, process)) = server() else { return };
    let commands = "
        \\da \\dA+ \\dAc \\dAf \\dAo \\dAp \\db+ \\dc \\dC \\dd \\dD \\ddp \\dE \\des \\deu \\dew \\dF \\dFd
        \\dFp \\dFt \\dg+ \\dl \\dL \\do \\dO \\dp \\dP \\drds \\dRp+ \\dRs \\dt+ \\dt *.* \\dT+ \\du \\dx
        \\dX \\dy \\l+ \\z \\dn+ \\dconfig \\df+ \\dv+ \\dm+ \\di+ \\encoding \\conninfo
        \\sv named \\sf version";
    let script = commands.replace('\\', "\n\\");
    let complaints: Vec<String> = complaint(&process, &script)
        .lines()
        .filter(|line| !line.contains("Did not find any"))
        .map(str::to_owned)
        .collect();
    assert_eq!(complaints, Vec::<String>::new());
}

#[test]
fn errors_and_notices_are_shown_with_state_place_and_hint() {
    let Some((_dir, process)) = server() else { return };
    let error = complaint(&process, "\\set VERBOSITY verbose\nSELECT id,\n  nope FROM customers;");
    assert!(error.starts_with("ERROR:  42703: column \"nope\" does not exist\n"), "{error}");
    assert!(error.contains("LINE 2:   nope FROM customers;\n          ^"), "{error}");
    let error = complaint(&process, "\\set VERBOSITY verbose\nSELECT 1; SELECT 1/0;");
    assert!(error.starts_with("ERROR:  22012: division by zero"), "{error}");
    let error = complaint(&process, "INSERT INTO customers VALUES (1, 'ann');");
    assert!(error.contains("customers_pkey"), "{error}");
    let notice = complaint(&process, "DROP TABLE IF EXISTS nope;");
    assert_eq!(notice, "NOTICE:  table \"nope\" does not exist, skipping\n");
    assert_eq!(
        complaint(
            &process,
            "CREATE MATERIALIZED VIEW m AS SELECT a.id FROM customers AS a, customers AS b;"
        )
        .lines()
        .next()
        .unwrap()
        .split(':')
        .next(),
        Some("NOTICE")
    );
}

#[test]
fn a_statement_of_a_hundred_megabytes_gets_its_error() {
    let Some((_dir, process)) = server() else { return };
    let script = format!("SELECT '{}';\n", "x".repeat(100 << 20));
    let error = complaint(&process, &script);
    assert!(error.starts_with("FATAL:  message too long\nDETAIL:  It has 104"), "{error}");
    assert_eq!(shown(&process, &["-At"], "SELECT 1"), "1\n");
}

#[test]
fn the_prompt_tells_where_the_transaction_is() {
    let Some((_dir, process)) = server() else { return };
    // psql prompts on a terminal only.
    let shell = psql(&process, &["-q", "-n"]);
    let words = shell.get_args().map(|word| format!("'{}'", word.to_string_lossy()));
    let line = format!("psql {}", words.collect::<Vec<_>>().join(" "));
    let mut command = Command::new("timeout");
    command.args(["60", "script", "-qec", &line, "/dev/null"]).env("TERM", "dumb");
    let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut child) = started else {
        eprintln!(
            "SKIPPED: timeout and script cannot be run; Debian has them in coreutils and bsdutils"
        );
        return;
    };
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut expect = |prompt: &str| {
        let (mut seen, mut byte) = (String::new(), [0]);
        while !seen.ends_with(prompt) {
            assert_eq!(stdout.read(&mut byte).unwrap(), 1, "no {prompt} but {seen:?}");
            seen.push(char::from(byte[0]));
        }
    };
    for (prompt, answer) in [
        ("weir=# ", "\\set PROMPT1 '<%x>'"),
        ("<>", "BEGIN;"),
        ("<*>", "SELECT 1/0;"),
        ("<!>", "ROLLBACK;"),
        ("<>", "\\q"),
    ] {
        expect(prompt);
        writeln!(stdin, "{answer}").unwrap();
    }
    assert!(child.wait().unwrap().success());
}

#[test]
fn several_statements_of_one_message_are_one_transaction() {
    let Some((_dir, process)) = server() else { return };
    let both = "INSERT INTO clicks VALUES (now(), 'x')\\; SELECT 1/0;\n";
    assert!(complaint(&process, both).contains("division by zero"));
    let counted = shown(&process, &["-At"], "SELECT 1\\; SELECT count(*) FROM clicks;");
    assert_eq!(counted, "1\n0\n");
    // What a COMMIT between them has ended stays; what comes behind it is another transaction.
    let parts = "INSERT INTO clicks VALUES (now(), 'kept')\\; COMMIT\\; \
                 INSERT INTO clicks VALUES (now(), 'lost')\\; SELECT 1/0;\n";
    assert!(complaint(&process, parts).contains("division by zero"));
    assert_eq!(shown(&process, &["-At"], "SELECT url FROM clicks;"), "kept\n");
}

#[test]
fn copy_goes_out_and_in_in_every_format() {
    let Some((dir, process)) = server() else { return };
    for (format, options) in
        [("text", "(format text)"), ("csv", "(format csv, header)"), ("binary", "(format binary)")]
    {
        let file = dir.path().join(format);
        let file = file.display();
        let script = format!(
            "CREATE TABLE copy_{format} (id bigint PRIMARY KEY, name text, email varchar(80), \
                 score numeric(10,2), tags text[]);
             \\copy customers TO '{file}' {options}
             \\copy copy_{format} FROM '{file}' {options}
             SELECT count(*) FROM (TABLE customers EXCEPT ALL TABLE copy_{format}) d;
             SELECT count(*) FROM copy_{format};
             \\copy (SELECT id FROM copy_{format} ORDER BY id) TO STDOUT"
        );
        let expected = "CREATE TABLE\nCOPY 2\nCOPY 2\n0\n2\n1\n2\n";
        assert_eq!(shown(&process, &["-At"], &script), expected, "{format}");
    }
    let text = std::fs::read_to_string(dir.path().join("text")).unwrap();
    assert_eq!(text, "1\tann\ta@x\t1.50\t{a,\"b c\"}\n2\tbob\t\\N\t\\N\t\\N\n");
    let bad = "\\copy customers FROM STDIN\nthree\tx\ty\t1\t{}\n\\.\n";
    let error = complaint(&process, bad);
    assert!(error.contains("invalid input syntax for type bigint: \"three\""), "{error}");
    assert!(error.contains("COPY customers, line 1, column id"), "{error}");
}

#[test]
fn display_settings_and_repetition_work() {
    let Some((_dir, process)) = server() else { return };
    let expanded = shown(&process, &[], "\\x\nSELECT id, name FROM customers ORDER BY id LIMIT 1;");
    assert!(expanded.ends_with("-[ RECORD 1 ]\nid   | 1\nname | ann\n\n"), "{expanded}");
    let timed = shown(&process, &["-At"], "\\timing\nSELECT 1;");
    assert!(timed.contains("1\nTime: "), "{timed}");
    // \watch goes on until it is interrupted.
    let mut child = spawn(&process, "SELECT count(*) FROM customers \\watch 0.05\n");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut counts = 0;
    while counts < 3 {
        counts += usize::from(lines.next().expect("psql goes on").unwrap() == "2");
    }
    interrupt(&child);
    drop(lines);
    child.wait().unwrap();
    let gset = shown(
        &process,
        &["-At"],
        "SELECT 1 AS a, 'x' AS b \\gset\n\\echo :a :b\nSELECT 2 AS c \\gdesc",
    );
    assert_eq!(gset, "1 x\nc|integer\n");
    assert_eq!(shown(&process, &["-At"], "SELECT 'SELECT 7' \\gexec"), "7\n");
}

fn spawn(process: &Process, script: &str) -> Child {
    let mut command = psql(process, &["-q", "-At", "-v", "VERBOSITY=verbose", "-f", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(script.as_bytes()).unwrap();
    child
}

/// Ctrl-C.
fn interrupt(child: &Child) {
    kill_process(Pid::from_child(child), Signal::INT).unwrap();
}

/// Interrupts psql when the server says that it runs a statement like this.
fn cancelled(process: &Process, script: &str, running: &str) -> String {
    let mut child = spawn(process, script);
    let waiting = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' \
         AND query LIKE '%{running}%' AND pid <> pg_backend_pid();"
    );
    while shown(process, &["-At"], &waiting) != "1\n" {
        if child.try_wait().unwrap().is_some() {
            panic!("{running} ended by itself: {:?}", child.wait_with_output());
        }
    }
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn ctrl_c_ends_a_sleep_a_long_query_and_a_wait_for_a_view() {
    let Some((_dir, process)) = server() else { return };
    let ended = "57014: canceling statement due to user request";
    let error = cancelled(&process, "SELECT pg_sleep(1000);\n", "pg_sleep(1000)");
    assert!(error.contains(ended), "{error}");
    let long =
        "SELECT count(*) FROM generate_series(1, 3000000) a, generate_series(1, 3000000) b;\n";
    let error = cancelled(&process, long, "3000000");
    assert!(error.contains(ended), "{error}");
    // A strict read waits for the tick of a view that has much to do.
    let slow = "CREATE MATERIALIZED VIEW slow AS SELECT count(*) AS n FROM customers c, \
                generate_series(1, 2000000) a, generate_series(1, 2000000) b WHERE a <> b;";
    let made = run(&process, &["-q"], slow);
    assert!(made.status.success(), "{made:?}");
    let error = cancelled(&process, "SELECT n FROM slow;\n", "SELECT n FROM slow");
    assert!(error.contains(ended), "{error}");
    assert!(run(&process, &["-q"], "DROP MATERIALIZED VIEW slow;").status.success());
    // The server answers as before.
    assert_eq!(shown(&process, &["-At"], "SELECT pg_sleep(0.01), 1;"), "|1\n");
}

/// Peak memory of a process, in KiB.
#[cfg(target_os = "linux")]
fn peak_kib(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn large_results_leave_in_bounded_memory() {
    let Some((_dir, process)) = server() else { return };
    let before = peak_kib(process.pid());
    let rows = 5_000_000;
    let copy = format!(
        "COPY (SELECT a * 1000 + b FROM generate_series(1, {}) a, generate_series(1, 1000) b) TO STDOUT;\n",
        rows / 1000
    );
    let mut child = spawn(&process, &copy);
    let mut stdout = child.stdout.take().unwrap();
    let (mut n_lines, mut buffer) = (0, vec![0; 1 << 16]);
    loop {
        let n = stdout.read(&mut buffer).unwrap();
        if n == 0 {
            break;
        }
        n_lines += buffer[..n].iter().filter(|byte| **byte == b'\n').count();
    }
    assert!(child.wait().unwrap().success());
    assert_eq!(n_lines, rows);
    let grown = peak_kib(process.pid()) - before;
    assert!(grown < 200 << 10, "the server grew by {grown} KiB");
}

#[test]
fn an_unknown_database_is_refused() {
    let Some((_dir, process)) = server() else { return };
    let error = run(&process, &["-d", "nope", "-c", "SELECT 1"], "").stderr;
    let error = String::from_utf8(error).unwrap();
    assert!(error.contains("database \"nope\" does not exist"), "{error}");
}
