//! A ledger's server that takes TLS and passwords alone: what is proved of it, and that no password is shown.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::lab::{Lab, Ran, finish};
use crate::server::Server;

const PASSWORD: &str = "correct-horse-battery";

/// A certificate for 127.0.0.1 and its key; the certificate of its authority is written to `ca`.
fn certificate(ca: &Path) -> (String, String) {
    let (ca_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    fs::write(ca, authority.self_signed(&ca_key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(authority, ca_key);
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let leaf = CertificateParams::new(names).unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    (leaf.pem(), key.serialize_pem())
}

/// A run with these options in the ledger's address, and with the password in a file.
fn run(lab: &Lab, address: &str, options: &str, password: &str) -> Ran {
    let file = lab.path("pgpass");
    fs::write(&file, format!("*:*:*:ann:{password}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let ledger = format!("{address}?{options}");
    let mut command = lab.backline(&["run", "songs.yaml", "--ledger", &ledger]);
    command.env("PGPASSFILE", &file);
    let ran = finish(command);
    assert!(!ran.err.contains(PASSWORD) && !ran.out.contains(PASSWORD));
    ran
}

#[test]
fn a_server_that_takes_only_tls_is_verified_and_its_password_is_not_shown() {
    let Some(server) = Server::start() else {
        return;
    };
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    lab.manifest("songs.yaml", &studio.url, 1, 2, "reports: [json]\n");
    let address = server.database();
    let database = address.rsplit_once('/').unwrap().1.to_owned();
    server.query(
        &database,
        &format!(
            "CREATE ROLE ann LOGIN PASSWORD '{PASSWORD}'; ALTER DATABASE {database} OWNER TO ann"
        ),
    );
    let address = address.replacen("postgres@", "ann@", 1);

    let ran = run(&lab, &address, "sslmode=require", PASSWORD);
    assert_eq!(ran.code, Some(7), "the server has no TLS yet: {}", ran.err);
    assert!(ran.err.contains("TLS"), "{}", ran.err);

    let (ca, other) = (lab.path("ca.pem"), lab.path("other.pem"));
    let (certificate, key) = certificate(&ca);
    self::certificate(&other);
    server.require_tls(&certificate, &key);
    let verified = |ca: &Path| format!("sslmode=verify-full&sslrootcert={}", ca.display());
    for (options, password) in [
        ("sslmode=disable".to_owned(), PASSWORD),
        (verified(&other), PASSWORD),
        (verified(&ca), "wrong-horse"),
    ] {
        let ran = run(&lab, &address, &options, password);
        assert_eq!(ran.code, Some(7), "{options}: {}", ran.err);
        assert!(!ran.err.contains("wrong-horse"), "{}", ran.err);
    }
    // By another name than those of its certificate.
    let elsewhere = address.replacen("127.0.0.1", "127.0.0.2", 1);
    let ran = run(&lab, &elsewhere, &verified(&ca), PASSWORD);
    assert_eq!(ran.code, Some(7), "{}", ran.err);
    assert!(studio.bill().is_empty());

    let ran = run(&lab, &address, &verified(&ca), PASSWORD);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(studio.bill().len(), 2);
}
