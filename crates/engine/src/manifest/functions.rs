//! The helpers that templates have: text in, text out, nothing else.

use handlebars::{
    Context, Handlebars, Helper, HelperDef, JsonRender, RenderContext, RenderError,
    RenderErrorReason, ScopedJson,
};
use serde_json::Value as Json;

/// The helpers' names, for "did you mean".
pub(crate) const NAMES: &[&str] = &[
    "default", "slug", "upper", "lower", "trim", "replace", "join", "pad", "round", "eq", "ne",
];

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
        ("slug", |given| Ok(slug(&text(given, 0)).into())),
        ("upper", |given| Ok(text(given, 0).to_uppercase().into())),
        ("lower", |given| Ok(text(given, 0).to_lowercase().into())),
        ("trim", |given| Ok(text(given, 0).trim().into())),
        ("replace", |given| {
            Ok(text(given, 0)
                .replace(&text(given, 1), &text(given, 2))
                .into())
        }),
        ("join", join),
        ("pad", pad),
        ("round", round),
        ("eq", |given| Ok(equal(given).into())),
        ("ne", |given| Ok((!equal(given)).into())),
    ];
    for (name, function) in helpers {
        registry.register_helper(name, Box::new(Pure { name, function }));
    }
}

/// What a rendering error says to a manifest's author.
pub(crate) fn message(reason: &RenderErrorReason) -> String {
    match reason {
        RenderErrorReason::Other(message) => message.clone(),
        other => other.to_string(),
    }
}

type Function = fn(&[Option<&Json>]) -> Result<Json, String>;

/// A helper that is a function of its arguments; `None` is a variable that is not there.
struct Pure {
    name: &'static str,
    function: Function,
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
        let made = (self.function)(&given)
            .map_err(|message| RenderErrorReason::Other(format!("`{}`: {message}", self.name)))?;
        Ok(ScopedJson::Derived(made))
    }
}

fn text(given: &[Option<&Json>], at: usize) -> String {
    given
        .get(at)
        .copied()
        .flatten()
        .map(JsonRender::render)
        .unwrap_or_default()
}

fn default(given: &[Option<&Json>]) -> Result<Json, String> {
    let says_something = |value: &&Json| !matches!(value, Json::String(text) if text.is_empty());
    let last = given.last().copied().flatten();
    let first = given.iter().flatten().copied().find(says_something);
    first
        .or(last)
        .cloned()
        .ok_or_else(|| "none of its arguments is set".to_owned())
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

fn join(given: &[Option<&Json>]) -> Result<Json, String> {
    let Some(Json::Array(items)) = given[0] else {
        return Err("its first argument is not a list".to_owned());
    };
    let items: Vec<String> = items.iter().map(JsonRender::render).collect();
    Ok(items.join(&text(given, 1)).into())
}

fn pad(given: &[Option<&Json>]) -> Result<Json, String> {
    let value = text(given, 0);
    let width = text(given, 1)
        .parse::<usize>()
        .ok()
        .filter(|width| *width <= MAX_PADDED);
    let width =
        width.ok_or_else(|| format!("its second argument is a width of at most {MAX_PADDED}"))?;
    let fill = given
        .get(2)
        .map_or_else(|| "0".to_owned(), |_| text(given, 2));
    let [fill] = fill.chars().collect::<Vec<_>>()[..] else {
        return Err("its third argument is one character".to_owned());
    };
    let missing = width.saturating_sub(value.chars().count());
    Ok(std::iter::repeat_n(fill, missing)
        .chain(value.chars())
        .collect::<String>()
        .into())
}

fn round(given: &[Option<&Json>]) -> Result<Json, String> {
    let value = text(given, 0);
    let number: f64 = value
        .trim()
        .parse()
        .map_err(|_| format!("`{value}` is not a number"))?;
    let digits = if given.len() > 1 {
        text(given, 1).parse::<usize>().ok()
    } else {
        Some(0)
    };
    let digits = digits
        .filter(|digits| *digits <= 9)
        .ok_or("its second argument is a number of digits, 0 to 9")?;
    Ok(format!("{number:.digits$}").into())
}

fn equal(given: &[Option<&Json>]) -> bool {
    let (left, right) = (text(given, 0), text(given, 1));
    left == right
        || matches!((left.parse::<f64>(), right.parse::<f64>()), (Ok(left), Ok(right)) if left == right)
}
