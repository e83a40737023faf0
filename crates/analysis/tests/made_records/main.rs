//! What is said of made-up records.

mod damaged;
mod diverged;
mod made;
mod precision;
mod verdicts;
