//! `backline studio`: serves the provider's API on this machine until it is stopped.

use std::path::Path;
use std::time::Duration;

use backline_engine::plan::Rate;
use backline_studio::{Misbehaviour, PlanError, Studio, StudioConfig};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::args::{StudioArgs, StudioRate};
use crate::console::Console;
use crate::exit_codes;
use crate::failure::{CommandResult, Failure, Kind};
use crate::log::{self, Notices};
use crate::signals;
use crate::sound::ChosenSound;

pub(crate) fn run(args: &StudioArgs, console: &Console) -> CommandResult {
    let notices = Notices::stderr();
    log::begin_studio(console, &notices);
    let config = config(args)?;
    let runtime = super::runtime()?;
    let served = runtime.block_on(serve(args, config, console, notices));
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
    console: &Console,
    notices: Notices,
) -> Result<(), Failure> {
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
    console.data(&format!("{}\n", studio.base_url()))?;
    stop.cancelled().await;
    tokio::select! {
        () = studio.stop() => {}
        () = at_once.cancelled() => {}
    }
    signals.abort();
    Ok(())
}
