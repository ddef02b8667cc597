//! Hosts of files as they really are: the file changes between two requests, ranges don't work, it trickles or never ends, and what
//! comes can't be told to be a recording. No track is made of two files, none that was paid for is thrown away, and every run ends.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use super::project::{Project, list};
use super::vendor::{Fetch, Tracks, Vendor, declare, send, send_range};
use crate::lab::{Lab, tone, tone_lasting};

/// Two recordings of one length and format.
fn recordings(lab: &Lab) -> [Vec<u8>; 2] {
    [1, 2].map(|number| {
        lab.recording("recording.wav", number);
        fs::read(lab.path("recording.wav")).unwrap()
    })
}

/// A project of one job, with settings for limits.
fn project<'a>(lab: &'a Lab, vendor: &Vendor, limits: &str) -> Project<'a> {
    let project = Project::at(lab, vendor, "songs", 1);
    project.edit(
        "limits: {concurrency: 16",
        &format!("limits: {{concurrency: 16{limits}"),
    );
    project
}

/// The bytes of the only kept file, which is the only file there is.
#[track_caller]
fn kept(project: &Project<'_>) -> Vec<u8> {
    let files = project.kept_files();
    assert_eq!(files.len(), 1, "{files:?}");
    assert_eq!(project.left_behind(), Vec::<String>::new());
    fs::read(project.path(&files[0])).unwrap()
}

fn half_of(stream: &mut TcpStream, tag: &str, body: &[u8]) -> std::io::Result<()> {
    declare(stream, "200 OK", tag, body.len())?;
    stream.write_all(&body[..body.len() / 2])
}

#[test]
fn a_track_is_never_made_of_two_files() {
    for (tag, looks_at_if_range) in [
        ("ETag: \"one\"\r\n", true),
        // A host that gives a part of the new file, and says so or does not.
        ("ETag: \"one\"\r\n", false),
        ("", true),
        ("", false),
        ("ETag: W/\"one\"\r\n", false),
    ] {
        let lab = Lab::new();
        let [one, two] = recordings(&lab);
        let sent = two.clone();
        let vendor = Vendor::new(move |fetch, stream| match fetch.nth {
            1 => half_of(stream, tag, &one),
            _ => send_range(stream, fetch, "\"two\"", looks_at_if_range, &sent),
        });
        let project = project(&lab, &vendor, "");
        let ran = project.run();
        assert_eq!(ran.code, Some(0), "{tag}: {}", ran.err);
        assert!(kept(&project) == two, "{tag} {looks_at_if_range}");
        assert_eq!(vendor.bought(), 1);
    }
}

#[test]
fn a_part_of_the_same_file_is_gone_on_with_in_a_later_run() {
    let lab = Lab::new();
    let [one, _] = recordings(&lab);
    let (whole, half) = (one.clone(), one.len() / 2);
    let well = Arc::new(AtomicBool::new(false));
    let is_well = well.clone();
    let vendor = Vendor::new(move |fetch, stream| {
        if is_well.load(Ordering::SeqCst) {
            return send_range(stream, fetch, "\"one\"", true, &whole);
        }
        match fetch.nth {
            1 => half_of(stream, "ETag: \"one\"\r\n", &whole),
            _ => send(stream, "503 Service Unavailable", "", b""),
        }
    });
    let project = project(&lab, &vendor, "");
    assert_eq!(project.run().code, Some(4));
    // The signature of an address is written nowhere.
    for name in project.left_behind() {
        let text = String::from_utf8_lossy(&fs::read(project.path(&name)).unwrap()).into_owned();
        assert!(!text.contains("Signature"), "{name}");
    }
    well.store(true, Ordering::SeqCst);
    let ran = project.run();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(kept(&project) == one);
    assert_eq!(vendor.fetches().last().unwrap().1, Some(half));
    assert_eq!(vendor.bought(), 1);
}

#[test]
fn a_host_that_cannot_deal_with_ranges_is_asked_for_the_whole_file() {
    type Answer = fn(&Fetch, &mut TcpStream, &[u8]) -> std::io::Result<()>;
    let answers: [(&str, Answer); 4] = [
        ("another offset", |_, stream, body| {
            let headers = format!(
                "Content-Range: bytes 7-{}/{}\r\n",
                body.len() - 1,
                body.len()
            );
            send(stream, "206 Partial Content", &headers, &body[7..])
        }),
        ("forbidden", |_, stream, _| {
            send(stream, "403 Forbidden", "", b"")
        }),
        ("unsatisfiable", |_, stream, _| {
            send(stream, "416 Range Not Satisfiable", "", b"")
        }),
        ("ignored", |_, stream, body| {
            send(stream, "200 OK", "", body)
        }),
    ];
    for (name, answer) in answers {
        let lab = Lab::new();
        let [one, _] = recordings(&lab);
        let whole = one.clone();
        let vendor = Vendor::new(move |fetch, stream| match (fetch.nth, fetch.from()) {
            (1, _) => half_of(stream, "ETag: \"one\"\r\n", &whole),
            (_, Some(_)) => answer(fetch, stream, &whole),
            (_, None) => send(stream, "200 OK", "", &whole),
        });
        let project = project(&lab, &vendor, "");
        let ran = project.run();
        assert_eq!(ran.code, Some(0), "{name}: {}", ran.err);
        assert!(kept(&project) == one, "{name}");
        assert!(
            vendor.fetches().len() <= 3,
            "{name}: {:?}",
            vendor.fetches()
        );
    }
}

/// Sends a byte now and then until the client hangs up.
fn trickle(stream: &mut TcpStream) -> std::io::Result<()> {
    declare(stream, "200 OK", "ETag: \"slow\"\r\n", 1_000_000)?;
    // A client sends nothing more; one that hangs up is heard at once.
    stream.set_read_timeout(Some(Duration::from_millis(20)))?;
    while stream.write_all(b"x").is_ok() {
        if stream.read(&mut [0]).is_ok() {
            return Ok(());
        }
    }
    Ok(())
}

#[test]
fn a_download_that_trickles_is_ended_by_the_deadline() {
    let lab = Lab::new();
    let vendor = Vendor::new(|_, stream| trickle(stream));
    let project = project(&lab, &vendor, ", deadline: 3s");
    let ran = project.run();
    assert_eq!(ran.code, Some(5), "{}", ran.err);
    assert!(ran.err.contains("limits.deadline is over"), "{}", ran.err);
}

#[test]
fn a_download_that_trickles_is_ended_by_a_signal() {
    for signal in ["TERM", "INT"] {
        let lab = Lab::new();
        let vendor = Vendor::new(|_, stream| trickle(stream));
        let project = project(&lab, &vendor, "");
        let running = project.start();
        while vendor.fetches().is_empty() {
            std::thread::yield_now();
        }
        running.signal(signal);
        let ran = running.end();
        assert_eq!(ran.code, Some(5), "{}", ran.err);
    }
}

#[test]
fn a_file_that_is_too_large_is_refused_and_leaves_nothing() {
    for declares in [true, false] {
        let lab = Lab::new();
        let vendor = Vendor::new(move |_, stream| {
            if declares {
                return declare(stream, "200 OK", "", 600 * 1024 * 1024);
            }
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nETag: \"endless\"\r\nConnection: close\r\n\r\n"
            )?;
            let piece = vec![0; 1024 * 1024];
            while stream.write_all(&piece).is_ok() {}
            Ok(())
        });
        let project = project(&lab, &vendor, "");
        let ran = project.run();
        assert_eq!(ran.code, Some(4), "{}", ran.err);
        // Twelve seconds of sound do not take 64 MiB.
        assert!(
            ran.err.contains("longer than 67108864 bytes"),
            "{}",
            ran.err
        );
        assert_eq!(project.left_behind(), Vec::<String>::new());
    }
}

/// The first page of an Ogg file that holds Opus.
fn opus() -> Vec<u8> {
    let mut bytes = b"OggS\0\x06".to_vec();
    bytes.extend([0; 20]);
    bytes.extend(b"\x01\x13OpusHead\x01\x01\x38\x01\x80\xbb\0\0\0\0\0");
    bytes
}

#[test]
fn what_cannot_be_verified_is_kept_and_named_so() {
    let lab = Lab::new();
    let [one, _] = recordings(&lab);
    let cut = one[..one.len() / 3].to_vec();
    let m4a = b"\0\0\0\x20ftypM4A \0\0\0\0".to_vec();
    for (name, bytes, duration_s, extension) in [
        ("opus", opus(), None, "opus"),
        ("duration", one.clone(), Some(99.0), "wav"),
        ("cut", cut, Some(12.0), "wav"),
        ("m4a", m4a, None, "m4a"),
        ("unknown", vec![0xfe; 5000], None, "bin"),
    ] {
        let lab = Lab::new();
        let sent = bytes.clone();
        let vendor =
            Vendor::new(move |fetch, stream| send_range(stream, fetch, "\"x\"", true, &sent));
        vendor.tracks(Tracks {
            count: 1,
            duration_s,
        });
        let project = project(&lab, &vendor, "");
        project.edit(
            "output: {dir: out}",
            "output: {dir: out}\nreports: [csv, json, html]",
        );
        let ran = project.run();
        assert_eq!(ran.code, Some(0), "{name}: {}", ran.err);
        let files = project.kept_files();
        assert_eq!(
            files,
            [format!("out/voice/p1-1.unverified.{extension}")],
            "{name}"
        );
        assert!(
            fs::read(project.path(&files[0])).unwrap() == bytes,
            "{name}"
        );
        for (place, text) in [
            ("closing", ran.err.clone()),
            (
                "status",
                crate::lab::finish(project.command(&["status", "songs.yaml"])).out,
            ),
        ] {
            assert!(text.contains("(1 unverified)"), "{name}: {place}: {text}");
            assert!(
                text.contains("Kept, but not verified"),
                "{name}: {place}: {text}"
            );
            assert!(text.contains("hint: "), "{name}: {place}: {text}");
        }
        let status = project.status();
        assert_eq!(status["totals"]["unverified"], 1, "{name}: {status}");
        let reason = list(&status["jobs"])[0]["tracks"][0]["file"]["unverified"].clone();
        let reason = reason.as_str().unwrap().to_owned();
        for report in ["summary.csv", "summary.json", "index.html"] {
            let text = fs::read_to_string(project.path("out").join(report)).unwrap();
            assert!(text.contains(&reason), "{name}: {report} without {reason}");
        }
        // Nothing more is done by itself.
        assert_eq!((project.run().code, vendor.bought()), (Some(0), 1));
    }
}

#[test]
fn a_better_file_that_comes_later_is_the_one_that_is_kept() {
    let lab = Lab::new();
    let [one, _] = recordings(&lab);
    let whole = one.clone();
    let vendor = Vendor::new(move |fetch, stream| match fetch.nth {
        1 => send(stream, "200 OK", "", &opus()),
        2 => send(stream, "200 OK", "", &whole[..1000]),
        _ => send(stream, "200 OK", "", &whole),
    });
    let project = project(&lab, &vendor, "");
    let ran = project.run();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(kept(&project) == one);
    assert_eq!(project.kept_files(), ["out/voice/p1-1.wav"]);
}

#[test]
fn what_came_once_is_kept_when_it_never_comes_again() {
    let lab = Lab::new();
    let vendor = Vendor::new(|fetch, stream| match fetch.nth {
        1 => send(stream, "200 OK", "", &opus()),
        _ => send(stream, "404 Not Found", "", b"gone"),
    });
    let project = project(&lab, &vendor, "");
    let ran = project.run();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(kept(&project) == opus());
}

#[test]
fn a_page_is_never_kept() {
    let lab = Lab::new();
    let vendor = Vendor::new(|_, stream| send(stream, "200 OK", "", b"<html>no</html>"));
    let project = project(&lab, &vendor, "");
    let ran = project.run();
    assert_eq!(ran.code, Some(4), "{}", ran.err);
    assert_eq!(project.kept_files(), Vec::<String>::new());
    assert_eq!(project.left_behind(), Vec::<String>::new());
}

#[test]
fn a_changed_file_is_called_changed_and_moved_aside() {
    let lab = Lab::new();
    let [one, _] = recordings(&lab);
    let whole = one.clone();
    let vendor = Vendor::new(move |_, stream| send(stream, "200 OK", "", &whole));
    let project = project(&lab, &vendor, "");
    assert_eq!(project.run().code, Some(0));
    let place = project.path("out/voice/p1-1.wav");
    fs::write(&place, "edited").unwrap();
    let planned = crate::lab::finish(project.command(&["plan", "songs.yaml"]));
    assert!(planned.out.contains("changed on disk"), "{}", planned.out);
    let ran = project.run();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.err.contains("was changed on disk"), "{}", ran.err);
    assert!(!ran.err.contains("gone"), "{}", ran.err);
    assert_eq!(project.kept_files(), ["out/voice/p1-1.wav"]);
    assert!(fs::read(&place).unwrap() == one);
    let aside = project.path("out/voice/p1-1~changed.wav");
    assert_eq!(fs::read_to_string(aside).unwrap(), "edited");

    // One that was deleted is said to be, and its name is taken again.
    fs::remove_file(&place).unwrap();
    let ran = project.run();
    assert!(ran.err.contains("was deleted or moved"), "{}", ran.err);
    assert_eq!(project.kept_files(), ["out/voice/p1-1.wav"]);
    assert_eq!(vendor.bought(), 1);
}

/// The vendor at first repeats the first track's address for the second, or says nothing of the length of files that it is still
/// writing.
#[test]
fn what_an_early_poll_shows_is_corrected_by_a_later_one() {
    for (name, early) in [
        (
            "equal",
            json!([{"id": "a", "audioUrl": "track-1"}, {"id": "b", "audioUrl": "track-1"}]),
        ),
        (
            "short",
            json!([{"id": "a", "audioUrl": "short"}, {"id": "b", "audioUrl": "track-2"}]),
        ),
    ] {
        let lab = Lab::new();
        let url = Arc::new(Mutex::new(String::new()));
        let polls = AtomicUsize::new(0);
        let at = url.clone();
        let vendor = Vendor::saying(
            |fetch, stream| {
                let number = if fetch.file == "track-2" { 2 } else { 1 };
                let seconds = if fetch.file == "short" { 4 } else { 12 };
                send_range(stream, fetch, "\"x\"", true, &tone_lasting(number, seconds))
            },
            move |request, _| {
                if request.path().ends_with("add-instrumental") {
                    let data = json!({"taskId": "0123456789abcdef0123456789abcdef"});
                    return Some(json!({"code": 200, "msg": "success", "data": data}));
                }
                let task = request.target.split("taskId=").nth(1)?;
                let is_early = polls.fetch_add(1, Ordering::SeqCst) < 3;
                let late = json!([{"id": "a", "audioUrl": "track-1", "duration": 12.0},
                                  {"id": "b", "audioUrl": "track-2", "duration": 12.0}]);
                let mut tracks = if is_early { early.clone() } else { late };
                for track in tracks.as_array_mut().unwrap() {
                    let file = track["audioUrl"].as_str().unwrap();
                    track["audioUrl"] = format!("{}/files/{file}", at.lock().unwrap()).into();
                }
                let status = if is_early { "FIRST_SUCCESS" } else { "SUCCESS" };
                let data = json!({"taskId": task.to_uppercase(), "status": status, "response": {"sunoData": tracks}});
                Some(json!({"code": 200, "msg": "success", "data": data}))
            },
        );
        url.lock().unwrap().clone_from(&vendor.url);
        let project = Project::at(&lab, &vendor, name, 1);
        project.edit("tracks: 1,", "tracks: 2,");
        // A task whose details are not believed would be polled for a quarter of an hour.
        project.edit("limits: {", "limits: {deadline: 1m, ");
        let ran = project.run();
        assert_eq!(ran.code, Some(0), "{name}: {}", ran.err);
        let read = |number: usize| fs::read(project.path(&format!("out/voice/p1-{number}.wav")));
        assert!(read(1).unwrap() == tone(1), "{name}");
        assert!(read(2).unwrap() == tone(2), "{name}");
    }
}
