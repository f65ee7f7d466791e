//! wyhash, final version 4.2, of one run of bytes.

/// Constants of wyhash; also those of the hash of rows.
pub(super) const SECRET: [u64; 4] =
    [0x2d35_8dcc_aa6c_78a5, 0x8bb8_4b93_962e_acc9, 0x4b33_a62e_d433_d4a3, 0x4d5a_2da5_1de1_aa47];

/// The two halves of the 128-bit product, folded into one.
#[inline]
pub(super) fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

#[inline]
fn read_u32(bytes: &[u8], at: usize) -> u64 {
    let word: [u8; 4] = bytes[at..at + 4].try_into().expect("four bytes");
    u64::from(u32::from_le_bytes(word))
}

#[inline]
fn read_u64(bytes: &[u8], at: usize) -> u64 {
    let word: [u8; 8] = bytes[at..at + 8].try_into().expect("eight bytes");
    u64::from_le_bytes(word)
}

#[inline]
pub(super) fn wyhash(bytes: &[u8], seed: u64) -> u64 {
    let n = bytes.len();
    let seed = seed ^ mix(seed ^ SECRET[0], SECRET[1]);
    let (a, b, seed) = if n > 16 {
        long(bytes, seed)
    } else if n >= 4 {
        let step = (n >> 3) << 2;
        let a = read_u32(bytes, 0) << 32 | read_u32(bytes, step);
        let b = read_u32(bytes, n - 4) << 32 | read_u32(bytes, n - 4 - step);
        (a, b, seed)
    } else if n > 0 {
        let middle = bytes[n >> 1];
        let a = u64::from(bytes[0]) << 16 | u64::from(middle) << 8 | u64::from(bytes[n - 1]);
        (a, 0, seed)
    } else {
        (0, 0, seed)
    };
    let product = u128::from(a ^ SECRET[1]) * u128::from(b ^ seed);
    mix(product as u64 ^ SECRET[0] ^ n as u64, (product >> 64) as u64 ^ SECRET[1])
}

/// The last two words, and the seed after all that comes before them.
fn long(bytes: &[u8], mut seed: u64) -> (u64, u64, u64) {
    let (mut at, mut left) = (0, bytes.len());
    if left >= 48 {
        let (mut second, mut third) = (seed, seed);
        while left >= 48 {
            seed = mix(read_u64(bytes, at) ^ SECRET[1], read_u64(bytes, at + 8) ^ seed);
            second = mix(read_u64(bytes, at + 16) ^ SECRET[2], read_u64(bytes, at + 24) ^ second);
            third = mix(read_u64(bytes, at + 32) ^ SECRET[3], read_u64(bytes, at + 40) ^ third);
            at += 48;
            left -= 48;
        }
        seed ^= second ^ third;
    }
    while left > 16 {
        seed = mix(read_u64(bytes, at) ^ SECRET[1], read_u64(bytes, at + 8) ^ seed);
        at += 16;
        left -= 16;
    }
    let end = bytes.len();
    (read_u64(bytes, end - 16), read_u64(bytes, end - 8), seed)
}

#[cfg(test)]
mod tests {
    use super::wyhash;

    /// The vectors that wyhash's author publishes: message `i` under seed `i`.
    #[test]
    fn published_vectors() {
        let digits = "1234567890".repeat(8);
        let vectors = [
            ("", 0x9322_8a4d_e0ee_c5a2),
            ("a", 0xc5ba_c3db_1787_13c4),
            ("abc", 0xa97f_2f7b_1d9b_3314),
            ("message digest", 0x786d_1f1d_f380_1df4),
            ("abcdefghijklmnopqrstuvwxyz", 0xdca5_a813_8ad3_7c87),
            (
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
                0xb9e7_34f1_17cf_af70,
            ),
            (&digits, 0x6cc5_eab4_9a92_d617),
        ];
        for (seed, (message, hash)) in vectors.into_iter().enumerate() {
            assert_eq!(wyhash(message.as_bytes(), seed as u64), hash, "{message}");
        }
    }
}
