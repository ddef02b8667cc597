//! The vendors' own profiles as they are, against a server that has their names, their certificates (of a CA that only this test
//! trusts) and an address that counts as public: so the guard of addresses, the rate, the retention and the paths are the real ones.
//!
//! ```text
//!  backline ──https://api.kie.ai──► 11.22.33.44:443 ──TLS off──► studio (kie's codes, signed callbacks)
//!      ▲───────────── callbacks, http://11.22.33.44:8787 ──────────┘
//! ```

use std::fs;
use std::net::TcpListener as StdListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use backline_studio::{Misbehaviour, Studio, StudioConfig, read_bill};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use url::Url;

use super::namespace::{METADATA, PRIVATE, PUBLIC, REBOUND, VENDOR_HOSTS, inside};
use super::project::list;
use crate::lab::{KEY, Lab, Ran, finish};

/// Where the program listens for callbacks.
const HOOKS: &str = "11.22.33.44:8787";
const HOOK_KEY: &str = "hook-key-0123456789";

/// The vendors' window, and how much later than another a request may arrive on a busy machine.
const WINDOW_MS: i64 = 10_000;
const SPREAD_MS: i64 = 200;
const MINUTE_MS: i64 = 60 * 1000;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// A vendor on this machine, under the real names.
struct Vendor {
    runtime: Runtime,
    studio: Option<Studio>,
    lab: Lab,
}

impl Vendor {
    /// Serves with links that begin with `links`, and with these faults.
    fn start(links: &str, faults: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let lab = Lab::new();
        let mut config = StudioConfig::new(lab.path("studio"));
        config.key = Some(KEY.to_owned());
        config.credits = Some(1_000.5);
        config.instant = true;
        config.public_url = Some(Url::parse(links).unwrap());
        config.misbehaviour = Some(Misbehaviour::parse(faults).unwrap());
        let certificate = certificate(&lab.path("ca.pem"));
        let runtime = Runtime::new().unwrap();
        let studio = runtime.block_on(async {
            let behind = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = behind.local_addr().unwrap();
            let front = TcpListener::bind((PUBLIC, 443)).await.unwrap();
            tokio::spawn(async move {
                loop {
                    let (outside, _) = front.accept().await.unwrap();
                    let certificate = certificate.clone();
                    tokio::spawn(async move {
                        // Whoever hangs up in the middle has seen enough.
                        let Ok(mut outside) = certificate.accept(outside).await else {
                            return;
                        };
                        let mut inside = TcpStream::connect(address).await.unwrap();
                        let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
                    });
                }
            });
            Studio::start(behind, config).await.unwrap()
        });
        Self {
            runtime,
            studio: Some(studio),
            lab,
        }
    }

    /// A manifest of so many jobs for a vendor's profile.
    fn manifest(&self, provider: &str, jobs: usize, hmac: &str) {
        let mut text = format!(
            "version: 1\nname: songs\nprovider: {provider}\nlimits: {{concurrency: 100}}\nstems: [{{id: voice, file: voice.wav}}]\n\
             callbacks: {{listen: \"{HOOKS}\", public_url: \"http://{HOOKS}/hook\"{hmac}}}\noutput: {{dir: out}}\npresets:\n"
        );
        for number in 1..=jobs {
            text.push_str(&format!(
                "  p{number}: {{title: \"song {number}\", tags: \"style {number}\"}}\n"
            ));
        }
        self.lab.recording("voice.wav", 1);
        self.lab.write("songs.yaml", text);
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.lab.backline(args);
        // There is nothing that it could keep from leaving.
        command
            .env_remove("HTTPS_PROXY")
            .env("SSL_CERT_FILE", self.lab.path("ca.pem"))
            .env("HOOK_KEY", HOOK_KEY);
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        finish(self.command(args))
    }

    /// `status --format json`.
    fn status(&self) -> Value {
        let ran = self.run(&["status", "songs.yaml", "--format", "json"]);
        serde_json::from_str(&ran.out).unwrap()
    }

    fn accepted_ms(&self) -> Vec<i64> {
        let bill = read_bill(&self.lab.path("studio")).unwrap();
        bill.iter().map(|entry| entry.accepted_ms).collect()
    }
}

impl Drop for Vendor {
    fn drop(&mut self) {
        if let Some(studio) = self.studio.take() {
            self.runtime.block_on(studio.stop());
        }
    }
}

/// A certificate for all names of the vendors, by a CA that is written to `ca`.
pub(super) fn certificate(ca: &Path) -> TlsAcceptor {
    let (ca_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let signed = authority.self_signed(&ca_key).unwrap();
    fs::write(ca, signed.pem()).unwrap();
    let issuer = Issuer::new(authority, ca_key);
    let names: Vec<String> = VENDOR_HOSTS.map(str::to_owned).to_vec();
    let leaf = CertificateParams::new(names).unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

#[test]
fn kie_as_it_is() {
    inside("proof::vendors::kie_as_it_is", || {
        // Forged callbacks come first: only signed ones count.
        let faults = format!(
            "version: 1\ncodes: kie\nidempotency: off\ncallback_key: {HOOK_KEY}\nrules:\n  \
             - {{when: {{nth: [2]}}, do: [{{forge: wrong_signature}}]}}\n  \
             - {{when: {{nth: [3]}}, do: [{{response: drop}}]}}\n"
        );
        let vendor = Vendor::start("https://api.kie.ai/", &faults);
        // More than fit into one window.
        let jobs = 26;
        vendor.manifest(
            "{profile: kie, api_key: {env: LAB_KEY}}",
            jobs,
            ", hmac_key: {env: HOOK_KEY}",
        );
        let ran = vendor.run(&["run", "songs.yaml"]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);

        let accepted = vendor.accepted_ms();
        assert_eq!(accepted.len(), jobs);
        for (at, start) in accepted.iter().enumerate() {
            let within = accepted[at..]
                .iter()
                .take_while(|time| **time - start < WINDOW_MS - SPREAD_MS);
            assert!(within.count() <= 20, "{accepted:?}");
        }
        let status = vendor.status();
        assert_eq!(status["totals"]["tracks"], 2 * jobs);
        for job in list(&status["jobs"]) {
            for track in list(&job["tracks"]) {
                let path = vendor.lab.path(track["file"]["path"].as_str().unwrap());
                backline_audio::decode(&fs::read(path).unwrap()).unwrap();
                let made_ms = track["created_ms"].as_i64().unwrap();
                // The vendor's time has no fractions, and a task is no older than its acceptance.
                let late_ms = track["expires_ms"].as_i64().unwrap() - made_ms - 14 * DAY_MS;
                assert!((0..MINUTE_MS).contains(&late_ms), "{track}");
            }
        }
        let run = &status["run"];
        // kie has a path of its own for the balance, and says it as a fraction.
        assert_eq!(run["balance_before"], 1_000.5);
        assert_eq!(run["balance_after"], 1_000.5 - 12.0 * jobs as f64);
        let forged = run["callbacks_refused"]["wrong_signature"]
            .as_u64()
            .unwrap();
        assert!(forged >= 1, "{}", run["callbacks_refused"]);
        // Nothing is bought again.
        assert_eq!(vendor.run(&["run", "songs.yaml"]).code, Some(0));
        assert_eq!(vendor.accepted_ms().len(), jobs);
    });
}

#[test]
fn sunoapi_as_it_is() {
    inside("proof::vendors::sunoapi_as_it_is", || {
        let faults = "version: 1\ncodes: sunoapi\nidempotency: off\nrules: [{when: {nth: [1]}, do: [{response: drop}]}]\n";
        let vendor = Vendor::start("https://api.sunoapi.org/", faults);
        vendor.manifest("{profile: sunoapi, api_key: {env: LAB_KEY}}", 3, "");
        let doctor = vendor.run(&["doctor", "songs.yaml"]);
        assert!(
            doctor.out.contains("the account has 1000.5 credits"),
            "{}\n{}",
            doctor.out,
            doctor.err
        );
        let ran = vendor.run(&["run", "songs.yaml"]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        assert_eq!(vendor.accepted_ms().len(), 3);
        let status = vendor.status();
        assert_eq!(status["totals"]["tracks"], 6);
        assert_eq!(status["run"]["balance_before"], 1_000.5);
    });
}

/// Results in private networks are not fetched, whatever way leads there: an address, a name, or a redirect. Not one connection is made.
#[test]
fn results_in_private_networks_are_not_fetched() {
    inside(
        "proof::vendors::results_in_private_networks_are_not_fetched",
        || {
            let visits: Vec<Arc<AtomicUsize>> = [PRIVATE, METADATA].map(count_visits).into();
            let redirect = |to: &str| {
                format!(
                    "version: 1\ncodes: kie\nidempotency: off\nrules: [{{do: [{{file: {{kind: redirect, to: \"{to}\"}}}}]}}]\n"
                )
            };
            let plain = || "version: 1\ncodes: kie\nidempotency: off\n".to_owned();
            let own = "https://api.kie.ai/".to_owned();
            let cases = [
                (format!("http://{PRIVATE}/"), plain()),
                (format!("http://{METADATA}/"), plain()),
                (format!("http://{REBOUND}/"), plain()),
                (own.clone(), redirect(&format!("http://{PRIVATE}/a.mp3"))),
                (
                    own.clone(),
                    redirect(&format!("http://{METADATA}/latest/meta-data/")),
                ),
                (own, redirect(&format!("http://{REBOUND}/a.mp3"))),
            ];
            for (links, faults) in cases {
                let vendor = Vendor::start(&links, &faults);
                vendor.manifest("{profile: kie, api_key: {env: LAB_KEY}}", 1, "");
                let ran = vendor.run(&["run", "songs.yaml"]);
                assert_eq!(ran.code, Some(4), "{links} {faults}\n{}", ran.err);
                assert!(
                    ran.err.contains("private network"),
                    "{links} {faults}\n{}",
                    ran.err
                );
                assert_eq!(vendor.status()["totals"]["tracks"], 0, "{links} {faults}");
                assert_eq!(vendor.accepted_ms().len(), 1, "{links} {faults}");
            }
            let visits: Vec<usize> = visits.iter().map(|it| it.load(Ordering::SeqCst)).collect();
            assert_eq!(visits, [0, 0]);
        },
    );
}

/// Counts the connections to port 80 of an address.
fn count_visits(address: &str) -> Arc<AtomicUsize> {
    let listener = StdListener::bind((address, 80)).unwrap();
    let visits = Arc::new(AtomicUsize::new(0));
    let counted = visits.clone();
    std::thread::spawn(move || {
        for _ in listener.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    visits
}
