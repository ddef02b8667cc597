//! `backline play`: plays an accompaniment to one recording on this machine and writes everything that the band produces.

mod picture;

use std::path::{Path, PathBuf};

use backline_audio::{Audio, encode, label};
use backline_band::{BandError, Request, Session, Singer, Take};
use serde_json::{Value, json};

use crate::args::{self, Gender, PlayArgs, PlayPart};
use crate::console::Console;
use crate::exit_codes;
use crate::failure::{CommandResult, Failure, Kind};
use crate::sound::ChosenSound;
use crate::{output_file, recording};

pub(crate) fn run(args: &PlayArgs, console: &Console) -> CommandResult {
    let choice = ChosenSound::of(&args.sound)?;
    let vocal = recording::open(&args.file)?.audio;
    if let Some(font) = &choice.soundfont {
        let (name, sha256) = (font.name().trim_end_matches('\0'), font.sha256());
        console.note(&format!("note: SoundFont {name} (SHA-256 {sha256})\n"));
    }
    let files = OutputFiles::new(args, &choice)?;
    files.make_ready(args.takes)?;
    console.progress(&format!("listening to {}\n", args.file.display()));
    let session = Session::new(&vocal, &request(args), choice.sound()).map_err(refused)?;
    drop(vocal);
    let mut takes = Vec::new();
    for number in 1..=args.takes {
        console.progress(&format!("playing take {number} of {}\n", args.takes));
        let take = session.take(usize::from(number) - 1).map_err(refused)?;
        if number == 1 {
            for word in &take.facts.not_understood {
                console.note(&format!("warning: the tag `{word}` was not understood\n"));
            }
            for remark in &take.facts.remarks {
                console.note(&format!("note: {remark}\n"));
            }
        }
        let files = files.keep(&take, number)?;
        if console.format == args::Format::Text {
            console.data(&text(&take, number, &files))?;
        }
        takes.push(json!({
            "take": number,
            "files": files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>(),
            "facts": facts(&take, &choice)?,
        }));
    }
    if console.format == args::Format::Json {
        console.json(&takes)?;
    }
    Ok(exit_codes::DONE)
}

fn request(args: &PlayArgs) -> Request {
    Request {
        tags: args.tags.clone(),
        negative_tags: args.negative_tags.clone(),
        style_weight: args.style_weight,
        weirdness_constraint: args.weirdness_constraint,
        audio_weight: args.audio_weight,
        singer: args.vocal_gender.map(|gender| match gender {
            Gender::M => Singer::Male,
            Gender::F => Singer::Female,
        }),
        seed: args.seed,
        takes: args.takes.into(),
    }
}

fn refused(error: BandError) -> Failure {
    let kind = match error {
        BandError::Forbidden { .. } => Kind::Bug,
        _ => Kind::Usage,
    };
    Failure::new(kind, error)
}

/// The facts about a take, including the SoundFont that was used.
fn facts(take: &Take, choice: &ChosenSound) -> Result<Value, Failure> {
    let mut facts = serde_json::to_value(&take.facts)
        .map_err(|error| Failure::new(Kind::Bug, anyhow::Error::new(error)))?;
    if let Some(soundfont) = &choice.soundfont {
        facts["soundfont"] = soundfont.facts(take);
    }
    Ok(facts)
}

/// The paths of the takes.
struct OutputFiles<'a> {
    args: &'a PlayArgs,
    choice: &'a ChosenSound,
    /// The recording's name, for the files' tags.
    title: String,
    /// The common part of the file names: the recording's name and the tags.
    name: String,
}

impl<'a> OutputFiles<'a> {
    fn new(args: &'a PlayArgs, choice: &'a ChosenSound) -> Result<Self, Failure> {
        let name = args.file.file_stem().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| {
            let message = format!("the name of {} is not UTF-8", args.file.display());
            Failure::msg(Kind::Usage, message)
        })?;
        let title = name.to_owned();
        let tags = slug(&args.tags);
        let name = if tags.is_empty() {
            title.clone()
        } else {
            format!("{title}-{tags}")
        };
        Ok(Self {
            args,
            choice,
            title,
            name,
        })
    }

    fn wants(&self, part: PlayPart) -> bool {
        self.args.parts.contains(&part)
    }

    fn path(&self, number: u8, suffix: &str) -> PathBuf {
        self.args.to.join(format!("{}-{number}{suffix}", self.name))
    }

    fn extension(&self) -> &'static str {
        self.choice.encoding.format().extension()
    }

    /// The paths that take `number` will have. The stems are represented by their folder, because their parts are not known yet.
    fn expected(&self, number: u8) -> Vec<PathBuf> {
        let extension = self.extension();
        [
            (PlayPart::Instrumental, format!(".{extension}")),
            (PlayPart::Mix, format!("-mix.{extension}")),
            (PlayPart::Midi, ".mid".to_owned()),
            (PlayPart::Facts, ".json".to_owned()),
            (PlayPart::Picture, ".svg".to_owned()),
            (PlayPart::Stems, "-stems".to_owned()),
        ]
        .into_iter()
        .filter(|(part, _)| self.wants(*part))
        .map(|(_, suffix)| self.path(number, &suffix))
        .collect()
    }

    /// Creates the folder. Fails if a file exists and `--force` is not set. Runs before anything is played.
    fn make_ready(&self, takes: u8) -> Result<(), Failure> {
        if self.args.to.exists() && !self.args.to.is_dir() {
            let message = format!("{} is not a folder", self.args.to.display());
            return Err(Failure::msg(Kind::Usage, message));
        }
        std::fs::create_dir_all(&self.args.to).map_err(|error| unwritten(&self.args.to, error))?;
        let places = || (1..=takes).flat_map(|number| self.expected(number));
        if let Some(path) = places().find(|path| output_file::is_same(path, &self.args.file)) {
            let message = format!("{} is the recording itself", path.display());
            return Err(Failure::msg(Kind::Usage, message).hint("--to chooses another folder"));
        }
        if self.args.force {
            return Ok(());
        }
        let taken: Vec<String> = places()
            .filter(|path| path.symlink_metadata().is_ok())
            .map(|path| path.display().to_string())
            .collect();
        if taken.is_empty() {
            return Ok(());
        }
        let message = format!("file exists: {}", taken.join(", "));
        Err(Failure::msg(Kind::Usage, message)
            .hint("--force overwrites existing files; --to chooses another folder"))
    }

    /// Writes the requested files of a take and returns their paths.
    fn keep(&self, take: &Take, number: u8) -> Result<Vec<PathBuf>, Failure> {
        let mut files = Vec::new();
        let extension = self.extension();
        if self.wants(PlayPart::Instrumental) {
            let path = self.path(number, &format!(".{extension}"));
            self.write_sound(take, &take.instrumental, "", path, &mut files)?;
        }
        if self.wants(PlayPart::Mix) {
            let path = self.path(number, &format!("-mix.{extension}"));
            self.write_sound(take, &take.mix, " (mix)", path, &mut files)?;
        }
        if self.wants(PlayPart::Stems) {
            let folder = self.path(number, "-stems");
            std::fs::create_dir_all(&folder).map_err(|error| unwritten(&folder, error))?;
            for (stem, position) in take.stems().zip(1..) {
                let instrument = stem.instrument.name();
                let slug = instrument.replace(' ', "-");
                let path = folder.join(format!("{position:02}-{slug}.{extension}"));
                let suffix = format!(" ({instrument})");
                self.write_sound(take, &stem.audio, &suffix, path, &mut files)?;
            }
        }
        if self.wants(PlayPart::Midi) {
            let path = self.path(number, ".mid");
            self.write(&take.midi(), path, &mut files)?;
        }
        if self.wants(PlayPart::Facts) {
            let path = self.path(number, ".json");
            let mut text = format!("{:#}", facts(take, self.choice)?);
            text.push('\n');
            self.write(text.as_bytes(), path, &mut files)?;
        }
        if self.wants(PlayPart::Picture) {
            let path = self.path(number, ".svg");
            self.write(
                picture::draw(take, &self.title).as_bytes(),
                path,
                &mut files,
            )?;
        }
        Ok(files)
    }

    fn write_sound(
        &self,
        take: &Take,
        audio: &Audio,
        suffix: &str,
        path: PathBuf,
        files: &mut Vec<PathBuf>,
    ) -> Result<(), Failure> {
        let tags = take.facts.label(
            &format!("{} {}{suffix}", self.title, take.facts.take),
            &self.args.tags,
        );
        let encoding = self.choice.encoding;
        let bytes = encode(audio, encoding)
            .map_err(|error| Failure::new(Kind::Output, anyhow::Error::new(error)))?;
        let bytes = label(bytes, encoding.format(), &tags);
        self.write(&bytes, path, files)
    }

    fn write(&self, bytes: &[u8], path: PathBuf, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
        let written = if self.args.force {
            output_file::whole(&path, bytes)
        } else {
            output_file::new(&path, bytes)
        };
        written.map_err(|error| unwritten(&path, error))?;
        files.push(path);
        Ok(())
    }
}

/// Tags as a part of a file name: letters and digits in lower case, joined by hyphens, cut at a hyphen.
fn slug(tags: &str) -> String {
    const LONGEST: usize = 48;
    let words = tags.split(|letter: char| !letter.is_alphanumeric());
    let mut slug = String::new();
    for word in words.filter(|word| !word.is_empty()) {
        if slug.len() + word.len() >= LONGEST {
            break;
        }
        if !slug.is_empty() {
            slug.push('-');
        }
        slug.push_str(&word.to_lowercase());
    }
    slug
}

fn unwritten(path: &Path, error: std::io::Error) -> Failure {
    let context = format!("can't write {}", path.display());
    Failure::new(Kind::Output, anyhow::Error::new(error).context(context))
}

/// The description of a take, as text.
fn text(take: &Take, number: u8, files: &[PathBuf]) -> String {
    let facts = &take.facts;
    let loudness = match facts.loudness_lufs {
        Some(lufs) => format!("{lufs:.1} LUFS"),
        None => "silent".to_owned(),
    };
    let mut text = format!(
        "take {number}: {}, {}, {:.1} bpm, {}, {:.1} s, {loudness}\n  {}\n",
        facts.style,
        facts.key,
        facts.tempo_bpm,
        facts.metre,
        facts.length_s,
        if facts.instruments.is_empty() {
            "nobody plays".to_owned()
        } else {
            facts.instruments.join(", ")
        },
    );
    for file in files {
        text.push_str(&format!("  {}\n", file.display()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_make_a_name() {
        assert_eq!(slug("Jazz swing, brushes"), "jazz-swing-brushes");
        assert_eq!(slug("lo-fi / 84.5 bpm!"), "lo-fi-84-5-bpm");
        assert_eq!(slug(" , "), "");
        assert_eq!(slug(&"word ".repeat(40)).len(), 44);
        assert_eq!(slug(&"a".repeat(200)), "");
    }
}
