//! Produces the results of steps.
//!
//! ```text
//! wav, stems ─► the song's source, request and seed ─► the same take again ─► its samples, or its parts
//! midi       ─► the notes that the stems task stored
//! recovery   ─► the song's files at new addresses
//! ```
//!
//! The studio renders a step only when it is ordered. It plays the take again from the song's source. If the result would
//! differ, because the studio was started with another SoundFont or seed, the step fails and its credits are given back.

use serde_json::Value;

use crate::clock;
use crate::making::{BAD_SOURCE, MakingError, OWN_FAULT, seed, song_source, write_result};
use crate::notes;
use crate::operation::OperationKind;
use crate::render::{Content, Order, Part, StepOrder};
use crate::shared::StudioState;
use crate::step_wire;
use crate::store::tasks::{PendingTask, StoredTask, StoredTrack, TaskProgress};
use crate::store::{steps, transitions};
use crate::validate;
use crate::validate_step::{self, StepInput};

/// Produces the result of one step.
pub(crate) async fn make(shared: &StudioState, work: &PendingTask) -> Result<(), MakingError> {
    let tracks = match work.kind {
        OperationKind::Wav | OperationKind::Stems | OperationKind::Song => {
            played(shared, work).await?
        }
        OperationKind::Midi => noted(shared, work).await?,
        OperationKind::Recovery => recovered(shared, work).await?,
    };
    let (seq, now_ms) = (work.seq, clock::now_ms());
    shared
        .store
        .write("finish a step", move |connection| {
            transitions::advance(connection, seq, TaskProgress::Complete, &tracks, now_ms)
        })
        .await?;
    Ok(())
}

/// The task that the step processes no longer exists: its retention has ended.
fn parent_gone() -> MakingError {
    MakingError::Task {
        code: BAD_SOURCE,
        message: "the source task no longer exists".to_owned(),
    }
}

/// An error that only a damaged row can cause.
fn damaged(message: &str) -> MakingError {
    MakingError::Task {
        code: OWN_FAULT,
        message: message.to_owned(),
    }
}

async fn parent(
    shared: &StudioState,
    work: &PendingTask,
    kind: OperationKind,
) -> Result<StoredTask, MakingError> {
    let id = work.parent.clone().unwrap_or_default();
    let look = move |connection: &rusqlite::Connection| steps::find(connection, kind, &id);
    let found = shared.store.read("find a task", look).await?;
    found.ok_or_else(parent_gone)
}

/// Plays a song's take again and stores the step's files.
async fn played(shared: &StudioState, work: &PendingTask) -> Result<Vec<StoredTrack>, MakingError> {
    let id = work.parent.clone().unwrap_or_default();
    let look = move |connection: &rusqlite::Connection| steps::song(connection, &id);
    let found = shared.store.read("find a song", look).await?;
    let (song_work, song) = found.ok_or_else(parent_gone)?;
    let number = work.parent_track.unwrap_or(1);
    let kept = song.tracks.iter().find(|kept| kept.number == number);
    let facts = kept.ok_or_else(parent_gone)?.facts.clone();
    let codes = shared.codes();
    let valid_step = validate_step::validate(work.kind, codes, work.request.as_bytes())
        .map_err(|refusal| damaged(&refusal.message(codes)))?;
    let valid = validate::validate(song_work.request.as_bytes())
        .map_err(|refusal| damaged(&refusal.message(codes)))?;
    let source = song_source(shared, &song_work, &valid.upload_url).await?;
    let place = shared.renderer.place().await?;
    let bytes = source.read(&song_work).await?;
    let step = StepOrder {
        stems: (work.kind == OperationKind::Stems).then_some(valid_step.stems),
        codes,
        number,
        facts,
    };
    let seed = seed(&song_work, &bytes, shared.config.seed);
    let order = Order::new(valid, seed, shared.config.encoding, Some(step));
    let mut rendering = shared.renderer.begin(place, source, bytes, order);
    let mut tracks = Vec::new();
    while let Some(part) = rendering.next().await? {
        match part {
            Part::File(file) => {
                let place = tracks.len() + 1;
                let name = format!("{place:02}-{}.{}", file.name, file.extension);
                let audio = write_result(shared, work, &name, file.content).await?;
                tracks.push(StoredTrack {
                    number: u8::try_from(place).unwrap_or(u8::MAX),
                    name: Some(file.name),
                    audio,
                    mix: None,
                    midi: None,
                    duration_s: file.duration_s,
                    created_ms: clock::now_ms(),
                    facts: None,
                });
            }
            Part::Notes(notes) => {
                let notes = Content::Memory(notes.to_string().into_bytes());
                write_result(shared, work, notes::FILE, notes).await?;
            }
            // A step has no such parts.
            Part::Heard | Part::Track(_) => {}
        }
    }
    Ok(tracks)
}

/// The notes of a stems task, or of one of its stems.
async fn noted(shared: &StudioState, work: &PendingTask) -> Result<Vec<StoredTrack>, MakingError> {
    let stems = parent(shared, work, OperationKind::Stems).await?;
    let file = shared.folder.result(&stems.id).join(notes::FILE);
    let bytes = tokio::fs::read(&file).await.map_err(|_| parent_gone())?;
    let all: Value = serde_json::from_slice(&bytes).map_err(|error| damaged(&error.to_string()))?;
    let codes = shared.codes();
    let valid = validate_step::validate(work.kind, codes, work.request.as_bytes())
        .map_err(|refusal| damaged(&refusal.message(codes)))?;
    let chosen = match &valid.input {
        StepInput::Stems { stem: Some(id), .. } => {
            let mut names = stems.tracks.iter().filter_map(|kept| kept.name.as_deref());
            names.find(|name| step_wire::stem_id(&stems.id, name) == *id)
        }
        _ => None,
    };
    let notes = notes::selected(&all, chosen);
    let content = Content::Memory(notes.to_string().into_bytes());
    let audio = write_result(shared, work, notes::FILE, content).await?;
    Ok(vec![StoredTrack {
        number: 1,
        name: Some("notes".to_owned()),
        audio,
        mix: None,
        midi: None,
        duration_s: stems.tracks.first().map_or(0.0, |kept| kept.duration_s),
        created_ms: clock::now_ms(),
        facts: None,
    }])
}

/// The files of a song at new addresses. A missing file is left out.
async fn recovered(
    shared: &StudioState,
    work: &PendingTask,
) -> Result<Vec<StoredTrack>, MakingError> {
    let song = parent(shared, work, OperationKind::Song).await?;
    let request: Value = serde_json::from_str(&song.request).unwrap_or_default();
    let mut tracks = Vec::new();
    for kept in song.tracks {
        let file = shared.folder.files().join(&kept.audio);
        let Ok(bytes) = tokio::fs::read(&file).await else {
            tracing::info!(
                task = work.id,
                track = kept.number,
                "a track can't be recovered"
            );
            continue;
        };
        let name_of = |file: &str, mark: &str| {
            let extension = file.rsplit('.').next().unwrap_or_default();
            format!("{}{mark}.{extension}", kept.number)
        };
        let audio = write_result(
            shared,
            work,
            &name_of(&kept.audio, ""),
            Content::Memory(bytes),
        )
        .await?;
        let mix = match &kept.mix {
            None => None,
            Some(file) => match tokio::fs::read(shared.folder.files().join(file)).await {
                Ok(bytes) => {
                    let name = name_of(file, "-mix");
                    Some(write_result(shared, work, &name, Content::Memory(bytes)).await?)
                }
                Err(_) => None,
            },
        };
        tracks.push(StoredTrack {
            name: request["title"].as_str().map(str::to_owned),
            audio,
            mix,
            midi: None,
            facts: None,
            created_ms: clock::now_ms(),
            ..kept
        });
    }
    Ok(tracks)
}
