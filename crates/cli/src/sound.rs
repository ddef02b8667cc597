//! The sound of the band: the file format and the SoundFont that the user chose.

use backline_audio::Encoding;
use backline_band::SoundSource;
use backline_engine::manifest::{AUTO, installed_soundfont};
use backline_studio::{SoundFont, StudioConfig};

use crate::args::{AudioFormat, SoundArgs};
use crate::failure::{Failure, Kind};

/// The bit rate of MP3, which is transparent for most listeners and is what providers send.
const MP3_KBPS: u32 = 192;

/// The chosen sound, ready for use.
pub(crate) struct ChosenSound {
    /// The encoding of written files.
    pub(crate) encoding: Encoding,
    /// The SoundFont; without one, the band synthesises its sound.
    pub(crate) soundfont: Option<SoundFont>,
}

impl ChosenSound {
    /// Finds and reads the SoundFont, if the arguments name one. Blocks.
    pub(crate) fn of(args: &SoundArgs) -> Result<Self, Failure> {
        let file = match &args.soundfont {
            Some(named) if named.as_os_str() == AUTO => {
                Some(installed_soundfont().map_err(|none| {
                    Failure::msg(Kind::Usage, none.to_string()).hint(none.help())
                })?)
            }
            named => named.clone(),
        };
        let soundfont = file.as_deref().map(SoundFont::open).transpose();
        Ok(Self {
            encoding: match args.audio.unwrap_or_default() {
                AudioFormat::Mp3 => Encoding::Mp3 { kbps: MP3_KBPS },
                AudioFormat::Flac => Encoding::Flac,
                AudioFormat::Wav => Encoding::Wav16,
            },
            soundfont: soundfont.map_err(|error| Failure::new(Kind::Usage, error))?,
        })
    }

    /// The source of the band's sound.
    pub(crate) fn sound(&self) -> SoundSource {
        self.soundfont
            .as_ref()
            .map_or(SoundSource::Own, SoundFont::sound)
    }

    /// Sets this sound in a studio's configuration.
    pub(crate) fn into_config(self, config: &mut StudioConfig) {
        config.encoding = self.encoding;
        config.soundfont = self.soundfont;
    }
}
