//! Clock, threads and disk: the real ones, and a clock for tests.
//!
//! What the rest of Weir needs of the operating system goes through here, so that a simulator can stand
//! in its place.

mod clock;
mod disk;
mod lock;
mod random;
mod thread;

pub use clock::{Clock, ManualClock, SystemClock};
pub use disk::{free_bytes, replace_file, sync_dir};
pub use lock::DirLock;
pub use random::Rng;
pub use thread::{panic_text, run_side_by_side, spawn_thread};
