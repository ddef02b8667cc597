//! Objects by their addresses, with the credentials of the environment: `AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT`, `GOOGLE_…`, `AZURE_…`.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use futures::TryStreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{
    Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, RetryConfig,
};
use sha2::{Digest, Sha256};
use tokio::runtime::Runtime;

/// Repeats of a request that failed. A file that can't be put is tried again later anyway.
const RETRIES: usize = 2;

/// The longest time that one request may take with its repeats.
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);

/// The object that shows what a store allows.
const PROBE: &str = ".backline-store";
const PROBE_CONTENT: &[u8] = b"backline keeps files here\n";

/// What the names of variables begin with whose values no message may contain.
const SECRETS: [&str; 3] = ["AWS_", "AZURE_", "GOOGLE_"];

/// Creates an object; whether the address has the content with this SHA-256 now. The object is read back for that.
pub(super) fn create(address: &str, mut file: &File, sha256: &str) -> io::Result<bool> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    let length_bytes = bytes.len() as u64;
    let (store, path) = at(address)?;
    let (is_new, found) = wait(async move {
        let is_new = put_new(&*store, &path, bytes.into()).await?;
        let object = store.get(&path).await?;
        if object.meta.size != length_bytes {
            return Ok((is_new, None));
        }
        let mut hasher = Sha256::new();
        let mut pieces = object.into_stream();
        while let Some(piece) = pieces.try_next().await? {
            hasher.update(&piece);
        }
        Ok((is_new, Some(backline_api::hex(&hasher.finalize()))))
    })?;
    match found.as_deref() == Some(sha256) {
        false if is_new => {
            let message = format!("{address} has another content than was put there");
            Err(io::Error::other(message))
        }
        is_ours => Ok(is_ours),
    }
}

/// Whether the object was created; if not, the path is taken.
async fn put_new(
    store: &dyn ObjectStore,
    path: &ObjectPath,
    content: PutPayload,
) -> Result<bool, Error> {
    let put = store.put_opts(path, content, PutOptions::from(PutMode::Create));
    match put.await {
        Ok(_) => Ok(true),
        Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Downloads an object to a temporary file, which is at its beginning.
pub(super) fn read(address: &str) -> io::Result<File> {
    let (store, path) = at(address)?;
    let mut file = tempfile::tempfile()?;
    let mut to = file.try_clone()?;
    wait(async move {
        let mut pieces = store.get(&path).await?.into_stream();
        let mut written = Ok(());
        while let Some(piece) = pieces.try_next().await? {
            written = written.and_then(|()| to.write_all(&piece));
        }
        Ok(written)
    })??;
    file.rewind()?;
    Ok(file)
}

/// The objects in a directory of a store, by their addresses, with their lengths in bytes.
pub(super) fn list(dir: &str) -> io::Result<HashMap<String, u64>> {
    let (store, path) = at(dir)?;
    let listed = wait(async move { store.list_with_delimiter(Some(&path)).await })?;
    let named = listed.objects.into_iter().filter_map(|object| {
        let name = object.location.filename()?;
        Some((format!("{dir}/{name}"), object.size))
    });
    Ok(named.collect())
}

/// Creates the probe, which must not be possible twice, and lists it.
pub(super) fn probe(store: &str) -> io::Result<()> {
    let (client, path) = at(&format!("{store}/{PROBE}"))?;
    let replaces = wait(async move {
        let is_new = put_new(&*client, &path, PROBE_CONTENT.into()).await?;
        Ok(is_new && put_new(&*client, &path, PROBE_CONTENT.into()).await?)
    })?;
    if replaces {
        let message = "it has no conditional writes: it would replace an object of the same name";
        return Err(io::Error::new(io::ErrorKind::Unsupported, message));
    }
    list(store).map(|_| ())
}

/// The client of an address, and the object's path in its store.
fn at(address: &str) -> io::Result<(Arc<dyn ObjectStore>, ObjectPath)> {
    static CLIENTS: OnceLock<Mutex<HashMap<String, Arc<dyn ObjectStore>>>> = OnceLock::new();
    let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidInput, why);
    let (scheme, rest) = address.split_once("://").unwrap_or_default();
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let path = ObjectPath::parse(path).map_err(|error| invalid(error.to_string()))?;
    let root = format!("{scheme}://{host}");
    let mut clients = CLIENTS
        .get_or_init(Mutex::default)
        .lock()
        .map_err(|_| io::Error::other("the clients of object stores failed"))?;
    if let Some(client) = clients.get(&root) {
        return Ok((client.clone(), path));
    }
    let retry = RetryConfig {
        max_retries: RETRIES,
        retry_timeout: RETRY_TIMEOUT,
        ..RetryConfig::default()
    };
    let client: Result<Arc<dyn ObjectStore>, Error> = match scheme {
        "s3" => AmazonS3Builder::from_env()
            .with_url(&root)
            .with_retry(retry)
            .build()
            .map(|client| Arc::new(client) as _),
        "gs" => GoogleCloudStorageBuilder::from_env()
            .with_url(&root)
            .with_retry(retry)
            .build()
            .map(|client| Arc::new(client) as _),
        "az" => MicrosoftAzureBuilder::from_env()
            .with_url(&root)
            .with_retry(retry)
            .build()
            .map(|client| Arc::new(client) as _),
        // As on disk, a file counts as kept once it is durable.
        "file" if host.is_empty() => Ok(Arc::new(LocalFileSystem::new().with_fsync(true)) as _),
        _ => return Err(invalid(format!("{root} is no object store"))),
    };
    let client = client.map_err(|error| failed(&error))?;
    clients.insert(root, client.clone());
    Ok((client, path))
}

/// Waits for a request. It is carried out by a thread of its own, so that any thread may wait.
fn wait<T: Send + 'static>(
    request: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> io::Result<T> {
    static RUNTIME: OnceLock<io::Result<Runtime>> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("object-stores")
            .enable_all()
            .build()
    });
    let runtime = runtime
        .as_ref()
        .map_err(|error| io::Error::other(error.to_string()))?;
    let (done, result) = std::sync::mpsc::channel();
    runtime.spawn(async move {
        // Nobody waits any more if it fails.
        let _ = done.send(request.await);
    });
    match result.recv() {
        Ok(result) => result.map_err(|error| failed(&error)),
        Err(_) => Err(io::Error::other("the request was given up")),
    }
}

/// A store's error without secrets of the environment.
fn failed(error: &Error) -> io::Error {
    let kind = match error {
        Error::NotFound { .. } => io::ErrorKind::NotFound,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
            io::ErrorKind::PermissionDenied
        }
        _ => io::ErrorKind::Other,
    };
    let secrets = std::env::vars().filter(|(name, value)| {
        SECRETS.iter().any(|prefix| name.starts_with(prefix))
            && ["SECRET", "TOKEN", "KEY", "SAS"]
                .iter()
                .any(|it| name.contains(it))
            && !value.is_empty()
    });
    let text = secrets.fold(error.to_string(), |text, (_, secret)| {
        text.replace(&secret, "***")
    });
    // A server's response may have many lines.
    let text: Vec<&str> = text.split_whitespace().collect();
    io::Error::new(kind, text.join(" "))
}
