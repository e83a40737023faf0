//! Counts the instructions of each kernel in one thread with AVX2, under valgrind, and compares them
//! with the committed counts, `instructions.toml` beside this file. A count tells a slower kernel
//! from a noisy machine.
//!
//! - `instructions check` fails where a count differs from the committed one by more than
//!   [`TOLERANCE`], and says why where it cannot count.
//! - `instructions record` writes the committed counts.
//! - `instructions run KERNEL TIMES` calls a kernel some times; this is what valgrind runs.

#[path = "../benches/layer/mod.rs"]
mod layer;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};

use serde::{Deserialize, Serialize};
use thaw_conv::{
    Accumulate, Activation, Algorithm, add_dense_weights_gradient, dense_forward,
    dense_input_gradient, max_pool, max_pool_gradient, max_pool_with_places,
};

use layer::{DEPTHWISE, Layer, Shape, layer, pool, values};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Images of a batch: few, because valgrind is some fifty times slower than the processor.
const BATCH: usize = 2;

const CONVOLUTIONS: [(&str, Algorithm, Shape); 7] = [
    ("winograd_f3_bfloat16", Algorithm::WinogradThreeBfloat16, (18, 64, 64, 3, 1, 1)),
    ("winograd_f6", Algorithm::WinogradSix, (18, 64, 64, 3, 1, 1)),
    ("winograd_f3", Algorithm::WinogradThree, (18, 64, 64, 3, 1, 1)),
    ("winograd_f2", Algorithm::WinogradTwo, (18, 64, 64, 3, 1, 1)),
    ("pointwise", Algorithm::Direct, (18, 64, 64, 1, 1, 0)),
    ("depthwise", Algorithm::Direct, (18, 64, 64, 3, 1, DEPTHWISE + 1)),
    ("seven_at_stride_two", Algorithm::Direct, (38, 3, 64, 7, 2, 3)),
];

/// Images, inputs and outputs of the dense layer.
const IMAGES: usize = 20;
const INPUTS: usize = 1024;
const OUTPUTS: usize = 256;

/// Share by which a count may differ from the committed one.
const TOLERANCE: f64 = 0.03;

/// Settings of the GNU C library by which it fills and copies large memory with vectors. Otherwise it
/// takes one instruction that the processor repeats, and each byte counts as much as a vector.
const NO_REPEATED_INSTRUCTION: &str = "glibc.cpu.x86_rep_stosb_threshold=1099511627776:\
    glibc.cpu.x86_rep_movsb_threshold=1099511627776";

/// One call of a kernel.
type Call = Box<dyn FnMut()>;

/// A kernel's name, and what makes its inputs and gives its call.
type Kernel = (String, Box<dyn Fn() -> Call>);

fn kernels() -> Vec<Kernel> {
    let mut kernels: Vec<Kernel> = Vec::new();
    for (name, algorithm, shape) in CONVOLUTIONS {
        let mut add = |pass: &str, call: fn(Layer) -> Call| {
            let make = move || call(layer(algorithm, shape, BATCH));
            kernels.push((format!("{name}_{pass}"), Box::new(make)));
        };
        add("forward", |Layer { convolution, input, kernel, bias, mut output }| {
            Box::new(move || {
                let kernel = convolution.prepare(&kernel);
                convolution.forward(input.view(), &kernel, &bias, Activation::Relu, &mut output, 0);
            })
        });
        add("input_gradient", |Layer { convolution, mut input, kernel, output, .. }| {
            Box::new(move || {
                let kernel = convolution.prepare_for_input_gradient(&kernel);
                let how = Accumulate::Overwrite;
                convolution.input_gradient(output.view(), &kernel, how, &mut input);
            })
        });
        add("kernel_gradient", |Layer { convolution, input, output, .. }| {
            Box::new(move || drop(convolution.kernel_gradient(input.view(), output.view())))
        });
    }
    let mut add = |name: &str, make: fn() -> Call| kernels.push((name.to_owned(), Box::new(make)));
    add("max_pool_forward", || {
        let (geometry, input, mut output) = pool(19, 64, 3, BATCH);
        Box::new(move || max_pool(geometry, &input, &mut output))
    });
    add("max_pool_forward_with_places", || {
        let (geometry, input, mut output) = pool(19, 64, 3, BATCH);
        Box::new(move || drop(max_pool_with_places(geometry, &input, &mut output)))
    });
    add("max_pool_gradient", || {
        let (geometry, input, mut output) = pool(19, 64, 3, BATCH);
        let places = max_pool_with_places(geometry, &input, &mut output);
        let mut gradient = input.copy();
        Box::new(move || {
            max_pool_gradient(Activation::Linear, &places, &output, &output, &mut gradient)
        })
    });
    add("dense_forward", || {
        let (input, weights) = (values(IMAGES * INPUTS), values(INPUTS * OUTPUTS));
        let bias = values(OUTPUTS);
        Box::new(move || drop(dense_forward(&input, &weights, &bias, Activation::Relu)))
    });
    add("dense_input_gradient", || {
        let (gradient, weights) = (values(IMAGES * OUTPUTS), values(INPUTS * OUTPUTS));
        Box::new(move || drop(dense_input_gradient(&gradient, &weights, OUTPUTS)))
    });
    add("dense_weights_gradient", || {
        let (input, gradient) = (values(IMAGES * INPUTS), values(IMAGES * OUTPUTS));
        let mut result = values(INPUTS * OUTPUTS);
        Box::new(move || add_dense_weights_gradient(&input, &gradient, OUTPUTS, 0, &mut result))
    });
    kernels
}

/// What makes and counts instructions. Counts are compared between equal ones alone.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Tools {
    compiler: String,
    valgrind: String,
    c_library: String,
}

/// Instructions of each kernel, and what they were counted with.
#[derive(Debug, Deserialize, Serialize)]
struct Counts {
    tools: Tools,
    instructions: BTreeMap<String, u64>,
}

/// The kernels whose count differs from the committed one by more than [`TOLERANCE`], in words.
fn differences(committed: &BTreeMap<String, u64>, counted: &BTreeMap<String, u64>) -> Vec<String> {
    let names: BTreeSet<&String> = committed.keys().chain(counted.keys()).collect();
    let difference = |name: &String| match (committed.get(name), counted.get(name)) {
        (Some(&committed), Some(&counted)) => {
            let more = counted as f64 / committed as f64 - 1.0;
            let word = if more > 0.0 { "slower" } else { "faster" };
            (more.abs() > TOLERANCE).then(|| {
                format!(
                    "{name}: {word}, {counted} instructions instead of {committed} ({:+.1} %)",
                    100.0 * more
                )
            })
        }
        (None, Some(counted)) => Some(format!("{name}: new, {counted} instructions")),
        (_, None) => Some(format!("{name}: is no kernel any more")),
    };
    names.into_iter().filter_map(difference).collect()
}

fn committed_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/instructions.toml")
}

/// Calls a kernel some times, and says with which vectors.
fn run(name: &str, times: &str) -> Outcome<()> {
    #[cfg(target_arch = "x86_64")]
    let has_avx2 = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && !is_x86_feature_detected!("avx512f");
    #[cfg(not(target_arch = "x86_64"))]
    let has_avx2 = false;
    writeln!(std::io::stdout(), "{}", if has_avx2 { AVX2 } else { "others" })?;
    // This thread works itself, so that none waits for another: waiting is counted, too.
    rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global()?;
    let kernels = kernels();
    let (_, make) = kernels.iter().find(|(known, _)| known == name).ok_or("no such kernel")?;
    let mut call = make();
    (0..times.parse::<usize>()?).for_each(|_| call());
    Ok(())
}

/// What the first line of [`run`] says where it has the vectors with which kernels are counted.
const AVX2: &str = "AVX2";

/// What a program prints, or why it cannot be run.
fn output(command: &mut Command) -> Result<Output, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{name} cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    Err(format!("{name} failed: {}", String::from_utf8_lossy(&output.stderr)))
}

impl Tools {
    /// Those of this machine, or why it lacks one.
    fn here() -> Result<Self, String> {
        let version = |program: &str| -> Result<String, String> {
            let output = output(Command::new(program).arg("--version"))?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            Ok(text.lines().next().unwrap_or_default().to_owned())
        };
        // The builds of one version differ in their name.
        let library = version("ldd")?;
        Ok(Self {
            compiler: version("rustc")?,
            valgrind: version("valgrind")?,
            c_library: library.split_whitespace().last().unwrap_or_default().to_owned(),
        })
    }
}

impl fmt::Display for Tools {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { compiler, valgrind, c_library } = self;
        write!(formatter, "{compiler}, {valgrind}, C library {c_library}")
    }
}

/// Instructions of the whole program while it calls a kernel some times; or nothing where the
/// processor that valgrind shows it has other vectors than AVX2.
fn counted(kernel: &str, times: usize) -> Outcome<Option<u64>> {
    let output = output(
        Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .env("GLIBC_TUNABLES", NO_REPEATED_INSTRUCTION)
            .arg(std::env::current_exe()?)
            .args(["run", kernel, &times.to_string()]),
    )?;
    if String::from_utf8_lossy(&output.stdout).trim() != AVX2 {
        return Ok(None);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let count = said.lines().find_map(|line| line.split_once("Collected : ")?.1.parse().ok());
    Ok(Some(count.ok_or_else(|| format!("callgrind gave no count: {said}"))?))
}

/// Instructions of one call of each kernel; or nothing, as above. What the program does before and
/// what a first call does alone is in the count of one call and in that of two.
fn count() -> Outcome<Option<BTreeMap<String, u64>>> {
    let mut counts = BTreeMap::new();
    for (name, _) in kernels() {
        let (Some(once), Some(twice)) = (counted(&name, 1)?, counted(&name, 2)?) else {
            return Ok(None);
        };
        counts.insert(name, twice - once);
    }
    Ok(Some(counts))
}

/// What is said where [`counted`] gives nothing.
const OTHER_VECTORS: &str = "valgrind shows the program other vectors than AVX2";

fn record() -> Outcome<ExitCode> {
    let counts = Counts { tools: Tools::here()?, instructions: count()?.ok_or(OTHER_VECTORS)? };
    let text = toml::to_string(&counts)?;
    std::fs::write(committed_file(), format!("# Written by `just instructions record`.\n{text}"))?;
    Ok(ExitCode::SUCCESS)
}

fn check() -> Outcome<ExitCode> {
    let mut stdout = std::io::stdout();
    let mut skipped = |why: &str| -> Outcome<ExitCode> {
        writeln!(stdout, "skipped: {why}")?;
        Ok(ExitCode::SUCCESS)
    };
    let committed: Counts = toml::from_str(&std::fs::read_to_string(committed_file())?)?;
    match Tools::here() {
        Err(why) => return skipped(&why),
        Ok(tools) if tools != committed.tools => {
            return skipped(&format!("counted with {}; here are {tools}", committed.tools));
        }
        Ok(_) => (),
    }
    let Some(counted) = count()? else { return skipped(OTHER_VECTORS) };
    let differences = differences(&committed.instructions, &counted);
    if differences.is_empty() {
        writeln!(stdout, "{} kernels take as many instructions as before", counted.len())?;
        return Ok(ExitCode::SUCCESS);
    }
    for difference in differences {
        writeln!(stdout, "{difference}")?;
    }
    writeln!(stdout, "If that is intended: `just instructions record`, and commit the file.")?;
    Ok(ExitCode::FAILURE)
}

fn main() -> Outcome<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["check"] => check(),
        ["record"] => record(),
        ["run", kernel, times] => run(kernel, times).map(|()| ExitCode::SUCCESS),
        _ => Err("arguments: check, record, or run KERNEL TIMES".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(counts: &[(&str, u64)]) -> BTreeMap<String, u64> {
        counts.iter().map(|&(name, count)| (name.to_owned(), count)).collect()
    }

    #[test]
    fn only_counts_beyond_the_tolerance_differ() {
        let committed = counts(&[("same", 1000), ("slower", 1000), ("faster", 1000), ("gone", 1)]);
        let counted = counts(&[("same", 1029), ("slower", 1040), ("faster", 960), ("added", 5)]);
        assert_eq!(
            differences(&committed, &counted),
            [
                "added: new, 5 instructions",
                "faster: faster, 960 instructions instead of 1000 (-4.0 %)",
                "gone: is no kernel any more",
                "slower: slower, 1040 instructions instead of 1000 (+4.0 %)",
            ]
        );
    }

    #[test]
    fn every_kernel_has_a_name_of_its_own_and_a_committed_count() {
        let committed = std::fs::read_to_string(committed_file()).expect("the committed counts");
        let committed: Counts = toml::from_str(&committed).expect("TOML");
        let kernels = kernels();
        let names: BTreeSet<&String> = kernels.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), kernels.len());
        assert_eq!(names, committed.instructions.keys().collect());
    }
}
