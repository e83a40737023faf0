//! A scene: a figure in front of a cluttered background, lit, partly hidden, photographed badly.

use super::form::{Form, Point};
use super::paint::{Color, Paint, lattice, noise};
use crate::Stream;

/// A painted form.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) form: Form,
    pub(crate) paint: Paint,
}

/// Where the figure stands: its unit circle is turned, scaled, mirrored and moved into the picture,
/// whose sides are at −1 and 1.
struct Placement {
    center: Point,
    scale: f64,
    sine: f64,
    cosine: f64,
    mirrored: bool,
}

impl Placement {
    fn draw(stream: &mut Stream) -> Self {
        let angle = stream.uniform(-0.35, 0.35);
        let center = (stream.uniform(-0.2, 0.2), stream.uniform(-0.2, 0.2));
        let (scale, mirrored) = (stream.uniform(0.7, 1.0), stream.unit() < 0.5);
        Self { center, scale, sine: libm::sin(angle), cosine: libm::cos(angle), mirrored }
    }

    /// From the picture to the figure.
    fn inverse(&self, (x, y): Point) -> Point {
        let (dx, dy) = ((x - self.center.0) / self.scale, (y - self.center.1) / self.scale);
        let (u, v) = (dx * self.cosine + dy * self.sine, dy * self.cosine - dx * self.sine);
        (if self.mirrored { -u } else { u }, v)
    }
}

/// Everything that decides a picture.
pub(crate) struct Scene {
    figure: Vec<Part>,
    placement: Placement,
    behind: Vec<Part>,
    before: Vec<Part>,
    sky: Paint,
    ground: Paint,
    horizon: f64,
    light: Point,
    gain: Color,
    offset: f64,
    grain: f64,
    seed: u64,
}

impl Scene {
    /// Puts a figure into surroundings that say nothing about what it is.
    pub(crate) fn around(figure: Vec<Part>, stream: &mut Stream) -> Self {
        let placement = Placement::draw(stream);
        let (sky, ground, horizon) =
            (Paint::any(stream), Paint::any(stream), stream.uniform(-0.4, 1.2));
        let behind = (0..2 + stream.below(4)).map(|_| object(stream, 0.08, 0.4)).collect();
        let before = (0..stream.below(3)).map(|_| object(stream, 0.05, 0.22)).collect();
        let angle = stream.uniform(0.0, 2.0 * std::f64::consts::PI);
        let strength = stream.uniform(0.1, 0.45);
        let exposure = stream.uniform(0.7, 1.25);
        let gain = std::array::from_fn(|_| exposure * stream.uniform(0.9, 1.1));
        Self {
            figure,
            placement,
            behind,
            before,
            sky,
            ground,
            horizon,
            light: (strength * libm::cos(angle), strength * libm::sin(angle)),
            gain,
            offset: stream.uniform(-0.08, 0.08),
            grain: stream.uniform(0.01, 0.06),
            seed: stream.word(),
        }
    }

    /// The picture as `size` × `size` pixels of red, green, blue.
    pub(crate) fn render(&self, size: usize) -> Vec<u8> {
        let pixel = 2.0 / size as f64;
        let mut bytes = Vec::with_capacity(size * size * 3);
        for row in 0..size {
            for column in 0..size {
                let place = ((column as f64 + 0.5) * pixel - 1.0, (row as f64 + 0.5) * pixel - 1.0);
                let color = self.color(place, pixel);
                for (channel, value) in color.into_iter().enumerate() {
                    let grain = lattice(self.seed, (column * 3 + channel) as i64, row as i64) - 0.5;
                    let exposed =
                        value * self.gain[channel] + self.offset + 2.0 * self.grain * grain;
                    bytes.push((exposed.clamp(0.0, 1.0) * 255.0 + 0.5) as u8);
                }
            }
        }
        bytes
    }

    fn color(&self, place: Point, pixel: f64) -> Color {
        let wobble = 0.1 * noise(self.seed, place.0 * 3.0, 0.0);
        let surface = if place.1 < self.horizon + wobble { &self.sky } else { &self.ground };
        let mut color = surface.at(place.0 * 0.7, place.1 * 0.7);
        for part in &self.behind {
            self.cover(&mut color, part, place, pixel);
        }
        let inside = self.placement.inverse(place);
        for part in &self.figure {
            self.cover(&mut color, part, inside, pixel / self.placement.scale);
        }
        for part in &self.before {
            self.cover(&mut color, part, place, pixel);
        }
        color
    }

    /// Lays a part over a colour: a soft edge one pixel wide, brighter towards the light, darker at
    /// its rim.
    fn cover(&self, color: &mut Color, part: &Part, place: Point, pixel: f64) {
        let distance = part.form.distance(place);
        let coverage = (0.5 - distance / pixel).clamp(0.0, 1.0);
        if coverage == 0.0 {
            return;
        }
        let (center, half) = part.form.extent();
        let (u, v) =
            ((place.0 - center.0) / half.0.max(1e-6), (place.1 - center.1) / half.1.max(1e-6));
        let rim = (1.0 + distance / (0.25 * half.0.min(half.1)).max(1e-6)).clamp(0.0, 1.0);
        let shade = (1.0 + u * self.light.0 + v * self.light.1) * (1.0 - 0.3 * rim);
        for (value, paint) in color.iter_mut().zip(part.paint.at(place.0, place.1)) {
            *value += coverage * (paint * shade - *value);
        }
    }
}

/// Any form of any colour anywhere.
fn object(stream: &mut Stream, smallest: f64, largest: f64) -> Part {
    let center = (stream.uniform(-1.0, 1.0), stream.uniform(-1.0, 1.0));
    let mut length = || stream.uniform(smallest, largest);
    let (a, b, c) = (length(), length(), length());
    let angle = stream.uniform(0.0, 2.0 * std::f64::consts::PI);
    let around = |turn: f64, radius: f64| {
        (center.0 + radius * libm::cos(angle + turn), center.1 + radius * libm::sin(angle + turn))
    };
    let form = match stream.below(4) {
        0 => Form::Ellipse { center, radii: (a, b), angle },
        1 => Form::Polygon(vec![around(0.0, a), around(2.1, b), around(4.2, c)]),
        2 => Form::Polygon(vec![around(0.6, a), around(2.5, a), around(3.74, a), around(5.64, a)]),
        _ => Form::Stroke {
            from: center,
            to: around(0.0, 3.0 * a),
            start_radius: b * 0.3,
            end_radius: c * 0.3,
        },
    };
    Part { form, paint: Paint::any(stream) }
}
