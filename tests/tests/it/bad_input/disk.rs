//! Disks that are full, bytes that changed, directories of others.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use tokio_postgres::{Client, SimpleQueryMessage};
use weir_tests::dice::Dice;
use weir_tests::process::{Process, Starting, command, serve};

use super::{failure, value};

/// Statements that fill a log before it is damaged, and rows of each.
const BLOCKS: usize = 80;
const ROWS_OF_A_BLOCK: usize = 20;

/// A small file system in memory; unmounted at the end.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None` where this user may not mount.
    fn mount(megabytes: u32) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "weir-test"])
            .arg(dir.path())
            .status();
        mounted.is_ok_and(|status| status.success()).then_some(Self(dir))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // What is left is in memory of a test that has failed already.
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_refuses_writes_until_there_is_room() {
    let Some(disk) = SmallDisk::mount(512) else {
        eprintln!("SKIPPED: a full disk needs root, to mount a small file system");
        return;
    };
    let mut process = Process::start(&disk.path("data"));
    let client = process.connect().await;
    client.batch_execute("CREATE STREAM s (a bigint, pad text)").await.unwrap();
    client.batch_execute("CREATE MATERIALIZED VIEW v AS SELECT a FROM s").await.unwrap();
    client.batch_execute("INSERT INTO s VALUES (0, 'first')").await.unwrap();
    // Room for some 20 MB more: less than the store keeps in memory before it writes tables.
    std::fs::write(disk.path("filler"), vec![0; (512 - 320 - 20) << 20]).unwrap();
    let mut dice = Dice::new(1);
    let mut acknowledged = 1;
    let (code, message, _) = loop {
        let pad: String = (0..60_000).map(|_| format!("{:016x}", dice.bits())).collect();
        let sql = format!("INSERT INTO s VALUES ({acknowledged}, '{pad}')");
        if client.batch_execute(&sql).await.is_err() {
            break failure(&client, &sql).await;
        }
        acknowledged += 1;
        assert!(acknowledged < 40, "the disk does not get full");
    };
    assert_eq!(code, "53100", "{message}");
    // Even without a byte to spare it answers.
    let mut rest = std::fs::File::create(disk.path("rest")).unwrap();
    while std::io::Write::write_all(&mut rest, &[0; 4096]).is_ok() {}
    drop(rest);
    assert_eq!(failure(&client, "INSERT INTO s VALUES (-1, '')").await.0, "53100");
    assert_eq!(failure(&client, "CREATE TABLE t (a int)").await.0, "53100");
    assert_eq!(value(&client, "SELECT count(*) FROM v").await, acknowledged.to_string());
    std::fs::remove_file(disk.path("filler")).unwrap();
    std::fs::remove_file(disk.path("rest")).unwrap();
    client.batch_execute(&format!("INSERT INTO s VALUES ({acknowledged}, '')")).await.unwrap();
    let all = (acknowledged + 1).to_string();
    assert_eq!(value(&client, "SELECT count(*) FROM v").await, all);
    process.kill();
    let process = Process::start(&disk.path("data"));
    let client = process.connect().await;
    assert_eq!(value(&client, "SELECT count(DISTINCT a) FROM s").await, all);
    assert_eq!(value(&client, "SELECT count(*) FROM s").await, all);
    drop(process);
}

/// Rows of the stream, or the SQLSTATE of reading them.
async fn read(client: &Client) -> Result<BTreeSet<(String, String)>, String> {
    let answer = client.simple_query("SELECT a, pad FROM s").await;
    let answer = answer
        .map_err(|error| error.code().map_or_else(String::new, |code| code.code().to_owned()))?;
    let text = |cell: Option<&str>| cell.unwrap_or("NULL").to_owned();
    let rows = answer.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some((text(row.get(0)), text(row.get(1)))),
        _ => None,
    });
    Ok(rows.collect())
}

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

/// Writes rows, flips a byte in each file that holds some, and starts the server on it.
async fn damage(kill: bool, row_bytes: usize, endings: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let original = dir.path().join("original");
    let mut process = Process::start(&original);
    let client = process.connect().await;
    client.batch_execute("CREATE STREAM s (a bigint, pad text)").await.unwrap();
    let mut dice = Dice::new(7);
    let mut pad =
        || (0..row_bytes / 16).map(|_| format!("{:016x}", dice.bits())).collect::<String>();
    for block in 0..BLOCKS {
        let rows: Vec<String> = (0..ROWS_OF_A_BLOCK)
            .map(|row| format!("({}, '{}')", block * ROWS_OF_A_BLOCK + row, pad()))
            .collect();
        client.batch_execute(&format!("INSERT INTO s VALUES {}", rows.join(", "))).await.unwrap();
    }
    let expected = read(&client).await.unwrap();
    assert_eq!(expected.len(), BLOCKS * ROWS_OF_A_BLOCK);
    if kill {
        process.kill();
    } else {
        assert!(process.stop().success());
    }
    let mut all = Vec::new();
    files(&original, &mut all);
    let holds_rows = |path: &&PathBuf| {
        let name = path.to_string_lossy();
        endings.iter().any(|ending| name.ends_with(ending))
            && path.metadata().unwrap().len() > 10_000
    };
    let targets: Vec<&PathBuf> = all.iter().filter(holds_rows).collect();
    assert!(!targets.is_empty(), "no file with rows in {all:#?}");
    let (mut refused, mut unread) = (0, 0);
    for target in targets {
        for round in 0..4 {
            let damaged = dir.path().join("damaged");
            copy(&original, &damaged);
            let path = damaged.join(target.strip_prefix(&original).unwrap());
            let mut bytes = std::fs::read(&path).unwrap();
            // In the middle, where rows are, not in what the store keeps for itself at the ends.
            let at = bytes.len() / 4 + dice.below(bytes.len() / 2);
            bytes[at] ^= 1 << dice.below(8);
            std::fs::write(&path, bytes).unwrap();
            let place = format!("{} byte {at}, round {round}", path.display());
            match Starting::spawn(serve(&damaged)).ready() {
                Err(ended) => {
                    assert_eq!(ended.status.code(), Some(1), "{place}: {ended:#?}");
                    assert!(ended.stderr.contains("weir: error: "), "{place}: {ended:#?}");
                    refused += 1;
                }
                Ok(process) => {
                    let client = process.connect().await;
                    match read(&client).await {
                        Ok(rows) => assert_eq!(rows, expected, "{place}: wrong rows"),
                        Err(code) => {
                            assert_eq!(code, "XX001", "{place}");
                            unread += 1;
                        }
                    }
                    // A damaged stream harms no other statement.
                    assert_eq!(value(&client, "SELECT 1").await, "1");
                }
            }
            std::fs::remove_dir_all(&damaged).unwrap();
        }
    }
    println!("{refused} starts and {unread} reads refused");
    assert!(refused + unread > 0, "no damage was seen");
}

#[tokio::test]
async fn a_damaged_block_of_a_closed_log_is_never_handed_out() {
    // More than a memtable holds, so that there are tables.
    damage(false, 48_000, &[".blob", ".sst"]).await;
}

#[tokio::test]
async fn a_damaged_write_ahead_log_is_never_handed_out() {
    damage(true, 64, &[".log"]).await;
}

/// What a server that does not start says.
fn refusal(data_dir: &Path) -> String {
    match Starting::spawn(serve(data_dir)).ready() {
        Ok(_) => panic!("the server started on {}", data_dir.display()),
        Err(ended) => {
            assert_eq!(ended.status.code(), Some(1), "{ended:#?}");
            ended.stderr
        }
    }
}

/// Names and contents of all files.
fn snapshot(dir: &Path) -> BTreeSet<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    files(dir, &mut found);
    found.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

#[tokio::test]
async fn a_directory_of_a_newer_format_or_without_manifest_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    assert!(Process::start(&data).stop().success());
    let manifest = data.join("FORMAT");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let newer = text.replace("format 1\n", "format 9\n");
    let body = &newer[..newer.find("crc ").unwrap()];
    std::fs::write(&manifest, format!("{body}crc {:08x}\n", crc32c::crc32c(body.as_bytes())))
        .unwrap();
    let before = snapshot(&data);
    let said = refusal(&data);
    assert!(said.contains("format 9") && said.contains("hint: "), "{said}");
    assert_eq!(snapshot(&data), before, "something was touched");

    std::fs::write(&manifest, text.replace("id ", "id 0")).unwrap();
    let said = refusal(&data);
    assert!(said.contains("damaged"), "{said}");

    std::fs::remove_file(&manifest).unwrap();
    let before = snapshot(&data);
    let said = refusal(&data);
    assert!(said.contains("FORMAT") && said.contains("hint: "), "{said}");
    assert_eq!(snapshot(&data), before, "something was touched");

    std::fs::write(&manifest, text).unwrap();
    assert!(Process::start(&data).stop().success());
}

/// The offset of the first record of a table's topic, as the server's log has it.
fn first_offset(data: &Path) -> u64 {
    let output = command().args(["log", "dump", "t", "--data-dir"]).arg(data).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let Some((_, first)) = text.split_once("\"offset\":") else { return u64::MAX };
    first.split(',').next().and_then(|first| first.parse().ok()).expect("a number")
}

/// Puts a copy of a folder in the place of another.
fn replace(to: &Path, from: &Path) {
    if to.exists() {
        std::fs::remove_dir_all(to).unwrap();
    }
    assert!(Command::new("cp").arg("-r").args([from, to]).status().unwrap().success());
}

#[tokio::test]
async fn a_log_that_was_cut_is_not_read_with_an_older_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let (state, old, new) = (data.join("state"), dir.path().join("old"), dir.path().join("new"));
    let process = Process::start(&data);
    let client = process.connect().await;
    client.batch_execute("CREATE TABLE t (k int PRIMARY KEY, v int)").await.unwrap();
    client.batch_execute("INSERT INTO t SELECT i, 0 FROM generate_series(1, 100) i").await.unwrap();
    assert!(process.stop().success());
    replace(&old, &state);
    let process = Process::start(&data);
    let client = process.connect().await;
    let begin = first_offset(&data);
    // A checkpoint has the rows that come before it; then their changes go.
    while first_offset(&data) == begin {
        client.batch_execute("UPDATE t SET v = v + 1").await.unwrap();
    }
    let rows = value(&client, "SELECT count(*) || ' ' || sum(k) FROM t").await;
    assert!(process.stop().success());
    replace(&new, &state);

    replace(&state, &old);
    let ended = Starting::spawn(serve(&data)).ready().err().expect("the start is refused");
    assert!(ended.stderr.contains("relying on"), "{}", ended.stderr);
    std::fs::remove_dir_all(&state).unwrap();
    let ended = Starting::spawn(serve(&data)).ready().err().expect("the start is refused");
    assert!(ended.stderr.contains("relying on"), "{}", ended.stderr);

    replace(&state, &new);
    let process = Process::start(&data);
    let client = process.connect().await;
    assert_eq!(value(&client, "SELECT count(*) || ' ' || sum(k) FROM t").await, rows);
}
