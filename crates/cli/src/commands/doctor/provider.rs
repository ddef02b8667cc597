//! Checks the key, the provider, the account and the clock.

use std::net::Ipv4Addr;
use std::time::Duration;

use backline_api::{ApiKey, CallError, CallErrorKind, Client, ClientOptions, Proxies};
use backline_engine::plan::{Plan, Provider, StemSource};
use backline_reporter::figure;
use backline_studio::{Studio, StudioConfig};
use tokio::net::TcpListener;

use super::Check;
use crate::exit_codes;
use crate::failure::Failure;
use crate::key::api_key;
use crate::project::Project;

/// The program's User-Agent.
const USER_AGENT: &str = concat!("backline/", env!("CARGO_PKG_VERSION"));

/// The timeout of the request.
const PATIENCE: Duration = Duration::from_secs(20);

/// The largest accepted difference between this clock and the provider's, in seconds. Callback signatures allow 300 s; an
/// error of 30 s is no longer normal drift.
const SKEW_S: i64 = 30;

/// Checks the manifest's provider. Without one, or if it is the studio, checks that the studio starts.
///
/// `price` is the cost of a run of the manifest in credits.
pub(super) async fn check(project: Option<&Project>, price: &Result<f64, Failure>) -> Vec<Check> {
    let Some(project) = project.filter(|it| it.plan.provider.embedded.is_none()) else {
        return vec![
            Check::fine("key", "not required: the studio plays on this machine"),
            studio().await,
        ];
    };
    let provider = &project.plan.provider;
    let key = match api_key(provider) {
        Ok(key) => key,
        Err(failure) => {
            let unasked = format!("{} was not checked: that requires the key", base(provider));
            return vec![
                Check::failed("key", &failure),
                Check::doubtful("provider", unasked, "set the key, then check again"),
            ];
        }
    };
    let mut checks = vec![Check::fine(
        "key",
        format!("${} is set", provider.api_key_env),
    )];
    checks.extend(request(project, key, price).await);
    checks
}

/// Starts a studio in a temporary folder and stops it.
async fn studio() -> Check {
    let started = async {
        let scratch = tempfile::tempdir()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let studio = Studio::start(listener, StudioConfig::new(scratch.path())).await?;
        studio.stop().await;
        anyhow::Ok(())
    };
    match started.await {
        Ok(()) => Check::fine(
            "provider",
            "the studio starts: no account, no network, no cost",
        ),
        Err(error) => Check::wrong(
            "provider",
            exit_codes::USAGE,
            format!("cannot start the studio: {error:#}"),
            "it requires a free port on loopback and a folder for temporary files",
        ),
    }
}

fn base(provider: &Provider) -> String {
    backline_api::redact_url(provider.profile.base_url.as_str())
}

async fn request(project: &Project, key: ApiKey, price: &Result<f64, Failure>) -> Vec<Check> {
    let provider = &project.plan.provider;
    let mut options = ClientOptions::new(USER_AGENT);
    options.call_timeout = PATIENCE;
    options.proxies = match Proxies::from_env() {
        Ok(proxies) => proxies,
        Err(error) => {
            let advice = "correct the variable, or unset it to connect directly";
            return vec![Check::wrong(
                "proxy",
                exit_codes::USAGE,
                error.to_string(),
                advice,
            )];
        }
    };
    let proxies = options.proxies.clone();
    let client = match Client::new(provider.profile.clone(), key, options) {
        Ok(client) => client,
        Err(error) => {
            let found = format!("cannot create the HTTP client: {error}");
            return vec![Check::wrong(
                "provider",
                exit_codes::BUG,
                found,
                "report it",
            )];
        }
    };
    let account = client.account().await;
    let mut checks = match &account.credits {
        Ok(balance) => vec![
            Check::fine("provider", format!("{} responds", base(provider))),
            credits(project, *balance, price),
        ],
        Err(error) => vec![refused(provider, error)],
    };
    checks.extend(reach(project, &client, &proxies).await);
    if let Some(theirs_ms) = account.date_ms {
        checks.push(clock(jiff::Timestamp::now().as_millisecond() - theirs_ms));
    }
    checks
}

/// Checks the upload host, the provider's network, and the proxies for downloads.
async fn reach(project: &Project, client: &Client, proxies: &Proxies) -> Vec<Check> {
    let profile = client.profile();
    let mut checks = Vec::new();
    if let Some(host) = client.private_host().await {
        let found =
            format!("{host} is in a private network: tracks bought there cannot be downloaded");
        let advice = format!("if that is intended: `provider: {{allow_private: [{host}]}}`");
        checks.push(Check::wrong("network", exit_codes::USAGE, found, &advice));
    }
    let upload = backline_api::redact_url(profile.upload_url.as_str());
    let files = |source: &StemSource| matches!(source, StemSource::File(_));
    if project.plan.stems.iter().any(|stem| files(&stem.source)) {
        // The credits check has already reached this server.
        let same = profile.upload_url.origin() == profile.base_url.origin();
        let reached = match same {
            true => Ok(()),
            false => client.reach_upload_host().await,
        };
        checks.push(match reached {
            Ok(()) if same => {
                Check::fine("uploads", format!("recordings are uploaded to {upload}"))
            }
            Ok(()) => Check::fine(
                "uploads",
                format!("{upload} responds; recordings are uploaded there"),
            ),
            Err(error) => Check::wrong(
                "uploads",
                exit_codes::REFUSED,
                format!("cannot reach {upload}, where recordings are uploaded: {error}"),
                "check `provider: {upload_url: …}`, the network and its proxy",
            ),
        });
    }
    if !proxies.is_empty() && !profile.loopback {
        let shown = proxies.shown().join(", ");
        checks.push(match client.reach_file_host(&profile.base_url).await {
            Ok(()) => Check::fine("proxy", format!("{shown}; files are downloaded through it")),
            Err(error) => Check::wrong(
                "proxy",
                exit_codes::REFUSED,
                format!("{shown}: {error}"),
                "check HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY; for a certificate of the proxy's own set SSL_CERT_FILE",
            ),
        });
    }
    checks
}

fn refused(provider: &Provider, error: &CallError) -> Check {
    let advice = if is_no_such_path(error) {
        "check `provider: {base_url: …}`: this server does not have the vendor's paths"
    } else if error.is_retryable() {
        "check the network, a proxy or a firewall, and the provider's status page; then try again"
    } else {
        "check the key, and `provider:` in the manifest; the provider's message has the details"
    };
    let found = format!("{}: {error}", base(provider));
    Check::wrong("provider", exit_codes::REFUSED, found, advice)
}

fn is_no_such_path(error: &CallError) -> bool {
    match error.kind() {
        CallErrorKind::Refused(refusal) => refusal.code == Some(404),
        _ => false,
    }
}

/// Compares the balance with the cost of a run.
fn credits(project: &Project, balance: f64, price: &Result<f64, Failure>) -> Check {
    let found = format!("the account has {} credits", figure(balance));
    let wanted = match price {
        Ok(credits) => cost(&project.plan, *credits),
        // The check of the ledger reports its own errors.
        Err(failure) => return unheld(found, failure),
    };
    if balance < wanted {
        Check::doubtful(
            "credits",
            format!("{found} and the plan costs {}", figure(wanted)),
            "a run buys what they cover; add credits for the rest",
        )
    } else {
        Check::fine(
            "credits",
            format!("{found}; the plan costs {}", figure(wanted)),
        )
    }
}

fn unheld(found: String, failure: &Failure) -> Check {
    let found = format!(
        "{found}; the cost of the plan is unknown: {}",
        failure.message()
    );
    Check::doubtful("credits", found, "repair the ledger first")
}

/// The most that a run spends, in credits.
fn cost(plan: &Plan, credits: f64) -> f64 {
    plan.limits
        .credits
        .map_or(credits, |limit| credits.min(limit))
}

/// Checks the clock. `skew_ms` is this clock's time minus the provider's.
fn clock(skew_ms: i64) -> Check {
    let skew_s = skew_ms / 1000;
    if skew_s.abs() <= SKEW_S {
        return Check::fine("clock", "within half a minute of the provider's");
    }
    let side = if skew_s > 0 { "ahead of" } else { "behind" };
    Check::doubtful(
        "clock",
        format!("{} s {side} the provider's", skew_s.abs()),
        "set the clock (NTP): signed callbacks are refused, and expiry is misjudged",
    )
}

#[cfg(test)]
mod tests {
    use super::super::CheckStatus;
    use super::*;

    #[test]
    fn a_clock_may_be_half_a_minute_off() {
        assert_eq!(clock(30_900).state, CheckStatus::Fine);
        assert_eq!(clock(-31_000).found, "31 s behind the provider's");
        assert_eq!(clock(3_600_000).found, "3600 s ahead of the provider's");
        assert_eq!(clock(3_600_000).state, CheckStatus::Doubtful);
    }
}
