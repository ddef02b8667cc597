//! What a provider reports about the music of a track, as reports show it.

use backline_engine::event::Music;

/// What a listener should know: the tags that were not understood, then the provider's remarks.
pub(crate) fn remarks(music: &Music) -> impl Iterator<Item = String> {
    let tags = match music.not_understood.as_slice() {
        [] => None,
        tags => Some(format!("tags not understood: {}", tags.join(", "))),
    };
    tags.into_iter().chain(music.remarks.iter().cloned())
}

/// The names of the chords in order, without repetitions in a row.
pub(crate) fn chord_names(music: &Music) -> Vec<&str> {
    let mut names: Vec<&str> = music.chords.iter().map(|it| it.name.as_str()).collect();
    names.dedup();
    names
}
