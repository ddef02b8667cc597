//! `limits`, `retries`, `callbacks` and `reports`: what bounds a run and what it leaves behind.

use std::net::SocketAddr;

use backline_api::{Profile, RECOVERY};

use super::provider::secret;
use super::source::duration::{duration, rate};
use super::source::fields::{self, Fields, Text, wrong};
use super::source::node::{Node, Value};
use super::source::report::Report;
use super::template::fixed::RenderFixed;
use crate::duration::duration_text;
use crate::nearest::suggestion;
use crate::plan::{Callbacks, Limits, Provider, Rate, ReportKind, Retries};

/// Tasks in flight unless the manifest says otherwise: plenty for one account, gentle on the vendor.
const DEFAULT_CONCURRENCY: u32 = 8;

/// Failures in a row after which a run stops buying: a provider that loses one response in five loses five in a row once in three
/// thousand, and at most eight jobs are in doubt when it loses all.
const DEFAULT_FAILURES: u32 = 5;

/// Most that may be allowed: as good as no limit.
const MAX_FAILURES: u64 = 1_000_000;

/// Most purchases of one job whose task failed.
const MAX_RETRIES: u64 = 10;

/// The keys of `limits`.
pub(crate) const LIMITS: [&str; 6] = [
    "concurrency",
    "rate",
    "credits",
    "ledger_credits",
    "failures_in_a_row",
    "deadline",
];

/// What bounds a run if the manifest says nothing.
pub(crate) fn default_limits(profile: &Profile) -> Limits {
    Limits {
        concurrency: DEFAULT_CONCURRENCY.min(profile.max_in_flight),
        rate: Rate {
            count: profile.rate.count,
            window_ms: profile.rate.window_ms,
        },
        credits: None,
        ledger_credits: None,
        failures_in_a_row: DEFAULT_FAILURES,
        deadline_ms: None,
    }
}

/// Reads `limits`; what the profile allows bounds them.
pub(crate) fn read_limits(node: &Node, profile: &Profile, report: &mut Report) -> Limits {
    let mut limits = default_limits(profile);
    let Some(fields) = Fields::read(node, "`limits`", &LIMITS, report) else {
        return limits;
    };
    if let Some(node) = fields.get("concurrency") {
        let most = u64::from(profile.max_in_flight);
        if let Some(number) = fields::whole(node, "`concurrency`", 1..=most, report) {
            limits.concurrency = number as u32;
        }
    }
    if let Some(node) = fields.get("rate")
        && let Some(given) = rate(node, profile.loopback, report)
    {
        let allowed = profile.rate;
        // Tighter in both senses: no more at once, and no more over time.
        let faster = u128::from(given.count) * u128::from(allowed.window_ms)
            > u128::from(allowed.count) * u128::from(given.window_ms);
        if !profile.loopback && (given.count > allowed.count || faster) {
            report
                .error_at(
                    node.span,
                    format!("this rate is above what `{}` allows", profile.name),
                    format!(
                        "at most {}/{}",
                        allowed.count,
                        duration_text(allowed.window_ms)
                    ),
                )
                .help("leave `rate` out to use the provider's own");
        } else {
            limits.rate = given;
        }
    }
    limits.credits = fields
        .get("credits")
        .and_then(|node| fields::amount(node, "`credits`", report));
    limits.ledger_credits = fields
        .get("ledger_credits")
        .and_then(|node| fields::amount(node, "`ledger_credits`", report));
    if let Some(node) = fields.get("failures_in_a_row")
        && let Some(number) = fields::whole(node, "`failures_in_a_row`", 1..=MAX_FAILURES, report)
    {
        limits.failures_in_a_row = number as u32;
    }
    limits.deadline_ms = fields
        .get("deadline")
        .and_then(|node| duration(node, "`deadline`", report));
    limits
}

/// Reads `retries`.
pub(crate) fn read_retries(node: Option<&Node>, report: &mut Report) -> Retries {
    let mut retries = Retries::default();
    if let Some(node) = node
        && let Some(fields) = Fields::read(node, "`retries`", &["task_failed"], report)
        && let Some(node) = fields.get("task_failed")
        && let Some(times) = fields::whole(node, "`task_failed`", 0..=MAX_RETRIES, report)
    {
        retries.task_failed = times as u32;
    }
    retries
}

/// Reads `recover`. `provider` is none where it is not known.
pub(crate) fn read_recover(node: &Node, provider: Option<&Provider>, report: &mut Report) -> bool {
    let recovers = fields::truth(node, "`recover`", report).unwrap_or(false);
    if let Some(provider) = provider.filter(|_| recovers)
        && provider.profile.step(RECOVERY).is_none()
    {
        let name = &provider.profile.name;
        report
            .error_at(
                node.span,
                format!("the provider `{name}` does not recover songs"),
                "expected `false`",
            )
            .help("remove `recover`; what is past the provider's retention is lost");
    }
    recovers
}

/// Whether `callbacks` is `off`, which some tools write as `false`.
pub(crate) fn are_off(node: &Node) -> bool {
    match &node.value {
        Value::Text(text) => &**text == "off",
        Value::Bool(truth) => !truth,
        _ => false,
    }
}

/// Reads `callbacks`.
pub(crate) fn read_callbacks(
    node: &Node,
    fixed: &RenderFixed<'_>,
    report: &mut Report,
) -> Option<Callbacks> {
    let fields = Fields::read(
        node,
        "`callbacks`",
        &["listen", "public_url", "hmac_key"],
        report,
    )?;
    for key in ["listen", "public_url"] {
        if fields.lacks(key) {
            report
                .error_at(node.span, format!("`callbacks` has no `{key}`"), format!("add `{key}: …`"))
                .help("without callbacks tasks are polled, which works everywhere: leave `callbacks` out if in doubt");
        }
    }
    let listen =
        fields
            .text("listen", report)
            .and_then(|text| match text.text.parse::<SocketAddr>() {
                Ok(address) => Some(address),
                Err(_) => {
                    report.error_at(
                        text.span,
                        "`listen` is not an address",
                        "expected an IP address and a port, like `127.0.0.1:8787`",
                    );
                    None
                }
            });
    let public_url = fields.text("public_url", report).and_then(|text: Text| {
        let rendered = fixed(&text, report)?;
        secret::url(&text, &rendered, "public_url", report)
    });
    let hmac_key_env = fields
        .get("hmac_key")
        .and_then(|node| secret::secret(node, "`hmac_key`", report));
    Some(Callbacks {
        listen: listen?,
        public_url: public_url?,
        hmac_key_env,
    })
}

/// Reads `reports`; CSV and JSON unless the manifest chooses.
pub(crate) fn read_reports(node: Option<&Node>, report: &mut Report) -> Vec<ReportKind> {
    let Some(node) = node else {
        return vec![ReportKind::Csv, ReportKind::Json];
    };
    let names = ReportKind::ALL.map(ReportKind::as_str);
    let mut kinds = Vec::new();
    for item in fields::list(node, "`reports`", report).unwrap_or_default() {
        let Value::Text(name) = &item.value else {
            wrong(
                item,
                "a report is named by a string",
                "such as `csv` or `html`",
                report,
            );
            continue;
        };
        let Some(kind) = ReportKind::from_name(name) else {
            report
                .error_at(
                    item.span,
                    format!("there is no report `{name}`"),
                    format!("expected one of {}", names.join(", ")),
                )
                .maybe_help(suggestion(name, names));
            continue;
        };
        if kinds.contains(&kind) {
            report.error_at(
                item.span,
                format!("the report `{name}` is named twice"),
                "named again here",
            );
        } else {
            kinds.push(kind);
        }
    }
    kinds
}
