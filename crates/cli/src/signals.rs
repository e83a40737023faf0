//! Signals: the first asks to end at the end of a batch, a second SIGINT ends at once.

#[cfg(unix)]
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use thaw_run::Stop;

use crate::terminal::say_on_stderr;

/// The signal that asked to stop; zero before.
static ASKED: AtomicI32 = AtomicI32::new(0);

/// A process that has not ended so long after the first signal ends where it is: whoever sent it may
/// kill it soon, and the file that it writes is not there until it is whole.
const PATIENCE: Duration = Duration::from_secs(90);

/// Signals of a scheduler that follow each other so soon are one request.
#[cfg(unix)]
const ONE_REQUEST: Duration = Duration::from_secs(20);

/// The code of a process that a signal ended, as shells have it.
pub(crate) fn exit_code() -> u8 {
    const BEYOND: i32 = 128;
    const TERMINATE: i32 = 15;
    let signal = ASKED.load(Ordering::Relaxed);
    let signal = if signal == 0 { TERMINATE } else { signal };
    u8::try_from(BEYOND + signal).unwrap_or(u8::MAX)
}

/// What SIGINT and SIGTERM request from now on.
#[cfg(unix)]
pub(crate) fn stop_on_signals(quiet: bool) -> Stop {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    let stop = Stop::default();
    let requested = stop.clone();
    // A system that allows no handlers ends the process at the first signal, as ever.
    if let Ok(mut signals) = Signals::new([SIGINT, SIGTERM]) {
        std::thread::spawn(move || {
            let mut asked: Option<Instant> = None;
            for signal in &mut signals {
                if let Some(asked) = asked {
                    // Schedulers send theirs to a script and to what it runs, and the script passes it on.
                    if signal == SIGTERM && asked.elapsed() < ONE_REQUEST {
                        continue;
                    }
                    std::process::exit(exit_code().into());
                }
                asked = Some(Instant::now());
                ASKED.store(signal, Ordering::Relaxed);
                requested.request();
                if !quiet {
                    say_on_stderr(
                        "stopping at the end of this batch; a second SIGINT (Ctrl-C) stops at once",
                    );
                }
                end_after(PATIENCE);
            }
        });
    }
    stop
}

/// Makes a write beyond the limit on the size of files (`ulimit -f`) an error, which is said, instead of the
/// end of the process.
#[cfg(unix)]
pub(crate) fn outlive_file_size_limits() {
    use signal_hook::consts::signal::SIGXFSZ;
    // Where that is not allowed, the limit ends the process, as ever.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
}

/// Other systems know no such limit.
#[cfg(not(unix))]
pub(crate) fn outlive_file_size_limits() {}

/// Other systems end the process at once.
#[cfg(not(unix))]
pub(crate) fn stop_on_signals(_quiet: bool) -> Stop {
    Stop::default()
}

/// Ends the process after a time, if it is still there.
pub(crate) fn end_after(time: Duration) {
    std::thread::spawn(move || {
        std::thread::sleep(time);
        std::process::exit(exit_code().into());
    });
}
