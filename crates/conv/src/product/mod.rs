//! Matrix products on one thread, vectorised for the processor at hand.
//!
//! Every element of a product is one chain of fused multiply-adds in the order of the inner
//! dimension; of a transposed product, which sums over pixels, a chain for each group of lines. How rows and columns are grouped into registers therefore changes nothing: not the
//! number of rows computed together, nor the width of the processor's vectors. On processors that
//! fuse, results are equal to the last bit.
//!
//! A left matrix need not lie in memory as one: its rows may be windows of an image that overlap,
//! each made of segments ([`StridedRows`]). This is what makes a convolution a product without
//! gathering patches first (Zhang, Franchetti & Low 2018 call it direct convolution).

use pulp::Simd;

use crate::arithmetic::Elements;

mod multiply;
mod panels;
mod transposed;

pub(crate) use multiply::{InitialSum, multiply};
pub(crate) use panels::{PanelColumns, Panels};
pub(crate) use transposed::{Rows, add_transposed_product};

/// The left side of a product: `rows` rows, `line` of them at equal steps, then a greater step to
/// the next line; each row is made of `segments` pieces of `segment_length` numbers, `segment_step`
/// apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StridedRows<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) rows: usize,
    pub(crate) line: usize,
    pub(crate) row_step: usize,
    pub(crate) line_step: usize,
    pub(crate) segments: usize,
    pub(crate) segment_length: usize,
    pub(crate) segment_step: usize,
    /// What the numbers of both sides are.
    pub(crate) elements: Elements,
}

impl<'a> StridedRows<'a> {
    /// A matrix whose rows begin `step` numbers apart.
    pub(crate) fn matrix(data: &'a [f32], rows: usize, inner: usize, step: usize) -> Self {
        Self {
            data,
            rows,
            line: rows.max(1),
            row_step: step,
            line_step: 0,
            segments: 1,
            segment_length: inner,
            segment_step: 0,
            elements: Elements::Numbers,
        }
    }

    /// The same with other elements.
    pub(crate) fn of(self, elements: Elements) -> Self {
        Self { elements, ..self }
    }

    /// First numbers of some neighbouring rows, from the given row on. Rows are few and divisions
    /// slow, so there is one.
    #[inline(always)]
    fn starts<const R: usize>(&self, row: usize) -> [usize; R] {
        let (mut line, mut within) = (row / self.line, row % self.line);
        let mut starts = [0; R];
        for start in &mut starts {
            *start = line * self.line_step + within * self.row_step;
            within += 1;
            if within == self.line {
                (line, within) = (line + 1, 0);
            }
        }
        starts
    }
}

/// Splits `0..rows` into groups of at most the given sizes, largest first, and calls the kernel of
/// each group's size.
macro_rules! in_groups {
    ($rows:expr, $row:ident, $($size:literal => $call:expr),+) => {{
        let (rows, mut $row) = ($rows, 0);
        $(while rows - $row >= $size { $call; $row += $size; })+
    }};
}
use in_groups;

/// Splits `0..rows` into as few groups as there can be of at most the first of the given sizes, which
/// are all sizes down to 1, and calls the kernel of each group's size. The groups differ by one row at
/// most, because a kernel for few rows waits for its own sums.
macro_rules! in_even_groups {
    ($rows:expr, $row:ident, $parameter:ident in $largest:literal $($smaller:literal)+ => $call:expr) => {{
        let (rows, mut $row) = ($rows, 0usize);
        let groups = rows.div_ceil($largest);
        let (size, larger) = (rows / groups.max(1), rows % groups.max(1));
        for group in 0..groups {
            let size = size + usize::from(group < larger);
            match size {
                $($smaller => {
                    const $parameter: usize = $smaller;
                    $call;
                })+
                $largest => {
                    const $parameter: usize = $largest;
                    $call;
                }
                _ => unreachable!("a group of {size} rows"),
            }
            $row += size;
        }
    }};
}
use in_even_groups;

#[inline(always)]
fn load<S: Simd, const V: usize>(simd: S, values: &[f32]) -> [S::f32s; V] {
    std::array::from_fn(|vector| {
        let from = (vector * S::F32_LANES).min(values.len());
        simd.partial_load_f32s(&values[from..values.len().min(from + S::F32_LANES)])
    })
}

#[inline(always)]
fn store<S: Simd, const V: usize>(simd: S, vectors: [S::f32s; V], values: &mut [f32]) {
    if values.len() == V * S::F32_LANES {
        S::as_mut_simd_f32s(values).0.copy_from_slice(&vectors);
        return;
    }
    for (vector, values) in vectors.into_iter().zip(values.chunks_mut(S::F32_LANES)) {
        simd.partial_store_f32s(values, vector);
    }
}

#[cfg(test)]
mod tests {
    use super::multiply::Product;
    use super::transposed::TransposedProduct;
    use super::*;
    use crate::Activation;
    #[cfg(target_arch = "x86_64")]
    use crate::arithmetic::native::NativePairs;
    use crate::arithmetic::{Arithmetic, Numbers, Pairs, WithArithmetic};

    /// Integers, so that sums are exact whatever their order.
    fn integers(length: usize, modulus: usize) -> Vec<f32> {
        (0..length).map(|index| (index * 7919 % modulus) as f32 - (modulus / 2) as f32).collect()
    }

    #[test]
    fn products_of_all_shapes_are_exact_on_integers() {
        for rows in (1..=13).chain([24, 26, 31, 50]) {
            for inner in [1, 2, 7, 16] {
                for columns in [1, 3, 8, 15, 16, 17, 31, 32, 33, 48, 65] {
                    let (left, right) = (integers(rows * inner, 13), integers(inner * columns, 11));
                    let bias = integers(columns, 5);
                    let mut output = vec![0f32; rows * columns];
                    let panels = Panels::pack(&right, inner, columns, columns, 1);
                    let panels = panels.matrix(0);
                    let matrix = StridedRows::matrix(&left, rows, inner, inner);
                    multiply(
                        matrix,
                        panels,
                        InitialSum::Columns(&bias),
                        Activation::Linear,
                        &mut output,
                        columns,
                    );
                    let mut transposed = integers(inner * columns, 3);
                    let before = transposed.clone();
                    let other = integers(rows * columns, 17);
                    add_transposed_product(
                        matrix,
                        &other,
                        columns,
                        columns,
                        &mut transposed,
                        Rows::InMemory,
                    );
                    for column in 0..columns {
                        for row in 0..rows {
                            let sum: f32 = (0..inner)
                                .map(|k| left[row * inner + k] * right[k * columns + column])
                                .sum();
                            assert_eq!(
                                output[row * columns + column],
                                sum + bias[column],
                                "{rows}×{inner}×{columns}"
                            );
                        }
                        for k in 0..inner {
                            let sum: f32 = (0..rows)
                                .map(|row| left[row * inner + k] * other[row * columns + column])
                                .sum();
                            assert_eq!(
                                transposed[k * columns + column],
                                before[k * columns + column] + sum,
                                "{rows}×{inner}×{columns}"
                            );
                        }
                    }
                }
            }
        }
    }

    /// The bits of both kinds of product, computed with vectors of one width.
    fn bits<S: Simd, A: Arithmetic<S>>(simd: S, arithmetic: A) -> Vec<u32> {
        let (rows, inner, columns) = (31, 40, 53);
        let fractions = |length: usize, divisor: f32| {
            integers(length, 1009).into_iter().map(|value| value / divisor).collect::<Vec<f32>>()
        };
        let (left, right, other) = (
            fractions(rows * inner, 7.0),
            fractions(inner * columns, 11.0),
            fractions(rows * columns, 13.0),
        );
        let panels = Panels::pack_for(S::F32_LANES, &right, inner, columns, columns, 1);
        let matrix = StridedRows::matrix(&left, rows, inner, inner);
        let (mut output, mut transposed) =
            (vec![0f32; rows * columns], vec![0f32; inner * columns]);
        let activation = Activation::Linear;
        let product = Product {
            left: matrix,
            right: panels.matrix(0),
            initial: InitialSum::Zero,
            activation,
            output: &mut output,
            output_step: columns,
        };
        product.with_arithmetic(simd, arithmetic);
        let product = TransposedProduct {
            left: matrix,
            right: &other,
            right_step: columns,
            columns,
            result: &mut transposed,
            rows: Rows::InMemory,
        };
        product.with_arithmetic(simd, arithmetic);
        output.iter().chain(&transposed).map(|value| value.to_bits()).collect()
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_width_of_vectors_changes_no_bit() {
        let (narrow, narrow_pairs) = (bits(pulp::Scalar, Numbers), bits(pulp::Scalar, Pairs));
        if let Some(simd) = pulp::x86::V3::try_new() {
            assert_eq!(bits(simd, Numbers), narrow, "AVX2");
            assert_eq!(bits(simd, Pairs), narrow_pairs, "pairs with AVX2");
        }
        if let Some(simd) = pulp::x86::V4::try_new() {
            assert_eq!(bits(simd, Numbers), narrow, "AVX-512");
            assert_eq!(bits(simd, Pairs), narrow_pairs, "pairs with AVX-512");
            if let Some(native) = NativePairs::detected() {
                assert_eq!(bits(simd, native), narrow_pairs, "pairs with AVX-512 BF16");
            }
        }
    }

    #[test]
    fn rows_may_overlap_and_be_made_of_segments() {
        // A 4×5 image of one channel under a 2×3 window: 3×3 output pixels.
        let (image, kernel) = (integers(20, 9), integers(6, 5));
        let left = StridedRows {
            data: &image,
            rows: 9,
            line: 3,
            row_step: 1,
            line_step: 5,
            segments: 2,
            segment_length: 3,
            segment_step: 5,
            elements: Elements::Numbers,
        };
        let mut output = vec![0f32; 9];
        multiply(
            left,
            Panels::pack(&kernel, 6, 1, 1, 1).matrix(0),
            InitialSum::Zero,
            Activation::Relu,
            &mut output,
            1,
        );
        for (pixel, value) in output.into_iter().enumerate() {
            let (y, x) = (pixel / 3, pixel % 3);
            let sum: f32 = (0..2)
                .flat_map(|i| (0..3).map(move |j| (i, j)))
                .map(|(i, j)| image[(y + i) * 5 + x + j] * kernel[i * 3 + j])
                .sum();
            assert_eq!(value, sum.max(0.0));
        }
    }
}
