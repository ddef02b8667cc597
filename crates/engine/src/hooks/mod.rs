//! Hooks: the user's own code at the points of a job's and a run's life.
//!
//! ```text
//!  manifest's job ──plan_job──► runner ──event──► program, service, script, address ──answer──► the planned job
//!  conductor ──Ask──► runner ──event──► … ──answer──► decision ──Decided──► ledger
//!  ledger ──record──► runner ──event──► observers ──► failures, notes ──► ledger
//! ```
//!
//! When a job is planned hooks may change or veto it, and before its first submission veto or delay it; everywhere else they
//! observe. What a hook is told and answers (`event`, `answer`) is plain data. A hook never holds up another job, never outlives its time, never sees the
//! provider's key, and whatever it does has a declared effect.

mod answer;
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
mod runner;
mod service;
#[cfg(feature = "store")]
mod store;
#[cfg(all(test, unix))]
mod tests;
mod trial;

pub use answer::{ANSWER_LIMIT_BYTES, Answer, AnswerError, Decision, MAX_DELAY_MS, changed};
pub use error::HookError;
pub(crate) use event::point_of;
pub use event::{HOOK_EVENT_VERSION, HookEvent, JobInfo, PlanInfo, PresetInfo, RunInfo, StemInfo};
pub(crate) use facts::Facts;
pub use facts::{sample, sample_of};
#[cfg(feature = "lua")]
pub use lua::{ScriptError, check_script};
pub(crate) use process::HookContext;
pub use runner::HookFailure;
pub(crate) use runner::{BoundHook, HookRunner};
pub use service::PROTOCOL;
pub use trial::{Bench, Trial, try_out};

pub use crate::event::{HookPoint, OnError, UnknownName, Verdict};
pub use crate::plan::{
    DEFAULT_START_TIMEOUT_MS, DEFAULT_TIMEOUT_MS, HookKind, HookSpec, Hooks, Order, Target,
};
