//! Memory that a plan may use.

use std::path::Path;

use thaw_spec::{CostFacts, Plan, Step};
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
            return Err(RunError::Memory { step: step.to_string(), needed, jobs, allowed });
        }
    }
    Ok(())
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
    let of_machine = of_machine(&std::fs::read_to_string("/proc/meminfo").ok()?)?;
    Some(of_groups().map_or(of_machine, |of_groups| of_groups.min(of_machine)))
}

fn of_machine(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with("MemAvailable:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

/// What the control groups of this process leave it, version 2 (Linux, `cgroups(7)`).
fn of_groups() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let group = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let root = Path::new("/sys/fs/cgroup");
    let number = |folder: &Path, file: &str| -> Option<u64> {
        std::fs::read_to_string(folder.join(file)).ok()?.trim().parse().ok()
    };
    let left = |folder: &Path| {
        let most = number(folder, "memory.max")?;
        // Cached files count as used, and are given back when they are in the way.
        let statistics = std::fs::read_to_string(folder.join("memory.stat")).ok()?;
        let of_files = |name: &str| -> u64 {
            let value = statistics.lines().find_map(|line| line.strip_prefix(name));
            value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
        };
        let files = of_files("inactive_file ") + of_files("active_file ");
        let used = number(folder, "memory.current")?.saturating_sub(files);
        Some(most.saturating_sub(used))
    };
    let folder = root.join(group);
    folder.ancestors().take_while(|folder| folder.starts_with(root)).filter_map(left).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_tells_its_free_memory() {
        let text = "MemTotal:       24689764 kB\nMemFree:          123456 kB\nMemAvailable:   20000000 kB\n";
        assert_eq!(of_machine(text), Some(20_480_000_000));
        assert_eq!(of_machine("MemFree: 1 kB"), None);
    }
}
