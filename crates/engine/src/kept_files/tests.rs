//! Objects in a directory, and in an S3 server on loopback.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use super::*;

fn hash(content: &str) -> String {
    backline_api::hex(&Sha256::digest(content))
}

fn put(store: &str, content: &str) -> io::Result<String> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content.as_bytes()).unwrap();
    put_object(store, "verse/lofi 50%-1", "mp3", &file, &hash(content))
}

fn text(address: &str) -> String {
    let mut text = String::new();
    let mut file = open_kept_file(Path::new("/elsewhere"), address).unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

fn look(path: &str, length_bytes: u64) -> OnDisk {
    KeptFiles::new(Path::new("/elsewhere")).look(&KeptFile {
        path: path.to_owned(),
        sha256: String::new(),
        length_bytes,
        duration_s: 1.0,
        unverified: None,
    })
}

/// What every store must do; `root` is where it has its objects on disk.
fn check_store(store: &str, root: &Path) {
    probe_store(store).unwrap();
    probe_store(store).unwrap();
    let first = put(store, "one").unwrap();
    assert_eq!(first, format!("{store}/verse/lofi 50%-1.mp3"));
    assert!(is_object(&first));
    // A run that was killed before it recorded the file puts it again.
    assert_eq!(put(store, "one").unwrap(), first);
    let second = put(store, "two").unwrap();
    assert_eq!(second, format!("{store}/verse/lofi 50%-1~2.mp3"));
    assert_eq!((text(&first), text(&second)), ("one".into(), "two".into()));

    assert_eq!(look(&first, 3), OnDisk::AsKept);
    std::fs::write(root.join("verse/lofi 50%-1.mp3"), "changed").unwrap();
    assert_eq!(look(&first, 3), OnDisk::Changed);
    // What somebody else put there is not replaced.
    let third = put(store, "one").unwrap();
    assert_eq!(third, format!("{store}/verse/lofi 50%-1~3.mp3"));
    assert_eq!(text(&first), "changed");
    std::fs::remove_file(root.join("verse/lofi 50%-1~2.mp3")).unwrap();
    assert_eq!(look(&second, 3), OnDisk::Gone);
    let missing = open_kept_file(Path::new(""), &second).unwrap_err();
    assert_eq!(missing.kind(), io::ErrorKind::NotFound);
}

#[test]
fn a_directory_is_a_store() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("kept");
    check_store(&format!("file://{}", root.display()), &root);
    let out = format!("file://{}/../out", root.display());
    assert!(put(&out, "one").is_err());
}

/// An S3 server at `address`, until the runtime is dropped.
fn serve(address: SocketAddr, root: &Path) -> (Runtime, SocketAddr) {
    let runtime = Runtime::new().unwrap();
    let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).unwrap());
    builder.set_auth(SimpleAuth::from_single("user", "right-secret"));
    let service = builder.build();
    let listener = runtime.block_on(TcpListener::bind(address)).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let _ = Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(socket), service)
                    .await;
            });
        }
    });
    (runtime, address)
}

/// What a process of its own does with the bucket; the variable that names it.
const CHILD: &str = "TEST_CHILD";

/// Runs one of [`child`]'s parts in a process of its own, which has the store's credentials in its environment.
fn in_process(part: &str, endpoint: SocketAddr, root: &Path, secret: &str) -> String {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("kept_files::tests::a_bucket_is_a_store_and_one_out_of_reach_says_so")
        .envs([
            (CHILD, part),
            ("AWS_ACCESS_KEY_ID", "user"),
            ("AWS_SECRET_ACCESS_KEY", secret),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT", &format!("http://{endpoint}")),
            ("TEST_ROOT", &root.display().to_string()),
        ])
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
    text
}

#[test]
fn a_bucket_is_a_store_and_one_out_of_reach_says_so() {
    if let Ok(part) = std::env::var(CHILD) {
        return child(&part);
    }
    let scratch = tempfile::tempdir().unwrap();
    std::fs::create_dir(scratch.path().join("music")).unwrap();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let (runtime, endpoint) = serve(any, scratch.path());
    in_process("uses_a_bucket", endpoint, scratch.path(), "right-secret");
    let text = in_process("is_refused", endpoint, scratch.path(), "wrong-secret");
    assert!(!text.contains("wrong-secret"), "{text}");
    drop(runtime);
    in_process("is_refused", endpoint, scratch.path(), "right-secret");
    // The server is back: what is there is there.
    let (_runtime, endpoint) = serve(endpoint, scratch.path());
    in_process("finds_its_object", endpoint, scratch.path(), "right-secret");
}

fn child(part: &str) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    match part {
        "uses_a_bucket" => uses_a_bucket(),
        "is_refused" => is_refused(),
        "finds_its_object" => finds_its_object(),
        part => panic!("{part}"),
    }
}

fn uses_a_bucket() {
    let root = std::env::var("TEST_ROOT").unwrap();
    check_store("s3://music/kept", &Path::new(&root).join("music/kept"));
}

fn is_refused() {
    let secret = std::env::var("AWS_SECRET_ACCESS_KEY").unwrap();
    let refused = [
        probe_store("s3://music/kept").unwrap_err(),
        put("s3://music/kept", "four").unwrap_err(),
    ];
    for error in refused {
        assert!(!error.to_string().contains(&secret), "{error}");
    }
    // Nothing is known of the files, so nothing is downloaded again.
    assert_eq!(look("s3://music/kept/verse/none.mp3", 3), OnDisk::AsKept);
}

fn finds_its_object() {
    let found = put("s3://music/kept", "changed").unwrap();
    assert_eq!(found, "s3://music/kept/verse/lofi 50%-1.mp3");
}
