//! The settings of add-instrumental. All code that reads, checks, hashes or sends settings uses these rows.

use std::ops::Deref;

use super::row::{SettingDefault, SettingKind, SettingRow};

/// The settings of add-instrumental. Keys hash the first ten in this order and later ones by name, so a new row goes to the end.
pub static SETTINGS: [SettingRow; 10] = [
    SettingRow {
        name: "title",
        field: "title",
        required: true,
        default: SettingDefault::Names,
        kind: SettingKind::Line { max_chars: 100 },
        description: "The track's title, at most 100 characters once rendered.",
        examples: &[],
    },
    SettingRow {
        name: "tags",
        field: "tags",
        required: true,
        default: SettingDefault::MustBeGiven,
        kind: SettingKind::Tags {
            may_be_empty: false,
        },
        description: "How the accompaniment should sound: genre, mood, instruments, tempo.",
        examples: &["relaxing piano, calm"],
    },
    SettingRow {
        name: "negative_tags",
        field: "negativeTags",
        required: true,
        default: SettingDefault::Empty,
        kind: SettingKind::Tags { may_be_empty: true },
        description: "What must not be heard.",
        examples: &["drums, distortion"],
    },
    SettingRow {
        name: "model",
        field: "model",
        required: false,
        default: SettingDefault::Model,
        kind: SettingKind::Name,
        description: "The vendor's model; always sent.",
        examples: &["V4_5PLUS", "V5"],
    },
    SettingRow {
        name: "vocal_gender",
        field: "vocalGender",
        required: false,
        default: SettingDefault::Unset,
        kind: SettingKind::Choice(&["m", "f"]),
        description: "The register of backing voices.",
        examples: &["f"],
    },
    SettingRow {
        name: "style_weight",
        field: "styleWeight",
        required: false,
        default: SettingDefault::Unset,
        kind: SettingKind::Weight,
        description: "The weight of the style.",
        examples: &["0.61"],
    },
    SettingRow {
        name: "weirdness_constraint",
        field: "weirdnessConstraint",
        required: false,
        default: SettingDefault::Unset,
        kind: SettingKind::Weight,
        description: "How adventurous the result may be.",
        examples: &["0.61"],
    },
    SettingRow {
        name: "audio_weight",
        field: "audioWeight",
        required: false,
        default: SettingDefault::Unset,
        kind: SettingKind::Weight,
        description: "How closely the recording is followed.",
        examples: &["0.61"],
    },
    SettingRow {
        name: "lyrics",
        field: "lyrics",
        required: false,
        default: SettingDefault::Unset,
        kind: SettingKind::Lines { max_chars: 5_000 },
        description: "Lyrics, at most 5000 characters.",
        examples: &[],
    },
    SettingRow {
        name: "variety",
        field: "variety",
        required: false,
        default: SettingDefault::Unset,
        kind: SettingKind::Whole { max: 4 },
        description: "Variety.",
        examples: &[],
    },
];

/// A setting: its index in [`SETTINGS`], from which its row is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Setting(u8);

impl Setting {
    /// The number of settings.
    pub const COUNT: usize = SETTINGS.len();
    /// The setting `title`.
    pub const TITLE: Self = Self::of("title");
    /// The setting `tags`.
    pub const TAGS: Self = Self::of("tags");
    /// The setting `negative_tags`.
    pub const NEGATIVE_TAGS: Self = Self::of("negative_tags");
    /// The setting `model`.
    pub const MODEL: Self = Self::of("model");
    /// The names of all settings.
    pub const NAMES: [&'static str; Self::COUNT] = {
        let mut names = [""; Self::COUNT];
        let mut at = 0;
        while at < Self::COUNT {
            names[at] = SETTINGS[at].name;
            at += 1;
        }
        names
    };

    /// The setting with that name, for names in source code.
    ///
    /// # Panics
    /// If no setting has that name; in a constant this is a compile error.
    pub const fn of(name: &str) -> Self {
        let name = name.as_bytes();
        let mut slot = 0;
        loop {
            let row = SETTINGS[slot].name.as_bytes();
            let mut at = 0;
            while at < row.len() && at < name.len() && row[at] == name[at] {
                at += 1;
            }
            if at == row.len() && at == name.len() {
                return Self(slot as u8);
            }
            slot += 1;
        }
    }

    /// All settings, in the table's order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT as u8).map(Self)
    }

    /// The setting with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|setting| setting.name == name)
    }

    /// Its row.
    pub fn row(self) -> &'static SettingRow {
        &SETTINGS[self.slot()]
    }

    /// Its index in the table.
    pub fn slot(self) -> usize {
        usize::from(self.0)
    }
}

impl Deref for Setting {
    type Target = SettingRow;

    fn deref(&self) -> &SettingRow {
        &SETTINGS[self.slot()]
    }
}
