"""Writes what fuzzing begins with: small files of every kind that thaw reads, a folder for each corpus.

    python3 tools/fuzz/seeds.py FOLDER [PLAN.json …]

Most are the files of the tests and of the committed results. Archives, folders and images are made here, sound ones and hostile ones. A plan has to come
from the program that is examined: `thaw plan --output PLAN.json`. A file is named by its content, so that a corpus that has grown can be given again.
"""

import argparse
import base64
import hashlib
import io
import json
import struct
import tomllib
import zipfile
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Larger files are left out: fuzzing cuts at 65,536 bytes.
LARGEST = 65_536

# In the order of FILES in fuzz_targets/records.rs.
RECORDS = ["cell.json", "outcome.json", "epochs.parquet", "drift.parquet", "predictions.parquet", "failure.json"]

# Written by Pillow 12 of one picture of 9 x 7 pixels.
PICTURES = {
    "baseline JPEG": "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhlbXd7gYKBTmCNl4x9lnN+gXz/2wBDARUXFx4aHjshITt8U0ZTfHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHz/wAARCAAHAAkDASIAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/8QAHwEAAwEBAQEBAQEBAQAAAAAAAAECAwQFBgcICQoL/8QAtREAAgECBAQDBAcFBAQAAQJ3AAECAxEEBSExBhJBUQdhcRMiMoEIFEKRobHBCSMzUvAVYnLRChYkNOEl8RcYGRomJygpKjU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6goOEhYaHiImKkpOUlZaXmJmaoqOkpaanqKmqsrO0tba3uLm6wsPExcbHyMnK0tPU1dbX2Nna4uPk5ebn6Onq8vP09fb3+Pn6/9oADAMBAAIRAxEAPwCnZ6OpxwK0f7EX0FFFRQipxvIWGxNTk3P/2Q==",
    "progressive JPEG": "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhlbXd7gYKBTmCNl4x9lnN+gXz/2wBDARUXFx4aHjshITt8U0ZTfHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHz/wgARCAAHAAkDASIAAhEBAxEB/8QAFgABAQEAAAAAAAAAAAAAAAAAAAME/8QAFQEBAQAAAAAAAAAAAAAAAAAAAQL/2gAMAwEAAhADEAAAAY6CT//EABcQAQADAAAAAAAAAAAAAAAAAAACAxP/2gAIAQEAAQUChSxf/8QAFxEAAwEAAAAAAAAAAAAAAAAAAAIDEf/aAAgBAwEBPwGdGw//xAAYEQACAwAAAAAAAAAAAAAAAAAAAQIRIf/aAAgBAgEBPwGCtaf/xAAUEAEAAAAAAAAAAAAAAAAAAAAQ/9oACAEBAAY/Aj//xAAWEAEBAQAAAAAAAAAAAAAAAAAAARH/2gAIAQEAAT8hgy//2gAMAwEAAgADAAAAEH//xAAVEQEBAAAAAAAAAAAAAAAAAAAAQf/aAAgBAwEBPxC6/8QAFhEAAwAAAAAAAAAAAAAAAAAAAAER/9oACAECAQE/EFWH/8QAGBAAAgMAAAAAAAAAAAAAAAAAAAERIWH/2gAIAQEAAT8QYikZI//Z",
    "grey JPEG": "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhlbXd7gYKBTmCNl4x9lnN+gXz/wAALCAAHAAkBAREA/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/9oACAEBAAA/AKdno6nHArR/sRfQV//Z",
    "lossy WebP": "UklGRkQAAABXRUJQVlA4IDgAAADQAQCdASoJAAcAA4BaJbACdAEOuz8doAD+8zk6TG38ABeCMXfd7GNEzsp6Mn5Q0fQi60fO04AAAA==",
    "lossless WebP": "UklGRjYAAABXRUJQVlA4TCoAAAAvCIABALkyRPQ/duWP6H9AQds2TKiUP863IZgMBWkbsLDdiQkAxMpx+ww=",
    "moving WebP": "UklGRu4AAABXRUJQVlA4WAoAAAACAAAACAAABgAAQU5JTQYAAAAAAAAAAABBTk1GagAAAAAAAAAAAAgAAAYAAAAAAAJWUDggUgAAAFABAJ0BKgkABwADgFolsAAFjAAA/tc7/of/zT//Nj3/y58Xb//Nfj++Kv58HzYXzn4usB7Pks9T5JXlqL7/mnd3tf5B1hbv+MAHpB9aPxUAAABBTk1GUAAAAAAAAAAAAAgAAAYAAAAAAABWUDggOAAAAPQBAJ0BKgkABwAAAFolsAADQW1qNsNBAAD85VFvH9gGdZpXWP8njTU3ayi/+6fz8+L7sT+XvwAA",
    "GIF": "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7",
    "packed TIFF": "SUkqAM4AAACAACBBmBDKBEuBGSBH2BJaBK+BMiBAAQgAMiECjIQgoliEHmQQhQ+iEMpYQh5XiERsgQigAEKLEIFDIhBQlkIPGQhCg+kIZJYhDxXkIjMghFAAGOLGMHjIxh4lmMWmQxjw+mMlpYxlpXmM0sgxngAISLIQKDJCCgloQeGRCFA+oQyJZCHhXoRGMhCKAAKWLKUMjJSjIlqUlmRSmQ+qU+pZSpZXqVXshSxJjRZjB4ZMYeEtjFoyMY8H1jJZLMZaK9jNJkMZ4QEKAAABAwABAAAACQAAAAEBAwABAAAABwAAAAIBAwADAAAATAEAAAMBAwABAAAABQAAAAYBAwABAAAAAgAAABEBBAABAAAACAAAABUBAwABAAAAAwAAABYBAwABAAAABwAAABcBBAABAAAAxgAAABwBAwABAAAAAQAAAAAAAAAIAAgACAA=",
}


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width, height, colour=2, depth=8, rows=None, interlaced=0):
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    if rows is None:
        rows = b"".join(b"\0" + bytes(range(channels * width * depth // 8)) for _ in range(height))
    palette = chunk(b"PLTE", bytes(range(12))) if colour == 3 else b""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + palette + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def bmp(width, height, bits=24, compression=0, pixels=b"\x10\x20\x30" * 64):
    palette = bytes(4 << bits) if bits <= 8 else b""
    start = 54 + len(palette)
    return (
        b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start)
        + struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(pixels), 2835, 2835, 0, 0) + palette + pixels
    )


def tiff(width, height, pixels=bytes(range(63)) * 3):
    entries = [
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 2), (273, 4, 1, 8), (277, 3, 1, 3), (278, 4, 1, height),
        (279, 4, 1, len(pixels)),
    ]  # fmt: skip
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(pixels)) + pixels + directory


def images():
    for picture in PICTURES.values():
        yield base64.b64decode(picture)
    yield (ROOT / "crates/data/tests/fixtures/cmyk.jpg").read_bytes()
    for colour in (0, 2, 3, 4, 6):
        yield png(4, 3, colour)
    yield png(8, 8, 0, 1)
    yield png(4, 4, 2, 16)
    yield png(8, 8, 2, rows=bytes(8 * 8 * 3 + 60), interlaced=1)
    yield bmp(4, 3)
    yield bmp(4, -3)
    yield bmp(4, 3, 8)
    yield bmp(4, 3, 8, 1, b"\x04\x01\0\0\x04\x02\0\0\x04\x03\0\x01")
    yield bmp(4, 3, 32)
    yield tiff(9, 7)
    yield b"P1 3 2 1 0 1 0 1 0"
    yield b"P2 2 2 255 1 2 3 4"
    yield b"P3 2 1 255 1 2 3 4 5 6"
    yield b"P4 8 2\n\x55\xaa"
    yield b"P5 2 2 255\n1234"
    yield b"P6 2 1 255\n123456"
    yield b"P7\nWIDTH 2\nHEIGHT 1\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n123456"
    # Headers that declare what no memory holds.
    side = 60_000
    yield png(side, side, rows=b"\0")
    yield bmp(side, side)
    yield tiff(side, side)
    yield b"P6 60000 60000 255\n123456"
    yield b"GIF89a" + struct.pack("<HHBBB", side, side, 0x80, 0, 0) + bytes(6) + b"," + struct.pack("<HHHHB", 0, 0, side, side, 0) + b"\x02\x02\x44\x01\0;"
    jpeg = bytearray(base64.b64decode(PICTURES["baseline JPEG"]))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", side, side)
    yield bytes(jpeg)


def archive(names, content=b"a photograph", flags=0, packed=zipfile.ZIP_STORED):
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", packed) as written:
        for name in names:
            written.writestr(zipfile.ZipInfo(name), content, packed)
    # The general purpose flags, behind the signatures of local and central headers.
    return memory.getvalue().replace(b"PK\x03\x04\x14\0\0", b"PK\x03\x04\x14\0" + bytes([flags])).replace(b"PK\x01\x02\x14\x03\x14\0\0", b"PK\x01\x02\x14\x03\x14\0" + bytes([flags]))


def archives():
    photographs = [f"PetImages/{kind}/{number}.jpg" for kind in ("Cat", "Dog") for number in range(1, 6)]
    yield archive(photographs)
    yield archive(photographs, packed=zipfile.ZIP_DEFLATED)
    yield archive([*photographs, "PetImages/Cat/666.jpg", "PetImages/Cat/Thumbs.db", "PetImages/Cat/", "readme.txt"])
    yield archive(photographs[:2], flags=1)
    yield archive(photographs[:2], bytes(10_000_000), packed=zipfile.ZIP_DEFLATED)
    for name in ("../out.jpg", "PetImages/../../out.jpg", "/etc/out.jpg", "C:\\out.jpg", "..\\out.jpg", "PetImages/Cat/1\0.jpg", "é/1.jpg", "", "PetImages/Cat"):
        yield archive([*photographs[:1], name])
    # A link, as archives of Unix hold it.
    link = zipfile.ZipInfo("PetImages/Cat/1.jpg")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as written:
        written.writestr(link, "/etc/passwd")
    yield memory.getvalue()
    # One that declares less than it holds.
    lying = archive(photographs[:1], bytes(100_000), packed=zipfile.ZIP_DEFLATED)
    yield lying.replace(struct.pack("<I", 100_000), struct.pack("<I", 10))


def folders():
    """A line is a path, a tab and the content; a content that begins with `@` is what a link points to."""
    picture, text = b"P1 1 1 1", b"no picture"
    sound = [f"{split}/{kind}/{number}.pbm".encode() for split in ("train", "validation", "test") for kind in ("cats", "dogs") for number in (1, 2)]

    def folder(*lines):
        return b"\n".join(path + b"\t" + content for path, content in [*((path, picture) for path in sound), *lines])

    yield folder()
    yield folder().replace(b"validation", b"val")
    yield folder((b"val/cats/1.pbm", picture))
    yield folder((b"train/notes.txt", text), (b"train/cats/notes.txt", text), (b"train/cats/more/3.pbm", picture), (b"train/cats/.hidden/4.pbm", picture))
    yield folder((b"train/cats/5.png", text), (b"train/cats/6.gif", base64.b64decode(PICTURES["GIF"])))
    # Links: to an image, a folder, a folder that holds the link, nothing, itself.
    yield folder((b"train/cats/a.pbm", b"@1.pbm"), (b"train/wolves", b"@dogs"), (b"validation/wolves", b"@dogs"), (b"test/wolves", b"@dogs"))
    yield folder((b"train/cats/loop", b"@/"), (b"train/cats/self", b"@self"))
    yield folder((b"train/cats/gone.jpg", b"@nowhere"), (b"train/cats/here", b"@."))
    # Names that are no text, and names that are the same but for that.
    yield folder((b"train/cats/\xff.pbm", picture), (b"train/cats/\xfe.pbm", picture), (b"train/cats/\xfd.txt", text))
    yield b"\n".join(split + b"/" + kind + b"/1.pbm\t" + picture for split in (b"train", b"validation") for kind in (b"\xff", b"\xfe", b"dogs"))
    yield b"/".join([b"train", b"cats", *[b"d"] * 200, b"1.pbm"]) + b"\t" + picture + b"\n" + folder()


def small(*patterns):
    for pattern in patterns:
        for path in sorted(ROOT.glob(pattern)):
            if path.is_file() and path.stat().st_size <= LARGEST:
                yield path.read_bytes()


def logs():
    for path in sorted(ROOT.glob("crates/exchange/tests/*/**/*")):
        if path.is_file() and path.stat().st_size <= LARGEST and not path.name.endswith("truth.json"):
            yield path.read_bytes()
    yield from small("experiments/published/*")


def curves():
    """The name of a run, and the log that has it."""
    for path in sorted(ROOT.glob("experiments/*.toml")):
        for published in tomllib.loads(path.read_text()).get("published", []):
            file = path.parent / published["file"]
            if file.stat().st_size <= LARGEST:
                yield published["run"].encode() + b"\n" + file.read_bytes()
    for log in logs():
        yield b"first\n" + log
        yield b"\n" + log


def experiments():
    yield from small("experiments/*.toml", "crates/cli/src/miniature/*.toml", "crates/*/src/*.toml")
    yield b"[launcher.slurm]\npartition = 'gpu'\ncpus = 2\noptions = ['--nice']\n[launcher.slurm.fit]\ntime = '2:00:00'\ngpus = 1\n"
    # More procedures, and values within values, than anyone can want.
    head = "name = 'many'\nseeds = [0]\n[dataset]\nsource = 'folder'\n[base]\narchitecture = 'vgg16'\n"
    yield (head + "[matrix]\n" + "".join(f"{key} = [1, 2, 3, 4, 5, 6, 7, 8, 9]\n" for key in ("epochs", "batch_size", "hidden_units"))).encode()
    yield (head + "[matrix]\nepochs = " + "[" * 2_000 + "]" * 2_000).encode()


def records():
    for number, name in enumerate(RECORDS):
        yielded = 0
        for experiment in ("miniature", "squeezenet", "book", "efficientnet", "statistics"):
            for content in small(f"results/{experiment}/cells/*/{name}"):
                yield bytes([number]) + content
                yielded += 1
                if yielded % 8 == 0:
                    break
    yield bytes([RECORDS.index("failure.json")]) + json.dumps({"reason": "no memory", "at_unix_seconds": 1}).encode()


def safetensors():
    yield from small("crates/*/tests/**/*.safetensors", "crates/*/weights/*.safetensors")
    for header in (b"{}", b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', b'{"a":{"dtype":"U8","shape":[1152921504606846976],"data_offsets":[0,8]}}'):
        yield struct.pack("<Q", len(header)) + header + bytes(8)
        yield struct.pack("<Q", 1 << 60) + header


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("plans", type=Path, nargs="*")
    arguments = parser.parse_args()
    corpora = {
        "archives": archives(),
        "curves": curves(),
        "experiments": experiments(),
        "folders": folders(),
        "hdf5": small("crates/*/tests/**/*.h5", "crates/*/tests/**/*.keras"),
        "images": images(),
        "logs": logs(),
        "plans": (plan.read_bytes() for plan in arguments.plans),
        "pytorch": small(*(f"crates/*/tests/**/*.{end}" for end in ("pth", "pt", "bin", "tar", "ckpt", "pkl"))),
        "records": records(),
        "safetensors": safetensors(),
    }
    for corpus, contents in corpora.items():
        folder = arguments.folder / corpus
        folder.mkdir(parents=True, exist_ok=True)
        written = {hashlib.sha1(content).hexdigest(): content for content in contents}
        for name, content in written.items():
            (folder / name).write_bytes(content)
        print(f"{corpus}: {len(written)} files")


if __name__ == "__main__":
    main()
