//! Which addresses a source may be fetched from. Pure.
//!
//! A studio that fetches whatever address a request names could be sent to the machine's own services or its neighbours'.
//! Only addresses that are routed on the public internet pass; tunnelled forms are judged by the IPv4 address inside them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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

/// Checks everything about `url` that can be known before its name is resolved.
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

/// Whether `ip` is routed on the public internet.
pub(crate) fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !(ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_documentation()
        || a == 0
        || a >= 240 // reserved, and the broadcast address
        || (a == 100 && (64..128).contains(&b)) // shared by carriers, RFC 6598
        || (a == 198 && (b == 18 || b == 19)) // benchmarks, RFC 2544
        || (a == 192 && b == 0 && c == 0) // protocol assignments, RFC 6890
        || (a == 192 && b == 88 && c == 99)) // 6to4 relays, RFC 7526
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let s = ip.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match s {
        // v4-mapped, and the deprecated v4-compatible form, which `::` and `::1` have too.
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] => v4(high, low),
        // NAT64, RFC 6052; its local prefix 64:ff9b:1::/48 is private by purpose.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0x64, 0xff9b, ..] => false,
        // 6to4, RFC 3056.
        [0x2002, high, low, ..] => v4(high, low),
        // Teredo, documentation, benchmarks and the rest of 2001::/23.
        [0x2001, second, ..] => second >= 0x200 && second != 0xdb8,
        // Only 2000::/3 is handed out.
        [first, ..] => first & 0xe000 == 0x2000 && first != 0x3fff,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_told_from_public_ones() {
        for public in [
            "8.8.8.8",
            "1.1.1.1",
            "100.63.0.1",
            "100.128.0.1",
            "198.20.0.1",
            "2606:4700::1111",
            "2a00:1450::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for private in [
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "198.18.0.1",
            "198.19.255.1",
            "255.255.255.255",
            "224.0.0.1",
            "240.0.0.1",
            "192.0.0.8",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
    }

    #[test]
    fn an_address_is_judged_before_its_name_is_resolved() {
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
