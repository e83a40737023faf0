//! The source task: twenty classes of animals and things, drawn with the same strokes as the
//! target's cats and dogs, none of them either.

use super::paint::Paint;
use super::scene::Part;
use super::sketch::{Sketch, dark, light, pink};
use crate::Stream;

type Draw = fn(&mut Sketch<'_>, Paint, Paint);

/// The classes in the order of their labels, and how each is drawn with two paints.
const SUBJECTS: [(&str, Draw); 20] = [
    ("bear", bear),
    ("bird", bird),
    ("boat", boat),
    ("bottle", bottle),
    ("butterfly", butterfly),
    ("car", car),
    ("cup", cup),
    ("fish", fish),
    ("flower", flower),
    ("house", house),
    ("key", key),
    ("mouse", mouse),
    ("mushroom", mushroom),
    ("owl", owl),
    ("pig", pig),
    ("rabbit", rabbit),
    ("snail", snail),
    ("tree", tree),
    ("turtle", turtle),
    ("umbrella", umbrella),
];

pub(crate) fn classes() -> Vec<String> {
    SUBJECTS.iter().map(|(name, _)| (*name).to_owned()).collect()
}

pub(crate) fn draw(label: u32, stream: &mut Stream) -> Vec<Part> {
    let (first, second) = (Paint::coat(stream), Paint::any(stream));
    let mut sketch = Sketch::new(stream);
    let (_, draw) = SUBJECTS[label as usize];
    if sketch.chance(0.5) {
        draw(&mut sketch, first, second)
    } else {
        draw(&mut sketch, second, first)
    }
    sketch.finish()
}

fn eyes(sketch: &mut Sketch<'_>, x: f64, y: f64, radius: f64) {
    for side in [-1.0, 1.0] {
        sketch.disk(dark(), (side * x, y), radius);
    }
}

fn bear(sketch: &mut Sketch<'_>, coat: Paint, other: Paint) {
    let (x, y, radius) =
        (sketch.about(0.48, 0.05), sketch.about(-0.5, 0.06), sketch.about(0.2, 0.03));
    sketch.ellipses(coat.shaded(0.85), (x, y), (radius, radius), 0.0);
    let (width, height) = (sketch.about(0.7, 0.05), sketch.about(0.62, 0.05));
    sketch.ellipse(coat, (0.0, 0.05), (width, height), 0.0);
    sketch.ellipse(other, (0.0, 0.3), (0.3, 0.22), 0.0);
    sketch.ellipse(dark(), (0.0, 0.2), (0.11, 0.08), 0.0);
    eyes(sketch, 0.24, -0.06, 0.055);
}

fn bird(sketch: &mut Sketch<'_>, coat: Paint, other: Paint) {
    let (tilt, beak) = (sketch.about(0.3, 0.2), sketch.about(0.95, 0.05));
    sketch.polygon(other, &[(-0.4, 0.05), (-1.0, -0.1), (-0.95, 0.3)]);
    for foot in [-0.08, 0.14] {
        sketch.stroke(dark(), (foot, 0.4), (foot + 0.04, 0.85), 0.03, 0.03);
    }
    sketch.ellipse(coat, (-0.05, 0.12), (0.58, 0.38), -tilt);
    sketch.disk(coat, (0.48, -0.3), 0.26);
    sketch.polygon(Paint::plain([0.9, 0.6, 0.15]), &[(0.68, -0.42), (beak, -0.25), (0.68, -0.18)]);
    sketch.ellipse(other.shaded(0.85), (-0.12, 0.08), (0.36, 0.2), tilt);
    sketch.disk(dark(), (0.55, -0.36), 0.05);
}

fn boat(sketch: &mut Sketch<'_>, coat: Paint, other: Paint) {
    let (mast, reach) = (sketch.about(-0.85, 0.08), sketch.about(0.65, 0.1));
    sketch.stroke(dark(), (0.0, 0.4), (0.0, mast), 0.035, 0.03);
    sketch.polygon(other, &[(0.06, mast + 0.05), (0.06, 0.2), (reach, 0.2)]);
    sketch.polygon(light(), &[(-0.06, mast + 0.2), (-0.06, 0.2), (-reach * 0.75, 0.2)]);
    sketch.polygon(coat, &[(-0.85, 0.32), (0.85, 0.32), (0.55, 0.75), (-0.55, 0.75)]);
}

fn bottle(sketch: &mut Sketch<'_>, coat: Paint, other: Paint) {
    let (width, shoulder) = (sketch.about(0.3, 0.06), sketch.about(-0.2, 0.1));
    sketch.rectangle(coat, -0.1, -0.9, 0.1, shoulder);
    sketch.ellipse(coat, (0.0, shoulder + 0.05), (width, 0.25), 0.0);
    sketch.rectangle(coat, -width, shoulder + 0.05, width, 0.85);
    sketch.rectangle(other, -width, 0.15, width, 0.55);
    sketch.rectangle(dark(), -0.12, -0.98, 0.12, -0.82);
}

fn butterfly(sketch: &mut Sketch<'_>, coat: Paint, other: Paint) {
    let (spread, tilt) = (sketch.about(0.5, 0.06), sketch.about(0.5, 0.15));
    sketch.ellipses(coat, (spread, -0.32), (0.46, 0.34), -tilt);
    sketch.ellipses(other, (spread * 0.85, 0.36), (0.36, 0.3), tilt);
    sketch.ellipses(light(), (spread, -0.32), (0.14, 0.12), 0.0);
    sketch.stroke(dark(), (0.0, -0.5), (0.0, 0.55), 0.07, 0.05);
    for side in [-1.0, 1.0] {
        sketch.stroke(dark(), (0.0, -0.5), (side * 0.2, -0.85), 0.02, 0.02);
    }
}

fn car(sketch: &mut Sketch<'_>, coat: Paint, other: Paint) {
    let (roof, nose) = (sketch.about(-0.42, 0.06), sketch.about(0.9, 0.05));
    sketch.polygon(coat.shaded(0.9), &[(-0.6, 0.05), (-0.4, roof), (0.25, roof), (0.55, 0.05)]);
    sketch.polygon(
        light(),
        &[(-0.45, 0.02), (-0.32, roof + 0.1), (-0.08, roof + 0.1), (-0.08, 0.02)],
    );
    sketch.polygon(light(), &[(0.0, 0.02), (0.0, roof + 0.1), (0.2, roof + 0.1), (0.4, 0.02)]);
    sketch.rectangle(coat, -0.9, 0.0, nose, 0.4);
    for wheel in [-0.5, 0.5] {
        let x = sketch.about(wheel, 0.05);
        sketch.disk(dark(), (x, 0.4), 0.22);
        sketch.disk(other, (x, 0.4), 0.1);
    }
}

fn cup(sketch: &mut Sketch<'_>, coat: Paint, other: Paint) {
    let (width, foot) = (sketch.about(0.5, 0.06), sketch.about(0.36, 0.06));
    let (ring, hole) = (sketch.about(0.28, 0.03), sketch.about(0.15, 0.02));
    sketch.disk(coat.shaded(0.9), (width, 0.02), ring);
    sketch.disk(dark(), (width, 0.02), hole);
    sketch.polygon(coat, &[(-width, -0.5), (width, -0.5), (foot, 0.65), (-foot, 0.65)]);
    sketch.ellipse(other.shaded(0.7), (0.0, -0.5), (width, 0.14), 0.0);
    sketch.rectangle(other, -width * 0.85, 0.0, width * 0.85, 0.15);
}

fn fish(sketch: &mut Sketch<'_>, coat: Paint, other: Paint) {
    let (height, tail) = (sketch.about(0.36, 0.07), sketch.about(0.38, 0.08));
    sketch.polygon(other, &[(-0.45, 0.0), (-0.95, -tail), (-0.95, tail)]);
    sketch.polygon(other, &[(-0.2, -0.2), (0.25, -0.25), (-0.1, -0.65)]);
    sketch.ellipse(coat, (0.12, 0.0), (0.66, height), 0.0);
    sketch.polygon(other.shaded(0.8), &[(0.05, 0.05), (0.2, 0.15), (-0.2, 0.35)]);
    sketch.disk(light(), (0.5, -0.1), 0.09);
    sketch.disk(dark(), (0.52, -0.1), 0.05);
}

fn flower(sketch: &mut Sketch<'_>, coat: Paint, other: Paint) {
    let (petals, bend) = (5 + sketch.stream.below(4), sketch.about(0.0, 0.2));
    sketch.stroke(Paint::plain([0.2, 0.5, 0.2]), (0.0, -0.2), (bend, 0.95), 0.05, 0.06);
    sketch.ellipse(Paint::plain([0.25, 0.55, 0.2]), (0.25, 0.55), (0.26, 0.1), -0.5);
    for petal in 0..petals {
        let angle = petal as f64 * 2.0 * std::f64::consts::PI / petals as f64;
        let (x, y) = (0.36 * libm::cos(angle), 0.36 * libm::sin(angle));
        sketch.ellipse(coat, (x, y - 0.3), (0.28, 0.15), angle);
    }
    sketch.disk(other, (0.0, -0.3), 0.18);
}

fn house(sketch: &mut Sketch<'_>, coat: Paint, other: Paint) {
    let (eaves, ridge, width) =
        (sketch.about(-0.15, 0.08), sketch.about(-0.85, 0.08), sketch.about(0.62, 0.08));
    sketch.rectangle(dark(), 0.25, ridge, 0.42, eaves);
    sketch.rectangle(coat, -width, eaves, width, 0.8);
    sketch.polygon(other, &[(-width - 0.15, eaves), (0.0, ridge), (width + 0.15, eaves)]);
    sketch.rectangle(dark(), -0.12, 0.3, 0.14, 0.8);
    for window in [-0.4, 0.4] {
        sketch.rectangle(light(), window - 0.13, 0.05, window + 0.13, 0.3);
    }
}

fn key(sketch: &mut Sketch<'_>, coat: Paint, other: Paint) {
    let (ring, hole) = (sketch.about(0.36, 0.04), sketch.about(0.17, 0.03));
    sketch.stroke(coat, (-0.5, 0.0), (0.9, 0.0), 0.1, 0.1);
    for tooth in [0.45, 0.65, 0.85] {
        let length = sketch.about(0.32, 0.08);
        sketch.rectangle(coat, tooth - 0.07, 0.0, tooth + 0.07, length);
    }
    sketch.disk(coat, (-0.55, 0.0), ring);
    sketch.disk(other.shaded(0.5), (-0.55, 0.0), hole);
}

fn mouse(sketch: &mut Sketch<'_>, coat: Paint, other: Paint) {
    let ear = sketch.about(0.34, 0.04);
    sketch.ellipses(coat.shaded(0.85), (0.52, -0.5), (ear, ear), 0.0);
    sketch.ellipses(pink(), (0.52, -0.5), (ear * 0.6, ear * 0.6), 0.0);
    sketch.ellipse(coat, (0.0, 0.0), (0.5, 0.46), 0.0);
    sketch.polygon(coat, &[(-0.42, 0.15), (0.42, 0.15), (0.0, 0.8)]);
    sketch.disk(other, (0.0, 0.72), 0.1);
    eyes(sketch, 0.2, 0.02, 0.07);
}

fn mushroom(sketch: &mut Sketch<'_>, coat: Paint, other: Paint) {
    let (width, stem) = (sketch.about(0.75, 0.08), sketch.about(0.2, 0.04));
    sketch
        .polygon(light(), &[(-stem, -0.1), (stem, -0.1), (stem * 1.5, 0.85), (-stem * 1.5, 0.85)]);
    sketch.ellipse(coat, (0.0, -0.2), (width, 0.48), 0.0);
    sketch.ellipse(coat.shaded(0.5), (0.0, 0.06), (width * 0.9, 0.16), 0.0);
    for (x, y) in [(-0.35, -0.25), (0.05, -0.45), (0.4, -0.2)] {
        sketch.ellipse(other, (x, y), (0.12, 0.09), 0.0);
    }
}

fn owl(sketch: &mut Sketch<'_>, coat: Paint, other: Paint) {
    let width = sketch.about(0.5, 0.06);
    sketch.triangles(coat.shaded(0.85), [(0.15, -0.6), (0.5, -0.9), (0.48, -0.4)]);
    sketch.ellipse(coat, (0.0, 0.15), (width, 0.75), 0.0);
    sketch.ellipse(other, (0.0, 0.4), (width * 0.65, 0.42), 0.0);
    sketch.ellipses(light(), (0.22, -0.3), (0.22, 0.22), 0.0);
    eyes(sketch, 0.2, -0.3, 0.12);
    sketch.polygon(Paint::plain([0.85, 0.55, 0.15]), &[(-0.08, -0.2), (0.08, -0.2), (0.0, 0.02)]);
}

fn pig(sketch: &mut Sketch<'_>, coat: Paint, other: Paint) {
    let radius = sketch.about(0.64, 0.05);
    sketch.ellipse(coat, (0.0, 0.05), (radius, radius * 0.92), 0.0);
    sketch.triangles(coat.shaded(0.75), [(0.2, -0.42), (0.62, -0.6), (0.55, -0.1)]);
    sketch.ellipse(other, (0.0, 0.22), (0.28, 0.2), 0.0);
    sketch.ellipses(dark(), (0.1, 0.22), (0.05, 0.08), 0.0);
    eyes(sketch, 0.27, -0.12, 0.055);
}

fn rabbit(sketch: &mut Sketch<'_>, coat: Paint, other: Paint) {
    let (length, tilt, breadth) =
        (sketch.about(0.46, 0.06), sketch.about(0.15, 0.12), sketch.about(0.14, 0.03));
    sketch.ellipses(coat.shaded(0.9), (0.24, -0.5), (breadth, length), tilt);
    sketch.ellipses(pink(), (0.24, -0.5), (breadth * 0.5, length * 0.75), tilt);
    sketch.ellipse(coat, (0.0, 0.28), (0.48, 0.5), 0.0);
    sketch.ellipses(other, (0.12, 0.5), (0.15, 0.12), 0.0);
    sketch.disk(pink(), (0.0, 0.38), 0.06);
    eyes(sketch, 0.22, 0.15, 0.075);
}

fn snail(sketch: &mut Sketch<'_>, coat: Paint, other: Paint) {
    let shell = sketch.about(0.46, 0.05);
    sketch.stroke(other, (-0.85, 0.55), (0.75, 0.55), 0.1, 0.16);
    sketch.stroke(other, (0.72, 0.5), (0.82, -0.05), 0.14, 0.1);
    for tip in [0.7, 0.98] {
        sketch.stroke(other, (0.82, -0.05), (tip, -0.4), 0.03, 0.03);
    }
    sketch.disk(coat, (-0.08, 0.08), shell);
    sketch.disk(coat.shaded(0.6), (-0.08, 0.12), shell * 0.66);
    sketch.disk(coat, (-0.04, 0.14), shell * 0.42);
    sketch.disk(coat.shaded(0.6), (-0.02, 0.16), shell * 0.18);
}

fn tree(sketch: &mut Sketch<'_>, coat: Paint, other: Paint) {
    sketch.stroke(Paint::plain([0.35, 0.24, 0.14]), (0.0, 0.9), (0.0, 0.0), 0.14, 0.09);
    if sketch.chance(0.5) {
        for (y, width) in [(0.35, 0.62), (0.0, 0.5), (-0.35, 0.36)] {
            let half = sketch.about(width, 0.05);
            sketch.polygon(coat, &[(-half, y), (half, y), (0.0, y - 0.6)]);
        }
    } else {
        for (x, y) in [(-0.32, -0.1), (0.32, -0.1), (0.0, -0.45), (0.0, -0.05)] {
            let radius = sketch.about(0.38, 0.05);
            sketch.disk(coat, (x, y), radius);
        }
        sketch.disk(other, (0.2, -0.3), 0.08);
        sketch.disk(other, (-0.25, -0.15), 0.08);
    }
}

fn turtle(sketch: &mut Sketch<'_>, coat: Paint, other: Paint) {
    let height = sketch.about(0.46, 0.05);
    for (foot, lean) in [(-0.42, -0.12), (0.34, 0.12)] {
        sketch.stroke(other, (foot, 0.25), (foot + lean, 0.62), 0.13, 0.1);
    }
    sketch.stroke(other, (0.45, 0.2), (0.82, -0.05), 0.12, 0.12);
    sketch.disk(other, (0.84, -0.08), 0.16);
    sketch.ellipse(coat, (-0.05, 0.08), (0.66, height), 0.0);
    sketch.rectangle(other.shaded(0.8), -0.72, 0.26, 0.6, 0.4);
    for spot in [-0.35, -0.02, 0.3] {
        sketch.ellipse(coat.shaded(0.6), (spot, -0.02), (0.11, 0.13), 0.0);
    }
    sketch.disk(dark(), (0.9, -0.12), 0.04);
}

fn umbrella(sketch: &mut Sketch<'_>, coat: Paint, other: Paint) {
    let (width, height) = (sketch.about(0.8, 0.06), sketch.about(0.62, 0.08));
    sketch.stroke(dark(), (0.0, -0.6), (0.0, 0.75), 0.035, 0.035);
    sketch.stroke(dark(), (0.0, 0.75), (0.2, 0.8), 0.04, 0.04);
    for part in 0..6 {
        let angle = |index: f64| std::f64::consts::PI * (1.0 + index / 6.0);
        let rim =
            |index: f64| (width * libm::cos(angle(index)), 0.05 + height * libm::sin(angle(index)));
        let paint = if part % 2 == 0 { coat } else { other };
        sketch.polygon(paint, &[(0.0, 0.05), rim(f64::from(part)), rim(f64::from(part + 1))]);
    }
}
