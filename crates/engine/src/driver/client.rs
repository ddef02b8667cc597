//! The HTTP client of a plan: its provider, its proxies, and the private addresses that are meant.

use std::collections::HashMap;

use backline_api::{
    ApiKey, Client, ClientError, ClientOptions, PrivateAddresses, Profile, Proxies, Tape,
};

use super::{RunError, USER_AGENT};
use crate::plan::{Plan, StemSource};
use crate::settings::JobKey;
use crate::store::KnownJob;

/// A client of the plan's provider, whose requests go through the tape where there is one. No secret of the attempts in `known` gets
/// into what it returns.
pub(super) fn client(
    plan: &Plan,
    key: &ApiKey,
    known: &HashMap<JobKey, KnownJob>,
    tape: Option<Tape>,
) -> Result<Client, RunError> {
    let failed = |error: ClientError| match error {
        ClientError::Proxy { .. } => RunError::Proxy(error.to_string()),
        error => RunError::Client(error.to_string()),
    };
    let mut options = ClientOptions::new(USER_AGENT);
    options.proxies = Proxies::from_env().map_err(failed)?;
    let mut client = Client::new(profile(plan), key.clone(), options).map_err(failed)?;
    if let Some(tape) = tape {
        client = client.with_tape(tape);
    }
    let attempts = known.values().flat_map(|known| known.job.tokens());
    attempts.for_each(|(_, token)| client.hide(token.expose()));
    Ok(client)
}

/// The plan's profile. Under a profile of this machine the hosts of stems are meant wherever they lie: the manifest names them.
fn profile(plan: &Plan) -> Profile {
    let mut profile = plan.provider.profile.clone();
    if profile.loopback && profile.allow_private != PrivateAddresses::Allowed {
        let mut hosts =
            match std::mem::replace(&mut profile.allow_private, PrivateAddresses::Refused) {
                PrivateAddresses::Hosts(hosts) => hosts,
                _ => Vec::new(),
            };
        let stems = plan.stems.iter().filter_map(|stem| match &stem.source {
            StemSource::Url(url) => url.host_str().map(str::to_owned),
            StemSource::File(_) => None,
        });
        hosts.extend(stems);
        hosts.sort();
        hosts.dedup();
        profile.allow_private = PrivateAddresses::Hosts(hosts);
    }
    profile
}

/// The host that the plan's recordings are uploaded to; a studio of this process is no host.
pub(super) fn upload_host(plan: &Plan) -> Option<String> {
    let uploads = plan
        .stems
        .iter()
        .any(|stem| matches!(stem.source, StemSource::File(_)));
    let host = plan.provider.profile.upload_url.host_str();
    host.filter(|_| uploads && plan.provider.embedded.is_none())
        .map(str::to_owned)
}

/// Refuses to buy from a provider in a private network that nothing says is meant: results could not be fetched.
pub(super) async fn refuse_private_provider(client: &Client) -> Result<(), RunError> {
    match client.private_host().await {
        Some(host) => Err(RunError::PrivateProvider { host }),
        None => Ok(()),
    }
}
