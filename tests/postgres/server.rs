//! A real PostgreSQL server for tests: on a free port of this machine, as a user that is not root, gone when the test ends.
//!
//! Where PostgreSQL is not installed the tests that need it are skipped with one line on standard error. `BACKLINE_REQUIRE_POSTGRES=1`
//! makes that a failure; `.ci/run` sets it.

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

/// A server with its data directory.
pub(crate) struct Server {
    programs: PathBuf,
    folder: tempfile::TempDir,
    port: u16,
    databases: AtomicU32,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop("immediate");
    }
}

impl Server {
    /// Starts a server; none where PostgreSQL is not installed.
    pub(crate) fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            assert!(
                std::env::var_os("BACKLINE_REQUIRE_POSTGRES").is_none(),
                "PostgreSQL is not installed, and BACKLINE_REQUIRE_POSTGRES is set"
            );
            let line =
                "SKIPPED: PostgreSQL is not installed; `apt-get install postgresql` on Debian\n";
            let _ = std::io::stderr().write_all(line.as_bytes());
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        if rustix::process::getuid().is_root() {
            run(Command::new("chown").arg("postgres").arg(folder.path()));
        }
        let port = {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            free.local_addr().unwrap().port()
        };
        let server = Self {
            programs,
            folder,
            port,
            databases: AtomicU32::new(0),
        };
        let data = server.data();
        run(server
            .command("initdb")
            .args([
                "-A",
                "trust",
                "-U",
                "postgres",
                "-E",
                "UTF8",
                "--locale=C",
                "-D",
            ])
            .arg(data));
        server.start_again();
        Some(server)
    }

    /// Starts it after it was stopped.
    pub(crate) fn start_again(&self) {
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1,127.0.0.2 -c unix_socket_directories=",
            self.port
        );
        run(self
            .command("pg_ctl")
            .args(["-w", "-o", &options, "-l"])
            .arg(self.folder.path().join("log"))
            .arg("-D")
            .arg(self.data())
            .arg("start"));
    }

    /// Stops it; `immediate` is what a crash does.
    pub(crate) fn stop(&self, mode: &str) {
        let mut command = self.command("pg_ctl");
        command.args(["-w", "-m", mode, "-D"]).arg(self.data());
        // One that does not run any more can't be stopped.
        let _ = command.arg("stop").output();
    }

    /// Requires TLS with this certificate, and passwords of all users but `postgres`.
    #[allow(
        dead_code,
        reason = "one of the three programs that share this file uses it"
    )]
    pub(crate) fn require_tls(&self, certificate: &str, key: &str) {
        let hba = "hostssl all postgres all trust\nhostssl all all all scram-sha-256\n";
        for (name, content) in [
            ("server.crt", certificate),
            ("server.key", key),
            ("pg_hba.conf", hba),
        ] {
            let path = self.data().join(name);
            std::fs::write(&path, content).unwrap();
            run(Command::new("chmod").arg("600").arg(&path));
            if rustix::process::getuid().is_root() {
                run(Command::new("chown").arg("postgres").arg(&path));
            }
        }
        self.query("postgres", "ALTER SYSTEM SET ssl = on");
        self.stop("fast");
        self.start_again();
    }

    /// The address of a new, empty database.
    pub(crate) fn database(&self) -> String {
        let name = format!("ledger{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.query("postgres", &format!("CREATE DATABASE {name}"));
        format!("postgres://postgres@127.0.0.1:{}/{name}", self.port)
    }

    /// What `psql` prints for a query, without alignment.
    pub(crate) fn query(&self, database: &str, sql: &str) -> String {
        let port = self.port.to_string();
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args([
            "-X",
            "-q",
            "-t",
            "-A",
            "-h",
            "127.0.0.1",
            "-U",
            "postgres",
            "-p",
            &port,
        ]);
        let output = run(psql.args(["-d", database, "-c", sql]));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A program of the server, which refuses to run as root.
    fn command(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let mut command = if rustix::process::getuid().is_root() {
            let mut runuser = Command::new("runuser");
            runuser.args(["-u", "postgres", "--"]).arg(program);
            runuser
        } else {
            Command::new(program)
        };
        command.current_dir("/");
        command
    }
}

/// The directory of the server's programs.
fn programs() -> Option<PathBuf> {
    let said = Command::new("pg_config").arg("--bindir").output();
    let said = said.ok().filter(|output| output.status.success());
    let said = said.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    let installed = || {
        let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
        versions.flatten().map(|it| it.path().join("bin")).max()
    };
    said.into_iter()
        .chain(installed())
        .find(|bin: &PathBuf| is_there(&bin.join("initdb")) && is_there(&bin.join("psql")))
}

fn is_there(path: &Path) -> bool {
    path.is_file()
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
