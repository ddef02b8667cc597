//! What the client keeps and says of responses that it can't use.

use super::tests::{KEY, TASK, TOKEN, client, client_of, request, responding, serve};
use super::*;
use crate::Excerpt;

async fn doubt(status: u16, headers: &[(&'static str, &str)], body: &str) -> (String, Excerpt) {
    let base = responding(status, headers, body).await;
    match client(&base).submit(&request(), TOKEN).await.outcome {
        SubmitOutcome::InDoubt {
            reason,
            excerpt: Some(excerpt),
        } => (reason, excerpt),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_unreadable_response_keeps_what_it_said() {
    for body in [
        format!(r#"{{"code":200,"msg":"success","data":"{TASK}"}}"#),
        format!(r#"{{"code":200,"data":[{{"taskId":"{TASK}"}}]}}"#),
        format!(r#"{{"code":200,"data":{{"id":"{TASK}"}}}}"#),
        format!(r#"{{"code":0,"data":{{"taskId":"{TASK}"}}}}"#),
    ] {
        let (_, excerpt) = doubt(200, &[], &body).await;
        assert_eq!(
            (excerpt.text.as_str(), excerpt.task_ids),
            (body.as_str(), vec![TASK.into()])
        );
    }
    let page = "<html>\n<title>524: A timeout occurred</title>\n</html>";
    let (_, excerpt) = doubt(524, &[], page).await;
    assert_eq!(
        excerpt.text,
        "<html> <title>524: A timeout occurred</title> </html>"
    );
    assert!(excerpt.task_ids.is_empty());
}

#[tokio::test]
async fn no_secret_is_kept_of_it() {
    let body = format!(
        r#"{{"code":500,"msg":"{KEY} called https:\/\/hooks.example.com\/{TOKEN}?a=b with https://files.example.com/a.mp3?X-Signature=s3cret","data":null}}"#
    );
    let (reason, excerpt) = doubt(200, &[], &body).await;
    for secret in [KEY, TOKEN, "s3cret", "X-Signature"] {
        assert!(
            !reason.contains(secret) && !excerpt.text.contains(secret),
            "{reason} {excerpt:?}"
        );
    }
}

#[tokio::test]
async fn a_moved_address_is_named() {
    let to = "https://new.example.com/api/v1?token=s3cret";
    let base = responding(301, &[("location", to)], "").await;
    match client(&base).submit(&request(), TOKEN).await.outcome {
        SubmitOutcome::Refused { message, .. } => {
            assert!(
                message.contains("https://new.example.com/api/v1?…"),
                "{message}"
            );
        }
        other => panic!("{other:?}"),
    }
    let error = client(&base).credits().await.unwrap_err().to_string();
    assert!(
        error.contains("https://new.example.com/api/v1?…"),
        "{error}"
    );
    let (reason, _) = doubt(302, &[("location", "/login?x=s3cret")], "see there").await;
    assert!(
        reason.contains("/login") && !reason.contains("s3cret"),
        "{reason}"
    );
}

fn gzipped(body: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// A host that packs every file with `encoding`, ranges or not.
async fn packing(encoding: &'static str, body: Vec<u8>) -> Url {
    let router = axum::Router::new().fallback(move |headers: axum::http::HeaderMap| {
        let body = body.clone();
        async move {
            let status = match headers.contains_key("range") {
                true => axum::http::StatusCode::PARTIAL_CONTENT,
                false => axum::http::StatusCode::OK,
            };
            let length = body.len();
            let range = format!("bytes 4-{}/{length}", length - 1);
            let headers = [
                ("content-encoding", encoding.to_owned()),
                ("content-range", range),
            ];
            (status, headers, body)
        }
    });
    serve(router).await
}

async fn fetched(client: &Client, url: &Url, from: u64) -> Result<Vec<u8>, CallError> {
    let here = (from > 0).then(|| crate::Partial {
        length_bytes: from,
        validator: "\"a\"".to_owned(),
        total_len: None,
    });
    let mut download = client
        .download(url.as_str(), here.as_ref(), u64::MAX)
        .await?;
    assert!(!download.resumed);
    let mut bytes = Vec::new();
    while let Some(chunk) = download.chunk().await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

#[tokio::test]
async fn a_file_that_comes_gzipped_is_unpacked() {
    let sound: Vec<u8> = (0..300_000u32).map(|n| (n % 251) as u8).collect();
    let base = packing("gzip", gzipped(&sound)).await;
    for from in [0, 4] {
        assert!(fetched(&client(&base), &base, from).await.unwrap() == sound);
    }
    let packed = gzipped(&sound);
    let cut = packing("gzip", packed[..packed.len() - 20].to_vec()).await;
    let error = fetched(&client(&cut), &cut, 0).await.unwrap_err();
    assert!(
        matches!(error.kind(), CallErrorKind::Broken { .. }),
        "{error}"
    );
    let other = packing("zstd", packed).await;
    let error = fetched(&client(&other), &other, 0).await.unwrap_err();
    assert!(error.to_string().contains("zstd"), "{error}");
}

#[tokio::test]
async fn a_bomb_goes_off_on_no_path() {
    let zeros = vec![0; 100_000_000];
    for encoding in ["gzip", "zstd"] {
        let base = packing(encoding, gzipped(&zeros)).await;
        let client = client_of(Profile::studio(base.clone()), |options| {
            options.download_limit_bytes = 1_000_000;
        });
        match client.submit(&request(), TOKEN).await.outcome {
            SubmitOutcome::InDoubt { excerpt, .. } => {
                assert!(excerpt.is_none_or(|excerpt| excerpt.text.len() <= 512));
            }
            other => panic!("{other:?}"),
        }
        client.credits().await.unwrap_err();
        client.record_info(&TASK.into()).await.unwrap_err();
        client
            .download_link("https://cdn.example.com/a")
            .await
            .unwrap_err();
        let name = UploadName {
            folder: "a".to_owned(),
            file_name: "b.mp3".to_owned(),
        };
        let source = UploadSource::Bytes("sound".into());
        client
            .upload_stream(source, &name, "audio/mpeg")
            .await
            .unwrap_err();
        let error = fetched(&client, &base, 0).await.unwrap_err();
        match encoding {
            "gzip" => assert!(
                matches!(error.kind(), CallErrorKind::TooLarge { .. }),
                "{error}"
            ),
            _ => assert!(
                matches!(error.kind(), CallErrorKind::Unreadable { .. }),
                "{error}"
            ),
        }
        let poster = WebhookClient::new("backline-test/1", true).unwrap();
        let posted = poster
            .post(&base, &[], Vec::new(), std::time::Duration::from_secs(20))
            .await;
        match encoding {
            "gzip" => assert_eq!(posted, Err(PostError::TooLong)),
            _ => assert!(posted.unwrap().body.len() < 1_000_000),
        }
    }
}

#[tokio::test]
async fn a_loopback_profile_is_not_led_into_other_private_networks() {
    for target in [
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/a.mp3",
        "http://[fe80::1]/a.mp3",
    ] {
        let base = responding(302, &[("location", target)], "").await;
        let error = fetched(&client(&base), &base, 0).await.unwrap_err();
        assert!(
            matches!(error.kind(), CallErrorKind::Forbidden { .. }),
            "{target}: {error}"
        );
    }
    let inner = responding(200, &[], "sound").await;
    let outer = responding(302, &[("location", inner.as_str())], "").await;
    assert_eq!(fetched(&client(&outer), &outer, 0).await.unwrap(), b"sound");
}
