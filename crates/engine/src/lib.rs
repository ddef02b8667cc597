//! Manifest to plan to bought and kept tracks.
//!
//! ```text
//!  YAML ─manifest─► Plan ─plan_job hooks─► Plan ─opening─► what a run would do
//!                    │
//!                    ▼
//!  responses, callbacks, timers ─► conductor + jobs ─► records (durable first) ─► effects ─► driver
//!                                                             │
//!                                                             ▼
//!                                                     ledger ─► summary, sinks
//! ```
//!
//! `manifest`, `plan`, `job`, `conductor` and `summary` are pure: no async, clock or socket (`manifest` reads
//! the files that it names). Only `driver`, `hooks`, `ledger`, `folder`, `kept_files` and `scratch` have effects. ARCHITECTURE.md lists the modules,
//! lowest first.

#![cfg_attr(
    test,
    expect(
        clippy::unwrap_used,
        reason = "a test that unwraps says where it failed"
    )
)]

pub mod abandoned;
pub mod check;
mod conductor;
pub mod driver;
pub mod duration;
pub mod event;
pub mod evidence;
pub mod folder;
pub mod forecast;
pub mod gate;
pub mod hooks;
mod index;
pub mod job;
pub mod kept_files;
pub mod ledger;
pub mod manifest;
pub mod merge;
mod nearest;
pub mod opening;
pub mod plan;
pub mod prune;
pub mod receipts;
pub mod recognize;
pub mod reconnect;
mod recovery;
pub mod scratch;
pub mod settings;
pub mod status;
pub mod store;
pub mod summary;
mod template;
