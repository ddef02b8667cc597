//! A program without ledgers on servers: every run is carried out by one process. [`sharing`](super) with the feature `postgres`.

use backline_engine::driver::SharedRun;
use tokio::runtime::Runtime;

use super::Options;
use crate::console::Console;
use crate::failure::Failure;
use crate::ledger::Ledger;
use crate::owning::own;
use crate::project::Project;

/// Nothing is handed out.
pub(super) struct Songs;

pub(super) fn open(
    project: &Project,
    options: &Options<'_>,
    console: &Console,
) -> Result<Ledger, Failure> {
    own(&project.ledger, &options.ledger.wait, console)
}

pub(super) fn begin(
    _: &Runtime,
    _: &Project,
    _: &Options<'_>,
    _: &Ledger,
    _: bool,
) -> (Option<SharedRun>, Songs) {
    (None, Songs)
}

impl Songs {
    pub(super) fn end(self, _: &Runtime, _: &Ledger) {}
}
