//! Decides which addresses a result may be fetched from: protection against server-side request forgery.
//!
//! A vendor, or the sender of a callback, chooses the addresses that are fetched. The client follows addresses of the public
//! internet, addresses of hosts that the manifest names, and, under a loopback profile, addresses of this machine. The check
//! runs in three places, because no single place sees every address: when a name is resolved (so the checked address is the
//! connected one), for literal addresses (which are never resolved), and at every redirect. A proxy resolves names itself.
//! Behind one, the client refuses literal private addresses and names that belong to private networks; the proxy's own
//! configuration decides what else it reaches.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use url::{Host, Url};

use super::Proxies;
use crate::addresses::{bare, is_loopback, is_private_name, is_public};
use crate::{PrivateAddresses, Profile};

/// Most redirects that are followed to a file: vendors need one or two.
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

/// The guard of one client.
#[derive(Debug, Clone)]
pub(super) struct Guard(Arc<Rule>);

#[derive(Debug)]
struct Rule {
    reach: Reach,
    /// Hosts that may lie in a private network, in the spelling of `Url`.
    named: Vec<String>,
    proxies: Proxies,
}

/// The addresses that are allowed besides those of the public internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Public,
    Loopback,
    Private,
}

impl Guard {
    /// The guard for a provider's results.
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
            // A studio on another machine of the network serves its own files.
            let own = [&profile.base_url, &profile.upload_url];
            named.extend(own.into_iter().filter_map(|url| url.host_str().map(bare)));
        }
        Self(Arc::new(Rule {
            reach,
            named,
            proxies,
        }))
    }

    /// The guard for addresses that a user names individually.
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

    /// Checks everything about `url` that is known before its name is resolved.
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
        // The proxy resolves the name, so a name that is never public is refused here.
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

    /// A redirect policy that checks every redirect.
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

    /// A resolver that returns only addresses that the guard allows.
    pub(super) fn resolver(&self) -> Arc<GuardedResolver> {
        self.resolver_over(Arc::new(SystemNames))
    }

    /// The same resolver over another source of addresses.
    pub(super) fn resolver_over(&self, names: Arc<dyn Resolver>) -> Arc<GuardedResolver> {
        Arc::new(GuardedResolver {
            guard: self.clone(),
            names,
        })
    }
}

/// The source of the addresses of a name.
pub(super) trait Resolver: Send + Sync + 'static {
    /// The addresses of a name; the port is 0.
    fn addresses(&self, name: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;
}

/// The system's resolver.
struct SystemNames;

impl Resolver for SystemNames {
    fn addresses(&self, name: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) })
    }
}

/// A resolver behind the guard. One resolution gives the addresses of one connection, so the checked address is the connected
/// one, even if the name changes a moment later.
pub(super) struct GuardedResolver {
    guard: Guard,
    names: Arc<dyn Resolver>,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, names) = (self.guard.clone(), self.names.clone());
        Box::pin(async move {
            let host = bare(name.as_str());
            let found = names.addresses(name.as_str().to_owned()).await?;
            let rule = &*guard.0;
            // A proxy may lie anywhere. Requests to its own name were refused earlier.
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

    /// A name server that gives the next response to each query.
    struct Rebinding(std::sync::Mutex<Vec<&'static str>>);

    impl Resolver for Rebinding {
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
