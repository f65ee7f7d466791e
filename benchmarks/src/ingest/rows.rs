//! The rows: five columns, some 100 bytes, the same for all.

use bytes::{BufMut, Bytes, BytesMut};

/// Their columns in SQL.
pub(crate) const COLUMNS: &str =
    "id bigint, customer text, amount double precision, quantity integer, note text";
/// Bytes of one message of COPY data.
const CHUNK: usize = 64 << 10;

/// Rows, encoded once: what is measured is the server.
pub(crate) struct Rows {
    pub(crate) count: usize,
    /// COPY's binary form, in pieces.
    pub(crate) copy: Vec<Bytes>,
    pub(crate) bytes: usize,
}

/// A row's values.
pub(crate) struct Row {
    pub(crate) id: i64,
    pub(crate) customer: String,
    pub(crate) amount: f64,
    pub(crate) quantity: i32,
    pub(crate) note: String,
}

impl Row {
    /// Row number `id`.
    pub(crate) fn new(id: i64) -> Self {
        let mixed = (id as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self {
            id,
            customer: format!("customer {}", mixed % 10_000),
            amount: (mixed >> 40) as f64 / 100.0,
            quantity: (mixed >> 50) as i32 % 100,
            note: format!("{mixed:016x} is what the customer said"),
        }
    }

    fn encode(&self, out: &mut BytesMut) {
        out.put_i16(5);
        out.put_i32(8);
        out.put_i64(self.id);
        out.put_i32(self.customer.len() as i32);
        out.put_slice(self.customer.as_bytes());
        out.put_i32(8);
        out.put_f64(self.amount);
        out.put_i32(4);
        out.put_i32(self.quantity);
        out.put_i32(self.note.len() as i32);
        out.put_slice(self.note.as_bytes());
    }

    /// The bytes of the row in COPY's binary form.
    pub(crate) fn encoded(&self) -> Bytes {
        let mut out = BytesMut::new();
        self.encode(&mut out);
        out.freeze()
    }
}

impl Rows {
    pub(crate) fn new(count: usize) -> Self {
        let mut copy = Vec::new();
        let mut out = BytesMut::new();
        out.put_slice(b"PGCOPY\n\xff\r\n\0");
        out.put_i32(0);
        out.put_i32(0);
        for id in 0..count {
            Row::new(id as i64).encode(&mut out);
            if out.len() >= CHUNK {
                copy.push(out.split().freeze());
            }
        }
        out.put_i16(-1);
        copy.push(out.freeze());
        let bytes = copy.iter().map(Bytes::len).sum();
        Self { count, copy, bytes }
    }
}
