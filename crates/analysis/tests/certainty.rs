//! Uncertainties of the committed records, as a second program with SciPy computes them
//! (`tools/golden/certainty.py values`).

use std::fs;
use std::path::Path;

use serde::Deserialize;
use thaw_analysis::{Estimate, Measurements, ProcedureRuns, Results, ResultsFolder};
use thaw_spec::{Experiment, Metric};

#[derive(Deserialize)]
struct Golden {
    experiment: String,
    statistic: String,
    estimates: Vec<GoldenEstimate>,
}

#[derive(Deserialize)]
struct GoldenEstimate {
    terms: Vec<(f64, Vec<(String, String)>)>,
    mean: f64,
    seeds: [f64; 2],
    seeds_and_images: [f64; 2],
}

fn close(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-9 * expected.abs().max(1e-6)
}

#[test]
fn uncertainties_are_those_of_a_second_program() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let golden = fs::read_to_string(repository.join("crates/analysis/tests/golden/certainty.json"));
    let golden: Vec<Golden> = serde_json::from_str(&golden.expect("golden values")).expect("JSON");
    for Golden { experiment: name, statistic, estimates } in golden {
        let text = fs::read_to_string(repository.join(format!("experiments/{name}.toml")));
        let experiment =
            Experiment::parse(&name, &text.expect("the experiment")).expect("an experiment");
        let folder = ResultsFolder::new(repository.join("results").join(&name));
        let results = Results::read(&folder, &experiment).expect("results");
        let statistic = statistic.parse().expect("a statistic");
        let measurements = Measurements::new(&results, Metric::ValidationAccuracy, statistic)
            .with_images(&folder)
            .expect("predictions");
        assert!(estimates.len() > results.procedures.len());
        for expected in &estimates {
            let procedure = |levels: &Vec<(String, String)>| -> &ProcedureRuns {
                results
                    .procedures
                    .iter()
                    .find(|procedure| {
                        procedure.levels.len() == levels.len()
                            && levels.iter().all(|level| procedure.levels.contains(level))
                    })
                    .unwrap_or_else(|| panic!("{name} has no {levels:?}"))
            };
            let terms: Vec<(&ProcedureRuns, f64)> = expected
                .terms
                .iter()
                .map(|(weight, levels)| (procedure(levels), *weight))
                .collect();
            let Estimate { mean, over_seeds, over_seeds_and_images, .. } =
                measurements.contrast(&terms).expect("they have run");
            assert!(close(mean, expected.mean), "{mean} against {}", expected.mean);
            for (found, expected) in [
                (over_seeds.expect("several seeds"), expected.seeds),
                (over_seeds_and_images.expect("predictions"), expected.seeds_and_images),
            ] {
                assert!(
                    close(found.standard_error, expected[0]) && close(found.freedom, expected[1]),
                    "{name}, {statistic}, {terms:?}: {found:?} against {expected:?}",
                    terms = terms
                        .iter()
                        .map(|(one, weight)| (one.label(), *weight))
                        .collect::<Vec<_>>()
                );
            }
        }
    }
}
