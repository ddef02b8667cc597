//! Secrets from the environment: the provider's key and the one that callbacks are signed with. Neither is ever shown.

use backline_api::ApiKey;
use backline_engine::plan::{Callbacks, Provider};

use crate::failure::{Failure, Kind};

/// The key of a studio that a run starts for itself. It is no secret: the studio listens on loopback, for this run only, and
/// must know its tasks again in the next.
const EMBEDDED: &str = "embedded";

/// The provider's key.
pub(crate) fn api_key(provider: &Provider) -> Result<ApiKey, Failure> {
    if provider.embedded.is_some() {
        return ApiKey::new(EMBEDDED).map_err(|error| Failure::new(Kind::Bug, error));
    }
    let name = &provider.api_key_env;
    let text = read(name, "the provider's API key").map_err(|failure| {
        failure.hint(format!(
            "put it there before the program starts: export {name}=…"
        ))
    })?;
    let checked = ApiKey::new(text).and_then(|key| match provider.profile.loopback {
        true => Ok(key),
        false => key.check_length().map(|()| key),
    });
    checked.map_err(|error| {
        Failure::new(
            Kind::Usage,
            anyhow::Error::new(error).context(format!("${name} holds no API key")),
        )
    })
}

/// The key that callbacks are signed with, where the manifest names one.
pub(crate) fn callback_key(callbacks: Option<&Callbacks>) -> Result<Option<Vec<u8>>, Failure> {
    let name = callbacks.and_then(|callbacks| callbacks.hmac_key_env.as_ref());
    name.map(|name| read(name, "the key that callbacks are signed with").map(String::into_bytes))
        .transpose()
}

fn read(name: &str, what: &str) -> Result<String, Failure> {
    match std::env::var(name) {
        Ok(text) if !text.trim().is_empty() => Ok(text),
        Ok(_) => Err(Failure::said(
            Kind::Usage,
            format!("${name}, which should hold {what}, is empty"),
        )),
        Err(std::env::VarError::NotPresent) => Err(Failure::said(
            Kind::Usage,
            format!("${name}, which should hold {what}, is not set"),
        )),
        Err(std::env::VarError::NotUnicode(_)) => Err(Failure::said(
            Kind::Usage,
            format!("${name}, which should hold {what}, is no text"),
        )),
    }
}
