//! `tags`: title, style, task id, key and tempo, written into a kept file.
//!
//! It is done on a copy, before the file has its name and before its hash is taken: what the ledger says of a kept file stays
//! true, and a crash in between leaves the fetched bytes as they were.

use std::fs::File;
use std::io::{BufReader, Seek};

use lofty::config::WriteOptions;
use lofty::file::TaggedFileExt;
use lofty::prelude::{Accessor, ItemKey, TagExt};
use lofty::probe::Probe;
use lofty::tag::Tag;
use serde_json::Value as Json;

use crate::hooks::HookError;

/// What is written; what is empty is not.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Words {
    pub(crate) title: String,
    /// The requested tags.
    pub(crate) style: String,
    pub(crate) task: String,
    /// The stem's variable `key`.
    pub(crate) key: Option<String>,
    /// The stem's variable `tempo` or `bpm`.
    pub(crate) tempo: Option<String>,
}

impl Words {
    /// Takes key and tempo from a stem's variables.
    pub(crate) fn with_vars(mut self, vars: &Json) -> Self {
        let text = |name: &str| match vars.get(name)? {
            Json::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
            Json::Number(number) => Some(number.to_string()),
            _ => None,
        };
        self.key = text("key");
        self.tempo = text("tempo").or_else(|| text("bpm"));
        self
    }
}

/// Writes tags into a file, which must be a recording and open for reading and writing.
pub(crate) fn write(recording: &mut File, words: &Words) -> Result<(), HookError> {
    let failed =
        |error: &dyn std::fmt::Display| HookError::File(format!("could not write tags: {error}"));
    recording.rewind().map_err(|error| failed(&error))?;
    let probe = Probe::new(BufReader::new(&mut *recording));
    let probe = probe.guess_file_type().map_err(|error| failed(&error))?;
    let mut file = probe.read().map_err(|error| failed(&error))?;
    let kind = file.primary_tag_type();
    if file.primary_tag().is_none() {
        file.insert_tag(Tag::new(kind));
    }
    let Some(tag) = file.primary_tag_mut() else {
        return Err(failed(&"this kind of file takes none"));
    };
    tag.set_title(words.title.clone());
    tag.set_genre(words.style.clone());
    tag.set_comment(format!("task {}", words.task));
    if let Some(key) = &words.key {
        tag.insert_text(ItemKey::InitialKey, key.clone());
    }
    if let Some(tempo) = &words.tempo {
        tag.insert_text(ItemKey::IntegerBpm, tempo.clone());
    }
    recording.rewind().map_err(|error| failed(&error))?;
    tag.save_to(recording, WriteOptions::default())
        .map_err(|error| failed(&error))?;
    recording.sync_all().map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use backline_audio::{Audio, Encoding};

    #[test]
    fn tags_are_written_and_the_sound_stays() {
        let folder = tempfile::tempdir().unwrap();
        let wave = (0..44_100)
            .map(|at| (at as f32 * 0.05).sin() * 0.5)
            .collect();
        let audio = Audio {
            rate_hz: 44_100,
            channels: vec![wave],
        };
        for encoding in [Encoding::Wav16, Encoding::Flac, Encoding::Mp3 { kbps: 128 }] {
            let path = folder.path().join("kept.part");
            let bytes = backline_audio::encode(&audio, encoding).unwrap();
            std::fs::write(&path, &bytes).unwrap();
            let mut options = File::options();
            let mut recording = options.read(true).write(true).open(&path).unwrap();
            let words = Words {
                title: "Strophe ü".into(),
                style: "calm piano".into(),
                task: "5c79".into(),
                ..Words::default()
            }
            .with_vars(&serde_json::json!({"key": "A minor", "tempo": 92}));
            write(&mut recording, &words).unwrap();
            let tagged = std::fs::read(&path).unwrap();
            assert_ne!(tagged, bytes);
            let sound = backline_audio::decode(&tagged).unwrap();
            assert_eq!(
                sound,
                backline_audio::decode(&bytes).unwrap(),
                "{encoding:?}"
            );
            let file = Probe::open(&path)
                .unwrap()
                .guess_file_type()
                .unwrap()
                .read()
                .unwrap();
            let tag = file.primary_tag().unwrap();
            let found = (tag.title(), tag.genre(), tag.comment());
            assert_eq!(
                (found.0.as_deref(), found.1.as_deref(), found.2.as_deref()),
                (Some("Strophe ü"), Some("calm piano"), Some("task 5c79"))
            );
            std::fs::remove_file(&path).unwrap();
        }
    }
}
