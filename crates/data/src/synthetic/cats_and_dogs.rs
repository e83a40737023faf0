//! The target task. Cats and dogs share coats, colours of eyes and noses, poses, sizes and
//! surroundings; they differ in the shapes of ears, muzzle, eyes, tail and legs, and each of these
//! may be untypical.

use super::paint::Paint;
use super::scene::Part;
use super::sketch::{Sketch, dark, light, pink};
use crate::Stream;

/// The classes in the order of their labels.
pub(crate) const CLASSES: [&str; 2] = ["cats", "dogs"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Species {
    Cat,
    Dog,
}

/// A feature is the other species' with this probability.
const UNTYPICAL: f64 = 0.06;

pub(crate) fn draw(label: u32, stream: &mut Stream) -> Vec<Part> {
    let species = if label == 0 { Species::Cat } else { Species::Dog };
    let paints = Paints::draw(stream);
    let mut sketch = Sketch::new(stream);
    if sketch.chance(0.5) {
        portrait(&mut sketch, species, &paints)
    } else {
        from_the_side(&mut sketch, species, &paints)
    }
    sketch.finish()
}

/// The colours of an animal, which say nothing about its species.
struct Paints {
    coat: Paint,
    second: Paint,
    eye: Paint,
    nose: Paint,
}

impl Paints {
    fn draw(stream: &mut Stream) -> Self {
        let (coat, second) = (Paint::coat(stream), Paint::coat(stream));
        let iris = Paint::plain([0.55, 0.7, 0.25]).shaded(stream.uniform(0.6, 1.2));
        let eye = if stream.unit() < 0.5 { iris } else { dark() };
        let nose = if stream.unit() < 0.5 { pink() } else { dark() };
        Self { coat, second, eye, nose }
    }
}

/// What a feature looks like: usually as the species has it.
fn appearance(sketch: &mut Sketch<'_>, species: Species) -> Species {
    match (species, sketch.chance(UNTYPICAL)) {
        (Species::Cat, false) | (Species::Dog, true) => Species::Cat,
        (Species::Dog, false) | (Species::Cat, true) => Species::Dog,
    }
}

/// Draws a head from the front.
fn portrait(sketch: &mut Sketch<'_>, species: Species, paints: &Paints) {
    let Paints { coat, second, eye, nose } = *paints;
    let (width, height) = (sketch.about(0.6, 0.08), sketch.about(0.58, 0.08));
    let ears = appearance(sketch, species);
    if ears == Species::Cat {
        let (tip, rise, spread) =
            (sketch.about(0.52, 0.08), sketch.about(0.8, 0.1), sketch.about(0.2, 0.05));
        let base = 0.62 * width;
        sketch.triangles(
            coat.shaded(0.9),
            [(base - spread, -0.3), (tip, -rise), (base + spread, -0.05)],
        );
        sketch.triangles(
            second.shaded(0.8),
            [(base - spread * 0.5, -0.33), (tip, -rise + 0.15), (base + spread * 0.5, -0.17)],
        );
    }
    sketch.ellipse(coat, (0.0, 0.05), (width, height), 0.0);
    if ears == Species::Dog {
        let (drop, breadth, tilt, hang) = (
            sketch.about(0.4, 0.08),
            sketch.about(0.17, 0.04),
            sketch.about(-0.2, 0.2),
            sketch.about(0.05, 0.1),
        );
        sketch.ellipses(second.shaded(0.8), (width + 0.02, hang), (breadth, drop), tilt);
    }
    let apart = sketch.about(0.24, 0.04);
    if appearance(sketch, species) == Species::Cat {
        sketch.ellipses(eye, (apart, -0.03), (0.13, 0.09), 0.25);
        sketch.ellipses(dark(), (apart, -0.03), (0.035, 0.085), 0.0);
    } else {
        sketch.ellipses(eye, (apart, -0.03), (0.1, 0.1), 0.0);
        sketch.ellipses(dark(), (apart, -0.03), (0.06, 0.06), 0.0);
    }
    if appearance(sketch, species) == Species::Cat {
        sketch.ellipses(second.shaded(1.1), (0.1, 0.31), (0.13, 0.1), 0.0);
        sketch.polygon(nose, &[(-0.09, 0.17), (0.09, 0.17), (0.0, 0.28)]);
        for (side, tilt) in [(-1.0, -0.12), (-1.0, 0.08), (1.0, -0.12), (1.0, 0.08)] {
            sketch.stroke(light(), (side * 0.15, 0.31), (side * 0.62, 0.29 + tilt), 0.014, 0.008);
        }
    } else {
        let (breadth, length) = (sketch.about(0.28, 0.05), sketch.about(0.34, 0.06));
        sketch.ellipse(second.shaded(1.1), (0.0, 0.39), (breadth, length), 0.0);
        sketch.ellipse(nose, (0.0, 0.25), (0.14, 0.1), 0.0);
    }
}

/// A whole animal looking to the right.
fn from_the_side(sketch: &mut Sketch<'_>, species: Species, paints: &Paints) {
    let Paints { coat, second, eye, nose } = *paints;
    let (thickness, back) = (sketch.about(0.25, 0.05), sketch.about(0.08, 0.05));
    let legs = if appearance(sketch, species) == Species::Cat {
        sketch.about(0.55, 0.06)
    } else {
        sketch.about(0.72, 0.08)
    };
    for hip in [-0.5, -0.34, 0.18, 0.34] {
        let (foot, width) = (sketch.about(hip, 0.1), sketch.about(0.07, 0.015));
        sketch.stroke(coat.shaded(0.8), (hip, back), (foot, back + legs), width * 1.3, width);
    }
    if appearance(sketch, species) == Species::Cat {
        let (bend, rise, curl) =
            (sketch.about(-0.9, 0.06), sketch.about(-0.35, 0.12), sketch.about(-0.72, 0.15));
        sketch.stroke(coat, (-0.55, back - 0.05), (bend, rise), 0.06, 0.05);
        sketch.stroke(coat, (bend, rise), (curl, rise - 0.35), 0.05, 0.035);
    } else {
        let (tip, rise) = (sketch.about(-0.82, 0.08), sketch.about(-0.25, 0.15));
        sketch.stroke(coat, (-0.52, back - 0.08), (tip, rise), 0.11, 0.04);
    }
    sketch.stroke(coat, (-0.42, back), (0.3, back), thickness, thickness * 1.1);
    let (x, y, radius) =
        (sketch.about(0.52, 0.05), sketch.about(-0.36, 0.08), sketch.about(0.25, 0.03));
    sketch.stroke(coat, (0.33, back - 0.1), (x, y), 0.17, 0.15);
    let ears = appearance(sketch, species);
    if ears == Species::Cat {
        let rise = sketch.about(0.44, 0.06);
        for shift in [-0.14, 0.1] {
            let foot = x + shift;
            sketch.polygon(
                coat.shaded(0.85),
                &[(foot - 0.1, y - 0.12), (foot, y - rise), (foot + 0.12, y - 0.14)],
            );
        }
    }
    if appearance(sketch, species) == Species::Dog {
        let (reach, width) = (sketch.about(0.44, 0.06), sketch.about(0.12, 0.02));
        sketch.stroke(second.shaded(1.05), (x, y + 0.06), (x + reach, y + 0.12), 0.18, width);
        sketch.disk(nose, (x + reach + 0.06, y + 0.06), 0.07);
    } else {
        sketch.ellipse(second.shaded(1.1), (x + 0.2, y + 0.08), (0.12, 0.09), 0.0);
        sketch.disk(nose, (x + 0.3, y + 0.05), 0.04);
    }
    sketch.disk(coat, (x, y), radius);
    if ears == Species::Dog {
        let (drop, tilt) = (sketch.about(0.26, 0.05), sketch.about(0.2, 0.25));
        sketch.ellipse(second.shaded(0.8), (x - 0.14, y + 0.04), (0.11, drop), tilt);
    }
    sketch.disk(eye, (x + 0.12, y - 0.05), 0.05);
}
