//! Hooks: the user's own code at the points of a job's and a run's life.
//!
//! ```text
//!  manifest's job ──plan_job──► runner ──event──► program, service, script, address ──response──► the planned job
//!  conductor ──CallHooks──► runner ──event──► … ──response──► decision ──Decided──► ledger
//!  ledger ──record──► runner ──event──► observers ──► failures, notes ──► ledger
//! ```
//!
//! At `plan_job` a hook may change or veto a job; before its first submission it may veto or delay it; at every other point it
//! observes. The event that a hook gets (`event`) and its response (`response`) are plain data. A hook never blocks another job, never
//! runs longer than its timeout and never sees the provider's key. The manifest declares what its failure does.

mod error;
mod event;
mod facts;
mod http;
#[cfg(feature = "lua")]
mod library;
#[cfg(feature = "lua")]
mod lua;
mod process;
mod program;
mod response;
mod runner;
mod service;
#[cfg(feature = "store")]
mod store;
#[cfg(all(test, unix))]
mod tests;
mod trial;

pub use error::HookError;
pub(crate) use event::point_of;
pub use event::{HOOK_EVENT_VERSION, HookEvent, JobInfo, PlanInfo, PresetInfo, RunInfo, StemInfo};
pub(crate) use facts::EventBuilder;
pub use facts::{sample, sample_of};
#[cfg(feature = "lua")]
pub use lua::{ScriptError, check_script};
pub(crate) use process::HookContext;
pub use response::{
    HookDecision, HookResponse, MAX_DELAY_MS, RESPONSE_LIMIT_BYTES, ResponseError, changed,
};
pub use runner::HookFailure;
pub(crate) use runner::{BoundHook, HookRunner};
pub use service::PROTOCOL;
pub use trial::{Bench, Trial, try_out};

pub use crate::event::{HookPoint, OnError, UnknownName, Verdict};
pub use crate::plan::{
    DEFAULT_START_TIMEOUT_MS, DEFAULT_TIMEOUT_MS, HookKind, HookSpec, Hooks, Order, Target,
};
