//! Folders, good and bad, with images made on the spot.

#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

use std::fs;
use std::path::Path;

use image::{ColorType, ImageFormat, RgbImage};
use tempfile::TempDir;
use thaw_data::{DataError, Dataset, Folder, OnUnreadable, Pixels, decode};
use thaw_spec::{Resize, Split};

fn picture(path: &Path, seed: u8) {
    RgbImage::from_fn(20, 14, |x, y| image::Rgb([seed, (x * 12) as u8, (y * 17) as u8]))
        .save(path)
        .expect("an image");
}

/// Two classes with two images in each split.
fn dataset() -> TempDir {
    let root = TempDir::new().expect("a folder");
    for (number, split) in ["train", "validation", "test"].into_iter().enumerate() {
        for class in ["dogs", "cats"] {
            let folder = root.path().join(split).join(class);
            fs::create_dir_all(&folder).expect("a folder");
            picture(&folder.join("b.png"), number as u8);
            picture(&folder.join("a.jpg"), 100 + number as u8);
        }
    }
    root
}

fn prepare(root: &Path, unreadable: OnUnreadable) -> Result<Pixels, DataError> {
    let folder = Folder::scan(root)?;
    let path = root.join("cache").join("train");
    Pixels::prepare(&folder, Split::Train, 8, Resize::Nearest, unreadable, &path, &|_| {})?;
    Pixels::open(&path, unreadable)
}

#[test]
fn classes_and_files_come_in_sorted_order() {
    let root = dataset();
    let folder = Folder::scan(root.path()).expect("a dataset");
    assert_eq!(folder.classes, ["cats", "dogs"]);
    let paths: Vec<&str> =
        folder.images(Split::Train).iter().map(|image| image.path.as_str()).collect();
    assert_eq!(
        paths,
        ["train/cats/a.jpg", "train/cats/b.png", "train/dogs/a.jpg", "train/dogs/b.png"]
    );
    let pixels = prepare(root.path(), OnUnreadable::Refuse).expect("pixels");
    assert_eq!((pixels.len(), pixels.size(), pixels.labels()), (4, 8, &[0, 0, 1, 1][..]));
}

#[test]
fn the_hash_follows_names_labels_and_contents() {
    let root = dataset();
    let hash =
        || Folder::scan(root.path()).and_then(|folder| folder.content_hash()).expect("a hash");
    let before = hash();
    assert_eq!(before, hash());
    let image = root.path().join("test/cats/a.jpg");
    fs::rename(&image, root.path().join("test/cats/c.jpg")).expect("renamed");
    let renamed = hash();
    assert_ne!(before, renamed);
    picture(&root.path().join("test/cats/c.jpg"), 77);
    assert_ne!(renamed, hash());
}

#[test]
fn a_mislabelled_extension_is_read_by_content() {
    let root = dataset();
    let path = root.path().join("train/cats/a.jpg");
    RgbImage::from_pixel(3, 3, image::Rgb([1, 2, 3]))
        .save_with_format(&path, ImageFormat::Png)
        .expect("an image");
    assert_eq!(decode(&path).expect("read by content").get_pixel(0, 0).0, [1, 2, 3]);
}

#[test]
fn unusable_folders_are_named_with_a_remedy() {
    let say = |break_it: &dyn Fn(&Path)| {
        let root = dataset();
        break_it(root.path());
        let message =
            Folder::scan(root.path()).map(|_| ()).expect_err("a broken dataset").to_string();
        message.replace(&root.path().display().to_string(), "ROOT")
    };
    insta::assert_snapshot!(
        [
            say(&|root| fs::remove_dir_all(root.join("train")).expect("removed")),
            say(&|root| fs::remove_dir_all(root.join("train/dogs")).expect("removed")),
            say(&|root| fs::rename(root.join("validation/dogs"), root.join("validation/wolves"))
                .expect("renamed")),
            say(&|root| {
                fs::remove_file(root.join("test/cats/a.jpg")).expect("removed");
                fs::remove_file(root.join("test/cats/b.png")).expect("removed");
            }),
        ]
        .join("\n")
    );
}

#[test]
fn unreadable_images_are_named_with_a_remedy_and_can_be_skipped() {
    let say = |name: &str, bytes: &[u8]| {
        let root = dataset();
        fs::write(root.path().join("train/dogs").join(name), bytes).expect("written");
        let message = prepare(root.path(), OnUnreadable::Refuse)
            .expect_err("an unreadable image")
            .to_string();
        assert!(!root.path().join("cache/train").exists(), "nothing half-written is left behind");
        let pixels = prepare(root.path(), OnUnreadable::Skip).expect("skipped");
        assert_eq!((pixels.skipped(), pixels.len()), (&[format!("train/dogs/{name}")][..], 4));
        let refused = Pixels::open(&root.path().join("cache/train"), OnUnreadable::Refuse);
        assert!(refused.is_err(), "what was skipped once is not passed over in silence later");
        message.replace(&root.path().display().to_string(), "ROOT")
    };
    let folder = TempDir::new().expect("a folder");
    let (jpeg, deep) = (folder.path().join("x.jpg"), folder.path().join("x.png"));
    RgbImage::from_fn(64, 64, |x, y| image::Rgb([(x * y) as u8, x as u8, y as u8]))
        .save(&jpeg)
        .expect("an image");
    let jpeg = fs::read(jpeg).expect("read");
    image::save_buffer(&deep, &[0; 2 * 2 * 6], 2, 2, ColorType::Rgb16).expect("an image");
    insta::assert_snapshot!(
        [
            say("zero.jpg", b""),
            say("text.jpg", b"this is no image"),
            say("truncated.jpg", &jpeg[..jpeg.len() / 2]),
            say("deep.png", &fs::read(deep).expect("read")),
            say("cmyk.jpg", include_bytes!("fixtures/cmyk.jpg")),
        ]
        .join("\n")
    );
}

#[test]
fn every_photograph_of_a_real_dataset_can_be_read() {
    let Some(shared) = std::env::var_os("THAW_TEST_SHARED").filter(|shared| !shared.is_empty())
    else {
        eprintln!("skipped: THAW_TEST_SHARED names no folder with data/ and weights/");
        return;
    };
    let folder =
        Folder::scan(&Path::new(&shared).join("data/cats_and_dogs_small")).expect("a dataset");
    let counts = folder.counts();
    assert_eq!((counts.train, counts.validation, counts.test), (2000, 1000, 1000));
    let cache = TempDir::new().expect("a folder");
    let path = cache.path().join("test");
    Pixels::prepare(
        &folder,
        Split::Test,
        150,
        Resize::Nearest,
        OnUnreadable::Refuse,
        &path,
        &|_| {},
    )
    .expect("readable");
    let pixels = Pixels::open(&path, OnUnreadable::Refuse).expect("prepared");
    assert_eq!(pixels.labels().iter().filter(|label| **label == 1).count(), 500);
}
