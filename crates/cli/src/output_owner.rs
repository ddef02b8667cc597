//! Records which ledger's runs fill an output directory: a small file in the directory names the last run and its ledger.
//!
//! A ledger does not know the purchases of another one. A run with a wrong ledger, a new one or an old copy would therefore buy
//! everything again. The file is beside the tracks and names the ledger, its last run and its last purchase. If a run's ledger
//! lacks that run or that purchase, the run buys nothing and writes no report: `summary.csv` and `summary.json` may be the last
//! record of the task ids.
//!
//! A run claims its output directory even if it buys nothing. The directory is locked during a run, so that two ledgers can't be
//! used at the same time. The file is replaced as a whole, so that it can be read after a run is killed at any point. The
//! embedded studio's tracks cost nothing: its runs do not claim a directory, but they respect the claims of others.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use backline_engine::event::{Event, Record, RunId};
use backline_engine::folder::Folder;
use backline_engine::scratch::{create, sweep};
use backline_engine::store::StoreError;
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Kind};
use crate::ledger::Ledger;
use crate::project::{Project, seen_from_here};

/// The name of the file.
const NAME: &str = ".backline-ledger";

/// The prefix of temporary versions of the file.
const TEMPORARY: &str = ".backline-owner-";

/// The longest file that is read. It contains a run id and a path.
const LIMIT_BYTES: u64 = 64 * 1024;

/// The content of the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Marker {
    version: u32,
    /// The last run that claimed the directory.
    run: RunId,
    /// The ledger that recorded it.
    ledger: PathBuf,
    /// The last attempt that the ledger recorded before it sent the request; none before the first attempt of the first run.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    attempt: Option<Attempt>,
}

/// The record of an attempt.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Attempt {
    /// The record's time, in Unix milliseconds. Its place in the ledger changes when the ledger is merged with another one.
    at_ms: i64,
}

impl Marker {
    /// Why the ledger is not the one that the file names, or is an older state of it; none if it is the current one.
    fn contradicts(&self, ledger: &Ledger) -> Result<Option<Contradiction>, StoreError> {
        if !ledger.knows_run(&self.run)? {
            return Ok(Some(Contradiction::UnknownRun));
        }
        match self.attempt {
            Some(it) if !ledger.knows_intent(it.at_ms)? => Ok(Some(Contradiction::OldCopy)),
            _ => Ok(None),
        }
    }
}

/// What a ledger lacks.
#[derive(Debug, Clone, Copy)]
enum Contradiction {
    /// The ledger lacks the last run that claimed the directory.
    UnknownRun,
    /// The ledger lacks the last purchase recorded in the file.
    OldCopy,
}

/// The output directory, locked for this run.
pub(crate) struct OutputOwner {
    /// The run that claimed it before.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(dead_code, reason = "only the songs of a shared run are in a queue")
    )]
    pub(crate) previous: Option<RunId>,
    folder: Folder,
    /// The directory's handle, which is locked.
    _lock: File,
    path: PathBuf,
    marker: Marker,
    /// The file, after this run has replaced it.
    file: Option<File>,
}

impl OutputOwner {
    /// Claims a project's output directory for a run with this ledger; none if the run does not claim it. Fails if the ledger
    /// lacks the last run or purchase, or if a run with another ledger uses the directory now.
    pub(crate) fn take(project: &Project, ledger: &Ledger) -> Result<Option<Self>, Failure> {
        if project.plan.provider.embedded.is_some() {
            return guard(project.plan.output.dir(), ledger).map(|()| None);
        }
        let path = path(project.plan.output.dir());
        let opened = Folder::create(project.plan.output.dir());
        let folder = opened.map_err(|error| unusable(&path, error))?;
        let lock = folder.handle().map_err(|error| unusable(&path, error))?;
        let tried = lock.try_lock();
        let marker = read(&folder, &path)?;
        // A file system without locks cannot detect a second run here. The ledger's own lock then fails too.
        if let Err(TryLockError::WouldBlock) = tried {
            return Err(in_use(project, marker.as_ref()));
        }
        if let Some(marker) = &marker
            && let Some(lacks) = marker.contradicts(ledger)?
        {
            return Err(foreign(
                project.plan.output.dir(),
                ledger.path(),
                marker,
                lacks,
            ));
        }
        let previous = marker.as_ref().map(|before| before.run.clone());
        let marker = Marker {
            version: 1,
            run: RunId::default(),
            ledger: ledger.path().to_owned(),
            attempt: marker.and_then(|before| before.attempt),
        };
        Ok(Some(Self {
            previous,
            folder,
            _lock: lock,
            path,
            marker,
            file: None,
        }))
    }

    /// Writes a record of the ledger to the file: the start of a run, and each attempt before its request is sent.
    ///
    /// The file is replaced as a whole at the start of a run. Later it is overwritten in place with the same length. It is then
    /// not synced, because it protects against a copy of the ledger, not against a power cut.
    pub(crate) fn note(&mut self, record: &Record) -> Result<(), Failure> {
        let written = match record.event {
            Event::RunStarted { .. } => {
                self.marker.run = record.run.clone();
                self.replace()
            }
            Event::Intent { .. } => {
                self.marker.attempt = Some(Attempt {
                    at_ms: record.at_ms,
                });
                self.overwrite()
            }
            _ => return Ok(()),
        };
        written.map_err(|error| unusable(&self.path, error))
    }

    fn replace(&mut self) -> io::Result<()> {
        let text = self.text()?;
        sweep(&self.folder, TEMPORARY);
        let mut scratch = create(&self.folder, TEMPORARY)?;
        scratch.file().write_all(&text)?;
        scratch.file().sync_all()?;
        self.file = Some(scratch.file().try_clone()?);
        scratch.replace(NAME)?;
        self.folder.sync()
    }

    fn overwrite(&mut self) -> io::Result<()> {
        let text = self.text()?;
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&text)
    }

    /// The file's text, padded so that its length does not depend on the attempt.
    fn text(&self) -> io::Result<Vec<u8>> {
        let mut text = serde_json::to_vec(&self.marker)?;
        let longest = Marker {
            attempt: Some(Attempt { at_ms: i64::MIN }),
            ..self.marker.clone()
        };
        text.resize(serde_json::to_vec(&longest)?.len(), b' ');
        text.push(b'\n');
        Ok(text)
    }
}

/// The failure that a run would have; none if this ledger or no ledger claims the output directory.
pub(crate) fn conflict(project: &Project) -> Result<Option<Failure>, Failure> {
    let directory = project.plan.output.dir();
    let Some(marker) = marker(directory)? else {
        return Ok(None);
    };
    let lacks = match Ledger::read(&project.ledger) {
        Ok(ledger) => marker.contradicts(&ledger)?,
        Err(StoreError::Missing { .. }) => Some(Contradiction::UnknownRun),
        Err(error) => return Err(error.into()),
    };
    Ok(lacks.map(|lacks| foreign(directory, &project.ledger, &marker, lacks)))
}

/// Fails if the ledger lacks the run or the purchase that filled the directory, because its reports must not be overwritten.
pub(crate) fn guard(directory: &Path, ledger: &Ledger) -> Result<(), Failure> {
    let Some(marker) = marker(directory)? else {
        return Ok(());
    };
    match marker.contradicts(ledger)? {
        Some(lacks) => Err(foreign(directory, ledger.path(), &marker, lacks)),
        None => Ok(()),
    }
}

/// Fails unless a run has claimed the directory: a worker keeps its files where the run's reports find them. A run claims it right after it
/// began, so that is waited for.
#[cfg(feature = "postgres")]
pub(crate) fn require_run(directory: &Path, run: &RunId) -> Result<(), Failure> {
    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);
    const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);
    let began = std::time::Instant::now();
    while marker(directory)?.is_none_or(|marker| marker.run != *run) {
        if began.elapsed() >= PATIENCE {
            let message = format!(
                "the output directory {} is not the one that the run {run} fills",
                seen_from_here(directory).display()
            );
            return Err(Failure::msg(Kind::Output, message).hint(
                "mount the directory of the machine that began the run, and name it with `output: {dir: …}` on both",
            ));
        }
        std::thread::park_timeout(PAUSE);
    }
    Ok(())
}

/// The directory's claim; none if it has none or does not exist.
fn marker(directory: &Path) -> Result<Option<Marker>, Failure> {
    match Folder::open(directory) {
        Ok(folder) => read(&folder, &path(directory)),
        Err(_) => Ok(None),
    }
}

fn path(directory: &Path) -> PathBuf {
    directory.join(NAME)
}

/// The content of the file; none if it is missing or empty.
fn read(folder: &Folder, path: &Path) -> Result<Option<Marker>, Failure> {
    let mut text = String::new();
    let file = match folder.read_file(NAME) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(|error| unusable(path, error))?,
    };
    file.take(LIMIT_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| unusable(path, error))?;
    let mut documents = serde_json::Deserializer::from_str(&text).into_iter::<Marker>();
    match documents.next() {
        None => Ok(None),
        Some(Ok(marker)) => Ok(Some(marker)),
        Some(Err(error)) => Err(unusable(path, error.into())),
    }
}

fn unusable(path: &Path, error: std::io::Error) -> Failure {
    let context = format!(
        "cannot use the file {}, which names the ledger of this output directory",
        seen_from_here(path).display()
    );
    Failure::new(Kind::Output, anyhow::Error::new(error).context(context)).hint(
        "correct its permissions; if it is damaged, check that all runs for this directory used this ledger, then remove the file",
    )
}

fn foreign(directory: &Path, ledger: &Path, marker: &Marker, lacks: Contradiction) -> Failure {
    let directory = seen_from_here(directory);
    let (whose, unknown) = match lacks {
        Contradiction::UnknownRun => ("another ledger", "run"),
        Contradiction::OldCopy => ("a newer state of the ledger", "last purchase of run"),
    };
    let message = format!(
        "the output directory {} belongs to {whose}: {} does not know the {unknown} {}, the last one for it",
        directory.display(),
        seen_from_here(ledger).display(),
        marker.run
    );
    let found = if let Contradiction::OldCopy = lacks {
        format!(
            "this file is an old copy of {}, or a copy without its `-wal` file: restore the newest one, with every file beside it",
            marker.ledger.display()
        )
    } else if marker.ledger == ledger {
        "that run was recorded in this file, which was deleted or replaced since: restore its newest backup".to_owned()
    } else {
        format!(
            "that run is recorded in {}: use that ledger, or restore its newest backup",
            marker.ledger.display()
        )
    };
    Failure::msg(Kind::Ledger, message)
        .hint(format!("{found}; a ledger that does not know a job pays for it again"))
        .hint(format!(
            "to buy everything again, set another directory with `output: {{dir: …}}`, or remove {}",
            directory.join(NAME).display()
        ))
}

fn in_use(project: &Project, marker: Option<&Marker>) -> Failure {
    let directory = seen_from_here(project.plan.output.dir());
    let message = format!(
        "another backline process uses the output directory {}, with another ledger than {}",
        directory.display(),
        seen_from_here(&project.ledger).display()
    );
    if let Some(marker) = marker
        && marker.ledger == project.ledger
    {
        let message = format!(
            "the run {} with this ledger fills the output directory {} now",
            marker.run,
            directory.display()
        );
        return Failure::msg(Kind::Ledger, message).hint(
            "wait for its end; on a server's ledger, `backline worker` carries out jobs of it",
        );
    }
    let whose = marker.map_or_else(
        || "use the ledger of that process".to_owned(),
        |marker| format!("use its ledger: --ledger {}", marker.ledger.display()),
    );
    Failure::msg(Kind::Ledger, message).hint(format!(
        "{whose}; two ledgers know nothing of each other's purchases and pay for every job twice"
    ))
}
