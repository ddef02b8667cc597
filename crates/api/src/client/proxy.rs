//! Reads the proxies of the environment as curl does: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in either case.
//!
//! Requests to this machine never use a proxy. A value that is not the address of a proxy is an error, not a direct connection:
//! where a proxy is mandatory, a purchase without it could never be fetched.

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::{ClientBuilder, NoProxy, Proxy};
use url::Url;

use super::ClientError;

/// The hosts of this machine.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

/// The proxy schemes that the HTTP library supports.
const SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// Which proxies are used. Its `Debug` may contain a proxy's password; print [`Proxies::shown`] instead.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Proxies {
    http: Option<Url>,
    https: Option<Url>,
    direct: String,
}

impl std::fmt::Debug for Proxies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.shown()).finish()
    }
}

impl Proxies {
    /// No proxies: every connection is direct.
    pub fn none() -> Self {
        Self::default()
    }

    /// Reads the proxies from the environment of this process.
    pub fn from_env() -> Result<Self, ClientError> {
        Self::read(&|name| std::env::var(name).ok())
    }

    /// Reads the proxies from an environment; `get` reads a variable.
    pub fn read(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, ClientError> {
        let first = |names: &[&'static str]| {
            names.iter().find_map(|&name| {
                let value = get(name)?;
                (!value.trim().is_empty()).then(|| (name, value.trim().to_owned()))
            })
        };
        // A CGI server passes the request header `Proxy` as HTTP_PROXY, so HTTP_PROXY is ignored there.
        let http: &[&'static str] = match get("REQUEST_METHOD") {
            Some(_) => &["http_proxy"],
            None => &["http_proxy", "HTTP_PROXY"],
        };
        let all = first(&["all_proxy", "ALL_PROXY"]);
        let address = |value: Option<(&'static str, String)>| {
            value
                .map(|(name, value)| proxy_address(name, &value))
                .transpose()
        };
        Ok(Self {
            http: address(first(http).or_else(|| all.clone()))?,
            https: address(first(&["https_proxy", "HTTPS_PROXY"]).or(all))?,
            direct: first(&["no_proxy", "NO_PROXY"])
                .map(|(_, value)| value)
                .unwrap_or_default(),
        })
    }

    /// Whether there is no proxy.
    pub fn is_empty(&self) -> bool {
        self.http.is_none() && self.https.is_none()
    }

    /// The proxies without user names and passwords, for messages.
    pub fn shown(&self) -> Vec<String> {
        let mut shown = Vec::new();
        for (scheme, proxy) in [("http", &self.http), ("https", &self.https)] {
            if let Some(proxy) = proxy {
                let address = crate::redact_url(proxy.as_str());
                shown.push(format!("{scheme}:// by {}", address.trim_end_matches('/')));
            }
        }
        shown
    }

    /// The hosts of the proxies. The client connects to them even if they lie in a private network.
    pub(super) fn hosts(&self) -> Vec<String> {
        let proxies = [&self.http, &self.https].into_iter().flatten();
        proxies
            .filter_map(|proxy| proxy.host_str().map(str::to_owned))
            .collect()
    }

    /// Whether a request to `url` goes through a proxy.
    pub fn carries(&self, url: &Url) -> bool {
        let Ok(uri) = url.as_str().parse() else {
            return false;
        };
        let text = |proxy: &Option<Url>| proxy.as_ref().map(Url::to_string).unwrap_or_default();
        Matcher::builder()
            .http(text(&self.http))
            .https(text(&self.https))
            .no(self.direct())
            .build()
            .intercept(&uri)
            .is_some()
    }

    fn direct(&self) -> String {
        format!("{},{LOOPBACK}", self.direct)
    }

    /// Configures a client to use these proxies and no others.
    pub(super) fn apply(&self, builder: ClientBuilder) -> Result<ClientBuilder, reqwest::Error> {
        let direct = || NoProxy::from_string(&self.direct());
        let mut builder = builder.no_proxy();
        if let Some(proxy) = &self.http {
            builder = builder.proxy(Proxy::http(proxy.clone())?.no_proxy(direct()));
        }
        if let Some(proxy) = &self.https {
            builder = builder.proxy(Proxy::https(proxy.clone())?.no_proxy(direct()));
        }
        Ok(builder)
    }
}

/// The address of a proxy; `host:port` alone means `http://host:port`.
fn proxy_address(name: &'static str, value: &str) -> Result<Url, ClientError> {
    let full = match value.contains("://") {
        true => value.to_owned(),
        false => format!("http://{value}"),
    };
    let wrong = |reason: String| ClientError::Proxy { name, reason };
    let url = Url::parse(&full).map_err(|error| wrong(error.to_string()))?;
    if !SCHEMES.contains(&url.scheme()) {
        return Err(wrong(format!(
            "proxies of the scheme `{}` are not supported",
            url.scheme()
        )));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("it names no host".to_owned()));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Proxies, ClientError> {
        Proxies::read(&|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_environment_is_read_as_curl_reads_it() {
        #[track_caller]
        fn check(variables: &[(&str, &str)], url: &str, expected: bool) {
            let proxies = of(variables).unwrap();
            assert_eq!(
                proxies.carries(&url.parse().unwrap()),
                expected,
                "{variables:?} {url}"
            );
        }
        let plain = "http://cdn.example.com/a";
        let secure = "https://cdn.example.com/a";
        check(&[], secure, false);
        check(&[("HTTPS_PROXY", "http://proxy:3128")], secure, true);
        check(&[("HTTPS_PROXY", "http://proxy:3128")], plain, false);
        check(&[("HTTP_PROXY", "proxy:3128")], plain, true);
        check(
            &[("HTTP_PROXY", "proxy:3128"), ("REQUEST_METHOD", "GET")],
            plain,
            false,
        );
        check(&[("ALL_PROXY", "socks5h://proxy:1080")], secure, true);
        check(
            &[("all_proxy", "proxy"), ("NO_PROXY", "example.com")],
            secure,
            false,
        );
        check(&[("all_proxy", "proxy"), ("NO_PROXY", "*")], secure, false);
        for url in [
            "http://127.0.0.1:80/",
            "http://127.8.0.1/",
            "http://localhost/",
            "http://[::1]:1/",
        ] {
            check(&[("ALL_PROXY", "http://proxy:3128")], url, false);
        }
    }

    #[test]
    fn what_is_no_proxy_is_an_error() {
        for value in ["ftp://proxy", "http://", "http://a b"] {
            let error = of(&[("HTTPS_PROXY", value)]).unwrap_err();
            assert!(
                matches!(
                    error,
                    ClientError::Proxy {
                        name: "HTTPS_PROXY",
                        ..
                    }
                ),
                "{error}"
            );
        }
        assert!(of(&[("HTTPS_PROXY", " ")]).unwrap().is_empty());
    }

    #[test]
    fn a_proxys_password_is_not_shown() {
        let proxies = of(&[("ALL_PROXY", "http://me:s3cret@proxy.example.com:3128")]).unwrap();
        let shown = format!("{proxies:?}");
        assert!(
            !shown.contains("s3cret") && shown.contains("proxy.example.com:3128"),
            "{shown}"
        );
    }
}
