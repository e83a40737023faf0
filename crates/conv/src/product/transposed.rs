//! `result + leftᵀ · right`.

use std::ops::Range;

use pulp::Simd;

use super::{StridedRows, in_groups, load, store};
use crate::arithmetic::{Arithmetic, WithArithmetic, run};
use crate::simd::{prefetch, prefetch_lines};

/// Rows of a transposed product that are summed in registers before they are added to the result:
/// enough to be worth it, few enough that they stay in the cache while one part of the result after
/// the other reads them.
const ROWS_PER_SUM: usize = 96;

/// How many rows after the present one those in memory are fetched.
const ROWS_AHEAD: usize = 16;

/// Where the rows of a transposed product are likely to be found. It changes the time, and no bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    InCache,
    InMemory,
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
    rows: Rows,
) {
    assert_eq!(left.segments, 1, "segments of a transposed product");
    assert!(
        right.len() + right_step >= left.rows * right_step + columns,
        "rows of a transposed product"
    );
    assert_eq!(result.len(), left.segment_length * columns, "elements of a transposed product");
    run(left.elements, TransposedProduct { left, right, right_step, columns, result, rows });
}

pub(super) struct TransposedProduct<'a> {
    pub(super) left: StridedRows<'a>,
    pub(super) right: &'a [f32],
    pub(super) right_step: usize,
    pub(super) columns: usize,
    pub(super) result: &'a mut [f32],
    pub(super) rows: Rows,
}

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
                if self.rows == Rows::InMemory {
                    prefetch(&values[0], ROWS_AHEAD * self.left.row_step);
                    prefetch_lines(&right[columns.clone()], ROWS_AHEAD * self.right_step);
                }
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
