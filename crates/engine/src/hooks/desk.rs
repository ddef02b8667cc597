//! Calls a plan's hooks, each in its own way and within its time.
//!
//! The driver calls the deciding hooks of a job before it is bought, and sends observers what was recorded. Nothing is decided
//! here: what hooks answer, and how they fail, becomes a [`Decision`].

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::http::Post;
#[cfg(feature = "lua")]
use super::lua::Script;
use super::process::Surroundings;
use super::service::{Service, ServiceSpec};
use super::{
    Answer, Decision, HookError, HookEvent, HookPoint, HookSpec, Hooks, OnError, Way, program,
};
use crate::event::{Event, TrackNote};
use crate::plan::JobKey;

/// A plan's hooks, ready to be called.
#[derive(Debug)]
pub(crate) struct Desk {
    seats: Vec<Arc<Seat>>,
}

/// One hook and what calling it takes.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) spec: HookSpec,
    live: Live,
    surroundings: Surroundings,
}

#[derive(Debug)]
enum Live {
    Program(Vec<String>),
    Service(Arc<Service>),
    #[cfg(feature = "lua")]
    Lua(Arc<Script>),
    Http(Box<Result<Post, HookError>>),
    Loudness,
    #[cfg(feature = "store")]
    Store(Box<Result<super::store::Shelf, HookError>>),
    /// This build can't do it.
    Missing(HookError),
}

/// What a hook said, and what it found out.
#[derive(Debug, PartialEq)]
pub(crate) struct Said {
    pub(crate) answer: Answer,
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

impl Desk {
    /// Seats the hooks; services that are named at several points are one program.
    pub(crate) fn new(hooks: &Hooks, surroundings: &Surroundings) -> Self {
        let mut services: HashMap<(Vec<String>, Vec<String>), Arc<Service>> = HashMap::new();
        let seat = |spec: &HookSpec| {
            let live = match &spec.way {
                Way::Run { argv } => Live::Program(argv.clone()),
                Way::Service {
                    argv,
                    order,
                    start_timeout_ms,
                } => {
                    let same = |other: &&HookSpec| {
                        matches!(&other.way, Way::Service { argv: named, .. } if named == argv)
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
                        .or_insert_with(|| Arc::new(Service::new(service, surroundings.clone())));
                    Live::Service(service.clone())
                }
                #[cfg(feature = "lua")]
                Way::Lua { name, source } => Live::Lua(Arc::new(Script::new(name, source.clone()))),
                #[cfg(not(feature = "lua"))]
                Way::Lua { .. } => Live::Missing(HookError::NotBuilt("lua", "lua")),
                Way::Http {
                    target,
                    secret_env,
                    allow_private,
                } => Live::Http(Box::new(Post::new(
                    target,
                    secret_env.as_deref(),
                    *allow_private,
                    surroundings,
                ))),
                Way::Loudness => Live::Loudness,
                #[cfg(feature = "store")]
                Way::Store { url } => Live::Store(Box::new(super::store::Shelf::new(
                    url,
                    &spec.env,
                    surroundings,
                ))),
                #[cfg(not(feature = "store"))]
                Way::Store { .. } => Live::Missing(HookError::NotBuilt("store", "store")),
            };
            Arc::new(Seat {
                spec: spec.clone(),
                live,
                surroundings: surroundings.clone(),
            })
        };
        Self {
            seats: hooks.all.iter().map(seat).collect(),
        }
    }

    /// The hooks of a point, in order.
    pub(crate) fn at(&self, point: HookPoint) -> impl Iterator<Item = &Arc<Seat>> {
        self.seats
            .iter()
            .filter(move |seat| seat.spec.point == point)
    }

    /// All that only observe.
    pub(crate) fn observers(&self) -> impl Iterator<Item = &Arc<Seat>> {
        self.seats.iter().filter(|seat| !seat.spec.point.decides())
    }

    /// Calls the hooks of the event's point, one after the other, until one does not let its job pass.
    pub(crate) async fn decide(
        &self,
        event: &HookEvent,
        only_pure: bool,
    ) -> (Decision, Vec<HookFailure>) {
        let mut troubles = Vec::new();
        let seats = self.at(event.point);
        for seat in seats.filter(|seat| seat.spec.pure || !only_pure) {
            let error = match seat.put(event).await.map(|said| said.answer) {
                Ok(Answer::Nothing | Answer::Unknown(_) | Answer::Change(_)) => continue,
                Ok(Answer::Veto(why)) => {
                    return (Decision::Veto(seat.clean(&why)), troubles);
                }
                Ok(Answer::Delay(wait_ms)) => return (Decision::Delay(wait_ms), troubles),
                Err(error) => error,
            };
            let (trouble, decision) = seat.failed(&error);
            troubles.push(trouble);
            if let Some(decision) = decision {
                return (decision, troubles);
            }
        }
        (Decision::Pass, troubles)
    }
}

impl Seat {
    /// A hook on its own, as `hooks test` calls it.
    pub(crate) fn alone(spec: &HookSpec, surroundings: &Surroundings) -> Arc<Self> {
        let hooks = Hooks {
            all: vec![spec.clone()],
        };
        Desk::new(&hooks, surroundings).seats.remove(0)
    }

    /// Has the hook take an event, in its time.
    pub(crate) async fn put(&self, event: &HookEvent) -> Result<Said, HookError> {
        let said = |answer: Answer| {
            let answer = answer.allowed_at(event.point)?;
            Ok(Said { answer, note: None })
        };
        match &self.live {
            Live::Program(argv) => {
                let json = self.encode(event);
                said(program::run(&self.spec, argv, &json, &self.surroundings).await?)
            }
            Live::Service(service) => {
                let json = self.encode(event);
                said(service.ask(event.point, json, self.spec.timeout_ms).await?)
            }
            #[cfg(feature = "lua")]
            Live::Lua(script) => said(script.run(event, self.spec.timeout_ms).await?),
            Live::Http(post) => match &**post {
                Ok(post) => said(post.put(&self.spec, &self.encode(event)).await?),
                Err(error) => Err(error.clone()),
            },
            Live::Loudness => Ok(Said {
                answer: Answer::Nothing,
                note: measure(event).await?,
            }),
            #[cfg(feature = "store")]
            Live::Store(shelf) => match &**shelf {
                Ok(shelf) => Ok(Said {
                    answer: Answer::Nothing,
                    note: shelf.put(&self.spec, event).await?,
                }),
                Err(error) => Err(error.clone()),
            },
            Live::Missing(error) => Err(error.clone()),
        }
    }

    /// The event as it is sent: never with the key in it, whatever a variable holds.
    fn encode(&self, event: &HookEvent) -> Vec<u8> {
        let json =
            serde_json::to_string(event).expect("events have string keys and finite numbers");
        match &self.surroundings.key {
            Some(key) if json.contains(key.as_str()) => json.replace(key.as_str(), "[key]"),
            _ => json,
        }
        .into_bytes()
    }

    /// A failure of this hook where it decides, and what it does to the job; none where it is ignored.
    pub(crate) fn failed(&self, error: &HookError) -> (HookFailure, Option<Decision>) {
        let mut trouble = self.trouble(error);
        if matches!(error, HookError::ChangesPlanned(_)) {
            trouble.effect = OnError::Fail;
        }
        let message = format!("{}: {}", trouble.hook, trouble.message);
        let decision = match trouble.effect {
            OnError::Ignore => None,
            OnError::Veto => Some(Decision::Veto(message)),
            OnError::Fail => Some(Decision::Fail(message)),
        };
        (trouble, decision)
    }

    /// A text fit for the ledger: without the key and addresses' secrets.
    pub(crate) fn clean(&self, text: &str) -> String {
        self.surroundings.clean(text)
    }

    /// A failure of this hook, as it is recorded.
    pub(crate) fn trouble(&self, error: &HookError) -> HookFailure {
        HookFailure {
            point: self.spec.point,
            hook: self.spec.name(),
            message: self.surroundings.clean(&error.to_string()),
            effect: self.spec.on_error,
        }
    }
}

/// Measures the file of a kept track.
async fn measure(event: &HookEvent) -> Result<Option<TrackNote>, HookError> {
    let Some(file) = event.file.clone() else {
        return Ok(None);
    };
    let measured = tokio::task::spawn_blocking(move || loudness_of(Path::new(&file)));
    let failed = |error: tokio::task::JoinError| HookError::File(error.to_string());
    measured.await.map_err(failed)?.map(Some)
}

fn loudness_of(path: &Path) -> Result<TrackNote, HookError> {
    let shown = path.display();
    let file = crate::folder::read_file(path)
        .map_err(|error| HookError::File(format!("could not read {shown}: {error}")))?;
    let loudness = backline_audio::loudness_from(file)
        .map_err(|error| HookError::File(format!("could not decode {shown}: {error}")))?;
    let rounded = |value: f64| (value * 100.0).round() / 100.0;
    Ok(TrackNote::Loudness {
        integrated_lufs: loudness.integrated_lufs.map(rounded),
        true_peak_dbtp: rounded(loudness.true_peak_dbtp),
    })
}
