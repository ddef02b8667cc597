//! Accompanies a recording and writes what the band made of it: for listening, and for measuring with other tools.
//!
//! ```text
//! cargo run --release -p backline-band --example render -- VOCAL OUT_DIR "TAGS" ["NEGATIVE TAGS"] [SEED] [stems]
//! ```

use std::{error::Error, fs, path::Path, time::Instant};

use backline_audio::{Audio, Encoding, decode, encode};
use backline_band::{Request, Session, SoundSource};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [vocal, folder, tags, rest @ ..] = args.as_slice() else {
        return Err("a vocal, a folder and tags are expected".into());
    };
    let vocal = decode(&fs::read(vocal)?)?;
    let request = Request {
        tags: tags.clone(),
        negative_tags: rest.first().cloned().unwrap_or_default(),
        style_weight: 0.5,
        weirdness_constraint: 0.3,
        audio_weight: 0.5,
        singer: None,
        seed: rest.get(1).map_or(Ok(1), |seed| seed.parse())?,
        takes: 2,
    };
    let folder = Path::new(folder);
    fs::create_dir_all(folder)?;
    let write = |name: &str, audio: &Audio| -> Result<(), Box<dyn Error>> {
        Ok(fs::write(
            folder.join(name),
            encode(audio, Encoding::Wav16)?,
        )?)
    };
    let start = Instant::now();
    let session = Session::new(&vocal, &request, SoundSource::Own)?;
    let listened_s = start.elapsed().as_secs_f64();
    for number in 0..request.takes {
        let start = Instant::now();
        let take = session.take(number)?;
        let facts = serde_json::json!({
            "listen_s": listened_s,
            "take_s": start.elapsed().as_secs_f64(),
            "facts": take.facts,
            "bars_s": take.score.beats.iter().filter(|beat| beat.position == 0).map(|beat| beat.time_s).collect::<Vec<_>>(),
            "beats_s": take.score.beats.iter().map(|beat| beat.time_s).collect::<Vec<_>>(),
            "parts": take.score.parts.iter().map(|part| {
                let notes: Vec<_> = part.notes.iter().map(|note| (note.start_s, note.length_s, note.midi, note.velocity)).collect();
                serde_json::json!({"instrument": part.instrument.name(), "role": format!("{:?}", part.role), "notes": notes})
            }).collect::<Vec<_>>(),
        });
        fs::write(
            folder.join(format!("{number}.json")),
            serde_json::to_vec(&facts)?,
        )?;
        fs::write(folder.join(format!("{number}.mid")), take.midi())?;
        write(&format!("{number}-instrumental.wav"), &take.instrumental)?;
        write(&format!("{number}-mix.wav"), &take.mix)?;
        if rest.get(2).is_some_and(|word| word == "stems") {
            for (index, stem) in take.stems().enumerate() {
                write(
                    &format!(
                        "{number}-{index}-{}.wav",
                        stem.instrument.name().replace(' ', "-")
                    ),
                    &stem.audio,
                )?;
            }
        }
    }
    Ok(())
}
