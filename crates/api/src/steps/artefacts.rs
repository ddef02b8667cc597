//! Reads the results of each operation from the `data` of details and callbacks, in either casing.

use serde_json::Value;

use crate::json::read_json;
use crate::lenient::{number, text};
use crate::{Artefact, Content, MissingTrack, Notes, Results, Track, redact_text};

/// Most artefacts of one response that are read: a vendor lists a few dozen stems at most.
const ARTEFACT_LIMIT: usize = 128;
/// Longest name of an artefact, in characters; it becomes part of a file's name.
const NAME_CHARS: usize = 48;
/// Longest length that is believed, in seconds: one day. No vendor makes a longer file, so a larger value is an error.
const LONGEST_S: f64 = 86_400.0;

/// The artefacts in the `data` of a response.
pub(super) fn read(results: Results, data: &Value) -> Vec<Artefact> {
    if let Some(result) = object(data, &["resultJson"]) {
        return job(results, &result);
    }
    let track_id = text(data, &["musicId", "music_id"]);
    let mut found = match results {
        Results::Tracks => {
            let list = data.pointer("/response/sunoData").or(data.get("data"));
            let tracks = list.map_or_else(Vec::new, Track::read_all);
            return tracks.iter().filter_map(audio_of).collect();
        }
        Results::Recovered => return recovered(data).0,
        Results::Wav => wav(data).into_iter().collect(),
        Results::Stems => stems(data),
        Results::Notes => return midi(data).into_iter().collect(),
    };
    for artefact in &mut found {
        artefact.track_id.clone_from(&track_id);
    }
    found
}

/// The results on the route with one path for all operations: songs as a list, files as plain addresses.
fn job(results: Results, result: &Value) -> Vec<Artefact> {
    if results == Results::Tracks {
        let tracks = result.get("data").map_or_else(Vec::new, Track::read_all);
        return tracks.iter().filter_map(audio_of).collect();
    }
    let name = match results {
        Results::Wav => "wav",
        _ => "file",
    };
    let urls = ["resultUrls", "result_urls"]
        .iter()
        .find_map(|key| result.get(key)?.as_array());
    let urls = urls.into_iter().flatten().filter_map(Value::as_str);
    let mut found = Vec::new();
    for url in urls
        .filter(|url| !url.trim().is_empty())
        .take(ARTEFACT_LIMIT)
    {
        let mut artefact = file(name, url.to_owned());
        artefact.name = unused(&found, artefact.name);
        found.push(artefact);
    }
    found
}

/// The artefact name of a song's track.
pub(super) const AUDIO: &str = "audio";

/// A song's track as an artefact.
pub(super) fn audio_of(track: &Track) -> Option<Artefact> {
    Some(Artefact {
        name: AUDIO.to_owned(),
        track_id: Some(track.id.clone()).filter(|id| !id.is_empty()),
        id: Some(track.id.clone()).filter(|id| !id.is_empty()),
        content: Content::File(track.audio_urls().next()?.to_owned()),
        mix_url: track.mix_audio_url.clone(),
        duration_s: track.duration_s,
    })
}

fn file(name: &str, url: String) -> Artefact {
    Artefact {
        name: name.to_owned(),
        track_id: None,
        id: None,
        content: Content::File(url),
        mix_url: None,
        duration_s: None,
    }
}

/// The object at the first of `keys` that has one; it may be JSON inside a text.
fn object(data: &Value, keys: &[&str]) -> Option<Value> {
    keys.iter().find_map(|key| match data.get(key)? {
        Value::String(text) if text.trim_start().starts_with('{') => read_json(text.as_bytes()),
        value if value.is_object() => Some(value.clone()),
        _ => None,
    })
}

/// The WAV file. Its address has a camelCase name in an otherwise snake_case callback.
fn wav(data: &Value) -> Option<Artefact> {
    let response = object(data, &["response"]);
    let places = [Some(data), response.as_ref()];
    let url = places.into_iter().flatten().find_map(|place| {
        text(place, &["audioWavUrl", "audio_wav_url"]).filter(|url| !url.trim().is_empty())
    })?;
    Some(file("wav", url))
}

/// The objects in which vendors list stems: in details, in the callbacks of one vendor, and of another.
const STEM_PLACES: [&str; 5] = [
    "response",
    "vocal_removal_info",
    "vocal_separation_info",
    "vocalRemovalInfo",
    "vocalSeparationInfo",
];

fn stems(data: &Value) -> Vec<Artefact> {
    let Some(info) = object(data, &STEM_PLACES) else {
        return Vec::new();
    };
    let fields = info.as_object().into_iter().flatten();
    let mut found: Vec<Artefact> = fields
        .filter_map(|(key, value)| {
            let stem = key.strip_suffix("Url").or(key.strip_suffix("_url"))?;
            let url = value.as_str().filter(|url| !url.trim().is_empty())?;
            let name = name_of(stem);
            // The song itself is not one of its stems.
            (name != "origin" && !name.is_empty()).then(|| file(&name, url.to_owned()))
        })
        .take(ARTEFACT_LIMIT)
        .collect();
    let origin = info.get("originData").or(info.get("origin_data"));
    for item in origin.and_then(Value::as_array).into_iter().flatten() {
        if found.len() >= ARTEFACT_LIMIT {
            break;
        }
        match (item.get("extract"), item.get("remove")) {
            (None, None) => describe(&mut found, item, |group| {
                group.unwrap_or_else(|| "stem".to_owned())
            }),
            (extract, remove) => {
                let group = extract.and_then(group_of);
                if let Some(item) = extract {
                    describe(&mut found, item, |group| {
                        group.unwrap_or_else(|| "extract".to_owned())
                    });
                }
                if let Some(item) = remove {
                    describe(&mut found, item, |_| match &group {
                        Some(group) => format!("without-{group}"),
                        None => "remove".to_owned(),
                    });
                }
            }
        }
    }
    found
}

/// Adds the data of an item of `originData` to the stem with the same address; if there is none, adds a new stem.
fn describe(found: &mut Vec<Artefact>, item: &Value, name: impl Fn(Option<String>) -> String) {
    let Some(url) = text(item, &["audio_url", "audioUrl"]) else {
        return;
    };
    let known = found
        .iter_mut()
        .find(|artefact| matches!(&artefact.content, Content::File(it) if *it == url));
    let id = text(item, &["id"]);
    let duration_s = seconds(item);
    match known {
        Some(artefact) => {
            artefact.id = artefact.id.take().or(id);
            artefact.duration_s = artefact.duration_s.or(duration_s);
        }
        None => {
            let mut artefact = file(&name(group_of(item)), url);
            (artefact.id, artefact.duration_s) = (id, duration_s);
            artefact.name = unused(found, artefact.name);
            found.push(artefact);
        }
    }
}

fn group_of(item: &Value) -> Option<String> {
    let group = text(item, &["stem_type_group_name", "stemTypeGroupName"])?;
    Some(name_of(&group)).filter(|name| !name.is_empty())
}

/// `name`, with a number appended if another artefact already has that name.
fn unused(found: &[Artefact], name: String) -> String {
    let is_free = |name: &str| found.iter().all(|artefact| artefact.name != name);
    if is_free(&name) {
        return name;
    }
    let mut numbered = (2..).map(|number| format!("{name}-{number}"));
    numbered.find(|it| is_free(it)).unwrap_or(name)
}

/// A vendor's name in lower case with hyphens: `backingVocals`, `backing_vocals` and `Backing Vocals` become the same name.
fn name_of(vendors: &str) -> String {
    let mut name = String::new();
    let mut was_lower = false;
    for char in vendors.chars().take(4 * NAME_CHARS) {
        if char.is_ascii_alphanumeric() {
            if char.is_ascii_uppercase() && was_lower {
                name.push('-');
            }
            was_lower = char.is_ascii_lowercase();
            name.push(char.to_ascii_lowercase());
        } else {
            if !name.is_empty() && !name.ends_with('-') {
                name.push('-');
            }
            was_lower = false;
        }
    }
    name.truncate(NAME_CHARS);
    name.trim_end_matches('-').to_owned()
}

fn midi(data: &Value) -> Option<Artefact> {
    let notes = object(data, &["midiData", "midi_data", "response"]);
    let notes = Notes::read(notes.as_ref().unwrap_or(data))?;
    Some(Artefact {
        name: "midi".to_owned(),
        track_id: None,
        id: text(data, &["audioId", "audio_id"]),
        content: Content::Notes(notes.into()),
        mix_url: None,
        duration_s: None,
    })
}

/// The tracks that a recovery restored, and those that it did not.
pub(super) fn recovered(data: &Value) -> (Vec<Artefact>, Vec<MissingTrack>) {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    let items = data.as_array().into_iter().flatten();
    for item in items.filter(|item| item.is_object()).take(ARTEFACT_LIMIT) {
        let id = text(item, &["id", "audioId", "audio_id"]);
        let status = text(item, &["status"]).unwrap_or_default();
        match text(item, &["audio_url", "audioUrl"]) {
            Some(url) if !status.trim().eq_ignore_ascii_case("failed") => {
                let mut artefact = file(AUDIO, url);
                (artefact.id, artefact.track_id) = (id.clone(), id);
                artefact.duration_s = seconds(item);
                artefact.mix_url = text(item, &["mix_audio_url", "mixAudioUrl"]);
                found.push(artefact);
            }
            _ => {
                let reason = text(item, &["error", "errorMessage"]).unwrap_or(status);
                let reason = match reason.trim() {
                    "" => "no reason given".to_owned(),
                    reason => redact_text(reason),
                };
                missing.push(MissingTrack {
                    track_id: id.unwrap_or_default(),
                    reason,
                });
            }
        }
    }
    (found, missing)
}

fn seconds(item: &Value) -> Option<f64> {
    number(item, &["duration"]).filter(|&seconds| seconds > 0.0 && seconds <= LONGEST_S)
}
