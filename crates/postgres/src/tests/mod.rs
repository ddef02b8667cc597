//! The ledger on a real server, and one suite that every store passes.

mod conformance;
#[path = "../../../../tests/postgres/server.rs"]
mod server;
mod shared;
mod story;
