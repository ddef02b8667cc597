//! One finished recording of a task, in the contract's two casings.
//!
//! Record-info uses camelCase; callbacks use snake_case (except `createTime`). [`Track::read`] accepts both, because resellers
//! mix them; each of the two writers uses one.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::lenient::{as_integer, number, text};
use crate::music::Music;
use crate::notes::Notes;

/// The vendors' format of a time. The zone is not documented; UTC is assumed.
const CREATED: &str = "%Y-%m-%d %H:%M:%S";

/// Most tracks of one response that are read. Vendors document two; a response with thousands is not from a vendor.
const TRACK_LIMIT: usize = 64;

/// A recording that a task makes. A field that the vendor left out, or wrote as `null` or as an empty text, is `None`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Track {
    /// The vendor's id of the track; empty if it gave none.
    pub id: String,
    /// Address of the finished file; `None` while it is being made.
    pub audio_url: Option<String>,
    /// Address of the same file at the vendor's own source.
    pub source_audio_url: Option<String>,
    /// Address of the stream that plays while the track is being made.
    pub stream_audio_url: Option<String>,
    /// Address of the same stream at the vendor's own source.
    pub source_stream_audio_url: Option<String>,
    /// Address of the cover image.
    pub image_url: Option<String>,
    /// Address of the same image at the vendor's own source.
    pub source_image_url: Option<String>,
    /// The prompt that the track was made from.
    pub prompt: Option<String>,
    /// The vendor's internal name of the model.
    pub model_name: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// Its tags.
    pub tags: Option<String>,
    /// Creation time, Unix time in milliseconds.
    pub created_ms: Option<i64>,
    /// Its length in seconds, above 0 and at most a day; `None` for other values.
    pub duration_s: Option<f64>,
    /// Address of the mix with the vocal: an extension of the studio.
    pub mix_audio_url: Option<String>,
    /// The music of the track: an extension of the studio. It is read here but never written.
    pub music: Option<Box<Music>>,
    /// The name of the artefact, if a step made the track; see [`Artefact::name`](crate::Artefact::name).
    pub artefact: Option<String>,
    /// The vendor's id of the song's track that it was made from, if a step made it and the response names one.
    pub made_of: Option<String>,
    /// The notes, if the track is notes and not a file.
    pub notes: Option<Arc<Notes>>,
}

/// Longest length that is believed, in seconds: one day. No vendor makes a track of a hundredth of that, so a larger value is
/// an error.
const LONGEST_S: f64 = 86_400.0;

impl Track {
    /// Reads a track from a JSON object in either casing; `None` if the value is not an object.
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

    /// Every address of the finished file, the best first, each once. `source_audio_url` is deprecated, and at times it is the
    /// only address that works. Stream addresses are left out: a stream can end before the recording does.
    pub fn audio_urls(&self) -> impl Iterator<Item = &str> {
        let source = self.source_audio_url.as_deref();
        let source = source.filter(|url| Some(*url) != self.audio_url.as_deref());
        self.audio_url.as_deref().into_iter().chain(source)
    }

    /// Whether the finished file has an address or the notes are present.
    pub fn is_available(&self) -> bool {
        self.audio_urls().next().is_some() || self.notes.is_some()
    }

    /// The tracks of a JSON array; empty if the value is not an array.
    pub(crate) fn read_all(value: &Value) -> Vec<Self> {
        value.as_array().map_or_else(Vec::new, |items| {
            items
                .iter()
                .take(TRACK_LIMIT)
                .filter_map(Self::read)
                .collect()
        })
    }

    /// The track as record-info writes it: camelCase, `null` for a file that does not exist yet.
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

    /// The track as a callback writes it: snake_case. A file that does not exist yet has an empty text and no `duration`.
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

/// Writes a field only if it has a value.
fn extra(object: &mut Value, key: &str, field: &Option<String>) {
    if let Some(text) = field {
        object[key] = json!(text);
    }
}

/// Reads a time as a number (milliseconds or seconds) or as a text in either common format.
fn read_created(value: &Value) -> Option<i64> {
    if let Some(integer) = as_integer(value) {
        // 10^11 seconds is in the year 5138 and 10^11 milliseconds in 1973, before any track was made.
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

/// `ms` in the documents' time format; `None` outside the years with four digits.
fn write_created(ms: i64) -> Option<String> {
    let timestamp = Timestamp::from_millisecond(ms).ok()?;
    Some(
        TimeZone::UTC
            .to_datetime(timestamp)
            .strftime(CREATED)
            .to_string(),
    )
}
