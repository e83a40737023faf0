//! How many cached variants of each image it takes: procedures that differ in nothing else.

use thaw_spec::{Augmentation, Cache, Interpolation, Procedure, Selector, TransformCenter};

use crate::results::{ProcedureRuns, Results};

/// Procedures that cache augmented variants and differ only in how many, fewest first.
#[derive(Clone, Debug)]
pub struct VariantSeries<'a> {
    /// The levels that all of them share.
    pub levels: Vec<(String, String)>,
    /// The shared procedure; its number of variants is set to 0.
    pub procedure: Procedure,
    /// Number of variants of each image, and the runs. 0 stands for the same procedure without
    /// augmentation, on cached features.
    pub points: Vec<(usize, &'a ProcedureRuns)>,
}

impl VariantSeries<'_> {
    /// The shared levels in words.
    pub fn label(&self) -> String {
        Selector::exactly(&self.levels).to_string()
    }
}

/// The series of at least two numbers of variants that have run.
pub fn variant_series(results: &Results) -> Vec<VariantSeries<'_>> {
    let mut series: Vec<VariantSeries<'_>> = Vec::new();
    for procedure in &results.procedures {
        let Some(resolved) = resolved(procedure).filter(|resolved| {
            resolved.cache == Cache::Variants && resolved.later_phases.is_empty()
        }) else {
            continue;
        };
        let count = resolved.variants;
        let shared = Procedure { variants: 0, ..resolved.clone() };
        match series.iter_mut().find(|series| series.procedure == shared) {
            Some(series) => {
                series.points.push((count, procedure));
                series.levels.retain(|level| procedure.levels.contains(level));
            }
            None => series.push(VariantSeries {
                levels: procedure.levels.clone(),
                procedure: shared,
                points: vec![(count, procedure)],
            }),
        }
    }
    series.retain(|series| series.points.len() > 1);
    for series in &mut series {
        let plain = Procedure {
            cache: Cache::Features,
            variants: 1,
            augmentation: Augmentation::None,
            interpolation: Interpolation::default(),
            transform_center: TransformCenter::default(),
            ..series.procedure.clone()
        };
        let without =
            results.procedures.iter().find(|procedure| resolved(procedure) == Some(&plain));
        if let Some(without) = without {
            series.points.push((0, without));
            series.levels.retain(|level| without.levels.contains(level));
        }
        series.points.sort_by_key(|(count, _)| *count);
        // A procedure that goes by two names is one.
        series.points.dedup_by_key(|(count, _)| *count);
    }
    series
}

/// The procedure of the first run; nothing before the first run.
fn resolved(procedure: &ProcedureRuns) -> Option<&Procedure> {
    Some(&procedure.runs.first()?.cell().procedure)
}
