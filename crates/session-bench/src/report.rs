//! Samples, what follows from them, and the file they are written to.

mod check;

use std::fmt;

use serde_json::{Value, json};

use crate::clock::date;
use crate::turns::Figure;
use crate::versions::locked;

pub(crate) use check::check;

/// The name of session among its peers.
pub(crate) const OURS: &str = "session";
/// Of the layout of the file; grows when a reader would have to change.
const FORMAT: u64 = 1;

/// Which way of a figure is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    Lower,
    Higher,
}

impl Better {
    const fn name(self) -> &'static str {
        match self {
            Self::Lower => "lower",
            Self::Higher => "higher",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Lower, Self::Higher].into_iter().find(|better| better.name() == name)
    }

    /// How many times better `ours` is than `theirs`: above 1, ours is better.
    fn ratio(self, ours: f64, theirs: f64) -> f64 {
        match self {
            Self::Lower => theirs / ours,
            Self::Higher => ours / theirs,
        }
    }
}

/// Who was measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// The cipher of its bulk data, and whose code it is.
    pub(crate) cipher: &'static str,
}

impl About {
    /// A package of the lock file.
    pub(crate) fn package(name: &'static str, package: &str, cipher: &'static str) -> Self {
        Self { name, version: locked(package).unwrap_or("?"), cipher }
    }
}

/// One figure of one row, for every subject.
#[derive(Debug)]
pub(crate) struct Row {
    row: &'static str,
    figure: Figure,
    subjects: Vec<(About, Vec<f64>)>,
}

impl Row {
    pub(crate) fn new(row: &'static str, figure: &Figure) -> Self {
        Self { row, figure: *figure, subjects: Vec::new() }
    }

    /// Adds a subject without samples.
    pub(crate) fn add(&mut self, about: About) {
        self.subjects.push((about, Vec::new()));
    }

    /// Adds a sample of the subject that was added as the `index`-th.
    pub(crate) fn sample(&mut self, index: usize, value: f64) {
        self.subjects[index].1.push(value);
    }

    fn ours(&self) -> Option<&[f64]> {
        self.subjects.iter().find(|(about, _)| about.name == OURS).map(|(_, samples)| samples.as_slice())
    }

    fn to_value(&self) -> Value {
        let subjects = self.subjects.iter().map(|(about, samples)| {
            let ratio =
                self.ours().filter(|_| about.name != OURS).map(|ours| ratios(self.figure.better, ours, samples));
            json!({
                "name": about.name, "version": about.version, "cipher": about.cipher,
                "samples": samples, "summary": Summary::of(samples).to_value(),
                "session_ratio": ratio.map(|ratio| Summary::of(&ratio).to_value()),
            })
        });
        json!({
            "row": self.row, "figure": self.figure.name, "unit": self.figure.unit, "better": self.figure.better.name(),
            "subjects": subjects.collect::<Vec<_>>(),
        })
    }
}

/// Turn by turn, how many times better session was.
fn ratios(better: Better, ours: &[f64], theirs: &[f64]) -> Vec<f64> {
    ours.iter().zip(theirs).map(|(ours, theirs)| better.ratio(*ours, *theirs)).collect()
}

/// What is said of samples: the median, and between which bounds they all lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Summary {
    pub(crate) fn of(samples: &[f64]) -> Self {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        let half = sorted.len() / 2;
        let median =
            if sorted.len().is_multiple_of(2) { (at(half.wrapping_sub(1)) + at(half)) / 2.0 } else { at(half) };
        Self { median, least: at(0), most: at(sorted.len().wrapping_sub(1)) }
    }

    fn to_value(self) -> Value {
        json!({ "median": self.median, "least": self.least, "most": self.most })
    }
}

/// All rows of a run.
#[derive(Debug)]
pub(crate) struct Report {
    date: u64,
    rows: Vec<Row>,
}

impl Report {
    /// Without rows.
    pub(crate) fn new() -> Self {
        Self { date: date(), rows: Vec::new() }
    }

    pub(crate) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// The file, laid out as `docs/performance.md` says.
    pub(crate) fn to_json(&self) -> String {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let file = json!({
            "format": FORMAT,
            "date": self.date,
            "machine": { "processors": cores, "architecture": std::env::consts::ARCH, "system": std::env::consts::OS },
            "rows": self.rows.iter().map(Row::to_value).collect::<Vec<_>>(),
        });
        format!("{file:#}\n")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.rows {
            let Figure { name, unit, better } = row.figure;
            writeln!(f, "\n{}: {name}, {unit} ({} is better)", row.row, better.name())?;
            for (about, samples) in &row.subjects {
                let Summary { median, least, most } = Summary::of(samples);
                write!(f, "  {:<12} {:<8} {median:>12.4} ({least:.4} to {most:.4})", about.name, about.version)?;
                match row.ours().filter(|_| about.name != OURS) {
                    None => write!(f, "{:>32}", "")?,
                    Some(ours) => {
                        let Summary { median, least, most } = Summary::of(&ratios(better, ours, samples));
                        write!(f, "  session {median:.3}x as good ({least:.3} to {most:.3})")?;
                    }
                }
                writeln!(f, "  {}", about.cipher)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
