//! The arguments of `studio`.

use std::net::SocketAddr;
use std::path::PathBuf;

use backline_engine::manifest::parse_rate;
use backline_engine::plan::Rate;
use clap::Args as ClapArgs;

use super::SoundArgs;

/// Serve the vendors' contract on this machine, with the band playing
///
/// The first line on standard output is the base URL. Uploads use the same address. Tasks survive a restart.
#[cfg_attr(
    feature = "postgres",
    doc = "With --ledger on a server, `backline worker --render` renders instead, on any number of machines."
)]
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  BACKLINE_STUDIO_KEY=secret backline studio
  backline studio --listen 127.0.0.1:0 --instant --rate off     for load tests")]
pub(crate) struct StudioArgs {
    /// The address to listen on; port 0 picks a free port
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8790")]
    pub(crate) listen: SocketAddr,
    /// Allow an address that other machines can reach; requires a key
    #[arg(long)]
    pub(crate) expose: bool,
    /// Accept only this API key [default: any key]; the variable keeps it out of the process list
    #[arg(
        long,
        value_name = "KEY",
        env = "BACKLINE_STUDIO_KEY",
        hide_env_values = true
    )]
    pub(crate) key: Option<String>,
    /// The credits of the account, including those already spent [default: unlimited]
    #[arg(long, value_name = "N", value_parser = credits, allow_negative_numbers = true)]
    pub(crate) credits: Option<f64>,
    /// The folder for tasks and files
    #[arg(long, value_name = "DIR", default_value = ".backline/studio-service")]
    pub(crate) data: PathBuf,
    /// Finish every task at once with a stored recording instead of playing
    #[arg(long)]
    pub(crate) instant: bool,
    /// The rate limit of new tasks for each key, as `20/10s`, or `off`
    #[arg(long, value_name = "RATE", default_value = "20/10s", value_parser = rate)]
    pub(crate) rate: StudioRate,
    /// Inject the faults of this YAML plan (docs/misbehave.md), for testing clients
    #[arg(long, value_name = "PLAN")]
    pub(crate) misbehave: Option<PathBuf>,
    /// Fetch sources from private addresses too
    #[arg(long)]
    pub(crate) allow_private: bool,
    #[command(flatten)]
    pub(crate) sound: SoundArgs,
}

/// The studio's rate limit of new tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StudioRate {
    /// No limit.
    Off,
    /// At most this many tasks in each window.
    Window(Rate),
}

fn credits(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
        _ => Err("expected a number of credits, 0 or more".to_owned()),
    }
}

fn rate(text: &str) -> Result<StudioRate, String> {
    if text == "off" {
        return Ok(StudioRate::Off);
    }
    parse_rate(text)
        .map(StudioRate::Window)
        .ok_or_else(|| "expected `off` or a number in a time, as `20/10s` or `5/500ms`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_in_a_time() {
        let window = |count, window_ms| Ok(StudioRate::Window(Rate { count, window_ms }));
        assert_eq!(rate("20/10s"), window(20, 10_000));
        assert_eq!(rate("5/500ms"), window(5, 500));
        assert_eq!(rate("off"), Ok(StudioRate::Off));
        for wrong in [
            "",
            "20",
            "20/",
            "0/10s",
            "20/0s",
            "20/10",
            "-1/10s",
            "20/99999999999999999999s",
        ] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }
}
