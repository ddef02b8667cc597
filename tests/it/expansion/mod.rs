//! Manifests to plans: what each feature expands to, and what is said of every kind of mistake.

mod bad;
mod good;
mod properties;

use std::path::{Path, PathBuf};

use backline_engine::manifest::{Diagnostics, LoadOptions, Loaded, Selection, load};

/// The folder of the manifests.
fn fixtures() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .map(|above| above.join("tests/fixtures/manifests"))
        .find(|it| it.is_dir())
        .unwrap()
}

/// Loads a manifest with a known environment, showing paths from its own folder.
fn load_with(path: &Path, selection: Selection) -> Result<Loaded, Diagnostics> {
    let environment = |name: &str| (name == "SEASON").then(|| "winter".to_owned());
    let shown_from = path.parent().map(Path::to_owned);
    load(
        path,
        &LoadOptions {
            environment: &environment,
            selection,
            shown_from,
            ..LoadOptions::default()
        },
    )
}

/// The manifests of a folder, by name; parts of others are left out.
fn manifests(folder: &str) -> Vec<(String, PathBuf)> {
    let mut found: Vec<(String, PathBuf)> = std::fs::read_dir(fixtures().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension().is_some_and(|it| it == "yaml")
                && !path.to_string_lossy().contains(".part.")
        })
        .map(|path| {
            (
                path.file_stem().unwrap().to_string_lossy().into_owned(),
                path,
            )
        })
        .collect();
    found.sort();
    assert!(found.len() > 10, "{} manifests in {folder}", found.len());
    found
}
