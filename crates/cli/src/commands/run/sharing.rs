//! Runs with a ledger on a server: their songs are handed out to this process and to workers.

use backline_engine::driver::SharedRun;
use backline_engine::event::RunId;
use backline_engine::plan::Purchases;
use backline_engine::store::RunHeader;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Options;
use crate::console::Console;
use crate::failure::{Failure, Kind};
use crate::ledger::{Ledger, is_on_server};
use crate::owning::{own, share};
use crate::project::Project;

/// Songs that a process has beside its tasks in flight: some are being prepared, or are being downloaded.
const SONGS_BESIDE: usize = 8;

/// Most songs that a process has at a time.
const MOST_SONGS: usize = 512;

/// The songs of a shared run on their way to this process.
pub(super) struct Songs {
    served: Option<Served>,
}

struct Served {
    run: RunId,
    task: JoinHandle<()>,
    stop: CancellationToken,
    began: bool,
}

/// Opens the ledger: beside other processes where the run can be shared, else alone.
pub(super) fn open(
    project: &Project,
    options: &Options<'_>,
    console: &Console,
) -> Result<Ledger, Failure> {
    if let Some(partition) = options
        .manifest
        .partition
        .filter(|_| is_on_server(&project.ledger))
    {
        let message = format!("--partition {partition} is for machines that have a ledger each");
        return Err(Failure::msg(Kind::Usage, message)
            .hint("on a server all share the limits: leave it out, and start `backline worker` on the other machines"));
    }
    if options.publishes && !is_shared(project, options) {
        let message = "only a run that workers can carry out is published: with --ledger postgres://USER@HOST/DATABASE, without --record, --replay and the built-in studio";
        return Err(Failure::msg(Kind::Usage, message));
    }
    match is_shared(project, options) {
        true => share(&project.ledger, &options.ledger.wait, console),
        false => own(&project.ledger, &options.ledger.wait, console),
    }
}

/// Whether workers may carry out jobs of the run: not of one that only downloads, nor with a recording or a studio that this process
/// alone has.
fn is_shared(project: &Project, options: &Options<'_>) -> bool {
    let plan = &project.plan;
    is_on_server(&project.ledger)
        && plan.purchases == Purchases::All
        && plan.provider.embedded.is_none()
        && options.tape.is_none()
}

/// Begins to hand out the songs of a run that this process is about to begin. Without any work they are not left to workers, which may
/// not come.
pub(super) fn begin(
    runtime: &Runtime,
    project: &Project,
    options: &Options<'_>,
    ledger: &Ledger,
    has_work: bool,
) -> (Option<SharedRun>, Songs) {
    match is_shared(project, options) {
        true => {
            let songs = match options.publishes && has_work {
                true => 0,
                false => songs_at_once(project),
            };
            serve(runtime, songs, ledger, RunId::new(), None)
        }
        false => (None, Songs { served: None }),
    }
}

/// The same for a run that another process began.
pub(super) fn join(
    runtime: &Runtime,
    project: &Project,
    ledger: &Ledger,
    run: RunHeader,
) -> (Option<SharedRun>, Songs) {
    let songs = songs_at_once(project);
    serve(runtime, songs, ledger, run.id.clone(), Some(run))
}

/// Songs that a process carries out at a time.
fn songs_at_once(project: &Project) -> usize {
    (project.plan.limits.concurrency as usize)
        .saturating_add(SONGS_BESIDE)
        .min(MOST_SONGS)
}

fn serve(
    runtime: &Runtime,
    at_once: usize,
    ledger: &Ledger,
    id: RunId,
    joins: Option<RunHeader>,
) -> (Option<SharedRun>, Songs) {
    let Some(queue) = ledger.queue(&id) else {
        return (None, Songs { served: None });
    };
    let (give, songs) = mpsc::channel(1);
    let stop = CancellationToken::new();
    let served = Served {
        run: id.clone(),
        task: runtime.spawn(queue.serve(at_once, give, stop.clone())),
        stop,
        began: joins.is_none(),
    };
    let shared = SharedRun { songs, id, joins };
    let served = Some(served);
    (Some(shared), Songs { served })
}

impl Songs {
    /// Hands out no more. Where this process began the run, workers end what they have of it and get no more.
    pub(super) fn end(self, runtime: &Runtime, ledger: &Ledger) {
        let Some(served) = self.served else {
            return;
        };
        served.stop.cancel();
        // A queue that panicked has handed out nothing more either.
        let _ = runtime.block_on(served.task);
        if served.began
            && let Err(error) = ledger.withdraw(&served.run)
        {
            tracing::warn!(%error, "the run's queue could not be emptied; the next run does that");
        }
    }
}
