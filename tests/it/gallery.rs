//! The gallery of docs/band.md is what the program plays and draws: its rows and its pictures are made anew here and compared.
//!
//! After a change to the band, `BACKLINE_GALLERY=write cargo test --locked -p backline-cli --test it gallery` writes all.

use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

use crate::lab::{Lab, root};

const STYLES: [&str; 5] = [
    "acoustic folk, fingerpicked guitar",
    "jazz swing, brushes",
    "bossa nova, nylon guitar",
    "lo-fi hip hop, dusty drums",
    "cinematic strings, slow build",
];
const VOCALS: [&str; 2] = ["amazing-grace", "twinkle"];
const BEGIN: &str = "<!-- gallery: made by tests/it/gallery.rs -->\n";
const END: &str = "<!-- end of the gallery -->";
const PAGE: &str = "docs/band.md";
const PICTURE: &str = "docs/amazing-grace.svg";
/// What is drawn of a take: energy, density and instruments over time.
const ARC: &str = "docs/arc.svg";
const ARC_OF: (&str, &str) = ("amazing-grace", "cinematic strings, slow build");
/// Chords that a row shows.
const CHORDS: usize = 8;

fn table(lab: &Lab) -> String {
    let mut text = String::from(
        "| recording | tags | who plays | first chords | LUFS | dBTP |\n|---|---|---|---|---|---|\n",
    );
    for vocal in VOCALS {
        for (number, tags) in STYLES.iter().enumerate() {
            let file = format!("vocals/{vocal}.flac");
            let to = format!("{vocal}-{number}");
            let told = lab.json(&[
                "play", &file, "--tags", tags, "--takes", "1", "--parts", "facts", "--to", &to,
                "--quiet",
            ]);
            let facts = &told[0]["facts"];
            let names = |list: &Value, name: fn(&Value) -> &Value, most: usize| {
                let list = list.as_array().unwrap().iter().take(most);
                let names: Vec<&str> = list.map(|item| name(item).as_str().unwrap()).collect();
                names.join(", ")
            };
            writeln!(
                text,
                "| {vocal}: {}, {}, {:.0} bpm | {tags} | {} | {} | {:.1} | {:.1} |",
                facts["key"].as_str().unwrap(),
                facts["metre"].as_str().unwrap(),
                facts["tempo_bpm"].as_f64().unwrap(),
                names(&facts["instruments"], |item| item, usize::MAX),
                names(&facts["chords"], |item| &item["name"], CHORDS).replace(", ", " "),
                facts["loudness_lufs"].as_f64().unwrap(),
                facts["true_peak_dbtp"].as_f64().unwrap(),
            )
            .unwrap();
        }
    }
    text
}

#[test]
fn the_gallery_is_what_the_band_plays() {
    let lab = Lab::new();
    for vocal in VOCALS {
        let name = format!("vocals/{vocal}.flac");
        lab.write(
            &name,
            fs::read(root().join("workflows").join(&name)).unwrap(),
        );
    }
    let table = table(&lab);
    lab.expect(
        0,
        &[
            "analyse",
            "vocals/amazing-grace.flac",
            "--svg",
            "picture.svg",
            "--quiet",
        ],
    );
    let picture = lab.read("picture.svg");
    let (vocal, tags) = ARC_OF;
    let file = format!("vocals/{vocal}.flac");
    lab.expect(
        0,
        &[
            "play", &file, "--tags", tags, "--takes", "1", "--parts", "picture", "--to", "arc",
            "--quiet",
        ],
    );
    let arc = lab.read(&format!("arc/{vocal}-cinematic-strings-slow-build-1.svg"));

    let page_path = root().join(PAGE);
    let page = fs::read_to_string(&page_path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the page has a gallery");
    let (shown, after) = rest.split_once(END).expect("the gallery has an end");
    if std::env::var_os("BACKLINE_GALLERY").is_some_and(|word| word == "write") {
        fs::write(&page_path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        fs::write(root().join(PICTURE), picture).unwrap();
        fs::write(root().join(ARC), arc).unwrap();
        return;
    }
    assert_eq!(shown, table, "see the head of tests/it/gallery.rs");
    for (path, drawn) in [(PICTURE, picture), (ARC, arc)] {
        let kept = fs::read_to_string(root().join(path)).unwrap();
        assert!(
            kept == drawn,
            "{path} is not what is drawn; see the head of tests/it/gallery.rs"
        );
        let name = path.trim_start_matches("docs/");
        assert!(page.contains(&format!("({name})")), "{PAGE} shows {path}");
    }
}
