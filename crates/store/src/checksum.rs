//! A checksum that stands in the file that it is of, so that a flipped bit is found before it is computed
//! with.
//!
//! It is the value of `checksum` in a JSON object at the beginning, as safetensors has one, written without
//! blanks. The file is summed up with [`UNKNOWN`] in the place of its checksum. XXH3 (Collet 2019, 64 bits) finds
//! damage; it is no protection against somebody who wants to deceive.

use xxhash_rust::xxh3::Xxh3Default;

/// What stands in the place of a checksum until it is known.
pub const UNKNOWN: &str = "xxh3:0000000000000000";

/// What stands before a checksum, and how it begins. Within a text of JSON the quotes would be escaped.
const NAME: &[u8] = b"\"checksum\":\"";
const KIND: &[u8] = b"xxh3:";

/// Sums up the bytes of a file, in their order.
#[derive(Clone, Default)]
pub struct Checksum(Xxh3Default);

impl std::fmt::Debug for Checksum {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Checksum")
    }
}

impl Checksum {
    /// The next bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of all bytes, as long as [`UNKNOWN`].
    #[must_use]
    pub fn finish(&self) -> String {
        format!("xxh3:{:016x}", self.0.digest())
    }

    /// The place of the checksum among the first bytes of a file; nothing where they hold none.
    #[must_use]
    pub fn place(beginning: &[u8]) -> Option<usize> {
        let is_here = |place: &usize| {
            beginning[..*place].ends_with(NAME) && beginning[*place..].starts_with(KIND)
        };
        (0..=beginning.len().checked_sub(UNKNOWN.len())?).find(is_here)
    }

    /// Whether a file, whose checksum stands among its first `beginning` bytes, holds what was
    /// written; nothing where it has no checksum.
    #[must_use]
    pub fn is_right(bytes: &[u8], beginning: usize) -> Option<bool> {
        let place = Self::place(&bytes[..beginning.min(bytes.len())])?;
        let end = place + UNKNOWN.len();
        let mut checksum = Self::default();
        checksum.add(&bytes[..place]);
        checksum.add(UNKNOWN.as_bytes());
        checksum.add(&bytes[end..]);
        Some(checksum.finish().as_bytes() == &bytes[place..end])
    }

    /// Puts the checksum into a file in the place of [`UNKNOWN`]; it has to be among its first bytes.
    ///
    /// # Panics
    /// When it is not there.
    pub fn seal(bytes: &mut [u8]) {
        let place = Self::place(bytes).expect("a file that is sealed has a place for its checksum");
        let mut checksum = Self::default();
        checksum.add(bytes);
        bytes[place..place + UNKNOWN.len()].copy_from_slice(checksum.finish().as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        let mut sealed = format!("{{\"checksum\":\"{UNKNOWN}\"}} and values").into_bytes();
        let before = sealed.clone();
        let header = 40;
        Checksum::seal(&mut sealed);
        assert_ne!(sealed, before);
        assert_eq!(Checksum::is_right(&sealed, header), Some(true));
        assert_eq!(Checksum::is_right(b"{} and values", 2), None);
        for bit in 0..8 * sealed.len() {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(Checksum::is_right(&damaged, header), Some(true), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert_ne!(
                Checksum::is_right(&sealed[..length], header),
                Some(true),
                "cut to {length}"
            );
        }
    }

    #[test]
    fn it_is_the_published_function() {
        // XXH3_64bits of no bytes, from the reference implementation.
        assert_eq!(Checksum::default().finish(), "xxh3:2d06800538d394c2");
    }
}
