//! Drawing figures part by part, each with a little chance in it.

use super::form::{Form, Point};
use super::paint::Paint;
use super::scene::Part;
use crate::Stream;

/// A figure under way. Its units: it fills the circle of radius 1 about the origin, y downwards.
pub(crate) struct Sketch<'a> {
    pub(crate) stream: &'a mut Stream,
    parts: Vec<Part>,
}

/// Eyes, noses, wheels.
pub(crate) fn dark() -> Paint {
    Paint::plain([0.06, 0.05, 0.06])
}

/// Whites, window panes.
pub(crate) fn light() -> Paint {
    Paint::plain([0.92, 0.9, 0.85])
}

/// Tongues, inner ears.
pub(crate) fn pink() -> Paint {
    Paint::plain([0.86, 0.56, 0.54])
}

impl<'a> Sketch<'a> {
    pub(crate) fn new(stream: &'a mut Stream) -> Self {
        Self { stream, parts: Vec::new() }
    }

    pub(crate) fn finish(self) -> Vec<Part> {
        self.parts
    }

    /// A number within a tolerance of another.
    pub(crate) fn about(&mut self, value: f64, tolerance: f64) -> f64 {
        self.stream.uniform(value - tolerance, value + tolerance)
    }

    /// True with a probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.stream.unit() < probability
    }

    pub(crate) fn ellipse(&mut self, paint: Paint, center: Point, radii: (f64, f64), angle: f64) {
        self.parts.push(Part { form: Form::Ellipse { center, radii, angle }, paint });
    }

    pub(crate) fn disk(&mut self, paint: Paint, center: Point, radius: f64) {
        self.ellipse(paint, center, (radius, radius), 0.0);
    }

    pub(crate) fn stroke(
        &mut self,
        paint: Paint,
        from: Point,
        to: Point,
        start_radius: f64,
        end_radius: f64,
    ) {
        self.parts.push(Part { form: Form::Stroke { from, to, start_radius, end_radius }, paint });
    }

    /// A convex polygon; its corners in any direction of turning.
    pub(crate) fn polygon(&mut self, paint: Paint, corners: &[Point]) {
        let mut corners = corners.to_vec();
        let next = corners.iter().cycle().skip(1);
        let doubled_area: f64 = corners.iter().zip(next).map(|(a, b)| a.0 * b.1 - b.0 * a.1).sum();
        if doubled_area < 0.0 {
            corners.reverse();
        }
        self.parts.push(Part { form: Form::Polygon(corners), paint });
    }

    /// An upright rectangle by its left, top, right and bottom.
    pub(crate) fn rectangle(&mut self, paint: Paint, left: f64, top: f64, right: f64, bottom: f64) {
        self.polygon(paint, &[(left, top), (right, top), (right, bottom), (left, bottom)]);
    }

    /// The same ellipse on the left and on the right.
    pub(crate) fn ellipses(&mut self, paint: Paint, center: Point, radii: (f64, f64), angle: f64) {
        self.ellipse(paint, (-center.0, center.1), radii, -angle);
        self.ellipse(paint, center, radii, angle);
    }

    /// The same triangle on the left and on the right.
    pub(crate) fn triangles(&mut self, paint: Paint, corners: [Point; 3]) {
        self.polygon(paint, &corners.map(|(x, y)| (-x, y)));
        self.polygon(paint, &corners);
    }
}
