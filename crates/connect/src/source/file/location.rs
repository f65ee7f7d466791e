//! Which files a path names: one file, the files of a folder, or those that match a glob.

use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use glob::MatchOptions;
use weir_types::{Error, Result, SqlState};

/// A regular file as a listing saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) size: u64,
    /// `None` where the file system does not tell.
    pub(super) modified: Option<SystemTime>,
}

/// Lists the files that `path` names now, by name.
///
/// Of a folder these are the regular files right in it whose names begin with neither `.` nor `_`:
/// other writers keep unfinished files and markers under such names. `*` of a glob stays within one
/// folder, `**` does not; hidden files match only where the pattern has the dot.
///
/// # Errors
/// 58P01 for a file or folder that does not exist, 42501 for one without permission, 22023 for a
/// malformed glob, 42809 for a device, pipe or socket. A glob without a match is no error: files
/// may come.
pub(super) fn list(path: &str) -> Result<Vec<Listed>> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => list_folder(path),
        Ok(metadata) if metadata.is_file() => Ok(vec![listed(path.to_owned(), &metadata)]),
        Ok(_) => Err(Error::new(
            SqlState::WrongObjectType,
            format!("\"{path}\" is neither a regular file nor a folder"),
        )
        .with_hint("Devices, pipes and sockets cannot be read again after a restart.")),
        Err(error) if error.kind() == ErrorKind::NotFound && is_glob(path) => list_glob(path),
        Err(error) => Err(Error::io(format!("could not open file \"{path}\""), &error)),
    }
}

/// The path from the root: a relative one begins at the working directory.
///
/// # Errors
/// 58P01 where the working directory is gone.
pub(in crate::source) fn absolute(path: &str) -> Result<String> {
    if Path::new(path).is_absolute() {
        return Ok(path.to_owned());
    }
    let begin = std::env::current_dir()
        .map_err(|error| Error::io("could not find the working directory", &error))?;
    let begin = begin.to_string_lossy();
    // A bracket in the name of the directory is none of the pattern's.
    let begin = if is_glob(path) { glob::Pattern::escape(&begin) } else { begin.into_owned() };
    Ok(format!("{}/{path}", begin.trim_end_matches('/')))
}

/// True where the path is a pattern rather than a name.
pub(super) fn is_glob(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

fn list_folder(path: &str) -> Result<Vec<Listed>> {
    let unreadable = |error| Error::io(format!("could not read folder \"{path}\""), &error);
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if entry.file_name().as_encoded_bytes().starts_with(b".")
            || entry.file_name().as_encoded_bytes().starts_with(b"_")
        {
            continue;
        }
        add_regular(entry.path(), &mut files)?;
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

fn list_glob(pattern: &str) -> Result<Vec<Listed>> {
    let root = fixed_part(pattern);
    fs::metadata(root).map_err(|error| {
        Error::io(format!("could not open folder \"{}\"", root.display()), &error)
    })?;
    let options = MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    let paths = glob::glob_with(pattern, options).map_err(|error| {
        Error::new(SqlState::InvalidParameterValue, format!("invalid glob \"{pattern}\": {error}"))
    })?;
    let mut files = Vec::new();
    for found in paths {
        let path = found.map_err(|error| {
            let what = format!("could not read folder \"{}\"", error.path().display());
            Error::io(what, error.error())
        })?;
        add_regular(path, &mut files)?;
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

/// The folder above the first part of a pattern that is not a plain name.
fn fixed_part(pattern: &str) -> &Path {
    let end = pattern.find(['*', '?', '[']).unwrap_or(pattern.len());
    match pattern[..end].rfind('/') {
        Some(0) => Path::new("/"),
        Some(slash) => Path::new(&pattern[..slash]),
        None => Path::new("."),
    }
}

/// Adds a path if it is a regular file. One that went since the listing is left out.
fn add_regular(path: PathBuf, files: &mut Vec<Listed>) -> Result<()> {
    let metadata = match fs::metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            return Err(Error::io(format!("could not open file \"{}\"", path.display()), &error));
        }
    };
    if !metadata.is_file() {
        return Ok(());
    }
    let Some(name) = path.to_str() else {
        return Err(Error::new(
            SqlState::CharacterNotInRepertoire,
            format!("the name of file \"{}\" is not UTF-8", path.display()),
        ));
    };
    files.push(listed(name.to_owned(), &metadata));
    Ok(())
}

fn listed(name: String, metadata: &Metadata) -> Listed {
    Listed { name, size: metadata.len(), modified: metadata.modified().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &str) -> Vec<String> {
        let names = list(path).expect("the folder can be listed").into_iter();
        names
            .map(|file| file.name.rsplit('/').next().expect("a path has a last part").to_owned())
            .collect()
    }

    #[test]
    fn a_path_names_a_file_a_folder_or_a_glob() {
        let dir = tempfile::tempdir().expect("a temporary place is made");
        let root = dir.path().to_str().expect("the path is UTF-8");
        for name in ["b.json", "a.json", "c.csv", ".hidden.json", "_SUCCESS", "sub/d.json"] {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().expect("the file system takes it"))
                .expect("the file system takes it");
            fs::write(path, name).expect("the file system takes it");
        }
        assert_eq!(names(root), ["a.json", "b.json", "c.csv"]);
        assert_eq!(names(&format!("{root}/*.json")), ["a.json", "b.json"]);
        assert_eq!(names(&format!("{root}/**/*.json")), ["a.json", "b.json", "d.json"]);
        assert_eq!(names(&format!("{root}/b.json")), ["b.json"]);
        assert!(names(&format!("{root}/*.parquet")).is_empty());
        assert_eq!(list(&format!("{root}/c.csv")).expect("the folder can be listed")[0].size, 5);
    }

    #[test]
    fn a_name_that_looks_like_a_glob_is_taken_as_it_is() {
        let dir = tempfile::tempdir().expect("a temporary place is made");
        fs::write(dir.path().join("a[1].json"), "").expect("the file system takes it");
        assert_eq!(
            names(dir.path().join("a[1].json").to_str().expect("the path is UTF-8")),
            ["a[1].json"]
        );
    }

    #[test]
    fn a_relative_path_begins_at_the_working_directory() {
        let here = std::env::current_dir().expect("the process has a directory");
        assert_eq!(
            absolute("a/*.json").expect("the folder can be listed"),
            format!("{}/a/*.json", here.display())
        );
        assert_eq!(absolute("/a/*.json").expect("the folder can be listed"), "/a/*.json");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let dir = tempfile::tempdir().expect("a temporary place is made");
        let root = dir.path().to_str().expect("the path is UTF-8");
        let state = |path: &str| list(path).unwrap_err().state().code();
        assert_eq!(state(&format!("{root}/none.json")), "58P01");
        assert_eq!(state(&format!("{root}/none/*.json")), "58P01");
        assert_eq!(state(&format!("{root}/a**b")), "22023");
        assert_eq!(state("/dev/null"), "42809");
        let error = list(&format!("{root}/none.json")).unwrap_err();
        assert!(error.message().starts_with(&format!("could not open file \"{root}/none.json\"")));
    }

    #[test]
    fn the_fixed_part_of_a_glob_ends_above_the_first_wildcard() {
        assert_eq!(fixed_part("/data/2024-*/x.json"), Path::new("/data"));
        assert_eq!(fixed_part("/*.json"), Path::new("/"));
        assert_eq!(fixed_part("a?.json"), Path::new("."));
    }
}
