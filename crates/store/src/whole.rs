//! Files that are there whole or not at all.

use std::fs::File;
use std::io::{self, ErrorKind, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::{NamedTempFile, TempDir, TempPath};

use crate::process::{in_a_name, of_a_name_lives};

/// How the names of unfinished files begin. Behind it stands the process that writes the file.
pub(crate) const UNFINISHED: &str = ".thaw-";

/// How the names of unfinished files begin that their writers have left to others.
const LEFT: &str = ".thaw-left-";

/// How the names of unfinished folders begin. No file's name does: what follows is no number.
const UNFINISHED_FOLDER: &str = ".thaw-folder-";

/// An unfinished file whose process cannot be asked after is left behind if it is so old.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// Symbolic links that are followed one behind another. More of them lead in a circle.
const LINKS: usize = 40;

/// A file that is being written: until [`Unfinished::finish`] nothing stands under its name, and what
/// stood there stays.
#[derive(Debug)]
pub struct Unfinished {
    file: NamedTempFile,
    path: PathBuf,
}

impl Unfinished {
    /// Begins a file, and makes its folder.
    ///
    /// # Errors
    /// When the folder cannot be made or written to.
    pub fn create(path: &Path) -> io::Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let file = unfinished(folder)?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Where it is written until it gets its name: in the folder of that name.
    #[must_use]
    pub fn place(&self) -> &Path {
        self.file.path()
    }

    /// Makes what was written so far readable for others, and safe on the disk.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn settle(&self) -> io::Result<()> {
        self.open_to_all()?;
        self.file.as_file().sync_data()
    }

    /// Leaves it unfinished at [`left_place`], for a process that goes on from it.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn leave(self) -> io::Result<()> {
        self.settle()?;
        self.file.persist(left_place(&self.path)).map(drop).map_err(|error| error.error)
    }

    /// Where [`Unfinished::take_over`] puts what was left of a file.
    #[must_use]
    pub fn place_after_take_over(path: &Path) -> PathBuf {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        path.with_file_name(format!("{UNFINISHED}{}{name}", in_a_name()))
    }

    /// Goes on with what was left of a file, behind so many of its bytes.
    ///
    /// # Errors
    /// When it is not there, or cannot be renamed or written to.
    pub fn take_over(path: &Path, length: u64) -> io::Result<Self> {
        let place = Self::place_after_take_over(path);
        std::fs::rename(left_place(path), &place)?;
        let mut file = File::options().read(true).write(true).open(&place)?;
        file.set_len(length)?;
        file.seek(SeekFrom::End(0))?;
        let file = NamedTempFile::from_parts(file, TempPath::try_from_path(place)?);
        Ok(Self { file, path: path.to_owned() })
    }

    /// Writes over bytes that were written before, from an offset; what is written next comes behind
    /// all of them.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn overwrite(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let file = self.file.as_file_mut();
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(bytes)?;
        file.seek(SeekFrom::End(0)).map(drop)
    }

    /// Gives the file its name, once its bytes are on the disk.
    ///
    /// # Errors
    /// When it cannot be written or renamed.
    pub fn finish(self) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        self.open_to_all()?;
        // What cannot get its name is removed.
        let temporary = self.file.into_temp_path();
        std::fs::rename(&temporary, &self.path)?;
        temporary.keep().map(drop).map_err(|error| error.error)
    }

    /// Temporary files are private to their owner; what is kept is for everybody the folder is for.
    fn open_to_all(&self) -> io::Result<()> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let readable = std::fs::Permissions::from_mode(0o644);
            self.file.as_file().set_permissions(readable)?;
        }
        Ok(())
    }
}

impl Write for Unfinished {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Writes a file at once, or not at all; makes its folder. A symbolic link stays: the file that it points
/// at is written. A pipe or a device stays as well, and takes the bytes as they come.
///
/// # Errors
/// When it cannot be written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if is_pipe_or_device(path) {
        return File::options().write(true).open(path)?.write_all(bytes);
    }
    replace_whole(&behind_links(path)?, bytes)
}

/// The same for a file of a store, which is what stands under its name: a symbolic link there, as
/// git-annex makes them, gives way, and what it points at stays.
pub(crate) fn replace_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = Unfinished::create(path)?;
    file.write_all(bytes)?;
    file.finish()
}

/// Whether something is there that is neither a file nor a folder.
fn is_pipe_or_device(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

/// Where symbolic links lead, whether or not a file is there yet.
///
/// # Errors
/// When they lead in a circle.
pub fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let mut place = path.to_owned();
    for _ in 0..LINKS {
        // What is no link, or not there, is the place; what cannot be looked at is told by writing to it.
        let Ok(next) = std::fs::read_link(&place) else { return Ok(place) };
        place = place.parent().unwrap_or(Path::new("")).join(next);
    }
    Err(io::Error::other("its symbolic links lead in a circle"))
}

/// A new file in a folder under a name that tells who writes it.
pub(crate) fn unfinished(folder: &Path) -> io::Result<NamedTempFile> {
    let prefix = format!("{UNFINISHED}{}", in_a_name());
    tempfile::Builder::new().prefix(&prefix).tempfile_in(folder)
}

/// A new folder within another, to be filled and then renamed: it goes when it is dropped. Its name tells
/// who fills it, and those that killed processes left there are removed.
///
/// # Errors
/// When the folder cannot be listed or written to.
pub fn unfinished_folder(parent: &Path) -> io::Result<TempDir> {
    for orphan in abandoned(parent, UNFINISHED_FOLDER, Path::is_dir)? {
        match std::fs::remove_dir_all(&orphan) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    let prefix = format!("{UNFINISHED_FOLDER}{}", in_a_name());
    tempfile::Builder::new().prefix(&prefix).tempdir_in(parent)
}

/// The files in a folder that processes began to write which are gone: killed, or of another machine and
/// a day old. A folder that is not there has none, nor has a file.
///
/// # Errors
/// When the folder cannot be listed.
pub(crate) fn orphans(folder: &Path) -> io::Result<Vec<PathBuf>> {
    // A folder such as `.thaw-cache` is no unfinished file.
    abandoned(folder, UNFINISHED, |path| !path.is_dir())
}

/// Where writers of a file leave what they do not finish.
#[must_use]
pub fn left_place(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{LEFT}{name}"))
}

/// Puts an unfinished file of a path at [`left_place`] if its writer is gone; tells whether it is there.
///
/// # Errors
/// When it cannot be renamed.
pub fn release(unfinished: &Path, path: &Path) -> io::Result<bool> {
    let place = left_place(path);
    if unfinished != place && is_abandoned(unfinished, UNFINISHED) {
        std::fs::rename(unfinished, &place)?;
        return Ok(true);
    }
    Ok(unfinished == place)
}

/// Removes a file, if it is there.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether an error says that nothing is there. Nor does anything lie in a file.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind())
}

/// What has a name that begins so, is of a kind, and is of a process that is gone.
fn abandoned(
    folder: &Path,
    beginning: &str,
    is_of_kind: impl Fn(&Path) -> bool,
) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if is_of_kind(&path) && is_abandoned(&path, beginning) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a file or folder has a name that begins so, of a process that is gone.
fn is_abandoned(path: &Path, beginning: &str) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_old = || age(path).is_some_and(|age| age > ABANDONED);
    name.strip_prefix(beginning)
        .is_some_and(|writer| of_a_name_lives(writer).map_or_else(is_old, |lives| !lives))
}

/// How long ago a file was written, by the clock of its file system; nothing where it cannot be asked. The
/// clocks of the machines that share it may differ.
pub(crate) fn age(path: &Path) -> Option<Duration> {
    let written = std::fs::symlink_metadata(path).ok()?.modified().ok()?;
    let probe = unfinished(path.parent()?).ok()?;
    std::fs::write(probe.path(), b"now").ok()?;
    let now = probe.as_file().metadata().ok()?.modified().ok()?;
    Some(now.duration_since(written).unwrap_or_default())
}

/// Removes the [`orphans`] of a folder.
///
/// # Errors
/// When the folder cannot be listed, or a file cannot be removed.
pub(crate) fn remove_orphans(folder: &Path) -> io::Result<()> {
    orphans(folder)?.iter().try_for_each(|orphan| remove(orphan))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_process_began_is_an_orphan_and_what_a_living_one_writes_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut living = Unfinished::create(&folder.path().join("whole")).expect("begun");
        living.write_all(b"half").expect("written");
        let own = living.file.path().file_name().expect("a name").to_string_lossy().into_owned();
        let of_day_before_yesterday = |name: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, b"torn").expect("written");
            let then = std::time::SystemTime::now() - 2 * ABANDONED;
            let file = std::fs::File::options().append(true).open(&path).expect("a file");
            file.set_modified(then).expect("an older file");
        };
        std::fs::write(folder.path().join(".thaw-abcdef"), b"torn").expect("written");
        std::fs::write(folder.path().join("whole.json"), b"{}").expect("written");
        assert_eq!(orphans(folder.path()).expect("listed"), Vec::<PathBuf>::new());
        of_day_before_yesterday(".thaw-1-2-elsewhere-abcdef");
        let mut expected = vec![folder.path().join(".thaw-1-2-elsewhere-abcdef")];
        // Its number is that of this process, which was started at another time.
        let parts: Vec<&str> = own.split('-').collect();
        if parts.iter().all(|part| !part.is_empty()) {
            let dead = format!(".thaw-{}-1-{}-abcdef", parts[1], parts[3]);
            std::fs::write(folder.path().join(&dead), b"torn").expect("written");
            expected.push(folder.path().join(dead));
        }
        expected.sort();
        assert_eq!(orphans(folder.path()).expect("listed"), expected);
        remove_orphans(folder.path()).expect("removed");
        assert_eq!(orphans(folder.path()).expect("listed"), Vec::<PathBuf>::new());
        living.finish().expect("it was left alone");
        for nothing in ["nowhere", "whole", "whole/below"] {
            let nothing = orphans(&folder.path().join(nothing)).expect("none");
            assert_eq!(nothing, Vec::<PathBuf>::new());
        }
    }

    #[test]
    #[cfg(unix)]
    fn links_stay_and_the_file_that_they_lead_to_is_replaced() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("shared")).expect("made");
        std::fs::write(path("shared/bands.toml"), b"old").expect("written");
        symlink("shared/bands.toml", path("mine.toml")).expect("a link");
        symlink(path("mine.toml"), path("yours.toml")).expect("a link to a link");
        write_whole(&path("yours.toml"), b"new").expect("written");
        assert_eq!(std::fs::read(path("shared/bands.toml")).expect("a file"), b"new");
        // Nor need the file be there yet.
        std::fs::remove_file(path("shared/bands.toml")).expect("removed");
        write_whole(&path("mine.toml"), b"first").expect("written");
        assert_eq!(std::fs::read(path("shared/bands.toml")).expect("a file"), b"first");
        assert!(path("mine.toml").is_symlink() && path("yours.toml").is_symlink());
        symlink("there", path("here")).expect("a link");
        symlink("here", path("there")).expect("a link back");
        let error = write_whole(&path("here"), b"lost").expect_err("a circle").to_string();
        assert!(error.contains("lead in a circle"), "{error}");
        // Nothing unfinished is left.
        let count = |folder: &Path| std::fs::read_dir(folder).expect("a folder").count();
        assert_eq!((count(folder.path()), count(&path("shared"))), (5, 1));
    }

    #[test]
    #[cfg(unix)]
    fn a_pipe_stays_one_and_takes_the_bytes() {
        use std::os::unix::fs::FileTypeExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("mkfifo runs").success());
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("pipe", &link).expect("a link");
        for place in [&pipe, &link] {
            let from = pipe.clone();
            let reader = std::thread::spawn(move || std::fs::read(from));
            write_whole(place, b"bytes").expect("written");
            let there = pipe.symlink_metadata().expect("it is there");
            assert!(there.file_type().is_fifo(), "a file took its place");
            assert_eq!(reader.join().expect("no panic").expect("read"), b"bytes");
        }
        assert!(link.is_symlink());
    }

    #[test]
    #[cfg(unix)]
    fn what_killed_processes_left_of_a_folder_goes_and_other_folders_stay() {
        let place = tempfile::tempdir().expect("a folder");
        let make = |name: &str, is_old: bool| {
            let path = place.path().join(name);
            std::fs::create_dir_all(path.join("train")).expect("made");
            std::fs::write(path.join("train/0.jpg"), b"torn").expect("written");
            if is_old {
                let then = std::time::SystemTime::now() - 2 * ABANDONED;
                let folder = std::fs::File::open(&path).expect("a folder");
                folder.set_modified(then).expect("an older folder");
            }
            path
        };
        let own = in_a_name();
        let mut gone = vec![make(".thaw-folder-1-2-elsewhere-abcdef", true)];
        let start = crate::process::started(std::process::id());
        if let Some(start) = start.filter(|_| of_a_name_lives(&format!("{own}abcdef")).is_some()) {
            gone.push(make(&format!(".thaw-folder-{}abcdef", own.replace(&start, "1")), false));
        }
        let living = unfinished_folder(place.path()).expect("begun");
        assert!(gone.iter().all(|path| !path.exists()), "{gone:?}");
        let kept = [
            make(".thaw-folder-1-2-elsewhere-fedcba", false),
            make(".thaw-cache", true),
            make("photographs", true),
        ];
        let another = unfinished_folder(place.path()).expect("begun");
        // Nor is a folder an unfinished file.
        remove_orphans(place.path()).expect("tidied");
        assert!(kept.iter().all(|path| path.join("train/0.jpg").exists()), "{kept:?}");
        assert!(living.path().exists() && another.path().exists());
    }
}
