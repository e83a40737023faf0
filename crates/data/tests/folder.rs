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
    fs::write(cats.join("h"), b"P5 # without an extension\n1 1 255\n7").expect("written");
    let folder = Folder::scan(root.path()).expect("a dataset");
    let paths: Vec<&str> = folder
        .images(Split::Train)
        .iter()
        .filter(|image| image.label == 0)
        .map(|image| image.path.trim_start_matches("train/cats/"))
        .collect();
    assert_eq!(
        paths,
        ["a.jpg", "b.png", "batch 2/more/c.png", "d.jfif", "e", "f.tif", "g.ppm", "h"]
    );
    assert_eq!(folder.passed_over(), ["train/cats/batch 2/notes.txt", "train/labels.csv"]);
    assert_eq!(
        folder.remarks(),
        ["2 files are no images and are passed over, the first train/cats/batch 2/notes.txt"]
    );
    let pixels = prepare(root.path(), OnUnreadable::Refuse).expect("all of them can be decoded");
    assert_eq!(pixels.len(), 8 + 2);
}

#[test]
fn files_that_begin_as_images_do_and_are_none_that_is_read_are_passed_over() {
    let root = dataset();
    let cats = root.path().join("train/cats");
    let not_read: [(&str, &[u8]); 6] = [
        ("a.avif", b"\0\0\0\x20ftypavif\0\0\0\0avifmif1miafMA1B"),
        ("about.txt", b"BMW photos taken by Ann in the summer\n"),
        ("favicon.ico", b"\0\0\x01\0\x01\0\x10\x10\0\0\x01\0\x20\0\x68\x04\0\0\x16\0\0\0"),
        ("lists.txt", b"P7 is a format of images\n"),
        ("notes.txt", b"P5 was taken at dusk\n"),
        ("plan", b"P1"),
    ];
    for (name, content) in not_read {
        fs::write(cats.join(name), content).expect("written");
    }
    let bitmap = RgbImage::new(3, 3);
    bitmap.save_with_format(cats.join("bitmap"), ImageFormat::Bmp).expect("an image");
    let folder = Folder::scan(root.path()).expect("a dataset");
    assert_eq!(folder.images(Split::Train)[2].path, "train/cats/bitmap");
    assert_eq!(folder.passed_over(), not_read.map(|(name, _)| format!("train/cats/{name}")));
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
fn images_that_are_trained_on_and_judged_by_are_counted_once_they_are_read() {
    let root = dataset();
    let copy = |from: &str, to: &str| {
        fs::copy(root.path().join(from), root.path().join(to)).expect("a copy");
    };
    // The training images of both classes are the same here.
    picture(&root.path().join("train/dogs/only.png"), 9);
    copy("train/cats/a.jpg", "validation/cats/z.jpg");
    copy("train/dogs/only.png", "validation/cats/y.png");
    copy("train/dogs/only.png", "test/dogs/x.png");
    let folder = Folder::scan(root.path()).expect("a dataset");
    assert!(folder.remarks().is_empty(), "nothing was read yet");
    folder.content_hash().expect("readable");
    assert_eq!(
        folder.remarks(),
        [
            "2 validation images are training images as well, the first validation/cats/y.png; 1 of them with another class",
            "1 test image is a training image as well, the first test/dogs/x.png",
        ]
    );
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
fn an_error_of_the_disk_skips_no_image() {
    let root = dataset();
    let folder = Folder::scan(root.path()).expect("a dataset");
    fs::remove_file(root.path().join("train/dogs/a.jpg")).expect("removed");
    let path = root.path().join("cache/train");
    let skip = OnUnreadable::Skip;
    let prepared = Pixels::prepare(&folder, Split::Train, 8, Resize::Nearest, skip, &path, &|_| {});
    assert!(matches!(prepared, Err(DataError::Unreadable { .. })), "{prepared:?}");
    assert!(!path.exists(), "nothing is kept of it");
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

#[cfg(unix)]
#[test]
fn names_that_are_not_utf_8_are_classes_and_images_like_others() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let root = TempDir::new().expect("a folder");
    for split in ["train", "validation"] {
        for class in [&b"\xff\xfebad"[..], b"\xff\xfdbad", b"a\n\x1b[2J"] {
            let folder = root.path().join(split).join(OsStr::from_bytes(class));
            // Not every file system has such names.
            if fs::create_dir_all(&folder).is_err() {
                return;
            }
            for (seed, image) in [(1, &b"\xfe.png"[..]), (2, b"\xfd.png")] {
                picture(&folder.join(OsStr::from_bytes(image)), seed);
            }
        }
    }
    let folder = Folder::scan(root.path()).expect("a dataset");
    assert_eq!(folder.classes, [r"\xff\xfdbad", r"\xff\xfebad", "a\n\u{1b}[2J"]);
    let images = folder.images(Split::Train);
    assert_eq!(images.len(), 6);
    for (index, image) in images.iter().enumerate() {
        folder.image(Split::Train, index).expect("an image");
        assert_eq!(image.label as usize, index / 2);
    }
    let seeds: Vec<u8> = (0..6)
        .map(|index| folder.image(Split::Train, index).expect("an image").get_pixel(0, 0).0[0])
        .collect();
    assert_eq!(seeds, [2, 1].repeat(3), "images whose names have the same text are in order");
}

#[test]
fn images_that_declare_more_than_any_photograph_has_are_refused_before_memory_is_taken() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("bomb");
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("written");
        decode(&path).expect_err("a bomb").to_string()
    };
    let side = 60_000u32;
    let (big, little) = (side.to_be_bytes(), side.to_le_bytes());
    let short = (side as u16).to_le_bytes();
    let chunk = |name: &[u8; 4], content: &[u8], checksum: u32| {
        let length = (content.len() as u32).to_be_bytes();
        [&length[..], name, content, &checksum.to_be_bytes()].concat()
    };
    // zlib.crc32(b"IHDR" + …) of Python.
    let header = [&big[..], &big[..], &[8, 2, 0, 0, 0]].concat();
    let png = [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", &header, 0x0fb0_e215),
        chunk(b"IDAT", &[0x78, 0x9c, 3, 0, 0, 0, 0, 1], 0x4806_89d2),
    ]
    .concat();
    let bmp = [
        b"BM\x40\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".as_slice(),
        &little,
        &little,
        b"\x01\0\x18\0\0\0\0\0\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        &[0; 10],
    ]
    .concat();
    let gif = [
        b"GIF89a".as_slice(),
        &short,
        &short,
        b"\0\0\0,\0\0\0\0",
        &short,
        &short,
        b"\0\x02\x02\x44\x01\0;",
    ]
    .concat();
    let entry = |tag: u16, value: u32| {
        [&tag.to_le_bytes()[..], &[4, 0, 1, 0, 0, 0], &value.to_le_bytes()].concat()
    };
    let entries = [
        (256, side),
        (257, side),
        (258, 8),
        (259, 1),
        (262, 1),
        (273, 8),
        (277, 1),
        (278, side),
        (279, 10),
    ];
    let tiff = [
        b"II*\0\x08\0\0\0\x09\0".to_vec(),
        entries.map(|(tag, value)| entry(tag, value)).concat(),
        vec![0; 20],
    ]
    .concat();
    let jpeg = {
        let whole = folder.path().join("whole.jpg");
        RgbImage::new(8, 8).save(&whole).expect("an image");
        let mut bytes = fs::read(whole).expect("read");
        let frame = bytes.windows(2).position(|pair| pair == [0xFF, 0xC0]).expect("a frame");
        bytes[frame + 5..frame + 9].copy_from_slice(&[big[2], big[3], big[2], big[3]]);
        bytes
    };
    let files: [(&str, &[u8]); 7] = [
        ("PNG", &png),
        ("BMP", &bmp),
        ("GIF", &gif),
        ("TIFF", &tiff),
        ("JPEG", &jpeg),
        ("PPM", b"P6 60000 60000 255\n123456"),
        (
            "PAM",
            b"P7\nWIDTH 60000\nHEIGHT 60000\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n123456",
        ),
    ];
    for (name, bytes) in files {
        let message = refused(bytes);
        assert!(
            message.contains("pixels, which take") && message.contains("make the image smaller"),
            "{name}: {message}"
        );
    }
    for (name, bytes) in [
        ("GIF", b"GIF89a\0\0\0\0\0\0\0,\0\0\0\0\0\0\0\0\0\x02\x02\x44\x01\0;".as_slice()),
        ("PBM", b"P4 0 0\n"),
        ("PPM", b"P6 0 7 255\n"),
    ] {
        let message = refused(bytes);
        assert!(
            message.contains("which are none") || message.contains("decoded"),
            "{name}: {message}"
        );
    }
    // The largest that is read: 13,377 pixels squared in three colours, of which the file has none.
    let message = refused(b"P6 13377 13377 255\n");
    assert!(message.contains("cannot be decoded"), "{message}");
}

#[cfg(unix)]
#[test]
fn links_that_lead_nowhere_or_back_are_named() {
    use std::os::unix::fs::symlink;
    let say = |link: &str, target: &str| {
        let root = dataset();
        symlink(target, root.path().join(link)).expect("a link");
        let message = Folder::scan(root.path()).map(|_| ()).expect_err("a link").to_string();
        message.replace(&root.path().display().to_string(), "ROOT")
    };
    assert_eq!(
        say("train/cats/gone.jpg", "nowhere.jpg"),
        "ROOT/train/cats/gone.jpg: it is a link to what is not there; mend or remove it"
    );
    assert_eq!(
        say("train/cats/back", ".."),
        "ROOT/train/cats/back/cats/back: it is a link to a folder that it lies in; mend or remove it"
    );
    assert_eq!(
        say("train/cats/here", "."),
        "ROOT/train/cats/here: it is a link to a folder that it lies in; mend or remove it"
    );
    let itself = say("train/cats/itself", "itself");
    assert!(itself.starts_with("ROOT/train/cats/itself: cannot list"), "{itself}");
    let root = dataset();
    fs::remove_dir_all(root.path().join("test")).expect("removed");
    symlink("nowhere", root.path().join("test")).expect("a link");
    let message = Folder::scan(root.path()).map(|_| ()).expect_err("a link").to_string();
    assert!(message.contains("test: there is no such folder"), "{message}");
    // Links that lead somewhere are followed.
    let root = dataset();
    symlink("a.jpg", root.path().join("train/cats/z.jpg")).expect("a link");
    symlink("../dogs", root.path().join("train/cats/more")).expect("a link");
    let folder = Folder::scan(root.path()).expect("a dataset");
    assert_eq!(folder.images(Split::Train).iter().filter(|image| image.label == 0).count(), 5);
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_passed_over_by_name_and_never_read() {
    let root = dataset();
    let cats = root.path().join("train/cats");
    let made = |name: &str| {
        let made = std::process::Command::new("mkfifo").arg(cats.join(name)).status();
        assert!(made.expect("mkfifo runs").success());
    };
    // Whoever opens a pipe waits until somebody writes.
    made("pipe");
    made("pipe.jpg");
    std::os::unix::fs::symlink("pipe", cats.join("linked.png")).expect("a link");
    let _socket = std::os::unix::net::UnixListener::bind(cats.join("socket.png")).expect("bound");
    let folder = Folder::scan(root.path()).expect("a dataset");
    assert_eq!(folder.images(Split::Train).len(), 4);
    assert_eq!(
        folder.passed_over(),
        ["linked.png", "pipe", "pipe.jpg", "socket.png"].map(|name| format!("train/cats/{name}"))
    );
    folder.content_hash().expect("nothing is waited for");
}

#[test]
fn folders_within_folders_are_walked_however_deep() {
    let root = dataset();
    let mut deep = root.path().join("train/cats");
    for _ in 0..1_900 {
        deep.push("d");
    }
    fs::create_dir_all(&deep).expect("folders");
    picture(&deep.join("c.png"), 1);
    let folder = Folder::scan(root.path()).expect("a dataset");
    assert_eq!(folder.images(Split::Train).len(), 5);
    folder.content_hash().expect("it is read");
}
