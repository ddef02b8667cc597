//! The addresses that the server may listen on, and the hosts that a request may name. Pure.
//!
//! An attacker can make its own host name resolve to this machine (DNS rebinding). A browser then lets the attacker's page read
//! this server's page, but it still sends the attacker's name in `Host`. So the server accepts only names that no attacker can own.
//!
//! An attacker's page may also send requests to this machine's own address. Browsers then name that page in `Origin`, or report
//! another site in `Sec-Fetch-Site`. The server refuses such requests, except when the user follows a link to the page.

use std::net::{IpAddr, SocketAddr};

use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName};

use crate::failure::{Failure, Kind};

/// Fails for an address that other machines can reach, unless `expose` is set.
pub(super) fn allow(address: SocketAddr, expose: bool) -> Result<(), Failure> {
    if address.ip().is_loopback() || expose {
        return Ok(());
    }
    let message = format!("{address} can be reached from other machines");
    Err(Failure::msg(Kind::Usage, message)
        .hint("add --expose to allow everyone on that network to listen to the tracks"))
}

/// Whether a request that names this host is accepted. With `expose`, other machines may send requests, by an address or by a name
/// of their own network.
pub(super) fn is_ours(host: Option<&str>, expose: bool) -> bool {
    let Some(authority) = host.and_then(|host| host.parse::<Authority>().ok()) else {
        return false;
    };
    let name = authority.host().to_ascii_lowercase();
    let bare = name.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    match bare.unwrap_or(&name).parse::<IpAddr>() {
        Ok(ip) => expose || ip.is_loopback(),
        // Names without a dot, and names under `.local`, can't be registered.
        Err(_) => {
            name == "localhost" || (expose && (!name.contains('.') || name.ends_with(".local")))
        }
    }
}

/// Whether a request comes from a page of this host, from no page, or from a user who follows a link.
pub(super) fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str());
    if let Some(origin) = text(ORIGIN) {
        let named = origin.ok().and_then(|origin| {
            let rest = origin.strip_prefix("http://");
            rest.or_else(|| origin.strip_prefix("https://"))
        });
        return match (named, text(HOST)) {
            (Some(named), Some(Ok(host))) => named.eq_ignore_ascii_case(host),
            _ => false,
        };
    }
    let site = text(HeaderName::from_static("sec-fetch-site"));
    let mode = text(HeaderName::from_static("sec-fetch-mode"));
    matches!(site, None | Some(Ok("same-origin" | "none"))) || matches!(mode, Some(Ok("navigate")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_machines_are_let_in_on_purpose_only() {
        for (address, expose, allowed) in [
            ("127.0.0.1:7070", false, true),
            ("[::1]:7070", false, true),
            ("0.0.0.0:7070", false, false),
            ("192.168.1.7:7070", false, false),
            ("[::]:7070", false, false),
            ("0.0.0.0:7070", true, true),
        ] {
            let found = allow(address.parse().expect("an address"), expose).is_ok();
            assert_eq!(found, allowed, "{address} {expose}");
        }
    }

    #[test]
    fn a_strangers_page_is_not_ours() {
        let check = |headers: &[(&'static str, &'static str)], expected: bool| {
            let mut map = HeaderMap::new();
            map.insert(HOST, "127.0.0.1:7070".parse().expect("a host"));
            for (name, value) in headers {
                map.insert(*name, value.parse().expect("a value"));
            }
            assert_eq!(is_same_origin(&map), expected, "{headers:?}");
        };
        check(&[], true);
        check(&[("origin", "http://127.0.0.1:7070")], true);
        check(&[("origin", "HTTPS://127.0.0.1:7070")], false);
        check(&[("origin", "https://127.0.0.1:7070")], true);
        check(&[("origin", "http://127.0.0.1:8080")], false);
        check(&[("origin", "http://127.0.0.1")], false);
        check(&[("origin", "https://evil.example")], false);
        check(&[("origin", "null")], false);
        check(&[("sec-fetch-site", "same-origin")], true);
        check(&[("sec-fetch-site", "none")], true);
        for site in ["cross-site", "same-site"] {
            check(&[("sec-fetch-site", site)], false);
            check(
                &[("sec-fetch-site", site), ("sec-fetch-mode", "no-cors")],
                false,
            );
            check(
                &[("sec-fetch-site", site), ("sec-fetch-mode", "navigate")],
                true,
            );
        }
    }

    #[test]
    fn a_strangers_name_is_not_ours() {
        for (host, here, exposed) in [
            (Some("localhost:7070"), true, true),
            (Some("LOCALHOST"), true, true),
            (Some("127.0.0.1:7070"), true, true),
            (Some("[::1]:7070"), true, true),
            (Some("192.168.1.7:7070"), false, true),
            (Some("studio-pc:7070"), false, true),
            (Some("studio-pc.local:7070"), false, true),
            (Some("rebound.example:7070"), false, false),
            (Some("127.0.0.1.example"), false, false),
            (Some("localhost.example"), false, false),
            (Some(""), false, false),
            (Some("not a host"), false, false),
            (None, false, false),
        ] {
            assert_eq!(is_ours(host, false), here, "{host:?}");
            assert_eq!(is_ours(host, true), exposed, "{host:?}, exposed");
        }
    }
}
