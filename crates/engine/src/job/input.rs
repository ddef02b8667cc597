//! What a step processes: the result of another job, read from that job's state.

use backline_api::{Input, Source};

use super::{Job, Phase, Task};

/// What a step processes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum StepInput {
    /// It is there.
    Ready(Source),
    /// The parent is not finished; it may have failed.
    Pending,
    /// The parent is finished and did not make it, for this reason.
    Missing(String),
}

impl Job {
    /// What an operation with this input processes of this job's result; `track` is the song's, from 1.
    pub(crate) fn input_for(&self, input: Input, track: u32) -> StepInput {
        let task = match (&self.phase, input) {
            // A song whose files are gone may never have been seen to be finished.
            (Phase::Running(task), Input::Song { .. }) => task,
            (Phase::Finished(task) | Phase::Kept(task) | Phase::Partial(task), _) => task,
            _ => return StepInput::Pending,
        };
        source(input, task, track).map_or_else(StepInput::Missing, StepInput::Ready)
    }
}

fn source(input: Input, task: &Task, track: u32) -> Result<Source, String> {
    let id = task.id.clone();
    match input {
        Input::Track { .. } | Input::TrackOrRecording { .. } => {
            let made = task.tracks.get(track as usize - 1);
            let made = made.filter(|track| track.is_available());
            let made = made.ok_or_else(|| format!("task {id} made no track {track}"))?;
            if made.facts.id.is_empty() {
                return Err(format!(
                    "the provider gave no id for track {track} of task {id}"
                ));
            }
            Ok(Source::Track {
                task: id,
                track: made.facts.id.clone(),
            })
        }
        Input::Stems { .. } => Ok(Source::Stems {
            task: id,
            stem: None,
        }),
        Input::Song { .. } => Ok(Source::Song { task: id }),
        Input::Recording { .. } => Err("it processes a recording, not a task".to_owned()),
    }
}
