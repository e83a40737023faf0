//! `thaw report`: pictures and a summary of what has run.

use std::process::ExitCode;

use thaw_analysis::{Results, ResultsFolder, read_published};
use thaw_report::{Overlay, curves, overview};
use thaw_spec::Experiment;

use crate::arguments::Study;
use crate::error::{CliError, SUCCESS, say};
use crate::files::write_whole;
use crate::summary::{answer, table};

pub(crate) fn run(study: &Study) -> Result<ExitCode, CliError> {
    let experiment = study.load()?;
    let folder = ResultsFolder::new(study.results.join(&experiment.name));
    report(study, &experiment, &folder)?;
    Ok(ExitCode::from(SUCCESS))
}

/// Writes `plots/` and `summary.md` beside the cells, and says the summary.
pub(crate) fn report(study: &Study, experiment: &Experiment, folder: &ResultsFolder) -> Result<(), CliError> {
    let results = Results::read(folder, experiment)?;
    if results.procedures.iter().all(|procedure| procedure.runs.is_empty()) {
        let message =
            format!("{}: no cell of `{}` has run; run `{}` first", folder.root().display(), experiment.name, study.command("sweep"));
        return Err(CliError::Usage { message });
    }
    let plots = folder.root().join("plots");
    for procedure in results.procedures.iter().filter(|procedure| !procedure.runs.is_empty()) {
        let mut overlays = Vec::new();
        for published in experiment.published.iter().filter(|published| published.selector.matches(&procedure.levels)) {
            let file = study.folder().join(&published.file);
            overlays.push(Overlay { label: published.label.clone(), run: read_published(&file, &published.run)? });
        }
        curves(procedure, &overlays).write(&plots.join(stem(&procedure.levels)))?;
    }
    if let Some(figure) = overview(&experiment.title, &results) {
        figure.write(&plots.join("overview"))?;
    }
    let table = table(&results);
    let path = folder.root().join("summary.md");
    let answer = answer(experiment, &results);
    let heading = "Where does the gap come from?";
    let section = answer.as_ref().map_or_else(String::new, |answer| {
        format!("## {heading}\n\nEach line changes one thing in the line above; changes are means of the differences between runs of equal seeds.\n\n{answer}\n## Every cell\n\n")
    });
    let text = format!(
        "# {}\n\n![validation accuracy by epoch](plots/overview.svg)\n\nAccuracies are means over seeds with 95 % confidence intervals (Student's t).\n\n{section}{table}",
        experiment.title
    );
    write_whole(&path, text.as_bytes())?;
    say(&table);
    for procedure in results.procedures.iter().filter(|procedure| procedure.thawed()) {
        let audit =
            procedure.runs.iter().find_map(|run| run.outcome.audit.iter().any(|tensor| tensor.thawed()).then_some(&run.outcome.audit));
        let moved = audit.map_or(0, |audit| audit.iter().filter(|tensor| tensor.thawed()).count());
        say(&format!("THAWED: {}: {moved} tensors were declared frozen, collected by the optimizer, and moved", procedure.label()));
    }
    if let Some(answer) = answer {
        say(&format!("\n{heading}\n\n{answer}"));
    }
    say(&format!("plots and summary in {}", folder.root().display()));
    Ok(())
}

/// A file name made of levels.
fn stem(levels: &[(String, String)]) -> String {
    let words: Vec<String> = levels.iter().map(|(factor, level)| format!("{factor}-{level}")).collect();
    let clean = |character: char| if character.is_ascii_alphanumeric() || ".-_".contains(character) { character } else { '_' };
    // The dot is replaced too: what follows it would be taken for an extension.
    if words.is_empty() { "cell".to_owned() } else { words.join("_").chars().map(clean).collect::<String>().replace('.', "p") }
}
