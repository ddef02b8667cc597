//! Calls a plan's hooks, each in its own way and within its time.
//!
//! The driver calls the deciding hooks of a job before it is bought, and sends observers what was recorded. Nothing is decided
//! here: the responses of hooks, and their failures, become a [`HookDecision`].

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::http::Webhook;
#[cfg(feature = "lua")]
use super::lua::Script;
use super::process::HookContext;
use super::service::{Service, ServiceSpec};
use super::{
    HookDecision, HookError, HookEvent, HookKind, HookPoint, HookResponse, HookSpec, Hooks,
    OnError, program,
};
use crate::event::{Event, TrackNote};
use crate::kept_files::open_kept_file;
use crate::plan::HookRefusal;
use crate::settings::JobKey;

/// A plan's hooks, ready to be called.
#[derive(Debug)]
pub(crate) struct HookRunner {
    hooks: Vec<Arc<BoundHook>>,
}

/// One hook and what calling it takes.
#[derive(Debug)]
pub(crate) struct BoundHook {
    pub(crate) spec: HookSpec,
    live: HookImpl,
    context: HookContext,
}

#[derive(Debug)]
enum HookImpl {
    Program(Vec<String>),
    Service(Arc<Service>),
    #[cfg(feature = "lua")]
    Lua(Arc<Script>),
    Http(Box<Result<Webhook, HookError>>),
    Loudness,
    #[cfg(feature = "store")]
    Store(Box<Result<super::store::ObjectTarget, HookError>>),
    /// This build can't do it.
    #[cfg(not(all(feature = "lua", feature = "store")))]
    Missing(HookError),
}

/// A hook's response, and what it found out about the file.
#[derive(Debug, PartialEq)]
pub(crate) struct HookOutput {
    pub(crate) response: HookResponse,
    pub(crate) note: Option<TrackNote>,
}

/// A hook's failure, as it is recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct HookFailure {
    /// At which point.
    pub point: HookPoint,
    /// Which hook.
    pub hook: String,
    /// What went wrong.
    pub message: String,
    /// What that does.
    pub effect: OnError,
}

impl HookFailure {
    /// The event that records it; `about` is the job that the hook was called for.
    pub(crate) fn event(self, about: Option<JobKey>) -> Event {
        Event::HookFailed {
            point: self.point,
            hook: self.hook,
            about,
            message: self.message,
            effect: self.effect,
        }
    }
}

impl HookRunner {
    /// Seats the hooks; services that are named at several points are one program.
    pub(crate) fn new(hooks: &Hooks, context: &HookContext) -> Self {
        let mut services: HashMap<(Vec<String>, Vec<String>), Arc<Service>> = HashMap::new();
        let bind = |spec: &HookSpec| {
            let live = match &spec.kind {
                HookKind::Run { argv } => HookImpl::Program(argv.clone()),
                HookKind::Service {
                    argv,
                    order,
                    start_timeout_ms,
                } => {
                    let same = |other: &&HookSpec| {
                        matches!(&other.kind, HookKind::Service { argv: named, .. } if named == argv)
                            && other.env == spec.env
                    };
                    let points = hooks.all.iter().filter(same).map(|other| other.point);
                    let service = ServiceSpec {
                        name: spec.name(),
                        argv: argv.clone(),
                        env: spec.env.clone(),
                        order: *order,
                        start_timeout_ms: *start_timeout_ms,
                        points: points.collect(),
                    };
                    let at = (argv.clone(), spec.env.clone());
                    let service = services
                        .entry(at)
                        .or_insert_with(|| Arc::new(Service::new(service, context.clone())));
                    HookImpl::Service(service.clone())
                }
                #[cfg(feature = "lua")]
                HookKind::Lua { name, source } => {
                    HookImpl::Lua(Arc::new(Script::new(name, source.clone())))
                }
                #[cfg(not(feature = "lua"))]
                HookKind::Lua { .. } => HookImpl::Missing(HookError::NotBuilt("lua", "lua")),
                HookKind::Http {
                    target,
                    secret_env,
                    allow_private,
                } => HookImpl::Http(Box::new(Webhook::new(
                    target,
                    secret_env.as_deref(),
                    *allow_private,
                    context,
                ))),
                HookKind::Loudness => HookImpl::Loudness,
                #[cfg(feature = "store")]
                HookKind::Store { url } => HookImpl::Store(Box::new(
                    super::store::ObjectTarget::new(url, &spec.env, context),
                )),
                #[cfg(not(feature = "store"))]
                HookKind::Store { .. } => HookImpl::Missing(HookError::NotBuilt("store", "store")),
            };
            Arc::new(BoundHook {
                spec: spec.clone(),
                live,
                context: context.clone(),
            })
        };
        Self {
            hooks: hooks.all.iter().map(bind).collect(),
        }
    }

    /// The time that scripts took so far.
    pub(crate) fn scripts_took(&self) -> Duration {
        let took = self.hooks.iter().map(|hook| match &hook.live {
            #[cfg(feature = "lua")]
            HookImpl::Lua(script) => script.took(),
            _ => Duration::ZERO,
        });
        took.sum()
    }

    /// The hooks of a point, in order.
    pub(crate) fn at(&self, point: HookPoint) -> impl Iterator<Item = &Arc<BoundHook>> {
        self.hooks
            .iter()
            .filter(move |hook| hook.spec.point == point)
    }

    /// All that only observe.
    pub(crate) fn observers(&self) -> impl Iterator<Item = &Arc<BoundHook>> {
        self.hooks.iter().filter(|hook| !hook.spec.point.decides())
    }

    /// Calls the hooks of the event's point, one after the other, until one does not let its job pass.
    pub(crate) async fn decide(
        &self,
        event: &HookEvent,
        only_pure: bool,
    ) -> (HookDecision, Vec<HookFailure>) {
        let mut failures = Vec::new();
        let hooks = self.at(event.point);
        for hook in hooks.filter(|hook| hook.spec.pure || !only_pure) {
            let error = match hook.put(event).await.map(|output| output.response) {
                Ok(HookResponse::Nothing | HookResponse::Unknown(_) | HookResponse::Change(_)) => {
                    continue;
                }
                Ok(HookResponse::Veto(why)) => {
                    return (
                        HookDecision::Refuse(HookRefusal::Veto(hook.clean(&why))),
                        failures,
                    );
                }
                Ok(HookResponse::Delay(wait_ms)) => {
                    return (HookDecision::Delay(wait_ms), failures);
                }
                Err(error) => error,
            };
            let (failure, refusal) = hook.failed(&error);
            failures.push(failure);
            if let Some(refusal) = refusal {
                return (HookDecision::Refuse(refusal), failures);
            }
        }
        (HookDecision::Pass, failures)
    }
}

impl BoundHook {
    /// A hook on its own, as `hooks test` calls it.
    pub(crate) fn alone(spec: &HookSpec, context: &HookContext) -> Arc<Self> {
        let hooks = Hooks {
            all: vec![spec.clone()],
        };
        HookRunner::new(&hooks, context).hooks.remove(0)
    }

    /// Has the hook take an event, in its time.
    pub(crate) async fn put(&self, event: &HookEvent) -> Result<HookOutput, HookError> {
        let output = |response: HookResponse| {
            let response = response.allowed_at(event.point)?;
            Ok(HookOutput {
                response,
                note: None,
            })
        };
        match &self.live {
            HookImpl::Program(argv) => {
                let json = self.encode(event);
                output(program::run(&self.spec, argv, &json, &self.context).await?)
            }
            HookImpl::Service(service) => {
                let json = self.encode(event);
                output(
                    service
                        .call(event.point, json, self.spec.timeout_ms)
                        .await?,
                )
            }
            #[cfg(feature = "lua")]
            HookImpl::Lua(script) => output(script.run(event, self.spec.timeout_ms).await?),
            HookImpl::Http(post) => match &**post {
                Ok(post) => output(post.put(&self.spec, &self.encode(event)).await?),
                Err(error) => Err(error.clone()),
            },
            HookImpl::Loudness => Ok(HookOutput {
                response: HookResponse::Nothing,
                note: measure(event).await?,
            }),
            #[cfg(feature = "store")]
            HookImpl::Store(target) => match &**target {
                Ok(target) => Ok(HookOutput {
                    response: HookResponse::Nothing,
                    note: target.put(&self.spec, event).await?,
                }),
                Err(error) => Err(error.clone()),
            },
            #[cfg(not(all(feature = "lua", feature = "store")))]
            HookImpl::Missing(error) => Err(error.clone()),
        }
    }

    /// The event as it is sent: never with the key in it, whatever a variable contains.
    fn encode(&self, event: &HookEvent) -> Vec<u8> {
        let json =
            serde_json::to_string(event).expect("events have string keys and finite numbers");
        match &self.context.key {
            Some(key) if json.contains(key.as_str()) => json.replace(key.as_str(), "[key]"),
            _ => json,
        }
        .into_bytes()
    }

    /// A failure of this hook where it decides, and why the job is not bought then; none where the failure is ignored.
    pub(crate) fn failed(&self, error: &HookError) -> (HookFailure, Option<HookRefusal>) {
        let mut failure = self.failure(error);
        if matches!(error, HookError::ChangesPlanned(_)) {
            failure.effect = OnError::Fail;
        }
        let message = format!("{}: {}", failure.hook, failure.message);
        let refusal = match failure.effect {
            OnError::Ignore => None,
            OnError::Veto => Some(HookRefusal::Veto(message)),
            OnError::Fail => Some(HookRefusal::Failure(message)),
        };
        (failure, refusal)
    }

    /// A text fit for the ledger: without the key and addresses' secrets.
    pub(crate) fn clean(&self, text: &str) -> String {
        self.context.clean(text)
    }

    /// A failure of this hook, as it is recorded.
    pub(crate) fn failure(&self, error: &HookError) -> HookFailure {
        HookFailure {
            point: self.spec.point,
            hook: self.spec.name(),
            message: self.context.clean(&error.to_string()),
            effect: self.spec.on_error,
        }
    }
}

/// Measures the file of a kept track.
async fn measure(event: &HookEvent) -> Result<Option<TrackNote>, HookError> {
    let Some(file) = event.file.clone() else {
        return Ok(None);
    };
    let measured = tokio::task::spawn_blocking(move || loudness_of(&file));
    let failed = |error: tokio::task::JoinError| HookError::File(error.to_string());
    measured.await.map_err(failed)?.map(Some)
}

fn loudness_of(shown: &str) -> Result<TrackNote, HookError> {
    let file = open_kept_file(Path::new(""), shown)
        .map_err(|error| HookError::File(format!("could not read {shown}: {error}")))?;
    let loudness = backline_audio::loudness_from(file)
        .map_err(|error| HookError::File(format!("could not decode {shown}: {error}")))?;
    let rounded = |value: f64| (value * 100.0).round() / 100.0;
    Ok(TrackNote::Loudness {
        integrated_lufs: loudness.integrated_lufs.map(rounded),
        true_peak_dbtp: rounded(loudness.true_peak_dbtp),
    })
}
