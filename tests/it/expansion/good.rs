//! What manifests mean.

use std::fmt::Write;
use std::path::Path;

use backline_engine::manifest::lock::{self, Lock};
use backline_engine::manifest::{Filter, Selection};
use backline_engine::plan::TrackName;
use backline_engine::plan::{Plan, StemSource};

use super::{fixtures, load_with, manifests};

/// A plan as text without absolute paths.
fn describe(plan: &Plan, root: &Path) -> String {
    let mut text = String::new();
    let profile = &plan.provider.profile;
    writeln!(
        text,
        "{}: provider {} at {}, key from {}, embedded {}",
        plan.name,
        profile.name,
        profile.base_url,
        plan.provider.api_key_env,
        plan.provider.embedded.is_some()
    )
    .unwrap();
    writeln!(
        text,
        "limits: {:?}, retries {}, reports {:?}",
        plan.limits, plan.retries.task_failed, plan.reports
    )
    .unwrap();
    if let Some(callbacks) = &plan.callbacks {
        writeln!(
            text,
            "callbacks: {} as {}, signed with {:?}",
            callbacks.listen, callbacks.public_url, callbacks.hmac_key_env
        )
        .unwrap();
    }
    for stem in &plan.stems {
        let source = match &stem.source {
            StemSource::Url(url) => url.to_string(),
            StemSource::File(file) => format!(
                "{} ({} bytes)",
                file.path.strip_prefix(root).unwrap().display(),
                file.length_bytes
            ),
        };
        writeln!(text, "stem {}: {source}", stem.id).unwrap();
    }
    writeln!(text, "{} jobs", plan.jobs.len()).unwrap();
    for job in &plan.jobs {
        let sweep: Vec<String> = job
            .sweep
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        writeln!(
            text,
            "{} {} × {} [{}] take {}",
            job.key.short(),
            plan.stems[job.stem].id,
            job.preset,
            sweep.join(" "),
            job.take
        )
        .unwrap();
        match &job.step {
            None => writeln!(
                text,
                "    {}",
                serde_json::to_string(&job.settings).unwrap()
            ),
            Some(step) => writeln!(
                text,
                "    {step} of {}, {} credits: {} {:?}",
                step.parent.short(),
                plan.price_credits(job),
                step.operation,
                step.settings
            ),
        }
        .unwrap();
        let file = plan
            .output
            .track_file(
                plan,
                job,
                TrackName {
                    run: "RUN",
                    index: 1,
                    id: "ID",
                    artefact: if job.step.is_some() { "vocal" } else { "" },
                },
            )
            .unwrap();
        writeln!(text, "    {}", file.strip_prefix(root).unwrap().display()).unwrap();
    }
    text
}

#[test]
fn each_feature_expands_as_it_reads() {
    let mut all = manifests("good");
    all.push((
        "project".to_owned(),
        fixtures().join("good/project/songs/song.yaml"),
    ));
    for (name, path) in all {
        let loaded = load_with(&path, Selection::default())
            .unwrap_or_else(|wrong| panic!("{name}:\n{wrong}"));
        let mut text = describe(&loaded.plan, path.parent().unwrap());
        if !loaded.warnings.is_empty() {
            write!(text, "\n{}", loaded.warnings.render(false)).unwrap();
        }
        insta::assert_snapshot!(format!("good_{name}"), text);
    }
}

#[test]
fn every_workflow_can_be_planned() {
    let folder = fixtures().ancestors().nth(3).unwrap().join("workflows");
    for (name, jobs) in [("quickstart", 3), ("sunoapi", 2), ("kie", 2), ("album", 17)] {
        let loaded = load_with(&folder.join(format!("{name}.yaml")), Selection::default()).unwrap();
        assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
        assert_eq!(loaded.plan.jobs.len(), jobs, "{name}");
    }
}

#[test]
fn filters_keep_what_they_say_in_plan_order() {
    #[track_caller]
    fn check(filters: &[&str], sample: Option<(u64, u64)>, expected: usize) -> Vec<String> {
        let filters = filters
            .iter()
            .map(|filter| filter.parse::<Filter>().unwrap())
            .collect();
        let plan = load_with(
            &fixtures().join("good/order.yaml"),
            Selection {
                filters,
                sample,
                ..Selection::default()
            },
        )
        .unwrap()
        .plan;
        assert_eq!(plan.jobs.len(), expected);
        plan.jobs.iter().map(|job| job.key.to_string()).collect()
    }
    let all = check(&[], None, 32);
    check(&["preset=lofi"], None, 16);
    check(&["preset!=lofi", "stem=v*"], None, 8);
    check(
        &["weirdness_constraint=0.5", "vocal_gender=f", "take=2"],
        None,
        4,
    );
    let sample = check(&[], Some((5, 1)), 5);
    assert_eq!(sample, check(&[], Some((5, 1)), 5));
    assert_ne!(sample, check(&[], Some((5, 2)), 5));
    let places: Vec<_> = sample
        .iter()
        .map(|key| all.iter().position(|it| it == key).unwrap())
        .collect();
    assert!(places.is_sorted());
    assert_eq!(check(&[], Some((99, 1)), 32), all);
}

#[test]
fn filters_that_can_match_nothing_are_refused() {
    #[track_caller]
    fn check(filter: &str, expected: &str) {
        let filters = vec![filter.parse().unwrap()];
        let wrong = load_with(
            &fixtures().join("good/order.yaml"),
            Selection {
                filters,
                ..Selection::default()
            },
        )
        .unwrap_err();
        assert!(wrong.render(false).contains(expected), "{wrong}");
    }
    check("presett=lofi", "did you mean `preset`?");
    check("preset=lofy", "did you mean `lofi`?");
    check(
        "weirdness_constraint=0.3",
        "no job has the weirdness_constraint `0.3`",
    );
    assert!("preset".parse::<Filter>().is_err());
}

#[test]
fn a_lock_says_which_setting_changed() {
    let plan = |name: &str| {
        load_with(&fixtures().join("good").join(name), Selection::default())
            .unwrap()
            .plan
    };
    let old = Lock::of(&plan("order.yaml"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("order.lock");
    lock::write(&path, &old).unwrap();
    let read = lock::read(&path).unwrap();
    assert_eq!(read, old);
    assert!(lock::compare(&read, &old).is_empty());

    let mut new = old.clone();
    let dropped = new.jobs.remove(0);
    let tags = backline_engine::settings::Setting::TAGS;
    new.jobs[3].settings.set(tags, Some("other".into()));
    new.jobs[3].key = dropped.key;
    new.jobs.last_mut().unwrap().take = 3;
    let diff = lock::compare(&old, &new);
    assert_eq!(
        (diff.added.len(), diff.dropped.len(), diff.changed.len()),
        (1, 2, 1)
    );
    let change = &diff.changed[0].changes[0];
    assert_eq!(
        (change.what.as_str(), change.new.as_deref()),
        ("tags", Some("other"))
    );

    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("calm piano", "calm harp", 1)).unwrap();
    assert!(
        lock::read(&path)
            .unwrap_err()
            .to_string()
            .contains("edited")
    );
    std::fs::write(&path, "{\"backline_lock\":9}\n").unwrap();
    assert!(
        lock::read(&path)
            .unwrap_err()
            .to_string()
            .contains("version 9")
    );
}

#[test]
fn a_vendors_words_stay_inside_the_folder() {
    let plan = load_with(
        &fixtures().join("good/provider_table.yaml"),
        Selection::default(),
    )
    .unwrap()
    .plan;
    for id in [
        "../../etc/passwd",
        "..",
        "/root",
        "a\\b",
        "C:x",
        "a\0b",
        &"x".repeat(5000),
        "nul.",
    ] {
        let file = plan
            .output
            .track_file(
                &plan,
                &plan.jobs[0],
                TrackName {
                    run: "r",
                    index: 1,
                    id,
                    artefact: "",
                },
            )
            .unwrap();
        assert_eq!(file.parent(), Some(plan.output.dir()), "{id}");
    }
}
