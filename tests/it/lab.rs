//! A place to run the program in: an empty home, no environment but the search path, no network beyond loopback.
//!
//! Nothing waits for time to pass: a test waits for a line of a child's output, or for its end, and fails after [`PATIENCE`].
//! Children end with the lab.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use backline_studio::{BillEntry, read_bill};
use serde_json::Value;
use tempfile::TempDir;

/// Longest wait for anything: two busy cores take their time.
const PATIENCE: Duration = Duration::from_secs(120);

/// The key that the studios of this place let in.
pub(crate) const KEY: &str = "lab-key-0123456789";

/// The built program.
pub(crate) const BACKLINE: &str = env!("CARGO_BIN_EXE_backline");

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap()
        .canonicalize()
        .unwrap()
}

/// A folder of its own, with a home, and programs that run there.
pub(crate) struct Lab {
    folder: TempDir,
}

/// What a program came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["home", "tmp", "work"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    /// Where programs run.
    pub(crate) fn work(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join("work")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.work().join(name)
    }

    /// Writes a file, its folders too.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// A recording of twelve seconds; another number, another recording.
    pub(crate) fn recording(&self, name: &str, number: u32) {
        self.write(name, tone(number));
    }

    /// A program in this place.
    pub(crate) fn program(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command
            .current_dir(self.work())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.folder.path().join("home"))
            .env("TMPDIR", self.folder.path().join("tmp"))
            .env("LANG", "C.UTF-8")
            .env("LAB_KEY", KEY)
            // Whatever would leave the machine ends here.
            .env("HTTPS_PROXY", "http://127.0.0.1:9")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn backline(&self, args: &[&str]) -> Command {
        let mut command = self.program(BACKLINE);
        command.args(args);
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        finish(self.backline(args))
    }

    /// Runs it and expects this exit code.
    #[track_caller]
    pub(crate) fn expect(&self, code: i32, args: &[&str]) -> Ran {
        let ran = self.run(args);
        assert_eq!(
            ran.code,
            Some(code),
            "backline {args:?}\n{}\n{}",
            ran.out,
            ran.err
        );
        ran
    }

    /// Runs it and expects this exit code, and this text among its errors.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, args: &[&str], text: &str) -> Ran {
        let ran = self.expect(code, args);
        assert!(ran.err.contains(text), "`{text}` is not in {}", ran.err);
        ran
    }

    /// Standard output of a command that succeeds, as JSON.
    #[track_caller]
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let ran = self.expect(0, &[args, &["--format", "json"]].concat());
        serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}", ran.out))
    }

    /// Starts the program and leaves it running.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        Running::start(self.backline(args))
    }

    /// Starts a studio whose data lie in the folder `studio`, with more arguments if need be.
    pub(crate) fn studio(&self, args: &[&str]) -> StudioProcess {
        let data = self.path("studio");
        let mut command = self.backline(&["studio", "--listen", "127.0.0.1:0", "--data"]);
        command.arg(&data).args(args);
        if !args.contains(&"--key") {
            command.env("BACKLINE_STUDIO_KEY", KEY);
        }
        let running = Running::start(command);
        let url = running.out_line();
        assert!(url.starts_with("http://127.0.0.1:"), "{url}");
        StudioProcess { running, url, data }
    }

    /// Starts a studio that misbehaves after `plan`, at once and at any rate.
    pub(crate) fn misbehaving(&self, plan: impl AsRef<[u8]>) -> StudioProcess {
        self.write("misbehaviour.yaml", plan);
        let plan = self.path("misbehaviour.yaml");
        let plan = plan.to_str().unwrap();
        self.studio(&["--instant", "--rate", "off", "--misbehave", plan])
    }

    /// A manifest of `stems` × `presets` against a studio, with more of it in `rest`.
    pub(crate) fn manifest(
        &self,
        name: &str,
        studio: &str,
        stems: usize,
        presets: usize,
        rest: &str,
    ) {
        let mut text = format!(
            "version: 1\nname: songs\nprovider: {{profile: studio, base_url: \"{studio}\", api_key: {{env: LAB_KEY}}}}\nstems:\n"
        );
        for number in 1..=stems {
            let recording = Path::new(name).with_file_name(format!("vocals/s{number}.wav"));
            self.recording(recording.to_str().unwrap(), number as u32);
            text.push_str(&format!("  - vocals/s{number}.wav\n"));
        }
        text.push_str("presets:\n");
        for number in 1..=presets {
            text.push_str(&format!("  p{number}: {{tags: \"style {number}\"}}\n"));
        }
        text.push_str(rest);
        self.write(name, text);
    }

    /// A text of the program without what differs from run to run.
    pub(crate) fn plain(&self, text: &str) -> String {
        text.replace(self.work().to_str().unwrap(), "[LAB]")
    }
}

/// Sends a child a signal, by the name that `kill` knows.
pub(crate) fn signal(child: &Child, name: &str) {
    let kill = format!("kill -{name} {}", child.id());
    let sent = Command::new("sh").args(["-c", &kill]).status().unwrap();
    assert!(sent.success(), "{kill}");
}

/// Runs a command to its end.
pub(crate) fn finish(mut command: Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A program that runs.
pub(crate) struct Running {
    child: Child,
    out: Receiver<String>,
    err: Receiver<String>,
    seen: String,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out = lines(child.stdout.take().unwrap());
        let err = lines(child.stderr.take().unwrap());
        Self {
            child,
            out,
            err,
            seen: String::new(),
        }
    }

    /// Its number.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// The next line of standard output.
    #[track_caller]
    pub(crate) fn out_line(&self) -> String {
        self.out.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            panic!(
                "no line on standard output; on standard error:\n{}",
                self.err.try_iter().collect::<Vec<_>>().join("\n")
            )
        })
    }

    /// Waits for the `times`-th line of standard error that holds `text`, and gives it.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str, times: usize) -> String {
        let deadline = Instant::now() + PATIENCE;
        let (mut left, mut found) = (times, String::new());
        while left > 0 {
            match self
                .err
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(line) => {
                    if line.contains(text) {
                        left -= 1;
                        line.clone_into(&mut found);
                    }
                    self.seen.push_str(&line);
                    self.seen.push('\n');
                }
                Err(_) => panic!("`{text}` was not seen {times} times in\n{}", self.seen),
            }
        }
        found
    }

    /// Sends a signal, by the name that `kill` knows.
    pub(crate) fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ran {
        let mut seen = std::mem::take(&mut self.seen);
        // Both streams end with the program; then there is something to wait for that does not block for ever.
        seen.extend(self.err.iter().map(|line| line + "\n"));
        let out = self.out.iter().map(|line| line + "\n").collect();
        let code = self.child.wait().unwrap().code();
        Ran {
            code,
            out,
            err: seen,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A studio in a process of its own.
pub(crate) struct StudioProcess {
    running: Running,
    pub(crate) url: String,
    data: PathBuf,
}

impl StudioProcess {
    /// The process's number.
    pub(crate) fn process(&self) -> u32 {
        self.running.process()
    }

    /// Every accepted POST.
    pub(crate) fn bill(&self) -> Vec<BillEntry> {
        read_bill(&self.data).unwrap()
    }
}

fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        // Whoever listened may have left; the child must not block on a full pipe for that.
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    receiver
}

/// Twelve seconds of a tone as WAV, 8 kHz mono. Whole numbers throughout: the same bytes, and so the same keys, on every machine.
pub(crate) fn tone(number: u32) -> Vec<u8> {
    tone_lasting(number, 12)
}

/// The same, of this many seconds.
pub(crate) fn tone_lasting(number: u32, seconds: u32) -> Vec<u8> {
    const RATE: u32 = 8_000;
    let frames = seconds * RATE;
    let hz = 220 + 10 * number;
    let mut bytes = Vec::new();
    let mut put = |part: &[u8]| bytes.extend_from_slice(part);
    put(b"RIFF");
    put(&(36 + 2 * frames).to_le_bytes());
    put(b"WAVEfmt ");
    put(&16_u32.to_le_bytes());
    put(&1_u16.to_le_bytes());
    put(&1_u16.to_le_bytes());
    put(&RATE.to_le_bytes());
    put(&(2 * RATE).to_le_bytes());
    put(&2_u16.to_le_bytes());
    put(&16_u16.to_le_bytes());
    put(b"data");
    put(&(2 * frames).to_le_bytes());
    for frame in 0..frames {
        // A triangle that fades away within each second.
        let phase = i64::from(frame * hz % RATE);
        let left = i64::from(RATE - frame % RATE);
        let triangle = 4 * (phase - i64::from(RATE) / 2).abs() - i64::from(RATE);
        put(&((triangle * left / i64::from(RATE)) as i16).to_le_bytes());
    }
    bytes
}
