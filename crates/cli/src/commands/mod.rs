//! The commands: one module each, with one function that `main` calls.

pub(crate) mod analyse;
pub(crate) mod completions;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod gc;
pub(crate) mod help;
pub(crate) mod hooks;
pub(crate) mod init;
pub(crate) mod ledger;
pub(crate) mod listen;
pub(crate) mod man;
pub(crate) mod other_tasks;
pub(crate) mod pick;
pub(crate) mod plan;
pub(crate) mod play;
#[cfg(feature = "postgres")]
pub(crate) mod render_worker;
pub(crate) mod report;
pub(crate) mod resolve;
mod resolve_all;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod status;
pub(crate) mod studio;
pub(crate) mod validate;

use crate::runtime::runtime;
