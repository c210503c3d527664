//! Measuring several subjects in turns: A B C, A B C, … so that a machine that gets slower gets slower for all.

use crate::Failure;
use crate::args::Measure;
use crate::report::{About, Better, OURS, Report, Row};

/// One figure of a turn, or several that come from the same work.
pub(crate) type Sample = Vec<f64>;

/// A name of a figure, its unit, and which way is better.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) better: Better,
}

/// Who is measured, and the work of one turn.
pub(crate) struct Subject<'a> {
    pub(crate) about: About,
    pub(crate) turn: Box<dyn FnMut() -> Result<Sample, Failure> + 'a>,
}

impl<'a> Subject<'a> {
    pub(crate) fn new(about: About, turn: impl FnMut() -> Result<Sample, Failure> + 'a) -> Self {
        Self { about, turn: Box::new(turn) }
    }
}

/// Gives every subject `turns` turns after one that does not count, and files a row for each of `figures`.
pub(crate) fn measure(
    row: &'static str,
    figures: &[Figure],
    mut subjects: Vec<Subject<'_>>,
    measure: &Measure,
    report: &mut Report,
) -> Result<(), Failure> {
    let mut rows: Vec<Row> = figures.iter().map(|figure| Row::new(row, figure)).collect();
    for subject in &mut subjects {
        (subject.turn)().map_err(|failure| format!("{row}, {}: {failure}", subject.about.name))?;
        for row in &mut rows {
            row.add(subject.about.clone());
        }
    }
    for turn in 0..measure.turns() {
        for (index, subject) in subjects.iter_mut().enumerate() {
            eprint!("\r{row}: turn {} of {}, {:<16}", turn + 1, measure.turns(), subject.about.name);
            let sample = (subject.turn)().map_err(|failure| format!("{row}, {}: {failure}", subject.about.name))?;
            for (row, value) in rows.iter_mut().zip(sample) {
                row.sample(index, value);
            }
        }
    }
    eprintln!("\r{row}: done{:<32}", "");
    debug_assert!(subjects.iter().any(|subject| subject.about.name == OURS), "ratios need session itself");
    for row in rows {
        report.add(row);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
