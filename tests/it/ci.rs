//! What a CI job relies on: the step's summary, the Markdown plan, and the workflow that is shipped.

use std::fs;

use serde_json::Value;

use crate::lab::{BACKLINE, Lab, finish, root};

#[test]
fn the_steps_summary_is_appended_and_fails_no_run() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest(
        "songs.yaml",
        &studio.url,
        1,
        2,
        "reports: [csv, markdown]\n",
    );
    lab.write("step.md", "# Before\n");
    let run = |command: &str, file: &str| {
        let mut command = lab.backline(&[command, "songs.yaml"]);
        command.env("GITHUB_STEP_SUMMARY", lab.path(file));
        finish(command)
    };
    for (command, times) in [("run", 1), ("fetch", 2), ("report", 3)] {
        assert_eq!(run(command, "step.md").code, Some(0), "{command}");
        let shown = lab.read("step.md");
        assert!(
            shown.starts_with("# Before\n## All tracks are kept\n"),
            "{shown}"
        );
        assert_eq!(shown.matches("## All tracks are kept").count(), times);
    }
    // The last of them is the report itself.
    assert!(
        lab.read("step.md")
            .ends_with(&(lab.read("out/songs/summary.md") + "\n"))
    );

    let ran = run("run", "no/such/folder/step.md");
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(
        ran.err
            .contains("warning: cannot write $GITHUB_STEP_SUMMARY ("),
        "{}",
        ran.err
    );
    assert!(
        !lab.run(&["run", "songs.yaml"])
            .err
            .contains("GITHUB_STEP_SUMMARY")
    );
}

/// The workflow, as GitHub reads it.
fn workflow() -> (String, Value) {
    let text = fs::read_to_string(root().join("workflows/ci/github.yml")).unwrap();
    let value = serde_yaml::from_str(&text).unwrap();
    (text, value)
}

#[test]
fn the_workflow_is_one_and_names_only_what_there_is() {
    let (text, workflow) = workflow();
    assert!(
        root()
            .join(workflow["env"]["MANIFEST"].as_str().unwrap())
            .is_file()
    );
    assert!(
        root()
            .join(workflow["env"]["PROJECT"].as_str().unwrap())
            .is_dir()
    );
    for event in ["pull_request", "schedule", "workflow_dispatch"] {
        assert!(!workflow["on"][event].is_null(), "{event}");
    }
    // Minute, hour, day of the month, month, day of the week.
    let cron = workflow["on"]["schedule"][0]["cron"].as_str().unwrap();
    assert_eq!(cron.split(' ').count(), 5, "{cron}");
    // Every expression is closed, and speaks of a context that there is.
    let contexts = [
        "github.",
        "env.",
        "vars.",
        "runner.",
        "steps.",
        "secrets.",
        "inputs.",
        "hashFiles(",
    ];
    for part in text.split("${{").skip(1) {
        let expression = part.split_once("}}").map(|(inside, _)| inside.trim());
        let expression = expression.unwrap_or_else(|| panic!("not closed: {part}"));
        assert!(
            contexts.iter().any(|it| expression.starts_with(it)),
            "{expression}"
        );
    }
    for (name, job) in workflow["jobs"].as_object().unwrap() {
        assert!(job["timeout-minutes"].as_u64().unwrap() < 360, "{name}");
        assert!(
            job["runs-on"].is_string() && job["if"].is_string(),
            "{name}"
        );
        for step in job["steps"].as_array().unwrap() {
            let uses = step["uses"].as_str();
            assert!(uses.is_some() != step["run"].is_string(), "{step}");
            assert!(
                uses.is_none_or(|it| it.starts_with("actions/") && it.contains("@v")),
                "{step}"
            );
        }
    }
}

/// Whoever copies the workflow edits no placeholder, and reads what is missing.
#[test]
fn the_workflow_says_where_backline_comes_from_or_what_to_set() {
    let (text, workflow) = workflow();
    assert!(!text.contains("OWNER"));
    for job in ["plan", "run"] {
        let steps = workflow["jobs"][job]["steps"].as_array().unwrap();
        let install = steps.iter().find(|it| it["name"] == "Install backline");
        let script = install.unwrap()["run"].as_str().unwrap();
        let lab = Lab::new();
        // A program in the place of cargo, which shows what it is called with.
        lab.write("bin/cargo", "#!/bin/sh\necho \"cargo $*\"\n");
        let run = |source: &str| {
            let mut command = lab.program("bash");
            let path = std::env::var("PATH").unwrap();
            command
                .args(["-e", "-c", script])
                .env("PATH", format!("{}:{path}", lab.path("bin").display()))
                .env("GITHUB_PATH", lab.path("path"))
                .env("BACKLINE_VERSION", "v0.1.0")
                .env("BACKLINE_SOURCE", source);
            finish(command)
        };
        let chmod = lab.program("chmod").args(["+x", "bin/cargo"]).status();
        assert!(chmod.unwrap().success());
        let missing = run("");
        assert_eq!(missing.code, Some(2), "{}{}", missing.out, missing.err);
        assert!(
            missing
                .out
                .starts_with("::error::The variable BACKLINE_SOURCE is not set."),
            "{}",
            missing.out
        );
        let given = run("https://git.example/backline");
        assert_eq!(given.code, Some(0), "{}{}", given.out, given.err);
        assert!(
            given
                .out
                .contains("--git https://git.example/backline --tag v0.1.0"),
            "{}",
            given.out
        );
    }
}

#[test]
fn the_workflow_keeps_the_ledger_whatever_becomes_of_the_run_and_never_starts_without() {
    let (_, workflow) = workflow();
    let steps = workflow["jobs"]["run"]["steps"].as_array().unwrap();
    let at = |has: &dyn Fn(&Value) -> bool| steps.iter().position(has).unwrap();
    let runs = at(&|step| {
        step["run"]
            .as_str()
            .is_some_and(|it| it.starts_with("backline run "))
    });
    let restored = at(&|step| {
        step["uses"]
            .as_str()
            .is_some_and(|it| it.contains("cache/restore"))
    });
    let guarded = at(&|step| step["run"].as_str().is_some_and(|it| it.contains("exit 1")));
    assert!(restored < guarded && guarded < runs);
    for step in &steps[runs + 1..] {
        assert_eq!(step["if"], "always()", "{step}");
    }
    let kept = steps[runs + 1..]
        .iter()
        .map(|step| step["with"]["path"].as_str().unwrap());
    let kept: Vec<&str> = kept.collect();
    assert_eq!(
        kept,
        [
            "${{ env.PROJECT }}/.backline",
            "${{ env.PROJECT }}/.backline",
            "${{ env.PROJECT }}/out"
        ]
    );
    // No two runs that write have different groups.
    assert!(
        workflow["concurrency"]["group"]
            .as_str()
            .unwrap()
            .contains("|| 'ledger'")
    );
    assert_eq!(workflow["concurrency"]["cancel-in-progress"], false);
}

#[test]
fn the_workflows_commands_are_understood() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest("songs.yaml", &studio.url, 1, 2, "");
    lab.expect(0, &["plan", "songs.yaml", "--lock"]);
    let (text, _) = workflow();
    let mut tried = 0;
    for line in text.lines().filter_map(|line| {
        line.trim()
            .trim_start_matches("run: ")
            .strip_prefix("backline ")
    }) {
        let command = line
            .split(" > ")
            .next()
            .unwrap()
            .replace("\"$MANIFEST\"", "songs.yaml");
        let args: Vec<&str> = command.split_whitespace().collect();
        lab.expect(0, &args);
        tried += 1;
    }
    assert_eq!(tried, 4);
    assert_eq!(studio.bill().len(), 2);
    // The workflow is copied to a repository that has a manifest and nothing of this project's source.
    assert!(
        !text.contains("cargo run"),
        "the workflow builds a source tree"
    );
    let (_, workflow) = workflow();
    for (name, job) in workflow["jobs"].as_object().unwrap() {
        let steps = job["steps"].as_array().unwrap();
        let first = |part: &str| {
            let has = |step: &Value| step["run"].as_str().is_some_and(|it| it.contains(part));
            steps.iter().position(has)
        };
        assert!(
            first("cargo install").unwrap()
                < first("backline plan").or(first("backline doctor")).unwrap(),
            "{name}"
        );
    }
}

#[test]
fn a_schedule_needs_the_program_and_a_folder_of_songs() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest("songs.yaml", &studio.url, 1, 2, "");
    let script = fs::read_to_string(root().join("workflows/ci/nightly.sh")).unwrap();
    lab.write("nightly.sh", script);
    let nightly = |reports: &str| {
        let mut command = lab.program("sh");
        let folder = std::path::Path::new(BACKLINE).parent().unwrap();
        let path = std::env::var("PATH").unwrap();
        command
            .args(["nightly.sh", "songs.yaml", reports])
            .env("PATH", format!("{}:{path}", folder.display()));
        finish(command)
    };
    // Nobody has approved the plan yet.
    assert_eq!(nightly("first").code, Some(2));
    assert_eq!(studio.bill().len(), 0);
    lab.expect(0, &["plan", "songs.yaml", "--lock"]);
    let ran = nightly("second");
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    for file in ["plan.json", "events.jsonl", "summary.csv", "summary.json"] {
        assert!(lab.path(&format!("second/{file}")).exists(), "{file}");
    }
    assert_eq!(studio.bill().len(), 2);
    // A run that can't end well says so: the lock differs.
    let changed = lab.read("songs.yaml").replace("style 2", "style 3");
    lab.write("songs.yaml", changed);
    assert_eq!(nightly("third").code, Some(9));
    assert_eq!(studio.bill().len(), 2);
}

#[test]
fn a_plan_is_a_comment_too() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest("songs.yaml", &studio.url, 2, 2, "takes: 2\n");
    lab.expect(0, &["plan", "songs.yaml", "--lock"]);
    lab.expect(0, &["run", "songs.yaml", "--filter", "preset=p1"]);
    let comment = lab.expect(0, &["plan", "songs.yaml", "--markdown"]).out;
    assert_eq!(
        comment,
        "## Plan of `songs`: 4 jobs to buy\n\n8 jobs: 4 to buy (+), 4 kept (=)\nA run buys 4 jobs for 48 credits.\n\n\
         | | `p1` | `p2` |\n|---|:---:|:---:|\n| `s1` | `==` | `++` |\n| `s2` | `==` | `++` |\n\nIt means what its lock file says.\n"
    );
    let changed = lab.read("songs.yaml").replace("style 2", "``` @everyone");
    lab.write("songs.yaml", changed);
    let comment = lab.expect(0, &["plan", "songs.yaml", "--markdown"]).out;
    assert!(
        comment.contains("**It means something other than its lock file:**\n\n````diff\n~ "),
        "{comment}"
    );
    assert!(
        comment.contains("became \"``` @everyone\"") && comment.ends_with("\n````\n"),
        "{comment}"
    );
    // A choice is not what was agreed to as a whole.
    let chosen = lab
        .expect(
            0,
            &["plan", "songs.yaml", "--markdown", "--filter", "stem=s1"],
        )
        .out;
    assert!(
        chosen.starts_with("## Plan of `songs`: 2 jobs to buy") && !chosen.contains("lock file"),
        "{chosen}"
    );
    lab.expect(2, &["plan", "songs.yaml", "--markdown", "--lock"]);
}
