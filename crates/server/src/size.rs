//! Sizes in bytes, as PostgreSQL writes them: `kB`, `MB`, `GB`, `TB` are powers of 1,024.

use std::fs;

/// Used where the system does not tell how much memory there is.
const UNKNOWN_MEMORY: usize = 2 << 30;

/// Reads `1073741824`, `512MB`, `4 GB`.
///
/// # Errors
/// What a size looks like, as a sentence for the user.
pub(crate) fn parse_size(text: &str) -> Result<usize, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let factor = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => Some(1),
        "kb" | "kib" => Some(1 << 10),
        "mb" | "mib" => Some(1 << 20),
        "gb" | "gib" => Some(1 << 30),
        "tb" | "tib" => Some(1_usize << 40),
        _ => None,
    };
    let number: Option<usize> = text[..digits].parse().ok();
    number
        .zip(factor)
        .and_then(|(number, factor)| number.checked_mul(factor))
        .filter(|size| *size > 0)
        .ok_or_else(|| {
            "a size is a whole number with B, kB, MB, GB or TB, such as 512MB".to_owned()
        })
}

/// Half of what the machine, or the container, has: the rest is RocksDB's and the system's.
pub(crate) fn default_memory_limit() -> usize {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_memory(&text));
    // "max" where the container has no limit, which does not parse.
    let container = fs::read_to_string("/sys/fs/cgroup/memory.max")
        .ok()
        .and_then(|text| text.trim().parse::<usize>().ok());
    machine.into_iter().chain(container).min().unwrap_or(UNKNOWN_MEMORY) / 2
}

fn total_memory(meminfo: &str) -> Option<usize> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    parse_size(line).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_postgresql_units() {
        assert_eq!(parse_size("1024"), Ok(1024));
        assert_eq!(parse_size("512MB"), Ok(512 << 20));
        assert_eq!(parse_size(" 4 gb "), Ok(4 << 30));
        assert_eq!(parse_size("1KiB"), Ok(1024));
        for bad in ["", "0", "-1", "1.5GB", "GB", "5 parsecs", "99999999999999999999", "20000000TB"]
        {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_machine_s_memory_is_found() {
        let text = "MemTotal:       16384256 kB\nMemFree:  1 kB\n";
        assert_eq!(total_memory(text), Some(16_384_256 << 10));
        assert_eq!(total_memory("MemFree: 1 kB\n"), None);
    }
}
