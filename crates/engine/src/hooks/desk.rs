//! The desk at which a run's hooks sit: it calls each in its own way, in its own time, and says what came of it.
//!
//! The driver asks it before a job is bought and has it tell the observers of what was recorded. It decides nothing about jobs;
//! it turns what hooks say, and how they fail, into verdicts.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::http::Post;
#[cfg(feature = "lua")]
use super::lua::Script;
use super::process::Surroundings;
use super::service::{Service, ServiceSpec};
use super::{
    Answer, HookError, HookEvent, HookPoint, HookSpec, Hooks, OnError, Way, changed, program,
};
use crate::event::TrackNote;
use crate::plan::Settings;

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
    /// Done while a file is kept, before its hash is taken.
    Tags,
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
pub(crate) struct Trouble {
    pub(crate) point: HookPoint,
    pub(crate) hook: String,
    pub(crate) message: String,
    pub(crate) effect: OnError,
}

/// What the hooks of a point came to on a job.
#[derive(Debug, PartialEq)]
pub(crate) enum Word {
    /// It goes on with these settings.
    Go(Box<Settings>),
    Veto(String),
    Fail(String),
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
                Way::Tags if cfg!(feature = "tags") => Live::Tags,
                Way::Tags => Live::Missing(HookError::NotBuilt("tags", "tags")),
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
        self.seats.iter().filter(|seat| !seat.spec.point.asks())
    }

    /// Has the hooks of the event's point decide on its job, one after the other; each sees what those before it changed.
    pub(crate) async fn ask(&self, mut event: HookEvent, only_pure: bool) -> (Word, Vec<Trouble>) {
        let mut troubles = Vec::new();
        let Some(job) = event.job.take() else {
            return (
                Word::Fail("hooks were asked about no job".to_owned()),
                troubles,
            );
        };
        let mut job = job;
        for seat in self
            .at(event.point)
            .filter(|seat| seat.spec.pure || !only_pure)
        {
            event.job = Some(job.clone());
            let error = match seat.put(&event).await.map(|said| said.answer) {
                Ok(Answer::Nothing | Answer::Unknown(_)) => continue,
                Ok(Answer::Veto(why)) => {
                    return (Word::Veto(seat.surroundings.clean(&why)), troubles);
                }
                Ok(Answer::Change(change)) => match changed(&job.settings, &change) {
                    Ok(settings) => {
                        job.settings = settings;
                        continue;
                    }
                    Err(why) => HookError::Garbage(why),
                },
                Err(error) => error,
            };
            let trouble = seat.trouble(&error);
            let message = format!("{}: {}", trouble.hook, trouble.message);
            troubles.push(trouble);
            match seat.spec.on_error {
                OnError::Ignore => {}
                OnError::Veto => return (Word::Veto(message), troubles),
                OnError::Fail => return (Word::Fail(message), troubles),
            }
        }
        (Word::Go(Box::new(job.settings)), troubles)
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
            let answer = answer.allowed_at(event.point).map_err(HookError::Garbage)?;
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
            Live::Tags => said(Answer::Nothing),
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

    /// A failure of this hook, as it is recorded.
    pub(crate) fn trouble(&self, error: &HookError) -> Trouble {
        Trouble {
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
