//! What providers answer: codes that mean one thing to one call and another to the next, JSON that is none, and responses that hide
//! the only copy of a task's id.

use std::fs;
use std::sync::{Arc, Mutex, OnceLock};

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use super::project::{MUTE_VENDOR, Project, STUDIO, Terms, VENDOR, list};
use super::vendor::{Vendor, send_range};
use super::vendors::certificate;
use crate::lab::{Lab, Ran, StudioProcess, finish, tone};

/// Runs `jobs` jobs against a studio with these faults.
fn ran<'a>(lab: &'a Lab, faults: &str, jobs: usize, terms: Terms) -> (Project<'a>, Ran) {
    let (project, _studio, ran) = with(lab, faults, jobs, terms);
    (project, ran)
}

fn with<'a>(
    lab: &'a Lab,
    faults: &str,
    jobs: usize,
    terms: Terms,
) -> (Project<'a>, StudioProcess, Ran) {
    let studio = lab.misbehaving(format!("version: 1\n{faults}"));
    let project = Project::new(lab, &studio.url, "responses", jobs, terms);
    let ran = project.run();
    (project, studio, ran)
}

fn states(project: &Project<'_>, state: &str) -> usize {
    let status = project.status();
    let jobs = list(&status["jobs"]).iter();
    jobs.filter(|job| job["state"] == state).count()
}

#[test]
fn a_task_that_is_not_found_ends_no_run() {
    let lab = Lab::new();
    let faults = "rules:\n  - {when: {nth: [1]}, do: [{poll: {response: {reply: {status: 404}}, polls: 3}}]}\n";
    let (project, ran) = ran(&lab, faults, 3, STUDIO);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    project.assert_bought_once_and_kept("404");
}

#[test]
fn codes_that_nobody_lists_put_no_job_into_doubt() {
    let lab = Lab::new();
    let faults = "rules:\n  - {when: {nth: [1]}, do: [{refuse: {code: 433}}]}\n";
    let (project, ran) = ran(&lab, faults, 3, MUTE_VENDOR);
    assert_eq!(ran.code, Some(4), "{}", ran.err);
    assert_eq!(
        (states(&project, "failed"), states(&project, "in_doubt")),
        (1, 0)
    );

    // A page of the front: the API was not reached, and would not be for the next job.
    let lab = Lab::new();
    let faults = "rules:\n  - {do: [{refuse: {code: 405, shape: page}}]}\n";
    let (project, ran) = self::ran(&lab, faults, 3, MUTE_VENDOR);
    assert_eq!(ran.code, Some(6), "{}", ran.err);
    assert_eq!(states(&project, "in_doubt"), 0);
    assert_eq!(project.bill().len(), 0);
}

#[test]
fn imperfect_json_loses_nothing() {
    for kind in ["lone_surrogate", "latin1", "bom", "nan", "huge"] {
        let lab = Lab::new();
        let faults = format!(
            "idempotency: off\nrules:\n  - {{do: [{{malformed_json: {{kind: {kind}}}}}]}}\n"
        );
        let (project, ran) = ran(&lab, &faults, 2, VENDOR);
        assert_eq!(ran.code, Some(0), "{kind}: {}", ran.err);
        project.assert_bought_once_and_kept(kind);
    }
}

#[test]
fn the_only_copy_of_an_id_is_shown_and_settles_the_doubt() {
    for data in ["$task", "[{taskId: $task}]", "{id: $task}"] {
        let lab = Lab::new();
        let faults = format!(
            "idempotency: off\nrules:\n  - {{do: [{{response: {{reply: {{code: 200, data: {data}}}}}}}]}}\n"
        );
        let (project, _studio, ran) = with(&lab, &faults, 1, MUTE_VENDOR);
        assert_eq!(ran.code, Some(8), "{data}: {}", ran.err);
        let bill = project.bill();
        let task = bill[0].task_id.as_str();
        assert!(ran.err.contains(task), "{data}: {}", ran.err);
        let status = finish(project.command(&["status", "songs.yaml"]));
        assert!(status.out.contains(task), "{data}: {}", status.out);
        let status = project.status();
        let job = &list(&status["jobs"])[0];
        assert_eq!(job["response"]["task_ids"][0], task, "{data}");
        let key = job["key"].as_str().unwrap();
        let resolved = finish(project.command(&["resolve", key, "songs.yaml", "--task", task]));
        assert_eq!(resolved.code, Some(0), "{data}: {}", resolved.err);
        let ran = project.run();
        assert_eq!(ran.code, Some(0), "{data}: {}", ran.err);
        project.assert_bought_once_and_kept(data);
    }
}

#[test]
fn an_upload_that_is_gone_is_made_again() {
    let lab = Lab::new();
    let faults = "rules:\n  - {when: {nth: [1]}, do: [{upload_gone: refused}]}\n";
    let (project, ran) = ran(&lab, faults, 3, STUDIO);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    project.assert_bought_once_and_kept("refused");

    // The task was paid for; what is bought in its place is bought with a new upload.
    let lab = Lab::new();
    let studio = lab.misbehaving(
        "version: 1\nrules:\n  - {when: {nth: [1]}, do: [{upload_gone: task_fails}]}\n",
    );
    let project = Project::new(&lab, &studio.url, "gone", 1, STUDIO);
    project.edit(
        "output: {dir: out}",
        "output: {dir: out}\nretries: {task_failed: 1}",
    );
    let ran = project.run();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(project.bill().len(), 2);
}

#[test]
fn a_run_says_where_recordings_go_and_refuses_a_key_that_is_none() {
    let lab = Lab::new();
    let (project, _studio, ran) = with(&lab, "rules: []\n", 1, VENDOR);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(
        ran.err.contains("recordings are uploaded to 127.0.0.1"),
        "{}",
        ran.err
    );
    project.edit("profile: studio", "profile: kie, allow_private: true");
    let doctor = finish(project.command(&["doctor", "songs.yaml"]));
    assert!(
        doctor
            .out
            .contains("recordings are uploaded to http://127.0.0.1"),
        "{}",
        doctor.out
    );
    let mut short = project.command(&["run", "songs.yaml"]);
    short.env("LAB_KEY", "abc");
    let ran = finish(short);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(ran.err.contains("fewer than 8 characters"), "{}", ran.err);
    let kept = fs::read_dir(project.path("out/voice")).unwrap().count();
    assert_eq!(kept, 2);
}

/// One path for all operations: bought once under the key of either route, and kept whole.
#[test]
fn kies_route_of_jobs_is_driven_to_its_tracks() {
    let lab = Lab::new();
    let requests: Arc<Mutex<Vec<Value>>> = Arc::default();
    let (log, address) = (requests.clone(), Arc::new(OnceLock::<String>::new()));
    let files = address.clone();
    let vendor = Vendor::saying(
        |fetch, stream| send_range(stream, fetch, "\"x\"", true, &tone(1)),
        move |request, _| {
            let data = match request.path() {
                "/api/v1/jobs/createTask" => {
                    let mut requests = log.lock().unwrap();
                    requests.push(serde_json::from_slice(&request.body).unwrap());
                    json!({"taskId": format!("{:032x}", requests.len())})
                }
                "/api/v1/jobs/recordInfo" => {
                    let task = request.target.split("taskId=").nth(1).unwrap();
                    let track = |number| {
                        json!({"id": format!("{task}-{number}"), "title": "a",
                        "audio_url": format!("{}/files/track-{number}", files.get().unwrap())})
                    };
                    let songs = json!({"data": [track(1), track(2)]}).to_string();
                    json!({"taskId": task, "model": "ai-music-api/add-instrumental", "state": "success", "resultJson": songs,
                        "creditsConsumed": 12})
                }
                _ => return None,
            };
            Some(json!({"code": 200, "msg": "success", "data": data}))
        },
    );
    address.set(vendor.url.clone()).unwrap();
    let project = Project::new(&lab, &vendor.url, "jobs", 2, MUTE_VENDOR);
    let jobs = "profile: kie, route: jobs, allow_private: true";
    project.edit("profile: studio", jobs);
    let ran = project.run();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(project.status()["totals"]["tracks"], 4);
    let sent = requests.lock().unwrap().clone();
    assert_eq!(sent.len(), 2, "{sent:?}");
    let songs = |it: &&Value| it["model"] == "ai-music-api/add-instrumental";
    assert_eq!(sent.iter().filter(songs).count(), 2, "{sent:?}");
    // Both are sent at once, in any order.
    let mut tags: Vec<&str> = sent
        .iter()
        .filter_map(|it| it["input"]["tags"].as_str())
        .collect();
    tags.sort_unstable();
    assert_eq!(tags, ["style 1", "style 2"]);
    // The older route means the same jobs.
    project.edit(jobs, "profile: kie, allow_private: true, default_model: V6");
    let ran = project.run();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!((vendor.bought(), requests.lock().unwrap().len()), (0, 2));
}

#[test]
fn an_unknown_certificate_is_named_with_its_remedy() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let lab = Lab::new();
    fs::create_dir_all(lab.path("")).unwrap();
    let certificate = certificate(&lab.path("ca.pem"));
    let runtime = Runtime::new().unwrap();
    let address = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let certificate = certificate.clone();
                // The client hangs up.
                tokio::spawn(async move { certificate.accept(stream).await.is_ok() });
            }
        });
        address
    });
    let url = format!("https://{address}/");
    let project = Project::new(&lab, &url, "unknown", 1, MUTE_VENDOR);
    let doctor = finish(project.command(&["-q", "doctor", "songs.yaml"]));
    assert_eq!(doctor.code, Some(6), "{}", doctor.out);
    for found in ["UnknownIssuer", "SSL_CERT_FILE"] {
        assert!(doctor.out.contains(found), "{found}: {}", doctor.out);
    }
}
