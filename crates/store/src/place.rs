//! Places as a person names them: a folder, or the URL of an object store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use url::Url;

use crate::{FolderStore, ObjectStore, Store, StoreError};

/// Whether a place is a URL, such as `s3://bucket/runs`.
#[must_use]
pub fn is_url(place: &Path) -> bool {
    place.to_str().and_then(|place| place.split_once("://")).is_some_and(|(scheme, _)| {
        let is_plain =
            |character: char| character.is_ascii_alphanumeric() || "+-.".contains(character);
        !scheme.is_empty() && scheme.chars().all(is_plain)
    })
}

/// The store of a place: a folder, `file://…`, or `s3://…`, `gs://…` and `az://…`.
///
/// # Errors
/// When it is a URL that names no object store, or the environment does not say how to reach it.
pub fn open(place: &Path) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match folder(place)? {
        Some(folder) => Arc::new(FolderStore::new(folder)),
        None => Arc::new(ObjectStore::new(&place.to_string_lossy())?),
    })
}

/// A place below another, such as the folder of an experiment among the results.
#[must_use]
pub fn below(place: &Path, name: &str) -> PathBuf {
    match place.to_str().filter(|_| is_url(place)) {
        Some(url) => PathBuf::from(format!("{}/{name}", url.trim_end_matches('/'))),
        None => place.join(name),
    }
}

/// The folder that a place is: one without a URL, or that of `file://`; nothing for an object store.
///
/// # Errors
/// When it is a `file://` URL without an absolute path.
pub fn folder(place: &Path) -> Result<Option<PathBuf>, StoreError> {
    match place.to_str().filter(|_| is_url(place)) {
        Some(url) => folder_of(url),
        None => Ok(Some(place.to_owned())),
    }
}

/// The folder of a `file://` URL; nothing for others.
fn folder_of(url: &str) -> Result<Option<PathBuf>, StoreError> {
    let Some(parsed) = Url::parse(url).ok().filter(|url| url.scheme() == "file") else {
        return Ok(None);
    };
    let refused = |()| StoreError::Unreachable {
        place: PathBuf::from(url),
        action: "cannot be opened",
        reason: "write file:// and an absolute path, such as file:///scratch/runs".to_owned(),
    };
    parsed.to_file_path().map(Some).map_err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stays_a_folder_and_a_url_names_its_store() {
        for folder in ["runs", "/a/b", "./s3:/x", "://x", "a b://x"] {
            assert!(!is_url(Path::new(folder)), "{folder}");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("file://{}/a%20b", folder.path().display());
        assert!(is_url(Path::new(&url)));
        let store = open(Path::new(&url)).expect("a folder");
        store.put("x", b"1").expect("written");
        assert_eq!(std::fs::read(folder.path().join("a b/x")).expect("a file"), b"1");
        for (wrong, words) in
            [("ftp://host/x", "s3://"), ("file://host/x", "absolute"), ("s3://", "s3://")]
        {
            let error = open(Path::new(wrong)).expect_err("no store").to_string();
            assert!(error.contains(words), "{wrong}: {error}");
        }
    }
}
