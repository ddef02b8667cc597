//! What others send: forged callbacks, addresses into our own network, bodies that swell, and who may connect at all.

mod bombs;
mod decoding;
mod holding;
mod journal;
mod listing;
mod memory;
mod private;
mod scripts;
mod unfolding;

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::process::Command;

use crate::lab::{Lab, finish};
use crate::proof::project::{Callbacks, Project, STUDIO, Terms, VENDOR};
use crate::proof::shelf::Shelf;

/// The one callback of each submission that the studio means comes behind three that it does not.
const FORGED: &str = "version: 1\ncallback_key: right\nidempotency: off\nrules:\n  \
    - {when: {every: 2}, do: [{response: drop}]}\n  \
    - {when: {every: 3}, do: [{forge: wrong_task}]}\n  \
    - {when: {every: 4}, do: [{forge: wrong_signature}]}\n  \
    - {when: {every: 5}, do: [{forge: wrong_token}]}\n  \
    - {do: [{forge: no_json}]}\n";

#[test]
fn forged_callbacks_prove_nothing_and_good_ones_do() {
    let lab = Lab::new();
    let studio = lab.misbehaving(FORGED);
    let project = Project::new(&lab, &studio.url, "forged", 30, VENDOR);
    project.edit("/hook\"}", "/hook\", hmac_key: {env: HOOK_KEY}}");
    let run = || {
        let mut command = project.command(&["run", "songs.yaml"]);
        command.env("HOOK_KEY", "right");
        finish(command)
    };
    let ran = run();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    project.assert_bought_once_and_kept("forged");
    let text = fs::read_to_string(project.path("out/summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&text).unwrap();
    let refused = &summary["run"]["callbacks_refused"];
    let count = |why: &str| refused[why].as_u64().unwrap();
    assert!(
        count("wrong_signature") >= 5,
        "a wrong key is told from none: {refused}"
    );
    // The forms too: nothing is read of what has no signature at all.
    assert!(count("unsigned") >= 30, "{refused}");
    assert_eq!(count("unreadable"), 0, "{refused}");
}

/// A vendor on the internet whose results lie in a private network.
#[test]
fn a_result_in_a_private_network_is_not_fetched() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    let project = Project::new(&lab, &studio.url, "remote", 1, VENDOR);
    project.edit("profile: studio", "profile: custom");
    // Nothing says that the provider's own address is meant: nothing is bought.
    let ran = project.run();
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    assert!(ran.err.contains("allow_private"), "{}", ran.err);
    assert_eq!(project.bill().len(), 0);

    // The provider's name is meant, the address of its results is not.
    let named = studio.url.replace("127.0.0.1", "localhost");
    project.edit(&studio.url, &named);
    project.edit(
        "profile: custom",
        "profile: custom, allow_private: [localhost]",
    );
    let ran = project.run();
    assert_eq!(ran.code, Some(4), "{}", ran.err);
    assert!(ran.err.contains("private network"), "{}", ran.err);
    assert_eq!(project.kept_files(), Vec::<String>::new());
    assert_eq!(project.bill().len(), 1);

    // Both are: the same command fetches what was bought.
    project.edit("[localhost]", "[localhost, 127.0.0.1]");
    let ran = project.run();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(project.bill().len(), 1);
}

#[test]
fn the_studio_fetches_no_source_from_a_private_network_unless_told() {
    for (flags, fetched) in [(&[][..], false), (&["--allow-private"][..], true)] {
        let lab = Lab::new();
        let studio = lab.studio(flags);
        let project = Project::new(&lab, &studio.url, "source", 1, STUDIO);
        let voice = fs::read(project.path("voice.wav")).unwrap();
        let files = HashMap::from([("/v.wav", ("Content-Type: audio/wav\r\n", voice))]);
        let shelf = Shelf::new(files);
        let stem = format!("{{id: voice, url: \"{}/v.wav\"}}", shelf.url);
        project.edit("{id: voice, file: voice.wav}", &stem);
        if fetched {
            let run = project.start();
            // The program looks at it once before it pays; the second is the studio.
            while shelf.asked().len() < 2 {
                std::thread::yield_now();
            }
            drop(run);
        } else {
            let ran = project.run();
            assert_eq!(ran.code, Some(4), "{}", ran.err);
            assert_eq!(shelf.asked(), ["/v.wav"]);
        }
    }
}

#[test]
fn an_answer_that_swells_is_cut_off() {
    let bomb = Command::new("sh")
        .args(["-c", "head -c 100000000 /dev/zero | gzip -1"])
        .output()
        .unwrap()
        .stdout;
    let headers = "Content-Type: application/json\r\nContent-Encoding: gzip\r\n";
    let shelf = Shelf::new(HashMap::from([("*", (headers, bomb))]));
    let lab = Lab::new();
    let _studio = lab.studio(&["--instant"]);
    let project = Project::new(&lab, &shelf.url, "bomb", 1, STUDIO);
    let ran = project.run();
    assert!(
        matches!(ran.code, Some(4..=6)),
        "{:?}: {}",
        ran.code,
        ran.err
    );
    assert!(ran.err.contains("longer than 1048576 bytes"), "{}", ran.err);
}

#[test]
fn the_studio_and_the_receiver_listen_on_loopback_unless_told() {
    let lab = Lab::new();
    for address in ["0.0.0.0:0", "[::]:0"] {
        for args in [&[][..], &["--expose"][..]] {
            let ran = lab.run(&[&["studio", "--listen", address], args].concat());
            assert_eq!(ran.code, Some(2), "{}", ran.err);
        }
    }
    // Bought, and answered after the test has looked.
    lab.write(
        "late.yaml",
        "version: 1\nrules: [{do: [{response_late_ms: 600000}]}]\n",
    );
    let plan = lab.path("late.yaml");
    let plan = plan.to_str().unwrap();
    let studio = lab.studio(&["--instant", "--misbehave", plan]);
    let local = Terms {
        callbacks: Callbacks::Local,
        ..STUDIO
    };
    let project = Project::new(&lab, &studio.url, "loopback", 1, local);
    let listening = project.kill_when_bought(&["run", "songs.yaml"], listening);
    assert_eq!(listening.len(), 1, "{listening:?}");
    // 127.0.0.1 as the kernel writes it.
    assert!(listening[0].starts_with("0100007F:"), "{listening:?}");
}

/// The addresses that a process listens on, as the kernel writes them.
fn listening(process: u32) -> Vec<String> {
    let folder = fs::read_dir(format!("/proc/{process}/fd")).unwrap();
    let links = folder.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    let sockets: BTreeSet<String> = links
        .filter_map(|link| {
            let inode = link.to_str()?.strip_prefix("socket:[")?;
            Some(inode.strip_suffix(']')?.to_owned())
        })
        .collect();
    let mut found = Vec::new();
    for table in ["tcp", "tcp6"] {
        let text = fs::read_to_string(format!("/proc/{process}/net/{table}")).unwrap_or_default();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if fields[3] == "0A" && sockets.contains(fields[9]) {
                found.push(fields[1].to_owned());
            }
        }
    }
    found
}

/// The most resident memory that a process has had, in MB.
fn most_memory_mb(process: u32) -> f64 {
    memory_mb(process).unwrap()
}

/// The same; none of a process that has ended.
fn memory_mb(process: u32) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kb: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kb / 1024.0)
}
