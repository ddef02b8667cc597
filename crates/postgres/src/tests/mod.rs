//! The ledger on a real server, and one suite that every store passes.

mod conformance;
mod moving;
mod renders;
#[path = "../../../../tests/postgres/server.rs"]
mod server;
mod shared;
mod simulation;
mod story;
