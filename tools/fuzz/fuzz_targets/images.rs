//! An image file of any bytes: decoded and made square, or refused.

#![no_main]

use thaw_spec::Resize;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), bytes).expect("written");
    if let Ok(image) = thaw_data::decode(file.path()) {
        assert!(image.width() > 0 && image.height() > 0);
        assert_eq!(thaw_data::resize(&image, 24, Resize::Nearest).len(), 24 * 24 * 3);
    }
});
