//! How the steps of an experiment are handed to a scheduler: the `[launcher]` tables.

use serde::Deserialize;

use crate::SpecError;

/// The `[launcher]` table of an experiment, or of a file of a site's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LauncherSettings {
    /// For `--launcher slurm`.
    #[serde(default)]
    pub slurm: SlurmSettings,
}

impl LauncherSettings {
    /// Reads a file that has nothing but `[launcher]` tables. `file` is only used in messages.
    ///
    /// # Errors
    /// Names the file, the line, the key and what is allowed there.
    ///
    /// # Example
    /// ```
    /// use thaw_spec::{LauncherSettings, StepKind};
    ///
    /// let text = "[launcher.slurm]\npartition = \"short\"\n[launcher.slurm.fit]\nmemory = \"8G\"";
    /// let slurm = LauncherSettings::parse("site.toml", text)?.slurm;
    /// assert_eq!(slurm.of(StepKind::Decode).memory, None);
    /// let fit = slurm.of(StepKind::Fit);
    /// assert_eq!((fit.partition.as_deref(), fit.memory.as_deref()), (Some("short"), Some("8G")));
    /// # Ok::<(), thaw_spec::SpecError>(())
    /// ```
    pub fn parse(file: &str, text: &str) -> Result<Self, SpecError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            launcher: LauncherSettings,
        }
        let table: Table =
            toml::from_str(text).map_err(|error| SpecError::from_toml(file, text, &error))?;
        Ok(table.launcher)
    }

    /// These settings with others laid over them.
    #[must_use]
    pub fn overlaid(self, other: Self) -> Self {
        Self { slurm: self.slurm.overlaid(other.slurm) }
    }
}

/// A kind of step, as far as schedulers care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// Images are decoded.
    Decode,
    /// Activations are extracted.
    Extract,
    /// A cell is trained.
    Fit,
}

impl StepKind {
    /// Every kind, in the order of work.
    pub const ALL: [Self; 3] = [Self::Decode, Self::Extract, Self::Fit];

    /// Its name in `[launcher.slurm]`, and the beginning of the names of its steps.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Extract => "extract",
            Self::Fit => "fit",
        }
    }
}

/// What a step asks of a cluster, in the words of `sbatch`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepResources {
    /// `--partition`.
    pub partition: Option<String>,
    /// `--constraint`.
    pub constraint: Option<String>,
    /// `--time`, such as `2:00:00`.
    pub time: Option<String>,
    /// `--mem`, such as `8G`.
    pub memory: Option<String>,
    /// `--cpus-per-task`.
    pub cpus: Option<u16>,
    /// `--gpus`; the step computes on the first.
    pub gpus: Option<u16>,
}

impl StepResources {
    /// Whether the step computes on a GPU.
    #[must_use]
    pub fn asks_for_gpus(&self) -> bool {
        self.gpus.is_some_and(|count| count > 0)
    }

    fn overlaid(self, other: Self) -> Self {
        Self {
            partition: other.partition.or(self.partition),
            constraint: other.constraint.or(self.constraint),
            time: other.time.or(self.time),
            memory: other.memory.or(self.memory),
            cpus: other.cpus.or(self.cpus),
            gpus: other.gpus.or(self.gpus),
        }
    }
}

/// The `[launcher.slurm]` table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlurmSettings {
    /// `--account`.
    pub account: Option<String>,
    /// `--qos`.
    pub qos: Option<String>,
    /// Further options of `sbatch`, each as it would be typed.
    #[serde(default)]
    pub options: Vec<String>,
    /// Lines of shell before the worker, such as `module load cuda`.
    #[serde(default)]
    pub setup: Vec<String>,
    partition: Option<String>,
    constraint: Option<String>,
    time: Option<String>,
    memory: Option<String>,
    cpus: Option<u16>,
    gpus: Option<u16>,
    #[serde(default)]
    decode: StepResources,
    #[serde(default)]
    extract: StepResources,
    #[serde(default)]
    fit: StepResources,
    /// The settings that these are laid over.
    #[serde(skip)]
    below: Option<Box<SlurmSettings>>,
}

impl SlurmSettings {
    /// What a step of a kind asks for: what is said of its kind, else what is said of all, else what the
    /// settings below say.
    #[must_use]
    pub fn of(&self, kind: StepKind) -> StepResources {
        let of_kind = match kind {
            StepKind::Decode => &self.decode,
            StepKind::Extract => &self.extract,
            StepKind::Fit => &self.fit,
        };
        let of_all = StepResources {
            partition: self.partition.clone(),
            constraint: self.constraint.clone(),
            time: self.time.clone(),
            memory: self.memory.clone(),
            cpus: self.cpus,
            gpus: self.gpus,
        };
        let below = self.below.as_ref().map(|below| below.of(kind)).unwrap_or_default();
        below.overlaid(of_all).overlaid(of_kind.clone())
    }

    fn overlaid(self, other: Self) -> Self {
        let longer = |one: &[String], more: &[String]| [one, more].concat();
        Self {
            account: other.account.clone().or_else(|| self.account.clone()),
            qos: other.qos.clone().or_else(|| self.qos.clone()),
            options: longer(&self.options, &other.options),
            setup: longer(&self.setup, &other.setup),
            below: Some(Box::new(self)),
            ..other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_stands_above_the_experiment_and_in_each_a_kind_above_all() {
        let experiment = "[launcher.slurm]\ncpus = 8\nmemory = \"4G\"\nsetup = [\"a\"]\n[launcher.slurm.fit]\nmemory = \"16G\"";
        let site = "[launcher.slurm]\npartition = \"gpu\"\ncpus = 2\nmemory = \"6G\"\nsetup = [\"b\"]\n[launcher.slurm.fit]\ngpus = 1";
        let parsed = |text: &str| LauncherSettings::parse("x.toml", text).expect("settings");
        let slurm = parsed(experiment).overlaid(parsed(site)).slurm;
        assert_eq!(slurm.setup, ["a", "b"]);
        let fit = slurm.of(StepKind::Fit);
        assert_eq!((fit.cpus, fit.gpus, fit.memory.as_deref()), (Some(2), Some(1), Some("6G")));
        let decode = slurm.of(StepKind::Decode);
        assert_eq!((decode.gpus, decode.memory.as_deref()), (None, Some("6G")));
        assert!(fit.asks_for_gpus() && !decode.asks_for_gpus());
        let without = parsed("[launcher.slurm.fit]\ngpus = 0");
        let fit = parsed(site).overlaid(without).slurm.of(StepKind::Fit);
        assert!(fit.gpus == Some(0) && !fit.asks_for_gpus(), "a site takes them back");
        for kind in StepKind::ALL {
            let text = format!("[launcher.slurm.{}]\nmemory = \"1G\"", kind.name());
            let slurm = parsed(&text).slurm;
            let asking = StepKind::ALL.map(|other| slurm.of(other).memory.is_some());
            assert_eq!(asking, StepKind::ALL.map(|other| other == kind), "{kind:?}");
        }
        let wrong = LauncherSettings::parse("x.toml", "[launcher.slurm]\npartitoin = \"a\"");
        let wrong = wrong.expect_err("a misprint").to_string();
        assert!(wrong.starts_with("x.toml:2:") && wrong.contains("partitoin"), "{wrong}");
    }
}
