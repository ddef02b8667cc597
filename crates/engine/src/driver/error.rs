//! The errors that end a run.

use backline_api::{CallError, TaskId};

use crate::conductor::IllegalStep;
use crate::settings::JobKey;
use crate::store::StoreError;

/// Why a run ended with an error. What the ledger has by then is complete.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The ledger could not be read or written.
    #[error("{source}{}", unsaved_text(unsaved))]
    Ledger {
        /// What went wrong.
        #[source]
        source: StoreError,
        /// Tasks that were bought and could not be recorded any more.
        unsaved: Vec<(JobKey, TaskId)>,
    },
    /// Jobs are in flight under another account.
    #[error("{} in flight under another account ({account})", jobs_are(*jobs))]
    OtherAccount {
        /// How many.
        jobs: usize,
        /// The other account's fingerprint.
        account: String,
    },
    /// An account can't be adopted: no task of it is known whose details could be requested.
    #[error("the account {account} can't be adopted: the ledger has no task of it to prove it by")]
    NoTaskToProve {
        /// The other account's fingerprint.
        account: String,
    },
    /// An account was not adopted: the provider does not show its tasks under this key.
    #[error(
        "the account {account} can't be adopted: under this key the provider shows none of its tasks ({})",
        list(tasks)
    )]
    NotAdopted {
        /// The other account's fingerprint.
        account: String,
        /// The tasks that were tried.
        tasks: Vec<TaskId>,
    },
    /// The details of the task that is to prove an account could not be read.
    #[error(
        "the details of task {task}, which would prove the account, could not be read: {source}"
    )]
    AdoptionLookup {
        /// The task.
        task: TaskId,
        /// Why.
        #[source]
        source: Box<CallError>,
    },
    /// The callback receiver could not listen.
    #[error("callbacks can't be received on {address}")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The receipts of task ids could not be set up on the local disk.
    #[error("can't write receipts of task ids to {folder}")]
    Receipts {
        /// The folder.
        folder: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The provider lies in a private network, and nothing says that this is meant.
    #[error(
        "the provider's host {host} lies in a private network: what is bought there could not be fetched, so nothing was bought"
    )]
    PrivateProvider {
        /// The host.
        host: String,
    },
    /// The environment names a proxy that is none.
    #[error("{0}")]
    Proxy(String),
    /// The HTTP client could not be set up.
    #[error("the HTTP client could not be set up: {0}")]
    Client(String),
    /// An event came for a job that it can't happen to. Responses that were under way are recorded, nothing more was begun.
    #[error(transparent)]
    IllegalStep(#[from] IllegalStep),
    /// The user stopped it at once.
    #[error(
        "stopped at once; the ledger has everything up to here: run the same command again to continue"
    )]
    Interrupted,
}

impl From<StoreError> for RunError {
    fn from(source: StoreError) -> Self {
        Self::Ledger {
            source,
            unsaved: Vec::new(),
        }
    }
}

fn unsaved_text(unsaved: &[(JobKey, TaskId)]) -> String {
    let line = |(key, task): &(JobKey, TaskId)| {
        format!(
            "; bought and not recorded: task {task} of job {}",
            key.short()
        )
    };
    unsaved.iter().map(line).collect()
}

fn list(tasks: &[TaskId]) -> String {
    let ids: Vec<&str> = tasks.iter().map(TaskId::as_str).collect();
    ids.join(", ")
}

fn jobs_are(jobs: usize) -> String {
    if jobs == 1 {
        "1 job is".to_owned()
    } else {
        format!("{jobs} jobs are")
    }
}
