//! A running browser and the DevTools protocol, which it speaks through two pipes: messages in
//! JSON, each ended by a zero byte. The browser ends when the pipes are closed, so that none is left
//! behind by a test that fails.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long an answer may take, on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long the browser may take to end by itself.
const FAREWELL: Duration = Duration::from_secs(10);

/// The file of what the browser says on standard error.
const LOG: &str = "browser.log";

/// Something that happened in the browser.
pub(super) struct Event {
    pub(super) session: String,
    pub(super) method: String,
    pub(super) parameters: Value,
}

/// A browser without a window, and the pipes to it.
pub(super) struct Connection {
    program: Child,
    to_browser: Option<ChildStdin>,
    from_browser: Receiver<Value>,
    /// What has happened so far, in order.
    events: Vec<Event>,
    /// The number of the last command.
    commands: u64,
    /// The browser's profile and log.
    desk: TempDir,
}

/// The program that `THAW_TEST_BROWSER` names, or a Chromium on the path. The pipes are laid by a
/// shell, so that there is none on Windows.
fn find() -> Option<PathBuf> {
    if !cfg!(unix) {
        return None;
    }
    if let Some(named) = std::env::var_os("THAW_TEST_BROWSER").filter(|named| !named.is_empty()) {
        return Some(PathBuf::from(named));
    }
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|program| program.is_file())
}

impl Connection {
    /// Starts a browser; nothing where none is found.
    pub(super) fn open() -> Option<Self> {
        let program = find()?;
        let desk = TempDir::new().expect("a folder");
        let log = fs::File::create(desk.path().join(LOG)).expect("the browser's log");
        let mut profile = OsString::from("--user-data-dir=");
        profile.push(desk.path().join("profile"));
        // The browser reads from descriptor 3 and writes to descriptor 4.
        let mut program = Command::new("sh")
            .args(["-c", r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >&2"#])
            .arg(program)
            .args(["--remote-debugging-pipe", "--headless", "--no-sandbox", "--disable-gpu"])
            .args(["--no-first-run", "--disable-dev-shm-usage", "--hide-scrollbars"])
            .arg(profile)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("a shell starts the browser");
        let to_browser = program.stdin.take();
        let mut answers = BufReader::new(program.stdout.take().expect("the browser's pipe"));
        let (sender, from_browser) = channel();
        thread::spawn(move || {
            let mut message = Vec::new();
            while answers.read_until(0, &mut message).is_ok_and(|length| length > 0) {
                let text = message.strip_suffix(&[0]).unwrap_or(&message);
                let said = serde_json::from_slice(text);
                if said.is_ok_and(|said| sender.send(said).is_err()) {
                    break;
                }
                message.clear();
            }
        });
        Some(Self { program, to_browser, from_browser, events: Vec::new(), commands: 0, desk })
    }

    /// Gives a command to a page by its session, or to the browser itself without one.
    ///
    /// # Errors
    /// What the browser says against it.
    pub(super) fn command(
        &mut self,
        session: Option<&str>,
        method: &str,
        parameters: Value,
    ) -> Result<Value, String> {
        self.commands += 1;
        let number = self.commands;
        let mut command = json!({ "id": number, "method": method, "params": parameters });
        if let Some(session) = session {
            command["sessionId"] = json!(session);
        }
        let message = format!("{command}\0");
        let pipe = self.to_browser.as_mut().expect("the pipe is open until the end");
        if let Err(error) = pipe.write_all(message.as_bytes()).and_then(|()| pipe.flush()) {
            self.give_up(method, &error.to_string());
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut said = self.receive(method, deadline);
            if said["id"] == number {
                let error = &said["error"];
                return if error.is_null() {
                    Ok(said["result"].take())
                } else {
                    Err(format!("{method}: {error}"))
                };
            }
        }
    }

    /// Waits for an event of a page, among those from a number on.
    pub(super) fn wait_for(&mut self, session: &str, method: &str, first: usize) {
        let deadline = Instant::now() + PATIENCE;
        while !self.events[first..]
            .iter()
            .any(|event| event.session == session && event.method == method)
        {
            self.receive(method, deadline);
        }
    }

    /// What has happened so far.
    pub(super) fn events(&self) -> &[Event] {
        &self.events
    }

    /// The next message; events are kept.
    fn receive(&mut self, awaited: &str, deadline: Instant) -> Value {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut said = self
            .from_browser
            .recv_timeout(left)
            .unwrap_or_else(|error| self.give_up(awaited, &error.to_string()));
        if let Some(method) = said["method"].as_str() {
            self.events.push(Event {
                session: said["sessionId"].as_str().unwrap_or_default().to_owned(),
                method: method.to_owned(),
                parameters: said["params"].take(),
            });
        }
        said
    }

    fn give_up(&self, awaited: &str, error: &str) -> ! {
        let log = fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        panic!("the browser does not answer to {awaited}: {error}\n{log}");
    }

    fn log(&self) -> PathBuf {
        self.folder().join(LOG)
    }

    /// A folder that lives as long as the browser.
    pub(super) fn folder(&self) -> &Path {
        self.desk.path()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Closed pipes end the browser. If they do not, there is nobody left who would wait for it.
        self.to_browser = None;
        let deadline = Instant::now() + FAREWELL;
        while matches!(self.program.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        if matches!(self.program.try_wait(), Ok(None)) {
            let _ = self.program.kill();
            let _ = self.program.wait();
        }
    }
}
