//! What users do by mistake, and what it costs them: nothing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use serde_json::json;

use super::fault::once;
use super::project::{MUTE_VENDOR, Project, STUDIO, VENDOR, list};
use crate::lab::{Lab, Running, StudioProcess, finish};

fn studio(lab: &Lab) -> StudioProcess {
    lab.studio(&["--instant", "--rate", "off"])
}

/// A project with one job in doubt: bought, and the program killed before it could hear of it.
fn in_doubt<'a>(lab: &'a Lab, url: &str) -> Project<'a> {
    let project = Project::new(lab, url, "doubt", 1, MUTE_VENDOR);
    let killed = project.run_with(once("recv", "taskId", "kill_after"));
    assert_eq!(killed.map(|ran| ran.code), Some(None));
    assert_eq!(project.run().code, Some(8));
    project
}

#[test]
fn a_run_under_another_key_does_not_touch_what_is_in_flight() {
    let lab = Lab::new();
    // Any key is let in, as if both were good.
    let mut command = lab.backline(&["studio", "--instant", "--listen", "127.0.0.1:0", "--data"]);
    command.arg(lab.path("studio"));
    let studio = crate::lab::Running::start(command);
    let project = in_doubt(&lab, &studio.out_line());
    let mut command = project.command(&["run", "songs.yaml"]);
    command.env("LAB_KEY", "the-key-of-somebody-else");
    let ran = finish(command);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(ran.err.contains("under another account"), "{}", ran.err);
    assert_eq!(project.bill().len(), 1);
    project.resolve_doubts();
    assert_eq!(project.run().code, Some(0));
    project.assert_bought_once_and_kept("own key");
}

#[test]
fn a_second_run_on_the_same_ledger_is_refused() {
    let lab = Lab::new();
    lab.write(
        "late.yaml",
        "version: 1\nrules: [{do: [{response_late_ms: 600000}]}]\n",
    );
    let plan = lab.path("late.yaml");
    let plan = plan.to_str().unwrap();
    let studio = lab.studio(&["--instant", "--misbehave", plan]);
    let project = Project::new(&lab, &studio.url, "twice", 1, STUDIO);
    let mut command = project.command(&["run", "songs.yaml"]);
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    let first = Ended(command.spawn().unwrap());
    while project.bill().is_empty() {
        std::thread::yield_now();
    }
    let ran = project.run();
    assert_eq!(ran.code, Some(7), "{}", ran.err);
    assert!(
        ran.err.contains("in use by another backline process"),
        "{}",
        ran.err
    );
    drop(first);
    assert_eq!(project.bill().len(), 1);
}

/// A child that is ended with its test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_task_that_is_nobodys_is_not_taken_for_a_purchase() {
    let lab = Lab::new();
    let studio = studio(&lab);
    let project = in_doubt(&lab, &studio.url);
    let status = project.status();
    let key = status["jobs"][0]["key"].as_str().unwrap();
    let task = "0123456789abcdef0123456789abcdef";
    let ran = finish(project.command(&["resolve", key, "songs.yaml", "--task", task]));
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(ran.err.contains("knows no task"), "{}", ran.err);
    assert_eq!(project.run().code, Some(8));
    assert_eq!(project.bill().len(), 1);
}

#[test]
fn a_task_of_another_job_is_not_taken_for_this_ones() {
    let lab = Lab::new();
    let studio = lab.misbehaving("version: 1\nrules: [{do: [{response: drop}]}]\n");
    let project = Project::new(&lab, &studio.url, "mixed", 2, MUTE_VENDOR);
    assert_eq!(project.run().code, Some(8));
    let status = project.status();
    let key = status["jobs"][0]["key"].as_str().unwrap();
    let ours = status["jobs"][0]["settings"]["title"].as_str().unwrap();
    let other = project
        .bill()
        .into_iter()
        .find(|it| it.title != ours)
        .unwrap();
    let resolve = ["resolve", key, "songs.yaml", "--task", &other.task_id];
    let ran = finish(project.command(&resolve));
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    for shown in [ours, &other.title, "--force"] {
        assert!(ran.err.contains(shown), "{shown}: {}", ran.err);
    }
    let forced = finish(project.command(&[&resolve[..], &["--force"]].concat()));
    assert_eq!(forced.code, Some(0), "{}", forced.err);
    let no_task = ["resolve", key, "songs.yaml", "--never-bought", "--force"];
    assert_eq!(finish(project.command(&no_task)).code, Some(2));
}

/// The wrong task is given with `--force`, its tracks are kept, and the mistake is noticed then.
#[test]
fn a_task_that_was_given_by_mistake_is_taken_back() {
    let lab = Lab::new();
    let studio = lab.misbehaving("version: 1\nrules: [{do: [{response: drop}]}]\n");
    let project = Project::new(&lab, &studio.url, "undone", 2, MUTE_VENDOR);
    assert_eq!(project.run().code, Some(8));
    let status = project.status();
    let jobs = list(&status["jobs"]);
    let [first, second] = [0, 1].map(|at| jobs[at]["key"].as_str().unwrap());
    let task_of = |at: usize| {
        let title = jobs[at]["settings"]["title"].as_str().unwrap();
        let bill = project.bill().into_iter();
        bill.clone().find(|it| it.title == title).unwrap().task_id
    };
    let (own, other) = (task_of(0), task_of(1));
    let resolve = |key: &str, args: &[&str]| {
        finish(project.command(&[&["resolve", key, "songs.yaml"][..], args].concat()))
    };
    let nothing = resolve(first, &["--undo"]);
    assert_eq!(nothing.code, Some(2), "{}", nothing.err);
    assert!(nothing.err.contains("nothing to undo"), "{}", nothing.err);
    assert_eq!(resolve(first, &["--task", &other, "--force"]).code, Some(0));
    assert_eq!(project.run().code, Some(8));
    let undone = resolve(first, &["--undo"]);
    assert_eq!(undone.code, Some(0), "{}", undone.err);
    let said = undone.out + &undone.err;
    assert!(said.contains("in doubt again"), "{said}");
    // Nor does a wrong word that it was never bought stay.
    assert_eq!(resolve(second, &["--never-bought"]).code, Some(0));
    assert_eq!(resolve(second, &["--undo"]).code, Some(0));
    assert_eq!(resolve(first, &["--task", &own]).code, Some(0));
    assert_eq!(resolve(second, &["--task", &other]).code, Some(0));
    assert_eq!(project.run().code, Some(0));
    assert_eq!(project.bill().len(), 2);
    assert_eq!(resolve(first, &["--undo", "--all"]).code, Some(2));
    assert_eq!(project.kept_files().len(), 4);
    for track in [1, 2] {
        let aside = format!("out/voice/p1-{track}~undone.mp3");
        let same = std::fs::read(project.path(&format!("out/voice/p2-{track}.mp3"))).unwrap();
        assert!(std::fs::read(project.path(&aside)).unwrap() == same);
    }
    let ran = finish(project.command(&["doctor", "songs.yaml"]));
    assert_eq!(ran.code, Some(0), "{}", ran.out);
}

/// The user says that a job may be bought once more; then a callback names the task of the first request. Both were paid for.
#[test]
fn the_tracks_of_a_task_that_was_bought_as_well_are_downloaded() {
    let lab = Lab::new();
    let rules = "[{when: {nth: [1]}, do: [{response: drop}, {callbacks: {never: true}}]}]";
    let studio = lab.misbehaving(format!("version: 1\nrules: {rules}\n"));
    let project = Project::new(&lab, &studio.url, "both", 1, VENDOR);
    assert_eq!(project.run().code, Some(8));
    let none = finish(project.command(&["fetch", "songs.yaml", "--other-tasks"]));
    assert_eq!(none.code, Some(0), "{}", none.err);
    assert!(none.out.contains("No job"), "{}", none.out);
    let status = project.status();
    let key = status["jobs"][0]["key"].as_str().unwrap();
    let resolve = ["resolve", key, "songs.yaml", "--buy-again"];
    assert_eq!(finish(project.command(&resolve)).code, Some(0));
    assert_eq!(project.run().code, Some(0));
    let bill = project.bill();
    let [first, second] = bill.as_slice() else {
        panic!("{bill:?}")
    };

    let listening = Running::start(project.command(&["listen", "songs.yaml"]));
    listening.out_line();
    let data = json!({"callbackType": "text", "task_id": first.task_id, "data": []});
    let body = json!({"code": 200, "msg": "", "data": data}).to_string();
    let token = first.callback_token.as_deref().unwrap();
    let mut stream = TcpStream::connect(project.receiver()).unwrap();
    let head = "HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json";
    let length = body.len();
    write!(
        stream,
        "POST /hook/{token} {head}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    listening.signal("TERM");
    assert_eq!(listening.end().code, Some(0));

    let ran = project.run();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let offered = "`backline fetch songs.yaml --other-tasks`";
    assert!(ran.err.contains(offered), "{}", ran.err);
    let own = project.kept_files();
    let fetch = ["fetch", "songs.yaml", "--other-tasks", "--format", "json"];
    for status in ["downloaded", "present"] {
        let fetched = finish(project.command(&fetch));
        assert_eq!(fetched.code, Some(0), "{}", fetched.err);
        let fetched: serde_json::Value = serde_json::from_str(&fetched.out).unwrap();
        let task = &fetched["tasks"][0];
        assert_eq!(task["task_id"], first.task_id.as_str());
        let tracks = list(&task["tracks"]);
        assert_eq!(tracks.len(), 2, "{task}");
        for (number, track) in (1..).zip(tracks) {
            let path = format!("out/voice/p1-{number}~task-{}.mp3", first.task_id);
            assert_eq!(
                (&track["status"], &track["path"]),
                (&json!(status), &json!(path))
            );
            let bytes = std::fs::read(project.path(&path)).unwrap();
            assert!(backline_audio::decode(&bytes).unwrap().duration_s() > 0.5);
        }
    }
    // The job's own tracks are those of the second task, and nothing else was bought.
    assert_eq!(project.kept_files(), own);
    assert_eq!(
        project.status()["jobs"][0]["task_id"],
        second.task_id.as_str()
    );
    assert_eq!(project.bill(), bill);

    // No other account is asked for it.
    let mut other = project.command(&["fetch", "songs.yaml", "--other-tasks"]);
    other.env("LAB_KEY", "another-key-of-the-lab");
    let refused = finish(other);
    assert_eq!(refused.code, Some(11), "{}", refused.err);
    assert!(refused.out.contains("under another key"), "{}", refused.out);

    // What the provider does not know any more is said, and what is on disk stays.
    drop(studio);
    let path = format!("out/voice/p1-2~task-{}.mp3", first.task_id);
    std::fs::remove_file(project.path(&path)).unwrap();
    let gone = finish(project.command(&["fetch", "songs.yaml", "--other-tasks"]));
    assert_eq!(gone.code, Some(11), "{}", gone.err);
    assert!(gone.out.contains("no track: "), "{}", gone.out);
}

/// All that tells the two jobs apart is a weight.
#[test]
fn a_task_of_another_sweep_point_is_not_taken_for_this_ones() {
    let lab = Lab::new();
    let studio = lab.misbehaving("version: 1\nrules: [{do: [{response: drop}]}]\n");
    let project = Project::new(&lab, &studio.url, "swept", 1, MUTE_VENDOR);
    project.edit("presets:", "sweep: {style_weight: [0.2, 0.8]}\npresets:");
    project.edit("concurrency: 16", "concurrency: 1");
    assert_eq!(project.run().code, Some(8));
    let status = project.status();
    // One at a time, so in plan order.
    let [first, second] = [0, 1].map(|at| status["jobs"][at]["key"].as_str().unwrap());
    let task = project.bill()[0].task_id.clone();
    let resolve = |key: &str| {
        let args = ["resolve", key, "songs.yaml", "--task", &task];
        finish(project.command(&args))
    };
    let refused = resolve(second);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    for shown in ["style_weight", "0.2", "0.8"] {
        assert!(refused.err.contains(shown), "{shown}: {}", refused.err);
    }
    assert_eq!(resolve(first).code, Some(0));
}

/// The default ledger is another one then, and knows nothing.
#[test]
fn a_ledger_nearby_that_knows_the_jobs_is_not_ignored() {
    let lab = Lab::new();
    let studio = studio(&lab);
    let project = Project::new(&lab, &studio.url, "near", 2, STUDIO);
    assert_eq!(project.run().code, Some(0));
    std::fs::remove_dir_all(project.path("out")).unwrap();
    lab.write("backline.yaml", "limits: {concurrency: 4}\n");
    let planned = finish(project.command(&["plan", "songs.yaml"]));
    assert!(planned.err.contains("knows 2 jobs"), "{}", planned.err);
    let ran = project.run();
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    for shown in ["knows 2 jobs", "--ledger .backline/ledger.sqlite3"] {
        assert!(ran.err.contains(shown), "{shown}: {}", ran.err);
    }
    assert_eq!(project.bill().len(), 2);
    let named = ["run", "songs.yaml", "--ledger", ".backline/ledger.sqlite3"];
    assert_eq!(finish(project.command(&named)).code, Some(0));
    assert_eq!(project.bill().len(), 2);
}

#[test]
fn a_deleted_track_a_renamed_stem_and_a_moved_preset_buy_nothing() {
    let lab = Lab::new();
    let studio = studio(&lab);
    let project = Project::new(&lab, &studio.url, "moved", 2, STUDIO);
    assert_eq!(project.run().code, Some(0));
    std::fs::remove_file(project.path("out/voice/p1-1.mp3")).unwrap();
    std::fs::rename(project.path("voice.wav"), project.path("singer.wav")).unwrap();
    project.edit("file: voice.wav", "file: singer.wav");
    project.edit("  p1: {", "  p0: {");
    let ran = project.run();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    project.assert_bought_once_and_kept("moved");
}

/// A stem as the README begins with, and no title: it is called after its file, and its jobs after it.
#[test]
fn a_renamed_stem_and_preset_without_a_title_buy_nothing() {
    let lab = Lab::new();
    let studio = studio(&lab);
    let text = format!(
        "version: 1\nname: songs\nprovider: {{profile: studio, base_url: \"{}\", api_key: {{env: LAB_KEY}}}}\ncallbacks: off\n\
         stems: [vocals/verse.wav]\npresets:\n  piano: {{tags: calm piano}}\n  lofi: {{tags: lo-fi, title: \"{{{{stem.id}}}} ({{{{preset.id}}}})\"}}\n",
        studio.url
    );
    lab.recording("vocals/verse.wav", 1);
    lab.write("songs.yaml", &text);
    lab.expect(0, &["run", "songs.yaml"]);
    assert_eq!(studio.bill().len(), 2);
    std::fs::rename(lab.path("vocals/verse.wav"), lab.path("vocals/strophe.wav")).unwrap();
    let text = text
        .replace("verse.wav", "strophe.wav")
        .replace("piano:", "calm:");
    lab.write("songs.yaml", &text);
    let plan = lab.json(&["plan", "songs.yaml"]);
    assert_eq!(plan["totals"]["to_submit"], 0, "{plan}");
    lab.expect(0, &["run", "songs.yaml"]);
    assert_eq!(studio.bill().len(), 2);
}

/// A run of other jobs says what became of an attempt whose run was killed.
#[test]
fn a_killed_attempt_is_in_doubt_also_after_a_run_of_other_jobs() {
    let lab = Lab::new();
    lab.write(
        "late.yaml",
        "version: 1\nrules: [{when: {nth: [1]}, do: [{response_late_ms: 600000}]}]\n",
    );
    let plan = lab.path("late.yaml");
    let plan = plan.to_str().unwrap();
    let studio = lab.studio(&["--instant", "--rate", "off", "--misbehave", plan]);
    let project = Project::new(&lab, &studio.url, "killed", 2, MUTE_VENDOR);
    project.kill_when_bought(&["run", "songs.yaml", "--filter", "preset=p2"], |_| ());
    let ran = finish(project.command(&["run", "songs.yaml", "--filter", "preset=p1"]));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(project.status()["totals"]["in_doubt"], 1);
    project.resolve_doubts();
    assert_eq!(project.run().code, Some(0));
    project.assert_bought_once_and_kept("killed");
}

/// The provider's name is part of a job's key, and so of what a ledger knows a purchase by.
#[test]
fn a_renamed_provider_buys_nothing_and_keeps_its_doubts() {
    let lab = Lab::new();
    let studio =
        lab.misbehaving("version: 1\nrules: [{when: {nth: [2]}, do: [{response: drop}]}]\n");
    let project = Project::new(&lab, &studio.url, "named", 2, MUTE_VENDOR);
    assert_eq!(project.run().code, Some(8));
    project.edit("profile: studio,", "profile: studio, name: in-house,");
    let planned = finish(project.command(&["plan", "songs.yaml"]));
    assert!(
        planned.out.contains("A run buys nothing"),
        "{}",
        planned.out
    );
    let ran = project.run();
    assert_eq!(ran.code, Some(8), "{}", ran.err);
    assert_eq!(project.bill().len(), 2);
    project.resolve_doubts();
    assert_eq!(project.run().code, Some(0));
    project.assert_bought_once_and_kept("under the new name");
}

#[test]
fn what_was_bought_for_a_job_that_left_the_manifest_is_named() {
    let lab = Lab::new();
    let studio = lab.misbehaving("version: 1\nrules: [{do: [{response: drop}]}]\n");
    let project = Project::new(&lab, &studio.url, "left", 2, MUTE_VENDOR);
    assert_eq!(project.run().code, Some(8));
    let status = project.status();
    let job = |preset: &str| {
        let mut jobs = list(&status["jobs"]).iter();
        let job = jobs.find(|job| job["preset"] == preset).unwrap();
        (
            job["key"].as_str().unwrap(),
            job["settings"]["title"].as_str().unwrap(),
        )
    };
    // One is known to be bought, of the other nobody knows.
    let ((bought, title), (doubt, _)) = (job("p1"), job("p2"));
    let entry = project
        .bill()
        .into_iter()
        .find(|it| it.title == title)
        .unwrap();
    let resolve = ["resolve", bought, "songs.yaml", "--task", &entry.task_id];
    assert_eq!(finish(project.command(&resolve)).code, Some(0));
    for preset in ["p1", "p2"] {
        project.edit(
            &format!("  {preset}: {{"),
            &format!("  {preset}: {{model: V4_5, "),
        );
    }
    for command in ["plan", "fetch"] {
        let ran = finish(project.command(&[command, "songs.yaml"]));
        let task = format!(
            "1 paid task of this ledger belongs to no job of this manifest: {}",
            entry.task_id
        );
        assert!(ran.err.contains(&task), "{command}: {}", ran.err);
        let key = format!(
            "1 job in doubt of this ledger is no job of this manifest: {}",
            &doubt[..12]
        );
        assert!(ran.err.contains(&key), "{command}: {}", ran.err);
        // What a filter leaves out is still a job of the manifest.
        let some = [command, "songs.yaml", "--filter", "preset=p1"];
        let ran = finish(project.command(&some));
        assert!(
            !ran.err.contains("no job of this manifest"),
            "{command}: {}",
            ran.err
        );
    }
    assert_eq!(project.run().code, Some(8));
    let shown = finish(project.command(&["status"]));
    assert!(shown.err.contains(&entry.task_id), "{}", shown.err);
    assert!(shown.err.contains(&doubt[..12]), "{}", shown.err);
}

#[test]
fn equal_values_of_a_sweep_are_warned_of() {
    let lab = Lab::new();
    let studio = studio(&lab);
    let project = Project::new(&lab, &studio.url, "equal", 1, STUDIO);
    project.edit(
        "presets:",
        "sweep: {style_weight: [0.2, 0.20, 0.8]}\npresets:",
    );
    project.edit("equal: 1\"", "equal: {{sweep.style_weight}}\"");
    let ran = finish(project.command(&["validate", "songs.yaml"]));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(
        ran.err
            .contains("two values of the sweep of `style_weight` are equal"),
        "{}",
        ran.err
    );
}

/// The commands that a closing offers work as they stand: they name the ledger that the run was given.
#[test]
fn offered_commands_name_the_ledger_of_the_run() {
    let lab = Lab::new();
    let studio = lab.misbehaving("version: 1\nrules: [{do: [{response: drop}]}]\n");
    let project = Project::new(&lab, &studio.url, "named", 1, MUTE_VENDOR);
    let ran = finish(project.command(&["run", "songs.yaml", "--ledger", "my.sqlite3"]));
    assert_eq!(ran.code, Some(8), "{}", ran.err);
    let offered = "backline resolve KEY songs.yaml --ledger my.sqlite3 --task";
    assert!(ran.err.contains(offered), "{}", ran.err);
    let status = finish(project.command(&["status", "songs.yaml", "--ledger", "my.sqlite3"]));
    assert!(status.out.contains(offered), "{}", status.out);
    let project = Project::new(&lab, &studio.url, "usual", 1, MUTE_VENDOR);
    let ran = project.run();
    assert!(
        ran.err.contains("resolve KEY songs.yaml --task"),
        "{}",
        ran.err
    );
}
