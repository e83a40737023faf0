//! What is said of made-up records.

mod damaged;
mod made;
mod precision;
mod verdicts;
