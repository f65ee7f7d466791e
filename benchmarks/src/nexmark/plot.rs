//! The plot: a bar for each engine and query, seconds on a logarithmic scale.

use std::fmt::Write;

use super::plan::QUERIES;
use super::report::{COLUMNS, in_seconds};
use super::summary::{Cell, Summary};
use crate::Result;

/// Sizes in pixels.
const BAR: f64 = 11.0;
const GAP: f64 = 14.0;
const LEFT: f64 = 48.0;
const RIGHT: f64 = 132.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 28.0;
const WIDTH: f64 = 860.0;
/// One color for each column of the report: told apart by people who do not see all colors (Okabe and Ito).
const COLORS: [&str; 7] =
    ["#0072b2", "#cc79a7", "#56b4e9", "#009e73", "#d55e00", "#e69f00", "#999999"];

/// The plot as a file.
pub(crate) fn svg(summary: &Summary) -> Result<String> {
    let group = BAR * COLUMNS.len() as f64;
    let height = TOP + BOTTOM + QUERIES.len() as f64 * (group + GAP);
    let scale = Scale::new(summary);
    let mut out = String::new();
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"18\" font-size=\"14\">Seconds, logarithmic; less is better</text>"
    )?;
    legend(&mut out)?;
    for decade in scale.decades() {
        let x = scale.x(decade);
        writeln!(
            out,
            "<line x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{:.1}\" stroke=\"#dddddd\"/>\n\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{decade}</text>",
            height - BOTTOM,
            height - BOTTOM + 16.0
        )?;
    }
    for (number, query) in QUERIES.iter().enumerate() {
        let top = TOP + number as f64 * (group + GAP) + GAP / 2.0;
        writeln!(out, "<text x=\"8\" y=\"{:.1}\">{query}</text>", top + group / 2.0 + 4.0)?;
        for (column, (engine, what, _)) in COLUMNS.iter().enumerate() {
            let y = top + column as f64 * BAR;
            bar(&mut out, &scale, summary.cell(*engine, *what, query), y, COLORS[column])?;
        }
    }
    writeln!(out, "</svg>")?;
    Ok(out)
}

fn legend(out: &mut String) -> Result<()> {
    for (number, ((_, _, name), color)) in COLUMNS.iter().zip(COLORS).enumerate() {
        let x = LEFT + (number % 3) as f64 * 220.0;
        let y = 28.0 + (number / 3) as f64 * 16.0;
        writeln!(
            out,
            "<rect x=\"{x}\" y=\"{y}\" width=\"10\" height=\"10\" fill=\"{color}\"/>\
             <text x=\"{}\" y=\"{}\">{name}</text>",
            x + 15.0,
            y + 9.0
        )?;
    }
    Ok(())
}

fn bar(out: &mut String, scale: &Scale, cell: &Cell, y: f64, color: &str) -> Result<()> {
    let (seconds, label, look) = match cell {
        Cell::Taken { median, .. } => (median.seconds, in_seconds(median.seconds), ""),
        Cell::Unfinished { seconds, .. } => {
            let label = format!("not finished in {seconds} s");
            (*seconds as f64, label, " fill-opacity=\"0.3\"")
        }
        Cell::Refused(_) => (scale.least, "refused".to_owned(), ""),
        Cell::Failed(_) => (scale.least, "failed".to_owned(), ""),
        Cell::Missing => return Ok(()),
    };
    let right = scale.x(seconds);
    writeln!(
        out,
        "<rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{color}\"{look}/>\
         <text x=\"{:.1}\" y=\"{:.1}\" font-size=\"9\">{label}</text>",
        right - LEFT,
        BAR - 1.0,
        right + 4.0,
        y + BAR - 3.0
    )?;
    Ok(())
}

/// From seconds to pixels.
struct Scale {
    least: f64,
    most: f64,
}

impl Scale {
    /// Whole decades around all that was measured.
    fn new(summary: &Summary) -> Self {
        let mut all = Vec::new();
        for query in QUERIES {
            for (engine, what, _) in COLUMNS {
                match summary.cell(engine, what, query) {
                    Cell::Taken { median, .. } => all.push(median.seconds),
                    Cell::Unfinished { seconds, .. } => all.push(*seconds as f64),
                    Cell::Refused(_) | Cell::Failed(_) | Cell::Missing => {}
                }
            }
        }
        let least = all.iter().copied().fold(1.0, f64::min);
        let most = all.iter().copied().fold(10.0, f64::max);
        Self { least: decade(least.log10().floor()), most: decade(most.log10().ceil()) }
    }

    fn x(&self, seconds: f64) -> f64 {
        let part = (seconds / self.least).log10() / (self.most / self.least).log10();
        LEFT + part.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    fn decades(&self) -> Vec<f64> {
        let (first, last) = (self.least.log10().round() as i32, self.most.log10().round() as i32);
        (first..=last).map(|exponent| decade(f64::from(exponent))).collect()
    }
}

fn decade(exponent: f64) -> f64 {
    10_f64.powf(exponent)
}
