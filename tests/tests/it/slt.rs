//! The files of `tests/slt`, each in all its ways.

use std::path::PathBuf;

use weir_tests::postgres::Postgres;
use weir_tests::slt::{File, Way, play, write_from_postgres};

fn files() -> Vec<(PathBuf, File)> {
    // Below the package's folder, in which cargo runs tests: it need not be the one they were built in.
    let folder = PathBuf::from("slt");
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let file = File::parse(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        (path, file)
    };
    let files: Vec<_> = paths.into_iter().map(read).collect();
    assert!(files.len() >= 10, "{} files", files.len());
    files
}

fn all_hold(way: Way) {
    let filter = std::env::var("WEIR_SLT").unwrap_or_default();
    let mut wrong = Vec::new();
    for (path, file) in files() {
        if !path.to_string_lossy().contains(&filter) {
            continue;
        }
        if let Err(text) = play(&file, way, 7) {
            wrong.push(format!("==== {} ({way:?})\n{text}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn as_batch() {
    all_hold(Way::Batch);
}

#[test]
fn as_views() {
    all_hold(Way::Views);
}

#[test]
fn as_views_with_a_restart() {
    all_hold(Way::Restart);
}

/// With `WEIR_SLT_WRITE=1` the files are written as PostgreSQL answers; else they must be so.
#[test]
fn the_files_are_what_postgres_answers() {
    let server = match Postgres::shared() {
        Ok(server) => server,
        Err(reason) => {
            eprintln!("SLT FILES ARE NOT CHECKED AGAINST POSTGRESQL: {reason}");
            return;
        }
    };
    let client = server.client().unwrap();
    let writes = std::env::var("WEIR_SLT_WRITE").is_ok();
    for (path, file) in files() {
        let schema = format!("slt_{}", path.file_stem().unwrap().to_str().unwrap());
        client
            .run(&format!("RESET ALL; CREATE SCHEMA {schema}; SET search_path = {schema}"))
            .unwrap();
        let written = write_from_postgres(&file, &client)
            .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        if writes {
            std::fs::write(&path, written.text()).unwrap();
        } else {
            assert_eq!(file, written, "{}", path.display());
        }
    }
}
