//! A store in a folder.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;

use crate::claim::BEAT;
use crate::whole::{UNFINISHED, write_whole};
use crate::{Claim, Claimed, Owner, Store, StoreError};

/// The folder of claims.
const CLAIMS: &str = "claims";

/// The file whose lock makes claiming one step. It stays; only its lock counts, which the system
/// takes back from a process that ends.
const LOCK: &str = "claims/.lock";

/// Keeps each key as a file below a folder, which need not exist yet.
#[derive(Clone, Debug)]
pub struct FolderStore {
    root: PathBuf,
}

impl FolderStore {
    /// A store in a folder.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn path(&self, key: &str) -> PathBuf {
        let parts = key.split('/').filter(|part| !part.is_empty() && *part != "..");
        parts.fold(self.root.clone(), |path, part| path.join(part))
    }

    fn claim_key(name: &str) -> String {
        format!("{CLAIMS}/{name}.json")
    }

    /// The owner of a claim, if it lives. What is no claim is that of a worker that was killed while it
    /// wrote with an older version, or of nobody.
    fn owner(&self, name: &str) -> Result<Option<Owner>, StoreError> {
        let bytes = self.get(&Self::claim_key(name))?;
        let owner = bytes.and_then(|bytes| serde_json::from_slice::<Owner>(&bytes).ok());
        Ok(owner.filter(Owner::lives))
    }

    /// The exclusive lock on the claims, until it is dropped. Some file systems have no locks; there
    /// two workers that claim in the same moment may both be granted it.
    fn lock(&self) -> Result<File, StoreError> {
        let path = self.root.join(LOCK);
        let unwritable = unwritable(&path, "cannot lock the claims");
        std::fs::create_dir_all(self.root.join(CLAIMS))
            .and_then(|()| File::options().create(true).append(true).open(&path))
            .inspect(|file| drop(file.lock()))
            .map_err(unwritable)
    }
}

impl Store for FolderStore {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path(key);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unreadable(&path, "cannot read")(error)),
        }
    }

    fn put(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path(key);
        write_whole(&path, bytes).map_err(unwritable(&path, "cannot write"))
    }

    fn remove(&self, key: &str) -> Result<(), StoreError> {
        let path = self.path(key);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(unwritable(&path, "cannot remove")(error))
            }
            _ => Ok(()),
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let path = self.path(prefix);
        let entries = match std::fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(unreadable(&path, "cannot list")(error)),
        };
        let name = |entry: io::Result<std::fs::DirEntry>| {
            entry.map(|entry| entry.file_name().to_string_lossy().into_owned())
        };
        let mut names = entries
            .map(name)
            .collect::<Result<Vec<String>, _>>()
            .map_err(unreadable(&path, "cannot list"))?;
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        Ok(names)
    }

    fn has(&self, key: &str) -> Result<bool, StoreError> {
        Ok(self.path(key).is_file())
    }

    fn prepare(&self) -> Result<(), StoreError> {
        std::fs::create_dir_all(&self.root)
            .map_err(unwritable(&self.root, "cannot make the results folder"))?;
        tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempfile_in(&self.root)
            .map(drop)
            .map_err(unwritable(&self.root, "cannot write into the results folder"))
    }

    fn tidy(&self, prefix: &str) -> Result<(), StoreError> {
        let path = self.path(prefix);
        let entries = match std::fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(unreadable(&path, "cannot list")(error)),
        };
        for entry in entries {
            let entry = entry.map_err(unreadable(&path, "cannot list"))?;
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                std::fs::remove_file(entry.path())
                    .map_err(unwritable(&entry.path(), "cannot remove"))?;
            }
        }
        Ok(())
    }

    fn claim(&self, name: &str) -> Result<Claimed, StoreError> {
        let _lock = self.lock()?;
        if let Some(owner) = self.owner(name)? {
            return Ok(Claimed::Theirs(owner));
        }
        let owner = Owner::this_process();
        self.put(&Self::claim_key(name), &written(&owner))?;
        Ok(Claimed::Ours(Claim::new(Held::new(self.clone(), name.to_owned(), owner))))
    }

    fn claimed_by(&self, name: &str) -> Result<Option<Owner>, StoreError> {
        self.owner(name)
    }

    fn place(&self, key: &str) -> PathBuf {
        self.path(key)
    }
}

fn written(owner: &Owner) -> Vec<u8> {
    serde_json::to_vec(owner).expect("names and numbers")
}

/// A claim that beats on a thread of its own, and is removed when it is dropped.
struct Held {
    store: FolderStore,
    name: String,
    token: String,
    /// Dropped to end the beats.
    ends: Option<Sender<()>>,
    beats: Option<JoinHandle<()>>,
}

impl Held {
    fn new(store: FolderStore, name: String, mut owner: Owner) -> Self {
        let (ends, ended) = channel::<()>();
        let token = owner.token.clone();
        let (beating, key) = (store.clone(), FolderStore::claim_key(&name));
        let beats = std::thread::spawn(move || {
            while ended.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
                owner.beats();
                // A beat that is lost is made up for by the next.
                let _ = beating.put(&key, &written(&owner));
            }
        });
        Self { store, name, token, ends: Some(ends), beats: Some(beats) }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.ends.take());
        if let Some(beats) = self.beats.take() {
            let _ = beats.join();
        }
        // Whoever took it over, thinking this process dead, keeps it. What cannot be removed is that
        // of a dead process soon.
        let _lock = self.store.lock();
        let is_own = |owner: &Owner| owner.token == self.token;
        if self.store.owner(&self.name).is_ok_and(|owner| owner.as_ref().is_some_and(is_own)) {
            let _ = self.store.remove(&FolderStore::claim_key(&self.name));
        }
    }
}

fn unreadable(place: &Path, action: &'static str) -> impl FnOnce(io::Error) -> StoreError {
    let place = place.to_owned();
    move |source| StoreError::Unreadable { place, action, source }
}

fn unwritable(place: &Path, action: &'static str) -> impl FnOnce(io::Error) -> StoreError {
    let place = place.to_owned();
    move |source| StoreError::Unwritable { place, action, source }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn store() -> (tempfile::TempDir, FolderStore) {
        let folder = tempfile::tempdir().expect("a folder");
        let store = FolderStore::new(folder.path().join("new"));
        (folder, store)
    }

    #[test]
    fn what_is_put_is_there_whole_and_listed_by_its_next_part() {
        let (_folder, store) = store();
        assert_eq!(store.get("a/b").expect("readable"), None);
        assert!(store.list("a").expect("readable").is_empty());
        store.put("a/b", b"1").expect("written");
        store.put("a/c/d", b"2").expect("written");
        store.put("a/b", b"3").expect("replaced");
        assert_eq!(store.get("a/b").expect("readable"), Some(b"3".to_vec()));
        assert_eq!(store.list("a").expect("readable"), ["b", "c"]);
        assert!(store.has("a/c/d").expect("told") && !store.has("a/c").expect("told"));
        store.remove("a/b").expect("removed");
        store.remove("a/b").expect("it is gone already");
        assert_eq!(store.list("a").expect("readable"), ["c"]);
        assert!(store.get("a/c").expect_err("a folder").to_string().contains("cannot read"));
    }

    #[test]
    fn a_claim_is_granted_once_at_a_time() {
        let (_folder, store) = store();
        let granted = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        if let Claimed::Ours(claim) = store.claim("cell").expect("claims") {
                            assert_eq!(granted.fetch_add(1, Ordering::SeqCst), 0);
                            std::thread::yield_now();
                            granted.fetch_sub(1, Ordering::SeqCst);
                            drop(claim);
                        }
                    }
                });
            }
        });
        assert_eq!(store.claimed_by("cell").expect("claims"), None);
        assert!(store.list(CLAIMS).expect("readable").is_empty());
    }

    #[test]
    fn the_claim_of_a_dead_worker_is_taken_over_and_not_given_back_by_it() {
        let (_folder, store) = store();
        let Claimed::Ours(first) = store.claim("cell").expect("claims") else { panic!("free") };
        // As a worker on another machine that fell silent would leave it.
        let bytes = store.get(&FolderStore::claim_key("cell")).expect("readable").expect("a claim");
        let mut owner: serde_json::Value = serde_json::from_slice(&bytes).expect("an owner");
        owner["space"] = "elsewhere".into();
        owner["beat_unix_seconds"] = 1.into();
        store.put(&FolderStore::claim_key("cell"), owner.to_string().as_bytes()).expect("written");
        let Claimed::Ours(second) = store.claim("cell").expect("claims") else { panic!("dead") };
        drop(first);
        let owner = store.claimed_by("cell").expect("claims").expect("the second's");
        assert_eq!(owner.pid, std::process::id());
        assert!(owner.to_string().starts_with(&format!("process {} on ", owner.pid)));
        drop(second);
        store.put(&FolderStore::claim_key("cell"), b"torn").expect("written");
        assert!(matches!(store.claim("cell").expect("claims"), Claimed::Ours(_)));
    }
}
