//! What Backline is trusted for, shown with the real program against the real studio and held against the studio's own bill: no
//! crash, fault of the network, the vendor or the disk, and no user buys a job twice or loses what was bought.
//!
//! ```text
//!  test ──► backline (faults.c preloaded: dies or fails at one exact call) ──► studio ──► bill
//!                 └── again, without a fault ──► exit code, ledger, tracks, summary ──► held against the bill
//! ```
//!
//! Nothing here sleeps: a test waits for exits, lines and the bill. `docs/guarantees.md` says what each test stands for.

#![expect(
    clippy::print_stdout,
    reason = "whoever asks with --nocapture reads the figures of docs/guarantees.md"
)]

pub(crate) mod fault;
mod namespace;
mod output_disk;
mod project;
mod shelf;
mod sweep;
mod vendor;

mod clock;
mod disk;
mod downloads;
mod endings;
mod interrupt;
mod kill;
mod manifests;
mod misbehave;
mod mistakes;
mod money;
mod names;
mod never_panics;
mod planted;
mod proxy;
mod read_only;
mod recordings;
mod recovery;
mod responses;
mod secrets;
mod steps;
mod strangers;
mod two_ledgers;
mod vendors;
