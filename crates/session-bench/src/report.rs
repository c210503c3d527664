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
    row: String,
    figure: Figure,
    subjects: Vec<(About, Vec<f64>)>,
}

impl Row {
    pub(crate) fn new(row: &str, figure: &Figure) -> Self {
        Self { row: row.to_owned(), figure: *figure, subjects: Vec::new() }
    }

    /// Adds a subject without samples.
    pub(crate) fn add(&mut self, about: About) {
        self.subjects.push((about, Vec::new()));
    }

    /// Adds a sample of the subject that was added as the `index`-th.
    pub(crate) fn sample(&mut self, index: usize, value: f64) {
        self.subjects[index].1.push(value);
    }

    /// Whether anybody was measured.
    pub(crate) fn has_samples(&self) -> bool {
        self.subjects.iter().any(|(_, samples)| !samples.is_empty())
    }

    /// Median ratios of session to the others, by name.
    fn medians(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let others = self.subjects.iter().filter(|(about, _)| about.name != OURS);
        others.filter_map(|(about, samples)| {
            Some((about.name, Summary::of(&ratios(self.figure.better, self.ours()?, samples)).median))
        })
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
    /// Its rows are alike, so that a mean over them says something.
    has_means: bool,
}

impl Report {
    /// Without rows.
    pub(crate) fn new() -> Self {
        Self { date: date(), rows: Vec::new(), has_means: false }
    }

    pub(crate) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Shows means over its rows too.
    pub(crate) fn show_means(&mut self) {
        self.has_means = true;
    }

    /// The geometric mean of the median ratios of all rows with this figure, to each peer, and the least of them.
    fn mean(&self, figure: &str) -> Vec<(&'static str, f64, f64)> {
        let mut peers: Vec<(&'static str, Vec<f64>)> = Vec::new();
        for (name, ratio) in self.rows.iter().filter(|row| row.figure.name == figure).flat_map(Row::medians) {
            match peers.iter_mut().find(|(peer, _)| *peer == name) {
                Some((_, ratios)) => ratios.push(ratio),
                None => peers.push((name, vec![ratio])),
            }
        }
        let mean = |ratios: &[f64]| (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len() as f64).exp();
        let several = peers.into_iter().filter(|(_, ratios)| ratios.len() > 1);
        several
            .map(|(peer, ratios)| (peer, mean(&ratios), ratios.iter().copied().fold(f64::INFINITY, f64::min)))
            .collect()
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
            write!(f, "{row}")?;
        }
        let mut figures: Vec<_> = self.rows.iter().map(|row| row.figure.name).collect();
        figures.sort_unstable();
        figures.dedup();
        for figure in figures.into_iter().filter(|_| self.has_means) {
            for (peer, mean, least) in self.mean(figure) {
                writeln!(
                    f,
                    "{figure}: session {mean:.3}x as good as {peer} in the geometric mean, {least:.3}x in the worst row"
                )?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Figure { name, unit, better } = self.figure;
        writeln!(f, "\n{}: {name}, {unit} ({} is better)", self.row, better.name())?;
        for (about, samples) in &self.subjects {
            let Summary { median, least, most } = Summary::of(samples);
            let bounds = format!("({least:.3} to {most:.3})");
            let ratio =
                self.ours().filter(|_| about.name != OURS).map(|ours| Summary::of(&ratios(better, ours, samples)));
            let ratio = ratio.filter(|ratio| ratio.median.is_finite()).map_or_else(String::new, |ratio| {
                let Summary { median, least, most } = ratio;
                format!("session {median:.3}x as good ({least:.3} to {most:.3})")
            });
            writeln!(
                f,
                "  {:<17} {:<8} {median:>14.3} {bounds:<32} {ratio:<44} {}",
                about.name, about.version, about.cipher
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
