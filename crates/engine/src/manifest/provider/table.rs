//! `provider`: a vendor's name, or a table that says how a reseller differs from one.
//!
//! A manifest never contains a key, only the name of its environment variable. Nothing is contacted here.

use std::path::Path;

use backline_api::{PrivateAddresses, Profile, is_private_address};
use url::{Host, Url};

use super::amend::amend;
use super::secret::{DEFAULT_KEY_ENV, secret, url};
use super::sound::read_sound;
use crate::manifest::source::fields::{self, Fields, Text, wrong};
use crate::manifest::source::node::{Node, Value};
use crate::manifest::source::report::Report;
use crate::manifest::template::fixed::RenderFixed;
use crate::nearest::suggestion;
use crate::plan::{Embedded, Provider};

/// The providers that need no table: this machine's studio and the vendors.
fn names() -> impl Iterator<Item = &'static str> + Clone {
    std::iter::once("studio").chain(Profile::NAMED)
}

/// The profiles that a table may name.
fn profiles() -> impl Iterator<Item = &'static str> + Clone {
    names().chain(std::iter::once("custom"))
}

/// The vendors with a route of jobs: one path for all operations.
fn with_jobs() -> impl Iterator<Item = &'static str> {
    let names = Profile::NAMED.into_iter();
    names.filter(|name| Profile::by_jobs(name).is_some())
}

/// Names in a sentence: `a, b or c`.
fn listed(names: impl Iterator<Item = &'static str>, before_last: &str) -> String {
    let names: Vec<&str> = names.collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, first)) => format!("{}{before_last}{last}", first.join(", ")),
        None => String::new(),
    }
}

pub(crate) const KEYS: &[&str] = &[
    "profile",
    "route",
    "name",
    "base_url",
    "upload_url",
    "allow_private",
    "api_key",
    "price",
    "rate",
    "concurrency",
    "polls_at_once",
    "downloads_at_once",
    "tracks",
    "models",
    "default_model",
    "codes",
    "idempotency_key",
    "submit_path",
    "record_info_path",
    "credit_path",
    "audio",
    "soundfont",
];

/// The studio that a run starts itself: it costs nothing, and its address is filled in when it listens.
pub(crate) fn embedded() -> Provider {
    Provider {
        profile: Profile::studio(nowhere()).without_prices(),
        embedded: Some(Embedded::default()),
        api_key_env: DEFAULT_KEY_ENV.to_owned(),
    }
}

/// A profile that allows any rate and any number of tasks: for a provider that could not be read.
pub(crate) fn without_bounds() -> Profile {
    let mut profile = Profile::studio(nowhere());
    profile.rate.count = u32::MAX;
    profile.max_in_flight = u32::MAX;
    profile
}

fn nowhere() -> Url {
    Url::parse("http://127.0.0.1/").expect("a constant address is valid")
}

/// Reads `provider`.
pub(crate) fn read(
    node: &Node,
    folder: &Path,
    fixed: &RenderFixed<'_>,
    report: &mut Report,
) -> Option<Provider> {
    match &node.value {
        Value::Text(name) if &**name == "studio" => Some(embedded()),
        Value::Text(name) => {
            let vendor = Profile::named(name);
            if vendor.is_none() {
                let expected = format!("expected {}", listed(names(), " or "));
                report
                    .error_at(node.span, format!("there is no provider `{name}`"), expected)
                    .maybe_help(suggestion(name, names()))
                    .note("anything else that speaks the contract is a table: `provider: {profile: custom, base_url: …}`");
            }
            vendor.map(of)
        }
        Value::Map(_) => table(node, folder, fixed, report),
        _ => {
            wrong(
                node,
                "`provider` is a name or a table",
                &listed(names().chain(["`{profile: …}`"]), ", or "),
                report,
            );
            None
        }
    }
}

fn of(profile: Profile) -> Provider {
    Provider {
        profile,
        embedded: None,
        api_key_env: DEFAULT_KEY_ENV.to_owned(),
    }
}

pub(crate) fn table(
    node: &Node,
    folder: &Path,
    fixed: &RenderFixed<'_>,
    report: &mut Report,
) -> Option<Provider> {
    let fields = Fields::read(node, "`provider`", KEYS, report)?;
    let kind = fields.text("profile", report);
    if kind.is_none() && fields.lacks("profile") {
        let known = listed(profiles(), " and ");
        report
            .error_at(
                node.span,
                "`provider` names no `profile`",
                "add `profile: …`",
            )
            .help(format!(
                "the profiles are {known} (the vendors' contract at your address)"
            ));
    }
    let by_jobs = by_jobs(&fields, kind.as_ref(), report);
    let base_url = address(&fields, "base_url", fixed, report);
    let upload_url = address(&fields, "upload_url", fixed, report);
    let given_base = base_url.clone();
    let named = kind
        .as_ref()
        .and_then(|kind| of_profile(kind, by_jobs, base_url, &fields, report));
    let is_known = named.is_some();
    // The rest of a table is read all the same, against a profile that allows everything.
    let mut provider = named.unwrap_or_else(|| Provider {
        profile: without_bounds(),
        ..embedded()
    });
    let given = [("base_url", given_base), ("upload_url", upload_url.clone())];
    if let Some(url) = upload_url {
        provider.profile.upload_url = url;
    }
    if let Some(allowed) = fields.get("allow_private") {
        provider.profile.allow_private = private_addresses(allowed, report);
    }
    if let Some(kind) = &kind {
        refuse_private(&provider.profile, &fields, given, kind, report);
    }
    if let Some(name) = fields.text("name", report) {
        provider.profile.name = name.text;
    }
    if let Some(node) = fields.get("api_key")
        && let Some(env) = secret(node, "`api_key`", report)
    {
        provider.api_key_env = env;
    }
    amend(&mut provider.profile, &fields, report);
    let sound = read_sound(&fields, folder, fixed, report);
    match &mut provider.embedded {
        Some(studio) => *studio = sound,
        None => {
            for node in ["audio", "soundfont"]
                .iter()
                .filter_map(|key| fields.get(key))
            {
                report
                    .error_at(
                        node.span,
                        "only the built-in studio has a sound setting",
                        "this provider is elsewhere",
                    )
                    .help("set the sound of your own studio when you start it: `backline studio --audio … --soundfont …`");
            }
        }
    }
    is_known.then_some(provider)
}

/// Whether the route of jobs is to be used.
fn by_jobs(fields: &Fields<'_>, kind: Option<&Text>, report: &mut Report) -> bool {
    let Some(route) = fields.text("route", report) else {
        return false;
    };
    if route.text != "jobs" {
        let title = format!("there is no route `{}`", route.text);
        report.error_at(route.span, title, "expected jobs");
        return false;
    }
    let has_it = |kind: &Text| with_jobs().any(|name| name == kind.text);
    if let Some(kind) = kind.filter(|kind| !has_it(kind)) {
        let title = format!("the profile `{}` has no route of jobs", kind.text);
        let known = format!("only {} has one", listed(with_jobs(), " and "));
        report.error_at(route.span, title, known);
        return false;
    }
    true
}

/// The provider that a profile's name means.
fn of_profile(
    kind: &Text,
    by_jobs: bool,
    base_url: Option<Url>,
    fields: &Fields<'_>,
    report: &mut Report,
) -> Option<Provider> {
    Some(match (kind.text.as_str(), base_url) {
        ("studio", None) if fields.get("base_url").is_none() => embedded(),
        ("studio", base_url) => of(Profile::studio(base_url.unwrap_or_else(nowhere))),
        ("custom", base_url) => {
            if fields.lacks("base_url") {
                report.error_at(
                    kind.span,
                    "a custom provider needs a `base_url`",
                    "which has no address of its own",
                );
            }
            of(Profile::custom(base_url.unwrap_or_else(nowhere)))
        }
        (name, base_url) => {
            let vendor = match by_jobs {
                true => Profile::by_jobs(name),
                false => Profile::named(name),
            };
            let Some(mut profile) = vendor else {
                let expected = format!("expected {}", listed(profiles(), " or "));
                report
                    .error_at(kind.span, format!("there is no profile `{name}`"), expected)
                    .maybe_help(suggestion(name, profiles()));
                return None;
            };
            // The vendor's own upload host is no part of a provider elsewhere.
            if let Some(url) = base_url {
                profile.upload_url.clone_from(&url);
                profile.base_url = url;
            }
            of(profile)
        }
    })
}

/// Refuses a vendor's profile at an address of a private network that nothing says is meant: what is bought there could not be
/// fetched.
fn refuse_private(
    profile: &Profile,
    fields: &Fields<'_>,
    given: [(&str, Option<Url>); 2],
    kind: &Text,
    report: &mut Report,
) {
    if profile.loopback {
        return;
    }
    for (key, url) in given {
        let (Some(node), Some(url)) = (fields.get(key), url) else {
            continue;
        };
        let name = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        if !is_private_address(&url) || profile.allow_private.allows(name) {
            continue;
        }
        report
            .error_at(
                node.span,
                format!(
                    "`{key}` lies in a private network, and the profile `{}` fetches nothing from there",
                    kind.text
                ),
                "what is bought there could not be fetched",
            )
            .help(format!(
                "if these addresses are meant, add `allow_private: [{name}]`, or `allow_private: true` for all; a backline studio is `profile: studio`"
            ));
    }
}

/// Reads `allow_private`: `true`, `false`, or hosts.
fn private_addresses(node: &Node, report: &mut Report) -> PrivateAddresses {
    let Value::List(items) = &node.value else {
        return match fields::truth(
            node,
            "`allow_private`, where it is no list of hosts,",
            report,
        ) {
            Some(true) => PrivateAddresses::Allowed,
            _ => PrivateAddresses::Refused,
        };
    };
    let mut hosts = Vec::new();
    for item in items {
        let Some(text) = fields::text(item, "a host", report) else {
            continue;
        };
        let name = text.text.trim_matches(['[', ']']);
        let host = match name.contains(':') {
            true => Host::parse(&format!("[{name}]")),
            false => Host::parse(name),
        };
        match host {
            Ok(host) => hosts.push(host.to_string().trim_matches(['[', ']']).to_owned()),
            Err(_) => drop(report.error_at(
                text.span,
                format!("`{}` is no host", text.text),
                "expected a host's name or an IP address, without scheme and port",
            )),
        }
    }
    PrivateAddresses::Hosts(hosts)
}

fn address(
    fields: &Fields<'_>,
    key: &str,
    fixed: &RenderFixed<'_>,
    report: &mut Report,
) -> Option<Url> {
    let text = fields.text(key, report)?;
    let rendered = fixed(&text, report)?;
    url(&text, &rendered, key, report)
}
