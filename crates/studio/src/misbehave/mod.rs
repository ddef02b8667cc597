//! The misbehaving studio: it shows, on purpose and on a schedule, every fault that was observed at vendors of the contract.
//!
//! A [`Misbehaviour`] is read from YAML and passed to the studio in [`StudioConfig::misbehaviour`](crate::StudioConfig). Its
//! rules are evaluated in order for each well-formed submission. A submission gets the faults of every rule that applies; of
//! two conflicting faults the first one wins. The faults of a task are stored with it, so they survive a restart.
//! `docs/misbehave.md` describes the format of a plan.
//!
//! ```text
//! submission ─► counted, durable ─► rules ─► refused or dropped, or: accepted and billed ─► faulty response
//!                                                         └► faults stored with the task ─► faulty details, files, callbacks
//! ```
//!
//! Without a plan this module does nothing.

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
