//! Tests of the whole: the real program, and what the repository says of it. They are one program,
//! because each test program is linked with all that thaw depends on.

#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

mod browser;
mod checkpoints;
mod command;
mod desk;
mod diagnosis;
mod documents;
mod guards;
mod hostile;
mod markdown;
mod miniature;
mod object_store;
mod package;
mod precision;
mod references;
mod standalone;
mod thaw;
#[cfg(unix)]
mod torture;
mod walls;
mod workers;
