//! The misbehaving studio: every fault that vendors of the contract have been seen to show, on purpose and on a schedule.
//!
//! A [`Misbehaviour`] is read from YAML and handed to the studio in [`StudioConfig::misbehaviour`](crate::StudioConfig). For
//! each submission that is well-formed, its rules are evaluated in order; a submission gets the faults of every rule that it
//! meets, and where two say the same thing the first one counts. What faults a task is kept with it, so it survives a stop.
//! `docs/misbehave.md` describes how a plan is written.
//!
//! ```text
//! submission ─► counted, durable ─► rules met ─► refused or dropped, or: accepted and billed ─► faulty response
//!                                                             └► faults kept with the task ─► faulty details, files, callbacks
//! ```
//!
//! Without a plan nothing here runs.

mod choose;
pub(crate) mod details;
mod fault;
pub(crate) mod foreign;
mod malformed;
pub(crate) mod of_task;
mod plan;
mod reply;
mod times;

pub(crate) use choose::Submission;
#[cfg(test)]
pub(crate) use fault::CallbackFaults;
pub(crate) use fault::{
    CallbackStage, FailedStatus, Fault, FileFault, FileKind, Forgery, PollResponse, Refuse, Shape,
    SubmitFault, UploadGone,
};
pub(crate) use malformed::{MalformedKind, MalformedTarget};
pub(crate) use plan::{Codes, OtherCall, Switch};
pub use plan::{Misbehaviour, PlanError};
pub(crate) use reply::{Reply, ReplyBody};
