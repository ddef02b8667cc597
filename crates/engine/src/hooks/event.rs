//! The event that a hook gets: one JSON document, with a version, with the facts that reports have.
//!
//! The format is published as `docs/hook-event.schema.json`; a test checks every sample against it. Fields are only ever added.

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::Value as Json;

use super::HookPoint;
use crate::event::Event;
use crate::plan::JobStep;
use crate::settings::{JobKey, Settings};
use crate::summary::Totals;

/// The format's version.
pub const HOOK_EVENT_VERSION: u32 = 1;

/// The event that a hook gets.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HookEvent {
    /// [`HOOK_EVENT_VERSION`].
    pub version: u32,
    /// Where in the life it is.
    pub point: HookPoint,
    /// Unix time in milliseconds; of the record, where there is one.
    pub at_ms: i64,
    /// The run.
    pub run: RunInfo,
    /// The job; none for what happens to the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<JobInfo>,
    /// What was recorded: the very event that sinks read. None before something is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub happened: Option<Event>,
    /// The kept file, absolute; at `track_kept` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What that file is, where a step made it: `wav`, `vocal`, `midi`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artefact: Option<String>,
    /// What the run is about to do; at `plan_expanded` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanInfo>,
    /// What the run came to; at `run_finished` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub totals: Option<Totals>,
}

/// The run, as hooks see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunInfo {
    /// Its id; empty at `plan_job`, when no run has begun.
    pub id: String,
    /// The manifest's name.
    pub name: String,
    /// The manifest's file.
    pub manifest: String,
    /// The provider profile's name.
    pub provider: String,
}

/// A job, as hooks see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobInfo {
    /// Its key; at `plan_job` the one that it has unless a hook changes it.
    pub key: JobKey,
    /// The stem.
    pub stem: StemInfo,
    /// The preset.
    pub preset: PresetInfo,
    /// The sweep point.
    pub sweep: IndexMap<String, String>,
    /// The take, from 1.
    pub take: u32,
    /// What it costs.
    pub credits: f64,
    /// What is bought.
    pub operation: String,
    /// What it does to the result of an earlier job, where it is a step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<JobStep>,
    /// What is sent, of a step what was sent for its song; at `plan_job` with the changes of the hooks before this one.
    pub settings: Settings,
}

/// A stem, as hooks see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StemInfo {
    /// Its id.
    pub id: String,
    /// Its variables.
    pub vars: Json,
    /// Its file, absolute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Its length in seconds, where it is a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<f64>,
    /// Its public address, without a query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// A preset, as hooks see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PresetInfo {
    /// Its name.
    pub id: String,
    /// Its variables.
    pub vars: Json,
}

/// What a run is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PlanInfo {
    /// Jobs of the plan.
    pub jobs: u64,
    /// Jobs that are to be submitted.
    pub to_submit: u64,
    /// What those cost.
    pub credits: f64,
    /// The least time in which the rate limit lets them through, in milliseconds.
    pub least_ms: u64,
}

/// The point at which hooks get a recorded event, if there is one.
pub(crate) fn point_of(event: &Event) -> Option<HookPoint> {
    use crate::event::TaskStage;
    use backline_api::ResponseClass;
    match event {
        Event::Accepted { .. } => Some(HookPoint::Submitted),
        Event::Stage {
            stage: TaskStage::Text | TaskStage::First | TaskStage::Complete,
            ..
        } => Some(HookPoint::Stage),
        Event::TrackKept { .. } => Some(HookPoint::TrackKept),
        Event::TaskFailed { .. }
        | Event::TaskPartial { .. }
        | Event::UploadFailed { retried: false, .. }
        | Event::Refused {
            class: ResponseClass::RefusedJob,
            ..
        }
        | Event::Decided {
            verdict: super::Verdict::Fail { .. },
            ..
        } => Some(HookPoint::JobFailed),
        Event::Lost { .. } => Some(HookPoint::JobInDoubt),
        _ => None,
    }
}
