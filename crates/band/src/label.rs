//! The metadata of a take's file.

use backline_audio::Label;

use crate::facts::Facts;

impl Facts {
    /// The label for this take's files: title and tags as the caller has them, key, tempo and chords as they were played. The
    /// chords are written `seconds symbol`, parted by bars: `0.00 G | 2.61 D7`.
    pub fn label(&self, title: &str, tags: &str) -> Label {
        let chords: Vec<String> = self
            .chords
            .iter()
            .map(|chord| format!("{:.2} {}", chord.start_s, chord.name))
            .collect();
        Label {
            title: title.to_owned(),
            genre: tags.to_owned(),
            key: symbol(&self.key),
            bpm: self.tempo_bpm.round() as u32,
            chords: chords.join(" | "),
        }
    }
}

/// A key as files carry it: `Eb` for E flat major, `Ebm` for E flat minor.
fn symbol(key: &str) -> String {
    match key.split_once(' ') {
        Some((tonic, "minor")) => format!("{tonic}m"),
        Some((tonic, _)) => tonic.to_owned(),
        None => key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_written_as_files_carry_them() {
        assert_eq!(symbol("Eb minor"), "Ebm");
        assert_eq!(symbol("F# major"), "F#");
    }
}
