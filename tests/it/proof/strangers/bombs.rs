//! Bodies that swell on a server's side.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use crate::lab::{KEY, Lab};
use crate::proof::strangers::most_memory_mb;

/// No server of the program unpacks what it does not understand: a compressed body is refused as it stands, in little memory.
#[test]
fn a_studio_unpacks_no_compressed_body() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    let bomb = lab.path("bomb.gz");
    let made = Command::new("sh")
        .args([
            "-c",
            "head -c 1000000000 /dev/zero | gzip -1 > \"$1\"",
            "sh",
        ])
        .arg(&bomb)
        .status()
        .unwrap();
    assert!(made.success());
    let bytes = std::fs::read(&bomb).unwrap();
    for (path, coding) in [
        ("api/v1/generate/add-instrumental", "gzip"),
        ("api/file-base64-upload", "gzip"),
        ("api/file-url-upload", "zstd"),
    ] {
        let status = post(&studio.url, path, coding, &bytes);
        assert!(
            status.starts_with("HTTP/1.1 2") || status.starts_with("HTTP/1.1 4"),
            "{status}"
        );
    }
    let used = most_memory_mb(studio.process());
    println!("a studio after three bodies that swell to 1 GB: {used:.0} MB");
    assert!(used < 300.0, "{used} MB");
}

/// The status line that a body of this coding gets.
fn post(url: &str, path: &str, coding: &str, body: &[u8]) -> String {
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /{path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: x\r\nAuthorization: Bearer {KEY}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // It may be refused before it is sent.
    let _ = stream.write_all(body);
    let mut response = Vec::new();
    let _ = stream.read_to_end(&mut response);
    let text = String::from_utf8_lossy(&response);
    text.lines().next().unwrap_or_default().to_owned()
}
