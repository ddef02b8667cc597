//! The keys of a provider table that change a profile: price, limits, models, paths, response codes.

use backline_api::{ApiCall, Price, Profile, RateLimit, ResponseClass};

use crate::manifest::source::fields::{Field, Fields};
use crate::manifest::source::report::Report;
use crate::manifest::source::{duration, fields};
use crate::nearest::suggestion;

const CLASSES: &[(&str, ResponseClass)] = &[
    ("refused_job", ResponseClass::RefusedJob),
    ("refused_run", ResponseClass::RefusedRun),
    ("wait", ResponseClass::Wait),
    ("wait_long", ResponseClass::WaitLong),
    ("stop_for_credits", ResponseClass::StopForCredits),
    ("in_doubt", ResponseClass::InDoubt),
    ("task_failed", ResponseClass::TaskFailed),
    ("refunded", ResponseClass::Refunded),
    ("source_gone", ResponseClass::SourceGone),
    ("unknown_task", ResponseClass::UnknownTask),
];

/// The simple differences from the profile.
pub(crate) fn amend(profile: &mut Profile, fields: &Fields<'_>, report: &mut Report) {
    if let Some(price) = fields
        .get("price")
        .and_then(|node| fields::amount(node, "`price`", report))
    {
        profile.operation.price = Price::Each(price);
    }
    if let Some(rate) = fields
        .get("rate")
        .and_then(|node| duration::rate(node, profile.loopback, report))
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
        ("polls_at_once", 4096, &mut profile.polling.at_once),
        ("downloads_at_once", 4096, &mut profile.downloads_at_once),
        ("tracks", 16, &mut profile.operation.tracks),
    ];
    for (key, highest, bound) in bounds {
        let named = format!("`{key}`");
        if let Some(most) = fields
            .get(key)
            .and_then(|node| fields::whole(node, &named, 1..=highest, report))
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
        ("submit_path", &mut profile.operation.submit_path),
        ("record_info_path", &mut profile.operation.details_path),
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
                .find(|call| call.as_str() == entry.key);
            match call {
                Some(call) => {
                    let what = format!("`codes.{}`", entry.key);
                    if let Some(codes) = Fields::open(entry.node, &what, report) {
                        for entry in codes.entries() {
                            override_code(profile, call, entry, report);
                        }
                    }
                }
                // A code by itself means the submission.
                None => override_code(profile, ApiCall::Submit, entry, report),
            }
        }
    }
}

/// Reads one `code: class` of `codes`.
fn override_code(profile: &mut Profile, call: ApiCall, entry: Field<'_>, report: &mut Report) {
    let Ok(code) = entry.key.parse::<i64>() else {
        report
            .error_at(
                entry.key_span,
                format!("`{}` is not a response code", entry.key),
                "expected a number, or directly below `codes` one of submit, details, credits, upload and download",
            )
            .maybe_help(suggestion(entry.key, ApiCall::ALL.map(ApiCall::as_str)));
        return;
    };
    let Some(class) = fields::text(entry.node, "a response class", report) else {
        return;
    };
    let classes = CLASSES
        .iter()
        .filter(|(_, class)| *class != ResponseClass::UnknownTask || call == ApiCall::Details);
    match classes.clone().find(|(name, _)| *name == class.text) {
        Some((_, class)) => profile.set_code(call, code, *class),
        None => {
            let help = suggestion(&class.text, classes.map(|(name, _)| *name));
            report
                .error_at(
                    class.span,
                    format!(
                        "there is no response class `{}` for {}",
                        class.text,
                        call.as_str()
                    ),
                    "not a class",
                )
                .maybe_help(help);
        }
    }
}
