//! A network of its own for a test: loopback, with addresses on it that look public, and names that only this test knows.
//!
//! A test that asks for one runs itself again in new namespaces (`unshare`, no privileges needed where the system allows it), so
//! that everything it starts is inside. Nothing leads out of there. Where the system forbids it the test is skipped with one line on
//! standard error, unless [`REQUIRED`] is set: then it fails.

use std::io::Write;
use std::process::{Command, Stdio};

/// Set by whoever does not accept a skipped test.
const REQUIRED: &str = "BACKLINE_REQUIRE_NAMESPACES";

/// Set inside, with the directory for the test's own files.
const INSIDE: &str = "BACKLINE_INSIDE_NAMESPACE";

/// Addresses on loopback inside: one that counts as public and belongs to nobody here, and two of private networks.
pub(super) const PUBLIC: &str = "11.22.33.44";
pub(super) const PRIVATE: &str = "10.1.2.3";
pub(super) const METADATA: &str = "169.254.169.254";

/// Names that lead to the public address inside: those of the vendors' hosts.
pub(super) const VENDOR_HOSTS: [&str; 4] = [
    "api.kie.ai",
    "kieai.redpandaai.co",
    "api.sunoapi.org",
    "sunoapiorg.redpandaai.co",
];

/// A name that leads to a private address inside.
pub(super) const REBOUND: &str = "cdn.rebound.example";

/// Runs `body` inside; `test` is the test's own name from its module on.
pub(super) fn inside(test: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        body();
        return;
    }
    let hosts = tempfile::NamedTempFile::new().unwrap();
    let mut text = "127.0.0.1 localhost\n".to_owned();
    for host in VENDOR_HOSTS {
        text.push_str(&format!("{PUBLIC} {host}\n"));
    }
    text.push_str(&format!("{PRIVATE} {REBOUND}\n"));
    std::fs::write(hosts.path(), text).unwrap();
    let script = format!(
        "ip link set lo up && for it in {PUBLIC} {PRIVATE} {METADATA}; do ip address add $it/32 dev lo || exit 1; done && \
         mount --bind {} /etc/hosts",
        hosts.path().display()
    );
    let tried = unshared(&script).stdin(Stdio::null()).output();
    let refused = match tried {
        Ok(tried) if tried.status.success() => None,
        Ok(tried) => Some(String::from_utf8_lossy(&tried.stderr).trim().to_owned()),
        Err(error) => Some(error.to_string()),
    };
    if let Some(why) = refused {
        assert!(
            std::env::var_os(REQUIRED).is_none(),
            "{test} needs network namespaces, which this system refuses: {why}"
        );
        // Past the test harness, which would keep it to itself.
        let line =
            format!("SKIPPED: {test} needs network namespaces, which this system refuses: {why}\n");
        let _ = std::io::stderr().write_all(line.as_bytes());
        return;
    }
    let program = std::env::current_exe().unwrap();
    let ran = unshared(&format!("{script} && exec \"$0\" \"$@\""))
        .arg(program)
        .args([test, "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr),
    );
    assert!(ran.status.success(), "{out}\n{err}");
    assert!(out.contains("1 passed"), "{test} is no test\n{out}\n{err}");
}

/// A shell in new namespaces: of users, so that no privilege is needed, of networks, and of mounts.
fn unshared(script: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args([
        "--user",
        "--map-root-user",
        "--net",
        "--mount",
        "--",
        "sh",
        "-c",
        script,
    ]);
    command
}
