//! A bounds-checked face for the `gemm` crate: single-threaded products of strided views.

/// A read-only matrix laid over a slice.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) row_stride: usize,
    pub(crate) column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Rows one after the other.
    pub(crate) fn row_major(data: &'a [f32], rows: usize, columns: usize) -> Self {
        Self { data, rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// Rows and columns exchanged.
    pub(crate) fn transposed(self) -> Self {
        Self { data: self.data, rows: self.columns, columns: self.rows, row_stride: self.column_stride, column_stride: self.row_stride }
    }

    /// Some neighbouring columns.
    pub(crate) fn columns(self, start: usize, count: usize) -> Self {
        assert!(start + count <= self.columns, "columns {start}..{} of {}", start + count, self.columns);
        Self { data: &self.data[start * self.column_stride..], columns: count, ..self }
    }

    fn fits(&self) -> bool {
        let last = self.rows.saturating_sub(1) * self.row_stride + self.columns.saturating_sub(1) * self.column_stride;
        self.rows == 0 || self.columns == 0 || last < self.data.len()
    }
}

/// What happens to what stands in the result's place already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Into {
    /// It is overwritten.
    Replace,
    /// The product is added to it.
    Add,
}

/// `result (+)= left · right`, with `result` in row-major order, on the calling thread.
pub(crate) fn multiply(result: &mut [f32], into: Into, left: Matrix<'_>, right: Matrix<'_>) {
    let (rows, columns, inner) = (left.rows, right.columns, left.columns);
    assert_eq!(inner, right.rows, "inner dimensions of a matrix product");
    assert_eq!(result.len(), rows * columns, "elements of a matrix product");
    assert!(left.fits() && right.fits(), "a matrix reaches beyond its data");
    let stride = |value: usize| isize::try_from(value).expect("strides are below the size of memory");
    // SAFETY: the assertions above keep every index `row · row_stride + column · column_stride` of both views inside their slices and
    // every index of the row-major result inside `result`; `result` is borrowed mutably, so nothing aliases it.
    #[expect(unsafe_code, reason = "gemm's interface is raw pointers")]
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            result.as_mut_ptr(),
            1,
            stride(columns),
            into == Into::Add,
            left.data.as_ptr(),
            stride(left.column_stride),
            stride(left.row_stride),
            right.data.as_ptr(),
            stride(right.column_stride),
            stride(right.row_stride),
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
