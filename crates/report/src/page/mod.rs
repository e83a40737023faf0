//! The report: one HTML page that needs no network, no server and no other file. Every figure has
//! words for those who cannot see it and a table beside it.

mod answer;
mod audit;
mod augmentation;
mod cells;
mod compact;
mod cost;
mod curves;
mod data;
mod division;
mod provenance;
mod reproduce;
mod scripts;
mod significance;
mod variants;

use std::collections::{BTreeMap, BTreeSet};

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Serialize;
use thaw_analysis::{
    Attribution, CellRun, MeasuredRung, Measurements, ProcedureRuns, Results, VariantSeries,
};
use thaw_spec::{Experiment, Metric, Rung, TensorAudit};

use crate::escape::shown;
use crate::index::{IndexEntry, IndexedProcedure};
use crate::number::{percent, statistic_in_words};
use crate::table::{Entry, Table};
use crate::{Overlay, ReportError, data_url};
use compact::{compact, without_optional_tags};

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

/// A gap between procedures that differ in several factors, which cannot be divided.
#[derive(Clone, Debug)]
pub struct Undivided {
    /// Rung at which the gap begins.
    pub from: Rung,
    /// Rung at which the gap ends.
    pub to: Rung,
    /// Why not, in words without a full stop.
    pub reason: String,
}

/// A contact sheet of augmented images.
#[derive(Clone, Debug)]
pub struct ContactSheet {
    /// The sheet as a JPEG file.
    pub jpeg: Vec<u8>,
    /// Whether drawn animals stand in for the experiment's photographs.
    pub stands_in: bool,
}

/// What the page says of the validation images themselves.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PageImages {
    /// Names of the classes; nothing where the images are not at hand.
    pub classes: Option<Vec<String>>,
    /// Number of each image's class.
    pub labels: Vec<u32>,
    /// Name of each image; nothing where the images are not at hand.
    pub names: Option<Vec<String>>,
    /// Small pictures, `data:` URLs, by the number of their image.
    pub thumbnails: BTreeMap<u32, String>,
}

/// Content of the report.
#[derive(Clone, Debug)]
pub struct Page<'a> {
    /// The experiment.
    pub experiment: &'a Experiment,
    /// Path of the experiment's file as given on the command line; nothing for the experiment that
    /// is part of the program.
    pub file: Option<String>,
    /// Options that choose the page's cells and their place on the command line, each behind a blank.
    pub options: String,
    /// Results of the experiment so far.
    pub results: &'a Results,
    /// The validation accuracy by the experiment's statistic.
    pub accuracy: &'a Measurements<'a>,
    /// The test accuracy by the [statistic](Experiment::statistic_of) of its metric.
    pub test_accuracy: &'a Measurements<'a>,
    /// Measured rungs of the ladder; empty where the experiment has none.
    pub ladder: &'a [MeasuredRung],
    /// Gaps that can be divided: along the ladder, or where there is none, from the lowest to the
    /// highest accuracy.
    pub divisions: Vec<Division>,
    /// Gaps of the same kind that cannot be divided.
    pub undivided: Vec<Undivided>,
    /// Published curves of each procedure of the results.
    pub overlays: Vec<Vec<Overlay>>,
    /// The number of each block of the base, counted from 0, by the names of its tensors.
    pub blocks: BTreeMap<String, usize>,
    /// The validation images.
    pub images: PageImages,
    /// Procedures that differ in how many variants they cache, each with the bytes that one variant
    /// of all training images takes.
    pub variants: Vec<(VariantSeries<'a>, u64)>,
    /// A contact sheet of the augmentation; nothing where nothing is augmented.
    pub sheet: Option<ContactSheet>,
}

const VALIDATION: Metric = Metric::ValidationAccuracy;

impl Page<'_> {
    /// The whole document.
    ///
    /// # Errors
    /// When a figure cannot be drawn.
    pub fn html(&self) -> Result<String, ReportError> {
        let parts = [
            ("cells", "Cells", self.cells()?),
            ("evidence", "Evidence", self.evidence()?),
            ("provenance", "Provenance", self.provenance()),
        ]
        .map(|(id, heading, body)| (id, heading, without_optional_tags(body)));
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                (head(&self.experiment.title, &scripts::scripts()))
                body {
                    a class="skip" href="#cells" { "Skip to the cells" }
                    header {
                        h1 { (self.experiment.title) }
                        nav aria-label="Parts" { ul {
                            li { a href="#answer" { "Answer" } }
                            li { a href="#cells" { "Cells" } }
                            li hidden id="compare-link" { a href="#compare" { "Compare any two" } }
                            li { a href="#evidence" { "Evidence" } }
                            li { a href="#provenance" { "Provenance" } }
                        } }
                    }
                    main {
                        section id="answer" aria-label="Answer" { (self.answer()?) }
                        @for (id, heading, body) in &parts {
                            section id=(id) { h2 { (heading) } (body) }
                            @if *id == "cells" { section id="compare" hidden { h2 { "Compare any two" } } }
                        }
                    }
                    script type="application/octet-stream" id="data" { (self.data()) }
                    @for script in scripts::scripts() { script { (PreEscaped(script)) } }
                }
            }
        };
        Ok(shown(page.into_string()))
    }

    /// What an index of reports says of this one.
    pub fn index_entry(&self) -> IndexEntry {
        let statistic = self.accuracy.statistic();
        let indexed = |procedure: &ProcedureRuns| IndexedProcedure {
            label: self.label(procedure),
            accuracy: self.accuracy.level(procedure).as_ref().map_or_else(String::new, percent),
        };
        IndexEntry {
            title: self.experiment.title.clone(),
            procedures: self.results.procedures.len(),
            ran: self.ran().count(),
            runs: self.runs().count(),
            statistic: statistic_in_words(statistic),
            extremes: self.results.extremes(VALIDATION, statistic).map(|ends| ends.map(indexed)),
            thawed: self.ran().filter(|procedure| procedure.thawed()).count(),
            diverged: self.ran().filter(|procedure| procedure.has_diverged()).count(),
        }
    }

    /// What the answer rests on, a heading for each question.
    fn evidence(&self) -> Result<Markup, ReportError> {
        let sections = [
            ("division", "The gap, divided", self.divided()?),
            ("significance", "How sure is that?", self.significance()),
            ("curves", "Each cell by epoch", self.curves()?),
            ("audit", "Declared frozen, collected, moved", self.audit()),
            ("augmentation", "What augmentation shows the network", self.augmentation()),
            ("variants", "How many cached variants it takes", self.variants()?),
        ];
        let sections = sections.into_iter().filter(|(_, _, body)| !body.0.is_empty());
        Ok(html! {
            @for (id, heading, body) in sections { section id=(id) { h3 { (heading) } (body) } }
        })
    }
}

impl Page<'_> {
    /// The procedures that have run.
    fn ran(&self) -> impl Iterator<Item = &ProcedureRuns> {
        self.results.procedures.iter().filter(|procedure| !procedure.runs.is_empty())
    }

    /// The label of a procedure, for people.
    fn label(&self, procedure: &ProcedureRuns) -> String {
        self.experiment.labels.procedure(&procedure.levels)
    }

    /// The block that a tensor of the base belongs to; nothing for one that the base has no more.
    fn block_of(&self, tensor: &TensorAudit) -> Option<usize> {
        self.blocks.get(&tensor.name).copied()
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

/// The head of a page that runs these scripts and no others.
pub(crate) fn head(title: &str, scripts: &[&str]) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta http-equiv="Content-Security-Policy" content=(scripts::policy(scripts));
            title { (title) }
            link rel="icon" href="data:,";
            style { (PreEscaped(scripts::style())) }
        }
    }
}

/// A block of the base in words.
fn block_in_words(block: Option<usize>) -> String {
    block.map_or_else(|| "the base".to_owned(), |number| format!("block {}", number + 1))
}

fn plain_percent(accuracy: f64) -> String {
    format!("{:.2} %", accuracy * 100.0)
}

/// An SVG document as a figure with words for those who cannot see it.
fn figure(svg: &str, words: &str, caption: &str) -> Markup {
    // plotters' own first tag gets two attributes more; maud escapes the words, quotation marks
    // too.
    let svg = compact(svg);
    let drawing = svg.strip_prefix("<svg ").unwrap_or(&svg);
    let words = html! { (words) }.into_string();
    html! {
        figure {
            // A narrow screen scrolls what it could not read.
            div class="drawing" tabindex="0" role="group" aria-label="Drawing" {
                (PreEscaped(format!("<svg role=\"img\" aria-label=\"{words}\" {drawing}")))
            }
            figcaption { (caption) }
        }
    }
}

/// Embeds a JPEG as a figure.
fn picture(jpeg: &[u8], words: &str, caption: &str) -> Markup {
    html! { figure { img src=(data_url(jpeg)) alt=(words); figcaption { (caption) } } }
}

/// A table of the page.
fn table(caption: &str, headings: &[&str], rows: Vec<Vec<Entry>>) -> Markup {
    Table::new(caption, headings, rows).html()
}
