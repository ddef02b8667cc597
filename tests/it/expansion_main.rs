//! Temporary.
#![expect(clippy::unwrap_used, reason = "tests")]
mod expansion;
