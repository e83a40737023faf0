//! Numbers that tests and the scripts under `tools/golden` compute alike, so that only results are
//! stored.

/// Numbers in ±bound that look random: the high bits of Knuth's multiplicative hash.
pub(crate) fn formula(salt: u64, length: usize, bound: f64) -> Vec<f32> {
    let hashed = |index: u64| {
        let hashed = ((index + salt * 1_000_003) * 2_654_435_761) % (1 << 32);
        ((hashed ^ (hashed >> 15)) * 2_246_822_519) % (1 << 32)
    };
    (0..length as u64)
        .map(|index| ((hashed(index) as f64 / 4_294_967_296.0 * 2.0 - 1.0) * bound) as f32)
        .collect()
}
