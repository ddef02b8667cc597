//! Links, pipes and second names that somebody put where files are written and read: nothing is written through them, nothing that
//! they lead to is served, and nothing waits for a pipe's other end.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use backline_engine::event::{Event, Part, TrackNote};
use backline_engine::job::Step;
use backline_engine::ledger::Ledger;
use backline_engine::store::{Batch, NewRecord, Store};

use super::project::{Project, STUDIO};
use super::vendor::{Vendor, declare, send};
use crate::lab::{Lab, finish};

fn recording(lab: &Lab) -> Vec<u8> {
    lab.recording("recording.wav", 1);
    fs::read(lab.path("recording.wav")).unwrap()
}

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// The part that a run left behind.
fn part(project: &Project<'_>, ending: &str) -> String {
    let mut parts = project.left_behind().into_iter();
    parts.find(|name| name.ends_with(ending)).unwrap()
}

#[test]
fn nothing_is_written_through_what_was_put_in_a_parts_place() {
    type Plant = fn(&Path, &Path);
    let plants: [(&str, Plant); 4] = [
        ("link", |place, victim| symlink(victim, place).unwrap()),
        ("link to nowhere", |place, victim| {
            symlink(victim.with_extension("new"), place).unwrap();
        }),
        ("second name", |place, victim| {
            fs::hard_link(victim, place).unwrap()
        }),
        ("pipe", |place, _| pipe(place)),
    ];
    for (name, plant) in plants {
        for ending in [".part", ".part.json"] {
            let lab = Lab::new();
            let one = recording(&lab);
            let (whole, well) = (one.clone(), Arc::new(AtomicBool::new(false)));
            let is_well = well.clone();
            let vendor = Vendor::new(move |_, stream| {
                if is_well.load(Ordering::SeqCst) {
                    return send(stream, "200 OK", "ETag: \"a\"\r\n", &whole);
                }
                declare(stream, "200 OK", "ETag: \"a\"\r\n", whole.len())?;
                stream.write_all(&whole[..1000])
            });
            let project = Project::at(&lab, &vendor, "songs", 1);
            assert_eq!(project.run().code, Some(4));
            lab.write("victim.txt", "precious");
            let place = project.path(&part(&project, ending));
            fs::remove_file(&place).unwrap();
            plant(&place, &lab.path("victim.txt"));
            well.store(true, Ordering::SeqCst);
            let ran = project.run();
            assert_eq!(ran.code, Some(0), "{name} {ending}: {}", ran.err);
            assert_eq!(lab.read("victim.txt"), "precious", "{name} {ending}");
            assert!(!lab.path("victim.new").exists(), "{name} {ending}");
            let kept = project.path(&project.kept_files()[0]);
            let facts = fs::symlink_metadata(&kept).unwrap();
            assert!(facts.is_file(), "{name} {ending}");
            assert!(fs::read(&kept).unwrap() == one, "{name} {ending}");
            assert_eq!(
                project.left_behind(),
                Vec::<String>::new(),
                "{name} {ending}"
            );
        }
    }
}

#[test]
fn a_folder_that_becomes_a_link_while_a_track_comes_is_not_written_to() {
    let lab = Lab::new();
    let one = recording(&lab);
    let (out, elsewhere) = (lab.path("songs/out"), lab.path("elsewhere"));
    fs::create_dir(&elsewhere).unwrap();
    let away = elsewhere.clone();
    let vendor = Vendor::new(move |fetch, stream| {
        declare(stream, "200 OK", "ETag: \"a\"\r\n", one.len())?;
        stream.write_all(&one[..1000])?;
        if fetch.nth == 1 {
            // The part is there once its first bytes are.
            let has_part = |entry: std::io::Result<fs::DirEntry>| {
                entry.is_ok_and(|it| it.file_name().to_string_lossy().ends_with(".part"))
            };
            while !fs::read_dir(out.join("voice")).is_ok_and(|mut it| it.any(has_part)) {
                std::thread::yield_now();
            }
            fs::rename(out.join("voice"), out.join("moved")).unwrap();
            symlink(&away, out.join("voice")).unwrap();
        }
        stream.write_all(&one[1000..])
    });
    let project = Project::at(&lab, &vendor, "songs", 1);
    let _ = project.run();
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
}

#[test]
fn a_pipe_in_a_tracks_place_holds_nothing_up() {
    let lab = Lab::new();
    let one = recording(&lab);
    let vendor = Vendor::new(move |_, stream| send(stream, "200 OK", "", &one));
    let project = Project::at(&lab, &vendor, "songs", 1);
    project.edit("output: {dir: out}", "output: {dir: out}\nreports: [html]");
    fs::create_dir_all(project.path("out/voice")).unwrap();
    pipe(&project.path("out/voice/p1-1.wav"));
    let ran = project.run();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(project.kept_files(), ["out/voice/p1-1~2.wav"]);

    // One that takes a kept file's place is no kept file.
    let kept = project.path("out/voice/p1-1~2.wav");
    fs::remove_file(&kept).unwrap();
    pipe(&kept);
    let ran = project.run();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(project.kept_files(), ["out/voice/p1-1~3.wav"]);
}

/// The names of all files that a run writes whole.
#[test]
fn reports_locks_and_trials_are_not_written_through_links() {
    let lab = Lab::new();
    let one = recording(&lab);
    let vendor = Vendor::new(move |_, stream| send(stream, "200 OK", "", &one));
    let project = Project::at(&lab, &vendor, "songs", 1);
    lab.write("victim.txt", "precious");
    fs::create_dir_all(project.path("out")).unwrap();
    for name in ["summary.csv", "summary.json", ".backline-trial"] {
        symlink(lab.path("victim.txt"), project.path("out").join(name)).unwrap();
    }
    symlink(lab.path("victim.txt"), project.path("songs.lock")).unwrap();
    let locked = finish(project.command(&["plan", "songs.yaml", "--lock"]));
    assert_eq!(locked.code, Some(0), "{}", locked.err);
    let ran = project.run();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(lab.read("victim.txt"), "precious");
    for name in ["out/summary.csv", "out/summary.json", "songs.lock"] {
        let facts = fs::symlink_metadata(project.path(name)).unwrap();
        assert!(facts.is_file(), "{name}");
    }
}

/// The folder beside the ledger comes from a pull request, or from another user: what it leads to is not emptied, overwritten or read.
#[test]
fn the_state_of_a_project_leads_nowhere_else() {
    for name in [
        "",
        "/sound",
        "/studio",
        "/studio/bill.key",
        "/studio/files/uploads",
    ] {
        let lab = Lab::new();
        lab.recording("voice.wav", 1);
        lab.write("home/tmp/thesis.txt", "precious");
        lab.write("home/id", "precious");
        lab.write(
            "songs.yaml",
            "version: 1\nname: songs\nstems: [{id: voice, file: voice.wav}]\npresets: {a: {tags: calm}}\nreports: [html]\n",
        );
        let place = lab.path(&format!(".backline{name}"));
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        if name.starts_with("/studio/") {
            lab.write(".backline/studio/studio.lock", "");
        }
        let target = if name.ends_with("key") {
            "home/id"
        } else {
            "home"
        };
        symlink(lab.path(target), &place).unwrap();
        for command in ["run", "fetch"] {
            let ran = lab.run(&[command, "songs.yaml"]);
            assert_ne!(ran.code, Some(0), "{name}: {}", ran.err);
            assert!(ran.err.contains(" is a link"), "{name}: {}", ran.err);
            for file in ["home/tmp/thesis.txt", "home/id"] {
                assert_eq!(lab.read(file), "precious", "{name}");
            }
            assert_eq!(fs::read_dir(lab.path("home")).unwrap().count(), 2, "{name}");
        }
    }
}

#[test]
fn the_manual_and_a_new_project_are_not_written_through_links() {
    let lab = Lab::new();
    lab.write("victim", "precious");
    lab.write("pages/other", "");
    symlink("../victim", lab.path("pages/backline.1")).unwrap();
    lab.expect(0, &["man", "pages"]);
    assert_eq!(lab.read("victim"), "precious");
    // The page took the link's place.
    assert!(lab.read("pages/backline.1").contains(".TH"));

    lab.write("elsewhere/other", "");
    lab.write("songs/other", "");
    symlink("../elsewhere", lab.path("songs/vocals")).unwrap();
    let ran = lab.run(&["init", "songs"]);
    assert_ne!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    let names: Vec<_> = fs::read_dir(lab.path("elsewhere")).unwrap().collect();
    assert_eq!(names.len(), 1, "{names:?}");
}

/// A ledger that came with a project names a file of the user as a kept track, with its right hash: tracks are moved to their places.
#[test]
fn a_ledger_moves_no_file_from_outside_the_project() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    let outside = tempfile::tempdir().unwrap();
    for (name, through_link) in [("path", false), ("link", true)] {
        let project = Project::new(&lab, &studio.url, name, 1, STUDIO);
        assert_eq!(project.run().code, Some(0));
        let track = project.kept_files().remove(0);
        let victim = outside.path().join(format!("{name}.mp3"));
        fs::rename(project.path(&track), &victim).unwrap();
        symlink(outside.path(), project.path("linked")).unwrap();
        let named = match through_link {
            true => format!("linked/{name}.mp3"),
            false => victim.to_str().unwrap().to_owned(),
        };

        let mut ledger = Ledger::own(&project.path(".backline/ledger.sqlite3")).unwrap();
        let (key, mut known) = ledger.jobs().unwrap().into_iter().next().unwrap();
        let note = TrackNote::Renamed {
            from: track,
            to: named.clone(),
        };
        let event = Event::TrackNoted {
            index: 1,
            part: Part::Track,
            note,
        };
        let Step::Changed(job) = known.job.step(1, &event) else {
            panic!("{event:?}")
        };
        known.job = job.into();
        let record = NewRecord {
            at_ms: 1,
            run: ledger.runs().unwrap().remove(0).id,
            account: known.account.clone(),
            job: Some(key),
            event,
        };
        ledger.append(&Batch::of_job(record, key, known)).unwrap();
        drop(ledger);
        let ran = project.run();
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        assert!(victim.exists(), "{name}: {}", ran.err);
        assert_eq!(project.kept_files()[0], named);
        assert!(
            ran.err.contains("are not in") || ran.err.contains("is not in"),
            "{}",
            ran.err
        );
    }
}
