//! How the built-in studio sounds.

use std::path::Path;

use super::installed::{AUTO, installed_soundfont};
use crate::manifest::source::fields::Fields;
use crate::manifest::source::files::open_regular;
use crate::manifest::source::report::Report;
use crate::manifest::template::fixed::RenderFixed;
use crate::nearest::suggestion;
use crate::plan::{Embedded, StudioAudio, StudioFont};

/// How the built-in studio is to sound.
pub(crate) fn read_sound(
    fields: &Fields<'_>,
    folder: &Path,
    fixed: &RenderFixed<'_>,
    report: &mut Report,
) -> Embedded {
    let mut sound = Embedded::default();
    if let Some(named) = fields.text("audio", report) {
        let found = StudioAudio::ALL
            .into_iter()
            .find(|audio| audio.as_str() == named.text);
        match found {
            Some(audio) => sound.audio = audio,
            None => {
                let known = StudioAudio::ALL.map(StudioAudio::as_str);
                report
                    .error_at(
                        named.span,
                        format!("the studio writes no `{}`", named.text),
                        "expected mp3, flac or wav",
                    )
                    .maybe_help(suggestion(&named.text, known));
            }
        }
    }
    if let Some(text) = fields.text("soundfont", report)
        && let Some(rendered) = fixed(&text, report)
    {
        let file = if rendered == AUTO {
            match installed_soundfont() {
                Ok(file) => file,
                Err(none) => {
                    report
                        .error_at(
                            text.span,
                            none.to_string(),
                            "expected an installed SoundFont",
                        )
                        .help(none.help());
                    return sound;
                }
            }
        } else {
            folder.join(&rendered)
        };
        match hash(&file) {
            Ok(hash) => sound.soundfont = Some(StudioFont { file, hash }),
            Err(error) => {
                report.error_at(
                    text.span,
                    format!("the SoundFont `{rendered}` can't be read: {error}"),
                    "expected `auto`, or an .sf2 file named from the manifest's folder",
                );
            }
        }
    }
    sound
}

/// The hash of a file, read in pieces: a SoundFont is large.
fn hash(file: &Path) -> std::io::Result<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    let file = open_regular(file).map_err(|problem| std::io::Error::other(problem.to_string()))?;
    hasher.update_reader(file)?;
    Ok(*hasher.finalize().as_bytes())
}
