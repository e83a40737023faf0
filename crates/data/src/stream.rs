//! Randomness that is addressed, not consumed.
//!
//! Every draw comes from a stream named by (seed, purpose, epoch, index). The four numbers are the
//! key of a ChaCha8 generator, so streams are independent of each other, and what one of them
//! yields depends on nothing but its address: not on the order of execution, the number of threads,
//! caching or resuming.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Use of a stream; streams of different purposes are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Initial weights; the index counts tensors.
    Initialize,
    /// The order of the training images.
    Shuffle,
    /// Dropout masks; the index is the image.
    Dropout,
    /// Augmentation; the index is the image.
    Augment,
    /// Drawing synthetic pictures; the epoch stands for the split, the index for the picture.
    Draw,
    /// The order of the validation images, where a library shuffles them; the epoch counts passes
    /// through the whole split.
    Validate,
}

impl Purpose {
    fn code(self) -> u64 {
        match self {
            Self::Initialize => 1,
            Self::Shuffle => 2,
            Self::Dropout => 3,
            Self::Augment => 4,
            Self::Draw => 5,
            Self::Validate => 6,
        }
    }
}

/// The random numbers at one address.
///
/// # Example
/// ```
/// use thaw_data::{Purpose, Stream};
///
/// // The mask of image 17 in the fourth epoch of a training with seed 0.
/// let mut mask = Stream::new(0, Purpose::Dropout, 3, 17);
/// let first = mask.unit();
/// assert!((0.0..1.0).contains(&first));
///
/// // Whatever else was drawn before, the address gives the same numbers.
/// let mut order = Stream::new(0, Purpose::Shuffle, 3, 0).permutation(5);
/// assert_eq!(Stream::new(0, Purpose::Dropout, 3, 17).unit(), first);
///
/// // Another image has numbers of its own.
/// assert_ne!(Stream::new(0, Purpose::Dropout, 3, 18).unit(), first);
///
/// order.sort_unstable();
/// assert_eq!(order, [0, 1, 2, 3, 4]);
/// ```
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream at an address. Epochs are counted from 0 here.
    pub fn new(seed: u64, purpose: Purpose, epoch: usize, index: usize) -> Self {
        let mut key = [0u8; 32];
        for (place, word) in
            key.chunks_exact_mut(8).zip([seed, purpose.code(), epoch as u64, index as u64])
        {
            place.copy_from_slice(&word.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    /// The next number in [0, 1), with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// The next number in [low, high).
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// The next 64 random bits.
    pub(crate) fn word(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// An unbiased integer in `0..bound` (Lemire 2019, by rejection).
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = bound as u64;
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.0.next_u64()) * u128::from(bound);
            if product as u64 >= threshold {
                return (product >> 64) as usize;
            }
        }
    }

    /// A random permutation of `0..length` (Fisher & Yates).
    pub fn permutation(&mut self, length: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..length).collect();
        for last in (1..length).rev() {
            order.swap(last, self.below(last + 1));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_addresses_share_nothing() {
        let mut first: Vec<u64> = Vec::new();
        for (seed, purpose, epoch, index) in [
            (0, Purpose::Augment, 0, 0),
            (1, Purpose::Augment, 0, 0),
            (0, Purpose::Dropout, 0, 0),
            (0, Purpose::Augment, 1, 0),
            (0, Purpose::Augment, 0, 1),
        ] {
            let mut stream = Stream::new(seed, purpose, epoch, index);
            first.push(stream.unit().to_bits());
            assert_eq!(
                Stream::new(seed, purpose, epoch, index).unit().to_bits(),
                first[first.len() - 1],
                "an address always yields the same"
            );
        }
        first.sort_unstable();
        first.dedup();
        assert_eq!(first.len(), 5);
    }

    /// The numbers are those of `tools/golden/streams.py`, by which another program trains with the
    /// same draws.
    #[test]
    fn another_program_draws_the_same_numbers() {
        let of_image = |image| {
            let mut stream = Stream::new(0, Purpose::Dropout, 3, image);
            [stream.unit(), stream.unit()].map(|unit| (unit * 1e8).round() / 1e8)
        };
        assert_eq!(of_image(17), [0.836_782_47, 0.717_848_15]);
        assert_eq!(of_image(18), [0.766_399_64, 0.657_374_19]);
        let order = Stream::new(0, Purpose::Shuffle, 3, 0).permutation(10);
        assert_eq!(order, [5, 7, 2, 6, 4, 8, 1, 3, 0, 9]);
    }

    #[test]
    fn uniform_numbers_have_the_mean_and_variance_of_their_range() {
        let mut stream = Stream::new(7, Purpose::Initialize, 0, 0);
        let values: Vec<f64> = (0..100_000).map(|_| stream.uniform(-2.0, 4.0)).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance =
            values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
        // Five standard errors: √3/√100000 and about 2.7/√100000.
        assert!((mean - 1.0).abs() < 0.028, "{mean}");
        assert!((variance - 3.0).abs() < 0.043, "{variance}");
        assert!(values.iter().all(|value| (-2.0..4.0).contains(value)));
    }

    #[test]
    fn permutations_are_uniform() {
        // Each of 4! orders should come 1,000 times in 24,000; χ² with 23 degrees of freedom
        // exceeds 49.7 once in 1,000.
        let mut counts = std::collections::BTreeMap::new();
        for epoch in 0..24_000 {
            *counts
                .entry(Stream::new(3, Purpose::Shuffle, epoch, 0).permutation(4))
                .or_insert(0u32) += 1;
        }
        assert_eq!(counts.len(), 24);
        let chi_squared: f64 =
            counts.values().map(|&count| (f64::from(count) - 1000.0).powi(2) / 1000.0).sum();
        assert!(chi_squared < 49.7, "{chi_squared}");
    }
}
