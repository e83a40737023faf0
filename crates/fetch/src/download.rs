//! One file over HTTP: resumed where it broke off, checked before it gets its name.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use ureq::Agent;
use ureq::http::{Response, header};

use crate::address::{shown, without_secret};
use crate::{Checksum, FetchError};

/// Timeouts and retries of a download.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// Time without a byte after which a connection is given up.
    pub stall: Duration,
    /// Number of attempts in a row without progress after which the download fails.
    pub attempts: u32,
    /// Pause before the second attempt; it doubles before each further one.
    pub pause: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { stall: Duration::from_secs(30), attempts: 5, pause: Duration::from_secs(1) }
    }
}

/// Callback with the number of bytes received so far, and the total where the server names it.
pub type DownloadProgress<'a> = &'a dyn Fn(u64, Option<u64>);

/// Result of one attempt.
enum Attempt {
    /// Everything has arrived.
    Complete,
    /// The file has its name.
    Done,
    /// Another file has arrived as a whole; what it is.
    Another(String),
    Broken(String),
}

/// Fetches `url` to `target`. What has arrived lies beside it with `.part` at the end of its name,
/// and a later call goes on from there; one at the same time is refused. The file gets its name only when
/// its checksum is right; a file with a wrong one is removed, and where it went on from an earlier part, it
/// is fetched once from its start. A symbolic link stays: the file that it points at is written.
/// Redirections are followed, and proxies taken from the environment.
///
/// # Errors
/// When the server cannot be reached or refuses, the connection keeps breaking, the content is
/// wrong, another process downloads it, or the disk refuses.
pub fn download(
    url: &str,
    target: &Path,
    checksum: &Checksum,
    retry: RetryPolicy,
    progress: DownloadProgress<'_>,
) -> Result<(), FetchError> {
    let target = &thaw_store::behind_links(target)
        .map_err(FetchError::unwritable(target, "cannot write"))?;
    if let Some(folder) = target.parent() {
        std::fs::create_dir_all(folder)
            .map_err(FetchError::unwritable(folder, "cannot make the folder"))?;
    }
    let expected = match checksum {
        Checksum::Hub => hub_checksum(url, retry)?,
        known => known.clone(),
    };
    let part = Part::open(partial_path(target))?;
    let mut download =
        Download { url, target, expected, agent: agent(retry), retry, progress, part };
    let done = download.run();
    if done.is_err() && download.part.length() == 0 {
        download.part.remove()?;
    }
    done
}

/// A download under way.
struct Download<'a> {
    url: &'a str,
    target: &'a Path,
    expected: Checksum,
    agent: Agent,
    retry: RetryPolicy,
    progress: DownloadProgress<'a>,
    part: Part,
}

impl Download<'_> {
    /// Tries until the file has its name, or too many attempts in a row bring nothing.
    fn run(&mut self) -> Result<(), FetchError> {
        let mut fruitless_attempts = 0;
        let mut is_second_start = false;
        let mut has_sent_another = false;
        loop {
            let before = self.part.length();
            let reason = match self.attempt()? {
                Attempt::Done => return Ok(()),
                // What has arrived stays: a page on which somebody has to log in may have been sent.
                Attempt::Another(actual) if has_sent_another => {
                    return Err(self.wrong_content(actual));
                }
                Attempt::Another(_) => {
                    has_sent_another = true;
                    "the server sent another file".to_owned()
                }
                Attempt::Complete => match self.part.compare(&self.expected)? {
                    Ok(()) => return self.part.give_name(self.target),
                    Err(actual) => {
                        self.part.cut(0)?;
                        // What it went on from may have been another file.
                        if before > 0 && !is_second_start {
                            is_second_start = true;
                            continue;
                        }
                        return Err(self.wrong_content(actual));
                    }
                },
                Attempt::Broken(reason) => reason,
            };
            fruitless_attempts =
                if self.part.length() > before { 0 } else { fruitless_attempts + 1 };
            if fruitless_attempts >= self.retry.attempts {
                return Err(FetchError::Interrupted {
                    url: shown(self.url),
                    attempts: fruitless_attempts,
                    bytes: self.part.length(),
                    reason: without_secret(&reason, self.url),
                });
            }
            std::thread::sleep(self.retry.pause * 2u32.pow(fruitless_attempts));
        }
    }

    fn wrong_content(&self, actual: String) -> FetchError {
        let (url, expected) = (shown(self.url), self.expected.to_string());
        FetchError::WrongContent { url, expected, actual }
    }

    /// Asks for what is missing and appends it.
    fn attempt(&mut self) -> Result<Attempt, FetchError> {
        let (url, present) = (self.url, self.part.length());
        let mut request = self.agent.get(url).header(header::ACCEPT_ENCODING, "identity");
        if present > 0 {
            request = request.header(header::RANGE, format!("bytes={present}-"));
        }
        let response = match request.call() {
            Ok(response) => response,
            // Until the first byte has come there is nothing to be patient for.
            Err(error) if present == 0 => return Err(FetchError::unreachable(url, &error)),
            Err(error) => return Ok(Attempt::Broken(error.to_string())),
        };
        let status = response.status().as_u16();
        let total = match status {
            200 => header_text(&response, "content-length").and_then(|length| length.parse().ok()),
            206 if starts_at(&response, present) => header_text(&response, "content-range")
                .and_then(|range| range.rsplit('/').next()?.parse().ok()),
            // Everything was there already.
            416 if header_text(&response, "content-range")
                .is_some_and(|range| range == format!("bytes */{present}")) =>
            {
                return Ok(Attempt::Complete);
            }
            // The rest that is offered does not belong to what is there: begin anew.
            206 | 416 => {
                self.part.cut(0)?;
                return Ok(Attempt::Broken(
                    "the server offered another part than the one asked for".to_owned(),
                ));
            }
            429 | 500..=599 => return Ok(Attempt::Broken(format!("the server answers {status}"))),
            _ => return Err(FetchError::Refused { url: shown(url), status }),
        };
        if status == 200 && present > 0 {
            return self.receive_anew(response, total);
        }
        self.part.receive(response, present, total, self.retry, self.progress)
    }

    /// Receives a whole file beside what has arrived, which stays until the new one has proved right: it
    /// may be a page on which somebody has to log in.
    fn receive_anew(
        &self,
        response: Response<ureq::Body>,
        total: Option<u64>,
    ) -> Result<Attempt, FetchError> {
        let mut anew = Part::open(partial_path(&self.part.path))?;
        let received = anew.receive(response, 0, total, self.retry, self.progress);
        let proved = received.and_then(|received| match received {
            Attempt::Complete => Ok(match anew.compare(&self.expected)? {
                Ok(()) => Attempt::Complete,
                Err(actual) => Attempt::Another(actual),
            }),
            received => Ok(received),
        });
        if let Ok(Attempt::Complete) = proved {
            anew.give_name(self.target)?;
            self.part.remove()?;
            return Ok(Attempt::Done);
        }
        anew.remove()?;
        proved
    }
}

/// What has arrived of a file, for one process alone.
struct Part {
    file: File,
    path: PathBuf,
}

impl Part {
    /// Opens what has arrived, or begins it; nobody else gets it meanwhile.
    fn open(path: PathBuf) -> Result<Self, FetchError> {
        loop {
            let file = OpenOptions::new()
                .create(true)
                .read(true)
                .write(true)
                .truncate(false)
                .open(&path)
                .map_err(FetchError::unwritable(&path, "cannot write"))?;
            // Some file systems have no locks.
            if let Err(TryLockError::WouldBlock) = file.try_lock() {
                return Err(FetchError::Busy { path });
            }
            // Whoever had it may have removed it, or given it its name, since it was opened.
            if is_at(&file, &path) {
                return Ok(Self { file, path });
            }
        }
    }

    fn length(&self) -> u64 {
        self.file.metadata().map_or(0, |metadata| metadata.len())
    }

    /// Goes on behind so many bytes.
    fn cut(&mut self, length: u64) -> Result<(), FetchError> {
        self.file
            .set_len(length)
            .and_then(|()| self.file.seek(SeekFrom::Start(length)))
            .map(drop)
            .map_err(FetchError::unwritable(&self.path, "cannot write"))
    }

    /// Receives what comes behind so many bytes.
    fn receive(
        &mut self,
        response: Response<ureq::Body>,
        start: u64,
        total: Option<u64>,
        retry: RetryPolicy,
        progress: DownloadProgress<'_>,
    ) -> Result<Attempt, FetchError> {
        self.cut(start)?;
        let (received, broken) =
            copy(response, &mut self.file, &self.path, start, total, retry, progress)?;
        self.file.sync_all().map_err(FetchError::unwritable(&self.path, "cannot write"))?;
        Ok(match (broken, total) {
            (Some(reason), _) => Attempt::Broken(reason),
            (None, Some(total)) if received < total => {
                Attempt::Broken(format!("the connection ended after {received} of {total} bytes"))
            }
            (None, _) => Attempt::Complete,
        })
    }

    /// Whether it is the right file; if not, what it is instead.
    fn compare(&mut self, expected: &Checksum) -> Result<Result<(), String>, FetchError> {
        self.file
            .seek(SeekFrom::Start(0))
            .and_then(|_| expected.compare(&mut self.file))
            .map_err(FetchError::unreadable(&self.path, "cannot read"))
    }

    /// Gives the file its name, once its bytes are on the disk.
    fn give_name(&self, target: &Path) -> Result<(), FetchError> {
        self.file.sync_all().map_err(FetchError::unwritable(&self.path, "cannot write"))?;
        std::fs::rename(&self.path, target).map_err(FetchError::unwritable(target, "cannot write"))
    }

    fn remove(&self) -> Result<(), FetchError> {
        std::fs::remove_file(&self.path)
            .map_err(FetchError::unwritable(&self.path, "cannot remove"))
    }
}

/// Whether a path leads to an open file.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let numbers = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(there)) => numbers(open) == numbers(there),
        _ => false,
    }
}

/// Other systems give files no numbers that the standard library tells.
#[cfg(not(unix))]
fn is_at(_file: &File, path: &Path) -> bool {
    path.exists()
}

/// Checks a file that somebody put there. Of a file whose checksum only a server can tell
/// ([`Checksum::Hub`]) no more is checked than that it has content; [`hub_checksum`] asks the server.
///
/// # Errors
/// When it is no file, cannot be read or is another file.
pub fn verify(path: &Path, checksum: &Checksum) -> Result<(), FetchError> {
    let metadata = std::fs::metadata(path).map_err(FetchError::unreadable(path, "cannot read"))?;
    if !metadata.is_file() {
        let kind = if metadata.is_dir() { "a folder" } else { "a pipe or a device" };
        return Err(FetchError::NotAFile { path: path.to_owned(), kind });
    }
    let another = |actual: String| FetchError::WrongFile {
        path: path.to_owned(),
        expected: checksum.to_string(),
        actual,
    };
    if *checksum == Checksum::Hub {
        let is_empty = metadata.len() == 0;
        return if is_empty { Err(another("an empty file".to_owned())) } else { Ok(()) };
    }
    let mut file = File::open(path).map_err(FetchError::unreadable(path, "cannot read"))?;
    checksum
        .compare(&mut file)
        .map_err(FetchError::unreadable(path, "cannot read"))?
        .map_err(another)
}

/// The SHA-256 that the Hugging Face hub names for the file at `url`: what [`Checksum::Hub`] stands
/// for.
///
/// # Errors
/// When the server cannot be reached, refuses or names none.
pub fn hub_checksum(url: &str, retry: RetryPolicy) -> Result<Checksum, FetchError> {
    // The hub names it in the answer that sends the client on to where the bytes lie, and that place
    // names none; so the question is asked without following.
    let question =
        agent(retry).head(url).config().max_redirects(0).max_redirects_will_error(false).build();
    let response = question.call().map_err(|error| FetchError::unreachable(url, &error))?;
    let status = response.status().as_u16();
    if status >= 400 {
        return Err(FetchError::Refused { url: shown(url), status });
    }
    header_text(&response, "x-linked-etag")
        .filter(|etag| etag.len() == 64)
        .map(Checksum::Sha256)
        .ok_or_else(|| FetchError::NoChecksum { url: shown(url) })
}

/// A client that gives up connections as the policy says.
fn agent(retry: RetryPolicy) -> Agent {
    Agent::config_builder()
        .timeout_connect(Some(retry.stall))
        .timeout_recv_response(Some(retry.stall))
        .http_status_as_error(false)
        .build()
        .into()
}

/// Path of the partial file.
fn partial_path(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// Writes what comes. A thread of its own reads, so that a silent connection can be left alone.
fn copy(
    response: Response<ureq::Body>,
    file: &mut File,
    part: &Path,
    start: u64,
    total: Option<u64>,
    retry: RetryPolicy,
    progress: DownloadProgress<'_>,
) -> Result<(u64, Option<String>), FetchError> {
    let (sender, receiver) = sync_channel::<std::io::Result<Vec<u8>>>(4);
    std::thread::spawn(move || {
        let mut reader = response.into_body().into_with_config().limit(u64::MAX).reader();
        loop {
            let mut chunk = vec![0; 1 << 16];
            let read = reader.read(&mut chunk).map(|count| {
                chunk.truncate(count);
                chunk
            });
            let last = read.as_ref().map_or(true, Vec::is_empty);
            if sender.send(read).is_err() || last {
                return;
            }
        }
    });
    let mut received = start;
    loop {
        match receiver.recv_timeout(retry.stall) {
            Ok(Ok(chunk)) if chunk.is_empty() => return Ok((received, None)),
            Ok(Ok(chunk)) => {
                file.write_all(&chunk).map_err(FetchError::unwritable(part, "cannot write"))?;
                received += chunk.len() as u64;
                progress(received, total);
            }
            Ok(Err(error)) => return Ok((received, Some(error.to_string()))),
            Err(RecvTimeoutError::Timeout) => {
                return Ok((
                    received,
                    Some(format!("nothing came for {} s", retry.stall.as_secs_f32())),
                ));
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Ok((received, Some("the reader ended".to_owned())));
            }
        }
    }
}

/// A header's text, without quotation marks.
fn header_text(response: &Response<ureq::Body>, name: &str) -> Option<String> {
    response.headers().get(name)?.to_str().ok().map(|text| text.trim_matches('"').to_owned())
}

fn starts_at(response: &Response<ureq::Body>, place: u64) -> bool {
    header_text(response, "content-range")
        .is_some_and(|range| range.starts_with(&format!("bytes {place}-")))
}
