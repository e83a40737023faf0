//! The gradients of one step.

use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, TensorId};
use thaw_conv::add_dense_weights_gradient;

/// Gradients by variable. That of a dense layer's weights stays a product of two small matrices:
/// written out it would be as large as the weights, and moving it to memory and back costs more
/// than computing it.
#[derive(Debug)]
pub struct Gradients {
    /// Gradients that are written out, by variable.
    pub store: GradStore,
    products: Vec<(TensorId, OuterProduct)>,
}

/// `inputᵀ · gradient`, the gradient of a dense layer's weights `[inputs, outputs]`.
#[derive(Debug)]
pub(crate) struct OuterProduct {
    /// Input of the layer, `[batch, inputs]`.
    pub(crate) input: Tensor,
    /// Gradient before the activation, `[batch, outputs]`.
    pub(crate) gradient: Vec<f32>,
    pub(crate) outputs: usize,
}

impl OuterProduct {
    /// Adds some rows, from the given one on.
    pub(crate) fn add_rows(&self, input: &[f32], first_row: usize, result: &mut [f32]) {
        add_dense_weights_gradient(input, &self.gradient, self.outputs, first_row, result);
    }
}

impl OuterProduct {
    /// The sum of the squares of all its numbers, without writing them out: that of the products of
    /// both factors' Gram matrices, for ‖XᵀG‖² = ⟨XXᵀ, GGᵀ⟩.
    fn sum_of_squares(&self) -> Result<f64> {
        let input = self.input.to_vec2::<f32>()?;
        let rows: Vec<&[f32]> = self.gradient.chunks(self.outputs).collect();
        let dot = |one: &[f32], other: &[f32]| -> f64 {
            one.iter().zip(other).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        };
        let pairs = (0..rows.len()).flat_map(|one| (0..rows.len()).map(move |other| (one, other)));
        Ok(pairs
            .map(|(one, other)| dot(&input[one], &input[other]) * dot(rows[one], rows[other]))
            .sum())
    }
}

impl Gradients {
    /// Gradients of a loss by all variables of Candle's graph.
    ///
    /// # Errors
    /// When Candle has no gradient for an operation.
    pub fn of(loss: &Tensor) -> Result<Self> {
        Ok(Self { store: loss.backward()?, products: Vec::new() })
    }

    /// Gives a variable a gradient of zeros, as libraries do that fill gradients with zeros instead
    /// of taking them away: an optimizer then still applies momentum and weight decay.
    ///
    /// # Errors
    /// When the device has no room.
    pub fn insert_zeros(&mut self, variable: &Tensor) -> Result<()> {
        self.store.insert(variable, variable.zeros_like()?);
        Ok(())
    }

    /// The sum of the squares of a variable's gradient; 0 for one that has none.
    pub(crate) fn sum_of_squares(&self, variable: &Tensor) -> Result<f64> {
        if let Some(product) = self.product(variable) {
            return product.sum_of_squares();
        }
        let Some(gradient) = self.store.get(variable) else { return Ok(0.0) };
        let values = gradient.flatten_all()?.to_vec1::<f32>()?;
        Ok(values.iter().map(|value| f64::from(*value).powi(2)).sum())
    }

    pub(crate) fn insert_product(&mut self, variable: &Tensor, product: OuterProduct) {
        self.products.push((variable.id(), product));
    }

    pub(crate) fn product(&self, variable: &Tensor) -> Option<&OuterProduct> {
        self.products.iter().find(|(id, _)| *id == variable.id()).map(|(_, product)| product)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn a_product_has_the_squares_of_its_numbers() -> Result<()> {
        let input: Vec<f32> = (0..12).map(|place| (place % 5) as f32 - 1.5).collect();
        let gradient: Vec<f32> = (0..6).map(|place| 0.3 * place as f32 - 0.7).collect();
        let (batch, inputs, outputs) = (3, 4, 2);
        let product = OuterProduct {
            input: Tensor::from_vec(input.clone(), (batch, inputs), &Device::Cpu)?,
            gradient,
            outputs,
        };
        let mut written = vec![0f32; inputs * outputs];
        product.add_rows(&input, 0, &mut written);
        let expected: f64 = written.iter().map(|value| f64::from(*value).powi(2)).sum();
        assert!((product.sum_of_squares()? - expected).abs() < 1e-5 * expected);
        Ok(())
    }
}
