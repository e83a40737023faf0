//! Files that are there whole or not at all.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// How the names of unfinished files begin.
pub(crate) const UNFINISHED: &str = ".thaw-";

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
        let file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder)?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Gives the file its name, once its bytes are on the disk.
    ///
    /// # Errors
    /// When it cannot be written or renamed.
    pub fn finish(self) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        // Temporary files are private to their owner; what is kept is for everybody the folder is for.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let readable = std::fs::Permissions::from_mode(0o644);
            self.file.as_file().set_permissions(readable)?;
        }
        self.file.persist(&self.path).map(drop).map_err(|error| error.error)
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

/// Writes a file at once, or not at all; makes its folder.
///
/// # Errors
/// When it cannot be written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = Unfinished::create(path)?;
    file.write_all(bytes)?;
    file.finish()
}
