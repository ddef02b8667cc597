//! A machine that reaches nothing but its proxy: no name of the provider resolves here, and no connection to it would succeed.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream};
use std::sync::{Arc, Mutex};

use backline_studio::{Studio, StudioConfig};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use super::project::{Project, VENDOR};
use crate::lab::{KEY, Lab, finish};

/// A forward proxy that leads every name to one server. Tells what it was asked for.
struct Proxy {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn to(server: SocketAddr) -> Self {
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = requests.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let seen = seen.clone();
                // Whoever hangs up in the middle has seen enough.
                std::thread::spawn(move || forward(client, server, &seen));
            }
        });
        Self { address, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// One request in absolute form; the connection ends with its response.
fn forward(client: TcpStream, server: SocketAddr, seen: &Mutex<Vec<String>>) -> Option<()> {
    let mut from_client = BufReader::new(client.try_clone().ok()?);
    let mut line = String::new();
    from_client.read_line(&mut line).ok()?;
    seen.lock().unwrap().push(line.trim_end().to_owned());
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?, words.next()?);
    let path = url::Url::parse(target).ok()?;
    let query = path.query().map(|query| format!("?{query}"));
    let mut head = format!(
        "{method} {}{} HTTP/1.1\r\nConnection: close\r\n",
        path.path(),
        query.unwrap_or_default()
    );
    loop {
        let mut header = String::new();
        from_client.read_line(&mut header).ok()?;
        if !header.to_ascii_lowercase().starts_with("connection:") {
            head.push_str(&header);
        }
        if header == "\r\n" {
            break;
        }
    }
    let mut to_server = TcpStream::connect(server).ok()?;
    to_server.write_all(head.as_bytes()).ok()?;
    let mut upstream = to_server.try_clone().ok()?;
    std::thread::spawn(move || std::io::copy(&mut from_client, &mut upstream));
    let mut response = Vec::new();
    to_server.read_to_end(&mut response).ok()?;
    let mut client = client;
    client.write_all(&response).ok()?;
    client.shutdown(std::net::Shutdown::Both).ok()
}

#[test]
fn what_is_bought_behind_a_mandatory_proxy_is_fetched() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let lab = Lab::new();
    let mut config = StudioConfig::new(lab.path("studio"));
    config.key = Some(KEY.to_owned());
    config.credits = Some(1_000.0);
    config.instant = true;
    config.public_url = Some("http://cdn.vendor.invalid/".parse().unwrap());
    let runtime = Runtime::new().unwrap();
    let (studio, address) = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (Studio::start(listener, config).await.unwrap(), address)
    });
    let proxy = Proxy::to(address);
    let project = Project::new(&lab, "http://api.vendor.invalid/", "proxied", 2, VENDOR);
    project.edit(
        "profile: studio",
        "profile: custom, upload_url: \"http://files.vendor.invalid/\"",
    );
    let command = |args: &[&str], proxy: &str| {
        let mut command = project.command(args);
        command.env_remove("HTTPS_PROXY").env("HTTP_PROXY", proxy);
        finish(command)
    };

    // A variable that names no proxy does not mean a direct connection.
    let ran = command(&["run", "songs.yaml"], "http://");
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(ran.err.contains("HTTP_PROXY"), "{}", ran.err);

    let through = format!("http://user:pr0xy-pass@{}", proxy.address);
    let doctor = command(&["doctor", "songs.yaml"], &through);
    for found in [
        "uploads",
        "http://files.vendor.invalid/ responds",
        "files are downloaded through it",
    ] {
        assert!(doctor.out.contains(found), "{found}: {}", doctor.out);
    }
    let ran = command(&["-vvv", "run", "songs.yaml"], &through);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    project.assert_bought_once_and_kept("proxied");
    let requests = proxy.requests();
    let files = requests
        .iter()
        .filter(|line| line.starts_with("GET http://cdn.vendor.invalid/"));
    assert!(files.count() >= 4, "{requests:?}");
    for shown in [&doctor.out, &doctor.err, &ran.out, &ran.err] {
        assert!(!shown.contains("pr0xy-pass"), "{shown}");
    }
    runtime.block_on(studio.stop());
}
