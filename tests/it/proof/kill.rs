//! The kill matrix: the real program is killed with SIGKILL at each point of a job's life, then the same command is run to its end.
//! Then each job stands on the studio's bill once, every track is kept, and the summary is that of a run that nobody disturbed.
//!
//! With a ledger in a file, and with one on a server that stays where it is: there every commit is sent, and answered.
//!
//! Against the studio as it is, which keeps its word on `Idempotency-Key`; against one without that promise whose callbacks find
//! the next run; and against one without either: there a lost answer ends in doubt, and is bought again only by the user's word.

use serde_json::Value;

use super::fault::{Fault, once};
use super::project::{Callbacks, MUTE_VENDOR, Project, STUDIO, Terms, VENDOR};
#[cfg(feature = "postgres")]
use super::sweep::stride;
use super::sweep::sweep;
use crate::lab::{Lab, StudioProcess};
#[cfg(feature = "postgres")]
use crate::server::Server;

const JOBS: usize = 3;

/// Every commit of the ledger, and every request and answer of a submission: where money is at stake.
const BUYING: &[Fault] = &[
    once("fsync", "ledger.sqlite3", "kill_before"),
    once("fsync", "ledger.sqlite3", "kill_after"),
    once("send", "POST /api/v1/generate/add", "kill_before"),
    once("send", "POST /api/v1/generate/add", "kill_half"),
    once("send", "POST /api/v1/generate/add", "kill_after"),
    once("recv", "taskId", "kill_after"),
];

/// The same without points that differ for the provider's word only.
const BUYING_CALLED_BACK: &[Fault] = &[
    once("fsync", "ledger.sqlite3", "kill_after"),
    once("send", "POST /api/v1/generate/add", "kill_half"),
    once("send", "POST /api/v1/generate/add", "kill_after"),
    once("recv", "taskId", "kill_after"),
];

/// The same with a ledger on a server: its commits, and the receipts of tasks.
#[cfg(feature = "postgres")]
const BUYING_SHARED: &[Fault] = &[
    once("send", "COMMIT", "kill_before"),
    once("send", "COMMIT", "kill_after"),
    once("recv", "COMMIT", "kill_after"),
    once("fsync", "receipts", "kill_before"),
    once("fsync", "receipts", "kill_after"),
    once("send", "POST /api/v1/generate/add", "kill_before"),
    once("send", "POST /api/v1/generate/add", "kill_half"),
    once("send", "POST /api/v1/generate/add", "kill_after"),
    once("recv", "taskId", "kill_after"),
];

/// The same without its commits, which do not depend on the provider's word.
#[cfg(feature = "postgres")]
const REQUESTS_SHARED: &[Fault] = &[
    once("send", "POST /api/v1/generate/add", "kill_before"),
    once("send", "POST /api/v1/generate/add", "kill_half"),
    once("send", "POST /api/v1/generate/add", "kill_after"),
    once("recv", "taskId", "kill_after"),
];

/// Every step of keeping a track and of writing a report.
const KEEPING: &[Fault] = &[
    once("create", ".part", "kill_before"),
    once("write", ".part", "kill_half"),
    once("fsync", ".part", "kill_before"),
    once("fsync", ".part", "kill_after"),
    once("link", "out/", "kill_before"),
    once("link", "out/", "kill_after"),
    once("unlink", ".part", "kill_after"),
    once("write", "/out/", "kill_half"),
    once("create", "/out/", "kill_after"),
    once("fsync", "/out", "kill_before"),
    once("fsync", "/out", "kill_after"),
];

/// Where the points are tried, and what must come of each.
struct Matrix {
    lab: Lab,
    url: String,
    undisturbed: Value,
    #[cfg(feature = "postgres")]
    server: Option<Server>,
}

impl Matrix {
    /// A project of its own for one point.
    fn project(&self, name: &str, terms: Terms) -> Project<'_> {
        let project = Project::new(&self.lab, &self.url, name, JOBS, terms);
        #[cfg(feature = "postgres")]
        if let Some(server) = &self.server {
            return project.shared(server.database());
        }
        project
    }

    /// Kills a run, runs again, and holds the end against the bill. Gives whether the fault struck.
    fn check(&self, name: &str, fault: Fault, terms: Terms) -> bool {
        let project = self.project(name, terms);
        let struck = project.is_killed_by(fault);
        let mut ran = project.run();
        if terms != STUDIO && ran.code == Some(8) {
            // In doubt stays in doubt, however often it is run.
            let bill = project.bill();
            if terms == MUTE_VENDOR {
                assert_eq!(project.run().code, Some(8), "{name}");
            }
            assert_eq!(project.bill(), bill, "{name}: a doubt was bought again");
            project.assert_nothing_lost(name);
            assert!(project.resolve_doubts() > 0, "{name}");
            ran = project.run();
        }
        assert_eq!(ran.code, Some(0), "{name}: {}", ran.err);
        project.assert_bought_once_and_kept(name);
        assert_eq!(project.summary(), self.undisturbed, "{name}");
        struck
    }

    /// Tries every `step`-th point of these faults, `at_once` at a time; at least so many must be struck.
    fn sweep(&self, faults: &[Fault], step: u32, at_once: usize, terms: Terms, least: u32) {
        let check =
            |name: &str, fault| self.check(&format!("{name}-{}", terms.promise), fault, terms);
        let points = sweep(faults, step, at_once, check);
        assert!(points >= least, "only {points} points were struck");
        println!("{points} kill points under {terms:?}");
    }
}

fn matrix(faults: &[Fault], terms: Terms, least: u32) {
    let (matrix, _studio) = undisturbed();
    // A doubt that no callback ends is waited for: those points mostly wait.
    let at_once = if terms == VENDOR { 16 } else { 4 };
    matrix.sweep(faults, 1, at_once, terms, least);
}

/// A studio, and the end of a run that nobody disturbs, with a ledger in a file.
fn undisturbed() -> (Matrix, StudioProcess) {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    let project = Project::new(&lab, &studio.url, "undisturbed", JOBS, STUDIO);
    let ran = project.run();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    project.assert_bought_once_and_kept("undisturbed");
    let undisturbed = project.summary();
    let url = studio.url.clone();
    let matrix = Matrix {
        lab,
        url,
        undisturbed,
        #[cfg(feature = "postgres")]
        server: None,
    };
    (matrix, studio)
}

#[test]
fn killed_while_buying_from_a_studio_that_keeps_its_promise() {
    matrix(BUYING, STUDIO, 30);
}

#[test]
fn killed_while_buying_from_a_vendor_that_calls_back() {
    matrix(BUYING_CALLED_BACK, VENDOR, 20);
}

#[test]
fn killed_while_buying_from_a_vendor_that_cannot_call_back() {
    matrix(BUYING, MUTE_VENDOR, 30);
}

/// What a dead process had is handed out again when it is missed: those points mostly wait.
#[cfg(feature = "postgres")]
#[test]
fn killed_while_buying_with_a_ledger_on_a_server() {
    let Some(server) = Server::start() else {
        return;
    };
    let (mut matrix, _studio) = undisturbed();
    matrix.server = Some(server);
    matrix.sweep(BUYING_SHARED, stride().div_ceil(2), 16, STUDIO, 20);
    matrix.sweep(REQUESTS_SHARED, 1, 16, MUTE_VENDOR, 8);
}

#[test]
fn killed_while_keeping_tracks_and_writing_reports() {
    matrix(KEEPING, STUDIO, 60);
}

/// The bill would tell: a provider that is believed and breaks its promise is paid twice.
#[test]
fn a_broken_promise_is_seen_on_the_bill() {
    let lab = Lab::new();
    let studio = lab.misbehaving("version: 1\nidempotency: off\nrules: []\n");
    // A callback would prove the first purchase before its answer is read.
    let believed = Terms {
        callbacks: Callbacks::Off,
        ..STUDIO
    };
    let project = Project::new(&lab, &studio.url, "broken", 1, believed);
    let killed = project.run_with(once("recv", "taskId", "kill_after"));
    assert_eq!(killed.map(|ran| ran.code), Some(None));
    assert_eq!(project.run().code, Some(0));
    assert_eq!(project.bill().len(), 2);
}
