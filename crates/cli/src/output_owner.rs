//! Which ledger's runs fill an output directory: a small file in it names the last run and its ledger.
//!
//! Two ledgers know nothing of each other's purchases, so a run with the wrong one, a new one or an old copy of the right one buys
//! everything again. What was bought lies in the output directory, and so does the file that says by whom, up to the last purchase: a
//! run whose ledger does not know that run or that purchase buys nothing there and writes no report: `summary.csv` and `summary.json`
//! may be the last record of the task ids. Every run claims its output directory, whether or not it buys. The directory is locked while a run lasts, so that two
//! ledgers can't begin at the same time; the file is replaced whole, so that a run that is killed at any point leaves one that can be
//! read. What the built-in studio makes costs nothing: its runs claim no directory, but they respect the claims of others.

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

/// The file's name.
const NAME: &str = ".backline-ledger";

/// How the name of the file begins that is not in its place yet.
const TEMPORARY: &str = ".backline-owner-";

/// Longest file that is read: it contains a run id and a path.
const LIMIT_BYTES: u64 = 64 * 1024;

/// What the file says.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Marker {
    version: u32,
    /// The last run for the directory.
    run: RunId,
    /// The ledger that recorded it.
    ledger: PathBuf,
    /// The last attempt that the ledger recorded before its request left; none before the first one of a run.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    attempt: Option<Attempt>,
}

/// The record of an attempt.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Attempt {
    /// Its place in the ledger.
    seq: u64,
    /// Its time, Unix time in milliseconds.
    at_ms: i64,
}

impl Marker {
    /// Why a ledger is not the one that the file names, or not in its state of then.
    fn contradicts(&self, ledger: &Ledger) -> Result<Option<Contradiction>, StoreError> {
        if !ledger.knows_run(&self.run)? {
            return Ok(Some(Contradiction::UnknownRun));
        }
        match self.attempt {
            Some(it) if !ledger.knows_intent(it.seq, it.at_ms)? => Ok(Some(Contradiction::OldCopy)),
            _ => Ok(None),
        }
    }
}

/// What a ledger lacks.
#[derive(Debug, Clone, Copy)]
enum Contradiction {
    /// The last run for the directory.
    UnknownRun,
    /// The last purchase of that run or a later one.
    OldCopy,
}

/// The output directory, locked for this run.
pub(crate) struct OutputOwner {
    folder: Folder,
    /// The lock's file.
    _lock: File,
    path: PathBuf,
    marker: Marker,
    /// The file, once this run has replaced it.
    file: Option<File>,
}

impl OutputOwner {
    /// Takes a project's output directory for a run with this ledger; none where the run is not to claim it. Fails if a run that
    /// the ledger does not know claimed it, or if a run with another ledger uses it now.
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
        // A file system without locks has no two runs at a time to tell apart: then the ledger's own lock fails as well.
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
        let marker = Marker {
            version: 1,
            run: RunId::default(),
            ledger: ledger.path().to_owned(),
            attempt: marker.and_then(|before| before.attempt),
        };
        Ok(Some(Self {
            folder,
            _lock: lock,
            path,
            marker,
            file: None,
        }))
    }

    /// Writes down a record that the ledger has by now: that a run claims the directory, and each attempt before its request leaves.
    ///
    /// The file is replaced whole at the start of a run, and is written in place afterwards, with the same length: it is not waited
    /// for, since what it guards against is a copy of the ledger, not a power cut.
    pub(crate) fn note(&mut self, record: &Record) -> Result<(), Failure> {
        let written = match record.event {
            Event::RunStarted { .. } => {
                self.marker.run = record.run.clone();
                self.replace()
            }
            Event::Intent { .. } => {
                self.marker.attempt = Some(Attempt {
                    seq: record.seq,
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

    /// The file's text: as long with any attempt as without one.
    fn text(&self) -> io::Result<Vec<u8>> {
        let mut text = serde_json::to_vec(&self.marker)?;
        let longest = Marker {
            attempt: Some(Attempt {
                seq: u64::MAX,
                at_ms: i64::MIN,
            }),
            ..self.marker.clone()
        };
        text.resize(serde_json::to_vec(&longest)?.len(), b' ');
        text.push(b'\n');
        Ok(text)
    }
}

/// What a run would be refused for; none where the output directory is this ledger's or nobody's.
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

/// Fails if a run or a purchase that the ledger does not know filled the directory: its reports are not to be overwritten.
pub(crate) fn guard(directory: &Path, ledger: &Ledger) -> Result<(), Failure> {
    let Some(marker) = marker(directory)? else {
        return Ok(());
    };
    match marker.contradicts(ledger)? {
        Some(lacks) => Err(foreign(directory, ledger.path(), &marker, lacks)),
        None => Ok(()),
    }
}

/// Who claimed the directory; none where nobody did, or where there is no such directory.
fn marker(directory: &Path) -> Result<Option<Marker>, Failure> {
    match Folder::open(directory) {
        Ok(folder) => read(&folder, &path(directory)),
        Err(_) => Ok(None),
    }
}

fn path(directory: &Path) -> PathBuf {
    directory.join(NAME)
}

/// What the file says; none where there is none, or an empty one.
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
    let whose = marker.map_or_else(
        || "use the ledger of that process".to_owned(),
        |marker| format!("use its ledger: --ledger {}", marker.ledger.display()),
    );
    Failure::msg(Kind::Ledger, message).hint(format!(
        "{whose}; two ledgers know nothing of each other's purchases and pay for every job twice"
    ))
}
