//! A vendor of the test's own: it takes every job, has it made at once, and gives its files as the test says.

use std::collections::HashMap;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::request::Request;

/// A request for a file.
pub(super) struct Fetch {
    /// `track-1`, `track-2`.
    pub(super) file: String,
    /// How often the file was asked for, this time included.
    pub(super) nth: usize,
    headers: HashMap<String, String>,
}

impl Fetch {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Where the range begins that is asked for.
    pub(super) fn from(&self) -> Option<usize> {
        let range = self.header("range")?.strip_prefix("bytes=")?;
        range.strip_suffix('-')?.parse().ok()
    }
}

/// What it responds to a request instead of its usual response, where it has something else to say: the whole body. The number
/// is how many jobs it took, this one included.
type Says = dyn Fn(&Request, usize) -> Option<Value> + Send + Sync;

type Files = dyn Fn(&Fetch, &mut TcpStream) -> std::io::Result<()> + Send + Sync;

/// What a vendor says of its tracks.
#[derive(Clone)]
pub(super) struct Tracks {
    pub(super) count: usize,
    pub(super) duration_s: Option<f64>,
}

/// A vendor on a loopback port. Its threads end with the test's process.
pub(super) struct Vendor {
    pub(super) url: String,
    tracks: Arc<Mutex<Tracks>>,
    log: Arc<Mutex<Log>>,
}

#[derive(Default)]
struct Log {
    bought: usize,
    fetches: Vec<(String, Option<usize>)>,
}

impl Vendor {
    /// A vendor whose jobs have one track of twelve seconds, which `files` sends.
    pub(super) fn new(
        files: impl Fn(&Fetch, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::saying(files, |_, _| None)
    }

    /// The same, but it responds as `says` has it, where that has anything.
    pub(super) fn saying(
        files: impl Fn(&Fetch, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
        says: impl Fn(&Request, usize) -> Option<Value> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let tracks = Tracks {
            count: 1,
            duration_s: Some(12.0),
        };
        let vendor = Self {
            url: url.clone(),
            tracks: Arc::new(Mutex::new(tracks)),
            log: Arc::default(),
        };
        let (tracks, log, files) = (vendor.tracks.clone(), vendor.log.clone(), Arc::new(files));
        let says: Arc<Says> = Arc::new(says);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (url, tracks) = (url.clone(), tracks.clone());
                let (log, files, says) = (log.clone(), files.clone(), says.clone());
                std::thread::spawn(move || {
                    // A client that hangs up is none of this vendor's business.
                    let _ = serve(stream, &url, &tracks, &log, (&*files, &*says));
                });
            }
        });
        vendor
    }

    /// Changes what it says of its tracks.
    pub(super) fn tracks(&self, tracks: Tracks) {
        *self.tracks.lock().unwrap() = tracks;
    }

    /// Jobs that it took.
    pub(super) fn bought(&self) -> usize {
        self.log.lock().unwrap().bought
    }

    /// The files that were asked for, and where the ranges began.
    pub(super) fn fetches(&self) -> Vec<(String, Option<usize>)> {
        self.log.lock().unwrap().fetches.clone()
    }
}

fn serve(
    mut stream: TcpStream,
    url: &str,
    tracks: &Mutex<Tracks>,
    log: &Mutex<Log>,
    (files, says): (&Files, &Says),
) -> std::io::Result<()> {
    let request = Request::read(&stream)?;
    let path = request.path();
    let bought = {
        let mut log = log.lock().unwrap();
        log.bought += usize::from(path.ends_with("add-instrumental"));
        log.bought
    };
    if let Some(body) = says(&request, bought) {
        return send_json(&mut stream, &body);
    }
    if let Some(file) = path.strip_prefix("/files/") {
        let fetch = {
            let mut log = log.lock().unwrap();
            let mut fetch = Fetch {
                file: file.to_owned(),
                nth: 0,
                headers: request.headers.clone(),
            };
            log.fetches.push((fetch.file.clone(), fetch.from()));
            fetch.nth = log.fetches.iter().filter(|(name, _)| name == file).count();
            fetch
        };
        return files(&fetch, &mut stream);
    }
    let data = if path.ends_with("upload") {
        json!({"downloadUrl": format!("{url}/voice.wav")})
    } else if path.ends_with("add-instrumental") {
        json!({"taskId": format!("{bought:032x}")})
    } else if path.ends_with("record-info") {
        let task = request.target.split("taskId=").nth(1).unwrap_or_default();
        details(url, task, &tracks.lock().unwrap())
    } else {
        json!(100)
    };
    let body = json!({"success": true, "code": 200, "msg": "success", "data": data});
    send_json(&mut stream, &body)
}

fn send_json(stream: &mut TcpStream, body: &Value) -> std::io::Result<()> {
    let body = body.to_string();
    send(
        stream,
        "200 OK",
        "Content-Type: application/json\r\n",
        body.as_bytes(),
    )
}

fn details(url: &str, task: &str, tracks: &Tracks) -> Value {
    let track = |number: usize| {
        json!({
            "id": format!("{task}-{number}"),
            "audioUrl": format!("{url}/files/track-{number}?Signature={task}"),
            "title": "a",
            "duration": tracks.duration_s,
        })
    };
    let tracks: Vec<Value> = (1..=tracks.count).map(track).collect();
    json!({"taskId": task, "status": "SUCCESS", "response": {"taskId": task, "sunoData": tracks}})
}

/// Sends a whole response and hangs up.
pub(super) fn send(
    stream: &mut TcpStream,
    status: &str,
    headers: &str,
    body: &[u8],
) -> std::io::Result<()> {
    declare(stream, status, headers, body.len())?;
    stream.write_all(body)
}

/// Sends the head of a response whose body has this length.
pub(super) fn declare(
    stream: &mut TcpStream,
    status: &str,
    headers: &str,
    length: usize,
) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n"
    )
}

/// Sends the file, or the part of it that is asked for; a host that looks at `If-Range` compares it with `tag`.
pub(super) fn send_range(
    stream: &mut TcpStream,
    fetch: &Fetch,
    tag: &str,
    looks_at_if_range: bool,
    body: &[u8],
) -> std::io::Result<()> {
    let same = !looks_at_if_range || fetch.header("if-range").is_none_or(|it| it == tag);
    match fetch.from().filter(|from| same && *from < body.len()) {
        None => send(stream, "200 OK", &format!("ETag: {tag}\r\n"), body),
        Some(from) => {
            let (last, total) = (body.len() - 1, body.len());
            let headers = format!("ETag: {tag}\r\nContent-Range: bytes {from}-{last}/{total}\r\n");
            send(stream, "206 Partial Content", &headers, &body[from..])
        }
    }
}
