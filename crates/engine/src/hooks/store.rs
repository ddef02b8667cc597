//! `store`: copies kept tracks to an object store or a folder.
//!
//! A copy lies under the hook's destination at the file's own path within the project; where the output folder lies outside of it, at the
//! output folder's name and the path below that; a file in an object store at its bucket and path. So no two kept files have one path. The same file again replaces its copy;
//! nothing is ever removed there. Files are read in pieces. Credentials come from the variables that the hook's `env` names (`AWS_ACCESS_KEY_ID`, …), never from the
//! manifest.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStore;
use object_store::buffered::BufWriter;
use object_store::path::Path as ObjectPath;
use tokio::io::AsyncWriteExt;
use url::Url;

use super::process::HookContext;
use super::{HookError, HookEvent, HookSpec};
use crate::event::{Event, TrackNote};
use crate::kept_files::{is_object, open_kept_file};

/// Bytes of a copied file that are in memory at a time.
const PART_BYTES: usize = 8 * 1024 * 1024;

/// A destination of copies.
#[derive(Debug)]
pub(crate) struct ObjectTarget {
    store: Arc<dyn ObjectStore>,
    base: ObjectPath,
    url: Url,
    /// The folder that tracks are kept in.
    output: PathBuf,
}

impl ObjectTarget {
    pub(crate) fn new(url: &Url, env: &[String], context: &HookContext) -> Result<Self, HookError> {
        let options = env.iter().filter_map(|name| {
            let value = context.variable(name)?;
            Some((name.to_lowercase(), value))
        });
        if url.scheme() == "file" {
            let folder = url.to_file_path().unwrap_or_default();
            std::fs::create_dir_all(&folder).map_err(|error| {
                HookError::File(format!("could not make {}: {error}", folder.display()))
            })?;
        }
        let (store, base) = object_store::parse_url_opts(url, options)
            .map_err(|error| HookError::Environment(context.clean(&error.to_string())))?;
        Ok(Self {
            store: Arc::from(store),
            base,
            url: url.clone(),
            output: context.output.clone(),
        })
    }

    /// Copies the event's file; says where to.
    pub(crate) async fn put(
        &self,
        spec: &HookSpec,
        event: &HookEvent,
    ) -> Result<Option<TrackNote>, HookError> {
        let (Some(file), Some(Event::TrackKept { file: kept, .. })) =
            (&event.file, &event.happened)
        else {
            return Ok(None);
        };
        let parts = parts_of(&kept.path, &self.output);
        let place = parts
            .iter()
            .fold(self.base.clone(), |place, part| place.join(part.as_str()));
        let limit = Duration::from_millis(spec.timeout_ms);
        let copied = tokio::time::timeout(limit, self.copy(file, place)).await;
        match copied {
            Ok(Ok(())) => Ok(Some(TrackNote::Copied {
                to: format!(
                    "{}/{}",
                    self.url.as_str().trim_end_matches('/'),
                    parts.join("/")
                ),
            })),
            Ok(Err(error)) => Err(HookError::File(format!("could not copy {file}: {error}"))),
            Err(_) => Err(HookError::TimedOut(spec.timeout_ms)),
        }
    }

    /// Copies a file in pieces: what is small at once, what is large in several parts.
    async fn copy(&self, file: &str, place: ObjectPath) -> std::io::Result<()> {
        let file = file.to_owned();
        let opened = tokio::task::spawn_blocking(move || open_kept_file(Path::new(""), &file));
        let opened = opened.await.map_err(std::io::Error::other)??;
        let mut from = tokio::fs::File::from_std(opened);
        let mut to = BufWriter::with_capacity(self.store.clone(), place, PART_BYTES);
        let copied = tokio::io::copy(&mut from, &mut to).await;
        match copied {
            Ok(_) => to.shutdown().await,
            Err(error) => {
                // Parts that are not put together are the store's to throw away.
                let _ = to.abort().await;
                Err(error)
            }
        }
    }
}

/// The parts of a copy's path: two kept files never have the same.
fn parts_of(kept: &str, output: &Path) -> Vec<String> {
    if is_object(kept) {
        // The bucket and the path in it.
        let (_, rest) = kept.split_once("://").unwrap_or_default();
        let parts = rest.split('/').filter(|part| !part.is_empty());
        return parts.map(str::to_owned).collect();
    }
    let path = Path::new(kept);
    if !path.is_absolute() {
        return kept.split('/').map(str::to_owned).collect();
    }
    let text = |part: Component<'_>| match part {
        Component::Normal(part) => Some(part.to_string_lossy().into_owned()),
        _ => None,
    };
    let folder = output
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    match (path.strip_prefix(output), folder) {
        (Ok(inside), Some(folder)) => {
            let inside = inside.components().filter_map(text);
            std::iter::once(folder).chain(inside).collect()
        }
        _ => path.components().filter_map(text).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_kept_files_have_one_place() {
        let check = |kept: &str, expected: &str| {
            let parts = parts_of(kept, Path::new("/data/album"));
            assert_eq!(parts.join("/"), expected, "{kept}");
        };
        check("out/verse/lofi-1.mp3", "out/verse/lofi-1.mp3");
        check("/data/album/verse/lofi-1.mp3", "album/verse/lofi-1.mp3");
        check("/data/album/chorus/lofi-1.mp3", "album/chorus/lofi-1.mp3");
        check("/elsewhere/lofi-1.mp3", "elsewhere/lofi-1.mp3");
        check("s3://music/album/lofi-1.mp3", "music/album/lofi-1.mp3");
    }
}
