//! Which ledger's runs buy for an output directory: a small file in it names the last run and its ledger.
//!
//! Two ledgers know nothing of each other's purchases, so a run with the wrong one, a new one or an old copy of the right one buys
//! everything again. What was bought lies in the output directory, and so does the file that says by whom: a run whose ledger does
//! not know that run buys nothing there. The file is locked while a run buys, so that two ledgers can't begin at the same time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use backline_engine::event::RunId;
use backline_engine::ledger::Ledger;
use backline_engine::store::StoreError;
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Kind};
use crate::project::{Project, seen_from_here};

/// The file's name.
const NAME: &str = ".backline-ledger";

/// Longest file that is read: it holds a run id and a path.
const LIMIT_BYTES: u64 = 64 * 1024;

/// What the file says.
#[derive(Debug, Serialize, Deserialize)]
struct Marker {
    version: u32,
    /// The last run that bought for the directory.
    run: RunId,
    /// The ledger that recorded it.
    ledger: PathBuf,
}

/// The file, locked for this run.
pub(crate) struct OutputOwner {
    file: File,
    path: PathBuf,
    ledger: PathBuf,
}

impl OutputOwner {
    /// Takes a project's output directory for a run with this ledger. Fails if a run that the ledger does not know bought for it,
    /// or if a run with another ledger is buying for it now.
    pub(crate) fn take(project: &Project, ledger: &Ledger) -> Result<Self, Failure> {
        let path = path(project);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        no_links(&mut options);
        let mut file = options
            .open(&path)
            .map_err(|error| unusable(&path, error))?;
        let tried = file.try_lock();
        let marker = read(&mut file, &path)?;
        // A file system without locks has no two runs at a time to tell apart: then the ledger's own lock fails as well.
        if let Err(TryLockError::WouldBlock) = tried {
            return Err(in_use(project, marker.as_ref()));
        }
        if let Some(marker) = &marker
            && !ledger.knows_run(&marker.run)?
        {
            return Err(foreign(project, marker));
        }
        Ok(Self {
            file,
            path,
            ledger: ledger.path().to_owned(),
        })
    }

    /// Writes down that a run, which the ledger has recorded, buys for the directory from now on.
    pub(crate) fn record(&mut self, run: &RunId) -> Result<(), Failure> {
        let marker = Marker {
            version: 1,
            run: run.clone(),
            ledger: self.ledger.clone(),
        };
        let mut text = serde_json::to_string(&marker).map_err(std::io::Error::from)?;
        text.push('\n');
        let length = text.len() as u64;
        // Written over in place: what is left behind it by a crash is not read.
        let written = self
            .file
            .rewind()
            .and_then(|()| self.file.write_all(text.as_bytes()))
            .and_then(|()| self.file.set_len(length))
            .and_then(|()| self.file.sync_data());
        written.map_err(|error| unusable(&self.path, error))
    }
}

/// What a run would be refused for, if it were to buy; none where the output directory is this ledger's or nobody's.
pub(crate) fn conflict(project: &Project) -> Result<Option<Failure>, Failure> {
    if project.plan.provider.embedded.is_some() {
        return Ok(None);
    }
    let path = path(project);
    let Ok(mut file) = File::open(&path) else {
        return Ok(None);
    };
    let Some(marker) = read(&mut file, &path)? else {
        return Ok(None);
    };
    let known = match Ledger::read(&project.ledger) {
        Ok(ledger) => ledger.knows_run(&marker.run)?,
        Err(StoreError::Missing { .. }) => false,
        Err(error) => return Err(error.into()),
    };
    Ok((!known).then(|| foreign(project, &marker)))
}

/// Nothing is written through a link that somebody put there.
#[cfg(unix)]
fn no_links(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt;
    options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
}

#[cfg(not(unix))]
fn no_links(_: &mut OpenOptions) {}

fn path(project: &Project) -> PathBuf {
    project.plan.output.dir().join(NAME)
}

/// What the file says; none for an empty one.
fn read(file: &mut File, path: &Path) -> Result<Option<Marker>, Failure> {
    let mut text = String::new();
    file.rewind()
        .and_then(|()| file.take(LIMIT_BYTES).read_to_string(&mut text))
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
        "the file {}, which names the ledger of this output directory, can't be used",
        seen_from_here(path).display()
    );
    Failure::new(Kind::Output, anyhow::Error::new(error).context(context)).hint(
        "mend its permissions; if it is damaged, make sure that this is the ledger that all runs for this directory used, then \
         remove the file",
    )
}

fn foreign(project: &Project, marker: &Marker) -> Failure {
    let directory = seen_from_here(project.plan.output.dir());
    let message = format!(
        "the output directory {} belongs to another ledger: {} does not know the run {} that last bought for it",
        directory.display(),
        seen_from_here(&project.ledger).display(),
        marker.run
    );
    Failure::said(Kind::Ledger, message)
        .hint(format!(
            "that run is recorded in {}: run with that ledger, or bring back its newest copy; a ledger that does not know a job pays \
             for it again",
            marker.ledger.display()
        ))
        .hint(format!(
            "if everything is to be bought again, name another directory with `output: {{dir: …}}`, or remove {}",
            directory.join(NAME).display()
        ))
}

fn in_use(project: &Project, marker: Option<&Marker>) -> Failure {
    let directory = seen_from_here(project.plan.output.dir());
    let message = format!(
        "another backline process is buying for the output directory {}, with another ledger than {}",
        directory.display(),
        seen_from_here(&project.ledger).display()
    );
    let whose = marker.map_or_else(
        || "use the ledger of that process".to_owned(),
        |marker| format!("use its ledger: --ledger {}", marker.ledger.display()),
    );
    Failure::said(Kind::Ledger, message).hint(format!(
        "{whose}; two ledgers know nothing of each other's purchases and pay for every job twice"
    ))
}
