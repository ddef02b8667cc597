//! The helpers that templates have: text in, text out, nothing else.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use handlebars::{
    Context, Handlebars, Helper, HelperDef, JsonRender, RenderContext, RenderError,
    RenderErrorReason, ScopedJson,
};
use serde_json::Value as Json;

use super::limits::{MAX_TEXT_BYTES, json_bytes};

/// Why a helper makes no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HelperProblem {
    #[error("the text is longer than {MAX_TEXT_BYTES} bytes")]
    TooLong,
    #[error("with it the helpers take and make more than {} GB of text", MAX_WORK_BYTES >> 30)]
    TooMuch,
    #[error("none of its arguments is set")]
    NothingSet,
    #[error("its first argument is not a list")]
    NotAList,
    #[error("its second argument is a width of at most {MAX_PADDED}")]
    Width,
    #[error("its third argument is one character")]
    Fill,
    #[error("`{0}` is not a number")]
    NotANumber(String),
    #[error("its second argument is a number of digits, 0 to 9")]
    Digits,
}

/// The helpers' names, for "did you mean".
pub(crate) const NAMES: &[&str] = &[
    "default", "slug", "upper", "lower", "trim", "replace", "join", "pad", "round", "eq", "ne",
];

/// Most bytes that the helpers of a manifest take and make, all jobs together: a text that is cut or compared away costs too.
const MAX_WORK_BYTES: u64 = 2 << 30;

/// Longest text that a helper makes; a title has 100 characters.
const MAX_PADDED: usize = 1_000;

/// How a helper is called, if not with so many arguments.
pub(crate) fn misused(name: &str, arguments: usize) -> Option<&'static str> {
    let (range, usage) = match name {
        "default" => (2..=9, "{{default stem.vars.mood 'calm'}}"),
        "slug" => (1..=1, "{{slug stem.id}}"),
        "upper" => (1..=1, "{{upper stem.id}}"),
        "lower" => (1..=1, "{{lower stem.id}}"),
        "trim" => (1..=1, "{{trim stem.vars.mood}}"),
        "replace" => (3..=3, "{{replace stem.id '_' ' '}}"),
        "join" => (2..=2, "{{join vars.instruments ', '}}"),
        "pad" => (2..=3, "{{pad take 3}} or {{pad stem.id 8 '_'}}"),
        "round" => (
            1..=2,
            "{{round stem.vars.bpm}} or {{round stem.vars.gain 1}}",
        ),
        "eq" => (2..=2, "(eq stem.vars.language 'fr')"),
        _ => (2..=2, "(ne stem.vars.language 'fr')"),
    };
    (!range.contains(&arguments)).then_some(usage)
}

/// Gives an engine these helpers, `if` and `unless`, and no others.
pub(crate) fn register(registry: &mut Handlebars<'static>) {
    for unwanted in [
        "each", "with", "lookup", "raw", "log", "gt", "gte", "lt", "lte", "and", "or", "not",
        "len", "eq", "ne",
    ] {
        registry.unregister_helper(unwanted);
    }
    let helpers: [(&str, Function); 11] = [
        ("default", default),
        ("slug", |given| made(slug(&text(given, 0)?))),
        ("upper", |given| made(text(given, 0)?.to_uppercase())),
        ("lower", |given| made(text(given, 0)?.to_lowercase())),
        ("trim", |given| made(text(given, 0)?.trim().to_owned())),
        ("replace", replace),
        ("join", join),
        ("pad", pad),
        ("round", round),
        ("eq", |given| Ok(equal(given)?.into())),
        ("ne", |given| Ok((!equal(given)?).into())),
    ];
    let work = Arc::new(AtomicU64::new(0));
    for (name, function) in helpers {
        let work = work.clone();
        registry.register_helper(
            name,
            Box::new(Pure {
                name,
                function,
                work,
            }),
        );
    }
}

/// What a rendering error says to a manifest's author.
pub(crate) fn message(reason: &RenderErrorReason) -> String {
    match reason {
        RenderErrorReason::Other(message) => message.clone(),
        other => other.to_string(),
    }
}

type Function = fn(&[Option<&Json>]) -> Result<Json, HelperProblem>;

/// A helper that is a function of its arguments; `None` is a variable that is not there.
struct Pure {
    name: &'static str,
    function: Function,
    /// What all helpers of an engine took and made so far, in bytes.
    work: Arc<AtomicU64>,
}

impl HelperDef for Pure {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        let mut given = Vec::with_capacity(helper.params().len());
        for argument in helper.params() {
            let there = !argument.is_value_missing() && !argument.value().is_null();
            if !there && self.name != "default" {
                let path = argument.relative_path().cloned();
                return Err(RenderErrorReason::MissingVariable(path).into());
            }
            given.push(there.then(|| argument.value()));
        }
        let taken: usize = given.iter().flatten().map(|value| json_bytes(value)).sum();
        let made = charge(&self.work, taken)
            .and_then(|()| (self.function)(&given))
            .and_then(|made| charge(&self.work, json_bytes(&made)).map(|()| made))
            .map_err(|message| RenderErrorReason::Other(format!("`{}`: {message}", self.name)))?;
        Ok(ScopedJson::Derived(made))
    }
}

/// Counts what a helper takes or makes.
fn charge(work: &AtomicU64, bytes: usize) -> Result<(), HelperProblem> {
    let before = work.fetch_add(bytes as u64, Ordering::Relaxed);
    match before.saturating_add(bytes as u64) {
        all if all > MAX_WORK_BYTES => Err(HelperProblem::TooMuch),
        _ => Ok(()),
    }
}

/// An argument as a text; empty where it is not given.
fn text<'g>(given: &[Option<&'g Json>], at: usize) -> Result<Cow<'g, str>, HelperProblem> {
    match given.get(at).copied().flatten() {
        Some(value) => text_of(value),
        None => Ok(Cow::Borrowed("")),
    }
}

/// A value as a text, unless it is too long for a setting. Nothing longer is built, nor handed on: so no chain of helpers can grow one.
pub(crate) fn text_of(value: &Json) -> Result<Cow<'_, str>, HelperProblem> {
    if let Json::String(text) = value {
        return if text.len() > MAX_TEXT_BYTES {
            Err(HelperProblem::TooLong)
        } else {
            Ok(Cow::Borrowed(text))
        };
    }
    if json_bytes(value) > 16 * MAX_TEXT_BYTES {
        return Err(HelperProblem::TooLong);
    }
    let text = value.render();
    checked(text.len())?;
    Ok(Cow::Owned(text))
}

fn checked(bytes: usize) -> Result<(), HelperProblem> {
    if bytes > MAX_TEXT_BYTES {
        return Err(HelperProblem::TooLong);
    }
    Ok(())
}

fn made(text: String) -> Result<Json, HelperProblem> {
    checked(text.len())?;
    Ok(text.into())
}

fn replace(given: &[Option<&Json>]) -> Result<Json, HelperProblem> {
    let (value, old, new) = (text(given, 0)?, text(given, 1)?, text(given, 2)?);
    let found = value.matches(&*old).count();
    let bytes = (value.len() - found * old.len()).saturating_add(found.saturating_mul(new.len()));
    checked(bytes)?;
    made(value.replace(&*old, &new))
}

fn default(given: &[Option<&Json>]) -> Result<Json, HelperProblem> {
    let says_something = |value: &&Json| !matches!(value, Json::String(text) if text.is_empty());
    let last = given.last().copied().flatten();
    let first = given.iter().flatten().copied().find(says_something);
    let value = first.or(last);
    let value = value.ok_or(HelperProblem::NothingSet)?;
    text_of(value)?;
    Ok(value.clone())
}

/// Lower case, with a single `-` for all that is neither letter nor digit, and none at the ends.
pub(crate) fn slug(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    for char in text.chars().flat_map(char::to_lowercase) {
        if char.is_alphanumeric() {
            made.push(char);
        } else if !made.is_empty() && !made.ends_with('-') {
            made.push('-');
        }
    }
    made.truncate(made.trim_end_matches('-').len());
    made
}

fn join(given: &[Option<&Json>]) -> Result<Json, HelperProblem> {
    let Some(Json::Array(items)) = given[0] else {
        return Err(HelperProblem::NotAList);
    };
    let separator = text(given, 1)?;
    let mut joined = String::new();
    for (at, item) in items.iter().enumerate() {
        let item = text_of(item)?;
        checked(joined.len() + separator.len() + item.len())?;
        if at > 0 {
            joined.push_str(&separator);
        }
        joined.push_str(&item);
    }
    Ok(joined.into())
}

fn pad(given: &[Option<&Json>]) -> Result<Json, HelperProblem> {
    let value = text(given, 0)?;
    let width = text(given, 1)?
        .parse::<usize>()
        .ok()
        .filter(|width| *width <= MAX_PADDED);
    let width = width.ok_or(HelperProblem::Width)?;
    let fill = match given.get(2) {
        Some(_) => text(given, 2)?,
        None => Cow::Borrowed("0"),
    };
    let mut chars = fill.chars();
    let (Some(fill), None) = (chars.next(), chars.next()) else {
        return Err(HelperProblem::Fill);
    };
    let missing = width.saturating_sub(value.chars().count());
    made(
        std::iter::repeat_n(fill, missing)
            .chain(value.chars())
            .collect(),
    )
}

fn round(given: &[Option<&Json>]) -> Result<Json, HelperProblem> {
    let value = text(given, 0)?;
    let number: f64 = value
        .trim()
        .parse()
        .map_err(|_| HelperProblem::NotANumber(value.to_string()))?;
    let digits = if given.len() > 1 {
        text(given, 1)?.parse::<usize>().ok()
    } else {
        Some(0)
    };
    let digits = digits
        .filter(|digits| *digits <= 9)
        .ok_or(HelperProblem::Digits)?;
    Ok(format!("{number:.digits$}").into())
}

fn equal(given: &[Option<&Json>]) -> Result<bool, HelperProblem> {
    let (left, right) = (text(given, 0)?, text(given, 1)?);
    Ok(left == right
        || matches!((left.parse::<f64>(), right.parse::<f64>()), (Ok(left), Ok(right)) if left == right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helpers_take_and_make_so_much_and_no_more() {
        let work = AtomicU64::new(MAX_WORK_BYTES - 10);
        assert_eq!(charge(&work, 10), Ok(()));
        assert_eq!(charge(&work, 1), Err(HelperProblem::TooMuch));
    }
}
