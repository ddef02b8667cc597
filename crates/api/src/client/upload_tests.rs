//! Uploads, to servers on loopback.

use axum::Router;
use axum::extract::Multipart;
use axum::http::{HeaderMap, header};
use axum::routing::post;
use bytes::Bytes;

use super::tests::{client, responding, serve};
use super::*;
use crate::ResponseClass;

pub(super) fn name() -> UploadName {
    UploadName {
        folder: "user/stems".to_owned(),
        file_name: "a1b2c3.mp3".to_owned(),
    }
}

#[tokio::test]
async fn uploads_arrive_whole() {
    const BODY: &str = include_str!("../../../../tests/fixtures/wire/upload/ok.json");
    async fn stream(headers: HeaderMap, mut form: Multipart) -> &'static str {
        assert!(
            headers.contains_key(header::AUTHORIZATION)
                && headers.contains_key(header::CONTENT_LENGTH)
        );
        let mut fields = Vec::new();
        while let Some(field) = form.next_field().await.unwrap() {
            let head = format!(
                "{} {:?} {:?}",
                field.name().unwrap(),
                field.file_name(),
                field.content_type()
            );
            fields.push((head, field.bytes().await.unwrap()));
        }
        let expected: [(&str, &[u8]); 3] = [
            ("uploadPath None None", b"user/stems"),
            ("fileName None None", b"a1b2c3.mp3"),
            (r#"file Some("a1b2c3.mp3") Some("audio/mpeg")"#, b"sound"),
        ];
        assert!(
            fields
                .iter()
                .map(|(head, body)| (head.as_str(), body.as_ref()))
                .eq(expected),
            "{fields:?}"
        );
        BODY
    }
    let router = Router::new().route("/api/file-stream-upload", post(stream));
    let client = client(&serve(router).await);
    let path = std::env::temp_dir().join(format!("backline-api-upload-{}", std::process::id()));
    std::fs::write(&path, "sound").unwrap();
    let all = [
        client
            .upload_stream(UploadSource::File(path.clone()), &name(), "audio/mpeg")
            .await,
        client
            .upload_stream(
                UploadSource::Bytes(Bytes::from_static(b"sound")),
                &name(),
                "audio/mpeg",
            )
            .await,
    ];
    std::fs::remove_file(&path).unwrap();
    for uploaded in all {
        assert_eq!(
            uploaded.unwrap().download_url,
            "https://files.example.com/user/stems/a1b2c3.mp3"
        );
    }
    let error = client
        .upload_stream(UploadSource::File(path), &name(), "audio/mpeg")
        .await
        .unwrap_err();
    assert!(
        matches!(error.kind(), CallErrorKind::File { .. }) && !error.is_retryable(),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_failed_upload_says_whether_to_try_again() {
    let failed = async |status: u16, body: &str| {
        let base = responding(status, &[], body).await;
        client(&base)
            .upload_stream(
                UploadSource::Bytes(Bytes::from_static(b"sound")),
                &name(),
                "audio/mpeg",
            )
            .await
            .unwrap_err()
    };
    let missing = failed(
        400,
        include_str!("../../../../tests/fixtures/wire/upload/missing-parameter.json"),
    )
    .await;
    assert_eq!(
        (missing.class(), missing.is_retryable()),
        (ResponseClass::RefusedJob, false)
    );
    let down = failed(500, r#"{"success":false,"code":500,"msg":"oops"}"#).await;
    assert_eq!(
        (down.class(), down.is_retryable()),
        (ResponseClass::InDoubt, true)
    );
}
