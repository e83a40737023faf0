//! Jupyter's notebooks: each cell whose output tells a training is one, named by its number in
//! brackets.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::expression;
use super::printed;
use super::table::Sheets;
use super::training::{Training, number};

/// A cell of a table.
static CELL: LazyLock<Regex> =
    LazyLock::new(|| expression(r"(?s)<t[dh](?:\s[^>]*)?>(.*?)(?:</t[dh]>|$)"));

/// A tag within a cell.
static TAG: LazyLock<Regex> = LazyLock::new(|| expression(r"<[^>]*>"));

/// Whether a JSON value is a notebook.
pub(super) fn is_notebook(value: &Value) -> bool {
    cells(value).next().is_some() && value.get("nbformat").is_some()
}

/// The cells, which stood in worksheets before version 4 of the format.
fn cells(notebook: &Value) -> impl Iterator<Item = &Value> {
    let worksheets = notebook["worksheets"].as_array().into_iter().flatten();
    let sheets = [notebook].into_iter().chain(worksheets);
    sheets.filter_map(|sheet| sheet["cells"].as_array()).flatten()
}

/// The trainings that its outputs tell.
pub(super) fn trainings(notebook: &Value) -> Vec<Training> {
    let mut trainings = Vec::new();
    for (place, cell) in (1..).zip(cells(notebook)) {
        let name = match cell["execution_count"].as_u64().or(cell["prompt_number"].as_u64()) {
            Some(count) => format!("[{count}]"),
            None => format!("cell {place}"),
        };
        let mut printed_text = String::new();
        let mut of_cell = Vec::new();
        for output in cell["outputs"].as_array().into_iter().flatten() {
            printed_text += &text(&output["text"]);
            let data = &output["data"];
            let html = text(&data["text/html"]);
            let tables = html.split("<table").skip(1).map(table_of);
            let found: Vec<Training> = tables
                .filter_map(|table| Sheets::of(&table)?.trainings("").ok())
                .flatten()
                .collect();
            if found.is_empty() {
                printed_text += &(text(&data["text/plain"]) + "\n");
            }
            of_cell.extend(found);
        }
        let printed_text = anstream::adapter::strip_str(&printed_text).to_string();
        of_cell.extend(printed::trainings(&printed_text, "", false));
        trainings.extend(number(of_cell, &name));
    }
    trainings
}

/// A text, or its lines.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
        _ => String::new(),
    }
}

/// The rows of a table of a page, with bars between cells, as fastai shows its epochs.
fn table_of(html: &str) -> String {
    let table = html.split("</table").next().unwrap_or_default();
    let rows = table.split("<tr").skip(1).map(|row| {
        let cells = CELL.captures_iter(row);
        let cells =
            cells.map(|cell| TAG.replace_all(&cell[1], "").trim().replace(['|', '\n'], " "));
        format!("|{}|", cells.collect::<Vec<_>>().join("|"))
    });
    let rows: Vec<String> = rows.filter(|row| row.len() > 2).collect();
    rows.join("\n") + "\n"
}
