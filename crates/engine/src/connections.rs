//! All connections: cancel requests, `sys.connections`, the limit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use parking_lot::Mutex;
use weir_env::Rng;
use weir_types::{Error, Result, SqlState, Timestamp};

use crate::session::{Interrupt, SessionStartup, TransactionStatus};
use crate::system::ConnectionRow;

/// Most connections at once: each is a task and some buffers.
const CONNECTIONS_MAX: usize = 10_000;
/// Most bytes of a statement that are shown: enough to know it by, and PostgreSQL's default.
const QUERY_BYTES_MAX: usize = 1024;

/// All connections.
pub(crate) struct Connections {
    next_pid: AtomicI32,
    rng: Mutex<Rng>,
    open: Mutex<BTreeMap<i32, Entry>>,
}

struct Entry {
    secret: i32,
    interrupt: Interrupt,
    row: Arc<Mutex<ConnectionRow>>,
}

/// One connection's place among them.
pub(crate) struct Connection {
    pid: i32,
    secret: i32,
    row: Arc<Mutex<ConnectionRow>>,
}

impl Connections {
    pub(crate) fn new(rng: Rng) -> Self {
        Self { next_pid: AtomicI32::new(1), rng: Mutex::new(rng), open: Mutex::default() }
    }

    /// A new connection.
    ///
    /// # Errors
    /// 53300 above the limit.
    pub(crate) fn add(
        &self,
        startup: &SessionStartup,
        interrupt: Interrupt,
        now: Timestamp,
    ) -> Result<Connection> {
        let mut open = self.open.lock();
        if open.len() >= CONNECTIONS_MAX {
            return Err(Error::new(
                SqlState::TooManyConnections,
                "sorry, too many clients already",
            ));
        }
        let pid = self.next_pid.fetch_add(1, Ordering::Relaxed);
        let secret = self.rng.lock().next_u64() as i32;
        let name = startup.settings.iter().find(|(name, _)| name == "application_name");
        let (address, port) = match startup.peer.rsplit_once(':') {
            Some((address, port)) => (Some(address.to_owned()), port.parse().unwrap_or(-1)),
            None => (None, -1),
        };
        let row = ConnectionRow {
            pid,
            user: startup.user.clone(),
            application_name: name.map(|(_, value)| value.clone()).unwrap_or_default(),
            client_address: address,
            client_port: port,
            backend_start: now,
            state: "idle".to_owned(),
            ..ConnectionRow::default()
        };
        let row = Arc::new(Mutex::new(row));
        open.insert(pid, Entry { secret, interrupt, row: Arc::clone(&row) });
        Ok(Connection { pid, secret, row })
    }

    pub(crate) fn remove(&self, pid: i32) {
        self.open.lock().remove(&pid);
    }

    /// Ends the running statement of a connection, where the secret is right.
    pub(crate) fn cancel(&self, pid: i32, secret: i32) {
        if let Some(entry) = self.open.lock().get(&pid) {
            // One comparison of whole numbers takes the same time for every secret.
            if entry.secret ^ secret == 0 {
                entry.interrupt.cancel();
            }
        }
    }

    /// Cancels or ends a connection by its number; false where there is none.
    pub(crate) fn signal(&self, pid: i32, terminate: bool) -> bool {
        match self.open.lock().get(&pid) {
            Some(entry) if terminate => entry.interrupt.terminate(),
            Some(entry) => entry.interrupt.cancel(),
            None => return false,
        }
        true
    }

    /// Ends all connections' statements.
    pub(crate) fn terminate_all(&self) {
        for entry in self.open.lock().values() {
            entry.interrupt.terminate();
        }
    }

    /// All connections, for system relations.
    pub(crate) fn rows(&self) -> Vec<ConnectionRow> {
        self.open.lock().values().map(|entry| entry.row.lock().clone()).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.open.lock().len()
    }
}

impl Connection {
    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    pub(crate) fn secret(&self) -> i32 {
        self.secret
    }

    /// A statement begins.
    pub(crate) fn active(&self, text: &str, now: Timestamp) {
        let row = &mut *self.row.lock();
        "active".clone_into(&mut row.state);
        // A long one is not kept twice.
        text[..text.floor_char_boundary(QUERY_BYTES_MAX)].clone_into(&mut row.query);
        row.query_start = Some(now);
        row.state_change = Some(now);
    }

    /// The statement is over.
    pub(crate) fn idle(&self, now: Timestamp, status: TransactionStatus) {
        let state = match status {
            TransactionStatus::Idle => "idle",
            TransactionStatus::InBlock => "idle in transaction",
            TransactionStatus::Failed => "idle in transaction (aborted)",
        };
        let row = &mut *self.row.lock();
        state.clone_into(&mut row.state);
        row.state_change = Some(now);
    }
}
