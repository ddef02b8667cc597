//! `backline worker --render`: computes renders of studios on other machines until it is stopped.

use std::sync::Arc;

use backline_postgres::GivenRender;
use backline_studio::{FarmWorker, FarmWorkerError};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::run::needs_server;
use super::studio::open_queue;
use crate::args::{GlobalArgs, SoundArgs, WorkerArgs};
use crate::console::Console;
use crate::exit_codes;
use crate::failure::{CommandResult, Failure, Kind};
use crate::ledger::is_on_server;
use crate::log::{self, Notices};
use crate::project::ledger_path;
use crate::signals;
use crate::sound::ChosenSound;

pub(crate) fn run(args: &WorkerArgs, global: &GlobalArgs, console: &Console) -> CommandResult {
    let notices = Notices::stderr();
    log::begin_studio(console, &notices);
    let ledger = ledger_path(None, global)?;
    if !is_on_server(&ledger) {
        return Err(needs_server());
    }
    let sound = ChosenSound::of(&SoundArgs {
        audio: None,
        soundfont: args.soundfont.clone(),
    })?;
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let at_once = args.concurrency.map_or_else(cores, |it| it.get().into());
    let worker =
        FarmWorker::new(sound.soundfont).map_err(|error| Failure::new(Kind::Bug, error))?;
    let runtime = super::runtime()?;
    let ended = runtime.block_on(async {
        let queue = open_queue(&ledger).await?;
        let (stop, now) = (CancellationToken::new(), CancellationToken::new());
        let notice = "finishing the renders in progress; Ctrl-C again stops at once\n";
        let signals = signals::follow(stop.clone(), now.clone(), notices, notice);
        let (give, given) = mpsc::channel(1);
        let serving = tokio::spawn(queue.serve(at_once, give, stop.clone()));
        console.note(&format!(
            "rendering with {}, {at_once} at a time\n",
            worker.playing()
        ));
        let mut shift = Shift {
            worker,
            places: Arc::new(Semaphore::new(at_once)),
            renders: JoinSet::new(),
            done: 0,
            refused: None,
        };
        let code = tokio::select! {
            () = shift.work(given, &stop) => exit_codes::DONE,
            () = now.cancelled() => exit_codes::STOPPED,
        };
        // A queue that panicked has handed out nothing more either.
        if code == exit_codes::DONE {
            let _ = serving.await;
        }
        signals.abort();
        console.note(&format!("{} renders done by this worker\n", shift.done));
        match shift.refused {
            None => Ok(code),
            Some(error) => Err(Failure::new(Kind::Usage, error)
                .hint("a worker needs the studio's version of backline and the studio's --soundfont; the sample also differs between some processors")),
        }
    });
    // Does not wait for renders that were stopped; other workers compute them.
    runtime.shutdown_background();
    ended
}

/// What a worker does from its start to its end.
struct Shift {
    worker: FarmWorker,
    /// The queue gives no more at once; but after it was connected anew, renders of before may still be in progress.
    places: Arc<Semaphore>,
    renders: JoinSet<Result<bool, FarmWorkerError>>,
    done: u64,
    /// Why a studio refused this worker.
    refused: Option<FarmWorkerError>,
}

impl Shift {
    /// Computes renders until the queue gives no more, and finishes those in progress. Cancels `stop` when a studio plays differently.
    async fn work(&mut self, mut given: mpsc::Receiver<GivenRender>, stop: &CancellationToken) {
        loop {
            tokio::select! {
                next = given.recv() => match next {
                    Some(render) => self.begin(render).await,
                    None => break,
                },
                Some(ended) = self.renders.join_next() => self.count(ended, stop),
            }
        }
        while let Some(ended) = self.renders.join_next().await {
            self.count(ended, stop);
        }
    }

    async fn begin(&mut self, render: GivenRender) {
        // The semaphore is never closed.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        let worker = self.worker.clone();
        self.renders.spawn(async move {
            let _place = place;
            let ended = worker.carry_out(&render.studio, &render.secret).await;
            let done = match &ended {
                Ok(_) => Ok(()),
                Err(error) => Err(error.to_string()),
            };
            // A queue that was connected anew gives the render to another worker, which finds that it is over.
            let _ = render.done.send(done);
            ended
        });
    }

    fn count(
        &mut self,
        ended: Result<Result<bool, FarmWorkerError>, tokio::task::JoinError>,
        stop: &CancellationToken,
    ) {
        match ended {
            Ok(Ok(is_done)) => self.done += u64::from(is_done),
            Ok(Err(error @ FarmWorkerError::PlaysDifferently { .. })) => {
                self.refused = Some(error);
                stop.cancel();
            }
            Ok(Err(error)) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "left a render to another worker"
            ),
            Err(error) => tracing::error!(%error, "a render stopped with an internal error"),
        }
    }
}
