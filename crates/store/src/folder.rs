//! A store in a folder.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::claim::{Beat, Beating, CLAIMS, claim_key};
use crate::whole::{
    UNFINISHED, age, is_absent, orphans, remove, remove_orphans, replace_whole, unfinished,
};
use crate::{Claim, Claimed, Owner, Store, StoreError};

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

    /// The owner of a claim, living or dead. What is no claim is nobody's.
    fn named(&self, name: &str) -> Result<Option<Owner>, StoreError> {
        Ok(self.get(&claim_key(name))?.and_then(|bytes| Owner::parse(&bytes)))
    }

    /// The owner of a claim, if it lives.
    fn owner(&self, name: &str) -> Result<Option<Owner>, StoreError> {
        let named = self.named(name)?;
        Ok(named.filter(|owner| owner.lives(|| age(&self.path(&claim_key(name))))))
    }

    /// The names of claims that no living worker has.
    fn unowned(&self) -> Result<Vec<String>, StoreError> {
        let mut unowned = Vec::new();
        for file in self.list(CLAIMS)? {
            let Some(name) = file.strip_suffix(".json") else { continue };
            if self.owner(name)?.is_none() {
                unowned.push(name.to_owned());
            }
        }
        Ok(unowned)
    }

    /// A claim that beats, and is removed when it is dropped. Whoever took it over, thinking this process
    /// dead, keeps it.
    fn held(&self, name: &str, owner: Owner) -> Claim {
        let is_ours = {
            let (store, name, token) = (self.clone(), name.to_owned(), owner.token.clone());
            move || {
                let named = store.named(&name);
                named.map(|owner| owner.is_some_and(|owner| owner.token == token))
            }
        };
        let (store, key, is_still_ours) = (self.clone(), claim_key(name), is_ours.clone());
        let beating = Beating::new(owner, move |owner| {
            let _lock = store.lock();
            match is_still_ours() {
                Ok(false) => Beat::Lost,
                Err(_) => Beat::Unknown,
                Ok(true) => match store.put(&key, &owner.written()) {
                    Ok(()) => Beat::Renewed,
                    Err(_) => Beat::Unknown,
                },
            }
        });
        let (store, key) = (self.clone(), claim_key(name));
        let give_back = move || {
            // What cannot be removed is that of a dead process soon.
            let _lock = store.lock();
            if is_ours().unwrap_or(false) {
                let _ = store.remove(&key);
            }
        };
        Claim::new(beating.then(give_back))
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
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(unreadable(&path, "cannot read")(error)),
        }
    }

    fn put(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path(key);
        replace_whole(&path, bytes).map_err(unwritable(&path, "cannot write"))
    }

    fn remove(&self, key: &str) -> Result<(), StoreError> {
        let path = self.path(key);
        remove(&path).map_err(unwritable(&path, "cannot remove"))
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let path = self.path(prefix);
        let entries = match std::fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => return Ok(Vec::new()),
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
        unfinished(&self.root)
            .map(drop)
            .map_err(unwritable(&self.root, "cannot write into the results folder"))
    }

    fn tidy(&self, prefix: &str) -> Result<(), StoreError> {
        let path = self.path(prefix);
        let entries = match std::fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => return Ok(()),
            Err(error) => return Err(unreadable(&path, "cannot list")(error)),
        };
        for entry in entries {
            let entry = entry.map_err(unreadable(&path, "cannot list"))?;
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                // Another may tidy at the same time.
                remove(&entry.path()).map_err(unwritable(&entry.path(), "cannot remove"))?;
            }
        }
        Ok(())
    }

    fn orphans(&self, folder: &str) -> Result<Vec<PathBuf>, StoreError> {
        let path = self.path(folder);
        orphans(&path).map_err(unreadable(&path, "cannot list"))
    }

    fn dead_claims(&self) -> Result<Vec<PathBuf>, StoreError> {
        let mut claims: Vec<PathBuf> =
            self.unowned()?.iter().map(|name| self.path(&claim_key(name))).collect();
        // One may have been given back meanwhile.
        claims.retain(|claim| claim.exists());
        Ok(claims)
    }

    fn remove_orphans(&self, folder: &str) -> Result<(), StoreError> {
        let path = self.path(folder);
        remove_orphans(&path)
            .map_err(unwritable(&path, "cannot remove what was left behind in"))?;
        if folder.is_empty() && self.root.join(CLAIMS).is_dir() {
            self.remove_orphans(CLAIMS)?;
            let _lock = self.lock()?;
            for name in self.unowned()? {
                self.remove(&claim_key(&name))?;
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
        self.put(&claim_key(name), &owner.written())?;
        Ok(Claimed::Ours(self.held(name, owner)))
    }

    fn claimed_by(&self, name: &str) -> Result<Option<Owner>, StoreError> {
        self.owner(name)
    }

    fn place(&self, key: &str) -> PathBuf {
        self.path(key)
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
    use super::*;

    fn store() -> (tempfile::TempDir, FolderStore) {
        let folder = tempfile::tempdir().expect("a folder");
        let store = FolderStore::new(folder.path().join("new"));
        (folder, store)
    }

    #[test]
    fn the_claim_of_a_dead_worker_is_taken_over_and_not_given_back_by_it() {
        let (_folder, store) = store();
        let Claimed::Ours(first) = store.claim("cell").expect("claims") else { panic!("free") };
        // As a worker on another machine that fell silent would leave it.
        let bytes = store.get(&claim_key("cell")).expect("readable").expect("a claim");
        let mut owner: serde_json::Value = serde_json::from_slice(&bytes).expect("an owner");
        owner["space"] = "elsewhere".into();
        store.put(&claim_key("cell"), owner.to_string().as_bytes()).expect("written");
        assert!(matches!(store.claim("cell").expect("claims"), Claimed::Theirs(_)), "it beat now");
        let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(121);
        File::options()
            .append(true)
            .open(store.path(&claim_key("cell")))
            .and_then(|file| file.set_modified(long_ago))
            .expect("an older file");
        let dead = store.dead_claims().expect("listed");
        assert_eq!(dead, [store.path(&claim_key("cell"))]);
        store.remove_orphans("").expect("tidied");
        assert_eq!(store.dead_claims().expect("listed"), Vec::<PathBuf>::new());
        assert_eq!(
            store.get(&claim_key("cell")).expect("readable"),
            None,
            "the claim of a dead one"
        );
        let Claimed::Ours(second) = store.claim("cell").expect("claims") else { panic!("dead") };
        drop(first);
        let owner = store.claimed_by("cell").expect("claims").expect("the second's");
        assert_eq!(owner.pid, std::process::id());
        assert!(owner.to_string().starts_with(&format!("process {} on ", owner.pid)));
        assert_eq!(store.dead_claims().expect("listed"), Vec::<PathBuf>::new());
        store.remove_orphans("").expect("tidied");
        assert!(store.claimed_by("cell").expect("claims").is_some(), "that of a living one stays");
        drop(second);
        store.put(&claim_key("cell"), b"torn").expect("written");
        assert!(matches!(store.claim("cell").expect("claims"), Claimed::Ours(_)));
    }
}
