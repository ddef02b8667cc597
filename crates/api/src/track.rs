//! One finished recording of a task, in the two casings the contract writes it in.
//!
//! Record-info writes camelCase and callbacks write snake_case (but `createTime`). [`Track::read`] takes either, for resellers
//! mix them; the two writers each keep to theirs.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::lenient::{as_integer, number, text};
use crate::music::Music;
use crate::notes::Notes;

/// The vendors' way to write a time. The zone is undocumented; it is taken as UTC.
const CREATED: &str = "%Y-%m-%d %H:%M:%S";

/// Most tracks that are read from one response. Two are promised; a response with thousands is not from a vendor.
const TRACK_LIMIT: usize = 64;

/// A recording that a task makes. What the vendor left out, wrote as `null` or as an empty text is `None`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Track {
    /// The vendor's name for it; empty when it gave none.
    pub id: String,
    /// Where the finished file lies. `None` while it is being made.
    pub audio_url: Option<String>,
    /// The same at the vendor's own source.
    pub source_audio_url: Option<String>,
    /// Where it can be heard while it is being made.
    pub stream_audio_url: Option<String>,
    /// The same at the vendor's own source.
    pub source_stream_audio_url: Option<String>,
    /// The cover.
    pub image_url: Option<String>,
    /// The same at the vendor's own source.
    pub source_image_url: Option<String>,
    /// The text that it was made from.
    pub prompt: Option<String>,
    /// The vendor's inner name of the model.
    pub model_name: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// Its tags.
    pub tags: Option<String>,
    /// When it was made, Unix time in milliseconds.
    pub created_ms: Option<i64>,
    /// Its length in seconds, above 0 and at most a day; none for what is no length.
    pub duration_s: Option<f64>,
    /// The studio's own extra: where the mix with the vocal lies.
    pub mix_audio_url: Option<String>,
    /// The studio's own extra: what the track sounds like. It is read and never written here.
    pub music: Option<Box<Music>>,
    /// What it is, where a step made it: see [`Artefact::name`](crate::Artefact::name).
    pub artefact: Option<String>,
    /// The vendor's id of the song's track that it was made of, where a step made it and the response names one.
    pub made_of: Option<String>,
    /// Its content, where that is notes and no file.
    pub notes: Option<Arc<Notes>>,
}

/// A day: no vendor makes a track of a hundredth of it, and what is longer is a slip.
const LONGEST_S: f64 = 86_400.0;

impl Track {
    /// The track that a JSON object describes, in either casing. `None` for what is no object.
    pub fn read(value: &Value) -> Option<Self> {
        value.as_object()?;
        Some(Self {
            id: text(value, &["id"]).unwrap_or_default(),
            audio_url: text(value, &["audioUrl", "audio_url"]),
            source_audio_url: text(value, &["sourceAudioUrl", "source_audio_url"]),
            stream_audio_url: text(value, &["streamAudioUrl", "stream_audio_url"]),
            source_stream_audio_url: text(
                value,
                &["sourceStreamAudioUrl", "source_stream_audio_url"],
            ),
            image_url: text(value, &["imageUrl", "image_url"]),
            source_image_url: text(value, &["sourceImageUrl", "source_image_url"]),
            prompt: text(value, &["prompt"]),
            model_name: text(value, &["modelName", "model_name"]),
            title: text(value, &["title"]),
            tags: text(value, &["tags"]),
            created_ms: ["createTime", "create_time"]
                .iter()
                .find_map(|key| read_created(value.get(key)?)),
            duration_s: number(value, &["duration"])
                .filter(|&seconds| seconds > 0.0 && seconds <= LONGEST_S),
            mix_audio_url: text(value, &["mixAudioUrl", "mix_audio_url"]),
            music: Music::read(value).map(Box::new),
            artefact: None,
            made_of: None,
            notes: None,
        })
    }

    /// Every address of the finished file, best first and each once. `source_audio_url` is deprecated and at times the only good
    /// one. Stream addresses are not among them: they can end before the recording does.
    pub fn audio_urls(&self) -> impl Iterator<Item = &str> {
        let source = self.source_audio_url.as_deref();
        let source = source.filter(|url| Some(*url) != self.audio_url.as_deref());
        self.audio_url.as_deref().into_iter().chain(source)
    }

    /// Whether the finished file has an address, or is here as notes.
    pub fn is_available(&self) -> bool {
        self.audio_urls().next().is_some() || self.notes.is_some()
    }

    /// The tracks of a JSON array; what is no array has none.
    pub(crate) fn read_all(value: &Value) -> Vec<Self> {
        value.as_array().map_or_else(Vec::new, |items| {
            items
                .iter()
                .take(TRACK_LIMIT)
                .filter_map(Self::read)
                .collect()
        })
    }

    /// As record-info writes it: camelCase, `null` for a file that is not there yet.
    pub fn to_record_info(&self) -> Value {
        let mut object = json!({
            "id": self.id,
            "audioUrl": self.audio_url,
        });
        extra(&mut object, "sourceAudioUrl", &self.source_audio_url);
        object["streamAudioUrl"] = json!(self.stream_audio_url);
        extra(
            &mut object,
            "sourceStreamAudioUrl",
            &self.source_stream_audio_url,
        );
        object["imageUrl"] = json!(self.image_url);
        extra(&mut object, "sourceImageUrl", &self.source_image_url);
        object["prompt"] = json!(self.prompt.as_deref().unwrap_or_default());
        object["modelName"] = json!(self.model_name.as_deref().unwrap_or_default());
        object["title"] = json!(self.title.as_deref().unwrap_or_default());
        object["tags"] = json!(self.tags.as_deref().unwrap_or_default());
        object["createTime"] = json!(self.created_ms.and_then(write_created));
        object["duration"] = json!(self.duration_s);
        extra(&mut object, "mixAudioUrl", &self.mix_audio_url);
        object
    }

    /// As a callback writes it: snake_case, an empty text for a file that is not there yet, and then no `duration`.
    pub fn to_callback(&self) -> Value {
        let written = |field: &Option<String>| json!(field.as_deref().unwrap_or_default());
        let mut object = json!({
            "id": self.id,
            "audio_url": written(&self.audio_url),
            "source_audio_url": written(&self.source_audio_url),
            "stream_audio_url": written(&self.stream_audio_url),
            "source_stream_audio_url": written(&self.source_stream_audio_url),
            "image_url": written(&self.image_url),
            "source_image_url": written(&self.source_image_url),
            "prompt": written(&self.prompt),
            "model_name": written(&self.model_name),
            "title": written(&self.title),
            "tags": written(&self.tags),
            "createTime": self.created_ms.and_then(write_created),
        });
        if let Some(duration_s) = self.duration_s {
            object["duration"] = json!(duration_s);
        }
        extra(&mut object, "mix_audio_url", &self.mix_audio_url);
        object
    }
}

/// Writes a field only where it has a value.
fn extra(object: &mut Value, key: &str, field: &Option<String>) {
    if let Some(text) = field {
        object[key] = json!(text);
    }
}

/// A time as a text of either common form, in milliseconds or in seconds.
fn read_created(value: &Value) -> Option<i64> {
    if let Some(integer) = as_integer(value) {
        // 10^11 seconds lie in the year 5138, 10^11 milliseconds in 1973: before there was anything to date.
        return Some(if integer.unsigned_abs() < 100_000_000_000 {
            integer * 1000
        } else {
            integer
        })
        .filter(|&ms| ms > 0);
    }
    let text = value.as_str()?.trim();
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(timestamp.as_millisecond());
    }
    let civil: DateTime = text.parse().ok()?;
    Some(TimeZone::UTC.to_timestamp(civil).ok()?.as_millisecond())
}

/// `ms` as the documents write times; `None` outside the years that have four digits.
fn write_created(ms: i64) -> Option<String> {
    let timestamp = Timestamp::from_millisecond(ms).ok()?;
    Some(
        TimeZone::UTC
            .to_datetime(timestamp)
            .strftime(CREATED)
            .to_string(),
    )
}
