//! `on`: the user's hooks, by point.
//!
//! A hook is a table with one of `run`, `service`, `lua`, `http`, `store`. Scripts are read and compiled here, so that a mistake in one
//! is found before anything is bought; programs are not run, and addresses not requested.

mod kinds;
#[cfg(test)]
mod tests;

use std::path::Path;

use self::kinds::{http, script, store};
pub(super) use self::kinds::{not_built, store_url};
use crate::hooks::{HookKind, HookPoint, HookSpec, Hooks, OnError, Order};
use crate::manifest::provider::secret;
use crate::manifest::source::duration;
use crate::manifest::source::fields::{self, Fields, Text};
use crate::manifest::source::node::{Node, Value};
use crate::manifest::source::report::Report;
use crate::manifest::template::fixed::RenderFixed;
use crate::nearest::suggestion;

/// Hooks of `track_kept` in earlier versions, options of `output` now.
const OPTIONS: &[&str] = &["loudness", "tags"];
/// The keys that say what a hook is.
const KINDS: &[&str] = &["run", "service", "lua", "http", "store"];
const KEYS: &[&str] = &[
    "run",
    "service",
    "lua",
    "http",
    "store",
    "timeout",
    "on_error",
    "env",
    "pure",
    "order",
    "start_timeout",
    "secret",
    "allow_private",
];

/// Most hooks at one point: each is called for every job.
const MAX_HOOKS: usize = 32;
/// How long a copy may take unless the manifest says otherwise: minutes, for a large file on a slow line.
const STORE_TIMEOUT_MS: u64 = 300_000;
/// Longest time that a hook may be given: an hour.
const MAX_TIMEOUT_MS: u64 = 3_600_000;

/// What hooks are read with.
pub(crate) struct ReadContext<'a> {
    /// The manifest's folder.
    pub(crate) folder: &'a Path,
    /// The variable that contains the provider's key.
    pub(crate) key_env: &'a str,
    /// Renders a text that is the same for all jobs.
    pub(crate) fixed: &'a RenderFixed<'a>,
}

/// Reads `on`.
pub(crate) fn read(node: &Node, context: &ReadContext<'_>, report: &mut Report) -> Hooks {
    let mut hooks = Hooks::default();
    let words = HookPoint::ALL.map(HookPoint::as_str);
    let Some(fields) = Fields::read(node, "`on`", &words, report) else {
        return hooks;
    };
    for point in HookPoint::ALL {
        let Some(node) = fields.get(point.as_str()) else {
            continue;
        };
        let what = format!("`{point}`");
        let items = fields::list(node, &what, report).unwrap_or_default();
        if items.len() > MAX_HOOKS {
            report.error_at(
                node.span,
                format!("{what} has {} hooks, {MAX_HOOKS} are allowed", items.len()),
                "too many",
            );
            continue;
        }
        for (nth, item) in (1..).zip(items) {
            hooks.all.extend(one(item, point, nth, context, report));
        }
    }
    hooks
}

fn one(
    node: &Node,
    point: HookPoint,
    nth: u32,
    context: &ReadContext<'_>,
    report: &mut Report,
) -> Option<HookSpec> {
    if let Value::Text(name) = &node.value {
        refuse_name(name, node, report);
        return None;
    }
    let fields = Fields::read(node, "a hook", KEYS, report)?;
    let given: Vec<&str> = KINDS
        .iter()
        .copied()
        .filter(|way| fields.get(way).is_some())
        .collect();
    let [kind] = given.as_slice() else {
        let message = if given.is_empty() {
            "this hook does not say what it is".to_owned()
        } else {
            format!("this hook is several things at once: {}", given.join(", "))
        };
        report
            .error_at(
                node.span,
                message,
                "expected one of run, service, lua, http, store",
            )
            .help("a program: `{run: [python3, hooks/guard.py]}`; a small rule: `{lua: \"…\"}`");
        return None;
    };
    let before = report.errors();
    let order = order(&fields, report);
    let start_timeout_ms =
        time(&fields, "start_timeout", report).unwrap_or(crate::hooks::DEFAULT_START_TIMEOUT_MS);
    let value = fields.get(kind)?;
    let way = match *kind {
        "run" => argv(value, "`run`", report).map(|argv| HookKind::Run { argv }),
        "service" => argv(value, "`service`", report).map(|argv| HookKind::Service {
            argv,
            order,
            start_timeout_ms,
        }),
        "lua" => script(value, context, report),
        "http" => http(&fields, context, report),
        _ => store(&fields, point, context, report),
    };
    let only = |key: &str, of: &str, report: &mut Report| {
        if let Some(entry) = fields.entry(key).filter(|_| *kind != of) {
            report.error_at(
                entry.key_span,
                format!("`{key}` says nothing to a `{kind}` hook"),
                format!("only for `{of}`"),
            );
        }
    };
    only("order", "service", report);
    only("start_timeout", "service", report);
    only("secret", "http", report);
    only("allow_private", "http", report);
    let timeout_ms = time(&fields, "timeout", report);
    let effect = on_error(&fields, point, report);
    let env = env(&fields, kind, context, report);
    let mut is_pure = None;
    if let Some(entry) = fields.entry("pure")
        && let Some(pure) = fields::truth(entry.node, "`pure`", report)
    {
        // Planning a stranger's manifest runs none of its programs; a script is bounded and reaches nothing.
        if pure && (!point.decides() || *kind != "lua") {
            report
                .error_at(
                    entry.key_span,
                    "only a script that decides on jobs can be `pure`: at plan_job, before_upload or before_submit",
                    "`plan` does not run this one",
                )
                .help("remove `pure`: `plan` uses the responses that `run` has recorded of programs; or write the hook in Lua");
        }
        is_pure = Some(pure);
    }
    let mut spec = HookSpec::new(point, nth, way?);
    if *kind == "store" {
        spec.timeout_ms = STORE_TIMEOUT_MS;
    }
    spec.timeout_ms = timeout_ms.unwrap_or(spec.timeout_ms);
    spec.on_error = effect.unwrap_or(spec.on_error);
    spec.pure = is_pure.unwrap_or(spec.pure);
    spec.env = env;
    (report.errors() == before).then_some(spec)
}

/// Refuses a hook that is a name.
fn refuse_name(name: &str, node: &Node, report: &mut Report) {
    if OPTIONS.contains(&name) {
        report
            .error_at(
                node.span,
                format!("`{name}` is an option of `output`, not a hook"),
                "was a hook in earlier versions",
            )
            .help(format!(
                "remove it here, and write `output: {{{name}: true}}`"
            ));
        return;
    }
    report
        .error_at(
            node.span,
            format!("a hook is a table, not the name `{name}`"),
            "expected one of run, service, lua, http, store",
        )
        .help("a program: `{run: [python3, hooks/guard.py]}`; a small rule: `{lua: \"…\"}`");
}

/// A program and its arguments.
fn argv(node: &Node, what: &str, report: &mut Report) -> Option<Vec<String>> {
    if let Value::Text(line) = &node.value {
        let words: Vec<String> = line
            .split_whitespace()
            .map(|word| format!("{word:?}"))
            .collect();
        report
            .error_at(
                node.span,
                format!("{what} is a list: the program, then its arguments"),
                "no shell takes this line apart",
            )
            .help(format!("write `[{}]`", words.join(", ")));
        return None;
    }
    let items = fields::list(node, what, report)?;
    if items.is_empty() {
        report.error_at(
            node.span,
            format!("{what} names no program"),
            "expected at least one word",
        );
        return None;
    }
    let words: Vec<Option<Text>> = items
        .iter()
        .map(|item| fields::text(item, "a word of the command", report))
        .collect();
    let words: Option<Vec<Text>> = words.into_iter().collect();
    Some(words?.into_iter().map(|word| word.text).collect())
}

fn order(fields: &Fields<'_>, report: &mut Report) -> Order {
    match fields.text("order", report) {
        None => Order::Ordered,
        Some(text) => match text.text.as_str() {
            "ordered" => Order::Ordered,
            "concurrent" => Order::Concurrent,
            other => {
                report
                    .error_at(
                        text.span,
                        format!("there is no order `{other}`"),
                        "expected ordered or concurrent",
                    )
                    .maybe_help(suggestion(other, ["ordered", "concurrent"]));
                Order::Ordered
            }
        },
    }
}

fn time(fields: &Fields<'_>, key: &str, report: &mut Report) -> Option<u64> {
    let node = fields.get(key)?;
    let ms = duration::duration(node, &format!("`{key}`"), report)?;
    if ms > MAX_TIMEOUT_MS {
        report.error_at(node.span, format!("`{key}` is too long"), "at most an hour");
        return None;
    }
    Some(ms)
}

fn on_error(fields: &Fields<'_>, point: HookPoint, report: &mut Report) -> Option<OnError> {
    let text = fields.text("on_error", report)?;
    match text.text.parse::<OnError>() {
        Ok(OnError::Veto) if !point.decides() => {
            report
                .error_at(
                    text.span,
                    format!("at `{point}` a hook observes: there is nothing to veto"),
                    "expected fail or ignore",
                )
                .help("a hook can veto at `plan_job`, `before_upload` and `before_submit`");
            None
        }
        Ok(effect) => Some(effect),
        Err(_) => {
            report
                .error_at(
                    text.span,
                    format!("`on_error` can't be `{}`", text.text),
                    "expected fail, veto or ignore",
                )
                .maybe_help(suggestion(&text.text, OnError::NAMES));
            None
        }
    }
}

fn env(
    fields: &Fields<'_>,
    kind: &str,
    context: &ReadContext<'_>,
    report: &mut Report,
) -> Vec<String> {
    let Some(node) = fields.get("env") else {
        return Vec::new();
    };
    if matches!(kind, "lua" | "http") {
        report.error_at(
            node.span,
            format!("a `{kind}` hook has no environment"),
            "only for `run`, `service` and `store`",
        );
        return Vec::new();
    }
    let mut names = Vec::new();
    for item in fields::list(node, "`env`", report).unwrap_or_default() {
        let Some(name) = fields::text(item, "a name in `env`", report) else {
            continue;
        };
        if !secret::is_env_name(&name, report) {
            continue;
        }
        if name.text == context.key_env {
            report
                .error_at(
                    name.span,
                    format!(
                        "`{}` contains the provider's key, which no hook gets",
                        name.text
                    ),
                    "not for hooks",
                )
                .help("remove it; a hook never needs to call the provider");
            continue;
        }
        names.push(name.text);
    }
    names
}
