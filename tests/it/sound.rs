//! What the band hears and hands over through the program: `analyse`, `play`, and a studio that is told how to sound.

use std::fs;
use std::path::{Path, PathBuf};

use backline_audio::{Format, decode, sniff};
use serde_json::Value;

use crate::lab::{Lab, root};

/// A copy of a shipped recording, and of the font that the band's own tests make.
fn lab() -> Lab {
    let lab = Lab::new();
    for (from, to) in [
        ("workflows/vocals/amazing-grace.flac", "grace.flac"),
        ("tests/fixtures/sound/sine.sf2", "fonts/sine.sf2"),
    ] {
        lab.write(to, fs::read(root().join(from)).unwrap());
    }
    // A verse is enough to be played to.
    let audio = decode(&fs::read(lab.path("grace.flac")).unwrap()).unwrap();
    let short = backline_audio::Audio {
        rate_hz: audio.rate_hz,
        channels: vec![audio.channels[0][..audio.rate_hz as usize * 12].to_vec()],
    };
    let bytes = backline_audio::encode(&short, backline_audio::Encoding::Flac).unwrap();
    lab.write("verse.flac", bytes);
    lab
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    found.sort();
    found
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

#[test]
fn a_recording_is_described_in_words_in_numbers_and_drawn() {
    let lab = lab();
    let heard = lab.json(&["analyse", "grace.flac", "--svg", "grace.svg"]);
    // What the recording is known to be: workflows/vocals/ORIGIN.md.
    assert_eq!(heard["key"], "G major");
    assert_eq!(heard["metre"], "3/4");
    let tempo = heard["tempo_bpm"].as_f64().unwrap();
    assert!((tempo / 84.0 - 1.0).abs() < 0.04, "{tempo}");
    assert_eq!(heard["format"], "flac");
    let notes = heard["analysis"]["notes"].as_array().unwrap().len();
    assert!(notes > 60, "{notes}");

    let text = lab.expect(0, &["analyse", "grace.flac"]).out;
    for word in ["G major", "3/4", "bpm", "sections", "chords", "| G "] {
        assert!(text.contains(word), "no {word:?} in\n{text}");
    }

    let svg = lab.read("grace.svg");
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    let drawn = svg.matches("class=\"note\"").count();
    // A note over the edge of a strip is drawn on both.
    assert!((notes..notes + 8).contains(&drawn), "{drawn} of {notes}");
    assert!(svg.contains("class=\"pitch\"") && svg.contains(">G</text>"));
    // No name of a section runs into the next one.
    let number = |text: &str, name: &str| -> f64 {
        let from = text.split_once(&format!("{name}=\"")).unwrap().1;
        from.split_once('"').unwrap().0.parse().unwrap()
    };
    let names: Vec<(f64, f64, usize)> = svg
        .lines()
        .filter(|line| line.starts_with("<text class=\"name\""))
        .map(|line| {
            let name = line.split_once('>').unwrap().1.split_once('<').unwrap().0;
            (number(line, " y"), number(line, " x"), name.len())
        })
        .collect();
    assert!(names.len() >= 2, "{names:?}");
    for pair in names.windows(2) {
        let ((y, x, letters), (next_y, next_x, _)) = (pair[0], pair[1]);
        assert!(
            y != next_y || next_x - x > 6.5 * letters as f64,
            "{names:?}"
        );
    }
    let strips = svg.matches("class=\"frame\"").count();
    assert_eq!(strips, 4, "a strip has 20 s, the recording 70");
}

#[test]
fn tags_help_to_hear() {
    let lab = lab();
    let heard = lab.json(&[
        "analyse",
        "verse.flac",
        "--tags",
        "4/4, 120 bpm, jazz swing",
    ]);
    assert_eq!(heard["metre"], "4/4");
    let names: Vec<&str> = heard["chords"]
        .as_array()
        .unwrap()
        .iter()
        .map(|chord| chord["name"].as_str().unwrap())
        .collect();
    assert!(
        names
            .iter()
            .any(|name| name.contains('7') || name.contains('9')),
        "{names:?}"
    );
}

#[test]
fn silence_is_described_and_what_is_no_recording_refused() {
    let lab = lab();
    let silence = backline_audio::Audio {
        rate_hz: 16_000,
        channels: vec![vec![0.0; 16_000 * 3]],
    };
    let bytes = backline_audio::encode(&silence, backline_audio::Encoding::Wav16).unwrap();
    lab.write("silence.wav", bytes);
    let text = lab
        .expect(0, &["analyse", "silence.wav", "--svg", "s.svg"])
        .out;
    assert!(text.contains("silent") && text.contains("remark"), "{text}");
    assert!(lab.read("s.svg").ends_with("</svg>\n"));

    lab.write("notes.txt", "no sound");
    for (file, why) in [
        ("notes.txt", "not an audio file"),
        ("nowhere.wav", "No such file"),
        (".", "not a file"),
    ] {
        for command in ["analyse", "play"] {
            let ran = lab.expect(2, &[command, file, "--quiet"]);
            assert!(
                ran.err.contains(file) && ran.err.to_lowercase().contains(&why.to_lowercase()),
                "{command} {file}: {}",
                ran.err
            );
        }
    }
}

#[test]
fn play_hands_over_all_that_the_band_has() {
    let lab = lab();
    let line = [
        "play",
        "verse.flac",
        "--tags",
        "bossa nova",
        "--negative-tags",
        "piano",
        "--parts",
        "instrumental,mix,stems,midi,facts,picture",
        "--audio",
        "flac",
        "--to",
        "takes",
        "--takes",
        "1",
    ];
    let told = lab.json(&line);
    let facts = &told[0]["facts"];
    assert_eq!(facts["style"], "bossa nova");
    let instruments: Vec<&str> = facts["instruments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    assert!(!instruments.contains(&"piano"), "{instruments:?}");

    let stems = files(&lab.path("takes/verse-bossa-nova-1-stems"));
    assert_eq!(stems.len(), instruments.len(), "{stems:?}");
    let instrumental = fs::read(lab.path("takes/verse-bossa-nova-1.flac")).unwrap();
    let length = decode(&instrumental).unwrap().frames();
    for path in stems
        .iter()
        .chain([&lab.path("takes/verse-bossa-nova-1-mix.flac")])
    {
        let bytes = fs::read(path).unwrap();
        assert_eq!(sniff(&bytes), Some(Format::Flac), "{}", path.display());
        assert_eq!(
            decode(&bytes).unwrap().frames(),
            length,
            "{}",
            path.display()
        );
    }
    let picture = lab.read("takes/verse-bossa-nova-1.svg");
    assert!(picture.ends_with("</svg>\n"));
    for instrument in &instruments {
        assert!(
            picture.contains(&format!(">{instrument}</text>")),
            "{instrument}"
        );
    }
    // The stems add up to the instrumental, in 16 bits.
    let whole = decode(&instrumental).unwrap();
    let mut rest = whole.channels.clone();
    for path in &stems {
        let stem = decode(&fs::read(path).unwrap()).unwrap();
        for (rest, stem) in rest.iter_mut().zip(&stem.channels) {
            for (rest, sample) in rest.iter_mut().zip(stem) {
                *rest -= sample;
            }
        }
    }
    let most = rest
        .iter()
        .flatten()
        .fold(0.0f32, |most, rest| most.max(rest.abs()));
    assert!(most < 0.001, "the stems leave {most}");
    let first = &facts["chords"][0];
    let chords = format!(
        "CHORDS={:.2} {}",
        first["start_s"].as_f64().unwrap(),
        first["name"].as_str().unwrap()
    );
    for word in [
        "TITLE=verse 1",
        "GENRE=bossa nova",
        "INITIALKEY=G",
        "BPM=",
        &chords,
    ] {
        assert!(holds(&instrumental, word), "the file does not say {word}");
    }
    assert!(
        fs::read(lab.path("takes/verse-bossa-nova-1.mid"))
            .unwrap()
            .starts_with(b"MThd")
    );
    let written: Value = serde_json::from_str(&lab.read("takes/verse-bossa-nova-1.json")).unwrap();
    assert_eq!(&written, facts);

    // Nothing is written over unasked, and nothing at all is written then.
    let ran = lab.expect(2, &line);
    assert!(
        ran.err.contains("takes/verse-bossa-nova-1.flac") && ran.err.contains("--force"),
        "{}",
        ran.err
    );
    let again = lab.expect(0, &[&line[..], &["--force"]].concat());
    assert!(again.out.contains("takes/verse-bossa-nova-1.flac"));
    assert!(
        fs::read(lab.path("takes/verse-bossa-nova-1.flac")).unwrap() == instrumental,
        "the same seed, other bytes"
    );
    lab.expect(0, &[&line[..], &["--force", "--seed", "2"]].concat());
    assert!(
        fs::read(lab.path("takes/verse-bossa-nova-1.flac")).unwrap() != instrumental,
        "another seed, the same bytes"
    );
    let left: Vec<PathBuf> = files(&lab.path("takes"));
    assert!(
        left.iter()
            .all(|path| !path.file_name().unwrap().to_str().unwrap().starts_with('.')),
        "{left:?}"
    );
}

#[test]
fn a_soundfont_plays_and_is_named_in_the_result() {
    let lab = lab();
    let told = lab.json(&[
        "play",
        "verse.flac",
        "--tags",
        "pop ballad",
        "--takes",
        "1",
        "--soundfont",
        "fonts/sine.sf2",
    ]);
    assert_eq!(told[0]["facts"]["soundfont"]["name"], "test font");
    let hash = told[0]["facts"]["soundfont"]["sha256"].as_str().unwrap();
    assert!(hash.len() == 64, "{hash}");
    let bytes = fs::read(lab.path("verse-pop-ballad-1.mp3")).unwrap();
    assert_eq!(sniff(&bytes), Some(Format::Mp3));

    lab.write("fonts/broken.sf2", "RIFF");
    for file in ["fonts/broken.sf2", "fonts/none.sf2"] {
        let ran = lab.expect(2, &["play", "verse.flac", "--to", "x", "--soundfont", file]);
        assert!(ran.err.contains(file), "{}", ran.err);
        assert!(!lab.path("x").exists(), "nothing is begun");
    }
}

#[test]
fn a_manifest_says_how_the_built_in_studio_sounds() {
    let lab = lab();
    let manifest = |provider: &str| {
        format!(
            "version: 1\nname: songs\nprovider: {provider}\nstems: [verse.flac]\npresets: {{ballad: {{tags: pop ballad}}}}\noutput: {{dir: out}}\n"
        )
    };
    lab.write("plain.yaml", manifest("studio"));
    lab.write(
        "lossless.yaml",
        manifest("{profile: studio, audio: flac, soundfont: fonts/sine.sf2}"),
    );
    let key = |name: &str| {
        let plan = lab.json(&["plan", name]);
        plan["jobs"][0]["key"].as_str().unwrap().to_owned()
    };
    let mut keys = vec![key("plain.yaml"), key("lossless.yaml")];
    for sound in ["audio: flac", "audio: wav", "soundfont: fonts/sine.sf2"] {
        lab.write(
            "other.yaml",
            manifest(&format!("{{profile: studio, {sound}}}")),
        );
        keys.push(key("other.yaml"));
    }
    let distinct: std::collections::BTreeSet<&String> = keys.iter().collect();
    assert_eq!(distinct.len(), keys.len(), "other tracks are another job");
    lab.write("other.yaml", manifest("{profile: studio, audio: mp3}"));
    assert_eq!(
        keys[0],
        key("other.yaml"),
        "what it does anyway changes nothing"
    );

    lab.expect(0, &["run", "lossless.yaml"]);
    let kept: Vec<PathBuf> = files(&lab.path("out/verse"));
    assert_eq!(kept.len(), 4, "{kept:?}");
    for path in &kept {
        let bytes = fs::read(path).unwrap();
        assert_eq!(sniff(&bytes), Some(Format::Flac), "{}", path.display());
        assert!(holds(&bytes, "INITIALKEY=G"), "{}", path.display());
    }

    lab.write("fonts/sine.sf2", "something else now");
    let ran = lab.expect(2, &["run", "lossless.yaml"]);
    assert!(ran.err.contains("sine.sf2"), "{}", ran.err);

    for (provider, expected) in [
        ("{profile: studio, audio: ogg}", "mp3, flac or wav"),
        ("{profile: studio, soundfont: nowhere.sf2}", "nowhere.sf2"),
        (
            "{profile: studio, base_url: \"http://127.0.0.1:9\", audio: flac}",
            "only the built-in studio",
        ),
        (
            "{profile: sunoapi, audio: flac}",
            "only the built-in studio",
        ),
    ] {
        lab.write("wrong.yaml", manifest(provider));
        let ran = lab.expect(3, &["validate", "wrong.yaml"]);
        assert!(ran.err.contains(expected), "{provider}: {}", ran.err);
    }
}

#[test]
fn a_studio_of_ones_own_is_told_how_to_sound() {
    let lab = lab();
    let studio = lab.studio(&["--audio", "wav", "--soundfont", "fonts/sine.sf2"]);
    lab.write(
        "songs.yaml",
        format!(
            "version: 1\nname: songs\nprovider: {{profile: studio, base_url: \"{}\", api_key: {{env: LAB_KEY}}}}\nstems: [verse.flac]\npresets: {{ballad: {{tags: pop ballad}}}}\noutput: {{dir: out}}\n",
            studio.url
        ),
    );
    lab.expect(0, &["run", "songs.yaml"]);
    for path in files(&lab.path("out/verse")) {
        let bytes = fs::read(&path).unwrap();
        assert_eq!(sniff(&bytes), Some(Format::Wav), "{}", path.display());
        assert!(holds(&bytes, "key G; bpm "), "{}", path.display());
    }
    let midi = walk(&lab.path("studio/files/results"), "mid");
    assert_eq!(midi.len(), 2, "{midi:?}");
}

fn walk(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in files(folder) {
        if path.is_dir() {
            found.extend(walk(&path, extension));
        } else if path.extension().is_some_and(|it| it == extension) {
            found.push(path);
        }
    }
    found
}

#[test]
fn a_drawing_takes_the_place_of_nothing() {
    let lab = lab();
    let before = fs::read(lab.path("verse.flac")).unwrap();
    lab.write("kept.svg", "mine");
    std::os::unix::fs::symlink("kept.svg", lab.path("link.svg")).unwrap();
    for (svg, why) in [
        ("verse.flac", "is the recording itself"),
        ("kept.svg", "--force"),
        ("link.svg", "--force"),
        ("./verse.flac", "is the recording itself"),
    ] {
        let ran = lab.expect(2, &["analyse", "verse.flac", "--svg", svg]);
        assert!(ran.err.contains(why), "{svg}: {}", ran.err);
    }
    assert!(fs::read(lab.path("verse.flac")).unwrap() == before);
    assert_eq!(lab.read("kept.svg"), "mine");
    lab.expect(
        2,
        &["analyse", "verse.flac", "--svg", "verse.flac", "--force"],
    );
    lab.expect(
        0,
        &["analyse", "verse.flac", "--svg", "link.svg", "--force"],
    );
    assert!(
        lab.read("kept.svg").starts_with("<svg "),
        "written through the link"
    );
    assert!(lab.path("link.svg").is_symlink());
    let ran = lab.expect(
        0,
        &["analyse", "verse.flac", "--svg", "/dev/stderr", "--quiet"],
    );
    assert!(ran.err.starts_with("<svg "), "{}", ran.err);
}

#[test]
fn playing_never_takes_the_place_of_the_recording() {
    let lab = lab();
    let before = fs::read(lab.path("verse.flac")).unwrap();
    fs::rename(lab.path("verse.flac"), lab.path("song-1.flac")).unwrap();
    std::os::unix::fs::symlink("song-1.flac", lab.path("song.flac")).unwrap();
    let line = [
        "play",
        "song.flac",
        "--audio",
        "flac",
        "--to",
        ".",
        "--force",
    ];
    let ran = lab.expect(2, &line);
    assert!(
        ran.err.contains("song-1.flac is the recording itself"),
        "{}",
        ran.err
    );
    assert!(fs::read(lab.path("song-1.flac")).unwrap() == before);
}

#[test]
fn wrong_numbers_and_places_are_named() {
    let lab = lab();
    lab.write("file", "x");
    for (args, why) in [
        (["--style-weight", "-1"], "expected a number from 0 to 1"),
        (["--seed", "-1"], "invalid value"),
        (["--to", "file"], "is not a folder"),
    ] {
        let line = [&["play", "verse.flac"][..], &args].concat();
        let ran = lab.expect(2, &line);
        assert!(ran.err.contains(why), "{args:?}: {}", ran.err);
    }
}

#[test]
fn a_vendors_profile_for_this_machine_is_refused() {
    let lab = lab();
    for (profile, refused) in [
        ("sunoapi", true),
        ("kie", true),
        ("custom", true),
        ("studio", false),
    ] {
        lab.write(
            "songs.yaml",
            format!(
                "version: 1\nname: songs\nprovider: {{profile: {profile}, base_url: \"http://localhost:9\"}}\nstems: [verse.flac]\npresets: {{ballad: {{title: A song, tags: pop ballad}}}}\n",
            ),
        );
        let code = if refused { 3 } else { 0 };
        let ran = lab.expect(code, &["validate", "songs.yaml"]);
        assert_eq!(
            ran.err.contains("`profile: studio`"),
            refused,
            "{profile}: {}",
            ran.err
        );
    }
}
