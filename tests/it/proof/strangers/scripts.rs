//! Hooks of a stranger's manifest that would never end.

use std::fs;
use std::time::{Duration, Instant};

use crate::lab::{Lab, Running};
use crate::proof::project::{Project, STUDIO};

/// Longest wait for anything; never reached when all is well.
const PATIENCE: Duration = Duration::from_secs(60);

/// Each took minutes or for ever, and nothing but SIGKILL ended the run.
const ENDLESS: [&str; 4] = [
    "local s=('a'):rep(14000) for i=1,100000 do local t=s:find('a-b') end",
    "local s=('a'):rep(3000000) for i=1,300000 do local t=s:upper() end",
    "local s=('a'):rep(3000000) for i=1,200000 do local t=s..i end",
    "local t={} for i=1,120000 do t['k'..i]=i end for k in pairs(t) do t[k]=nil end for i=1,600000 do next(t) end",
];

#[test]
fn a_script_without_end_costs_its_job_and_no_more() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    for (number, script) in ENDLESS.iter().enumerate() {
        let project = Project::new(&lab, &studio.url, format!("script{number}"), 2, STUDIO);
        let script = format!("if preset.id == 'p1' then {script} end");
        let hook = format!("on: {{before_submit: [{{lua: \"{script}\", timeout: 2s}}]}}\nstems:");
        project.edit("stems:", &hook);
        let ran = project.run();
        // The script's job fails, the other is bought and kept.
        assert_eq!(ran.code, Some(4), "{script}: {}", ran.err);
        assert_eq!(project.bill().len(), 1, "{script}");
        assert_eq!(project.kept_files().len(), 2, "{script}");
    }
}

/// The first asks what is under way to end, the second ends the process although a script is still at work.
#[test]
fn a_second_signal_ends_a_run_whose_script_does_not_end() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    let project = Project::new(&lab, &studio.url, "stuck", 1, STUDIO);
    let hook = format!(
        "on: {{before_submit: [{{lua: \"{}\", timeout: 1h}}]}}\nstems:",
        ENDLESS[2]
    );
    project.edit("stems:", &hook);
    let mut run = Running::start(project.command(&["run", "songs.yaml"]));
    let began = Instant::now();
    while !has_thread(run.process(), "hook") {
        assert!(began.elapsed() < PATIENCE, "no script is at work");
        std::thread::yield_now();
    }
    run.signal("INT");
    run.wait_for("Stopping", 1);
    run.signal("INT");
    let ran = run.end();
    assert_eq!(ran.code, Some(5), "{}", ran.err);
    assert_eq!(project.bill().len(), 0);
}

/// Whether a process has a thread of this name.
fn has_thread(process: u32, name: &str) -> bool {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter();
    threads.flatten().flatten().any(|thread| {
        fs::read_to_string(thread.path().join("comm")).is_ok_and(|found| found.trim() == name)
    })
}
