//! The parts of TensorFlow's `event.proto`, `summary.proto` and `tensor.proto` that scalars need,
//! with their field numbers.

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Event {
    /// Seconds since 1970-01-01 UTC.
    #[prost(double, tag = "1")]
    pub(crate) wall_time: f64,
    #[prost(int64, tag = "2")]
    pub(crate) step: i64,
    /// Version of the format, `brain.Event:2`, in the first event of a file.
    #[prost(string, optional, tag = "3")]
    pub(crate) file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    pub(crate) summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Summary {
    #[prost(message, repeated, tag = "1")]
    pub(crate) value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Value {
    #[prost(string, tag = "1")]
    pub(crate) tag: String,
    /// The scalar as TensorFlow 1 and PyTorch write it.
    #[prost(float, optional, tag = "2")]
    pub(crate) simple_value: Option<f32>,
    /// The scalar as TensorFlow 2 writes it.
    #[prost(message, optional, tag = "8")]
    pub(crate) tensor: Option<Tensor>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Tensor {
    /// Type of the elements: 1 for 32-bit floats, 2 for 64-bit floats.
    #[prost(int32, tag = "1")]
    pub(crate) dtype: i32,
    /// Elements in little-endian order.
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) tensor_content: Vec<u8>,
    #[prost(float, repeated, tag = "5")]
    pub(crate) float_val: Vec<f32>,
    #[prost(double, repeated, tag = "6")]
    pub(crate) double_val: Vec<f64>,
}

impl Value {
    /// The scalar, in whichever form; nothing for anything else, such as a picture.
    pub(crate) fn scalar(&self) -> Option<f64> {
        let of_tensor =
            |tensor: &Tensor| match (&tensor.float_val[..], &tensor.double_val[..], tensor.dtype) {
                ([value], _, _) => Some(f64::from(*value)),
                (_, [value], _) => Some(*value),
                (_, _, 1) => Some(f64::from(f32::from_le_bytes(
                    tensor.tensor_content.as_slice().try_into().ok()?,
                ))),
                (_, _, 2) => {
                    Some(f64::from_le_bytes(tensor.tensor_content.as_slice().try_into().ok()?))
                }
                _ => None,
            };
        self.simple_value.map(f64::from).or_else(|| self.tensor.as_ref().and_then(of_tensor))
    }
}
