//! The provider of a plan's tracks, and how an embedded studio sounds.

use std::path::PathBuf;

use backline_api::Profile;

/// The provider of the tracks.
#[derive(Debug, Clone)]
pub struct Provider {
    /// The vendor's contract as data. The base URL of an embedded studio is filled in when it has started.
    pub profile: Profile,
    /// How the studio sounds that is started inside the process; none where the provider is elsewhere.
    pub embedded: Option<Embedded>,
    /// The environment variable that contains the key.
    pub api_key_env: String,
}

/// Twelve hexadecimal digits that tell texts apart and reveal nothing of them.
pub(crate) fn fingerprint(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..12].to_owned()
}

impl Provider {
    /// The address that requests go to. An embedded studio has none of its own: its port changes with each run.
    pub(crate) fn address(&self) -> &str {
        match self.embedded {
            Some(_) => "embedded",
            None => self.profile.base_url.as_str(),
        }
    }

    /// A fingerprint of the provider's address, which does not reveal it.
    pub(crate) fn address_fingerprint(&self) -> String {
        fingerprint(self.address())
    }

    /// What the provider is in a job's key: its name, and of an embedded studio whatever makes it sound other than it does by
    /// itself, since its tracks are other tracks then.
    pub fn identity(&self) -> String {
        self.identity_as(&self.profile.name)
    }

    /// The same, under another name of the provider.
    pub(crate) fn identity_as(&self, name: &str) -> String {
        let mut identity = name.to_owned();
        let Some(studio) = &self.embedded else {
            return identity;
        };
        if studio.audio != StudioAudio::default() {
            identity.push('+');
            identity.push_str(studio.audio.as_str());
        }
        if let Some(font) = &studio.soundfont {
            identity.push('+');
            identity.push_str(&blake3::Hash::from_bytes(font.hash).to_hex());
        }
        identity
    }
}

/// How an embedded studio sounds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Embedded {
    /// The file format of its tracks.
    pub audio: StudioAudio,
    /// What it plays with; none is its own instruments.
    pub soundfont: Option<StudioFont>,
}

/// A file format that the studio writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StudioAudio {
    /// MP3.
    #[default]
    Mp3,
    /// FLAC.
    Flac,
    /// WAV.
    Wav,
}

impl StudioAudio {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Mp3, Self::Flac, Self::Wav];

    /// Its name in manifests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mp3 => "mp3",
            Self::Flac => "flac",
            Self::Wav => "wav",
        }
    }
}

/// A SoundFont that a manifest names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StudioFont {
    /// The file.
    pub file: PathBuf,
    /// BLAKE3 hash of its bytes.
    pub hash: [u8; 32],
}
