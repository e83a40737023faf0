//! Commands that need no experiment, by the real program: `thaw fetch`, `thaw audit` and `thaw
//! preview --image`.

use std::fs;
use std::path::Path;
use std::process::Output;

use tempfile::TempDir;

use crate::thaw::{assert_code, refuses, succeeds, text, thaw_in};

#[test]
fn fetch_lists_the_catalogue_and_keeps_nothing_that_it_cannot_trust() {
    let folder = TempDir::new().expect("a folder");
    let fetch = |more: &[&str]| {
        let output = fetch_in(folder.path(), more);
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (code, list, _) = fetch(&[]);
    assert_eq!(code, Some(0));
    assert!(
        [
            "vgg16-keras",
            "vgg16-torchvision",
            "vgg19-keras",
            "resnet50-keras",
            "squeezenet1_0-torchvision",
            "resnet18-torchvision",
            "resnet50-torchvision",
            "mobilenet_v2-torchvision",
            "cats-and-dogs"
        ]
        .iter()
        .all(|name| list.contains(name)),
        "{list}"
    );
    let (code, _, message) = fetch(&["vgg19"]);
    assert!(code == Some(64) && message.contains("the catalogue has no `vgg19`"), "{message}");
    // A port that nobody listens at: the machine is offline, as far as this address goes.
    let closed = closed_port();
    let (code, _, message) =
        fetch(&["vgg16-keras", "--url", &format!("http://{closed}/file"), "--quiet"]);
    assert_eq!(code, Some(69), "{message}");
    assert!(
        message.contains("cannot be reached")
            && message.contains("put it at weights/")
            && message.contains("MD5"),
        "{message}"
    );
    // A mirror that serves something else.
    let url = answering_once(
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello".to_owned(),
    );
    let (code, _, message) = fetch(&["vgg16-keras", "--url", &url, "--quiet"]);
    assert!(code == Some(65) && message.contains("serves another file"), "{message}");
    assert_eq!(fs::read_dir(folder.path().join("weights")).expect("a folder").count(), 0);
    // What somebody put there is checked as well.
    fs::write(
        folder.path().join("weights/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"),
        b"hello",
    )
    .expect("a file");
    let (code, _, message) = fetch(&["vgg16-keras"]);
    assert!(code == Some(65) && message.contains("is another file"), "{message}");
}

/// Checkpoints as PyTorch writes them, by `tools/cases/checkpoints.py`: every tensor moved.
#[test]
fn an_audit_finds_the_state_dict_and_judges_every_tensor_of_it() {
    let checkpoints = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/checkpoints");
    let features = "THAWED: 4 of 6 tensors were declared frozen and moved";
    let cannot = |tensor: &str| {
        format!("inconclusive: `{tensor}` was declared frozen and cannot be compared")
    };
    for (name, frozen, code, said) in [
        (
            "imagenet",
            "features.*",
            1,
            vec![features.into(), "imagenet-after.pth: `state_dict`".into()],
        ),
        ("lightning", "model.features.*", 1, vec![features.into()]),
        (
            "deep",
            "features.*",
            1,
            vec![features.into(), "deep-before.pth: `model/state_dict`".into()],
        ),
        ("parameters", "features.*", 1, vec![features.into()]),
        ("views", "features.?.weight", 1, vec!["THAWED: 2 of 6".into(), "| 3×4×3×5 |".into()]),
        ("kinds", "features.[mifu]*", 1, vec!["THAWED: 4 of 10".into()]),
        (
            "quantised",
            "features.q*",
            2,
            vec![cannot("features.quantised"), "features.quantised` cannot be read: it is quantised".into()],
        ),
        ("sparse", "features.s*", 2, vec![cannot("features.sparse"), "features.sparse` cannot be read: it is sparse".into()]),
        // What was not declared does not matter, but is named.
        (
            "sparse",
            "nothing.*",
            2,
            vec!["no tensor is named like `nothing.*`".into(), "features.sparse".into()],
        ),
        (
            "two",
            "features.*",
            65,
            vec!["several state dicts of one kind: `ema` (6 tensors), `model` (6 tensors); say which with --state-dict".into()],
        ),
    ] {
        let files = ["before", "after"].map(|side| format!("{checkpoints}/{name}-{side}.pth"));
        let folder = TempDir::new().expect("a folder");
        let output = thaw_in(folder.path())
            .args(["audit", &files[0], &files[1], "--frozen", frozen])
            .output()
            .expect("thaw");
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(code), "{name}: {text}");
        for said in said {
            assert!(text.contains(&said), "{name}, {said}: {text}");
        }
    }
}

#[test]
fn a_preview_applies_one_explicit_transformation() {
    let folder = TempDir::new().expect("a folder");
    // Four pixels of which each is different, so that what moved can be told.
    let image =
        image::RgbImage::from_fn(4, 4, |x, y| image::Rgb([(x * 60) as u8, (y * 60) as u8, 7]));
    image.save(folder.path().join("a.png")).expect("an image");
    let preview = |more: &[&str]| {
        let output = thaw_in(folder.path())
            .args(["preview", "--image", "a.png", "--output", "b.png"])
            .args(more)
            .output();
        let output = output.expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        image::open(folder.path().join("b.png")).expect("the picture").to_rgb8()
    };
    assert_eq!(preview(&[]), image);
    assert_eq!(preview(&["--flip"]), image::imageops::flip_horizontal(&image));
    // Keras maps output to input: a shift of 1 along the rows shows each row's lower neighbour, the
    // last one twice.
    let shifted = preview(&["--tx", "1", "--profile", "keras-2.0.8"]);
    assert!(
        (0..4)
            .all(|x| (0..4).all(|y| shifted.get_pixel(x, y) == image.get_pixel(x, (y + 1).min(3))))
    );
    // Keras 3 exchanges the axes: the same argument moves columns.
    let shifted = preview(&["--tx", "1", "--profile", "keras-3"]);
    assert!(
        (0..4)
            .all(|x| (0..4).all(|y| shifted.get_pixel(x, y) == image.get_pixel((x + 1).min(3), y)))
    );
    // The unit of the shear is the profile's: 0.2 radians move a pixel at the edge, 0.2 degrees
    // move none.
    assert_ne!(preview(&["--shear", "0.5", "--profile", "keras-2.0.8"]), image);
    assert_eq!(preview(&["--shear", "0.5", "--profile", "keras-2.1.3"]), image);
}

#[test]
fn fetch_goes_through_the_proxy_of_the_environment() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let proxy = format!("http://{}", listener.local_addr().expect("an address"));
    let asked = std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a client");
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stream), &mut line)
            .expect("a request");
        line
    });
    let folder = TempDir::new().expect("a folder");
    let arguments = ["fetch", "vgg16-keras", "--url", "http://mirror.example/file", "--quiet"];
    let output =
        without_proxies(thaw_in(folder.path())).env("HTTP_PROXY", proxy).args(arguments).output();
    assert_eq!(output.expect("it runs").status.code(), Some(69), "the proxy hung up");
    assert!(asked.join().expect("no panic").contains("mirror.example"));
}

#[test]
fn an_audit_of_two_checkpoints_finds_what_moved_in_every_format() {
    let folder = TempDir::new().expect("a folder");
    // Two tensors, the second of which may differ by one bit.
    let checkpoint = |name: &str, last: f32| {
        let values: Vec<Vec<u8>> = [vec![1.0f32, 2.0, 3.0, 4.0], vec![0.5, last]]
            .into_iter()
            .map(|values| values.into_iter().flat_map(f32::to_le_bytes).collect())
            .collect();
        let view = |index: usize, shape: Vec<usize>| {
            safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape, &values[index])
                .expect("values fill their shape")
        };
        let tensors = [("base.kernel", view(0, vec![2, 2])), ("head.bias", view(1, vec![2]))];
        fs::write(folder.path().join(name), safetensors::serialize(tensors, None).expect("a file"))
            .expect("written");
    };
    checkpoint("a.safetensors", 0.25);
    checkpoint("b.safetensors", f32::from_bits(0.25f32.to_bits() + 1));
    let audit = |arguments: &[&str]| {
        let output = thaw_in(folder.path()).arg("audit").args(arguments).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        (output.status.code().expect("a code"), text)
    };
    let (code, text) = audit(&["a.safetensors", "b.safetensors", "--frozen", "base.*"]);
    assert!(
        code == 0
            && text
                .contains("1 of 2 tensors moved; 1 were declared frozen, and none of those moved"),
        "{text}"
    );
    let (code, text) = audit(&["a.safetensors", "b.safetensors", "--frozen", "*"]);
    assert!(code == 1 && text.contains("THAWED: 1 of 2") && text.contains("`head.bias`"), "{text}");
    let (code, text) = audit(&["a.safetensors", "b.safetensors", "--frozen", "conv*"]);
    assert!(code == 2 && text.contains("no tensor is named like `conv*`"), "{text}");
    let (code, text) = audit(&["a.safetensors", "absent"]);
    assert!(code == 66 && text.contains("absent"), "{text}");
    let (code, text) = audit(&["a.safetensors", "b.safetensors", "--frozen", "[a"]);
    assert_eq!(code, 64, "{text}");
    // Numbers of 8 bits, whose conversion by the library underneath does not end.
    let small = |name: &str, byte: u8| {
        let bytes = [0x38, byte];
        let dtype = safetensors::Dtype::F8_E4M3;
        let view = safetensors::tensor::TensorView::new(dtype, vec![2], &bytes).expect("a view");
        let file = safetensors::serialize([("base.kernel", view)], None).expect("a file");
        fs::write(folder.path().join(name), file).expect("written");
    };
    small("c.safetensors", 0x40);
    small("d.safetensors", 0x41);
    let (code, text) = audit(&["c.safetensors", "c.safetensors", "--frozen", "base.*"]);
    assert!(code == 0 && text.contains("0 of 1 tensors moved"), "{text}");
    let (code, text) = audit(&["c.safetensors", "d.safetensors", "--frozen", "base.*"]);
    // (1, 2) became (1, 2.25).
    assert!(code == 1 && text.contains("0.112"), "{text}");
    let (code, text) = audit(&["c.safetensors", "a.safetensors", "--frozen", "base.*"]);
    assert!(code == 1 && text.contains("another shape"), "{text}");
    // Stored in 16 bits, the same numbers have not moved; others have.
    let stored = |name: &str, numbers: [f32; 4]| {
        let bytes = numbers.map(|number| (number.to_bits() >> 16) as u16).map(u16::to_le_bytes);
        let bytes = bytes.concat();
        let dtype = safetensors::Dtype::BF16;
        let view = safetensors::tensor::TensorView::new(dtype, vec![2, 2], &bytes).expect("a view");
        let file = safetensors::serialize([("base.kernel", view)], None).expect("a file");
        fs::write(folder.path().join(name), file).expect("written");
    };
    let wide = |name: &str, numbers: [f32; 4]| {
        let bytes = numbers.map(f32::to_le_bytes).concat();
        let dtype = safetensors::Dtype::F32;
        let view = safetensors::tensor::TensorView::new(dtype, vec![2, 2], &bytes).expect("a view");
        let file = safetensors::serialize([("base.kernel", view)], None).expect("a file");
        fs::write(folder.path().join(name), file).expect("written");
    };
    wide("e.safetensors", [1.0, 2.0, 3.0, 4.001]);
    stored("f.safetensors", [1.0, 2.0, 3.0, 4.0]);
    stored("g.safetensors", [1.0, 2.0, 3.0, 4.25]);
    let (code, text) = audit(&["e.safetensors", "f.safetensors", "--frozen", "base.*"]);
    assert!(code == 0 && text.contains("rounded to bf16, they are the same"), "{text}");
    let (code, text) = audit(&["e.safetensors", "g.safetensors", "--frozen", "base.*"]);
    assert!(code == 1 && text.contains("THAWED: 1 of 1"), "{text}");
    // What the first file's 16 bits cannot hold was rounded, or it moved.
    let (code, text) = audit(&["f.safetensors", "e.safetensors", "--frozen", "base.*"]);
    let words = "inconclusive: `base.kernel` was declared frozen, and the first file stores it";
    assert!(code == 2 && text.contains("| cannot tell") && text.contains(words), "{text}");
    let (code, text) = audit(&["f.safetensors", "e.safetensors"]);
    let words = "0 of 1 tensors moved, of 1 it cannot be told; 0 were declared frozen";
    assert!(code == 0 && text.contains(words), "{text}");
    let (_, text) = audit(&["f.safetensors", "e.safetensors", "--json"]);
    assert!(text.contains("\"moved\": null"), "{text}");
    wide("h.safetensors", [1.0, 2.0, 3.0, 4.0]);
    let (code, text) = audit(&["f.safetensors", "h.safetensors", "--frozen", "base.*"]);
    assert!(code == 0 && text.contains("0 of 1 tensors moved; 1 were declared frozen"), "{text}");
    // Keras' HDF5 beside itself, and beside something else.
    let keras = concat!(env!("CARGO_MANIFEST_DIR"), "/../model/tests/fixtures/mini_vgg-notop.h5");
    let (code, text) = audit(&[keras, keras, "--frozen", "block1*"]);
    assert!(code == 0 && text.contains("0 of 14 tensors moved; 4 were declared frozen"), "{text}");
    let (code, text) = audit(&[keras, "a.safetensors", "--frozen", "block1*"]);
    assert!(code == 2 && text.contains("no tensor in common"), "{text}");
}

/// `thaw fetch` in a folder, past any proxy of the environment.
fn fetch_in(folder: &Path, arguments: &[&str]) -> Output {
    without_proxies(thaw_in(folder)).arg("fetch").args(arguments).output().expect("it runs")
}

/// The same program, whatever proxies the environment names.
fn without_proxies(mut command: assert_cmd::Command) -> assert_cmd::Command {
    for variable in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"] {
        command.env_remove(variable).env_remove(variable.to_lowercase());
    }
    command
}

/// The address of a port that nobody listens at.
fn closed_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").to_string()
}

/// An address at which one question is answered as the Hugging Face hub answers it: what is asked for lies
/// elsewhere and has this SHA-256.
fn hub_naming(sha256: &str) -> String {
    answering_once(format!(
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/file\r\nX-Linked-ETag: \"{sha256}\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    ))
}

/// An address at which one question is answered, whatever it is.
fn answering_once(answer: String) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/file", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut request = [0; 4096];
        let _ = std::io::Read::read(&mut stream, &mut request);
        let _ = std::io::Write::write_all(&mut stream, answer.as_bytes());
    });
    url
}

#[test]
fn weights_that_are_there_are_checked_by_what_the_hub_names_of_them() {
    // Python: hashlib.sha256(b"hello").hexdigest()
    const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    const FILE: &str = "weights/vgg16.tv_in1k.safetensors";
    let folder = TempDir::new().expect("a folder");
    let fetch = |url: &str| fetch_in(folder.path(), &["vgg16-torchvision", "--url", url]);
    let offline = format!("http://{}/file", closed_port());
    fs::create_dir(folder.path().join("weights")).expect("made");
    fs::write(folder.path().join(FILE), b"").expect("written");
    for url in [&offline, &hub_naming(HELLO)] {
        refuses(&fetch(url), 65, &[FILE, "an empty file", "remove it"]);
    }
    fs::write(folder.path().join(FILE), b"other").expect("written");
    refuses(&fetch(&hub_naming(HELLO)), 65, &[FILE, "is another file", HELLO, "remove it"]);
    fs::write(folder.path().join(FILE), b"hello").expect("written");
    let checked = fetch(&hub_naming(HELLO));
    let used = format!("use it by --weights {FILE}");
    assert!(succeeds(&checked).contains(&used));
    assert_eq!(text(&checked.stderr), format!("{FILE} is there already\n"));
    let unchecked = fetch(&offline);
    assert!(succeeds(&unchecked).contains(&used));
    let said = text(&unchecked.stderr);
    assert!(said.starts_with(&format!("{FILE} is there already, and was not checked: ")), "{said}");
    assert!(said.contains("cannot be reached") && said.lines().count() == 1, "{said}");
}

#[test]
fn what_is_no_file_is_not_used_as_weights() {
    let folder = TempDir::new().expect("a folder");
    fs::create_dir(folder.path().join("wd")).expect("made");
    for name in ["vgg16-torchvision", "vgg16-keras"] {
        let output = fetch_in(folder.path(), &[name, "--output", "wd"]);
        refuses(&output, 73, &["wd: is a folder, not a file; name the file to write by --output"]);
        assert_eq!(text(&output.stdout), "");
    }
    #[cfg(unix)]
    {
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(pipe).status();
        assert!(made.expect("mkfifo runs").success());
        let output = fetch_in(folder.path(), &["vgg16-torchvision", "--output", "pipe"]);
        refuses(&output, 73, &["pipe: is a pipe or a device, not a file", "--output"]);
    }
}

#[test]
fn a_folder_of_photographs_is_looked_at_before_the_archive_is_fetched() {
    let folder = TempDir::new().expect("a folder");
    // What would be fetched cannot be.
    let offline = format!("http://{}/file", closed_port());
    let fetch = |more: &[&str]| {
        fetch_in(folder.path(), &[&["cats-and-dogs", "--url", offline.as_str()], more].concat())
    };
    assert_code(&fetch(&[]), 69);
    let photographs = folder.path().join("data/cats_and_dogs_small");
    let words = ["data/cats_and_dogs_small: is there already", "train, validation and test"];
    fs::create_dir_all(photographs.join("train/cats")).expect("made");
    refuses(&fetch(&[]), 73, &words);
    fs::write(folder.path().join("a-file"), b"").expect("written");
    refuses(&fetch(&["--output", "a-file"]), 73, &["a-file: is there already", "--output"]);
    for split in ["train", "validation", "test"] {
        for class in ["cats", "dogs"] {
            fs::create_dir_all(photographs.join(split).join(class)).expect("made");
        }
    }
    let output = fetch(&[]);
    let said = succeeds(&output);
    assert!(said.ends_with("use it by --data data/cats_and_dogs_small\n"), "{said}");
    assert_eq!(text(&output.stderr), "data/cats_and_dogs_small is there already\n");
}

#[test]
fn a_password_in_an_address_is_not_shown() {
    let folder = TempDir::new().expect("a folder");
    let place = closed_port();
    let url = format!("http://somebody:secret@{place}/x.h5");
    for name in ["vgg16-keras", "vgg16-torchvision", "cats-and-dogs"] {
        for format in ["text", "json"] {
            let output = fetch_in(folder.path(), &[name, "--url", &url, "--log-format", format]);
            assert_code(&output, 69);
            let said = text(&output.stderr) + &text(&output.stdout);
            assert!(said.contains(&format!("http://{place}/x.h5: cannot be reached")), "{said}");
            assert!(!said.contains("somebody") && !said.contains("secret"), "{said}");
        }
    }
}

#[test]
fn a_preview_of_one_image_takes_no_dataset_and_no_number_that_shows_nothing() {
    let folder = TempDir::new().expect("a folder");
    let image = image::RgbImage::from_pixel(4, 4, image::Rgb([9, 60, 200]));
    image.save(folder.path().join("a.png")).expect("an image");
    for (more, words) in [
        (&["mine.toml"][..], "cannot be used with"),
        (&["--data", "images"], "cannot be used with"),
        (&["--theta", "nan"], "expected a finite number"),
        (&["--tx", "inf"], "expected a finite number"),
        (&["--shear=-inf"], "expected a finite number"),
        (&["--zoom", "nan"], "expected a finite number"),
        (&["--zoom", "0"], "a zoom of 0 shows nothing"),
        (&["--zoom-columns", "0"], "a zoom of 0 shows nothing"),
    ] {
        let mut command = thaw_in(folder.path());
        command.args(["preview", "--image", "a.png"]).args(more);
        let output = command.output().expect("it runs");
        assert_code(&output, 64);
        let said = text(&output.stderr);
        assert!(said.contains(words), "{more:?}: {said}");
    }
    assert!(!folder.path().join("preview.png").exists());
}
