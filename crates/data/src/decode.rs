//! Image files to red, green and blue bytes.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, RgbImage};

use crate::DataError;

/// Bytes that an image may take when it is decoded, whether in its own colours or in red, green and blue:
/// of the latter 178 million pixels, more than any camera takes.
const LARGEST: u64 = 512 << 20;

/// Decodes an image by its content, whatever its name says: JPEG, PNG, WebP, BMP, TIFF, PNM, or a
/// GIF's first frame. Grey values are repeated and transparency is dropped, as Pillow's `convert("RGB")` does;
/// EXIF orientation is ignored, as Keras does.
///
/// # Errors
/// When the file is empty, truncated, of no known format, without pixels, larger than 512 MiB when it is
/// decoded, or holds colours that eight bits of red, green and blue cannot hold.
pub fn decode(path: &Path) -> Result<RgbImage, DataError> {
    let unreadable = |reason: String| DataError::UnreadableImage { path: path.to_owned(), reason };
    let bytes = fs::read(path).map_err(DataError::unreadable(path, "cannot read"))?;
    if bytes.is_empty() {
        return Err(unreadable("the file is empty".to_owned()));
    }
    let reader = ImageReader::new(Cursor::new(&bytes))
        .with_guessed_format()
        .map_err(DataError::unreadable(path, "cannot read"))?;
    let format = reader.format().ok_or_else(|| {
        unreadable("the content is no JPEG, PNG, WebP, BMP, GIF, TIFF or PNM image".to_owned())
    })?;
    if format == ImageFormat::Jpeg {
        inspect_jpeg(&bytes).map_err(|reason| unreadable(reason.to_owned()))?;
    }
    let describe = |error: image::ImageError| unreadable(format!("cannot be decoded ({error})"));
    let mut decoder = reader.into_decoder().map_err(describe)?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(unreadable(format!("it declares {width} × {height} pixels, which are none")));
    }
    let colored = u64::from(width).saturating_mul(u64::from(height)).saturating_mul(3);
    let most = decoder.total_bytes().max(colored);
    if most > LARGEST {
        return Err(unreadable(format!(
            "it declares {width} × {height} pixels, which take {} MiB when they are decoded, and at most {} MiB are; make the image smaller",
            most >> 20,
            LARGEST >> 20
        )));
    }
    // These are of what a decoder takes beside the image, which it makes as large as its header says.
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(LARGEST);
    decoder.set_limits(limits).map_err(describe)?;
    let color = decoder.original_color_type();
    if color.bits_per_pixel() / u16::from(color.channel_count()) > 8 {
        return Err(unreadable(
            "it has more than 8 bits per channel; convert the image to 8-bit RGB".to_owned(),
        ));
    }
    Ok(DynamicImage::from_decoder(decoder).map_err(describe)?.into_rgb8())
}

/// Writes red, green and blue bytes as a PNG file, at once.
///
/// # Errors
/// When the file cannot be written.
pub fn write_png(path: &Path, pixels: &[u8], width: usize, height: usize) -> Result<(), DataError> {
    let mut bytes = Cursor::new(Vec::new());
    let color = image::ExtendedColorType::Rgb8;
    image::write_buffer_with_format(
        &mut bytes,
        pixels,
        width as u32,
        height as u32,
        color,
        ImageFormat::Png,
    )
    .map_err(|error| DataError::UnreadableImage {
        path: path.to_owned(),
        reason: format!("cannot be encoded ({error})"),
    })?;
    thaw_store::write_whole(path, &bytes.into_inner())
        .map_err(DataError::unwritable(path, "cannot write"))
}

/// Finds what decoders pass over in silence: they fill missing data with grey and convert CMYK by
/// guesswork.
fn inspect_jpeg(bytes: &[u8]) -> Result<(), &'static str> {
    const START_OF_SCAN: u8 = 0xDA;
    const END_OF_IMAGE: [u8; 2] = [0xFF, 0xD9];
    let is_start_of_frame =
        |marker: u8| (0xC0..=0xCF).contains(&marker) && ![0xC4, 0xC8, 0xCC].contains(&marker);
    let mut position = 2;
    while let Some(&[0xFF, marker, high, low]) = bytes.get(position..position + 4) {
        if marker == START_OF_SCAN {
            let complete = bytes[position..].windows(2).rev().any(|pair| pair == END_OF_IMAGE);
            return if complete { Ok(()) } else { Err("the JPEG data is truncated") };
        }
        // A frame header holds length, precision, height, width and the number of components.
        if is_start_of_frame(marker) && bytes.get(position + 9) == Some(&4) {
            return Err("the colours are CMYK; convert the image to RGB");
        }
        // 0xFF may be repeated as filling before a marker; every other segment states its length.
        position +=
            if marker == 0xFF { 1 } else { 2 + usize::from(u16::from_be_bytes([high, low])) };
    }
    Err("the JPEG data is truncated")
}
