//! Secrets from the environment: the provider's API key and the key that signs callbacks. Neither is ever printed.

use backline_api::ApiKey;
use backline_engine::plan::{Callbacks, Provider};

use crate::environment;
use crate::failure::{Failure, Kind};

/// The key of a studio that a run starts for itself. It is not a secret, because the studio listens on loopback for this run only.
/// It is constant, so that the next run's studio finds the same tasks.
const EMBEDDED: &str = "embedded";

/// The provider's key, from the environment or the `.env` beside the manifest.
pub(crate) fn api_key(provider: &Provider) -> Result<ApiKey, Failure> {
    if provider.embedded.is_some() {
        return ApiKey::new(EMBEDDED).map_err(|error| Failure::new(Kind::Bug, error));
    }
    let name = &provider.api_key_env;
    let text = read(name, "the provider's API key").map_err(|failure| {
        failure.hint(format!(
            "set it before the program starts: export {name}=…; or write {name}=… to a file .env beside the manifest"
        ))
    })?;
    let checked = ApiKey::new(text).and_then(|key| match provider.profile.loopback {
        true => Ok(key),
        false => key.check_length().map(|()| key),
    });
    checked.map_err(|error| {
        Failure::new(
            Kind::Usage,
            anyhow::Error::new(error).context(format!("the value of ${name} is not an API key")),
        )
    })
}

/// The note that the provider's API key is missing; none if it is set. Only runs need the key, not plans and checks.
pub(crate) fn note_of_missing(provider: &Provider) -> Option<String> {
    let name = &provider.api_key_env;
    let is_missing = provider.embedded.is_none() && environment::get(name).is_err();
    is_missing.then(|| {
        format!("note: ${name} is not set; `backline run` needs the provider's API key in it\n")
    })
}

/// The key that signs callbacks, if the manifest names one.
pub(crate) fn callback_key(callbacks: Option<&Callbacks>) -> Result<Option<Vec<u8>>, Failure> {
    let name = callbacks.and_then(|callbacks| callbacks.hmac_key_env.as_ref());
    name.map(|name| read(name, "the key that callbacks are signed with").map(String::into_bytes))
        .transpose()
}

fn read(name: &str, what: &str) -> Result<String, Failure> {
    match environment::get(name) {
        Ok(text) if !text.trim().is_empty() => Ok(text),
        Ok(_) => Err(Failure::msg(
            Kind::Usage,
            format!("${name} is empty; it must contain {what}"),
        )),
        Err(std::env::VarError::NotPresent) => Err(Failure::msg(
            Kind::Usage,
            format!("${name} is not set; it must contain {what}"),
        )),
        Err(std::env::VarError::NotUnicode(_)) => Err(Failure::msg(
            Kind::Usage,
            format!("${name} is not UTF-8 text; it must contain {what}"),
        )),
    }
}
