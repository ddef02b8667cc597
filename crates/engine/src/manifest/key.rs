//! A job's identity: the hash of what would be sent and of the recording.
//!
//! The encoding is frozen. A field is its length as eight little-endian bytes, then its bytes; an optional field is a 0, or a 1
//! and the field. A change to it would buy everything again, so tests pin keys.

use backline_api::VocalGender;
use url::Url;

use crate::plan::{JobKey, Settings};

/// First of all that is hashed; a new encoding needs a new one.
const DOMAIN: &str = "backline job key, version 1";
const OPERATION: &str = "add-instrumental";

/// What a job does something to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Recording<'a> {
    /// A file, by the BLAKE3 hash of its bytes.
    Content(&'a [u8; 32]),
    /// An address.
    Address(&'a Url),
}

/// The key of a job.
pub(crate) fn job_key(
    profile: &str,
    recording: Recording<'_>,
    settings: &Settings,
    take: u32,
) -> JobKey {
    let mut hash = Encoder(blake3::Hasher::new());
    hash.field(DOMAIN.as_bytes());
    hash.field(OPERATION.as_bytes());
    hash.field(profile.as_bytes());
    match recording {
        Recording::Content(content) => {
            hash.field(b"content");
            hash.field(content);
        }
        Recording::Address(url) => {
            hash.field(b"url");
            hash.field(url.as_str().as_bytes());
        }
    }
    hash.field(settings.title.as_bytes());
    hash.field(settings.tags.as_bytes());
    hash.field(settings.negative_tags.as_bytes());
    hash.field(settings.model.as_bytes());
    let gender = settings.vocal_gender.map(|gender| match gender {
        VocalGender::M => b"m",
        VocalGender::F => b"f",
    });
    hash.optional(gender.map(|gender| &gender[..]));
    for weight in [
        settings.style_weight,
        settings.weirdness_constraint,
        settings.audio_weight,
    ] {
        hash.optional(
            weight
                .map(|weight| [weight.hundredths()])
                .as_ref()
                .map(|byte| &byte[..]),
        );
    }
    hash.optional(settings.lyrics.as_deref().map(str::as_bytes));
    hash.optional(
        settings
            .variety
            .map(|variety| [variety])
            .as_ref()
            .map(|byte| &byte[..]),
    );
    hash.field(&take.to_le_bytes());
    JobKey::from_bytes(*hash.0.finalize().as_bytes())
}

struct Encoder(blake3::Hasher);

impl Encoder {
    fn field(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn optional(&mut self, bytes: Option<&[u8]>) {
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
    use backline_api::Weight;

    fn settings() -> Settings {
        Settings {
            title: "Verse".into(),
            tags: "calm piano".into(),
            negative_tags: String::new(),
            model: "V4_5PLUS".into(),
            vocal_gender: None,
            style_weight: Weight::from_hundredths(61),
            weirdness_constraint: None,
            audio_weight: None,
            lyrics: None,
            variety: None,
        }
    }

    /// If this fails, every ledger would be bought again: put the encoding back.
    #[test]
    fn keys_never_change() {
        let full = Settings {
            vocal_gender: Some(VocalGender::F),
            weirdness_constraint: Weight::from_hundredths(0),
            audio_weight: Weight::from_hundredths(100),
            lyrics: Some("la".into()),
            variety: Some(4),
            ..settings()
        };
        let url = Url::parse("https://cdn.example.com/hook.mp3").unwrap();
        let keys = [
            job_key("studio", Recording::Content(&[7; 32]), &settings(), 1),
            job_key("sunoapi", Recording::Address(&url), &settings(), 2),
            job_key("kie", Recording::Content(&[0; 32]), &full, 1),
        ];
        let expected = [
            "a9cee953a0d95fe4423bfc3a5a4184a58ae5335901cef9f133cef8460fea3c84",
            "46874eed07c6e10ecbe295d5f51a3019ca65d386acc6115ae7e3936e95d9d560",
            "cfc3c3b8f6b82653b7e22f3f3aa013ddfcb28e0946ddd316a1d79297b0ef96f9",
        ];
        assert_eq!(keys.map(|key| key.to_string()), expected);
    }

    #[test]
    fn whatever_is_sent_changes_the_key() {
        let base = job_key("studio", Recording::Content(&[7; 32]), &settings(), 1);
        let changes: [fn(&mut Settings); 10] = [
            |it| it.title.push('!'),
            |it| it.tags.push('!'),
            |it| it.negative_tags.push('!'),
            |it| it.model.push('!'),
            |it| it.vocal_gender = Some(VocalGender::M),
            |it| it.style_weight = None,
            |it| it.weirdness_constraint = Weight::from_hundredths(61),
            |it| it.audio_weight = Weight::from_hundredths(61),
            |it| it.lyrics = Some(String::new()),
            |it| it.variety = Some(0),
        ];
        let mut seen = vec![
            base,
            job_key("kie", Recording::Content(&[7; 32]), &settings(), 1),
            job_key("studio", Recording::Content(&[8; 32]), &settings(), 1),
            job_key("studio", Recording::Content(&[7; 32]), &settings(), 2),
        ];
        for change in changes {
            let mut changed = settings();
            change(&mut changed);
            seen.push(job_key("studio", Recording::Content(&[7; 32]), &changed, 1));
        }
        let distinct: std::collections::HashSet<_> = seen.iter().collect();
        assert_eq!(distinct.len(), seen.len());
    }

    #[test]
    fn text_does_not_move_between_fields() {
        let left = Settings {
            title: "ab".into(),
            tags: "c".into(),
            ..settings()
        };
        let right = Settings {
            title: "a".into(),
            tags: "bc".into(),
            ..settings()
        };
        let key =
            |settings: &Settings| job_key("studio", Recording::Content(&[7; 32]), settings, 1);
        assert_ne!(key(&left), key(&right));
    }
}
