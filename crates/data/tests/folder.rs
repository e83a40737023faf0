//! Folders, good and bad, with images made on the spot.

#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

use std::fs;
use std::path::Path;

use image::{ColorType, ImageFormat, RgbImage};
use tempfile::TempDir;
use thaw_data::{DataError, Dataset, Folder, OnUnreadable, Pixels, decode, write_png};
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
    assert_eq!(Dataset::classes(&folder), ["cats", "dogs"]);
    let pixels = prepare(root.path(), OnUnreadable::Refuse).expect("pixels");
    assert_eq!((pixels.len(), pixels.size(), pixels.labels()), (4, 8, &[0, 0, 1, 1][..]));
}

#[test]
fn shorter_sides_are_those_of_evenly_chosen_training_images() {
    let root = dataset();
    for (class, sides) in [("cats", [(5, 9), (9, 6)]), ("dogs", [(7, 7), (30, 8)])] {
        for (name, (width, height)) in ["a.jpg", "b.png"].iter().zip(sides) {
            RgbImage::new(width, height)
                .save(root.path().join("train").join(class).join(name))
                .expect("an image");
        }
    }
    let folder = Folder::scan(root.path()).expect("a dataset");
    for (most, expected) in [
        (9, &[5, 6, 7, 8][..]),
        (4, &[5, 6, 7, 8]),
        (3, &[5, 7]),
        (2, &[5, 7]),
        (1, &[5]),
        (0, &[5]),
    ] {
        assert_eq!(folder.shorter_sides(most), expected, "{most}");
    }
}

#[test]
fn a_picture_is_read_as_it_was_written() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("picture.png");
    let pixels: Vec<u8> = (0..3 * 2 * 3).map(|byte| byte * 9).collect();
    write_png(&path, &pixels, 3, 2).expect("written");
    let read = decode(&path).expect("an image");
    assert_eq!((read.dimensions(), read.as_raw()), ((3, 2), &pixels));
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
fn images_are_known_by_their_first_bytes_and_found_in_folders_within_a_class() {
    let root = dataset();
    let cats = root.path().join("train/cats");
    fs::create_dir_all(cats.join("batch 2/more")).expect("a folder");
    fs::create_dir_all(cats.join(".ipynb_checkpoints")).expect("a folder");
    picture(&cats.join("batch 2/more/c.png"), 1);
    for (name, format) in [
        ("d.jfif", ImageFormat::Jpeg),
        ("e", ImageFormat::Png),
        ("f.tif", ImageFormat::Tiff),
        ("g.ppm", ImageFormat::Pnm),
    ] {
        RgbImage::from_pixel(9, 9, image::Rgb([7, 8, 9]))
            .save_with_format(cats.join(name), format)
            .expect("an image");
    }
    picture(&cats.join(".ipynb_checkpoints/hidden.png"), 1);
    for (path, content) in [
        ("train/cats/batch 2/notes.txt", "notes"),
        ("train/labels.csv", "a,b"),
        ("train/cats/Thumbs.db", "left by a system"),
        ("train/cats/.DS_Store", "left by a system"),
    ] {
        fs::write(root.path().join(path), content).expect("written");
    }
    let folder = Folder::scan(root.path()).expect("a dataset");
    let paths: Vec<&str> = folder
        .images(Split::Train)
        .iter()
        .filter(|image| image.label == 0)
        .map(|image| image.path.trim_start_matches("train/cats/"))
        .collect();
    assert_eq!(paths, ["a.jpg", "b.png", "batch 2/more/c.png", "d.jfif", "e", "f.tif", "g.ppm"]);
    assert_eq!(folder.passed_over(), ["train/cats/batch 2/notes.txt", "train/labels.csv"]);
    assert_eq!(
        folder.remarks(),
        ["2 files are no images and are passed over, the first train/cats/batch 2/notes.txt"]
    );
    let pixels = prepare(root.path(), OnUnreadable::Refuse).expect("all of them can be decoded");
    assert_eq!(pixels.len(), 7 + 2);
}

#[test]
fn validation_images_go_by_several_names_and_are_the_same_dataset() {
    let root = dataset();
    let hash =
        || Folder::scan(root.path()).and_then(|folder| folder.content_hash()).expect("a hash");
    let before = hash();
    for name in ["val", "valid", "dev"] {
        fs::rename(root.path().join("validation"), root.path().join(name)).expect("renamed");
        let folder = Folder::scan(root.path()).expect("a dataset");
        assert_eq!(folder.remarks(), [format!("{name}/ holds the validation images")]);
        assert_eq!(folder.name(Split::Validation, 0), "validation/cats/a.jpg");
        folder.image(Split::Validation, 3).expect("it is found");
        assert_eq!(hash(), before, "{name}");
        // Two folders could be meant.
        fs::create_dir(root.path().join("validation")).expect("a folder");
        let refused = Folder::scan(root.path()).expect_err("two folders").to_string();
        assert!(refused.contains(&format!("both validation/ and {name}/")), "{refused}");
        fs::remove_dir(root.path().join("validation")).expect("removed");
        fs::rename(root.path().join(name), root.path().join("validation")).expect("renamed");
    }
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
