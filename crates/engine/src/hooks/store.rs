//! `store`: copies kept tracks to an object store or a folder.
//!
//! A copy lies under the hook's place at the file's own path within the project. The same file again replaces it; nothing is ever
//! removed there. Credentials come from the variables that the hook's `env` names (`AWS_ACCESS_KEY_ID`, …), never from the
//! manifest.

use std::time::Duration;

use object_store::path::Path as Place;
use object_store::{ObjectStore, ObjectStoreExt};
use url::Url;

use super::process::Surroundings;
use super::{HookError, HookEvent, HookSpec};
use crate::event::{Event, TrackNote};

/// A place to copy to.
#[derive(Debug)]
pub(crate) struct Shelf {
    store: Box<dyn ObjectStore>,
    base: Place,
    url: Url,
}

impl Shelf {
    pub(crate) fn new(
        url: &Url,
        env: &[String],
        surroundings: &Surroundings,
    ) -> Result<Self, HookError> {
        let options = env.iter().filter_map(|name| {
            let value = surroundings.variable(name)?;
            Some((name.to_lowercase(), value))
        });
        if url.scheme() == "file" {
            let folder = url.to_file_path().unwrap_or_default();
            std::fs::create_dir_all(&folder).map_err(|error| {
                HookError::File(format!("could not make {}: {error}", folder.display()))
            })?;
        }
        let (store, base) = object_store::parse_url_opts(url, options)
            .map_err(|error| HookError::Environment(surroundings.clean(&error.to_string())))?;
        Ok(Self {
            store,
            base,
            url: url.clone(),
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
        let bytes = tokio::fs::read(file)
            .await
            .map_err(|error| HookError::File(format!("could not read {file}: {error}")))?;
        let inside = std::path::Path::new(&kept.path);
        let parts: Vec<String> = if inside.is_absolute() {
            let name = inside.file_name().unwrap_or_default();
            vec![name.to_string_lossy().into_owned()]
        } else {
            kept.path.split('/').map(str::to_owned).collect()
        };
        let place = parts
            .iter()
            .fold(self.base.clone(), |place, part| place.join(part.as_str()));
        let limit = Duration::from_millis(spec.timeout_ms);
        let copied = tokio::time::timeout(limit, self.store.put(&place, bytes.into())).await;
        match copied {
            Ok(Ok(_)) => Ok(Some(TrackNote::Copied {
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
}
