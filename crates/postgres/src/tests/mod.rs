//! The ledger on a real server, and one suite that every store passes.

mod conformance;
mod moving;
#[path = "../../../../tests/postgres/server.rs"]
mod server;
mod shared;
mod story;
