//! Who owns a ledger: an advisory lock beside it, with the process's number and its run written into it for the next process.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::failed;
use crate::event::RunId;
use crate::store::StoreError;

/// Who owns a ledger, as far as its lock says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Owner {
    /// The process's number.
    pub process: Option<u32>,
    /// The run that it carries out.
    pub run: Option<RunId>,
}

impl Owner {
    pub(super) fn of_run(run: &RunId) -> Self {
        Self {
            process: Some(std::process::id()),
            run: Some(run.clone()),
        }
    }

    pub(super) fn read(file: &mut File) -> Self {
        let mut text = String::new();
        let _ = file.rewind();
        // Only words for people hang on it: what can't be read is not said.
        let _ = file.read_to_string(&mut text);
        let mut words = text.split_whitespace();
        Self {
            process: words.next().and_then(|number| number.parse().ok()),
            run: words.next().map(RunId::from_text),
        }
    }

    pub(super) fn write(&self, file: &mut File) {
        let words = [
            self.process.map(|number| number.to_string()),
            self.run.as_ref().map(ToString::to_string),
        ];
        let text: Vec<String> = words.into_iter().flatten().collect();
        // Only a hint: a full disk must not stop a run here.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(text.join(" ").as_bytes()));
    }
}

pub(super) fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

/// How long a lock of another process is tried for at least: a process that only [reads the owner](super::Ledger::owner) has it for a moment.
const LOCK_TRIES: Duration = Duration::from_millis(45);

/// The pause between two tries.
pub(super) const LOCK_PAUSE: Duration = Duration::from_millis(15);

/// The pause between two tries while another process works.
const OWNED_PAUSE: Duration = Duration::from_millis(200);

/// What to do while another process owns a ledger.
pub enum Patience<'a> {
    /// Fail at once.
    None,
    /// Wait this long, and report once who is waited for.
    Wait {
        /// The longest wait.
        limit: Duration,
        /// Called once, when the wait begins.
        begins: &'a mut dyn FnMut(&Owner),
    },
}

/// Takes the advisory lock beside the ledger, and writes the process's number into it for the next process.
pub(super) fn lock(path: &Path, mut patience: Patience<'_>) -> Result<File, StoreError> {
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(lock_path(path));
    let mut file = opened.map_err(|source| failed(path, "lock", source))?;
    let (began, mut announced) = (Instant::now(), false);
    let tried = loop {
        let tried = file.try_lock();
        if !matches!(tried, Err(TryLockError::WouldBlock)) {
            break tried;
        }
        let waited = began.elapsed();
        if waited < LOCK_TRIES {
            std::thread::park_timeout(LOCK_PAUSE);
            continue;
        }
        let Patience::Wait { limit, begins } = &mut patience else {
            break tried;
        };
        if !announced {
            announced = true;
            begins(&Owner::read(&mut file));
        }
        if waited >= *limit {
            break tried;
        }
        std::thread::park_timeout(OWNED_PAUSE.min(limit.saturating_sub(waited)));
    };
    match tried {
        Ok(()) => {
            let owner = Owner {
                process: Some(std::process::id()),
                run: None,
            };
            owner.write(&mut file);
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let owner = Owner::read(&mut file).process;
            Err(StoreError::Owned {
                path: path.display().to_string(),
                owner: owner.map_or_else(String::new, |number| format!(" (process {number})")),
            })
        }
        Err(TryLockError::Error(source)) => Err(failed(path, "lock", source)),
    }
}
