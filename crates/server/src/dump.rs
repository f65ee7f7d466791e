//! `weir log dump`: prints the records of a topic.

use std::io::{BufWriter, ErrorKind, Write};
use std::path::PathBuf;

use clap::Args;
use weir_types::{Error, Result};

use crate::config;

/// Flags of `weir log dump`.
#[derive(Args, Debug)]
pub(crate) struct DumpFlags {
    /// The stream or table, or one of its partitions as TOPIC/P
    topic: String,
    /// First offset to print
    #[arg(long, value_name = "OFFSET", default_value_t = 0)]
    from: u64,
    /// Where all data is [default: ./weir-data]
    #[arg(long, value_name = "DIR", env = "WEIR_DATA_DIR")]
    data_dir: Option<PathBuf>,
}

/// Prints the records to stdout. Ends quietly when the reader has seen enough (`| head`).
///
/// # Errors
/// The engine's, where the directory or the topic cannot be read; 58030 where stdout cannot be
/// written.
pub(crate) fn run(flags: &DumpFlags) -> Result<()> {
    let (topic, partition) = split_topic(&flags.topic);
    let data_dir = config::data_dir(flags.data_dir.as_ref());
    let mut out = Output { stdout: BufWriter::new(std::io::stdout().lock()), is_closed: false };
    let dumped = weir_engine::dump_log(&data_dir, topic, partition, flags.from, &mut out);
    let flushed = out.flush();
    if out.is_closed {
        return Ok(());
    }
    dumped?;
    flushed.map_err(|error| Error::io("could not write to stdout", &error))
}

/// `orders/3` is partition 3 of `orders`; a name may itself contain `/`.
fn split_topic(text: &str) -> (&str, Option<u32>) {
    match text.rsplit_once('/') {
        Some((topic, partition)) if !topic.is_empty() => match partition.parse() {
            Ok(partition) => (topic, Some(partition)),
            Err(_) => (text, None),
        },
        _ => (text, None),
    }
}

/// Stdout that remembers whether its reader is gone.
struct Output<W: Write> {
    stdout: W,
    is_closed: bool,
}

impl<W: Write> Output<W> {
    fn note<T>(&mut self, outcome: std::io::Result<T>) -> std::io::Result<T> {
        if let Err(error) = &outcome {
            self.is_closed |= error.kind() == ErrorKind::BrokenPipe;
        }
        outcome
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let outcome = self.stdout.write(bytes);
        self.note(outcome)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let outcome = self.stdout.flush();
        self.note(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_after_the_last_slash_is_a_partition() {
        assert_eq!(split_topic("orders"), ("orders", None));
        assert_eq!(split_topic("orders/3"), ("orders", Some(3)));
        assert_eq!(split_topic("a/b"), ("a/b", None));
        assert_eq!(split_topic("a/b/0"), ("a/b", Some(0)));
        assert_eq!(split_topic("/3"), ("/3", None));
    }
}
