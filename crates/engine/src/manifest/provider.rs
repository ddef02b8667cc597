//! `provider`: a vendor's name, or a table that says how a reseller differs from one.
//!
//! A key never stands in a manifest; it names the environment variable that holds it. Nothing is contacted here.

use std::path::Path;

use backline_api::{
    AnswerClass, ApiCall, CodeTable, PrivateAddresses, Profile, RateLimit, is_private_address,
};
use url::{Host, Url};

use super::diagnostic::{Report, suggestion};
use super::fields::{self, Fields, Text, wrong};
use super::limits;
use super::node::{Entry, Node, Value};
use super::source::open_regular;
use super::stems::Fixed;
use crate::plan::{Embedded, Provider, StudioAudio, StudioFont};

/// The environment variable that holds the key unless the manifest names another.
pub(crate) const DEFAULT_KEY_ENV: &str = "BACKLINE_API_KEY";

const NAMES: &[&str] = &["studio", "sunoapi", "kie"];
const PROFILES: &[&str] = &["studio", "sunoapi", "kie", "custom"];
pub(crate) const KEYS: &[&str] = &[
    "profile",
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
const CLASSES: &[(&str, AnswerClass)] = &[
    ("refused_job", AnswerClass::RefusedJob),
    ("refused_run", AnswerClass::RefusedRun),
    ("wait", AnswerClass::Wait),
    ("wait_long", AnswerClass::WaitLong),
    ("stop_for_credits", AnswerClass::StopForCredits),
    ("in_doubt", AnswerClass::InDoubt),
    ("task_failed", AnswerClass::TaskFailed),
    ("refunded", AnswerClass::Refunded),
    ("source_gone", AnswerClass::SourceGone),
    ("unknown_task", AnswerClass::UnknownTask),
];

/// The studio that a run starts itself; its address is filled in when it listens.
pub(crate) fn embedded() -> Provider {
    Provider {
        profile: Profile::studio(nowhere()),
        embedded: Some(Embedded::default()),
        api_key_env: DEFAULT_KEY_ENV.to_owned(),
    }
}

/// A profile that allows any rate and any number of tasks: stands for a provider that could not be read.
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
    fixed: &Fixed<'_>,
    report: &mut Report,
) -> Option<Provider> {
    match &node.value {
        Value::Text(name) => match &**name {
            "studio" => Some(embedded()),
            "sunoapi" => Some(of(Profile::sunoapi())),
            "kie" => Some(of(Profile::kie())),
            other => {
                let help = suggestion(other, NAMES.iter().copied());
                report
                    .error_at(node.span, format!("there is no provider `{other}`"), "expected studio, sunoapi or kie")
                    .maybe_help(help)
                    .note("anything else that speaks the contract is a table: `provider: {profile: custom, base_url: …}`");
                None
            }
        },
        Value::Map(_) => table(node, folder, fixed, report),
        _ => {
            wrong(
                node,
                "`provider` is a name or a table",
                "studio, sunoapi, kie, or `{profile: …}`",
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

fn table(node: &Node, folder: &Path, fixed: &Fixed<'_>, report: &mut Report) -> Option<Provider> {
    let fields = Fields::read(node, "`provider`", KEYS, report)?;
    let Some(kind) = fields.text("profile", report) else {
        if fields.get("profile").is_none() {
            report
                .error_at(node.span, "`provider` names no `profile`", "add `profile: …`")
                .help("the profiles are studio, sunoapi, kie and custom (sunoapi's contract at your address)");
        }
        return None;
    };
    let base_url = address(&fields, "base_url", fixed, report);
    let upload_url = address(&fields, "upload_url", fixed, report);
    let given_base = base_url.clone();
    let mut provider = match (kind.text.as_str(), base_url) {
        ("studio", None) if fields.get("base_url").is_none() => embedded(),
        ("studio", base_url) => of(Profile::studio(base_url.unwrap_or_else(nowhere))),
        ("sunoapi" | "kie", base_url) => {
            let mut profile = if kind.text == "kie" {
                Profile::kie()
            } else {
                Profile::sunoapi()
            };
            // The vendor's own upload host is no part of a provider elsewhere.
            if let Some(url) = base_url {
                profile.upload_url.clone_from(&url);
                profile.base_url = url;
            }
            of(profile)
        }
        ("custom", base_url) => {
            if fields.get("base_url").is_none() {
                report.error_at(
                    kind.span,
                    "a custom provider needs a `base_url`",
                    "which has no address of its own",
                );
            }
            let base_url = base_url.unwrap_or_else(nowhere);
            of(Profile {
                name: "custom".to_owned(),
                upload_url: base_url.clone(),
                base_url,
                ..Profile::sunoapi()
            })
        }
        (other, _) => {
            let help = suggestion(other, PROFILES.iter().copied());
            report
                .error_at(
                    kind.span,
                    format!("there is no profile `{other}`"),
                    "expected studio, sunoapi, kie or custom",
                )
                .maybe_help(help);
            return None;
        }
    };
    let given = [("base_url", given_base), ("upload_url", upload_url.clone())];
    if let Some(url) = upload_url {
        provider.profile.upload_url = url;
    }
    if let Some(allowed) = fields.get("allow_private") {
        provider.profile.allow_private = private_addresses(allowed, report);
    }
    refuse_private(&provider.profile, &fields, given, &kind, report);
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
                        "only the built-in studio can be told how to sound",
                        "this provider is elsewhere",
                    )
                    .help("a studio of your own is told when it is started: `backline studio --audio … --soundfont …`");
            }
        }
    }
    Some(provider)
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

/// How the built-in studio is to sound.
fn read_sound(
    fields: &Fields<'_>,
    folder: &Path,
    fixed: &Fixed<'_>,
    report: &mut Report,
) -> Embedded {
    let mut sound = Embedded::default();
    if let Some(word) = fields.text("audio", report) {
        let found = StudioAudio::ALL
            .into_iter()
            .find(|audio| audio.word() == word.text);
        match found {
            Some(audio) => sound.audio = audio,
            None => {
                let words = StudioAudio::ALL.map(StudioAudio::word);
                report
                    .error_at(
                        word.span,
                        format!("the studio writes no `{}`", word.text),
                        "expected mp3, flac or wav",
                    )
                    .maybe_help(suggestion(&word.text, words));
            }
        }
    }
    if let Some(text) = fields.text("soundfont", report)
        && let Some(rendered) = fixed(&text, report)
    {
        let file = folder.join(&rendered);
        match hash(&file) {
            Ok(hash) => sound.soundfont = Some(StudioFont { file, hash }),
            Err(error) => {
                report.error_at(
                    text.span,
                    format!("the SoundFont `{rendered}` can't be read: {error}"),
                    "expected an .sf2 file, named from the manifest's folder",
                );
            }
        }
    }
    sound
}

/// The hash of a file, read in pieces: a SoundFont is large.
fn hash(file: &Path) -> std::io::Result<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    let file = open_regular(file).map_err(|problem| std::io::Error::other(problem.to_string()))?;
    hasher.update_reader(file)?;
    Ok(*hasher.finalize().as_bytes())
}

/// The simple differences from the profile.
fn amend(profile: &mut Profile, fields: &Fields<'_>, report: &mut Report) {
    if let Some(price) = fields
        .get("price")
        .and_then(|node| fields::amount(node, "`price`", report))
    {
        profile.price_credits = price;
    }
    if let Some(rate) = fields
        .get("rate")
        .and_then(|node| limits::rate(node, report))
    {
        profile.rate = RateLimit {
            count: rate.count,
            window_ms: rate.window_ms,
        };
    }
    if let Some(most) = fields
        .get("concurrency")
        .and_then(|node| fields::whole(node, "`concurrency`", 1..=10_000, report))
    {
        profile.max_in_flight = most as u32;
    }
    let bounds = [
        ("polls_at_once", &mut profile.polling.at_once),
        ("downloads_at_once", &mut profile.downloads_at_once),
    ];
    for (key, bound) in bounds {
        let named = format!("`{key}`");
        if let Some(most) = fields
            .get(key)
            .and_then(|node| fields::whole(node, &named, 1..=4096, report))
        {
            *bound = most as u32;
        }
    }
    if let Some(promise) = fields
        .get("idempotency_key")
        .and_then(|node| fields::truth(node, "`idempotency_key`", report))
    {
        profile.idempotency_key = promise;
    }
    if let Some(items) = fields
        .get("models")
        .and_then(|node| fields::list(node, "`models`", report))
    {
        let models: Vec<String> = items
            .iter()
            .filter_map(|item| fields::text(item, "a model", report))
            .map(|model| model.text)
            .collect();
        if let Some(first) = models.first() {
            profile.default_model.clone_from(first);
        }
        profile.models = models;
    }
    if let Some(model) = fields.text("default_model", report) {
        profile.default_model = model.text;
    }
    let paths = [
        ("submit_path", &mut profile.submit_path),
        ("record_info_path", &mut profile.record_info_path),
        ("credit_path", &mut profile.credit_path),
    ];
    for (key, path) in paths {
        let Some(text) = fields.text(key, report) else {
            continue;
        };
        if text.text.starts_with('/') {
            *path = text.text;
        } else {
            report.error_at(
                text.span,
                format!("`{key}` is a path on the provider's host"),
                "expected it to begin with `/`",
            );
        }
    }
    if let Some(codes) = fields
        .get("codes")
        .and_then(|node| Fields::open(node, "`codes`", report))
    {
        for entry in codes.entries() {
            let call = ApiCall::ALL
                .into_iter()
                .find(|call| call.as_str() == &*entry.key);
            match call {
                Some(call) => {
                    let what = format!("`codes.{}`", entry.key);
                    if let Some(codes) = Fields::open(&entry.node, &what, report) {
                        let table = profile.codes.of_mut(call);
                        for entry in codes.entries() {
                            override_code(table, call, entry, report);
                        }
                    }
                }
                // A code by itself means the submission.
                None => {
                    let call = ApiCall::Submit;
                    override_code(profile.codes.of_mut(call), call, entry, report);
                }
            }
        }
    }
}

/// Reads one `code: class` of `codes`.
fn override_code(table: &mut CodeTable, call: ApiCall, entry: &Entry, report: &mut Report) {
    let Ok(code) = entry.key.parse::<i64>() else {
        report
            .error_at(
                entry.key_span,
                format!("`{}` is not a response code", entry.key),
                "expected a number, or directly below `codes` one of submit, details, credits, upload and download",
            )
            .maybe_help(suggestion(&entry.key, ApiCall::ALL.map(ApiCall::as_str)));
        return;
    };
    let Some(class) = fields::text(&entry.node, "an answer's class", report) else {
        return;
    };
    let classes = CLASSES
        .iter()
        .filter(|(_, class)| *class != AnswerClass::UnknownTask || call == ApiCall::Details);
    match classes.clone().find(|(name, _)| *name == class.text) {
        Some((_, class)) => drop(table.codes.insert(code, *class)),
        None => {
            let help = suggestion(&class.text, classes.map(|(name, _)| *name));
            report
                .error_at(
                    class.span,
                    format!(
                        "there is no class of answers `{}` for {}",
                        class.text,
                        call.as_str()
                    ),
                    "not a class",
                )
                .maybe_help(help);
        }
    }
}

fn address(fields: &Fields<'_>, key: &str, fixed: &Fixed<'_>, report: &mut Report) -> Option<Url> {
    let text = fields.text(key, report)?;
    let rendered = fixed(&text, report)?;
    url(&text, &rendered, key, report)
}

/// An `http` or `https` address without credentials in it.
pub(crate) fn url(text: &Text, rendered: &str, key: &str, report: &mut Report) -> Option<Url> {
    let problem = match Url::parse(rendered) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            format!("has the scheme `{}`", url.scheme())
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            "holds a user name or a password".to_owned()
        }
        Ok(url) if !url.has_host() => "names no host".to_owned(),
        Ok(url) => return Some(url),
        Err(error) => format!("is not an address: {error}"),
    };
    report.error_at(
        text.span,
        format!("`{key}` {problem}"),
        "expected an `https://` address",
    );
    None
}

/// Reads `{env: NAME}`; a secret written out is refused without being shown.
pub(crate) fn secret(node: &Node, what: &str, report: &mut Report) -> Option<String> {
    if let Value::Text(_) | Value::Number { .. } = &node.value {
        let name = what.trim_matches('`');
        report.secret_at(node.span, format!("a key never stands in a manifest, and {what} holds one")).help(format!(
            "put it into an environment variable and write `{name}: {{env: NAME}}`; if this file was shared, change the key"
        ));
        return None;
    }
    let fields = Fields::read(node, what, &["env"], report)?;
    let Some(name) = fields.text("env", report) else {
        if fields.get("env").is_none() {
            report.error_at(
                node.span,
                format!("{what} names no environment variable"),
                "expected `{env: NAME}`",
            );
        }
        return None;
    };
    is_env_name(&name, report).then_some(name.text)
}

/// Whether a text can be an environment variable's name; if not, the report says so.
pub(crate) fn is_env_name(name: &Text, report: &mut Report) -> bool {
    let good = name
        .text
        .chars()
        .all(|char| char.is_ascii_alphanumeric() || char == '_')
        && !name.text.starts_with(|char: char| char.is_ascii_digit());
    if !good {
        report
            .error_at(
                name.span,
                "this is not the name of an environment variable",
                "expected a name like `SUNO_API_KEY`",
            )
            .help("give the variable's name, not its value");
    }
    good
}
