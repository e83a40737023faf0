//! A training with its name, as far as its file was understood.

use thaw_spec::TrainingLog;

/// A training log with the name that it has in its file.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedLog {
    /// Name of the run in the file; empty where the file holds a single run without a name.
    pub name: String,
    /// Metrics of the run.
    pub log: TrainingLog,
    /// Names of the columns, keys or tags that are none of these metrics, in the order of the file.
    pub passed_over: Vec<String>,
    /// What was not taken as it stands, a sentence each: repeated epochs, values of batches, epochs
    /// without metrics.
    pub remarks: Vec<String>,
}

impl NamedLog {
    /// What was read, in words: `8 epochs (1–8), train and validation accuracy; passed over: lr`.
    ///
    /// # Example
    /// ```
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("log.csv");
    /// std::fs::write(&path, "epoch,acc,lr,val_acc\n0,0.6,0.1,0.7\n1,0.7,0.1,0.8\n")?;
    /// let logs = thaw_exchange::read_logs(&path)?;
    /// assert_eq!(
    ///     logs.trainings[0].summary(),
    ///     "2 epochs (1–2), train accuracy, validation accuracy; passed over: `lr`"
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn summary(&self) -> String {
        let longest = self.log.metrics().map(|metric| self.log.epochs_of(metric));
        let epochs = longest.max_by_key(|epochs| epochs.len()).unwrap_or_default();
        let metrics: Vec<String> = self
            .log
            .metrics()
            .map(|metric| {
                let own = self.log.epochs_of(metric);
                if own == epochs {
                    metric.to_string()
                } else {
                    format!("{metric} (epochs {})", number_ranges(own))
                }
            })
            .collect();
        let mut text =
            format!("{} epochs ({}), {}", epochs.len(), number_ranges(epochs), metrics.join(", "));
        if !self.passed_over.is_empty() {
            let names: Vec<String> =
                self.passed_over.iter().map(|name| format!("`{name}`")).collect();
            text += &format!("; passed over: {}", names.join(", "));
        }
        text
    }
}

/// Whole numbers in ascending order as ranges.
///
/// # Example
/// ```
/// assert_eq!(thaw_exchange::number_ranges(&[1, 2, 3, 4, 7]), "1–4, 7");
/// ```
pub fn number_ranges(numbers: &[usize]) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for &number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    let words = ranges.into_iter().map(|(first, last)| {
        if first == last { first.to_string() } else { format!("{first}–{last}") }
    });
    words.collect::<Vec<_>>().join(", ")
}
