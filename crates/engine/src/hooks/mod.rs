//! Hooks: the user's own code at the points of a job's and a run's life.
//!
//! ```text
//!  conductor ──Ask──► desk ──event──► program, service, script, address ──answer──► verdict ──Decided──► ledger
//!  ledger ──record──► desk ──event──► observers ──► failures, notes ──► ledger
//! ```
//!
//! Before a job's first submission hooks may change or veto it; everywhere else they observe. What a hook is and says (`point`,
//! `spec`, `event`, `answer`) is plain data. A hook never holds up another job, never outlives its time, never sees the
//! provider's key, and whatever it does has a declared effect.

mod answer;
mod event;
mod point;
mod spec;

pub use answer::{ANSWER_LIMIT_BYTES, Answer, Verdict, changed};
pub(crate) use event::point_of;
pub use event::{HOOK_EVENT_VERSION, HookEvent, JobSaid, PlanSaid, PresetSaid, RunSaid, StemSaid};
pub use point::{HookPoint, OnError};
pub use spec::{DEFAULT_START_TIMEOUT_MS, DEFAULT_TIMEOUT_MS, HookSpec, Hooks, Order, Way};
