//! Task ids on the local disk, from a response until the ledger has them.
//!
//! A task id is the only proof of a purchase, and a ledger may be out of reach when it comes: its server is down, its disk is full. So it
//! is first written to a file of this process, synced, and removed once the ledger has it. The next process that begins reads what processes
//! that have ended left there.
//!
//! ```text
//!  response ──► receipt (synced) ──► record in the ledger ──► receipt removed
//! ```
//!
//! A receipt names its attempt by a hash of the attempt's secret, so it is applied to the job of no other ledger.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use backline_api::TaskId;
use serde::{Deserialize, Serialize};

use crate::event::Token;
use crate::settings::JobKey;

/// How the name of a file of receipts ends.
const EXTENSION: &str = "receipts";

/// Longest file that is read: 100 bytes a receipt, and a process has some hundred requests under way.
const MAX_BYTES: u64 = 16 << 20;

/// The task of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The job.
    pub job: JobKey,
    /// Its attempt.
    pub attempt: u32,
    /// BLAKE3 hash of the attempt's secret, hexadecimal.
    secret: String,
    /// The task.
    pub task: TaskId,
}

impl Receipt {
    /// The receipt of an attempt with this secret.
    pub fn new(job: JobKey, attempt: u32, token: &Token, task: TaskId) -> Self {
        Self {
            job,
            attempt,
            secret: hash(token),
            task,
        }
    }

    /// Whether it is of the attempt with this secret.
    pub fn is_of(&self, token: &Token) -> bool {
        self.secret == hash(token)
    }
}

fn hash(token: &Token) -> String {
    blake3::hash(token.expose().as_bytes()).to_hex().to_string()
}

/// The receipts of this process.
#[derive(Debug)]
pub struct Receipts {
    path: PathBuf,
    open: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    /// Locked for as long as the process lives.
    file: File,
    /// The attempts whose receipts the ledger does not have yet.
    left: HashSet<(JobKey, u32)>,
}

impl Drop for Receipts {
    fn drop(&mut self) {
        let open = self.open.get_mut().unwrap_or_else(PoisonError::into_inner);
        if open.left.is_empty() {
            // What stays is empty, and the next process removes it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Receipts {
    /// Creates a file for the receipts of this process in `folder`, named `name`.
    ///
    /// # Errors
    /// When it can't be created or locked.
    pub fn create(folder: &Path, name: &str) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let path = folder.join(format!("{name}.{EXTENSION}"));
        let mut options = OpenOptions::new();
        options.append(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path)?;
        file.lock()?;
        let left = HashSet::new();
        let open = Mutex::new(Open { file, left });
        Ok(Self { path, open })
    }

    /// Writes a receipt; durable on return.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn keep(&self, receipt: &Receipt) -> io::Result<()> {
        let mut line = serde_json::to_string(receipt)?;
        line.push('\n');
        let mut open = self.open();
        open.left.insert((receipt.job, receipt.attempt));
        open.file.write_all(line.as_bytes())?;
        open.file.sync_data()
    }

    /// The ledger has the task of an attempt: its receipt is removed, with all others once the ledger has those too.
    pub fn forget(&self, job: JobKey, attempt: u32) {
        let mut open = self.open();
        if open.left.remove(&(job, attempt)) && open.left.is_empty() {
            // One that stays changes nothing: the ledger has its task already.
            let _ = open.file.set_len(0);
        }
    }

    fn open(&self) -> std::sync::MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file of receipts that a process which has ended left.
#[derive(Debug)]
pub struct LeftReceipts {
    path: PathBuf,
    /// Locked, so that one process alone records them.
    _file: File,
    /// The receipts.
    pub receipts: Vec<Receipt>,
}

impl LeftReceipts {
    /// The files in `folder` whose processes have ended; those that can't be read are left alone.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub fn find(folder: &Path) -> io::Result<Vec<Self>> {
        let entries = match std::fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_some_and(|it| it == EXTENSION)
                && let Some(left) = Self::read(path)
            {
                found.push(left);
            }
        }
        Ok(found)
    }

    fn read(path: PathBuf) -> Option<Self> {
        let mut file = OpenOptions::new().read(true).write(true).open(&path).ok()?;
        file.try_lock().ok()?;
        let mut text = String::new();
        file.rewind().ok()?;
        (&file).take(MAX_BYTES).read_to_string(&mut text).ok()?;
        // The last line may have been cut off: then its response was not taken in either.
        let receipts = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        Some(Self {
            receipts: receipts.collect(),
            path,
            _file: file,
        })
    }

    /// Removes the file, once the ledger has what it says.
    ///
    /// # Errors
    /// When it can't be removed.
    pub fn remove(self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(task: &str) -> Receipt {
        let token = Token::from_text("secret");
        Receipt::new(JobKey::from_bytes([7; 32]), 1, &token, task.into())
    }

    #[test]
    fn what_a_process_left_is_found_when_it_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let receipts = Receipts::create(folder.path(), "one").unwrap();
        receipts.keep(&receipt("task1")).unwrap();
        // A living process records its own.
        assert!(LeftReceipts::find(folder.path()).unwrap().is_empty());
        drop(receipts);
        let mut left = LeftReceipts::find(folder.path()).unwrap();
        assert_eq!(left[0].receipts, [receipt("task1")]);
        assert!(left[0].receipts[0].is_of(&Token::from_text("secret")));
        assert!(!left[0].receipts[0].is_of(&Token::from_text("another")));
        left.remove(0).remove().unwrap();
        assert!(LeftReceipts::find(folder.path()).unwrap().is_empty());
    }

    #[test]
    fn nothing_is_left_of_what_the_ledger_has() {
        let folder = tempfile::tempdir().unwrap();
        let receipts = Receipts::create(folder.path(), "one").unwrap();
        receipts.keep(&receipt("task1")).unwrap();
        let file = folder.path().join("one.receipts");
        assert!(file.metadata().unwrap().len() > 0);
        receipts.forget(JobKey::from_bytes([7; 32]), 1);
        assert_eq!(file.metadata().unwrap().len(), 0);
        drop(receipts);
        assert!(!file.exists());
    }
}
