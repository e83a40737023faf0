//! plotters' SVG and the page's tables in fewer bytes: the same marks, with what repeats said once.

use maud::{Markup, PreEscaped};

/// Attributes that say what holds without them: SVG's defaults, and the page's font.
const DEFAULTS: [&str; 5] = [
    " opacity=\"1\"",
    " stroke=\"none\"",
    " font-family=\"DejaVu Sans, sans-serif\"",
    " text-anchor=\"start\"",
    " fill=\"#000000\"",
];

/// Attributes that a text takes over from the group that it stands in.
const INHERITED: [&str; 4] = [" text-anchor=", " font-size=", " fill=", " font-weight="];

/// An SVG document as plotters writes it, one element in a line, without what changes nothing. Lines
/// of one style become one path where nothing but texts stands between them, so that neither a broken
/// line nor the ticks of an axis are an element for each dash; texts of one style become a group.
pub(super) fn compact(svg: &str) -> String {
    let mut document = Document::default();
    for element in elements(svg) {
        match Element::read(&element) {
            Element::Line(style, path) => document.line(style, &path),
            Element::Text(style, text) => document.text(style, &text),
            Element::Other(other) => {
                document.finish();
                document.written.push_str(&other);
            }
        }
    }
    document.finish();
    document.written
}

/// The elements of a document, each in one line without what holds anyway. A text has several lines,
/// and a space between its words.
fn elements(svg: &str) -> Vec<String> {
    let mut elements: Vec<String> = Vec::new();
    for line in svg.lines().filter(|line| !line.is_empty()) {
        match elements.last_mut() {
            Some(text) if text.starts_with("<text") && !text.ends_with("</text>") => {
                if !text.ends_with('>') && !line.starts_with('<') {
                    text.push(' ');
                }
                text.push_str(line);
            }
            _ => elements.push(line.to_owned()),
        }
    }
    let defaults =
        |element: String| DEFAULTS.iter().fold(element, |all, known| all.replace(known, ""));
    elements.into_iter().map(defaults).collect()
}

/// What is written, and what waits for more of its style.
#[derive(Default)]
struct Document {
    written: String,
    texts: (String, Vec<String>),
    path: (String, String),
}

impl Document {
    fn line(&mut self, style: String, path: &str) {
        if self.path.0 != style {
            self.finish_path();
            self.path.0 = style;
        }
        self.path.1.push_str(path);
    }

    fn text(&mut self, style: String, text: &str) {
        if self.texts.0 != style {
            self.finish_texts();
            self.texts.0 = style;
        }
        self.texts.1.push(text.to_owned());
    }

    fn finish_texts(&mut self) {
        let (style, texts) = std::mem::take(&mut self.texts);
        match texts.as_slice() {
            [] => {}
            [text] => self.written.push_str(&text.replacen("<text", &format!("<text{style}"), 1)),
            several => {
                let several = several.concat();
                self.written.push_str(&format!("<g{style}>{several}</g>"));
            }
        }
    }

    fn finish_path(&mut self) {
        let (style, path) = std::mem::take(&mut self.path);
        if !path.is_empty() {
            self.written.push_str(&format!("<path{style} d=\"{path}\"/>"));
        }
    }

    /// Writes what waits, texts over lines.
    fn finish(&mut self) {
        self.finish_path();
        self.finish_texts();
    }
}

enum Element {
    /// The style and the path of an unfilled line.
    Line(String, String),
    /// What a text takes over from a group, and the text without it.
    Text(String, String),
    Other(String),
}

impl Element {
    fn read(element: &str) -> Self {
        if element.starts_with("<text") {
            let (style, text) = inherited(element);
            return Self::Text(style, text);
        }
        match drawn(element) {
            Some((style, path)) if style.contains(" fill=\"none\"") => Self::Line(style, path),
            Some((style, path)) => Self::Other(format!("<path{style} d=\"{path}\"/>")),
            None => Self::Other(element.to_owned()),
        }
    }
}

/// What a text takes over from a group, and the text without it. Letters' sizes, which plotters gives
/// to the last digit, are rounded to tenths of a pixel.
fn inherited(text: &str) -> (String, String) {
    let (mut style, mut text) = (String::new(), text.to_owned());
    for attribute in INHERITED {
        let tag = text.find('>').unwrap_or(text.len());
        let Some(start) = text[..tag].find(attribute) else { continue };
        let value = start + attribute.len() + 1;
        let Some(end) = text[value..].find('"').map(|length| value + length) else { continue };
        match text[value..end].parse::<f64>() {
            Ok(size) => style.push_str(&format!("{attribute}\"{size:.1}\"")),
            Err(_) => style.push_str(&text[start..=end]),
        }
        text.replace_range(start..=end, "");
    }
    (style, text)
}

/// The style of a line, an open or a closed polygon, and its path; nothing for another element.
fn drawn(element: &str) -> Option<(String, String)> {
    let element = element.strip_suffix("/>")?;
    let (name, attributes) = element.strip_prefix('<')?.split_once(' ')?;
    let styled = |style: &str, fill: &str| format!("{fill} {}", style.trim()).trim_end().to_owned();
    match name {
        "line" => {
            let (style, ends) = attributes.split_once("x1=\"")?;
            let numbers = ends.split('"').step_by(2).map(str::parse);
            let numbers: Vec<i32> = numbers.take(4).collect::<Result<_, _>>().ok()?;
            let [x1, y1, x2, y2] = numbers.try_into().ok()?;
            Some((styled(style, " fill=\"none\""), path(&[(x1, y1), (x2, y2)])))
        }
        "polyline" | "polygon" => {
            let (style, points) = attributes.split_once("points=\"")?;
            let points = points.trim_end_matches('"').split_whitespace().map(|point| {
                let (x, y) = point.split_once(',')?;
                Some((x.parse().ok()?, y.parse().ok()?))
            });
            let path = path(&points.collect::<Option<Vec<_>>>()?);
            let closed = if name == "polygon" { "z" } else { "" };
            Some((styled(style, ""), path + closed))
        }
        _ => None,
    }
}

/// A path through points: the first where it is, each other by its distance from the one before.
fn path(points: &[(i32, i32)]) -> String {
    let mut path = String::new();
    let mut command = ' ';
    for (place, (x, y)) in points.iter().enumerate() {
        let Some((before_x, before_y)) = place.checked_sub(1).map(|before| points[before]) else {
            path.push_str(&format!("M{x} {y}"));
            continue;
        };
        let (right, down) = (x - before_x, y - before_y);
        let (next, numbers) = match (right, down) {
            (right, 0) => ('h', vec![right]),
            (0, down) => ('v', vec![down]),
            _ => ('l', vec![right, down]),
        };
        if next != command {
            path.push(next);
        }
        for (place, number) in numbers.into_iter().enumerate() {
            let follows = place > 0 || next == command;
            if follows && number >= 0 {
                path.push(' ');
            }
            path.push_str(&number.to_string());
        }
        command = next;
    }
    path
}

/// Tables and lists without the end tags that HTML lets out.
pub(super) fn without_optional_tags(html: Markup) -> Markup {
    let tags = ["</td>", "</th>", "</tr>", "</li>"];
    PreEscaped(tags.iter().fold(html.into_string(), |html, tag| html.replace(tag, "")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_one_style_becomes_one_element_and_what_repeats_goes() {
        let svg = r##"<svg width="9" height="9">
<rect x="0" y="0" width="9" height="9" opacity="1" fill="#FFFFFF" stroke="none"/>
<line opacity="1" stroke="#E1E1E1" stroke-width="1" x1="1" y1="2" x2="3" y2="4"/>
<line opacity="1" stroke="#E1E1E1" stroke-width="1" x1="5" y1="6" x2="5" y2="8"/>
<text x="1" y="2" dy="0.5ex" text-anchor="end" font-family="DejaVu Sans, sans-serif" font-size="9.67741935483871" opacity="1" fill="#000000">
0.75
</text>
<polyline fill="none" opacity="1" stroke="#000000" stroke-width="1" points="1,2 3,2 "/>
<text x="1" y="6" dy="0.5ex" text-anchor="end" font-family="DejaVu Sans, sans-serif" font-size="9.67741935483871" opacity="1" fill="#000000">
0.80
</text>
<polyline fill="none" opacity="1" stroke="#000000" stroke-width="1" points="1,6 3,6 "/>
<polygon opacity="0.15" fill="#0072B2" points="1,2 3,1 5,8 1,8 "/>
<polyline fill="none" opacity="0.35" stroke="#0072B2" stroke-width="1" points="5,6 7,8 10,6 12,12 "/>
<text x="1" y="2" text-anchor="start" font-family="DejaVu Sans, sans-serif" font-size="13.709677419354838">
a word
and another
</text>
</svg>"##;
        assert_eq!(
            compact(svg),
            concat!(
                r##"<svg width="9" height="9"><rect x="0" y="0" width="9" height="9" fill="#FFFFFF"/>"##,
                r##"<path fill="none" stroke="#E1E1E1" stroke-width="1" d="M1 2l2 2M5 6v2"/>"##,
                r##"<path fill="none" stroke="#000000" stroke-width="1" d="M1 2h2M1 6h2"/>"##,
                r##"<g text-anchor="end" font-size="9.7"><text x="1" y="2" dy="0.5ex">0.75</text><text x="1" y="6" dy="0.5ex">0.80</text></g>"##,
                r##"<path opacity="0.15" fill="#0072B2" d="M1 2l2-1 2 7h-4z"/>"##,
                r##"<path fill="none" opacity="0.35" stroke="#0072B2" stroke-width="1" d="M5 6l2 2 3-2 2 6"/>"##,
                r##"<text font-size="13.7" x="1" y="2">a word and another</text></svg>"##
            )
        );
    }
}
