//! The memory of a studio that plays on and on.

use crate::lab::Lab;
use crate::proof::project::{Project, STUDIO};
use crate::proof::strangers::most_memory_mb;

/// Jobs of each of the runs.
const JOBS: usize = 12;
const RUNS: usize = 4;

#[test]
fn a_studio_that_plays_for_long_needs_no_more_than_one_that_plays_for_a_while() {
    let lab = Lab::new();
    let studio = lab.studio(&["--rate", "off"]);
    let mut used = Vec::new();
    for number in 0..RUNS {
        let project = Project::new(&lab, &studio.url, format!("play{number}"), JOBS, STUDIO);
        let ran = project.run();
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        used.push(most_memory_mb(studio.process()));
    }
    println!("most memory of a studio after each {JOBS} jobs that it played, in MB: {used:.0?}");
    // The first run may not have had as many takes at work at once as the others.
    assert!(used[RUNS - 1] < 1.5 * used[1], "{used:?}");
}
