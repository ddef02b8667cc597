//! The ledger in PostgreSQL: one account, one budget and one history for processes on several machines.
//!
//! ```text
//!  conductor of each process ──Batch──► append: one transaction, one writer at a time
//!                                         │  the row of `ledger` is locked
//!                                         │  versions are compared (fence)
//!                                         │  submissions are admitted: window, tasks in flight, credits
//!                                         ▼
//!                                       events, jobs, sums ──COMMIT──► Committed
//! ```
//!
//! All that is written takes the lock of one row first, so commits have an order, the places of events in the ledger follow it
//! without gaps, and sums are exact. A commit takes milliseconds, and an account has two submissions a second.
//!
//! Times that limits depend on are the server's (`clock_timestamp()`): the clocks of the processes may differ.
//!
//! [`Ledger`] implements the engine's synchronous `Store`. It has one connection and a runtime of its own for it, and is made anew after
//! an error of the connection.

#![cfg_attr(
    test,
    expect(
        clippy::unwrap_used,
        reason = "a test that unwraps says where it failed"
    )
)]

mod address;
mod admission;
mod append;
mod check;
mod connection;
mod contents;
mod migrations;
mod queue;
mod renders;
mod store;
#[cfg(test)]
mod tests;
mod worker;

pub use address::{Address, AddressError};
pub use connection::Ledger;
pub use queue::Queue;
pub use renders::{GivenRender, RenderQueue, RenderQueueError};
