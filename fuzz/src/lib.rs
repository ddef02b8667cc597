//! What strangers can hand in, each as a function of bytes: whatever they are, nothing may panic, and what is read must make sense.
//!
//! The fuzz targets call these; so do the tests, with the committed corpora and with random bytes.

use std::fs;
use std::path::Path;

use backline_api::{Profile, Stage, TaskId, read_callback, verify_signature};
use backline_engine::manifest::{LoadOptions, load};

/// Plans are kept small: what is looked for is in their shape.
const MAX_JOBS: u64 = 200;

/// A recording that decodes is no longer than this many bytes here, for speed.
const AUDIO_BYTES: usize = 64 * 1024;

/// A manifest as it stands.
pub fn manifest(bytes: &[u8]) {
    // A folder of its own does not keep a pattern from walking the whole disk, which is allowed, and slow.
    let text = String::from_utf8_lossy(bytes);
    if text.contains("glob") && (text.contains('/') || text.contains("..")) {
        return;
    }
    read(&[("m.yaml", bytes)]);
}

/// A catalogue of stems.
pub fn csv_catalogue(bytes: &[u8]) {
    let manifest = "version: 1\nname: n\nprovider: sunoapi\nstems: [{csv: c.csv}]\npresets: {p: {tags: \"{{stem.id}} {{stem.vars.mood}}\"}}\n";
    let strict = manifest.replace(" {{stem.vars.mood}}", "");
    read(&[("m.yaml", manifest.as_bytes()), ("c.csv", bytes)]);
    read(&[("m.yaml", strict.as_bytes()), ("c.csv", bytes)]);
}

/// A template, in a setting and in the name of a file.
pub fn template(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let quoted = serde_json::to_string(&text).expect("a text can be quoted");
    for place in [
        format!("presets: {{p: {{tags: {quoted}}}}}"),
        format!("presets: {{p: {{tags: t}}}}\noutput: {{dir: out, file: {quoted}}}"),
    ] {
        let manifest = format!(
            "version: 1\nname: n\nprovider: sunoapi\nvars: {{a: x, b: [1, 2], c: {{d: y}}}}\nstems: [{{id: s, url: \"https://example.com/a.mp3\"}}]\n{place}\n"
        );
        read(&[("m.yaml", manifest.as_bytes())]);
    }
}

/// Loads `m.yaml` among `files`. A plan that comes of it names every track inside its folder; mistakes can be drawn.
fn read(files: &[(&str, &[u8])]) {
    let folder = tempfile::tempdir_in(memory()).expect("a folder can be made");
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).expect("a file can be written");
    }
    let options = LoadOptions {
        environment: &|_| Some("value".to_owned()),
        max_jobs: MAX_JOBS,
        shown_from: Some(folder.path().to_owned()),
        ..LoadOptions::default()
    };
    match load(&folder.path().join("m.yaml"), &options) {
        Ok(loaded) => {
            let plan = &loaded.plan;
            assert!(plan.jobs.len() as u64 <= MAX_JOBS);
            for job in &plan.jobs {
                let track = backline_engine::plan::TrackName {
                    run: "run",
                    index: 1,
                    id: "../../id",
                    artefact: "",
                };
                if let Ok(path) = plan.output.track_file(plan, job, track) {
                    let inside = path
                        .strip_prefix(plan.output.dir())
                        .expect("a track is inside");
                    assert!(
                        inside
                            .components()
                            .all(|part| matches!(part, std::path::Component::Normal(_)))
                    );
                }
            }
            let _ = loaded.warnings.render(true);
        }
        Err(mistakes) => {
            assert!(mistakes.errors() + mistakes.dropped > 0);
            let _ = mistakes.render(true);
        }
    }
}

/// Memory, where there is such a folder: a fuzzer writes thousands of files a second.
fn memory() -> std::path::PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    }
}

/// An answer to a look at a task, under every profile and with a real status and an odd one.
pub fn record_info(bytes: &[u8]) {
    let asked = TaskId::from("0123abcd");
    for profile in [Profile::sunoapi(), Profile::kie(), Profile::kie_jobs()] {
        for status in [200, 502] {
            if let Ok(view) = profile.read_record_info(status, bytes, &asked) {
                for track in &view.tracks {
                    assert!(
                        track.audio_url.as_deref() != Some(""),
                        "an empty address is none"
                    );
                }
            }
            for operation in profile.operations() {
                let _ = operation.read_submit_response(status, bytes);
                if let Ok(view) = operation.read_step_details(status, bytes, &asked) {
                    assert!(view.stage != Stage::Complete || !view.artefacts.is_empty());
                }
            }
        }
    }
}

/// A callback's body, and its task's id as what a signature is checked for.
pub fn callback(bytes: &[u8]) {
    for operation in Profile::sunoapi().operations() {
        if let Ok(callback) = operation.read_step_callback(bytes) {
            let task = callback.view.task_id;
            assert!(!task.as_str().is_empty(), "a callback names a task");
        }
    }
    if let Ok(callback) = read_callback(bytes) {
        let task = callback.view.task_id;
        assert!(!task.as_str().is_empty(), "a callback names a task");
        let text = String::from_utf8_lossy(bytes);
        let signed = verify_signature(
            b"key",
            task.as_str(),
            "1700000000",
            &text,
            1_700_000_000,
            300,
        );
        assert!(signed.is_err());
    }
}

/// A file that should be a recording: the probe and the decoder agree.
pub fn audio(bytes: &[u8]) {
    if bytes.len() > AUDIO_BYTES {
        return;
    }
    let probe = backline_audio::probe(bytes);
    let decoded = backline_audio::decode(bytes);
    if let (Ok(probe), Ok(decoded)) = (&probe, &decoded) {
        assert_eq!(probe.channels, decoded.channels.len());
    }
    if probe.is_err() {
        assert!(decoded.is_err(), "what can't be probed can't be decoded");
    }
}
