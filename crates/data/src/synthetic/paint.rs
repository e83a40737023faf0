//! What covers a form: a colour and a texture.

use crate::Stream;

/// Red, green, blue in 0–1.
pub(crate) type Color = [f64; 3];

/// A pattern in the figure's own units, between a coat's two colours.
#[derive(Clone, Copy, Debug)]
enum Texture {
    Plain,
    Fur { scale: f64 },
    Stripes { frequency: f64, direction: (f64, f64) },
    Spots { scale: f64, share: f64 },
}

/// A colour, a second one and the pattern that mixes them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    color: Color,
    second: Color,
    texture: Texture,
    seed: u64,
}

/// Coats of real animals, from black to white.
const COATS: [Color; 9] = [
    [0.10, 0.09, 0.09],
    [0.25, 0.18, 0.13],
    [0.42, 0.28, 0.17],
    [0.62, 0.42, 0.24],
    [0.78, 0.55, 0.32],
    [0.45, 0.44, 0.43],
    [0.65, 0.64, 0.62],
    [0.85, 0.78, 0.66],
    [0.92, 0.91, 0.89],
];

impl Paint {
    /// One colour everywhere.
    pub(crate) fn plain(color: Color) -> Self {
        Self { color, second: color, texture: Texture::Plain, seed: 0 }
    }

    /// Two coats' colours with a pattern of any kind.
    pub(crate) fn coat(stream: &mut Stream) -> Self {
        let first = COATS[stream.below(COATS.len())];
        let second = COATS[stream.below(COATS.len())];
        let color = first.map(|value| (value + stream.uniform(-0.06, 0.06)).clamp(0.02, 0.98));
        Self::patterned(stream, color, second)
    }

    /// Any colour with a pattern of any kind.
    pub(crate) fn any(stream: &mut Stream) -> Self {
        let color = std::array::from_fn(|_| stream.uniform(0.05, 0.95));
        let second = std::array::from_fn(|_| stream.uniform(0.05, 0.95));
        Self::patterned(stream, color, second)
    }

    fn patterned(stream: &mut Stream, color: Color, second: Color) -> Self {
        let texture = match stream.below(5) {
            0 => Texture::Plain,
            1 | 2 => Texture::Fur { scale: stream.uniform(6.0, 14.0) },
            3 => {
                let angle = stream.uniform(0.0, std::f64::consts::PI);
                Texture::Stripes {
                    frequency: stream.uniform(8.0, 18.0),
                    direction: (libm::cos(angle), libm::sin(angle)),
                }
            }
            _ => {
                Texture::Spots { scale: stream.uniform(3.0, 6.0), share: stream.uniform(0.3, 0.6) }
            }
        };
        Self { color, second, texture, seed: stream.word() }
    }

    /// The same, brighter or darker.
    pub(crate) fn shaded(self, factor: f64) -> Self {
        let shade = |color: Color| color.map(|value| (value * factor).min(1.0));
        Self { color: shade(self.color), second: shade(self.second), ..self }
    }

    /// The colour at a place.
    pub(crate) fn at(&self, x: f64, y: f64) -> Color {
        let share = match self.texture {
            Texture::Plain => 0.0,
            Texture::Fur { scale } => 0.5 * noise(self.seed, x * scale, y * scale * 0.6),
            Texture::Stripes { frequency, direction } => {
                let along =
                    x * direction.0 + y * direction.1 + 0.15 * noise(self.seed, x * 3.0, y * 3.0);
                0.5 + 0.5 * libm::sin(along * frequency)
            }
            Texture::Spots { scale, share } => {
                ((noise(self.seed, x * scale, y * scale) - 1.0 + share) * 8.0 + 0.5).clamp(0.0, 1.0)
            }
        };
        std::array::from_fn(|channel| {
            self.color[channel] + share * (self.second[channel] - self.color[channel])
        })
    }
}

/// Smooth noise in 0–1 with one random value per unit square.
pub(crate) fn noise(seed: u64, x: f64, y: f64) -> f64 {
    let (column, row) = (x.floor(), y.floor());
    let smooth = |t: f64| t * t * (3.0 - 2.0 * t);
    let (u, v) = (smooth(x - column), smooth(y - row));
    let corner = |dx: i64, dy: i64| lattice(seed, column as i64 + dx, row as i64 + dy);
    let top = corner(0, 0) + u * (corner(1, 0) - corner(0, 0));
    let bottom = corner(0, 1) + u * (corner(1, 1) - corner(0, 1));
    top + v * (bottom - top)
}

/// A number in [0, 1) that belongs to a lattice point, by the finalizer of SplitMix64 (Steele, Lea
/// & Flood 2014).
pub(crate) fn lattice(seed: u64, column: i64, row: i64) -> f64 {
    let mut state = seed
        ^ (column as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
        ^ (row as u64).wrapping_mul(0xC2B2_AE3D_27D4_EB4F);
    state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((state ^ (state >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lattices_are_splitmix64_of_their_place() {
        // By the same arithmetic in Python's integers, modulo 2⁶⁴; the first is the first number of
        // SplitMix64 from 0, 0xe220a8397b1dcdaf (Steele, Lea and Flood 2014).
        for ((seed, column, row), expected) in [
            ((0, 1, 0), 0.883_310_808_213_642_6),
            ((7, 3, -2), 0.852_180_733_112_711_4),
            ((u64::MAX, -5, 11), 0.088_130_477_000_417_98),
        ] {
            assert_eq!(lattice(seed, column, row), expected);
        }
    }
}
