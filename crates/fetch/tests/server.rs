//! Downloads from a local server that truncates, stalls, redirects, resets and lies; archives that
//! are what they should be, and not.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use thaw_fetch::{
    Checksum, FetchError, RetryPolicy, download, holds_split, hub_checksum, split_cats_and_dogs,
    verify,
};
use zip::write::{SimpleFileOptions, ZipWriter};

/// What the server does with a connection.
#[derive(Clone, Debug)]
enum Act {
    /// Serves the whole file, or what is asked for of it.
    Serve,
    /// Serves the whole file whatever is asked for.
    IgnoreRange,
    /// Announces everything, sends so many bytes of it and closes.
    Truncate(usize),
    /// Sends so many bytes and then nothing.
    Stall(usize),
    /// Closes before it answers.
    Hang,
    /// Sends the client elsewhere.
    Redirect(String),
    /// As the Hugging Face hub does: sends the client elsewhere and names the SHA-256 of what it
    /// will find there.
    RedirectNaming(String),
    /// Serves other bytes.
    Lie,
    /// Answers with a status and nothing else.
    Status(u16),
}

const RETRY: RetryPolicy =
    RetryPolicy { stall: Duration::from_millis(300), attempts: 3, pause: Duration::from_millis(1) };

fn content() -> Vec<u8> {
    (0..200_000u32).map(|value| (value * 7 % 251) as u8).collect()
}

/// Python: hashlib.sha256(bytes(value * 7 % 251 for value in range(200000))).hexdigest()
const SHA256: &str = "ff41b7e9cc397e9de1484b9ba8bd73b47c1bdfbc363d738bde401789cca5ef56";
/// The same with hashlib.md5.
const MD5: &str = "933a1d4cb15c704ff3ef254fd45ad4fc";

fn sha256() -> Checksum {
    Checksum::Sha256(SHA256.to_owned())
}

/// A server that does one act per connection and then is gone; the requests' first lines and ranges
/// as they came.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/file", listener.local_addr().expect("an address"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for act in acts {
                let Ok((stream, _)) = listener.accept() else { return };
                let range = read_request(&stream);
                seen.lock()
                    .expect("no panic")
                    .push(range.clone().unwrap_or_else(|| "all".to_owned()));
                // A client that leaves early is no failure of the server.
                std::thread::spawn(move || answer(stream, &act, range.as_deref()));
            }
        });
        Self { url, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no panic").clone()
    }
}

fn read_request(stream: &TcpStream) -> Option<String> {
    let lines =
        BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    lines.filter_map(|line| line.to_lowercase().strip_prefix("range: ").map(str::to_owned)).last()
}

fn answer(mut stream: TcpStream, act: &Act, range: Option<&str>) -> std::io::Result<()> {
    let body = content();
    let head = |length: usize| {
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")
    };
    match act {
        Act::Hang => Ok(()),
        Act::Status(status) => {
            write!(stream, "HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        }
        Act::Redirect(to) => write!(
            stream,
            "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        ),
        Act::RedirectNaming(to) => {
            write!(
                stream,
                "HTTP/1.1 302 Found\r\nLocation: {to}\r\nX-Linked-ETag: \"{SHA256}\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
        }
        Act::Lie => write!(stream, "{}something else", head(14)),
        Act::Truncate(count) | Act::Stall(count) => {
            stream.write_all(head(body.len()).as_bytes())?;
            stream.write_all(&body[..*count])?;
            stream.flush()?;
            if matches!(act, Act::Stall(_)) {
                std::thread::sleep(Duration::from_millis(900));
            }
            Ok(())
        }
        Act::Serve | Act::IgnoreRange => {
            let first = range.and_then(|range| {
                range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok()
            });
            match (first, act) {
                (Some(first), Act::Serve) if first >= body.len() => {
                    let total = body.len();
                    write!(
                        stream,
                        "HTTP/1.1 416 No\r\nContent-Range: bytes */{total}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                    )
                }
                (Some(first), Act::Serve) => {
                    let (rest, last, total) = (body.len() - first, body.len() - 1, body.len());
                    write!(
                        stream,
                        "HTTP/1.1 206 Partial\r\nContent-Length: {rest}\r\nContent-Range: bytes {first}-{last}/{total}\r\n"
                    )?;
                    write!(stream, "Connection: close\r\n\r\n")?;
                    stream.write_all(&body[first..])
                }
                _ => stream
                    .write_all(head(body.len()).as_bytes())
                    .and_then(|()| stream.write_all(&body)),
            }
        }
    }
}

/// Fetches from a server with these acts; the result and what the server was asked.
fn fetch(
    acts: Vec<Act>,
    folder: &Path,
    checksum: &Checksum,
) -> (Result<(), FetchError>, Vec<String>) {
    let server = Server::start(acts);
    let result = download(&server.url, &folder.join("file"), checksum, RETRY, &|_, _| {});
    (result, server.requests())
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn whole_files_come_through_and_are_checked() {
    let start = Checksum::Sha256Start(SHA256[..8].to_owned());
    for checksum in [sha256(), start, Checksum::Md5(MD5.to_owned())] {
        let folder = TempDir::new().expect("a folder");
        let (result, _) = fetch(vec![Act::Serve], folder.path(), &checksum);
        result.expect("a download");
        assert_eq!(std::fs::read(folder.path().join("file")).expect("the file"), content());
        assert_eq!(files(folder.path()), ["file"]);
        verify(&folder.path().join("file"), &checksum).expect("the right file");
        std::fs::write(folder.path().join("file"), b"another").expect("a file");
        assert!(verify(&folder.path().join("file"), &checksum).is_err());
    }
}

#[test]
fn what_breaks_off_goes_on_where_it_broke() {
    for (acts, asked) in [
        (vec![Act::Truncate(70_000), Act::Serve], vec!["all", "bytes=70000-"]),
        (vec![Act::Stall(50_000), Act::Serve], vec!["all", "bytes=50000-"]),
        (
            vec![Act::Truncate(10), Act::Hang, Act::Status(503), Act::Serve],
            vec!["all", "bytes=10-", "bytes=10-", "bytes=10-"],
        ),
        (vec![Act::Truncate(70_000), Act::IgnoreRange], vec!["all", "bytes=70000-"]),
    ] {
        let folder = TempDir::new().expect("a folder");
        let (result, requests) = fetch(acts.clone(), folder.path(), &sha256());
        result.unwrap_or_else(|error| panic!("{acts:?}: {error}"));
        assert_eq!(requests, asked, "{acts:?}");
        assert_eq!(std::fs::read(folder.path().join("file")).expect("the file"), content());
    }
}

#[test]
fn a_later_call_goes_on_and_a_complete_part_is_only_checked() {
    let folder = TempDir::new().expect("a folder");
    let (result, _) = fetch(
        vec![Act::Truncate(70_000), Act::Hang, Act::Hang, Act::Hang],
        folder.path(),
        &sha256(),
    );
    assert!(matches!(result, Err(FetchError::Interrupted { bytes: 70_000, .. })), "{result:?}");
    assert_eq!(files(folder.path()), ["file.part"]);
    let (result, requests) = fetch(vec![Act::Serve], folder.path(), &sha256());
    result.expect("the rest");
    assert_eq!(requests, ["bytes=70000-"]);
    std::fs::rename(folder.path().join("file"), folder.path().join("file.part")).expect("renamed");
    let (result, requests) = fetch(vec![Act::Serve], folder.path(), &sha256());
    result.expect("it was whole");
    assert_eq!(requests, ["bytes=200000-"]);
}

/// The server answers as if nothing had arrived, with a page on which somebody has to log in.
#[test]
fn what_has_arrived_stays_until_another_answer_proves_right() {
    let folder = TempDir::new().expect("a folder");
    let acts = vec![Act::Truncate(70_000), Act::Lie, Act::Serve];
    let (result, requests) = fetch(acts, folder.path(), &sha256());
    result.expect("a download");
    assert_eq!(requests, ["all", "bytes=70000-", "bytes=70000-"]);
    assert_eq!(files(folder.path()), ["file"]);
    let acts = vec![Act::Truncate(70_000), Act::Lie, Act::Lie];
    let folder = TempDir::new().expect("a folder");
    let (result, _) = fetch(acts, folder.path(), &sha256());
    assert!(matches!(result, Err(FetchError::WrongContent { .. })), "{result:?}");
    assert_eq!(files(folder.path()), ["file.part"]);
}

#[test]
fn a_part_of_another_file_gives_way() {
    for (acts, asked) in [
        (vec![Act::Serve, Act::Serve], vec!["bytes=100000-", "all"]),
        (vec![Act::IgnoreRange], vec!["bytes=100000-"]),
    ] {
        let folder = TempDir::new().expect("a folder");
        std::fs::write(folder.path().join("file.part"), [7; 100_000]).expect("a part");
        let (result, requests) = fetch(acts, folder.path(), &sha256());
        result.expect("a download");
        assert_eq!(requests, asked);
        assert_eq!(std::fs::read(folder.path().join("file")).expect("the file"), content());
        assert_eq!(files(folder.path()), ["file"]);
    }
    // It is the server that has another file.
    let folder = TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("file.part"), [7; 200_000]).expect("a part");
    let (result, requests) = fetch(vec![Act::Serve, Act::Lie], folder.path(), &sha256());
    assert!(matches!(result, Err(FetchError::WrongContent { .. })), "{result:?}");
    assert_eq!(requests, ["bytes=200000-", "all"]);
    assert!(files(folder.path()).is_empty());
}

#[test]
fn a_download_of_another_process_is_left_alone() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("file.part");
    std::fs::write(&path, &content()[..1000]).expect("a part");
    let part = File::options().write(true).open(&path).expect("a part");
    part.try_lock().expect("a lock");
    let (result, requests) = fetch(vec![Act::Serve], folder.path(), &sha256());
    assert!(matches!(result, Err(FetchError::Busy { .. })), "{result:?}");
    assert!(requests.is_empty());
    assert_eq!(std::fs::metadata(&path).expect("the part").len(), 1000);
    drop(part);
    fetch(vec![Act::Serve], folder.path(), &sha256()).0.expect("the rest");
}

#[test]
#[cfg(unix)]
fn a_link_stays_and_the_file_that_it_leads_to_is_written() {
    let folder = TempDir::new().expect("a folder");
    let (link, disk) = (folder.path().join("file"), folder.path().join("disk"));
    std::os::unix::fs::symlink("disk/weights", &link).expect("a link");
    fetch(vec![Act::Serve], folder.path(), &sha256()).0.expect("a download");
    assert!(link.is_symlink());
    assert_eq!(files(&disk), ["weights"]);
    assert_eq!(std::fs::read(&link).expect("the file"), content());
}

#[test]
fn redirections_are_followed() {
    let folder = TempDir::new().expect("a folder");
    let mirror = Server::start(vec![Act::Serve]);
    let (result, _) = fetch(vec![Act::Redirect(mirror.url.clone())], folder.path(), &sha256());
    result.expect("a download");
    assert_eq!(mirror.requests(), ["all"]);
}

#[test]
fn the_hubs_checksum_comes_from_the_answer_that_sends_the_client_on() {
    for (act, is_right) in [(Act::Serve, true), (Act::Lie, false)] {
        let folder = TempDir::new().expect("a folder");
        let store = Server::start(vec![act]);
        let hub = Act::RedirectNaming(store.url.clone());
        let (result, _) = fetch(vec![hub.clone(), hub], folder.path(), &Checksum::Hub);
        assert_eq!(result.is_ok(), is_right, "{result:?}");
        assert_eq!(files(folder.path()).len(), usize::from(is_right));
    }
}

#[test]
fn a_file_that_is_there_is_checked_by_what_the_hub_names() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("file");
    let named = |act: Act| hub_checksum(&Server::start(vec![act]).url, RETRY);
    let checksum = named(Act::RedirectNaming("http://127.0.0.1:1/file".to_owned()));
    let checksum = checksum.expect("the hub names it");
    assert_eq!(checksum, sha256());
    std::fs::write(&file, content()).expect("a file");
    verify(&file, &checksum).expect("the right file");
    std::fs::write(&file, b"another").expect("a file");
    let another = verify(&file, &checksum);
    assert!(matches!(another, Err(FetchError::WrongFile { .. })), "{another:?}");
    assert!(matches!(named(Act::Serve), Err(FetchError::NoChecksum { .. })));
    // Without a server it can be told at least that there is something.
    verify(&file, &Checksum::Hub).expect("it has content");
    std::fs::write(&file, b"").expect("a file");
    let message = verify(&file, &Checksum::Hub).expect_err("an empty file").to_string();
    assert!(message.contains("got an empty file; remove it"), "{message}");
}

#[test]
fn what_is_no_file_is_not_taken_for_one() {
    let folder = TempDir::new().expect("a folder");
    for checksum in [Checksum::Hub, sha256(), Checksum::Md5(MD5.to_owned())] {
        let message = verify(folder.path(), &checksum).expect_err("a folder").to_string();
        assert!(message.ends_with(": is a folder, not a file"), "{message}");
        let absent = verify(&folder.path().join("file"), &checksum);
        assert!(matches!(absent, Err(FetchError::Unreadable { .. })), "{absent:?}");
    }
}

#[test]
fn no_message_has_the_user_and_the_password_of_the_address() {
    for (acts, checksum) in [
        (vec![Act::Hang], sha256()),
        (vec![Act::Status(403)], sha256()),
        (vec![Act::Lie], sha256()),
        (vec![Act::Truncate(10), Act::Hang, Act::Hang, Act::Hang], sha256()),
        (vec![Act::Hang], Checksum::Hub),
        (vec![Act::Status(403)], Checksum::Hub),
        (vec![Act::Serve], Checksum::Hub),
    ] {
        let folder = TempDir::new().expect("a folder");
        let server = Server::start(acts.clone());
        let url = server.url.replace("http://", "http://somebody:secret@");
        let error = download(&url, &folder.path().join("file"), &checksum, RETRY, &|_, _| {});
        let error = error.expect_err("no download");
        assert!(error.to_string().starts_with(&server.url), "{acts:?}: {error}");
        let all = format!("{error} {error:?}");
        assert!(!all.contains("somebody") && !all.contains("secret"), "{acts:?}: {all}");
    }
    // The client itself quotes an address without a scheme, and that again where a part is there.
    for begun in [&b""[..], b"begun"] {
        let folder = TempDir::new().expect("a folder");
        std::fs::write(folder.path().join("file.part"), begun).expect("a part");
        let (url, file) = ("somebody:secret@127.0.0.1", folder.path().join("file"));
        let error = download(url, &file, &sha256(), RETRY, &|_, _| {}).expect_err("no address");
        let all = format!("{error} {error:?}");
        assert!(all.contains("127.0.0.1") && !all.contains("secret"), "{all}");
    }
}

#[test]
fn wrong_content_and_refusals_leave_nothing_behind() {
    let folder = TempDir::new().expect("a folder");
    let (result, _) = fetch(vec![Act::Lie], folder.path(), &sha256());
    let message = result.expect_err("other bytes").to_string();
    assert!(message.contains("serves another file") && message.contains(SHA256), "{message}");
    assert!(files(folder.path()).is_empty());
    let (result, _) = fetch(vec![Act::Status(404)], folder.path(), &sha256());
    assert!(matches!(result, Err(FetchError::Refused { status: 404, .. })), "{result:?}");
    let (result, _) = fetch(vec![Act::Hang], folder.path(), &sha256());
    assert!(matches!(result, Err(FetchError::Unreachable { .. })), "{result:?}");
    // Without the header that names it, the hub's file cannot be checked and is not used.
    let (result, _) = fetch(vec![Act::Serve], folder.path(), &Checksum::Hub);
    assert!(matches!(result, Err(FetchError::NoChecksum { .. })), "{result:?}");
    // Nor is it asked for in vain.
    let (result, _) = fetch(vec![Act::Status(503)], folder.path(), &Checksum::Hub);
    assert!(matches!(result, Err(FetchError::Refused { status: 503, .. })), "{result:?}");
    assert!(files(folder.path()).is_empty());
}

/// An archive with so many photographs of each class, numbered from 0, and one more entry.
fn archive(path: &Path, photographs: u32, more: Option<&str>) {
    let mut zip = ZipWriter::new(File::create(path).expect("a file"));
    let options = SimpleFileOptions::default();
    for class in ["Cat", "Dog"] {
        for number in 0..photographs {
            zip.start_file(format!("PetImages/{class}/{number}.jpg"), options).expect("an entry");
            write!(zip, "{class} {number}").expect("written");
        }
    }
    if let Some(name) = more {
        zip.start_file(name, options).expect("an entry");
    }
    zip.finish().expect("an archive");
}

#[test]
fn the_books_split_is_made_by_number_without_the_broken_ones() {
    let folder = TempDir::new().expect("a folder");
    let (zip, split) = (folder.path().join("a.zip"), folder.path().join("split"));
    archive(&zip, 2_010, Some("PetImages/Cat/Thumbs.db"));
    let report = split_cats_and_dogs(&zip, &split).expect("a split");
    assert_eq!((report.images, report.passed_over), (4_000, vec!["Cat/666.jpg".to_owned()]));
    let read = |name: &str| std::fs::read_to_string(split.join(name)).ok();
    assert_eq!(read("train/cats/cat.0.jpg").as_deref(), Some("Cat 0"));
    assert_eq!(read("train/cats/cat.666.jpg"), None);
    assert_eq!(
        read("train/cats/cat.1000.jpg").as_deref(),
        Some("Cat 1000"),
        "the next number takes the place of a broken one"
    );
    assert_eq!(read("train/dogs/dog.999.jpg").as_deref(), Some("Dog 999"));
    assert_eq!(read("validation/dogs/dog.1000.jpg").as_deref(), Some("Dog 1000"));
    assert_eq!(read("test/dogs/dog.1999.jpg").as_deref(), Some("Dog 1999"));
    let count = |name: &str| std::fs::read_dir(split.join(name)).expect("a folder").count();
    assert_eq!(
        [count("train/cats"), count("validation/cats"), count("test/dogs")],
        [1000, 500, 500]
    );
    assert!(split_cats_and_dogs(&zip, &split).is_err(), "an existing folder is left alone");
    assert!(holds_split(&split) && !holds_split(folder.path()) && !holds_split(&zip));
    std::fs::remove_dir_all(split.join("test/dogs")).expect("removed");
    assert!(!holds_split(&split), "a part of it is not all of it");
}

#[test]
#[cfg(unix)]
fn what_a_killed_split_left_behind_goes_with_the_next() {
    let folder = TempDir::new().expect("a folder");
    // Of another machine and two days old, or only just begun.
    let left = |name: &str, age: u64| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.join("train/cats")).expect("made");
        std::fs::write(path.join("train/cats/cat.0.jpg"), b"Cat").expect("written");
        let then = std::time::SystemTime::now() - Duration::from_secs(age * 3600);
        std::fs::File::open(&path).and_then(|path| path.set_modified(then)).expect("older");
        path
    };
    let dead = left(".thaw-folder-1-2-elsewhere-abcdef", 48);
    let kept = [left(".thaw-folder-1-2-elsewhere-fedcba", 0), left(".thaw-cache", 48)];
    let (zip, split) = (folder.path().join("a.zip"), folder.path().join("split"));
    archive(&zip, 2_010, None);
    split_cats_and_dogs(&zip, &split).expect("a split");
    assert!(!dead.exists());
    assert!(kept.iter().all(|path| path.join("train/cats/cat.0.jpg").exists()), "{kept:?}");
    let names = std::fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(names, 2 + kept.len(), "the archive, the split and what is not of dead processes");
    // What could not be completed is not left either.
    archive(&folder.path().join("short.zip"), 100, None);
    let short = split_cats_and_dogs(&folder.path().join("short.zip"), &folder.path().join("s"));
    assert!(short.is_err_and(|error| error.to_string().contains("too few photographs")));
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), names + 1);
}

#[test]
fn archives_that_lead_out_of_the_folder_are_refused() {
    for name in ["../outside.jpg", "PetImages/../../outside.jpg", "/etc/outside.jpg"] {
        let folder = TempDir::new().expect("a folder");
        let zip = folder.path().join("a.zip");
        archive(&zip, 3, Some(name));
        let message = split_cats_and_dogs(&zip, &folder.path().join("split"))
            .expect_err("refused")
            .to_string();
        assert!(message.contains("leads out of the folder"), "{message}");
        assert_eq!(files(folder.path()), ["a.zip"]);
    }
}

#[test]
fn small_and_damaged_archives_are_refused_and_leave_nothing() {
    let folder = TempDir::new().expect("a folder");
    let zip = folder.path().join("a.zip");
    archive(&zip, 3, None);
    let refused = || {
        split_cats_and_dogs(&zip, &folder.path().join("split")).expect_err("refused").to_string()
    };
    assert!(refused().contains("too few photographs in PetImages/Cat"), "{}", refused());
    std::fs::write(&zip, b"PK and nothing more").expect("a file");
    assert!(refused().contains("not a zip archive"), "{}", refused());
    assert_eq!(files(folder.path()), ["a.zip"]);
}

#[test]
fn archives_that_unpack_to_more_than_photographs_are_refused_whatever_they_declare() {
    let folder = TempDir::new().expect("a folder");
    let (zip, split) = (folder.path().join("a.zip"), folder.path().join("split"));
    // 100 MB of zeros in 100 kB: one photograph, and a hundred of a megabyte each.
    for (photographs, megabytes) in [(1, 100), (100, 1)] {
        let mut writer = ZipWriter::new(File::create(&zip).expect("a file"));
        for number in 0..photographs {
            let name = format!("PetImages/Cat/{number}.jpg");
            let options =
                SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
            writer.start_file(name, options).expect("an entry");
            for _ in 0..megabytes {
                writer.write_all(&[0; 1_000_000]).expect("written");
            }
        }
        writer.start_file("PetImages/Dog/0.jpg", SimpleFileOptions::default()).expect("an entry");
        writer.finish().expect("an archive");
        // What an entry declares is not believed.
        let declared = (megabytes as u32 * 1_000_000).to_le_bytes();
        let mut bytes = std::fs::read(&zip).expect("read");
        for place in 0..bytes.len() - 4 {
            if bytes[place..place + 4] == declared {
                bytes[place..place + 4].copy_from_slice(&10u32.to_le_bytes());
            }
        }
        for _ in 0..2 {
            let message = split_cats_and_dogs(&zip, &split).expect_err("refused").to_string();
            let said = ["unpacks to more than a photograph", "larger than its declared"];
            assert!(said.iter().any(|said| message.contains(said)), "{message}");
            assert_eq!(files(folder.path()), ["a.zip"]);
            std::fs::write(&zip, &bytes).expect("written");
        }
    }
}
