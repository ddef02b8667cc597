//! Checks the address of a source before it is fetched. Pure.
//!
//! Without this check, a request could make the studio reach services of this machine or its network. Only addresses of the
//! public internet pass ([`is_public`]).

use std::net::IpAddr;

use backline_api::is_public;
use url::{Host, Url};

/// Why an address is not fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Forbidden {
    #[error("only http and https addresses are fetched")]
    Scheme,
    #[error("the address has no host")]
    NoHost,
    #[error("the address is private")]
    Private,
}

/// Checks everything about `url` that is known before its name is resolved.
pub(crate) fn check_url(url: &Url, allow_private: bool) -> Result<(), Forbidden> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Forbidden::Scheme);
    }
    let literal = match url.host() {
        None => return Err(Forbidden::NoHost),
        Some(Host::Domain(_)) => return Ok(()),
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip),
    };
    if allow_private || is_public(literal) {
        Ok(())
    } else {
        Err(Forbidden::Private)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_checked_before_its_name_is_resolved() {
        let check = |url: &str| check_url(&Url::parse(url).unwrap(), false);
        assert_eq!(check("https://cdn.example.com/a.mp3"), Ok(()));
        assert_eq!(check("file:///etc/passwd"), Err(Forbidden::Scheme));
        assert_eq!(check("ftp://example.com/a"), Err(Forbidden::Scheme));
        // The parser turns these spellings into plain addresses, so they can't slip by.
        for literal in [
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::1]:80/",
        ] {
            assert_eq!(check(literal), Err(Forbidden::Private), "{literal}");
        }
        assert_eq!(
            check_url(&Url::parse("http://127.0.0.1:9/").unwrap(), true),
            Ok(())
        );
    }
}
