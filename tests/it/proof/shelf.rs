//! A host of files somewhere else: what is asked for and not there is 404, and who asked for what is remembered.

use std::collections::HashMap;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::request::Request;

/// A host on a loopback port. Its thread ends with the test's process.
pub(super) struct Shelf {
    pub(super) url: String,
    files: Arc<Mutex<Files>>,
    asked: Arc<Mutex<Vec<String>>>,
}

type Files = HashMap<&'static str, Answer>;

/// An answer: headers and body.
pub(super) type Answer = (&'static str, Vec<u8>);

impl Shelf {
    /// Serves `files` by path; `*` stands for every other.
    pub(super) fn new(files: Files) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let files = Arc::new(Mutex::new(files));
        let (log, served) = (asked.clone(), files.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // A client that hangs up is none of this host's business.
                let _ = serve(stream, &served, &log);
            }
        });
        Self { url, files, asked }
    }

    /// Serves other files from now on.
    pub(super) fn replace(&self, files: Files) {
        *self.files.lock().unwrap() = files;
    }

    /// The paths that were asked for, without their queries.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(
    mut stream: TcpStream,
    files: &Mutex<Files>,
    asked: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let request = Request::read(&stream)?;
    let path = request.path();
    asked.lock().unwrap().push(path.to_owned());
    let files = files.lock().unwrap().clone();
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
