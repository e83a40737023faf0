//! What is said of made-up records.

mod made;
mod precision;
mod verdicts;
