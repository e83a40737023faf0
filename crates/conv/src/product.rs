//! Matrix products on one thread, vectorised for the processor at hand.
//!
//! Every element of a product is one chain of fused multiply-adds in the order of the inner
//! dimension. How rows and columns are grouped into registers therefore changes nothing: not the
//! number of rows computed together, nor the width of the processor's vectors. On processors that
//! fuse, results are equal to the last bit.
//!
//! A left matrix need not lie in memory as one: its rows may be windows of an image that overlap,
//! each made of segments ([`StridedRows`]). This is what makes a convolution a product without
//! gathering patches first (Zhang, Franchetti & Low 2018 call it direct convolution).

use std::ops::Range;

use pulp::Simd;
use rayon::prelude::*;

use crate::Activation;
use crate::arithmetic::{Arithmetic, Elements, WithArithmetic, run};
use crate::buffer::{Buffer, BufferPool};
use crate::simd::lanes;

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

/// The right sides of products, laid out in the order in which they are read: panels of two vectors
/// of columns, in each the matrices one after the other, row after row. The last panel is half as
/// wide if that is enough, and filled up with zeros.
#[derive(Debug)]
pub(crate) struct Panels {
    storage: Buffer,
    matrices: usize,
    inner: usize,
    columns: usize,
    width: usize,
}

/// Some columns of one of the matrices of [`Panels`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct PanelColumns<'a> {
    panels: &'a Panels,
    matrix: usize,
    /// A multiple of the panels' width.
    first_column: usize,
    columns: usize,
}

impl Panels {
    /// Lays out the matrix whose element in row `k` and column `n` is `data[k · inner_step + n ·
    /// column_step]`.
    pub(crate) fn pack(
        data: &[f32],
        inner: usize,
        columns: usize,
        inner_step: usize,
        column_step: usize,
    ) -> Self {
        Self::pack_for(lanes(), data, inner, columns, inner_step, column_step)
    }

    /// Implements [`Panels::pack`] for vectors of some width.
    fn pack_for(
        lanes: usize,
        data: &[f32],
        inner: usize,
        columns: usize,
        inner_step: usize,
        column_step: usize,
    ) -> Self {
        let mut panels = Self::room_for(lanes, 1, inner, columns);
        panels.fill(|columns, values| {
            for (k, row) in
                values.chunks_exact_mut(columns.len().next_multiple_of(lanes)).enumerate()
            {
                row[columns.len()..].fill(0.0);
                if column_step == 1 {
                    row[..columns.len()].copy_from_slice(&data[k * inner_step..][columns.clone()]);
                } else {
                    for (value, column) in row.iter_mut().zip(columns.clone()) {
                        *value = data[k * inner_step + column * column_step];
                    }
                }
            }
        });
        panels
    }

    /// Room for some matrices of `inner` rows and `columns` columns, with numbers of any value.
    pub(crate) fn room(matrices: usize, inner: usize, columns: usize) -> Self {
        Self::room_for(lanes(), matrices, inner, columns)
    }

    fn room_for(lanes: usize, matrices: usize, inner: usize, columns: usize) -> Self {
        let length = matrices * inner * columns.next_multiple_of(lanes);
        let storage = BufferPool::of_kernels().take(length);
        Self { storage, matrices, inner, columns, width: 2 * lanes }
    }

    /// Lets `fill(columns, panel)` write each panel, in parallel where that is worth it: all
    /// matrices one after the other, each with `inner` rows of as many whole vectors as the columns
    /// need.
    pub(crate) fn fill(&mut self, fill: impl Fn(Range<usize>, &mut [f32]) + Sync) {
        let panel = (self.matrices * self.inner * self.width).max(1);
        let storage = &mut self.storage[..];
        let write = |(number, values): (usize, &mut [f32])| {
            let first = number * self.width;
            fill(first..self.columns.min(first + self.width), values);
        };
        if storage.len() > PARALLEL_FILL {
            storage.par_chunks_mut(panel).enumerate().for_each(write);
        } else {
            storage.chunks_mut(panel).enumerate().for_each(write);
        }
    }

    /// All columns of one of the matrices.
    pub(crate) fn matrix(&self, matrix: usize) -> PanelColumns<'_> {
        PanelColumns { panels: self, matrix, first_column: 0, columns: self.columns }
    }

    /// Groups of whole panels, of about `width` columns each.
    pub(crate) fn column_groups(&self, width: usize) -> impl Iterator<Item = Range<usize>> {
        let width = width.next_multiple_of(self.width);
        (0..self.columns).step_by(width).map(move |first| first..self.columns.min(first + width))
    }
}

impl<'a> PanelColumns<'a> {
    /// The part of it in one of [`Panels::column_groups`].
    pub(crate) fn columns(self, columns: Range<usize>) -> Self {
        Self { first_column: columns.start, columns: columns.len(), ..self }
    }

    /// The panel that begins with a column, counted from the first of these, `vectors` vectors
    /// wide.
    fn panel<S: Simd>(self, column: usize, vectors: usize) -> &'a [S::f32s] {
        let Panels { storage, matrices, inner, .. } = self.panels;
        let (length, column) = (inner * vectors, self.first_column + column);
        &S::as_simd_f32s(
            &storage[inner * (matrices * column + self.matrix * vectors * S::F32_LANES)..],
        )
        .0[..length]
    }
}

/// Numbers of panels from which on several threads fill them.
const PARALLEL_FILL: usize = 1 << 16;

/// Initial values of the sums of a product.
#[derive(Clone, Copy, Debug)]
pub(crate) enum InitialSum<'a> {
    /// Zero.
    Zero,
    /// One number per column, such as a bias.
    Columns(&'a [f32]),
    /// The present values of the output.
    Output,
}

impl InitialSum<'_> {
    /// The part of it that belongs to some columns.
    pub(crate) fn columns(self, columns: Range<usize>) -> Self {
        match self {
            Self::Columns(values) => Self::Columns(&values[columns]),
            other => other,
        }
    }
}

/// `output = activation(initial + left · right)`; the output's rows begin `output_step` numbers
/// apart.
pub(crate) fn multiply(
    left: StridedRows<'_>,
    right: PanelColumns<'_>,
    initial: InitialSum<'_>,
    activation: Activation,
    output: &mut [f32],
    output_step: usize,
) {
    assert_eq!(
        left.segments * left.segment_length,
        right.panels.inner,
        "inner dimensions of a matrix product"
    );
    run(left.elements, Product { left, right, initial, activation, output, output_step });
}

struct Product<'a> {
    left: StridedRows<'a>,
    right: PanelColumns<'a>,
    initial: InitialSum<'a>,
    activation: Activation,
    output: &'a mut [f32],
    output_step: usize,
}

/// Splits `0..rows` into groups of at most the given sizes, largest first, and calls the kernel of
/// each group's size.
macro_rules! in_groups {
    ($rows:expr, $row:ident, $($size:literal => $call:expr),+) => {{
        let (rows, mut $row) = ($rows, 0);
        $(while rows - $row >= $size { $call; $row += $size; })+
    }};
}

impl WithArithmetic for Product<'_> {
    #[inline(always)]
    fn with_arithmetic<S: Simd, A: Arithmetic<S>>(mut self, simd: S, arithmetic: A) {
        let width = self.right.panels.width;
        for first in (0..self.right.columns).step_by(width) {
            let columns = first..self.right.columns.min(first + width);
            // Where there are 32 registers, 12 × 2 of them hold sums; where there are 16, 6 × 2 do.
            // Half a panel needs half of them.
            match (S::F32_LANES == 8, columns.len() > S::F32_LANES) {
                (false, true) => in_groups!(self.left.rows, row,
                    12 => self.block::<S, A, 12, 2>(simd, arithmetic, row, &columns), 8 => self.block::<S, A, 8, 2>(simd, arithmetic, row, &columns),
                    4 => self.block::<S, A, 4, 2>(simd, arithmetic, row, &columns), 1 => self.block::<S, A, 1, 2>(simd, arithmetic, row, &columns)),
                (false, false) => in_groups!(self.left.rows, row,
                    12 => self.block::<S, A, 12, 1>(simd, arithmetic, row, &columns), 4 => self.block::<S, A, 4, 1>(simd, arithmetic, row, &columns),
                    1 => self.block::<S, A, 1, 1>(simd, arithmetic, row, &columns)),
                (true, true) => in_groups!(self.left.rows, row,
                    6 => self.block::<S, A, 6, 2>(simd, arithmetic, row, &columns), 3 => self.block::<S, A, 3, 2>(simd, arithmetic, row, &columns),
                    1 => self.block::<S, A, 1, 2>(simd, arithmetic, row, &columns)),
                (true, false) => in_groups!(self.left.rows, row,
                    6 => self.block::<S, A, 6, 1>(simd, arithmetic, row, &columns), 1 => self.block::<S, A, 1, 1>(simd, arithmetic, row, &columns)),
            }
        }
    }
}

impl Product<'_> {
    /// `R` rows times `V` vectors of columns, summed in registers.
    #[inline(always)]
    fn block<S: Simd, A: Arithmetic<S>, const R: usize, const V: usize>(
        &mut self,
        simd: S,
        arithmetic: A,
        row: usize,
        columns: &Range<usize>,
    ) {
        let StridedRows { data, segments, segment_length, segment_step, .. } = self.left;
        let (panel, _) = self.right.panel::<S>(columns.start, V).as_chunks::<V>();
        let first: [S::f32s; V] = match self.initial {
            InitialSum::Zero | InitialSum::Output => [simd.splat_f32s(0.0); V],
            InitialSum::Columns(values) => load(simd, &values[columns.clone()]),
        };
        let mut sums = [first; R];
        if let InitialSum::Output = self.initial {
            for (index, sums) in sums.iter_mut().enumerate() {
                *sums =
                    load(simd, &self.output[(row + index) * self.output_step..][columns.clone()]);
            }
        }
        let starts: [usize; R] = self.left.starts(row);
        for segment in 0..segments {
            let rows: [&[f32]; R] = std::array::from_fn(|index| {
                &data[starts[index] + segment * segment_step..][..segment_length]
            });
            for (k, right) in panel[segment * segment_length..][..segment_length].iter().enumerate()
            {
                for (sums, row) in sums.iter_mut().zip(rows) {
                    let value = simd.splat_f32s(row[k]);
                    for (sum, right) in sums.iter_mut().zip(right) {
                        *sum = arithmetic.multiply_add(simd, value, *right, *sum);
                    }
                }
            }
        }
        self.activation.vectors(simd, sums.as_flattened_mut());
        for (index, sums) in sums.into_iter().enumerate() {
            store(
                simd,
                sums,
                &mut self.output[(row + index) * self.output_step..][columns.clone()],
            );
        }
    }
}

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

/// `result[m][n] += Σ left[row][m] · right[row][n]` over all rows, for one segment of the left
/// rows. The rows of `right` have `result`'s columns and begin `right_step` numbers apart; `result`
/// has `segment_length` rows.
pub(crate) fn add_transposed_product(
    left: StridedRows<'_>,
    right: &[f32],
    right_step: usize,
    columns: usize,
    result: &mut [f32],
) {
    assert_eq!(left.segments, 1, "segments of a transposed product");
    assert!(
        right.len() + right_step >= left.rows * right_step + columns,
        "rows of a transposed product"
    );
    assert_eq!(result.len(), left.segment_length * columns, "elements of a transposed product");
    run(left.elements, TransposedProduct { left, right, right_step, columns, result });
}

struct TransposedProduct<'a> {
    left: StridedRows<'a>,
    right: &'a [f32],
    right_step: usize,
    columns: usize,
    result: &'a mut [f32],
}

/// Rows of a transposed product that are summed in registers before they are added to the result:
/// enough to be worth it, few enough that they stay in the cache while one part of the result after
/// the other reads them.
const ROWS_PER_SUM: usize = 96;

impl WithArithmetic for TransposedProduct<'_> {
    #[inline(always)]
    fn with_arithmetic<S: Simd, A: Arithmetic<S>>(mut self, simd: S, arithmetic: A) {
        let width = 2 * S::F32_LANES;
        let lines = self.left.rows.div_ceil(self.left.line);
        let lines_per_sum = ROWS_PER_SUM.div_ceil(self.left.line);
        for first_line in (0..lines).step_by(lines_per_sum) {
            let lines = first_line..lines.min(first_line + lines_per_sum);
            for first in (0..self.columns).step_by(width) {
                let columns = first..self.columns.min(first + width);
                match (S::F32_LANES == 8, columns.len() > S::F32_LANES) {
                    (false, true) => in_groups!(self.left.segment_length, row,
                        12 => self.block::<S, A, 12, 2>(simd, arithmetic, row, &lines, &columns),
                        4 => self.block::<S, A, 4, 2>(simd, arithmetic, row, &lines, &columns),
                        1 => self.block::<S, A, 1, 2>(simd, arithmetic, row, &lines, &columns)),
                    (false, false) => in_groups!(self.left.segment_length, row,
                        12 => self.block::<S, A, 12, 1>(simd, arithmetic, row, &lines, &columns),
                        4 => self.block::<S, A, 4, 1>(simd, arithmetic, row, &lines, &columns),
                        1 => self.block::<S, A, 1, 1>(simd, arithmetic, row, &lines, &columns)),
                    (true, _) => in_groups!(self.left.segment_length, row,
                        6 => self.block::<S, A, 6, 2>(simd, arithmetic, row, &lines, &columns),
                        3 => self.block::<S, A, 3, 2>(simd, arithmetic, row, &lines, &columns),
                        1 => self.block::<S, A, 1, 2>(simd, arithmetic, row, &lines, &columns)),
                }
            }
        }
    }
}

impl TransposedProduct<'_> {
    #[inline(always)]
    fn block<S: Simd, A: Arithmetic<S>, const R: usize, const V: usize>(
        &mut self,
        simd: S,
        arithmetic: A,
        row: usize,
        lines: &Range<usize>,
        columns: &Range<usize>,
    ) {
        let whole = columns.len() == V * S::F32_LANES;
        let mut sums = [[simd.splat_f32s(0.0); V]; R];
        for line in lines.clone() {
            let first = line * self.left.line;
            let count = self.left.line.min(self.left.rows - first);
            let mut left = &self.left.data[line * self.left.line_step + row..];
            for right in self.right[first * self.right_step..].chunks(self.right_step).take(count) {
                let values: &[f32; R] = left.first_chunk().expect("rows lie inside the data");
                left = left.get(self.left.row_step..).unwrap_or_default();
                let right: [S::f32s; V] = if whole {
                    S::as_simd_f32s(&right[columns.clone()]).0.as_chunks::<V>().0[0]
                } else {
                    load(simd, &right[columns.clone()])
                };
                for (sums, &value) in sums.iter_mut().zip(values) {
                    let value = simd.splat_f32s(value);
                    for (sum, right) in sums.iter_mut().zip(right) {
                        *sum = arithmetic.multiply_add(simd, value, right, *sum);
                    }
                }
            }
        }
        for (index, sums) in sums.into_iter().enumerate() {
            let result = &mut self.result[(row + index) * self.columns..][columns.clone()];
            if whole {
                for (value, sum) in S::as_mut_simd_f32s(result).0.iter_mut().zip(sums) {
                    *value = simd.add_f32s(*value, sum);
                }
                continue;
            }
            let before: [S::f32s; V] = load(simd, result);
            let after: [S::f32s; V] =
                std::array::from_fn(|vector| simd.add_f32s(before[vector], sums[vector]));
            store(simd, after, result);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "x86_64")]
    use crate::arithmetic::native::NativePairs;
    use crate::arithmetic::{Numbers, Pairs};

    /// Integers, so that sums are exact whatever their order.
    fn integers(length: usize, modulus: usize) -> Vec<f32> {
        (0..length).map(|index| (index * 7919 % modulus) as f32 - (modulus / 2) as f32).collect()
    }

    #[test]
    fn products_of_all_shapes_are_exact_on_integers() {
        for rows in [1, 2, 3, 5, 11, 12, 13, 24, 31] {
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
                    add_transposed_product(matrix, &other, columns, columns, &mut transposed);
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
