//! What holds for the whole program: the real binary, real files, real sockets on loopback.
//!
//! One binary for all of it, so that the crates are linked once. An area is a module; [`lab`] is what they share: a place that
//! knows nothing of the machine it stands on.

#![expect(
    clippy::unwrap_used,
    reason = "a test that unwraps says where it failed"
)]

mod album;
mod bad_input;
mod ci;
mod cli;
mod colours;
mod crate_edges;
mod differences;
mod doctor;
mod expansion;
mod gallery;
mod hook_trials;
mod hooks;
mod house;
mod lab;
mod language;
#[cfg(feature = "postgres")]
mod ledger_tls;
#[cfg(feature = "browser-tests")]
mod live_page;
mod main_job;
mod manual;
mod messages;
mod module_edges;
mod moved_ledger;
#[cfg(feature = "store")]
mod object_store;
mod pace;
mod partitions;
mod picks;
#[cfg(target_os = "linux")]
mod proof;
mod readme_commands;
mod reference;
#[cfg(feature = "postgres")]
mod render_farm;
mod request;
mod schema;
mod serve;
#[cfg(feature = "postgres")]
#[path = "../postgres/server.rs"]
mod server;
#[cfg(feature = "postgres")]
mod shared_ledger;
mod signals;
mod sound;
mod tape;
#[cfg(unix)]
mod terminal;
#[cfg(feature = "otlp-tests")]
mod traces;
mod tracks;
mod ways_in;
mod workflows;
