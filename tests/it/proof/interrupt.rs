//! A run that is interrupted twenty times at random ends as one that is not.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use super::project::{Project, STUDIO};
use crate::lab::Lab;

const JOBS: usize = 40;
const INTERRUPTIONS: usize = 20;

/// Other seeds interrupt elsewhere.
const SEED: u64 = 20;
const SEED_VARIABLE: &str = "BACKLINE_INTERRUPT_SEED";

/// Tasks take their time, so that there is something to interrupt.
const SLOW: &str = "version: 1\nrules:\n  - {when: {every: 8}, do: [{stages: 1}]}\n  \
                    - {when: {every: 4}, do: [{response: drop}]}\n  \
                    - {when: {every: 5}, do: [{file: {kind: broken_off, fetches: 1}}]}\n";

#[test]
fn interrupted_twenty_times_at_random_it_ends_the_same() {
    let seed = std::env::var(SEED_VARIABLE).map_or(SEED, |seed| seed.parse().unwrap());
    let lab = Lab::new();
    let studio = lab.misbehaving(SLOW);
    let calm = Project::new(&lab, &studio.url, "calm", JOBS, STUDIO);
    let ran = calm.run();
    assert_eq!(ran.code, Some(0), "{}", ran.err);

    let project = Project::new(&lab, &studio.url, "shaken", JOBS, STUDIO);
    // One at a time, so that twenty interruptions find work to interrupt.
    project.edit("concurrency: 16", "concurrency: 1");
    let mut dice = seed;
    let mut struck = 0;
    while struck < INTERRUPTIONS {
        dice = dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let (lines, signal) = (
            (dice >> 33) % 9,
            ["INT", "TERM", "KILL"][(dice >> 50) as usize % 3],
        );
        if !interrupt(&project, lines as usize, signal) {
            break;
        }
        struck += 1;
    }
    assert_eq!(struck, INTERRUPTIONS, "the run was over too soon");
    let ran = project.run();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    project.assert_bought_once_and_kept("shaken");
    assert_eq!(project.summary(), calm.summary());
}

/// Sends a signal after so many lines of a run; whether the run was not over yet.
fn interrupt(project: &Project<'_>, lines: usize, signal: &str) -> bool {
    let mut command = project.command(&["run", "songs.yaml"]);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let seen: Vec<String> = said.by_ref().take(lines + 1).map(Result::unwrap).collect();
    let kill = format!("kill -{signal} {}", child.id());
    // It may have ended by itself meanwhile: then there is nobody to signal.
    let _ = std::process::Command::new("sh")
        .args(["-c", &kill])
        .output()
        .unwrap();
    let rest: Vec<String> = said.map_while(Result::ok).collect();
    let code = child.wait().unwrap().code();
    assert!(
        matches!(code, None | Some(5 | 0)),
        "{signal}: {code:?}: {seen:?} {rest:?}"
    );
    code != Some(0)
}
