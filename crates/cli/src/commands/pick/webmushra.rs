//! `backline pick --webmushra`: writes a listening test of the chosen tracks for webMUSHRA.
//!
//! ```text
//! DIR/configs/backline-NAME.yaml                     a page a stem, on which each track is rated from bad to excellent
//! DIR/configs/resources/backline-NAME/KEY-TRACK.wav  the tracks of a page, equally loud
//! DIR/configs/resources/backline-NAME/stimuli.csv    what each is: the names above do not show it
//! ```
//!
//! webMUSHRA plays WAV only, and resolves paths from its own folder. The tracks have no reference to be compared with, so listeners
//! rate them on an absolute scale.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use backline_audio::{Audio, Encoding, decode, encode, integrated_lufs, resample};
use backline_engine::folder::Folder;
use backline_engine::scratch::create;
use indexmap::IndexMap;
use serde_json::{Value, json};

use super::{Chosen, TEMPORARY, all_well, check_kept, not_written, table};
use crate::args::PickPart;
use crate::failure::Failure;

/// The sample rate of all files. webMUSHRA requires one rate.
const RATE_HZ: u32 = 48_000;

/// The folder from which webMUSHRA reads experiments.
const CONFIGS: &str = "configs";

/// The rating scale, from the worst.
const SCALE: [&str; 5] = ["bad", "poor", "fair", "good", "excellent"];

/// A listening test on disk.
pub(super) struct ListeningTest {
    /// The path of its configuration.
    pub(super) config: PathBuf,
    /// Its stimuli.
    pub(super) stimuli: Vec<Value>,
}

/// Writes a listening test of the chosen tracks into `dir`, and replaces the files of an earlier test of the same name.
pub(super) fn write(
    dir: &Path,
    name: &str,
    test_id: &str,
    project_dir: &Path,
    chosen: &[Chosen<'_>],
) -> Result<ListeningTest, Failure> {
    let name = format!("backline-{}", file_name(name));
    let resources = format!("{CONFIGS}/resources/{name}");
    let failed = |error: io::Error| not_written(dir, error);
    let sounds = Folder::create(&dir.join(&resources)).map_err(failed)?;
    let mut pages: IndexMap<&str, Vec<&Chosen<'_>>> = IndexMap::new();
    for chosen in chosen {
        pages.entry(&chosen.job.stem).or_default().push(chosen);
    }
    let (mut problems, mut stimuli) = (Vec::new(), Vec::new());
    let mut config = format!(
        "# A listening test for webMUSHRA: copy this folder into webMUSHRA's, then open ?config={name}.yaml\n\
         testname: {}\ntestId: {}\nbufferSize: 2048\nstopOnErrors: true\nshowButtonPreviousPage: true\n\
         remoteService: \"service/write.php\"\npages:\n  -\n    - \"random\"\n",
        text(&name),
        text(test_id),
    );
    for (number, (stem, page)) in pages.iter().enumerate() {
        let mut heard = Vec::new();
        for chosen in page {
            match read(project_dir, chosen).and_then(|bytes| loudness(&bytes)) {
                Ok(lufs) => heard.push((*chosen, lufs)),
                Err(why) => problems.push(format!("{}: {why}", chosen.label())),
            }
        }
        // All tracks are turned down to the level of the quietest, so none is clipped.
        let level = heard.iter().filter_map(|(_, lufs)| *lufs).reduce(f64::min);
        let mut lines = String::new();
        for (chosen, lufs) in heard {
            let gain_db = level.zip(lufs).map_or(0.0, |(level, lufs)| level - lufs);
            let bytes = match read(project_dir, chosen).and_then(|it| stimulus(&it, gain_db)) {
                Ok(bytes) => bytes,
                Err(why) => {
                    problems.push(format!("{}: {why}", chosen.label()));
                    continue;
                }
            };
            let id = id(chosen);
            put(&sounds, &format!("{id}.wav"), &bytes).map_err(failed)?;
            lines.push_str(&format!(
                "        {}: {}\n",
                text(&id),
                text(&format!("{resources}/{id}.wav"))
            ));
            let (job, track) = (chosen.job, chosen.track);
            stimuli.push(json!({
                "stimulus": id, "part": chosen.part_name(), "stem": job.stem, "preset": job.preset, "take": job.take,
                "track": track.index, "title": track.title, "gain_db": (gain_db * 100.0).round() / 100.0, "key": job.key,
                "task_id": job.task_id, "source": chosen.file.path,
            }));
        }
        config.push_str(&format!(
            "    - type: likert_multi_stimulus\n      id: {}\n      name: {}\n      \
             content: \"How good is each accompaniment?\"\n      mustRate: true\n      \
             mustPlayback: \"processUpdate\"\n      stimuli:\n{lines}      response:\n",
            text(&format!("stem-{}", number + 1)),
            text(&shown(stem)),
        ));
        for (value, label) in (1..).zip(SCALE) {
            config.push_str(&format!("        - {{value: {value}, label: {label}}}\n"));
        }
    }
    all_well(&problems)?;
    config.push_str(
        "  - type: finish\n    name: \"Thank you\"\n    content: \"Your ratings are sent when you press the button.\"\n    \
         showResults: true\n    writeResults: true\n",
    );
    let list = table(&COLUMNS, &stimuli).map_err(failed)?;
    put(&sounds, "stimuli.csv", list.as_bytes()).map_err(failed)?;
    sounds.sync().map_err(failed)?;
    let configs = Folder::create(&dir.join(CONFIGS)).map_err(failed)?;
    put(&configs, &format!("{name}.yaml"), config.as_bytes()).map_err(failed)?;
    configs.sync().map_err(failed)?;
    Ok(ListeningTest {
        config: dir.join(CONFIGS).join(format!("{name}.yaml")),
        stimuli,
    })
}

const COLUMNS: [&str; 11] = [
    "stimulus", "part", "stem", "preset", "take", "track", "title", "gain_db", "key", "task_id",
    "source",
];

/// A stimulus's name. It does not show the listener which track it is.
fn id(chosen: &Chosen<'_>) -> String {
    let key: String = chosen.job.key.chars().take(12).collect();
    let suffix = match chosen.part {
        PickPart::Mix => "-mix",
        _ => "",
    };
    format!("{key}-{}{suffix}", chosen.track.index)
}

/// The bytes of a chosen file.
fn read(project_dir: &Path, chosen: &Chosen<'_>) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    check_kept(project_dir, chosen, &mut bytes).map(|()| bytes)
}

fn loudness(bytes: &[u8]) -> Result<Option<f64>, String> {
    let audio = decode(bytes).map_err(|error| error.to_string())?;
    Ok(integrated_lufs(&audio))
}

/// A track in a format that webMUSHRA plays: stereo WAV.
fn stimulus(bytes: &[u8], gain_db: f64) -> Result<Vec<u8>, String> {
    let audio = decode(bytes).map_err(|error| error.to_string())?;
    let mut channels = match audio.channels.len() {
        2 => audio.channels,
        _ => vec![audio.to_mono(); 2],
    };
    let gain = 10_f64.powf(gain_db / 20.0) as f32;
    let samples = channels.iter_mut().flatten();
    samples.for_each(|sample| *sample *= gain);
    let audio = Audio {
        rate_hz: audio.rate_hz,
        channels,
    };
    let audio = resample(audio, RATE_HZ).map_err(|error| error.to_string())?;
    encode(&audio, Encoding::Wav16).map_err(|error| error.to_string())
}

/// Writes a file as a whole and replaces an earlier one.
fn put(folder: &Folder, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut scratch = create(folder, TEMPORARY)?;
    scratch.file().write_all(bytes)?;
    scratch.file().sync_all()?;
    scratch.replace(name)
}

/// A name escaped as HTML, because webMUSHRA inserts it as HTML.
fn shown(name: &str) -> String {
    let name = name.replace('&', "&amp;");
    name.replace('<', "&lt;").replace('>', "&gt;")
}

/// A text as a YAML scalar. Every JSON string is one.
fn text(text: &str) -> String {
    Value::from(text).to_string()
}

/// A name without characters that have a meaning in URLs or shells.
fn file_name(name: &str) -> String {
    let harmless = |c: char| match c {
        c if c.is_ascii_alphanumeric() => c,
        _ => '-',
    };
    name.chars().map(harmless).collect()
}
