//! A job's identity: the hash of what would be sent and of the recording.
//!
//! Two things that are sent say nothing of what the job is, and are no part of it: the title that a job has when the manifest gives
//! none, for it is made of names, and the signature of an address. The encoding of a job with a title of its own is the first one;
//! one without has the second.
//!
//! Earlier programs took both into the key, and the line break at the end of a YAML block too. [`former_keys`] are the keys that they
//! gave a job, by which [`recognize`](crate::recognize) finds what they bought.
//!
//! The encoding is frozen. A field is its length as eight little-endian bytes, then its bytes; an optional field is a 0, or a 1
//! and the field. The first [`POSITIONAL`] settings are hashed in the table's order, whether they are set or not; a setting that
//! was added later is hashed only where it is set, with its name. A change to it would buy everything again, so tests pin keys.

use std::borrow::Cow;

use backline_api::{SETTINGS, Setting, SettingValue, Settings};
use indexmap::IndexMap;
use url::Url;

use super::address::unsigned;
use super::key::JobKey;
use super::title::TitleIdentity;

/// First of all that is hashed of a job whose title is a part of what it is; a new encoding needs a new one.
const WITH_TITLE: &str = "backline job key, version 1";

/// The same of a job that has the title for those who give none.
const WITHOUT_TITLE: &str = "backline job key, version 2";

/// The same of a step, whose parent's key stands for provider and recording.
const STEP: &str = "backline job key, version 3";

/// How many settings there were when the encoding was frozen.
const POSITIONAL: usize = 10;

/// What a job does something to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RecordingIdentity<'a> {
    /// A file, by the BLAKE3 hash of its bytes.
    Content(&'a [u8; 32]),
    /// An address.
    Address(&'a Url),
}

/// Everything that a job's key is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JobIdentity<'a> {
    /// The operation's name.
    pub(crate) operation: &'a str,
    /// What the provider is: see [`Provider::identity`](crate::plan::Provider::identity).
    pub(crate) profile: &'a str,
    pub(crate) recording: RecordingIdentity<'a>,
    pub(crate) settings: &'a Settings,
    pub(crate) title: TitleIdentity,
    pub(crate) take: u32,
}

/// The key of a job.
pub(crate) fn job_key(request: &JobIdentity<'_>) -> JobKey {
    let address = match request.recording {
        RecordingIdentity::Address(url) => Some(unsigned(url)),
        RecordingIdentity::Content(_) => None,
    };
    let recording = match &address {
        Some(url) => RecordingIdentity::Address(url),
        None => request.recording,
    };
    encode(&JobIdentity {
        recording,
        ..*request
    })
}

/// The key that earlier programs gave to a job: all that is sent was a part of it.
pub(crate) fn first_key(request: &JobIdentity<'_>) -> JobKey {
    encode(&JobIdentity {
        title: TitleIdentity::Chosen,
        ..*request
    })
}

/// Keys that this job may have been bought under, the likeliest first. `default_title` is what its title would be if it were given
/// none.
pub(crate) fn former_keys(request: &JobIdentity<'_>, default_title: &str) -> Vec<JobKey> {
    let own = job_key(request);
    let mut keys = Vec::new();
    let mut add = |key: JobKey| {
        if key != own && !keys.contains(&key) {
            keys.push(key);
        }
    };
    let mut addresses = vec![request.recording];
    let shorter;
    if let RecordingIdentity::Address(url) = request.recording
        && let Cow::Owned(url) = unsigned(url)
    {
        shorter = url;
        addresses.push(RecordingIdentity::Address(&shorter));
    }
    for recording in addresses {
        let as_first = JobIdentity {
            recording,
            title: TitleIdentity::Chosen,
            ..*request
        };
        add(encode(&as_first));
        // A block's line break at the end was sent, and so was a part of the key.
        let settings = request.settings;
        let breaks = |at: u8| [1, 2, 4].map(|bit| at & bit != 0);
        for [title, tags, negative_tags] in (1..8).map(breaks) {
            let mut settings = settings.clone();
            for (setting, is_broken) in [
                (Setting::TITLE, title),
                (Setting::TAGS, tags),
                (Setting::NEGATIVE_TAGS, negative_tags),
            ] {
                if is_broken {
                    let text = format!("{}\n", settings.text(setting));
                    settings.set(setting, Some(text.as_str().into()));
                }
            }
            add(encode(&JobIdentity {
                settings: &settings,
                ..as_first
            }));
        }
    }
    if request.title == TitleIdentity::Chosen
        && request.settings.text(Setting::TITLE) == default_title
    {
        // Its title was written out after it had been bought without one.
        add(job_key(&JobIdentity {
            title: TitleIdentity::Default { nth: 1 },
            ..*request
        }));
    }
    keys
}

/// The key of a step: of the operation, the job whose result it processes, the track of the song, and its settings in the order of
/// the operation's table, each with its name.
pub(crate) fn step_key(
    operation: &str,
    parent: &JobKey,
    track: u32,
    settings: &IndexMap<String, String>,
) -> JobKey {
    let mut hash = Encoder(blake3::Hasher::new());
    hash.field(STEP);
    hash.field(operation);
    hash.field(parent.to_bytes());
    hash.field(track.to_le_bytes());
    for (name, value) in settings {
        hash.field(name);
        hash.field(value);
    }
    JobKey::from_bytes(*hash.0.finalize().as_bytes())
}

fn encode(request: &JobIdentity<'_>) -> JobKey {
    let settings = request.settings;
    let mut hash = Encoder(blake3::Hasher::new());
    let domain = match request.title {
        TitleIdentity::Chosen => WITH_TITLE,
        TitleIdentity::Default { .. } => WITHOUT_TITLE,
    };
    hash.field(domain.as_bytes());
    hash.field(request.operation.as_bytes());
    hash.field(request.profile.as_bytes());
    match request.recording {
        RecordingIdentity::Content(content) => {
            hash.field(b"content");
            hash.field(content);
        }
        RecordingIdentity::Address(url) => {
            hash.field(b"url");
            hash.field(url.as_str().as_bytes());
        }
    }
    for setting in Setting::all().take(POSITIONAL) {
        let bytes = settings.get(setting).map(bytes_of);
        match setting.is_optional() {
            _ if setting == Setting::TITLE && request.title != TitleIdentity::Chosen => {}
            true => hash.optional(bytes),
            false => hash.field(bytes.unwrap_or_default()),
        }
    }
    for (row, value) in settings.iter() {
        if !SETTINGS[..POSITIONAL].contains(row) {
            hash.field(row.name.as_bytes());
            hash.field(bytes_of(value));
        }
    }
    hash.field(request.take.to_le_bytes());
    if let TitleIdentity::Default { nth } = request.title {
        hash.field(nth.to_le_bytes());
    }
    JobKey::from_bytes(*hash.0.finalize().as_bytes())
}

/// A value as keys hash it.
fn bytes_of(value: &SettingValue) -> Vec<u8> {
    match value {
        SettingValue::Text(text) => text.as_bytes().to_vec(),
        SettingValue::Weight(weight) => vec![weight.hundredths()],
        SettingValue::Whole(whole) => vec![*whole],
    }
}

struct Encoder(blake3::Hasher);

impl Encoder {
    fn field(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn optional(&mut self, bytes: Option<Vec<u8>>) {
        match bytes {
            Some(bytes) => {
                self.0.update(&[1]);
                self.field(bytes);
            }
            None => {
                self.0.update(&[0]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// The sample's settings and others.
    fn with(changes: &Value) -> Settings {
        let mut settings = crate::settings::sample_settings();
        for (name, value) in changes.as_object().unwrap() {
            let setting = Setting::named(name).unwrap();
            settings.set(setting, setting.read(value).unwrap());
        }
        settings
    }

    fn settings() -> Settings {
        with(&json!({"style_weight": 0.61}))
    }

    fn chosen<'a>(
        profile: &'a str,
        recording: RecordingIdentity<'a>,
        settings: &'a Settings,
        take: u32,
    ) -> JobIdentity<'a> {
        JobIdentity {
            operation: "add-instrumental",
            profile,
            recording,
            settings,
            title: TitleIdentity::Chosen,
            take,
        }
    }

    fn unnamed(settings: &Settings, nth: u32) -> JobIdentity<'_> {
        JobIdentity {
            title: TitleIdentity::Default { nth },
            ..chosen("studio", RecordingIdentity::Content(&[7; 32]), settings, 1)
        }
    }

    /// If this fails, every ledger would be bought again: put the encoding back.
    #[test]
    fn keys_never_change() {
        let full = with(
            &json!({"style_weight": 0.61, "vocal_gender": "f", "weirdness_constraint": 0, "audio_weight": 1,
            "lyrics": "la", "variety": 4}),
        );
        let url = Url::parse("https://cdn.example.com/hook.mp3").unwrap();
        let plain = settings();
        let keys = [
            chosen("studio", RecordingIdentity::Content(&[7; 32]), &plain, 1),
            chosen("sunoapi", RecordingIdentity::Address(&url), &plain, 2),
            chosen("kie", RecordingIdentity::Content(&[0; 32]), &full, 1),
            unnamed(&plain, 1),
            unnamed(&plain, 2),
        ];
        let expected = [
            "a9cee953a0d95fe4423bfc3a5a4184a58ae5335901cef9f133cef8460fea3c84",
            "46874eed07c6e10ecbe295d5f51a3019ca65d386acc6115ae7e3936e95d9d560",
            "cfc3c3b8f6b82653b7e22f3f3aa013ddfcb28e0946ddd316a1d79297b0ef96f9",
            "454aff045f166914fc393aa7ec9c6605c680bb6ae818a3f58e7ec6e323ce1c48",
            "646e26c203975a57bf99a3396bd65863f533ee7568dde732957010f6524da556",
        ];
        assert_eq!(keys.map(|request| job_key(&request).to_string()), expected);
    }

    #[test]
    fn whatever_is_sent_changes_the_key() {
        let plain = settings();
        let base = job_key(&chosen(
            "studio",
            RecordingIdentity::Content(&[7; 32]),
            &plain,
            1,
        ));
        let changes = [
            ("title", json!("other")),
            ("tags", json!("other")),
            ("negative_tags", json!("other")),
            ("model", json!("other")),
            ("vocal_gender", json!("m")),
            ("style_weight", json!(null)),
            ("weirdness_constraint", json!(0.61)),
            ("audio_weight", json!(0.61)),
            ("lyrics", json!("")),
            ("variety", json!(0)),
        ];
        // A setting that is missing here, or at another place, would change keys.
        assert_eq!(
            changes.each_ref().map(|(name, _)| *name),
            Setting::NAMES[..POSITIONAL]
        );
        let mut seen = vec![
            base,
            job_key(&chosen(
                "kie",
                RecordingIdentity::Content(&[7; 32]),
                &plain,
                1,
            )),
            job_key(&chosen(
                "studio",
                RecordingIdentity::Content(&[8; 32]),
                &plain,
                1,
            )),
            job_key(&chosen(
                "studio",
                RecordingIdentity::Content(&[7; 32]),
                &plain,
                2,
            )),
            job_key(&unnamed(&plain, 1)),
            job_key(&unnamed(&plain, 2)),
        ];
        for (at, (name, value)) in changes.into_iter().enumerate() {
            let changed = with(&json!({"style_weight": 0.61, name: value}));
            let request = chosen("studio", RecordingIdentity::Content(&[7; 32]), &changed, 1);
            seen.push(job_key(&request));
            if at > 0 {
                seen.push(job_key(&unnamed(&changed, 1)));
            }
        }
        let distinct: std::collections::HashSet<_> = seen.iter().collect();
        assert_eq!(distinct.len(), seen.len());
    }

    #[test]
    fn a_title_that_nobody_chose_and_a_signature_change_no_key() {
        let renamed = settings().with(Setting::TITLE, "Chorus");
        assert_eq!(
            job_key(&unnamed(&settings(), 1)),
            job_key(&unnamed(&renamed, 1))
        );
        let signed = |query: &str| {
            let url = Url::parse(&format!("https://cdn.example.com/a.mp3{query}")).unwrap();
            job_key(&chosen(
                "kie",
                RecordingIdentity::Address(&url),
                &settings(),
                1,
            ))
        };
        assert_eq!(
            signed("?X-Amz-Signature=1&X-Amz-Date=2"),
            signed("?X-Amz-Signature=3&X-Amz-Date=4")
        );
        assert_eq!(signed("?X-Amz-Signature=1"), signed(""));
        assert_ne!(signed("?version=1"), signed("?version=2"));
    }

    /// The encoding of earlier programs: everything that is sent, as it was sent.
    #[test]
    fn former_keys_are_those_of_earlier_programs() {
        let plain = settings();
        let first = |settings: &Settings, recording: RecordingIdentity<'_>| {
            encode(&chosen("studio", recording, settings, 1))
        };
        let content = RecordingIdentity::Content(&[7; 32]);
        let former = former_keys(&unnamed(&plain, 1), "Verse");
        assert_eq!(former[0], first(&plain, content));
        let broken = settings().with(Setting::TAGS, "calm piano\n");
        assert!(former.contains(&first(&broken, content)));

        let url = Url::parse("https://cdn.example.com/a.mp3?Expires=1&Signature=s").unwrap();
        let request = chosen("studio", RecordingIdentity::Address(&url), &plain, 1);
        let former = former_keys(&request, "other");
        assert_eq!(former[0], first(&plain, RecordingIdentity::Address(&url)));

        // Written out after it was bought without a title.
        let written = chosen("studio", content, &plain, 1);
        let former = former_keys(&written, "Verse");
        assert!(former.contains(&job_key(&unnamed(&plain, 1))));
        assert!(!former_keys(&written, "other").contains(&job_key(&unnamed(&plain, 1))));
    }

    /// As [`keys_never_change`]: stems would be paid for again.
    #[test]
    fn keys_of_steps_never_change() {
        let parent = JobKey::from_bytes([7; 32]);
        let split = IndexMap::from([("type".to_owned(), "split_stem".to_owned())]);
        let keys = [
            step_key("wav", &parent, 1, &IndexMap::new()),
            step_key("wav", &parent, 2, &IndexMap::new()),
            step_key("wav", &JobKey::from_bytes([8; 32]), 1, &IndexMap::new()),
            step_key("stems", &parent, 1, &split),
            step_key("stems", &parent, 1, &IndexMap::new()),
        ];
        let distinct: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
        let expected = [
            "4bc59c3d19cb689ee8371c0e0ee8392f15022567516046635b85d107e9250576",
            "0bb2ac30aa73d25018c16c8341221175483a2e7e977d2ff448599f7e27002351",
        ];
        assert_eq!([keys[0], keys[3]].map(|key| key.to_string()), expected);
    }

    #[test]
    fn text_does_not_move_between_fields() {
        let left = settings()
            .with(Setting::TITLE, "ab")
            .with(Setting::TAGS, "c");
        let right = settings()
            .with(Setting::TITLE, "a")
            .with(Setting::TAGS, "bc");
        let key = |settings: &Settings| {
            job_key(&chosen(
                "studio",
                RecordingIdentity::Content(&[7; 32]),
                settings,
                1,
            ))
        };
        assert_ne!(key(&left), key(&right));
    }
}
