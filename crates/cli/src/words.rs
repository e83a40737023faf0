//! Durations and endings in words.

use thaw_spec::RunStatus;

/// Seconds for people.
pub(crate) fn duration(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 10.0 => format!("{seconds:.1} s"),
        seconds if seconds < 100.0 => format!("{seconds:.0} s"),
        seconds if seconds < 6000.0 => format!("{:.0} min", seconds / 60.0),
        seconds => format!("{:.1} h", seconds / 3600.0),
    }
}

/// Bytes for people.
pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20))
}

/// How a cell ended, in words.
pub(crate) fn verdict(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Completed => "completed",
        RunStatus::Thawed => "THAWED: the base was declared frozen and moved",
        RunStatus::Diverged => {
            "DIVERGED: a loss is not finite any more; a smaller learning_rate may help"
        }
    }
}
