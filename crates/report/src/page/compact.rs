//! plotters' SVG in fewer bytes: the same marks, with what repeats said once.

/// Attributes that say what holds without them: SVG's defaults, and the page's font.
const DEFAULTS: [&str; 4] = [
    " opacity=\"1\"",
    " stroke=\"none\"",
    " font-family=\"DejaVu Sans, sans-serif\"",
    " text-anchor=\"start\"",
];

/// An element's attributes before its path, and the path.
type Drawn<'a> = (&'a str, String);

/// An SVG document as plotters writes it, one element in a line, without what changes nothing. Lines
/// of one style that follow each other become one path, so that a broken line is not an element for
/// each dash.
pub(super) fn compact(svg: &str) -> String {
    let mut compacted = String::with_capacity(svg.len() / 2);
    let mut path: Option<Drawn<'_>> = None;
    for line in svg.lines().filter(|line| !line.is_empty()) {
        match (drawn(line), &mut path) {
            (Some((style, segments)), Some((before, all))) if style == *before => {
                all.push_str(&segments);
            }
            (next, path) => {
                compacted.extend(path.take().map(element));
                match next {
                    Some(next) => *path = Some(next),
                    None => {
                        // A text of several lines has a space between its words.
                        if !line.starts_with('<') && !compacted.ends_with('>') {
                            compacted.push(' ');
                        }
                        compacted.push_str(line);
                    }
                }
            }
        }
    }
    compacted.extend(path.map(element));
    for repeated in DEFAULTS {
        compacted = compacted.replace(repeated, "");
    }
    with_short_sizes(&compacted)
}

/// A document with the sizes of letters in tenths of a pixel, which plotters gives to the last digit.
fn with_short_sizes(svg: &str) -> String {
    const SIZE: &str = "font-size=\"";
    let mut parts = svg.split(SIZE);
    let mut shortened = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shortened.push_str(SIZE);
        match part.split_once('"').and_then(|(size, rest)| Some((size.parse::<f64>().ok()?, rest)))
        {
            Some((size, rest)) => shortened.push_str(&format!("{size:.1}\"{rest}")),
            None => shortened.push_str(part),
        }
    }
    shortened
}

/// The style and the path of an unfilled line; nothing for another element.
fn drawn(line: &str) -> Option<Drawn<'_>> {
    let line = line.strip_suffix("/>")?;
    if let Some(line) = line.strip_prefix("<polyline ") {
        let (style, points) = line.split_once("points=\"")?;
        let points = points.trim_end_matches('"').trim_end();
        return style
            .starts_with("fill=\"none\"")
            .then(|| (style.trim_end(), format!("M{points}")));
    }
    let (style, ends) = line.strip_prefix("<line ")?.split_once("x1=\"")?;
    let mut numbers = ends.split('"').step_by(2);
    let [x1, y1, x2, y2] = [(); 4].map(|()| numbers.next());
    Some((style.trim_end(), format!("M{},{} {},{}", x1?, y1?, x2?, y2?)))
}

fn element((style, path): Drawn<'_>) -> String {
    let fill = if style.contains("fill=") { "" } else { "fill=\"none\" " };
    format!("<path {fill}{style} d=\"{path}\"/>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_one_style_become_one_path_and_what_repeats_goes() {
        let svg = r##"<svg width="9" height="9">
<rect x="0" y="0" width="9" height="9" opacity="1" fill="#FFFFFF" stroke="none"/>
<line opacity="1" stroke="#E1E1E1" stroke-width="1" x1="1" y1="2" x2="3" y2="4"/>
<line opacity="1" stroke="#E1E1E1" stroke-width="1" x1="5" y1="6" x2="7" y2="8"/>
<polyline fill="none" opacity="0.35" stroke="#0072B2" stroke-width="1" points="1,2 3,4 "/>
<polyline fill="none" opacity="0.35" stroke="#0072B2" stroke-width="1" points="5,6 7,8 "/>
<polyline fill="none" opacity="0.35" stroke="#000000" stroke-width="1" points="5,6 7,8 "/>
<text x="1" y="2" text-anchor="start" font-family="DejaVu Sans, sans-serif" font-size="13.709677419354838">
a word
</text>
</svg>"##;
        assert_eq!(
            compact(svg),
            concat!(
                r##"<svg width="9" height="9"><rect x="0" y="0" width="9" height="9" fill="#FFFFFF"/>"##,
                r##"<path fill="none" stroke="#E1E1E1" stroke-width="1" d="M1,2 3,4M5,6 7,8"/>"##,
                r##"<path fill="none" opacity="0.35" stroke="#0072B2" stroke-width="1" d="M1,2 3,4M5,6 7,8"/>"##,
                r##"<path fill="none" opacity="0.35" stroke="#000000" stroke-width="1" d="M5,6 7,8"/>"##,
                r##"<text x="1" y="2" font-size="13.7">a word</text></svg>"##
            )
        );
    }
}
