//! Whether an ingest is whole or not at all when the process is killed in it.
//!
//! **Left out:** loss of power. A kill leaves what the kernel has, so this tests RocksDB's order of steps,
//! not the disk's.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rocksdb::IteratorMode;

use super::{FILES, moving, open, write_files};
use crate::measure::mixed;
use crate::report::Table;
use crate::{DIRECTORY, INGEST, Result};

const KILLS: u64 = 50;
/// Rows of a round: few, so that the call takes much of the time.
const ROWS: u64 = 80;
/// A kill comes within this after the first round.
const KILL_MS_MAX: u64 = 200;

pub(super) fn table() -> Result<Table> {
    let dir = tempfile::tempdir_in(DIRECTORY)?;
    let (mut found, mut within, mut torn, mut lost) = (0, 0, 0, 0);
    for kill in 0..KILLS {
        let told = ingest_and_kill(dir.path(), Duration::from_millis(mixed(kill) % KILL_MS_MAX))?;
        within += u64::from(told.began > told.done);
        match round_of(dir.path())? {
            Some(round) => {
                lost += u64::from(round < told.done);
                found = round;
            }
            None => torn += 1,
        }
    }
    let title = format!(
        "A process that ingests rounds of {FILES} files into the same directory is killed (SIGKILL) up to \
         {KILL_MS_MAX} ms after its first round; then all rows must be of one round, not older than the last \
         that returned."
    );
    let columns = ["kills", "of them in the call", "rounds", "torn rounds", "lost rounds"];
    let mut table = Table::new(&title, &columns);
    table.row("ingest", &[KILLS, within, found, torn, lost].map(|count| count as f64));
    Ok(table)
}

/// What the process told before it was killed: the last round that it began, and that was done.
#[derive(Default)]
struct Told {
    began: u64,
    done: u64,
}

fn ingest_and_kill(dir: &Path, after: Duration) -> Result<Told> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg(INGEST)
        .arg(dir)
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = child.stdout.take().ok_or("the process has no output")?;
    let mut told = Told::default();
    let mut kill = Some(after);
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        match line.split_once(' ') {
            Some(("began", round)) => told.began = round.parse()?,
            Some(("done", round)) => told.done = round.parse()?,
            _ => return Err(format!("the process says {line}").into()),
        }
        if let Some(after) = kill.take_if(|_| told.done > 0) {
            std::thread::sleep(after);
            child.kill()?;
        }
    }
    child.wait()?;
    if told.done == 0 {
        return Err("the process ended before its first round".into());
    }
    Ok(told)
}

/// The round that all rows are of; `None` if they are of several, or not all there.
fn round_of(dir: &Path) -> Result<Option<u64>> {
    let db = open(&dir.join("db"))?;
    let (mut rounds, mut n_rows) = (BTreeSet::new(), 0);
    for row in db.iterator(IteratorMode::Start) {
        let (_, value) = row?;
        let round = value.first_chunk().ok_or("a value without a round")?;
        rounds.insert(u64::from_le_bytes(*round));
        n_rows += 1;
    }
    Ok(rounds.pop_first().filter(|_| rounds.is_empty() && n_rows == ROWS))
}

/// Ingests one round after the other, and tells each on standard output, before and after.
pub(crate) fn ingest_until_killed(dir: &Path) -> Result<()> {
    let db = open(&dir.join("db"))?;
    let files = dir.join("sst");
    // What a killed process left.
    if files.exists() {
        std::fs::remove_dir_all(&files)?;
    }
    let last = db.get(0_u64.to_be_bytes())?;
    let last = last.and_then(|value| Some(u64::from_le_bytes(*value.first_chunk()?)));
    let mut out = std::io::stdout();
    for round in last.map_or(1, |round| round + 1).. {
        let files = write_files(&files, round, ROWS)?;
        writeln!(out, "began {round}")?;
        db.ingest_external_file_opts(&moving(), files)?;
        writeln!(out, "done {round}")?;
    }
    Ok(())
}
