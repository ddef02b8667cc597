//! Which addresses a result may be fetched from: the guard against being sent into our own network.
//!
//! A vendor, or whoever posts a callback, names the addresses that are fetched. Only addresses of the public internet are
//! followed, unless the profile is a loopback one. The check has three places, for none sees everything: names as they are
//! resolved (so that what was checked is what is connected to), literal addresses (which are never resolved), and every redirect.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use url::{Host, Url};

/// Redirects followed on the way to a file: vendors need one or two.
const REDIRECT_LIMIT: usize = 5;

/// Why an address is not followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Forbidden {
    #[error("only http and https addresses are followed")]
    Scheme,
    #[error("the address has no host")]
    NoHost,
    #[error("the address lies in a private network")]
    Private,
    #[error("more than {REDIRECT_LIMIT} redirects")]
    TooManyRedirects,
}

/// The rule of one client.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guard {
    pub(super) allow_private: bool,
}

impl Guard {
    /// Checks what can be known of `url` before its name is resolved.
    pub(super) fn check(self, url: &Url) -> Result<(), Forbidden> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Forbidden::Scheme);
        }
        match url.host() {
            None => Err(Forbidden::NoHost),
            Some(Host::Domain(_)) => Ok(()),
            Some(Host::Ipv4(address)) => self.check_address(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => self.check_address(IpAddr::V6(address)),
        }
    }

    fn check_address(self, address: IpAddr) -> Result<(), Forbidden> {
        if self.allow_private || is_public(address) {
            Ok(())
        } else {
            Err(Forbidden::Private)
        }
    }

    /// A redirect policy that checks every step.
    pub(super) fn redirects(self) -> Policy {
        Policy::custom(move |attempt| {
            if attempt.previous().len() > REDIRECT_LIMIT {
                return attempt.error(Forbidden::TooManyRedirects);
            }
            match self.check(attempt.url()) {
                Ok(()) => attempt.follow(),
                Err(forbidden) => attempt.error(forbidden),
            }
        })
    }

    /// A resolver that never hands out an address that may not be connected to.
    pub(super) fn resolver(self) -> Arc<GuardedResolver> {
        Arc::new(GuardedResolver(self))
    }
}

/// The system's resolver behind the guard.
#[derive(Debug)]
pub(super) struct GuardedResolver(Guard);

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.0;
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let none = found.is_empty();
            let open: Vec<SocketAddr> = found
                .into_iter()
                .filter(|address| guard.check_address(address.ip()).is_ok())
                .collect();
            if open.is_empty() && !none {
                return Err(Forbidden::Private.into());
            }
            Ok(Box::new(open.into_iter()) as Addrs)
        })
    }
}

/// Whether `address` is one of the public internet. Ranges from the IANA special-purpose registries (RFC 6890 and after).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => match embedded_v4(v6) {
            Some(v4) => is_public_v4(v4),
            None => is_public_v6(v6),
        },
    }
}

/// First address and prefix length of each IPv4 range that is not routed publicly.
const CLOSED_V4: [([u8; 4], u32); 15] = [
    ([0, 0, 0, 0], 8),       // this network
    ([10, 0, 0, 0], 8),      // private
    ([100, 64, 0, 0], 10),   // shared behind carriers
    ([127, 0, 0, 0], 8),     // loopback
    ([169, 254, 0, 0], 16),  // link-local, cloud metadata
    ([172, 16, 0, 0], 12),   // private
    ([192, 0, 0, 0], 24),    // protocol assignments
    ([192, 0, 2, 0], 24),    // documentation
    ([192, 88, 99, 0], 24),  // old 6to4 relays
    ([192, 168, 0, 0], 16),  // private
    ([198, 18, 0, 0], 15),   // benchmarks
    ([198, 51, 100, 0], 24), // documentation
    ([203, 0, 113, 0], 24),  // documentation
    ([224, 0, 0, 0], 4),     // multicast
    ([240, 0, 0, 0], 4),     // reserved, broadcast
];

fn is_public_v4(address: Ipv4Addr) -> bool {
    !CLOSED_V4.iter().any(|&(first, length)| {
        let shift = 32 - length;
        address.to_bits() >> shift == Ipv4Addr::from(first).to_bits() >> shift
    })
}

/// The IPv4 address that is reached through an IPv6 one: v4-mapped, v4-compatible, NAT64 and 6to4.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let bits = address.to_bits();
    let low = Ipv4Addr::from_bits(bits as u32);
    if bits >> 32 == 0xffff || bits >> 32 == 0 || bits >> 32 == 0x0064_ff9b_u128 << 64 {
        Some(low)
    } else if bits >> 112 == 0x2002 {
        Some(Ipv4Addr::from_bits((bits >> 80) as u32))
    } else {
        None
    }
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let bits = address.to_bits();
    let within = |first: u128, length: u32| bits >> (128 - length) == first >> (128 - length);
    // Only 2000::/3 is handed out; within it Teredo and other protocol blocks, and two ranges for documentation, are not hosts.
    within(0x2000 << 112, 3)
        && !within(0x2001 << 112, 23)
        && !within(0x2001_0db8 << 96, 32)
        && !within(0x3fff << 112, 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_public_internet_is_public() {
        #[track_caller]
        fn check(address: &str, expected: bool) {
            assert_eq!(is_public(address.parse().unwrap()), expected, "{address}");
        }
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "2001:4860::8888",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ] {
            check(address, true);
        }
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:c0a8:101::1",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "fc00::1",
            "fd00::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            check(address, false);
        }
    }

    #[test]
    fn an_address_is_judged_in_every_spelling() {
        #[track_caller]
        fn check(url: &str, expected: Result<(), Forbidden>) {
            assert_eq!(
                Guard {
                    allow_private: false
                }
                .check(&Url::parse(url).unwrap()),
                expected,
                "{url}"
            );
        }
        check("https://cdn.example.com/a.mp3", Ok(()));
        check("http://8.8.8.8/a.mp3", Ok(()));
        check("file:///etc/passwd", Err(Forbidden::Scheme));
        check("data:audio/mpeg,abc", Err(Forbidden::Scheme));
        for url in [
            "http://127.1/",
            "http://0x7f000001/",
            "http://2130706433/",
            "http://0177.0.0.1/",
            "http://[::1]/",
            "http://[::ffff:7f00:1]/",
            "http://1.2.3.4@127.0.0.1/",
            "http://①②⑦.0.0.1/",
        ] {
            check(url, Err(Forbidden::Private));
        }
        assert_eq!(
            Guard {
                allow_private: true
            }
            .check(&Url::parse("http://127.0.0.1:1/").unwrap()),
            Ok(())
        );
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_not_resolved() {
        let resolve = |allow_private| {
            Guard { allow_private }
                .resolver()
                .resolve("localhost".parse().unwrap())
        };
        let refused = resolve(false).await.err().unwrap();
        assert_eq!(
            refused.downcast_ref::<Forbidden>(),
            Some(&Forbidden::Private)
        );
        assert!(
            resolve(true)
                .await
                .unwrap()
                .all(|address| address.ip().is_loopback())
        );
    }
}
