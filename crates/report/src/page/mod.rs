//! The report: one HTML page that needs no network, no server and no other file. Every figure has
//! words for those who cannot see it and a table beside it.

mod answer;
mod audit;
mod augmentation;
mod cells;
mod cost;
mod curves;
mod division;
mod drift;
mod provenance;
mod reproduce;
mod significance;
mod variants;

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use thaw_analysis::{
    Attribution, CellRun, MeasuredRung, Measurements, ProcedureRuns, Results, VariantSeries,
};
use thaw_spec::{Experiment, Metric, Rung};

use crate::escape::shown;
use crate::table::{Entry, Table};
use crate::{DriftMap, Overlay, ReportError};

/// A gap that has been divided over the factors.
#[derive(Clone, Debug)]
pub struct Division {
    /// Rung at which the gap begins.
    pub from: Rung,
    /// Rung at which the gap ends.
    pub to: Rung,
    /// Shares of the factors.
    pub attribution: Attribution,
}

/// A contact sheet of augmented images.
#[derive(Clone, Debug)]
pub struct ContactSheet {
    /// The sheet as a PNG file.
    pub png: Vec<u8>,
    /// Whether drawn animals stand in for the experiment's photographs.
    pub stands_in: bool,
}

/// Content of the report.
#[derive(Clone, Debug)]
pub struct Page<'a> {
    /// The experiment.
    pub experiment: &'a Experiment,
    /// Path of the experiment's file as given on the command line; nothing for the experiment that
    /// is part of the program.
    pub file: Option<String>,
    /// Results of the experiment so far.
    pub results: &'a Results,
    /// The validation accuracy by the experiment's statistic.
    pub accuracy: &'a Measurements<'a>,
    /// The test accuracy by the experiment's statistic.
    pub test_accuracy: &'a Measurements<'a>,
    /// Measured rungs of the ladder; empty where the experiment has none.
    pub ladder: &'a [MeasuredRung],
    /// Gaps that can be divided: along the ladder, or where there is none, from the lowest to the
    /// highest accuracy.
    pub divisions: Vec<Division>,
    /// Published curves of each procedure of the results.
    pub overlays: Vec<Vec<Overlay>>,
    /// The drift of each procedure whose base moved.
    pub drifts: Vec<DriftMap>,
    /// Procedures that differ in how many variants they cache, each with the bytes that one variant
    /// of all training images takes.
    pub variants: Vec<(VariantSeries<'a>, u64)>,
    /// A contact sheet of the augmentation; nothing where nothing is augmented.
    pub sheet: Option<ContactSheet>,
}

const VALIDATION: Metric = Metric::ValidationAccuracy;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");
/// Content security policy: the browser loads nothing from anywhere.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";

impl Page<'_> {
    /// The whole document.
    ///
    /// # Errors
    /// When a figure cannot be drawn.
    pub fn html(&self) -> Result<String, ReportError> {
        let sections = [
            ("curves", "Accuracy by epoch", self.curves()?),
            ("division", "The gap, divided", self.divided()?),
            ("cells", "Every cell", self.cells()?),
            ("significance", "How sure is that?", self.significance()),
            ("drift", "What moved", self.drift()?),
            ("augmentation", "What augmentation shows the network", self.augmentation()),
            ("variants", "How many cached variants it takes", self.variants()?),
            ("cost", "What it cost", self.cost()),
            ("audit", "Declared, collected, moved", self.audit()),
            ("provenance", "Where the numbers come from", self.provenance()),
            ("reproduce", "Do it again", self.reproduce()),
        ];
        let sections: Vec<_> =
            sections.into_iter().filter(|(_, _, body)| !body.0.is_empty()).collect();
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta http-equiv="Content-Security-Policy" content=(POLICY);
                    title { (self.experiment.title) }
                    link rel="icon" href="data:,";
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    a class="skip" href="#curves" { "Skip to the figures" }
                    header {
                        h1 { (self.experiment.title) }
                        (self.answer()?)
                    }
                    nav aria-label="Sections" { ul { @for (id, heading, _) in &sections { li { a href={ "#" (id) } { (heading) } } } } }
                    main { @for (id, heading, body) in &sections { section id=(id) { h2 { (heading) } (body) } } }
                    script { (PreEscaped(SCRIPT)) }
                }
            }
        };
        Ok(shown(page.into_string()))
    }
}

impl Page<'_> {
    /// The procedures that have run.
    fn ran(&self) -> impl Iterator<Item = &ProcedureRuns> {
        self.results.procedures.iter().filter(|procedure| !procedure.runs.is_empty())
    }

    /// All runs.
    fn runs(&self) -> impl Iterator<Item = &CellRun> {
        self.results.procedures.iter().flat_map(|procedure| &procedure.runs)
    }

    /// The different descriptions of all runs.
    fn distinct(&self, describe: impl Fn(&CellRun) -> String) -> String {
        let descriptions: BTreeSet<String> = self.runs().map(describe).collect();
        descriptions.into_iter().collect::<Vec<_>>().join("; ")
    }
}

fn plain_percent(accuracy: f64) -> String {
    format!("{:.2} %", accuracy * 100.0)
}

/// A value of a curve, without an interval.
fn plain_value(value: f64, metric: Metric) -> String {
    if metric.is_accuracy() { plain_percent(value) } else { format!("{value:.4}") }
}

/// An SVG document as a figure with words for those who cannot see it.
fn figure(svg: &str, words: &str, caption: &str) -> Markup {
    // plotters' own first tag gets two attributes more; maud escapes the words, quotation marks
    // too.
    let drawing = svg.trim_start().strip_prefix("<svg ").unwrap_or(svg);
    let words = html! { (words) }.into_string();
    html! {
        figure {
            (PreEscaped(format!("<svg role=\"img\" aria-label=\"{words}\" {drawing}")))
            figcaption { (caption) }
        }
    }
}

/// Embeds a PNG as a figure.
fn picture(png: &[u8], words: &str, caption: &str) -> Markup {
    html! { figure { img src={ "data:image/png;base64," (STANDARD.encode(png)) } alt=(words); figcaption { (caption) } } }
}

/// A table of the page.
fn table(caption: &str, headings: &[&str], rows: Vec<Vec<Entry>>) -> Markup {
    Table::new(caption, headings, rows).html()
}
