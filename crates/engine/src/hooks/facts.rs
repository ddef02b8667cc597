//! Makes the events that hooks get from the plan and the ledger's records, and a sample of each event.

use std::path::Path;
use std::sync::Arc;

use backline_api::Excerpt;

use super::{
    HOOK_EVENT_VERSION, HookEvent, HookPoint, JobInfo, PlanInfo, PresetInfo, RunInfo, StemInfo,
};
use crate::event::Event;
use crate::kept_files::is_object;
use crate::plan::{Plan, PlannedJob, StemSource};

/// Makes events of one plan's run.
#[derive(Debug, Clone)]
pub(crate) struct EventBuilder {
    pub(crate) plan: Arc<Plan>,
    pub(crate) run: RunInfo,
}

impl EventBuilder {
    /// An event of the run itself.
    pub(crate) fn of_run(&self, point: HookPoint, at_ms: i64) -> HookEvent {
        HookEvent {
            version: HOOK_EVENT_VERSION,
            point,
            at_ms,
            run: self.run.clone(),
            job: None,
            happened: None,
            file: None,
            artefact: None,
            plan: None,
            totals: None,
        }
    }

    /// An event of a job of the plan.
    pub(crate) fn of_job(&self, point: HookPoint, at_ms: i64, job: &PlannedJob) -> HookEvent {
        let stem = &self.plan.stems[job.stem];
        let (file, duration_s, url) = match &stem.source {
            StemSource::File(file) => (Some(absolute(&file.path)), Some(file.duration_s), None),
            StemSource::Url(url) => (None, None, Some(backline_api::redact_url(url.as_str()))),
        };
        let info = JobInfo {
            key: job.key,
            stem: StemInfo {
                id: stem.id.clone(),
                vars: self.plan.output.stem_vars(&stem.id),
                file,
                duration_s,
                url,
            },
            preset: PresetInfo {
                id: job.preset.to_string(),
                vars: self.plan.output.preset_vars(&job.preset),
            },
            sweep: job.sweep.as_ref().clone(),
            take: job.take,
            credits: self.plan.price_credits(job),
            operation: self.plan.operation(job).name.to_owned(),
            step: job.step.as_deref().cloned(),
            settings: job.settings.clone(),
        };
        HookEvent {
            job: Some(info),
            ..self.of_run(point, at_ms)
        }
    }

    /// The same, of what was recorded; a kept file is named by its path on disk or its address in an object store, and `artefact` is what it is where a step made it.
    pub(crate) fn of_record(
        &self,
        point: HookPoint,
        at_ms: i64,
        job: &PlannedJob,
        happened: &Event,
        artefact: &str,
        project_dir: &Path,
    ) -> HookEvent {
        let file = match happened {
            Event::TrackKept { file, .. } if is_object(&file.path) => Some(file.path.clone()),
            Event::TrackKept { file, .. } => Some(absolute(&project_dir.join(&file.path))),
            _ => None,
        };
        HookEvent {
            happened: Some(happened.clone()),
            artefact: Some(artefact.to_owned()).filter(|it| file.is_some() && !it.is_empty()),
            file,
            ..self.of_job(point, at_ms, job)
        }
    }
}

fn absolute(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.display().to_string()
}

/// A sample of the event of each point, to write and to try a hook with.
pub fn sample(point: HookPoint) -> HookEvent {
    use crate::event::{KeptFile, Outcome, Part, TaskStage, TrackFacts, Via};
    use crate::summary::Totals;
    use backline_api::{ResponseClass, TaskId};
    use serde_json::json;

    let settings = json!({
        "title": "Verse, lofi", "tags": "lo-fi hip hop, dusty drums", "negative_tags": "distortion", "model": "V4_5PLUS",
        "style_weight": 0.61, "weirdness_constraint": 0.2, "audio_weight": 0.65,
    });
    let settings = serde_json::from_value(settings).expect("they are what the settings table has");
    let job = JobInfo {
        key: crate::settings::JobKey::from_bytes([0x5a; 32]),
        stem: StemInfo {
            id: "verse".to_owned(),
            vars: json!({"language": "fr", "mood": "calm", "key": "A minor", "tempo": 92}),
            file: Some("/music/vocals/verse.flac".to_owned()),
            duration_s: Some(42.5),
            url: None,
        },
        preset: PresetInfo {
            id: "lofi".to_owned(),
            vars: json!({}),
        },
        sweep: [("weirdness_constraint".to_owned(), "0.2".to_owned())].into(),
        take: 1,
        credits: 12.0,
        operation: "add-instrumental".to_owned(),
        step: None,
        settings,
    };
    let track = |n: u32| TrackFacts {
        id: format!("track-{n}"),
        audio_url: Some(format!("https://cdn.example.com/track-{n}.mp3")),
        title: "Verse, lofi".to_owned(),
        duration_s: Some(42.6),
        created_ms: Some(1_800_000_090_000),
        ..TrackFacts::default()
    };
    let happened = match point {
        HookPoint::PlanJob
        | HookPoint::PlanExpanded
        | HookPoint::BeforeUpload
        | HookPoint::BeforeSubmit => None,
        HookPoint::Submitted => Some(Event::Accepted {
            attempt: 1,
            task_id: TaskId("5c79be8e".to_owned()),
            via: Via::Response,
        }),
        HookPoint::Stage => Some(Event::Stage {
            stage: TaskStage::Complete,
            tracks: vec![track(1), track(2)],
            placed: true,
        }),
        HookPoint::TrackKept => Some(Event::TrackKept {
            index: 1,
            part: Part::Track,
            file: KeptFile {
                path: "out/album/verse/lofi-1.mp3".to_owned(),
                sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
                    .to_owned(),
                length_bytes: 1_020_304,
                duration_s: 42.6,
                unverified: None,
            },
        }),
        HookPoint::JobFailed => Some(Event::Refused {
            attempt: 1,
            class: ResponseClass::RefusedJob,
            code: Some(400),
            message: "the tags name an artist".to_owned(),
        }),
        HookPoint::JobInDoubt => Some(Event::Lost {
            attempt: 1,
            message: "HTTP 200, code 200 without a task id".to_owned(),
            response: Some(Excerpt {
                text: r#"{"code":200,"data":"0123abcd"}"#.to_owned(),
                task_ids: vec!["0123abcd".into()],
            }),
        }),
        HookPoint::RunFinished => Some(Event::RunEnded {
            outcome: Outcome::Complete,
            credits: 120.0.into(),
        }),
    };
    let of_the_run = matches!(point, HookPoint::PlanExpanded | HookPoint::RunFinished);
    HookEvent {
        version: HOOK_EVENT_VERSION,
        point,
        at_ms: 1_800_000_100_000,
        run: RunInfo {
            id: "0193a5f0-7c1e-7d3b-9a52-3f1d2c4b5a69".to_owned(),
            name: "album".to_owned(),
            manifest: "workflows/album.yaml".to_owned(),
            provider: "studio".to_owned(),
        },
        job: (!of_the_run).then_some(job),
        happened,
        file: (point == HookPoint::TrackKept)
            .then(|| "/music/out/album/verse/lofi-1.mp3".to_owned()),
        artefact: None,
        plan: (point == HookPoint::PlanExpanded).then_some(PlanInfo {
            jobs: 12,
            to_submit: 10,
            credits: 120.0,
            least_ms: 0,
        }),
        totals: (point == HookPoint::RunFinished).then_some(Totals {
            jobs: 12,
            kept: 12,
            tracks: 24,
            credits: 120.0,
            ..Totals::default()
        }),
    }
}

/// The sample of a point, about one job of a plan.
pub fn sample_of(point: HookPoint, plan: &Plan, job: &PlannedJob) -> HookEvent {
    let sample = sample(point);
    let facts = EventBuilder {
        plan: Arc::new(plan.clone()),
        run: RunInfo {
            name: plan.name.clone(),
            manifest: plan.manifest.display().to_string(),
            provider: plan.provider.profile.name.clone(),
            ..sample.run.clone()
        },
    };
    HookEvent {
        run: facts.run.clone(),
        job: sample
            .job
            .as_ref()
            .and_then(|_| facts.of_job(point, sample.at_ms, job).job),
        ..sample
    }
}
