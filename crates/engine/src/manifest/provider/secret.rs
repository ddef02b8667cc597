//! Addresses, and the names of the environment variables with keys.

use url::Url;

use crate::manifest::source::fields::{Fields, Text};
use crate::manifest::source::node::{Node, Value};
use crate::manifest::source::report::Report;

/// The environment variable with the key unless the manifest names another.
pub(crate) const DEFAULT_KEY_ENV: &str = "BACKLINE_API_KEY";

/// Environment variables that contain keys, whatever a manifest says: the provider's, a studio's, a trace collector's.
pub const KEY_VARIABLES: [&str; 3] = [
    DEFAULT_KEY_ENV,
    "BACKLINE_STUDIO_KEY",
    "OTEL_EXPORTER_OTLP_HEADERS",
];

/// An `http` or `https` address without credentials in it.
pub(crate) fn url(text: &Text, rendered: &str, key: &str, report: &mut Report) -> Option<Url> {
    let problem = match Url::parse(rendered) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            format!("has the scheme `{}`", url.scheme())
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            "contains a user name or a password".to_owned()
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
        // Its line may be the excerpt of another mistake.
        report.keep_secret(node.scalar_text().unwrap_or_default().to_owned());
        let name = what.trim_matches('`');
        report.secret_at(node.span, format!("a manifest never contains a key, but {what} does")).help(format!(
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
