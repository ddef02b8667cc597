//! `backline studio`: serves the provider's API on this machine until it is stopped.

#[cfg(feature = "postgres")]
mod farm;

use std::path::Path;
use std::time::Duration;

use backline_engine::plan::Rate;
use backline_studio::{Misbehaviour, PlanError, Studio, StudioConfig};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::args::{GlobalArgs, StudioArgs, StudioRate};
use crate::console::Console;
use crate::exit_codes;
use crate::failure::{CommandResult, Failure, Kind};
use crate::ledger::{check_address, is_on_server};
use crate::log::{self, Notices};
use crate::signals;
use crate::sound::ChosenSound;
#[cfg(feature = "postgres")]
pub(crate) use farm::open as open_queue;

pub(crate) fn run(args: &StudioArgs, global: &GlobalArgs, console: &Console) -> CommandResult {
    let notices = Notices::stderr();
    log::begin_studio(console, &notices);
    let mut config = config(args)?;
    let ledger = global.ledger.as_deref();
    if let Some(ledger) = ledger {
        check_farm(ledger, args)?;
        config.uses_farm = true;
    }
    let runtime = super::runtime()?;
    let served = runtime.block_on(serve(args, config, ledger, console, notices));
    // Does not wait for recordings that are being played; the next start plays them again.
    runtime.shutdown_background();
    served.map(|()| exit_codes::DONE)
}

/// The configuration from the arguments.
fn config(args: &StudioArgs) -> Result<StudioConfig, Failure> {
    let key = args.key.as_deref().map(str::trim);
    if key.is_some_and(str::is_empty) {
        return Err(Failure::msg(Kind::Usage, "the key is empty"));
    }
    if !args.listen.ip().is_loopback() {
        if !args.expose {
            return Err(Failure::msg(
                Kind::Usage,
                format!("{} can be reached from other machines", args.listen),
            )
            .hint("add --expose and a key to allow that"));
        }
        if key.is_none() {
            return Err(
                Failure::msg(Kind::Usage, "an exposed studio requires a key")
                    .hint("set $BACKLINE_STUDIO_KEY"),
            );
        }
    }
    let mut config = StudioConfig::new(&args.data);
    config.key = key.map(str::to_owned);
    config.credits = args.credits;
    config.instant = args.instant;
    ChosenSound::of(&args.sound)?.into_config(&mut config);
    config.allow_private_sources = args.allow_private;
    config.misbehaviour = args.misbehave.as_deref().map(plan).transpose()?;
    config.rate = match args.rate {
        StudioRate::Off => None,
        StudioRate::Window(Rate { count, window_ms }) => {
            Some((count, Duration::from_millis(window_ms)))
        }
    };
    Ok(config)
}

/// Checks a ledger and the address that workers on other machines call.
fn check_farm(ledger: &Path, args: &StudioArgs) -> Result<(), Failure> {
    if !is_on_server(ledger) {
        let message = "a studio uses a ledger on a server alone, where renders wait for workers: --ledger postgres://USER@HOST/DATABASE";
        return Err(Failure::msg(Kind::Usage, message));
    }
    check_address(ledger)?;
    if args.listen.ip().is_unspecified() {
        let message = format!("workers can't call {}: it names no machine", args.listen);
        return Err(Failure::msg(Kind::Usage, message)
            .hint("--listen with an address of this machine that the workers can reach"));
    }
    Ok(())
}

/// Reads a plan of simulated faults.
fn plan(path: &Path) -> Result<Misbehaviour, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        let context = format!("cannot read the plan {shown}");
        Failure::new(Kind::Usage, anyhow::Error::new(error).context(context))
            .hint("--misbehave takes the path of a YAML file")
    })?;
    Misbehaviour::parse(&text).map_err(|error| {
        let (message, details) = match &error {
            PlanError::Unreadable { message, excerpt } => {
                (format!("{shown}: {message}"), excerpt.clone())
            }
            PlanError::Senseless(mistakes) => {
                (format!("{shown}: the plan is wrong"), mistakes.join("\n"))
            }
            PlanError::TooLarge(_) => (format!("{shown}: {error}"), String::new()),
        };
        Failure::msg(Kind::Usage, message)
            .details(details)
            .hint("docs/misbehave.md lists the fields and faults of a plan")
    })
}

async fn serve(
    args: &StudioArgs,
    config: StudioConfig,
    ledger: Option<&Path>,
    console: &Console,
    notices: Notices,
) -> Result<(), Failure> {
    #[cfg(feature = "postgres")]
    let queue = match ledger {
        Some(ledger) => Some(farm::StudioQueue::open(ledger, notices.clone()).await?),
        None => None,
    };
    // Without the feature, the check of its address has refused every ledger.
    #[cfg(not(feature = "postgres"))]
    let _ = ledger;
    let listener = TcpListener::bind(args.listen).await.map_err(|error| {
        let context = format!("cannot listen on {}", args.listen);
        Failure::new(Kind::Usage, anyhow::Error::new(error).context(context))
            .hint("--listen 127.0.0.1:0 picks a free port")
    })?;
    // Signals are handled before the address is printed, because a reader of the address may send one at once.
    let (stop, at_once) = (CancellationToken::new(), CancellationToken::new());
    let notice = "stopping; Ctrl-C again stops at once\n";
    let signals = signals::follow(stop.clone(), at_once.clone(), notices, notice);
    let studio = Studio::start(listener, config).await?;
    #[cfg(feature = "postgres")]
    let keeping = queue.zip(studio.farm()).map(|(queue, farm)| {
        tokio::spawn(queue.keep(farm, studio.base_url().to_string(), stop.clone()))
    });
    console.data(&format!("{}\n", studio.base_url()))?;
    stop.cancelled().await;
    let stopping = async {
        studio.stop().await;
        // A queue that panicked has no more to do either.
        #[cfg(feature = "postgres")]
        if let Some(keeping) = keeping {
            let _ = keeping.await;
        }
    };
    tokio::select! {
        () = stopping => {}
        () = at_once.cancelled() => {}
    }
    signals.abort();
    Ok(())
}
