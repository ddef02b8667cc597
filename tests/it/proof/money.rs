//! Providers that would have a job bought twice, or every job bought for nothing.

use serde_json::json;

use super::project::{MUTE_VENDOR, Project, STUDIO, list};
use super::vendor::{Vendor, send_range};
use crate::lab::{Lab, StudioProcess, finish, tone};

fn studio(lab: &Lab, rules: &str) -> StudioProcess {
    lab.misbehaving(format!("version: 1\n{rules}\n"))
}

fn in_doubt(project: &Project<'_>) -> usize {
    let status = project.status();
    let jobs = list(&status["jobs"]).iter();
    jobs.filter(|job| job["state"] == "in_doubt").count()
}

/// The first response is lost, and the same request is refused when it comes again: that says nothing about the first.
#[test]
fn a_refused_repeat_buys_nothing() {
    for code in [400, 409, 451] {
        let lab = Lab::new();
        let rules = format!(
            "rules: [{{when: {{nth: [1]}}, do: [{{response: drop}}]}}, \
             {{when: {{from: 2}}, do: [{{refuse: {{code: {code}}}}}]}}]"
        );
        let studio = studio(&lab, &rules);
        let project = Project::new(&lab, &studio.url, "repeat", 1, STUDIO);
        project.edit("limits:", "callbacks: off\nlimits:");
        for _ in 0..2 {
            assert_eq!(project.run().code, Some(8), "code {code}");
        }
        assert_eq!(project.bill().len(), 1, "code {code}");
        project.resolve_doubts();
        assert_eq!(project.run().code, Some(0), "code {code}");
        project.assert_bought_once_and_kept("after a refused repeat");
    }
}

/// Every response is a page of the front, so every job could be bought and in doubt.
#[test]
fn a_provider_that_loses_every_response_is_sent_a_few_jobs() {
    let lab = Lab::new();
    let studio = studio(&lab, "rules: [{do: [{response: bad_gateway}]}]");
    let project = Project::new(&lab, &studio.url, "lost", 30, MUTE_VENDOR);
    let ran = project.run();
    assert_eq!(ran.code, Some(5), "{}", ran.err);
    assert!(ran.err.contains("failures_in_a_row"), "{}", ran.err);
    let doubts = in_doubt(&project);
    assert!((5..=8).contains(&doubts), "{doubts} in doubt: {}", ran.err);
    assert_eq!(project.bill().len(), doubts);

    // Nothing of another stem is meant, nor of another run.
    let all = ["resolve", "--all", "--never-bought", "songs.yaml"];
    let mut other = all.to_vec();
    other.extend(["--filter", "preset=p30"]);
    assert_eq!(finish(project.command(&other)).code, Some(0));
    assert_eq!(in_doubt(&project), doubts);
    let mut unknown = all.to_vec();
    unknown.extend(["--run", "ffff"]);
    assert_eq!(finish(project.command(&unknown)).code, Some(2));
    let settled = finish(project.command(&all));
    assert_eq!(settled.code, Some(0), "{}", settled.err);
    assert_eq!(in_doubt(&project), 0);
}

/// Every task fails, and each of them is paid for.
#[test]
fn a_provider_whose_every_task_fails_is_paid_for_a_few() {
    let lab = Lab::new();
    let rules = "rules: [{do: [{fail: {status: GENERATE_AUDIO_FAILED, code: 501}}]}]";
    let studio = studio(&lab, rules);
    let project = Project::new(&lab, &studio.url, "failing", 40, STUDIO);
    project.edit("concurrency: 16", "concurrency: 4");
    let ran = project.run();
    assert_eq!(ran.code, Some(5), "{}", ran.err);
    assert!(ran.err.contains("failures_in_a_row"), "{}", ran.err);
    let bought = project.bill().len();
    assert!((5..=12).contains(&bought), "{bought} were bought");
}

/// A job that is bought again was perhaps paid once before; a task belongs to one job.
#[test]
fn settling_all_doubts_forgets_no_charge() {
    let lab = Lab::new();
    let studio = studio(&lab, "rules: [{do: [{response: bad_gateway}]}]");
    let project = Project::new(&lab, &studio.url, "all", 3, MUTE_VENDOR);
    project.edit("{concurrency: 16}", "{concurrency: 16, ledger_credits: 36}");
    assert_eq!(project.run().code, Some(8));
    assert_eq!((project.bill().len(), in_doubt(&project)), (3, 3));

    let task = &project.bill()[0].task_id;
    let refused = finish(project.command(&["resolve", "--all", "--task", task, "songs.yaml"]));
    assert_eq!(refused.code, Some(2), "{}{}", refused.out, refused.err);
    assert_eq!(in_doubt(&project), 3);

    let again = [
        "resolve",
        "--all",
        "--buy-again",
        "songs.yaml",
        "--format",
        "json",
    ];
    let settled = finish(project.command(&again));
    assert_eq!(settled.code, Some(0), "{}", settled.err);
    let told: serde_json::Value = serde_json::from_str(&settled.out).unwrap();
    assert_eq!(list(&told["buy_again"]).len(), 3, "{told}");
    // What may have been paid counts, so the limit leaves nothing to buy.
    let ran = project.run();
    assert_eq!(ran.code, Some(5), "{}", ran.err);
    assert!(
        ran.err.contains("limits.ledger_credits is spent"),
        "{}",
        ran.err
    );
    assert_eq!(project.bill().len(), 3);
    let fetched = finish(project.command(&["fetch", "songs.yaml"]));
    assert!(
        !fetched.err.contains("All wanted tracks"),
        "{}",
        fetched.err
    );
}

/// A vendor that loses its first response, and whose balance is what `balance` makes of the number of jobs that it took.
fn forgetful(balance: impl Fn(usize) -> f64 + Send + Sync + 'static) -> Vendor {
    Vendor::saying(
        |fetch, stream| send_range(stream, fetch, "\"x\"", true, &tone(1)),
        move |request, bought| {
            let path = request.path();
            if path.ends_with("credit") {
                return Some(json!({"code": 200, "msg": "success", "data": balance(bought)}));
            }
            let is_lost = path.ends_with("add-instrumental") && bought == 1;
            is_lost.then(|| json!({"code": 200, "msg": "success", "data": {}}))
        },
    )
}

const NO_SIGN: &str = "no sign that";
const MORE: &str = "12 credits more than";

/// The balances of a later run say nothing about an earlier charge; those of the earlier run still do.
#[test]
fn a_charge_of_an_earlier_run_is_not_forgotten() {
    let lab = Lab::new();
    let vendor = forgetful(|bought| 1000.0 - 12.0 * bought as f64);
    let project = Project::at(&lab, &vendor, "earlier", 2);
    let first = finish(project.command(&["run", "songs.yaml", "--filter", "preset=p1"]));
    assert_eq!(first.code, Some(8), "{}", first.err);
    assert!(first.err.contains(MORE), "{}", first.err);
    let second = project.run();
    assert_eq!(
        (second.code, vendor.bought()),
        (Some(8), 2),
        "{}",
        second.err
    );
    assert!(!second.err.contains(NO_SIGN), "{}", second.err);
    assert!(second.err.contains(MORE), "{}", second.err);
    let status = finish(project.command(&["status", "songs.yaml"]));
    assert!(status.out.contains(MORE), "{}", status.out);
    let all = ["resolve", "--all", "--never-bought", "songs.yaml"];
    let settled = finish(project.command(&all));
    assert!(settled.err.contains(MORE), "{}{}", settled.out, settled.err);
}

/// A balance that never moves shows nothing; one that moves by what is known to be bought does.
#[test]
fn only_a_balance_that_moves_speaks_for_a_job_in_doubt() {
    let lab = Lab::new();
    let fixed = forgetful(|_| 100.0);
    let project = Project::at(&lab, &fixed, "fixed", 1);
    let ran = project.run();
    assert_eq!(ran.code, Some(8), "{}", ran.err);
    assert!(
        !ran.err.contains(NO_SIGN) && !ran.err.contains("credits more"),
        "{}",
        ran.err
    );

    let moving = forgetful(|bought| 1000.0 - 12.0 * bought.saturating_sub(1) as f64);
    let project = Project::at(&lab, &moving, "moving", 2);
    let ran = project.run();
    assert_eq!((ran.code, moving.bought()), (Some(8), 2), "{}", ran.err);
    assert!(ran.err.contains(NO_SIGN), "{}", ran.err);
}

/// Each of these requests may have been charged: only the balance shows whether the refund came.
#[test]
fn a_request_that_was_refunded_is_repeated_once() {
    let lab = Lab::new();
    let vendor = Vendor::saying(
        |fetch, stream| send_range(stream, fetch, "\"x\"", true, &tone(1)),
        |request, _| {
            let is_purchase = request.path().ends_with("add-instrumental");
            is_purchase
                .then(|| json!({"code": 531, "msg": "failed, credits refunded", "data": null}))
        },
    );
    let project = Project::at(&lab, &vendor, "refunded", 1);
    let ran = project.run();
    assert_eq!(ran.code, Some(4), "{}", ran.err);
    assert_eq!(vendor.bought(), 2, "{}", ran.err);
}

/// The vendor's word on refunds is not worth a purchase each time.
#[test]
fn a_task_that_was_refunded_is_bought_once_more_in_a_run() {
    let lab = Lab::new();
    let vendor = Vendor::saying(
        |fetch, stream| send_range(stream, fetch, "\"x\"", true, &tone(1)),
        |request, _| {
            let task = request.target.split("taskId=").nth(1)?;
            let data = json!({"taskId": task, "status": "GENERATE_AUDIO_FAILED", "errorCode": 531, "errorMessage": "no luck"});
            Some(json!({"code": 200, "msg": "success", "data": data}))
        },
    );
    let project = Project::at(&lab, &vendor, "refunds", 1);
    let ran = project.run();
    assert_ne!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(vendor.bought(), 2, "{}", ran.err);
}

/// The run that made the attempt never read the balance again; the next one does.
#[test]
fn a_charge_of_a_killed_run_shows_in_the_next_ones_balance() {
    let lab = Lab::new();
    let rules = "version: 1\nrules: [{do: [{response_late_ms: 600000}]}]\n";
    lab.write("late.yaml", rules);
    let plan = lab.path("late.yaml");
    let plan = plan.to_str().unwrap();
    let studio = lab.studio(&["--instant", "--credits", "1000", "--misbehave", plan]);
    let project = Project::new(&lab, &studio.url, "killed", 1, MUTE_VENDOR);
    project.kill_when_bought(&["run", "songs.yaml"], |_| ());
    let second = project.run();
    assert_eq!(second.code, Some(8), "{}", second.err);
    assert!(second.err.contains(MORE), "{}", second.err);
    let all = ["resolve", "--all", "--never-bought", "songs.yaml"];
    let settled = finish(project.command(&all));
    assert!(settled.err.contains(MORE), "{}{}", settled.out, settled.err);
}

/// A refusal is believed, and what it cost is named.
#[test]
fn refusals_that_are_charged_show_in_the_balance() {
    let lab = Lab::new();
    let vendor = Vendor::saying(
        |fetch, stream| send_range(stream, fetch, "\"x\"", true, &tone(1)),
        |request, bought| match request.path() {
            path if path.ends_with("credit") => {
                let balance = 1000.0 - 12.0 * bought as f64;
                Some(json!({"code": 200, "msg": "success", "data": balance}))
            }
            path if path.ends_with("add-instrumental") => {
                Some(json!({"code": 433, "msg": "no", "data": null}))
            }
            _ => None,
        },
    );
    let project = Project::at(&lab, &vendor, "charged", 1);
    let ran = project.run();
    assert_eq!((ran.code, vendor.bought()), (Some(4), 1), "{}", ran.err);
    let status = finish(project.command(&["status", "songs.yaml"]));
    for text in [&ran.err, &status.out] {
        assert!(text.contains(MORE) && text.contains("refused"), "{text}");
    }
}
