//! The font that is compiled in, so that pictures look the same on every machine.

use std::sync::Once;

use plotters::style::{FontStyle, register_font};

/// Name of the font, and of what an SVG viewer without it may take instead.
pub(crate) const FONT: &str = "DejaVu Sans, sans-serif";

/// Makes the font known to plotters.
pub(crate) fn register_fonts() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        for (style, font) in
            [(FontStyle::Normal, dejavu::sans::regular()), (FontStyle::Bold, dejavu::sans::bold())]
        {
            // The compiled-in font is valid; a test draws with it.
            let _ = register_font(FONT, style, font);
        }
    });
}
