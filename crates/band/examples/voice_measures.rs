//! Prints how well recorded voices are heard over the band, one JSON object a recording and style.
//!
//! ```text
//! cargo run --release -p backline-band --example voice_measures -- "pop ballad,metal" VOCAL…
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measuring program prints, and one that unwraps says where it failed"
)]

#[path = "../tests/measures/listening.rs"]
mod listening;
#[path = "../tests/song/mod.rs"]
mod song;

use backline_audio::{decode, resample};
use backline_band::{RATE_HZ, Request, Session, SoundSource, Voice, Voicing, layers};
use listening::{spectrum_off_db, unmasked};
use serde_json::json;

fn main() {
    let mut args = std::env::args().skip(1);
    let styles = args.next().unwrap_or_default();
    for path in args {
        let vocal = decode(&std::fs::read(&path).unwrap()).unwrap();
        let sung = Voice::new(resample(vocal.clone(), RATE_HZ).unwrap().to_mono());
        for style in styles.split(',') {
            let request = Request {
                tags: style.to_owned(),
                negative_tags: String::new(),
                style_weight: 0.5,
                weirdness_constraint: 0.3,
                audio_weight: 0.5,
                singer: None,
                seed: 1,
                takes: 1,
            };
            let session = Session::new(&vocal, &request, SoundSource::Own).unwrap();
            let take = session.take(0).unwrap();
            let voicing = Voicing::of(&take.score);
            let (voice, band) = layers(&sung, &take.instrumental, &voicing);
            println!(
                "{}",
                json!({
                    "vocal": path,
                    "style": style,
                    "unmasked": unmasked(&voice, &band, &session.analysis.notes),
                    "band_off_db": spectrum_off_db(&take.instrumental),
                    "mix_off_db": spectrum_off_db(&take.mix),
                })
            );
        }
    }
}
