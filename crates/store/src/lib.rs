//! Where records are kept: bytes under keys such as `cells/0a1b/outcome.json`.
//!
//! A [`Store`] can do what an object store can do as well: give, put, remove and list, each key whole
//! or not at all. Beyond that it hands out claims, so that several workers share one experiment and
//! none makes what another is making. [`FolderStore`] keeps keys as files, [`ObjectStore`] as objects of
//! a bucket; [`open`] chooses by the place.
//!
//! # Example
//! ```
//! use thaw_store::{Claimed, FolderStore, Store as _};
//!
//! let folder = tempfile::tempdir()?;
//! let store = FolderStore::new(folder.path().to_owned());
//! store.put("cells/0a1b/outcome.json", b"{}")?;
//! assert_eq!(store.get("cells/0a1b/outcome.json")?.as_deref(), Some(&b"{}"[..]));
//! assert_eq!(store.list("cells")?, ["0a1b"]);
//!
//! let Claimed::Ours(claim) = store.claim("0a1b")? else { panic!("nobody else is here") };
//! // As long as the claim lives, nobody else gets it.
//! assert!(matches!(store.claim("0a1b")?, Claimed::Theirs(_)));
//! drop(claim);
//! assert!(matches!(store.claim("0a1b")?, Claimed::Ours(_)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod checksum;
mod claim;
mod folder;
mod object;
mod place;
mod process;
mod whole;

use std::io;
use std::path::{Path, PathBuf};

pub use checksum::{Checksum, UNKNOWN as UNKNOWN_CHECKSUM};
pub use claim::{Claim, Claimed, Owner, now_unix_seconds};
pub use folder::FolderStore;
pub use object::ObjectStore;
pub use place::{below, folder, is_url, open};
pub use whole::{Unfinished, behind_links, left_place, release, unfinished_folder, write_whole};

/// Keeps bytes under keys. Parts of a key are parted by `/`; none begins with a dot.
pub trait Store: Send + Sync + std::fmt::Debug {
    /// The bytes under a key, if there are any.
    ///
    /// # Errors
    /// When they are there and cannot be read.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Puts bytes under a key, in place of those that were there: at once, or not at all.
    ///
    /// # Errors
    /// When they cannot be written.
    fn put(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError>;

    /// Removes what is under a key, if there is anything.
    ///
    /// # Errors
    /// When it cannot be removed.
    fn remove(&self, key: &str) -> Result<(), StoreError>;

    /// The next parts of all keys that begin with `prefix/`, in their order, each once.
    ///
    /// # Errors
    /// When they cannot be listed.
    fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError>;

    /// Whether there are bytes under a key.
    ///
    /// # Errors
    /// When that cannot be told.
    fn has(&self, key: &str) -> Result<bool, StoreError> {
        Ok(self.get(key)?.is_some())
    }

    /// Makes the place and proves that it can be written to, before a minute is spent.
    ///
    /// # Errors
    /// When it cannot be written to.
    fn prepare(&self) -> Result<(), StoreError>;

    /// Removes what killed workers left unfinished under `prefix/`, where a store keeps such things.
    ///
    /// # Errors
    /// When it cannot be removed.
    fn tidy(&self, _prefix: &str) -> Result<(), StoreError> {
        Ok(())
    }

    /// Files in a folder that dead workers had begun; stores that keep no such files have none.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    fn orphans(&self, _folder: &str) -> Result<Vec<PathBuf>, StoreError> {
        Ok(Vec::new())
    }

    /// Claims of dead workers, where a store tells them.
    ///
    /// # Errors
    /// When claims cannot be read.
    fn dead_claims(&self) -> Result<Vec<PathBuf>, StoreError> {
        Ok(Vec::new())
    }

    /// Removes what dead workers left behind in a folder: files that they had begun, and, in the place of
    /// all (`""`), their claims. Stores that keep neither have nothing to do.
    ///
    /// # Errors
    /// When it cannot be removed.
    fn remove_orphans(&self, _folder: &str) -> Result<(), StoreError> {
        Ok(())
    }

    /// Copies what is under a key into a file, whole or not at all; tells whether there was anything.
    ///
    /// # Errors
    /// When it cannot be read, or the file cannot be written.
    fn download(&self, key: &str, path: &Path) -> Result<bool, StoreError> {
        let Some(bytes) = self.get(key)? else { return Ok(false) };
        let unwritable = |source| StoreError::Unwritable {
            place: path.to_owned(),
            action: "cannot write",
            source,
        };
        write_whole(path, &bytes).map_err(unwritable)?;
        Ok(true)
    }

    /// Puts a file under a key: at once, or not at all.
    ///
    /// # Errors
    /// When the file cannot be read, or the key cannot be written.
    fn upload(&self, path: &Path, key: &str) -> Result<(), StoreError> {
        let unreadable = |source| StoreError::Unreadable {
            place: path.to_owned(),
            action: "cannot read",
            source,
        };
        self.put(key, &std::fs::read(path).map_err(unreadable)?)
    }

    /// Claims the making of something, unless a living worker has claimed it. The claim of a worker
    /// that died is taken over.
    ///
    /// # Errors
    /// When claims cannot be read or written.
    fn claim(&self, name: &str) -> Result<Claimed, StoreError>;

    /// Who is making something now, if a living worker has claimed it.
    ///
    /// # Errors
    /// When claims cannot be read.
    fn claimed_by(&self, name: &str) -> Result<Option<Owner>, StoreError>;

    /// Where a key is, for messages.
    fn place(&self, key: &str) -> PathBuf;
}

/// A key that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be read.
    #[error("{}: {action}: {source}", place.display())]
    Unreadable {
        /// Where it is.
        place: PathBuf,
        /// The action that failed, such as `cannot list`.
        action: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// It cannot be written.
    #[error("{}: {action}: {source}", place.display())]
    Unwritable {
        /// Where it would be.
        place: PathBuf,
        /// The action that failed, such as `cannot remove`.
        action: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// An object store cannot be reached, or refuses.
    #[error("{}: {action}: {reason}", place.display())]
    Unreachable {
        /// Where it is.
        place: PathBuf,
        /// The action that failed, such as `cannot write`.
        action: &'static str,
        /// What the server says, or why it cannot be heard.
        reason: String,
    },
}
