//! Which addresses a result may be fetched from: the guard against being sent into our own network.
//!
//! A vendor, or whoever posts a callback, names the addresses that are fetched. Only addresses of the public internet are
//! followed, those of hosts that the manifest names, and under a loopback profile this machine's. The check has three places, for
//! none sees everything: names as they are resolved (so that what was checked is what is connected to), literal addresses (which
//! are never resolved), and every redirect. Behind a proxy names are resolved by the proxy: there, literal addresses and names
//! that belong to private networks are refused, and what the proxy may reach is its own configuration.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use url::{Host, Url};

use super::Proxies;
use crate::{PrivateAddresses, Profile};

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
    #[error("the address is the proxy's own")]
    Proxy,
    #[error("more than {REDIRECT_LIMIT} redirects")]
    TooManyRedirects,
}

/// The rule of one client.
#[derive(Debug, Clone)]
pub(super) struct Guard(Arc<Rule>);

#[derive(Debug)]
struct Rule {
    reach: Reach,
    /// Hosts that may lie in a private network, as `Url` writes them.
    named: Vec<String>,
    proxies: Proxies,
}

/// Which addresses beside those of the public internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Public,
    Loopback,
    Private,
}

impl Guard {
    /// The rule for a provider's results.
    pub(super) fn of(profile: &Profile, proxies: Proxies) -> Self {
        let mut named = Vec::new();
        let reach = match &profile.allow_private {
            PrivateAddresses::Allowed => Reach::Private,
            PrivateAddresses::Refused if profile.loopback => Reach::Loopback,
            PrivateAddresses::Refused => Reach::Public,
            PrivateAddresses::Hosts(hosts) => {
                named.extend(hosts.iter().map(|host| bare(host)));
                match profile.loopback {
                    true => Reach::Loopback,
                    false => Reach::Public,
                }
            }
        };
        if profile.loopback {
            // A studio elsewhere in the network serves its own files.
            let own = [&profile.base_url, &profile.upload_url];
            named.extend(own.into_iter().filter_map(|url| url.host_str().map(bare)));
        }
        Self(Arc::new(Rule {
            reach,
            named,
            proxies,
        }))
    }

    /// The rule for addresses that a user names one by one.
    pub(super) fn of_any(allow_private: bool, proxies: Proxies) -> Self {
        let reach = if allow_private {
            Reach::Private
        } else {
            Reach::Public
        };
        Self(Arc::new(Rule {
            reach,
            named: Vec::new(),
            proxies,
        }))
    }

    /// Checks what can be known of `url` before its name is resolved.
    pub(super) fn check(&self, url: &Url) -> Result<(), Forbidden> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Forbidden::Scheme);
        }
        let rule = &*self.0;
        let name = match url.host() {
            None => return Err(Forbidden::NoHost),
            Some(Host::Ipv4(address)) => return self.check_literal(url, IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => return self.check_literal(url, IpAddr::V6(address)),
            Some(Host::Domain(name)) => bare(name),
        };
        if rule.named.contains(&name) {
            return Ok(());
        }
        if rule.proxies.hosts().iter().any(|host| bare(host) == name) {
            return Err(Forbidden::Proxy);
        }
        // The proxy resolves it: what can't be public by its name is refused here.
        let open = rule.reach == Reach::Private || !is_private_name(&name);
        if open || !rule.proxies.carries(url) {
            Ok(())
        } else {
            Err(Forbidden::Private)
        }
    }

    fn check_literal(&self, url: &Url, address: IpAddr) -> Result<(), Forbidden> {
        match url.host_str().map(bare) {
            Some(name) if self.0.named.contains(&name) => Ok(()),
            _ => self.check_address(address),
        }
    }

    fn check_address(&self, address: IpAddr) -> Result<(), Forbidden> {
        let open = match self.0.reach {
            Reach::Private => true,
            Reach::Loopback => is_public(address) || is_loopback(address),
            Reach::Public => is_public(address),
        };
        if open {
            Ok(())
        } else {
            Err(Forbidden::Private)
        }
    }

    /// A redirect policy that checks every step.
    pub(super) fn redirects(&self) -> Policy {
        let guard = self.clone();
        Policy::custom(move |attempt| {
            if attempt.previous().len() > REDIRECT_LIMIT {
                return attempt.error(Forbidden::TooManyRedirects);
            }
            match guard.check(attempt.url()) {
                Ok(()) => attempt.follow(),
                Err(forbidden) => attempt.error(forbidden),
            }
        })
    }

    /// A resolver that never hands out an address that may not be connected to.
    pub(super) fn resolver(&self) -> Arc<GuardedResolver> {
        self.resolver_over(Arc::new(SystemNames))
    }

    /// The same over another source of addresses.
    pub(super) fn resolver_over(&self, names: Arc<dyn Names>) -> Arc<GuardedResolver> {
        Arc::new(GuardedResolver {
            guard: self.clone(),
            names,
        })
    }
}

/// Where addresses of names come from.
pub(super) trait Names: Send + Sync + 'static {
    /// The addresses of a name; the port is 0.
    fn addresses(&self, name: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;
}

/// The system's resolver.
struct SystemNames;

impl Names for SystemNames {
    fn addresses(&self, name: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) })
    }
}

/// Names behind the guard. One resolution gives the addresses of one connection: what was checked is what is connected to,
/// whatever the name means a moment later.
pub(super) struct GuardedResolver {
    guard: Guard,
    names: Arc<dyn Names>,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, names) = (self.guard.clone(), self.names.clone());
        Box::pin(async move {
            let host = bare(name.as_str());
            let found = names.addresses(name.as_str().to_owned()).await?;
            let rule = &*guard.0;
            // A proxy is connected to wherever it lies; requests to its name are refused before this.
            if rule.named.contains(&host) || rule.proxies.hosts().iter().any(|it| bare(it) == host)
            {
                return Ok(Box::new(found.into_iter()) as Addrs);
            }
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

/// A host as it is compared: lower case, without the dot at a name's end and the brackets of an IPv6 address.
fn bare(host: &str) -> String {
    let host = host.trim_matches(['[', ']']);
    host.trim_end_matches('.').to_ascii_lowercase()
}

/// Whether a host is one of a private network by its spelling alone: a literal address, or a name that is never public.
pub(super) fn is_private_host(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(address) => !is_public(IpAddr::V4(*address)),
        Host::Ipv6(address) => !is_public(IpAddr::V6(*address)),
        Host::Domain(name) => is_private_name(&bare(name)),
    }
}

/// Names that public DNS does not have: special use (RFC 6761, 6762, 8375, ICANN's `internal`) and names of one label.
fn is_private_name(name: &str) -> bool {
    const SUFFIXES: [&str; 5] = ["localhost", "local", "internal", "home.arpa", "lan"];
    !name.contains('.')
        || SUFFIXES.iter().any(|suffix| {
            name.strip_suffix(suffix)
                .is_some_and(|rest| rest.ends_with('.'))
        })
}

/// Whether `address` is this machine's own.
fn is_loopback(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback(),
        IpAddr::V6(v6) => {
            v6.is_loopback() || v6.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback())
        }
    }
}

/// Whether `address` is one of the public internet. Ranges from the IANA special-purpose registries (RFC 6890 and after).
pub(super) fn is_public(address: IpAddr) -> bool {
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

    fn public() -> Guard {
        Guard::of_any(false, Proxies::none())
    }

    fn proxied(reach: Profile) -> Guard {
        let proxies = Proxies::read(&|name| {
            (name == "ALL_PROXY").then(|| "http://proxy.corp.example:3128".to_owned())
        });
        Guard::of(&reach, proxies.unwrap())
    }

    #[track_caller]
    fn check(guard: &Guard, url: &str, expected: Result<(), Forbidden>) {
        assert_eq!(guard.check(&Url::parse(url).unwrap()), expected, "{url}");
    }

    #[test]
    fn a_loopback_profile_reaches_this_machine_and_no_other() {
        let at = |base: &str| Guard::of(&Profile::studio(base.parse().unwrap()), Proxies::none());
        let guard = at("http://127.0.0.1:8790/");
        for url in [
            "http://127.0.0.1:1/a",
            "http://[::1]/a",
            "https://8.8.8.8/a",
            "http://[::ffff:127.0.0.1]/",
        ] {
            check(&guard, url, Ok(()));
        }
        for url in [
            "http://169.254.169.254/latest/meta-data",
            "http://10.0.0.1/",
            "http://192.168.1.1/",
            "http://[fe80::1]/",
            "http://0.0.0.0/",
        ] {
            check(&guard, url, Err(Forbidden::Private));
        }
        // A studio elsewhere in the network is named by its base URL.
        let guard = at("http://192.168.1.5:8790/");
        check(&guard, "http://192.168.1.5:8790/files/a.mp3", Ok(()));
        check(&guard, "http://192.168.1.6/", Err(Forbidden::Private));
    }

    #[test]
    fn named_hosts_are_meant_and_no_others() {
        let mut profile = Profile::kie();
        profile.allow_private =
            PrivateAddresses::Hosts(vec!["Media.internal".to_owned(), "10.0.0.5".to_owned()]);
        for guard in [
            Guard::of(&profile, Proxies::none()),
            proxied(profile.clone()),
        ] {
            check(&guard, "http://10.0.0.5/a.mp3", Ok(()));
            check(&guard, "http://media.internal./a.mp3", Ok(()));
            check(&guard, "http://10.0.0.6/a.mp3", Err(Forbidden::Private));
            check(&guard, "http://127.0.0.1/a.mp3", Err(Forbidden::Private));
        }
        profile.allow_private = PrivateAddresses::Allowed;
        check(
            &Guard::of(&profile, Proxies::none()),
            "http://10.0.0.6/a.mp3",
            Ok(()),
        );
    }

    #[test]
    fn behind_a_proxy_private_names_and_literals_are_refused() {
        let guard = proxied(Profile::kie());
        check(&guard, "https://cdn.example.com/a.mp3", Ok(()));
        for url in [
            "http://10.0.0.1/",
            "http://metadata.google.internal/",
            "http://printer/",
            "http://nas.local/",
            "http://router.lan./",
        ] {
            check(&guard, url, Err(Forbidden::Private));
        }
        check(
            &guard,
            "http://proxy.corp.example:22/",
            Err(Forbidden::Proxy),
        );
    }

    /// A name server that gives the next answer each time it is asked.
    struct Rebinding(std::sync::Mutex<Vec<&'static str>>);

    impl Names for Rebinding {
        fn addresses(&self, _: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
            let next = self.0.lock().unwrap().pop();
            let found = next
                .into_iter()
                .map(|text| SocketAddr::new(text.parse().unwrap(), 0));
            let found = found.collect();
            Box::pin(async move { Ok(found) })
        }
    }

    #[tokio::test]
    async fn a_name_that_changes_its_mind_is_checked_each_time() {
        let names = Rebinding(std::sync::Mutex::new(vec![
            "::ffff:10.0.0.1",
            "127.0.0.1",
            "8.8.8.8",
        ]));
        let resolver = public().resolver_over(Arc::new(names));
        let mut found = Vec::new();
        for _ in 0..3 {
            let addresses = resolver
                .resolve("rebind.example.com".parse().unwrap())
                .await;
            found.push(
                addresses
                    .map(|all| all.map(|it| it.ip()).collect::<Vec<_>>())
                    .ok(),
            );
        }
        assert_eq!(found, [Some(vec!["8.8.8.8".parse().unwrap()]), None, None]);
    }

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
            assert_eq!(public().check(&Url::parse(url).unwrap()), expected, "{url}");
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
        let any = Guard::of_any(true, Proxies::none());
        assert_eq!(
            any.check(&Url::parse("http://127.0.0.1:1/").unwrap()),
            Ok(())
        );
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_not_resolved() {
        let resolve = |allow_private| {
            Guard::of_any(allow_private, Proxies::none())
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
