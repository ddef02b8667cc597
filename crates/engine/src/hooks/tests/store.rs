//! `store`, against a folder and against a real S3 server on loopback.

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;

use super::*;

/// A kept file and the event that says so.
fn kept(folder: &Path) -> HookEvent {
    let mut event = sample(HookPoint::TrackKept);
    let file = folder.join("lofi-1.mp3");
    std::fs::write(&file, b"sound").unwrap();
    event.file = Some(file.display().to_string());
    event
}

fn spec(url: &str) -> HookSpec {
    let mut spec = HookSpec::new(
        HookPoint::TrackKept,
        1,
        HookKind::Store {
            url: url.parse().unwrap(),
        },
    );
    spec.env = argv(&[
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_ENDPOINT",
        "AWS_ALLOW_HTTP",
        "AWS_REGION",
    ]);
    spec
}

/// Copies with this secret to a server whose secret is `right`.
async fn copy(endpoint: &str, secret: &'static str, folder: &Path) -> Result<String, HookError> {
    let endpoint = endpoint.to_owned();
    let context = HookContext {
        environment: Arc::new(move |name| match name {
            "AWS_ACCESS_KEY_ID" => Some("user".to_owned()),
            "AWS_SECRET_ACCESS_KEY" => Some(secret.to_owned()),
            "AWS_ENDPOINT" => Some(endpoint.clone()),
            "AWS_ALLOW_HTTP" => Some("true".to_owned()),
            "AWS_REGION" => Some("us-east-1".to_owned()),
            _ => None,
        }),
        ..context(folder)
    };
    let bound = BoundHook::alone(&spec("s3://music/kept"), &context);
    let said = bound.put(&kept(folder)).await?;
    match said.note {
        Some(crate::event::TrackNote::Copied { to }) => Ok(to),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_track_is_copied_to_s3_and_a_wrong_secret_is_refused() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let target = tempfile::tempdir().unwrap();
    std::fs::create_dir(target.path().join("music")).unwrap();
    let service = {
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(target.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single("user", "right"));
        builder.build()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let _ = Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(socket), service)
                    .await;
            });
        }
    });
    let to = copy(&endpoint, "right", folder.path()).await.unwrap();
    assert_eq!(to, "s3://music/kept/out/album/verse/lofi-1.mp3");
    let copied = target.path().join("music/kept/out/album/verse/lofi-1.mp3");
    assert_eq!(std::fs::read(&copied).unwrap(), b"sound");
    std::fs::remove_file(&copied).unwrap();
    let refused = copy(&endpoint, "wrong", folder.path()).await.unwrap_err();
    assert!(refused.to_string().contains("could not copy"), "{refused}");
    assert!(!copied.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_track_is_copied_to_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("target");
    let url = format!("file://{}", target.display());
    let bound = BoundHook::alone(&spec(&url), &context(folder.path()));
    bound.put(&kept(folder.path())).await.unwrap();
    assert_eq!(
        std::fs::read(target.join("out/album/verse/lofi-1.mp3")).unwrap(),
        b"sound"
    );
}
