//! The studio that a command starts if the manifest has `provider: studio`. It uses a free loopback port, stores its data beside
//! the ledger, and stops with the command.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use backline_api::RateLimit;
use backline_engine::plan::{Embedded, Provider, StudioAudio};
use backline_studio::{Prices, Studio, StudioConfig};
use tokio::net::TcpListener;

use crate::args::{AudioFormat, SoundArgs};
use crate::failure::{Failure, Kind};
use crate::sound::ChosenSound;

/// The studio's folder, beside the ledger.
const FOLDER: &str = "studio";

/// Reads the SoundFont of a provider that is a studio, as the studio would, and fails if it can't be read.
pub(crate) fn check_sound(provider: &Provider) -> Result<(), Failure> {
    provider
        .embedded
        .as_ref()
        .map_or(Ok(()), |sound| choice(sound).map(drop))
}

/// Starts a studio if the provider is one, with its data in the folder `local`, and sets the provider's addresses to it.
pub(crate) async fn start(
    provider: &mut Provider,
    local: &Path,
) -> Result<Option<Studio>, Failure> {
    let Some(sound) = &provider.embedded else {
        return Ok(None);
    };
    let mut config = StudioConfig::new(local.join(FOLDER));
    choice(sound)?.into_config(&mut config);
    // The provider table gives the studio's price as 0, so the balance must not decrease.
    config.prices = Prices::FREE;
    // The manifest's rate limit applies: the studio accepts as many requests as the run may send.
    let RateLimit { count, window_ms } = provider.profile.rate;
    config.rate = (count < u32::MAX).then(|| (count, Duration::from_millis(window_ms)));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .map_err(|error| {
            Failure::new(
                Kind::Usage,
                anyhow::Error::new(error).context("the studio cannot listen on loopback"),
            )
        })?;
    let studio = Studio::start(listener, config).await?;
    provider.profile.base_url = studio.base_url().clone();
    provider.profile.upload_url = studio.base_url().clone();
    Ok(Some(studio))
}

fn choice(sound: &Embedded) -> Result<ChosenSound, Failure> {
    ChosenSound::of(&SoundArgs {
        audio: Some(match sound.audio {
            StudioAudio::Mp3 => AudioFormat::Mp3,
            StudioAudio::Flac => AudioFormat::Flac,
            StudioAudio::Wav => AudioFormat::Wav,
        }),
        soundfont: sound.soundfont.as_ref().map(|font| font.file.clone()),
    })
}
