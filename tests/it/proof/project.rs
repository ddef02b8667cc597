//! One manifest in a folder of its own, run against a studio that others use too, and what must be true of it in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use backline_engine::ledger::Ledger;
use backline_engine::store::Store;
use backline_studio::{BillEntry, read_bill};
use serde_json::{Value, json};

use super::fault::Fault;
use super::vendor::Vendor;
use crate::lab::{Lab, Ran, Running, finish};

/// How the provider is believed to behave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Terms {
    /// Whether it keeps its word on `Idempotency-Key`.
    pub(super) promise: bool,
    pub(super) callbacks: Callbacks,
}

/// How callbacks are received.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Callbacks {
    /// Not at all.
    Off,
    /// On a loopback port that the next run has no more.
    Local,
    /// On a port that is the same in every run, as behind a public address.
    Fixed,
}

/// The studio as it is.
pub(super) const STUDIO: Terms = Terms {
    promise: true,
    callbacks: Callbacks::Local,
};
/// A vendor as they are, reached back through a public address.
pub(super) const VENDOR: Terms = Terms {
    promise: false,
    callbacks: Callbacks::Fixed,
};
/// A vendor that can't reach back.
pub(super) const MUTE_VENDOR: Terms = Terms {
    promise: false,
    callbacks: Callbacks::Off,
};

/// A manifest and its folder.
pub(super) struct Project<'a> {
    lab: &'a Lab,
    name: String,
    jobs: usize,
    /// The address of its ledger, if that is on a server.
    server: Option<String>,
}

impl<'a> Project<'a> {
    /// A project of `jobs` jobs that buys from the lab's studio at `url`; its titles begin with its name, so that the bill can be told from that of others.
    pub(super) fn new(
        lab: &'a Lab,
        url: &str,
        name: impl Into<String>,
        jobs: usize,
        terms: Terms,
    ) -> Self {
        let name = name.into();
        let callbacks = match terms.callbacks {
            Callbacks::Off => "callbacks: off\n".to_owned(),
            Callbacks::Local => String::new(),
            Callbacks::Fixed => {
                let port = free_port();
                format!(
                    "callbacks: {{listen: \"127.0.0.1:{port}\", public_url: \"http://127.0.0.1:{port}/hook\"}}\n"
                )
            }
        };
        let promise = terms.promise;
        let mut text = format!(
            "version: 1\nname: {name}\nprovider: {{profile: studio, base_url: \"{url}\", rate: 10000/1s, concurrency: 1000, \
             idempotency_key: {promise}, api_key: {{env: LAB_KEY}}}}\n{callbacks}limits: {{concurrency: 16}}\n\
             stems: [{{id: voice, file: voice.wav}}]\noutput: {{dir: out}}\npresets:\n"
        );
        for number in 1..=jobs {
            text.push_str(&format!(
                "  p{number}: {{title: \"{name}: {number}\", tags: \"style {number}\"}}\n"
            ));
        }
        lab.recording(&format!("{name}/voice.wav"), 1);
        lab.write(&format!("{name}/songs.yaml"), text);
        let server = None;
        Self {
            lab,
            name,
            jobs,
            server,
        }
    }

    /// The same with its ledger on a server, in an empty database.
    #[cfg(feature = "postgres")]
    pub(super) fn shared(self, address: String) -> Self {
        let file = format!("{}/backline.yaml", self.name);
        self.lab.write(&file, format!("ledger: \"{address}\"\n"));
        let server = Some(address);
        Self { server, ..self }
    }

    /// Its ledger, to be read; of one on a server a copy in a file.
    fn ledger(&self) -> Ledger {
        let path = match &self.server {
            None => self.path(".backline/ledger.sqlite3"),
            Some(address) => {
                let copies = fs::read_dir(self.path("")).unwrap().count();
                let copy = self.path(&format!("copy-{copies}.sqlite3"));
                let file = copy.to_str().unwrap();
                let ran = finish(self.command(&["ledger", "export", file, "--ledger", address]));
                assert_eq!(ran.code, Some(0), "{}: {}", self.name, ran.err);
                copy
            }
        };
        Ledger::read(&path).unwrap()
    }

    /// A project at a vendor of the tests' own, which can't call back and makes one track for each task.
    pub(super) fn at(lab: &'a Lab, vendor: &Vendor, name: impl Into<String>, jobs: usize) -> Self {
        let project = Self::new(lab, &vendor.url, name, jobs, MUTE_VENDOR);
        project.edit("profile: studio,", "profile: studio, tracks: 1,");
        project
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.lab.path(&self.name).join(name)
    }

    /// Replaces part of the manifest.
    pub(super) fn edit(&self, old: &str, new: &str) {
        let name = format!("{}/songs.yaml", self.name);
        let text = self.lab.read(&name);
        assert!(text.contains(old), "{old} in {text}");
        self.lab.write(&name, text.replace(old, new));
    }

    /// Where its callbacks are received, if that is the same in every run.
    pub(super) fn receiver(&self) -> String {
        let text = self.lab.read(&format!("{}/songs.yaml", self.name));
        let address = text.split("listen: \"").nth(1).unwrap();
        address.split('"').next().unwrap().to_owned()
    }

    /// A command in its folder.
    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.lab.backline(args);
        command.current_dir(self.path(""));
        command
    }

    pub(super) fn run(&self) -> Ran {
        finish(self.command(&["run", "songs.yaml"]))
    }

    pub(super) fn start(&self) -> Running {
        Running::start(self.command(&["run", "songs.yaml"]))
    }

    /// A run that is killed as soon as it has bought; `look` sees its process before.
    pub(super) fn kill_when_bought<T>(&self, args: &[&str], look: impl FnOnce(u32) -> T) -> T {
        let before = self.bill().len();
        let mut command = self.command(args);
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        while self.bill().len() == before {
            std::thread::yield_now();
        }
        let seen = look(child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        seen
    }

    /// A run that a fault strikes; none where it came to its end before the fault's turn.
    pub(super) fn run_with(&self, fault: Fault) -> Option<Ran> {
        let mark = self.path("struck");
        let mut command = self.command(&["run", "songs.yaml"]);
        fault.arm(&mut command, &mark);
        let ran = finish(command);
        mark.exists().then_some(ran)
    }

    /// Whether a fault killed a run before its end.
    pub(super) fn is_killed_by(&self, fault: Fault) -> bool {
        let Some(ran) = self.run_with(fault) else {
            return false;
        };
        assert_eq!(ran.code, None, "{} was not killed: {}", self.name, ran.err);
        true
    }

    /// What the studio billed for it.
    pub(super) fn bill(&self) -> Vec<BillEntry> {
        let title = format!("{}: ", self.name);
        let mut bill = read_bill(&self.lab.path("studio")).unwrap();
        bill.retain(|entry| entry.title.starts_with(&title));
        bill
    }

    /// The summary without times, attempts and what names one purchase: the same for every way to the same end.
    pub(super) fn summary(&self) -> Value {
        let text = fs::read_to_string(self.path("out/summary.json")).unwrap();
        let whole: Value = serde_json::from_str(&text).unwrap();
        let file = |file: &Value| json!([file["path"], file["sha256"], file["duration_s"]]);
        let track = |track: &Value| {
            json!([
                track["index"],
                file(&track["file"]),
                file(&track["mix"]),
                track["problem"]
            ])
        };
        let job = |job: &Value| {
            let tracks: Vec<Value> = list(&job["tracks"]).iter().map(track).collect();
            json!([
                job["stem"],
                job["preset"],
                job["take"],
                job["state"],
                job["credits"],
                job["error"],
                job["error_code"],
                list(&job["other_tasks"]).len(),
                job["settings"]["tags"],
                tracks
            ])
        };
        let jobs: Vec<Value> = list(&whole["jobs"]).iter().map(job).collect();
        json!({"outcome": whole["run"]["outcome"], "totals": whole["totals"], "jobs": jobs})
    }

    /// Everything is bought once and kept: the bill has one row a job, no row is unknown to the ledger, every track is a file that
    /// decodes, nothing half-written lies about, and replaying the ledger's events gives its kept state.
    #[track_caller]
    pub(super) fn assert_bought_once_and_kept(&self, about: &str) {
        let bill = self.bill();
        let titles: BTreeSet<&str> = bill.iter().map(|entry| entry.title.as_str()).collect();
        assert_eq!(
            (bill.len(), titles.len()),
            (self.jobs, self.jobs),
            "{about}: bought {:?}",
            bill.iter().map(|entry| &entry.title).collect::<Vec<_>>()
        );
        self.assert_nothing_lost(about);
        let kept = self.kept_files();
        assert_eq!(kept.len(), 2 * self.jobs, "{about}: {kept:?}");
        assert_eq!(self.left_behind(), Vec::<String>::new(), "{about}");
    }

    /// What is claimed to be kept is there and decodes, every purchase that the ledger knows is on the bill, no job has two, and
    /// the ledger is whole.
    #[track_caller]
    pub(super) fn assert_nothing_lost(&self, about: &str) {
        let ledger = self.ledger();
        assert_eq!(
            ledger.check().unwrap().findings,
            vec![],
            "{about}: replay differs"
        );
        let bill = self.bill();
        let mut per_title = BTreeMap::<&str, usize>::new();
        for entry in bill.iter().filter(|entry| !entry.refunded) {
            *per_title.entry(&entry.title).or_default() += 1;
        }
        assert!(
            per_title.values().all(|count| *count == 1),
            "{about}: {per_title:?}"
        );
        let on_the_bill: BTreeSet<&str> = bill.iter().map(|entry| entry.task_id.as_str()).collect();
        for known in ledger.jobs().unwrap().values() {
            let Some(task) = known.job.task() else {
                continue;
            };
            assert!(on_the_bill.contains(task.id.as_str()), "{about}");
        }
        for path in self.kept_files() {
            let bytes = fs::read(self.path(&path)).unwrap();
            let audio = backline_audio::decode(&bytes)
                .unwrap_or_else(|error| panic!("{about}: {path}: {error}"));
            assert!(audio.duration_s() > 0.5, "{about}: {path}");
        }
    }

    /// The files that the last run's summary, read from the ledger, says are kept.
    pub(super) fn kept_files(&self) -> Vec<String> {
        let status = self.status();
        let tracks = list(&status["jobs"])
            .iter()
            .flat_map(|job| list(&job["tracks"]));
        let paths = tracks.filter_map(|track| track["file"]["path"].as_str());
        paths.map(str::to_owned).collect()
    }

    /// Tasks on the bill that the ledger does not name.
    pub(super) fn unknown_to_the_ledger(&self) -> Vec<String> {
        let ledger = self.ledger();
        let jobs = ledger.jobs().unwrap();
        let known = |id: &str| {
            let mut tasks = jobs.values().filter_map(|known| known.job.task());
            tasks.any(|task| task.id.as_str() == id)
        };
        let ids = self.bill().into_iter().map(|entry| entry.task_id);
        ids.filter(|id| !known(id)).collect()
    }

    /// `status --format json`.
    pub(super) fn status(&self) -> Value {
        let ran = finish(self.command(&["status", "songs.yaml", "--format", "json"]));
        serde_json::from_str(&ran.out)
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", ran.out, ran.err))
    }

    /// Files in the output folder that are neither kept tracks nor reports.
    pub(super) fn left_behind(&self) -> Vec<String> {
        let kept: BTreeSet<String> = self.kept_files().into_iter().collect();
        let mut found = Vec::new();
        for folder in ["out", "out/voice"] {
            for entry in fs::read_dir(self.path(folder)).into_iter().flatten() {
                let entry = entry.unwrap();
                let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
                let report = [
                    "out/summary.csv",
                    "out/summary.json",
                    "out/.backline-ledger",
                ]
                .contains(&path.as_str());
                if entry.path().is_file() && !kept.contains(&path) && !report {
                    found.push(path);
                }
            }
        }
        found
    }

    /// The user looks at the account and says of each job in doubt what became of it.
    pub(super) fn resolve_doubts(&self) -> usize {
        let bill = self.bill();
        let status = self.status();
        let jobs = list(&status["jobs"]).iter();
        let doubts: Vec<&Value> = jobs.filter(|job| job["state"] == "in_doubt").collect();
        for job in &doubts {
            let title = job["settings"]["title"].as_str().unwrap();
            let key = job["key"].as_str().unwrap();
            let mut args = vec!["resolve", key, "songs.yaml"];
            let paid = |entry: &&BillEntry| entry.title == title && !entry.refunded;
            match bill.iter().find(paid) {
                Some(entry) => args.extend(["--task", &entry.task_id]),
                None => args.push("--never-bought"),
            }
            // The provider may not know the task yet, or not want to be asked: then the program says so, and the user asks again.
            let mut ran = finish(self.command(&args));
            for _ in 0..9 {
                if ran.code == Some(0) {
                    break;
                }
                ran = finish(self.command(&args));
            }
            assert_eq!(ran.code, Some(0), "{args:?}: {}", ran.err);
        }
        doubts.len()
    }
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A free port below 32768, where the ports begin that Linux assigns itself: a project's port stays its own while the program is killed
/// and started again.
pub(super) fn free_port() -> u16 {
    const PORTS: std::ops::Range<u32> = 20_000..32_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Tests may run in processes of their own, next to each other.
    let start = std::process::id().wrapping_mul(97);
    (0..PORTS.len())
        .find_map(|_| {
            let number = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
            let port = (PORTS.start + number % (PORTS.end - PORTS.start)) as u16;
            TcpListener::bind(("127.0.0.1", port)).ok().map(|_| port)
        })
        .expect("some port is free")
}
