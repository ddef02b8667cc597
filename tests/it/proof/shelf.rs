//! A host of files somewhere else: what is asked for and not there is 404, and who asked for what is remembered.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A host on a loopback port. Its thread ends with the test's process.
pub(super) struct Shelf {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

/// An answer: headers and body.
pub(super) type Answer = (&'static str, Vec<u8>);

impl Shelf {
    /// Serves `files` by path; `*` stands for every other.
    pub(super) fn new(files: HashMap<&'static str, Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // A client that hangs up is none of this host's business.
                let _ = serve(stream, &files, &log);
            }
        });
        Self { url, asked }
    }

    /// The paths that were asked for, without their queries.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(
    mut stream: TcpStream,
    files: &HashMap<&'static str, Answer>,
    asked: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line)? > 2 {
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        line.clear();
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink())?;
    let target = first.split(' ').nth(1).unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default();
    asked.lock().unwrap().push(path.to_owned());
    let (status, headers, body) = match files.get(path).or_else(|| files.get("*")) {
        Some((headers, body)) => ("200 OK", *headers, body.as_slice()),
        None => ("404 Not Found", "", &[][..]),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n",
        body.len()
    )?;
    stream.write_all(body)
}
