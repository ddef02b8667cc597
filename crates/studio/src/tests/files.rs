//! Files: types, lengths, ranges, and no way out of the folder.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::lab::{Lab, instant_request, vocal};

#[tokio::test]
async fn a_file_comes_whole_or_by_ranges() {
    let lab = Lab::open(|_| ()).await;
    let bytes = vocal();
    let url = lab.upload("v.wav", bytes.clone()).await;
    let whole = lab.http.get(&url).send().await.unwrap();
    assert_eq!(whole.headers()["content-type"], "audio/wav");
    assert_eq!(
        whole.headers()["content-length"],
        bytes.len().to_string().as_str()
    );
    assert_eq!(whole.headers()["accept-ranges"], "bytes");
    assert_eq!(whole.headers()["x-content-type-options"], "nosniff");
    let etag = whole.headers()["etag"].clone();
    assert_eq!(whole.bytes().await.unwrap(), bytes);
    let part = lab
        .http
        .get(&url)
        .header("range", "bytes=100-199")
        .send()
        .await
        .unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(
        part.headers()["content-range"],
        format!("bytes 100-199/{}", bytes.len()).as_str()
    );
    assert_eq!(part.bytes().await.unwrap(), bytes[100..200]);
    let beyond = lab
        .http
        .get(&url)
        .header("range", format!("bytes={}-", bytes.len()))
        .send()
        .await
        .unwrap();
    assert_eq!(beyond.status(), 416);
    assert_eq!(
        beyond.headers()["content-range"],
        format!("bytes */{}", bytes.len()).as_str()
    );
    let more_than_all = format!("bytes=-{}", bytes.len() + 1);
    for (range, status) in [
        (more_than_all.as_str(), 206),
        ("bytes=9-2", 200),
        ("bytes=abc", 200),
        ("rows=0-1", 200),
        ("bytes=0-1,4-5", 200),
    ] {
        let response = lab.http.get(&url).header("range", range);
        let response = response.send().await.unwrap();
        assert_eq!(response.status(), status, "{range}");
        assert_eq!(response.bytes().await.unwrap(), bytes, "{range}");
    }
    let head = lab.http.head(&url).header("range", "bytes=100-199");
    assert_eq!(head.send().await.unwrap().status(), 200);
    let known = lab
        .http
        .get(&url)
        .header("if-none-match", etag)
        .send()
        .await
        .unwrap();
    assert_eq!(known.status(), 304);
    let head = lab.http.head(&url).send().await.unwrap();
    assert_eq!(
        head.headers()["content-length"],
        bytes.len().to_string().as_str()
    );
}

#[tokio::test]
async fn an_uploaded_page_is_only_bytes() {
    let lab = Lab::open(|_| ()).await;
    for name in ["page.html", "picture.svg", "no-extension"] {
        let url = lab
            .upload(name, b"<script>alert(1)</script>".to_vec())
            .await;
        let response = lab.http.get(&url).send().await.unwrap();
        assert_eq!(
            response.headers()["content-type"],
            "application/octet-stream",
            "{name}"
        );
    }
}

/// Sends a path as it stands: URL types would tidy it up first.
fn raw_get(lab: &Lab, path: &str) -> String {
    let address = lab.studio.base_url().socket_addrs(|| None).unwrap()[0];
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).unwrap();
    String::from_utf8_lossy(&response).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_leads_out_of_the_folder() {
    let lab = Lab::open(|_| ()).await;
    lab.upload("v.wav", vocal()).await;
    for path in [
        "/files/../studio.sqlite3",
        "/files/uploads/../../studio.sqlite3",
        "/files/%2e%2e/studio.sqlite3",
        "/files/..%2fstudio.sqlite3",
        "/files/uploads/%2e%2e%2f%2e%2e%2fstudio.sqlite3",
        "/files//etc/passwd",
        "/files/%2fetc%2fpasswd",
        "/files/..\\studio.sqlite3",
        "/files/uploads",
        "/files/uploads/",
        "/files/uploads/stems",
        "/files/uploads/stems/v.wav%00.mp3",
        "/files/uploads/./stems/v.wav",
        "/covers/../files/uploads/stems/v.wav",
    ] {
        let response = raw_get(&lab, path);
        assert!(
            response.starts_with("HTTP/1.1 404 ") || response.starts_with("HTTP/1.1 400 "),
            "{path}: {response}"
        );
    }
    assert!(raw_get(&lab, "/files/uploads/stems/v.wav").starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_cover_is_drawn_for_every_track() {
    let lab = Lab::open(|_| ()).await;
    let task = lab.submit(&instant_request()).await;
    let info = lab.record_info(&task).await;
    for track in info["response"]["sunoData"].as_array().unwrap() {
        let response = lab
            .http
            .get(track["imageUrl"].as_str().unwrap())
            .send()
            .await
            .unwrap();
        assert_eq!(response.headers()["content-type"], "image/svg+xml");
        assert!(response.text().await.unwrap().starts_with("<svg"));
    }
    assert_eq!(
        lab.http
            .get(lab.url("covers/nonsense.svg"))
            .send()
            .await
            .unwrap()
            .status(),
        404
    );
}

/// A page in a browser of this machine, whose own name was made to lead here, sends that name.
#[tokio::test]
async fn a_request_of_this_machine_that_names_another_host_is_turned_away() {
    let lab = Lab::open(|_| ()).await;
    for (host, status) in [
        ("evil.example", 421),
        ("127.0.0.1.evil.example:80", 421),
        ("localhost", 200),
        ("127.0.0.1:1", 200),
        ("[::1]", 200),
    ] {
        let response = lab
            .http
            .get(lab.url("api/v1/generate/credit"))
            .header("host", host)
            .bearer_auth("any")
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), status, "{host}");
    }
}
