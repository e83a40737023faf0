//! Plane figures by their signed distance: negative inside, in the figure's own units.

/// A place in the plane; x to the right, y downwards.
pub(crate) type Point = (f64, f64);

/// A plane figure.
#[derive(Clone, Debug)]
pub(crate) enum Form {
    /// An ellipse turned by an angle in radians.
    Ellipse { center: Point, radii: (f64, f64), angle: f64 },
    /// A convex polygon, its corners in clockwise order as seen (y downwards).
    Polygon(Vec<Point>),
    /// A line with round ends, from one thickness to another.
    Stroke { from: Point, to: Point, start_radius: f64, end_radius: f64 },
}

impl Form {
    /// Signed distance to the edge; exact for strokes of one thickness and inside polygons, a
    /// first-order estimate elsewhere.
    pub(crate) fn distance(&self, (x, y): Point) -> f64 {
        match self {
            Self::Ellipse { center, radii, angle } => {
                let (sine, cosine) = (libm::sin(*angle), libm::cos(*angle));
                let (dx, dy) = (x - center.0, y - center.1);
                let (u, v) =
                    ((dx * cosine + dy * sine) / radii.0, (dy * cosine - dx * sine) / radii.1);
                // f = |(u, v)| − 1 vanishes on the edge; dividing by the length of its gradient
                // makes it a distance.
                let length = (u * u + v * v).sqrt();
                let gradient =
                    ((u / radii.0).powi(2) + (v / radii.1).powi(2)).sqrt() / length.max(1e-9);
                if length < 1e-6 { -radii.0.min(radii.1) } else { (length - 1.0) / gradient }
            }
            Self::Polygon(corners) => {
                let next = corners.iter().cycle().skip(1);
                let side = |((ax, ay), (bx, by)): (&Point, &Point)| {
                    let (ex, ey) = (bx - ax, by - ay);
                    ((x - ax) * ey - (y - ay) * ex) / (ex * ex + ey * ey).sqrt().max(1e-9)
                };
                corners.iter().zip(next).map(side).fold(f64::NEG_INFINITY, f64::max)
            }
            Self::Stroke { from, to, start_radius, end_radius } => {
                let (ex, ey) = (to.0 - from.0, to.1 - from.1);
                let along = (((x - from.0) * ex + (y - from.1) * ey)
                    / (ex * ex + ey * ey).max(1e-12))
                .clamp(0.0, 1.0);
                let (dx, dy) = (x - from.0 - along * ex, y - from.1 - along * ey);
                (dx * dx + dy * dy).sqrt() - (start_radius + along * (end_radius - start_radius))
            }
        }
    }

    /// Its middle and half its size along the axes, roughly; shading follows them.
    pub(crate) fn extent(&self) -> (Point, (f64, f64)) {
        match self {
            Self::Ellipse { center, radii, .. } => (*center, *radii),
            Self::Polygon(corners) => {
                let bounds = |pick: fn(&Point) -> f64| {
                    let values = || corners.iter().map(pick);
                    (
                        values().fold(f64::INFINITY, f64::min),
                        values().fold(f64::NEG_INFINITY, f64::max),
                    )
                };
                let ((left, right), (top, bottom)) =
                    (bounds(|corner| corner.0), bounds(|corner| corner.1));
                (
                    ((left + right) / 2.0, (top + bottom) / 2.0),
                    ((right - left) / 2.0, (bottom - top) / 2.0),
                )
            }
            Self::Stroke { from, to, start_radius, end_radius } => {
                let radius = start_radius.max(*end_radius);
                let half = |a: f64, b: f64| (a - b).abs() / 2.0 + radius;
                (
                    ((from.0 + to.0) / 2.0, (from.1 + to.1) / 2.0),
                    (half(from.0, to.0), half(from.1, to.1)),
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_negative_inside_zero_on_the_edge_and_positive_outside() {
        let circle = Form::Ellipse { center: (1.0, 2.0), radii: (0.5, 0.5), angle: 0.3 };
        let square = Form::Polygon(vec![(0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0)]);
        let stroke =
            Form::Stroke { from: (0.0, 0.0), to: (4.0, 0.0), start_radius: 1.0, end_radius: 1.0 };
        for (form, point, distance) in [
            (&circle, (1.0, 2.0), -0.5),
            (&circle, (1.5, 2.0), 0.0),
            (&circle, (1.0, 3.0), 0.5),
            (&square, (1.0, 1.0), -1.0),
            (&square, (2.0, 1.0), 0.0),
            (&square, (3.0, 1.0), 1.0),
            (&stroke, (2.0, 0.0), -1.0),
            (&stroke, (5.0, 0.0), 0.0),
            (&stroke, (2.0, 3.0), 2.0),
        ] {
            assert!(
                (form.distance(point) - distance).abs() < 1e-12,
                "{form:?} at {point:?}: {}",
                form.distance(point)
            );
        }
    }
}
