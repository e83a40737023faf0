//! Folders of images as the bytes build them: files, folders and links of any names. A line is a path, a
//! tab, and the content; a content that begins with `@` is what a link points to.

#![no_main]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::{Component, Path};

use thaw_data::{Dataset as _, Folder};
use thaw_spec::Split;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let place = tempfile::tempdir().expect("a folder");
    let root = place.path().join("images");
    for line in bytes.split(|byte| *byte == b'\n').take(200) {
        let mut parts = line.splitn(2, |byte| *byte == b'\t');
        let path = Path::new(OsStr::from_bytes(parts.next().unwrap_or_default()));
        let content = parts.next().unwrap_or_default();
        // What the folder of a person holds; where it lies is not examined.
        if !path.components().all(|part| matches!(part, Component::Normal(_))) {
            continue;
        }
        let path = root.join(path);
        let Some(parent) = path.parent() else { continue };
        if fs::create_dir_all(parent).is_err() || fs::symlink_metadata(&path).is_ok() {
            continue;
        }
        let _ = match content.strip_prefix(b"@") {
            // Only within the folder: the files of this machine are no input.
            Some(target) if !target.starts_with(b"/") && !target.windows(2).any(|two| two == b"..") => {
                symlink(OsStr::from_bytes(target), &path)
            }
            Some(_) => symlink(&root, &path),
            None => fs::write(&path, content),
        };
    }
    let Ok(folder) = Folder::scan(&root) else { return };
    let (first, again) = (folder.content_hash(), folder.content_hash());
    assert_eq!(first.is_ok(), again.is_ok());
    let _ = (folder.listing_hash(), folder.remarks(), folder.shorter_sides(10));
    for split in Split::ALL {
        for (index, image) in folder.images(split).iter().enumerate().take(20) {
            assert_eq!(image.path, folder.name(split, index));
            assert!((image.label as usize) < folder.classes().len());
            let _ = folder.image(split, index);
        }
    }
});
