//! A run in progress: its state, and the table that shows it.
//!
//! ```text
//!  plan, records ─► board (pure) ─► frame (pure: size and time in, lines out) ─► screen ─► terminal
//!                     │                                                      ▲
//!                     └─► metrics                              table: the sink, and its ticking thread
//! ```

mod board;
mod frame;
mod metrics;
mod screen;
mod table;

pub use metrics::Metrics;
pub use screen::Size;
pub use table::{LiveTable, LogWriter, Stopper};
