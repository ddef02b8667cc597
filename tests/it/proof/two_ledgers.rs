//! What a second ledger, an old copy of the right one or a new API key costs: nothing.

use std::fs;
use std::path::Path;

use backline_engine::ledger::Ledger;

use super::project::{Project, STUDIO};
use super::vendor::{Vendor, send_range};
use crate::lab::{KEY, Lab, Running, StudioProcess, finish, tone};

fn studio(lab: &Lab) -> StudioProcess {
    lab.studio(&["--instant", "--rate", "off"])
}

#[test]
fn another_ledger_buys_nothing_for_the_same_output_directory() {
    let lab = Lab::new();
    let studio = studio(&lab);
    let project = Project::new(&lab, &studio.url, "two", 2, STUDIO);
    assert_eq!(project.run().code, Some(0));
    let plan = ["plan", "songs.yaml", "--ledger", "other.sqlite3"];
    let planned = finish(project.command(&plan));
    assert!(
        planned.err.contains("belongs to another ledger"),
        "{}",
        planned.err
    );
    let doctor = ["doctor", "songs.yaml", "--ledger", "other.sqlite3"];
    let examined = finish(project.command(&doctor));
    assert_eq!(examined.code, Some(7), "{}", examined.err);
    assert!(
        examined.out.contains("belongs to another ledger"),
        "{}",
        examined.out
    );
    let other = ["run", "songs.yaml", "--ledger", "other.sqlite3"];
    let ran = finish(project.command(&other));
    assert_eq!(ran.code, Some(7), "{}", ran.err);
    assert!(
        ran.err
            .contains("the output directory out belongs to another ledger"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains(".backline/ledger.sqlite3"), "{}", ran.err);
    assert_eq!(project.bill().len(), 2);
    // With the right one nothing is amiss, and a directory of its own takes another.
    assert_eq!(project.run().code, Some(0));
    project.assert_bought_once_and_kept("two");
    project.edit("output: {dir: out}", "output: {dir: elsewhere}");
    let ran = finish(project.command(&other));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(project.bill().len(), 4);
}

/// The copy knows the last run, for it was taken while that run went on.
#[test]
fn a_copy_of_the_ledger_from_the_middle_of_its_last_run_buys_nothing() {
    let lab = Lab::new();
    let studio = studio(&lab);
    let project = Project::new(&lab, &studio.url, "backup", 3, STUDIO);
    // Whichever job's hook is called first copies it before that job is submitted; several are called at once.
    project.edit(
        "presets:",
        "on: {before_submit: [{run: [sh, -c, 'if mkdir ../once; then cp -r .backline ../copy; fi']}]}\npresets:",
    );
    let ran = project.run();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(project.bill().len(), 3);
    fs::rename(project.path(".backline"), project.path("newest")).unwrap();
    fs::rename(project.path("../copy"), project.path(".backline")).unwrap();
    let planned = finish(project.command(&["plan", "songs.yaml"]));
    for shown in [&planned.err, &project.run().err] {
        assert!(shown.contains("a newer state of the ledger"), "{shown}");
    }
    assert_eq!(project.bill().len(), 3);
    fs::remove_dir_all(project.path(".backline")).unwrap();
    fs::rename(project.path("newest"), project.path(".backline")).unwrap();
    assert_eq!(project.run().code, Some(0));
    assert_eq!(project.bill().len(), 3);
}

#[test]
fn a_lost_ledger_and_an_old_copy_of_it_buy_nothing() {
    let lab = Lab::new();
    let studio = studio(&lab);
    let project = Project::new(&lab, &studio.url, "old", 2, STUDIO);
    let first = ["run", "songs.yaml", "--filter", "preset=p1"];
    assert_eq!(finish(project.command(&first)).code, Some(0));
    fs::copy(
        project.path(".backline/ledger.sqlite3"),
        project.path("copy.sqlite3"),
    )
    .unwrap();
    assert_eq!(project.run().code, Some(0));
    project.assert_bought_once_and_kept("before");

    for name in ["copy.sqlite3", "none.sqlite3"] {
        let ran = finish(project.command(&["run", "songs.yaml", "--ledger", name]));
        assert_eq!(ran.code, Some(7), "{name}: {}", ran.err);
        assert_eq!(project.bill().len(), 2, "{name}");
    }
    fs::remove_dir_all(project.path(".backline")).unwrap();
    let ran = project.run();
    assert_eq!(ran.code, Some(7), "{}", ran.err);
    assert_eq!(project.bill().len(), 2);
    // Whoever wants to pay again says so.
    fs::remove_file(project.path("out/.backline-ledger")).unwrap();
    assert_eq!(project.run().code, Some(0));
    assert_eq!(project.bill().len(), 4);
}

/// The reports name the task ids, perhaps as the only file that still does.
#[test]
fn a_lost_ledger_and_an_old_copy_of_it_overwrite_no_report() {
    let lab = Lab::new();
    let studio = studio(&lab);
    let project = Project::new(&lab, &studio.url, "reports", 2, STUDIO);
    let first = ["run", "songs.yaml", "--filter", "preset=p1"];
    assert_eq!(finish(project.command(&first)).code, Some(0));
    let ledger = project.path(".backline/ledger.sqlite3");
    fs::copy(&ledger, project.path("copy.sqlite3")).unwrap();
    assert_eq!(project.run().code, Some(0));
    let reports = ["out/summary.csv", "out/summary.json"].map(|name| project.path(name));
    let before = reports.each_ref().map(|path| fs::read(path).unwrap());
    let refused = |args: &[&str]| {
        let ran = finish(project.command(args));
        assert_eq!(ran.code, Some(7), "{args:?}: {}", ran.err);
        assert!(
            ran.err.contains("belongs to another ledger"),
            "{args:?}: {}",
            ran.err
        );
        let after = reports.each_ref().map(|path| fs::read(path).unwrap());
        assert!(before == after, "{args:?} has overwritten a report");
        ran
    };
    refused(&["fetch", "songs.yaml", "--ledger", "copy.sqlite3"]);
    refused(&["fetch", "songs.yaml", "--ledger", "none.sqlite3"]);
    refused(&["report", "songs.yaml", "--ledger", "copy.sqlite3"]);
    refused(&[
        "report",
        "songs.yaml",
        "--ledger",
        "copy.sqlite3",
        "--dir",
        "out",
    ]);
    fs::remove_dir_all(project.path(".backline")).unwrap();
    let ran = refused(&["fetch", "songs.yaml"]);
    assert!(ran.err.contains("deleted or replaced"), "{}", ran.err);
    assert!(!ran.err.contains("use that ledger"), "{}", ran.err);
}

#[test]
fn an_output_directory_that_was_moved_is_claimed_although_nothing_is_bought() {
    let lab = Lab::new();
    let studio = studio(&lab);
    let project = Project::new(&lab, &studio.url, "claim", 2, STUDIO);
    assert_eq!(project.run().code, Some(0));
    project.edit("output: {dir: out}", "output: {dir: elsewhere}");
    assert_eq!(project.run().code, Some(0));
    assert_eq!(project.bill().len(), 2);
    assert!(project.path("elsewhere/.backline-ledger").exists());
    fs::remove_dir_all(project.path(".backline")).unwrap();
    for command in ["run", "fetch"] {
        let ran = finish(project.command(&[command, "songs.yaml"]));
        assert_eq!(ran.code, Some(7), "{command}: {}", ran.err);
    }
    assert_eq!(project.bill().len(), 2);
}

/// Takes the ledger away, or puts another in its place, when the first job is bought: the second must not be. Then `restore` puts
/// back what the run left, and the next run goes on from there.
fn lose_the_ledger_meanwhile(
    name: &str,
    lose: impl Fn(&Path) + Send + Sync + 'static,
    restore: impl Fn(&Path),
) {
    let lab = Lab::new();
    let folder = lab.path(name);
    let vendor = Vendor::saying(
        |fetch, stream| send_range(stream, fetch, "\"x\"", true, &tone(1)),
        move |request, bought| {
            if request.path().ends_with("add-instrumental") && bought == 1 {
                lose(&folder.join(".backline"));
            }
            None
        },
    );
    let project = Project::at(&lab, &vendor, name, 3);
    project.edit("{concurrency: 16}", "{concurrency: 1}");
    let ran = project.run();
    assert_eq!(ran.code, Some(7), "{name}: {}", ran.err);
    assert!(
        ran.err.contains("was deleted or replaced"),
        "{name}: {}",
        ran.err
    );
    assert_eq!(vendor.bought(), 1, "{name}");
    // What was recorded is not lost, and the next run goes on from there.
    restore(&project.path(".backline"));
    let ran = project.run();
    assert_eq!(ran.code, Some(0), "{name}: {}", ran.err);
    assert_eq!(vendor.bought(), 3, "{name}");
}

#[test]
fn a_ledger_that_is_deleted_or_replaced_during_a_run_stops_the_buying() {
    let saved = |folder: &Path| {
        let [saved, ledger] =
            ["ledger.sqlite3.saved-1", "ledger.sqlite3"].map(|name| folder.join(name));
        fs::rename(saved, ledger).unwrap();
    };
    let renamed = |folder: &Path| folder.with_file_name(".renamed");
    lose_the_ledger_meanwhile(
        "deleted",
        |folder| fs::remove_dir_all(folder).unwrap(),
        saved,
    );
    // A directory that was renamed holds the same records.
    lose_the_ledger_meanwhile(
        "renamed",
        move |folder| fs::rename(folder, renamed(folder)).unwrap(),
        |folder| {
            fs::remove_dir_all(folder).unwrap();
            fs::rename(renamed(folder), folder).unwrap();
        },
    );
    lose_the_ledger_meanwhile(
        "replaced",
        |folder| {
            let ledger = folder.join("ledger.sqlite3");
            fs::rename(&ledger, folder.join("old.sqlite3")).unwrap();
            drop(Ledger::own(&folder.join("other.sqlite3")).unwrap());
            fs::rename(folder.join("other.sqlite3"), &ledger).unwrap();
        },
        saved,
    );
}

#[test]
fn two_ledgers_that_begin_at_the_same_time_do_not_both_buy() {
    let lab = Lab::new();
    lab.write(
        "late.yaml",
        "version: 1\nrules: [{do: [{response_late_ms: 600000}]}]\n",
    );
    let plan = lab.path("late.yaml");
    let studio = lab.studio(&["--instant", "--misbehave", plan.to_str().unwrap()]);
    let project = Project::new(&lab, &studio.url, "race", 1, STUDIO);
    let first = project.start();
    while project.bill().is_empty() {
        std::thread::yield_now();
    }
    // Even without the file's content.
    fs::write(project.path("out/.backline-ledger"), "").unwrap();
    let other = ["run", "songs.yaml", "--ledger", "other.sqlite3"];
    let ran = finish(project.command(&other));
    assert_eq!(ran.code, Some(7), "{}", ran.err);
    assert!(
        ran.err.contains("uses the output directory out"),
        "{}",
        ran.err
    );
    drop(first);
    assert_eq!(project.bill().len(), 1);
}

#[test]
fn a_run_waits_for_the_one_that_uses_the_ledger() {
    let lab = Lab::new();
    // The first purchase is answered late, so that there is something to wait for.
    let studio = lab
        .misbehaving("version: 1\nrules: [{when: {nth: [1]}, do: [{response_late_ms: 600000}]}]\n");
    let project = Project::new(&lab, &studio.url, "wait", 2, STUDIO);
    let first = project.start();
    while project.bill().is_empty() {
        std::thread::yield_now();
    }
    let mut second = Running::start(project.command(&["run", "songs.yaml", "--wait"]));
    second.wait_for("waiting for the other backline process", 1);
    drop(first);
    let ran = second.end();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    project.assert_bought_once_and_kept("wait");
}

/// A studio that lets any key in, and knows every task under each: as one account whose keys are rotated.
fn open_studio(lab: &Lab) -> Running {
    let mut command = lab.backline(&["studio", "--instant", "--listen", "127.0.0.1:0", "--data"]);
    command.arg(lab.path("studio"));
    Running::start(command)
}

#[test]
fn a_new_key_of_the_same_account_takes_over_what_was_bought_with_the_old_one() {
    let lab = Lab::new();
    let studio = open_studio(&lab);
    let project = Project::new(&lab, &studio.out_line(), "key", 2, STUDIO);
    // One is bought and its file can't be kept: it is in flight under the old key.
    fs::create_dir_all(project.path("out")).unwrap();
    fs::write(project.path("out/voice"), "in the way").unwrap();
    assert_ne!(project.run().code, Some(0));
    assert_eq!(project.bill().len(), 2);
    fs::remove_file(project.path("out/voice")).unwrap();

    let with_new_key = |args: &[&str]| {
        let mut command = project.command(args);
        command.env("LAB_KEY", format!("{KEY}-rotated"));
        finish(command)
    };
    let refused = with_new_key(&["run", "songs.yaml"]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    assert!(refused.err.contains("--adopt-account"), "{}", refused.err);
    assert!(!refused.err.contains("another ledger"), "{}", refused.err);
    let adopted = with_new_key(&["run", "songs.yaml", "--adopt-account"]);
    assert_eq!(adopted.code, Some(0), "{}", adopted.err);
    assert!(adopted.err.contains("adopted"), "{}", adopted.err);
    project.assert_bought_once_and_kept("adopted");
    // From now on it is this key's.
    assert_eq!(with_new_key(&["run", "songs.yaml"]).code, Some(0));
}

#[test]
fn a_key_of_somebody_else_takes_over_nothing() {
    let lab = Lab::new();
    let studio = open_studio(&lab);
    let project = Project::new(&lab, &studio.out_line(), "theirs", 1, STUDIO);
    fs::create_dir_all(project.path("out")).unwrap();
    fs::write(project.path("out/voice"), "in the way").unwrap();
    assert_ne!(project.run().code, Some(0));
    fs::remove_file(project.path("out/voice")).unwrap();
    // Another vendor's account knows no such task.
    let mut stranger = lab.backline(&["studio", "--instant", "--listen", "127.0.0.1:0", "--data"]);
    stranger.arg(lab.path("stranger"));
    let stranger = Running::start(stranger);
    let manifest = lab.read("theirs/songs.yaml");
    let at = manifest.find("base_url: \"").unwrap() + "base_url: \"".len();
    let end = at + manifest[at..].find('"').unwrap();
    project.edit(&manifest[at..end], &stranger.out_line());
    let ran = finish(project.command(&["run", "songs.yaml", "--adopt-account"]));
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(ran.err.contains("shows none of its tasks"), "{}", ran.err);
    assert_eq!(project.bill().len(), 1);
}
