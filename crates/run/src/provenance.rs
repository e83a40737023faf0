//! The machine and the program, as a cell's manifest records them.

use candle_core::{Device, DeviceLocation};
use thaw_spec::{ConvolutionAlgorithm, Environment};
use thaw_store::now_unix_seconds;

/// The version of thaw, and the commit that it was built from.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("THAW_COMMIT"), ")");

/// Describes this process and the machine that it runs on.
pub fn environment(
    threads: usize,
    device: &Device,
    convolution: ConvolutionAlgorithm,
) -> Environment {
    Environment {
        thaw: env!("CARGO_PKG_VERSION").to_owned(),
        commit: env!("THAW_COMMIT").to_owned(),
        candle: thaw_model::CANDLE_VERSION.to_owned(),
        platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        instruction_sets: instruction_sets(),
        device: match device.location() {
            DeviceLocation::Cuda { gpu_id } => format!("cuda:{gpu_id}"),
            DeviceLocation::Cpu | DeviceLocation::Metal { .. } => "cpu".to_owned(),
        },
        convolution: if device.is_cpu() { convolution.name() } else { "candle" }.to_owned(),
        threads,
        started_unix_seconds: now_unix_seconds(),
    }
}

#[cfg(target_arch = "x86_64")]
fn instruction_sets() -> String {
    let found = [
        ("avx512bf16", std::is_x86_feature_detected!("avx512bf16")),
        ("avx512f", std::is_x86_feature_detected!("avx512f")),
        ("avx2", std::is_x86_feature_detected!("avx2")),
        ("fma", std::is_x86_feature_detected!("fma")),
    ];
    found
        .iter()
        .filter(|(_, present)| *present)
        .map(|(name, _)| *name)
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(not(target_arch = "x86_64"))]
fn instruction_sets() -> String {
    String::new()
}
