//! The manifest of a data directory, the file `FORMAT`: which version of Weir can read it.
//!
//! It is text, so that people can read it too. The last line is the CRC-32C of all before it.
//!
//! ```text
//! weir data directory
//! format 1
//! id 6f1c0b7e54d2a9830f6e1d2c3b4a5968
//! crc 1a2b3c4d
//! ```

use std::path::Path;

use weir_env::Rng;
use weir_types::{Error, Result, SqlState};

/// The only format so far.
const FORMAT: u32 = 1;
const TITLE: &str = "weir data directory";

/// What the manifest says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// Tells this data directory from all others.
    pub(crate) id: [u8; 16],
}

impl Manifest {
    /// A manifest for a directory that has none.
    pub(crate) fn generate(rng: &mut Rng) -> Self {
        let mut id = [0; 16];
        rng.fill(&mut id);
        Self { id }
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        weir_env::replace_file(path, self.encode().as_bytes())
    }

    /// `None` where there is no such file.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>> {
        match std::fs::read(path) {
            Ok(bytes) => Self::decode(path, &bytes).map(Some),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::io(format!("cannot read manifest \"{}\"", path.display()), &e)),
        }
    }

    fn encode(&self) -> String {
        let id: String = self.id.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut text = format!("{TITLE}\nformat {FORMAT}\nid {id}\n");
        let crc = crc32c::crc32c(text.as_bytes());
        text.push_str(&format!("crc {crc:08x}\n"));
        text
    }

    fn decode(path: &Path, bytes: &[u8]) -> Result<Self> {
        let text = str::from_utf8(bytes).map_err(|_| damaged(path))?;
        let (body, crc) = text
            .strip_suffix('\n')
            .and_then(|text| text.rfind('\n').map(|end| text.split_at(end + 1)))
            .ok_or_else(|| damaged(path))?;
        // The CRC comes first: a flipped bit must not pass for a newer format.
        if crc != format!("crc {:08x}", crc32c::crc32c(body.as_bytes())) {
            return Err(damaged(path));
        }
        let mut lines = body.lines();
        if lines.next() != Some(TITLE) {
            return Err(damaged(path));
        }
        let format: u32 =
            field(lines.next(), "format ", path)?.parse().map_err(|_| damaged(path))?;
        if format != FORMAT {
            return Err(other_format(path, format));
        }
        let id = field(lines.next(), "id ", path)?;
        if id.len() != 32 {
            return Err(damaged(path));
        }
        let id = u128::from_str_radix(id, 16).map_err(|_| damaged(path))?;
        Ok(Self { id: id.to_be_bytes() })
    }
}

fn field<'a>(line: Option<&'a str>, name: &str, path: &Path) -> Result<&'a str> {
    line.and_then(|line| line.strip_prefix(name)).ok_or_else(|| damaged(path))
}

fn damaged(path: &Path) -> Error {
    Error::corrupt(format!("manifest \"{}\" is damaged", path.display()))
        .with_hint("Restore the file from a backup of the data directory.")
}

fn other_format(path: &Path, format: u32) -> Error {
    Error::new(
        SqlState::FeatureNotSupported,
        format!(
            "the data directory of manifest \"{}\" has format {format}, this version reads format {FORMAT}",
            path.display()
        ),
    )
    .with_hint("Start the version of Weir that wrote it, or a newer one. Nothing was changed.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifest_reads_back_and_any_flipped_bit_is_found() {
        let dir = tempfile::tempdir().expect("made");
        let path = dir.path().join("FORMAT");
        assert_eq!(Manifest::read(&path).expect("no file"), None);
        let manifest = Manifest::generate(&mut Rng::from_seed(1));
        manifest.write(&path).expect("written");
        assert_eq!(Manifest::read(&path).expect("read"), Some(manifest));
        let bytes = std::fs::read(&path).expect("read");
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let error = Manifest::decode(&path, &flipped).expect_err("damaged");
            assert_eq!(error.state(), SqlState::DataCorrupted, "bit {bit}: {error}");
        }
        for n_bytes in 0..bytes.len() {
            assert!(Manifest::decode(&path, &bytes[..n_bytes]).is_err(), "{n_bytes} bytes");
        }
    }
}
