//! Memory that a plan may use.

use std::path::Path;

use thaw_spec::{Cell, CostFacts, Plan, Step};
use thaw_train::{extract_memory_bytes, fit_memory_bytes};

use super::Limits;
use crate::RunError;

/// Refuses a plan with a step that needs more memory than all of them may use, before anything is
/// computed. What a step needs is a generous estimate.
///
/// # Errors
/// When there is such a step.
pub fn refuse_what_cannot_fit(
    plan: &Plan,
    facts: &CostFacts,
    limits: &Limits,
) -> Result<(), RunError> {
    let Some(allowed) = limits.memory_bytes else { return Ok(()) };
    for step in &plan.steps {
        let Some(needed) = memory_bytes(step, facts)? else { continue };
        let jobs = match step {
            Step::Fit(_) => limits.jobs.unwrap_or(1).max(1),
            Step::Decode { .. } | Step::Extract(_) => 1,
        };
        if needed.saturating_mul(jobs as u64) > allowed {
            let remedy = remedy(step, facts, allowed / jobs as u64)?;
            return Err(RunError::Memory { step: step.to_string(), needed, jobs, allowed, remedy });
        }
    }
    Ok(())
}

/// What needs less memory than a step that needs more than is allowed.
fn remedy(step: &Step, facts: &CostFacts, allowed: u64) -> Result<&'static str, RunError> {
    let Step::Fit(cell) = step else { return Ok("a smaller image_size") };
    let of_single_images = fit_memory_bytes(&with_batches_of_one(cell), facts.images.train)?;
    Ok(if of_single_images > allowed {
        "a smaller head (hidden_units) or image_size"
    } else {
        "a smaller batch_size"
    })
}

fn with_batches_of_one(cell: &Cell) -> Cell {
    let mut cell = cell.clone();
    cell.procedure.batch_size = 1;
    cell.procedure.later_phases.iter_mut().for_each(|later| later.procedure.batch_size = 1);
    cell
}

/// Estimated memory of a training or an extraction, in bytes; decoding has none.
pub(crate) fn memory_bytes(step: &Step, facts: &CostFacts) -> Result<Option<u64>, RunError> {
    Ok(match step {
        Step::Fit(cell) => Some(fit_memory_bytes(cell, facts.images.train)?),
        Step::Extract(extraction) => Some(extract_memory_bytes(extraction)?),
        Step::Decode { .. } => None,
    })
}

/// Memory that is free for this process, where the system tells (Linux): on the machine, and in the
/// control groups that it is in, as containers and schedulers set them.
pub(super) fn available_bytes() -> Option<u64> {
    smaller(of_machine("MemAvailable:")?, of_groups(left_in_group))
}

/// Memory that this process could have if nothing else used any, where the system tells: likewise.
pub(super) fn total_bytes() -> Option<u64> {
    smaller(of_machine("MemTotal:")?, of_groups(limit_of_group))
}

fn smaller(of_machine: u64, of_groups: Option<u64>) -> Option<u64> {
    Some(of_groups.map_or(of_machine, |of_groups| of_groups.min(of_machine)))
}

fn of_machine(name: &str) -> Option<u64> {
    bytes_of(&std::fs::read_to_string("/proc/meminfo").ok()?, name)
}

fn bytes_of(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

/// The least that the control groups of this process allow it, version 2 (Linux, `cgroups(7)`).
fn of_groups(allowed: impl Fn(&Path) -> Option<u64>) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let group = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let root = Path::new("/sys/fs/cgroup");
    let folder = root.join(group);
    folder.ancestors().take_while(|folder| folder.starts_with(root)).filter_map(allowed).min()
}

fn limit_of_group(folder: &Path) -> Option<u64> {
    number(&folder.join("memory.max"))
}

fn left_in_group(folder: &Path) -> Option<u64> {
    let most = limit_of_group(folder)?;
    // Cached files count as used, and are given back when they are in the way.
    let statistics = std::fs::read_to_string(folder.join("memory.stat")).ok()?;
    let of_files = |name: &str| -> u64 {
        let value = statistics.lines().find_map(|line| line.strip_prefix(name));
        value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
    };
    let files = of_files("inactive_file ") + of_files("active_file ");
    let used = number(&folder.join("memory.current"))?.saturating_sub(files);
    Some(most.saturating_sub(used))
}

fn number(file: &Path) -> Option<u64> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_tells_its_memory() {
        let text = "MemTotal:       24689764 kB\nMemFree:          123456 kB\nMemAvailable:   20000000 kB\n";
        assert_eq!(bytes_of(text, "MemAvailable:"), Some(20_480_000_000));
        assert_eq!(bytes_of(text, "MemTotal:"), Some(25_282_318_336));
        assert_eq!(bytes_of("MemFree: 1 kB", "MemAvailable:"), None);
    }
}
