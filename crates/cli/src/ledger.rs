//! The ledger that a command uses: a file of the project, or one on a PostgreSQL server.
//!
//! A ledger's place is written as a path wherever one is named or recorded; a path that begins with `postgres://` is the address of a
//! server. Only this module tells them apart.

use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};

use backline_engine::check::Checked;
use backline_engine::event::RunId;
use backline_engine::ledger as file;
#[cfg(feature = "postgres")]
use backline_engine::store::Store;
use backline_engine::store::{Contents, StoreError};

use crate::failure::{Failure, Kind};

/// A ledger. What every ledger does is that of a [`Store`] with its [`Contents`].
pub(crate) enum Ledger {
    /// SQLite, of this machine.
    File(file::Ledger),
    /// PostgreSQL, shared by several machines.
    #[cfg(feature = "postgres")]
    Server {
        store: backline_postgres::Ledger,
        place: PathBuf,
    },
}

/// Who owns a ledger.
pub(crate) struct Owner {
    /// The processes as people name them: by their number, and where they are on other machines by their address too.
    pub(crate) processes: Vec<String>,
    /// The run that they carry out, as far as it is known.
    pub(crate) run: Option<RunId>,
}

impl Deref for Ledger {
    type Target = dyn Contents;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::File(ledger) => ledger,
            #[cfg(feature = "postgres")]
            Self::Server { store, .. } => store,
        }
    }
}

impl DerefMut for Ledger {
    fn deref_mut(&mut self) -> &mut Self::Target {
        match self {
            Self::File(ledger) => ledger,
            #[cfg(feature = "postgres")]
            Self::Server { store, .. } => store,
        }
    }
}

/// Whether a ledger's place is a server's address.
pub(crate) fn is_on_server(place: &Path) -> bool {
    place
        .to_str()
        .is_some_and(|text| text.starts_with("postgres://") || text.starts_with("postgresql://"))
}

/// Checks the address of a ledger on a server.
///
/// # Errors
/// When it is none, when it contains a password, or when this program can't use one.
#[cfg(feature = "postgres")]
pub(crate) fn check_address(place: &Path) -> Result<(), Failure> {
    let checked = place
        .to_string_lossy()
        .parse::<backline_postgres::Address>();
    checked
        .map(drop)
        .map_err(|error| Failure::new(Kind::Usage, error))
}

/// The same for a program that can't use one.
#[cfg(not(feature = "postgres"))]
pub(crate) fn check_address(_: &Path) -> Result<(), Failure> {
    let message = "this program was built without ledgers on servers";
    Err(Failure::msg(Kind::Usage, message).hint("build it with `--features postgres`"))
}

/// The folder on this machine for what belongs to a ledger: its own folder, or that of the project in `project_dir`.
pub(crate) fn local_folder(ledger: &Path, project_dir: &Path) -> PathBuf {
    let folder = ledger.parent().filter(|_| !is_on_server(ledger));
    folder.map_or_else(|| project_dir.join(".backline"), Path::to_owned)
}

impl Ledger {
    /// Opens a ledger for reading.
    pub(crate) fn read(place: &Path) -> Result<Self, StoreError> {
        #[cfg(feature = "postgres")]
        if let Some(address) = address(place) {
            let store = backline_postgres::Ledger::read(&address)?;
            let place = place.to_owned();
            return Ok(Self::Server { store, place });
        }
        file::Ledger::read(place).map(Self::File)
    }

    /// Opens a ledger for writing, as its only owner.
    pub(crate) fn own(place: &Path) -> Result<Self, StoreError> {
        #[cfg(feature = "postgres")]
        if let Some(address) = address(place) {
            let store = backline_postgres::Ledger::own(&address)?;
            let place = place.to_owned();
            return Ok(Self::Server { store, place });
        }
        file::Ledger::own(place).map(Self::File)
    }

    /// Opens a ledger on a server for writing, beside other processes that carry out shared runs.
    #[cfg(feature = "postgres")]
    pub(crate) fn share(place: &Path) -> Result<Self, StoreError> {
        let Some(address) = address(place) else {
            return Self::own(place);
        };
        let store = backline_postgres::Ledger::share(&address)?;
        let place = place.to_owned();
        Ok(Self::Server { store, place })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::File(ledger) => ledger.path(),
            #[cfg(feature = "postgres")]
            Self::Server { place, .. } => place,
        }
    }

    /// Who owns it now. On a server its owners carry out the run that began last.
    pub(crate) fn owner(&self) -> Result<Option<Owner>, StoreError> {
        match self {
            Self::File(ledger) => Ok(ledger.owner()?.map(|owner| Owner {
                processes: owner.process.iter().map(ToString::to_string).collect(),
                run: owner.run,
            })),
            #[cfg(feature = "postgres")]
            Self::Server { store, .. } => {
                let processes = store.owners()?;
                if processes.is_empty() {
                    return Ok(None);
                }
                let run = store.runs()?.into_iter().next().map(|run| run.id);
                Ok(Some(Owner { processes, run }))
            }
        }
    }

    /// Whether songs of a run are left to carry out by any process. A ledger in a file has none that its only process does not know.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(unused_variables, reason = "a ledger may be on a server")
    )]
    pub(crate) fn is_queued(&self, run: &RunId) -> Result<bool, StoreError> {
        match self {
            Self::File(_) => Ok(false),
            #[cfg(feature = "postgres")]
            Self::Server { store, .. } => store.is_queued(run),
        }
    }

    /// Lets a reader see what has been committed since.
    pub(crate) fn refresh(&self) -> Result<(), StoreError> {
        match self {
            Self::File(ledger) => ledger.refresh(),
            #[cfg(feature = "postgres")]
            Self::Server { store, .. } => store.refresh(),
        }
    }

    /// The time of its last record, where that is later than `now_ms`.
    pub(crate) fn ahead_of(&self, now_ms: i64) -> Result<Option<i64>, StoreError> {
        match self {
            Self::File(ledger) => ledger.ahead_of(now_ms),
            #[cfg(feature = "postgres")]
            Self::Server { store, .. } => store.ahead_of(now_ms),
        }
    }

    /// Whether it has recorded a run.
    pub(crate) fn knows_run(&self, run: &RunId) -> Result<bool, StoreError> {
        match self {
            Self::File(ledger) => ledger.knows_run(run),
            #[cfg(feature = "postgres")]
            Self::Server { store, .. } => store.knows_run(run),
        }
    }

    /// Whether it has the record of an attempt with that time.
    pub(crate) fn knows_intent(&self, at_ms: i64) -> Result<bool, StoreError> {
        match self {
            Self::File(ledger) => ledger.knows_intent(at_ms),
            #[cfg(feature = "postgres")]
            Self::Server { store, .. } => store.knows_intent(at_ms),
        }
    }

    /// Checks that it is intact.
    pub(crate) fn check(&self) -> Result<Checked, StoreError> {
        match self {
            Self::File(ledger) => ledger.check(),
            #[cfg(feature = "postgres")]
            Self::Server { store, .. } => store.check(),
        }
    }
}

/// The ledger on a server.
#[cfg(feature = "postgres")]
impl Ledger {
    /// The queue of a run's songs; none where the ledger is a file.
    pub(crate) fn queue(&self, run: &RunId) -> Option<backline_postgres::Queue> {
        match self {
            Self::File(_) => None,
            Self::Server { store, .. } => {
                let address = store.address().clone();
                Some(backline_postgres::Queue::new(address, run.clone()))
            }
        }
    }

    /// Removes the songs of a run that has died from the queue.
    pub(crate) fn remove_queued(&self, run: &RunId) -> Result<(), StoreError> {
        match self {
            Self::File(_) => Ok(()),
            Self::Server { store, .. } => store.remove_queued(run),
        }
    }

    /// Takes the songs of a run that no process carries out off its queue.
    pub(crate) fn withdraw(&self, run: &RunId) -> Result<(), StoreError> {
        match self {
            Self::File(_) => Ok(()),
            Self::Server { store, .. } => store.withdraw(run),
        }
    }
}

/// The address of a ledger on a server; none for a file.
#[cfg(feature = "postgres")]
fn address(place: &Path) -> Option<backline_postgres::Address> {
    let text = place.to_str().filter(|_| is_on_server(place))?;
    // It was checked when the arguments were read.
    text.parse().ok()
}
