//! `backline listen`: receives callbacks while no run is active.

use backline_engine::driver::{self, ListenSummary, Signals};
use backline_engine::event::Record;
use tokio_util::sync::CancellationToken;

use crate::args::{GlobalArgs, ListenArgs};
use crate::console::Console;
use crate::exit_codes;
use crate::failure::{CommandResult, Failure, Kind};
use crate::key::callback_key;
use crate::log::{self, Notices};
use crate::owning::own;
use crate::project::Project;
use crate::signals;

pub(crate) fn run(args: &ListenArgs, global: &GlobalArgs, console: &Console) -> CommandResult {
    let project = Project::open(&args.manifest, global, console)?;
    let Some(callbacks) = &project.plan.callbacks else {
        let message = format!("{} has no address for callbacks", project.shown);
        return Err(Failure::msg(Kind::Usage, message)
            .hint("add `callbacks: {listen: \"127.0.0.1:8787\", public_url: \"https://…\"}`"));
    };
    let (address, key) = (callbacks.listen, callback_key(Some(callbacks))?);
    let mut ledger = own(&project.ledger, &args.wait, console)?;
    let notices = Notices::stderr();
    log::begin(console, &notices);
    let runtime = super::runtime()?;
    let heard = runtime.block_on(async {
        let stops = Signals {
            drain: CancellationToken::new(),
            stop: CancellationToken::new(),
        };
        let following =
            signals::follow(stops.drain.clone(), stops.stop.clone(), notices.clone(), "");
        let mut printed = Ok(());
        let mut ready = |url: &url::Url| printed = console.data(&format!("{url}\n"));
        let mut observe = |record: &Record| report(record, console);
        let heard =
            driver::listen(address, key, &stops, &mut *ledger, &mut ready, &mut observe).await;
        following.abort();
        printed.and(heard.map_err(Failure::from))
    });
    runtime.shutdown_background();
    let ListenSummary {
        callbacks,
        claims,
        refused,
    } = heard?;
    console.note(&format!(
        "received {callbacks} callbacks, which named {claims} new tasks; refused {}\n",
        refused.total()
    ));
    Ok(exit_codes::DONE)
}

fn report(record: &Record, console: &Console) {
    let job = record.job.map(|key| key.short()).unwrap_or_default();
    console.note(&format!(
        "job {job}: a callback names its task; the next run checks it with the provider\n"
    ));
}
