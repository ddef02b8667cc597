//! A provider's remarks on the music of a track, as reports show them.

use backline_engine::event::Music;

/// What a listener should know: the tags that the provider did not understand, then its remarks.
pub(crate) fn remarks(music: &Music) -> impl Iterator<Item = String> {
    let tags = match music.not_understood.as_slice() {
        [] => None,
        tags => Some(format!("tags not understood: {}", tags.join(", "))),
    };
    tags.into_iter().chain(music.remarks.iter().cloned())
}

/// The names of the chords in order, without consecutive repetitions.
pub(crate) fn chord_names(music: &Music) -> Vec<&str> {
    let mut names: Vec<&str> = music.chords.iter().map(|it| it.name.as_str()).collect();
    names.dedup();
    names
}
