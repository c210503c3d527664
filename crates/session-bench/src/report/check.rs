//! Whether a file says what its samples say.

use serde_json::Value;

use super::{Better, FORMAT, OURS, Summary, ratios};
use crate::Failure;

/// Rounding that a number may go through on its way into a file and back.
const ROUNDING: f64 = 1e-9;

/// Computes every median, bound and ratio again; tells how many figures there are.
pub(crate) fn check(text: &str) -> Result<usize, Failure> {
    let file: Value = serde_json::from_str(text)?;
    if file["format"] != FORMAT {
        return Err(format!("format {} is not {FORMAT}", file["format"]).into());
    }
    let rows = file["rows"].as_array().ok_or("there are no rows")?;
    for row in rows {
        let name = format!("{} {}", row["row"], row["figure"]);
        check_row(row).map_err(|failure| format!("{name}: {failure}"))?;
    }
    Ok(rows.len())
}

fn check_row(row: &Value) -> Result<(), Failure> {
    let better = row["better"].as_str().and_then(Better::named).ok_or("it is not said which way is better")?;
    let subjects = row["subjects"].as_array().ok_or("there are no subjects")?;
    let samples: Vec<_> = subjects.iter().map(samples_of).collect::<Result<_, _>>()?;
    let ours = subjects.iter().position(|subject| subject["name"] == OURS);
    for (subject, theirs) in subjects.iter().zip(&samples) {
        let name = &subject["name"];
        if samples.iter().any(|other| other.len() != theirs.len()) {
            return Err(format!("{name} had another number of turns than others").into());
        }
        compare(&subject["summary"], Summary::of(theirs), &format!("{name}, summary"))?;
        match ours.filter(|_| name != OURS) {
            Some(ours) => {
                let ratios = Summary::of(&ratios(better, &samples[ours], theirs));
                compare(&subject["session_ratio"], ratios, &format!("{name}, ratio"))?;
            }
            None if !subject["session_ratio"].is_null() => return Err(format!("{name} has a ratio to itself").into()),
            None => {}
        }
    }
    Ok(())
}

fn samples_of(subject: &Value) -> Result<Vec<f64>, Failure> {
    let samples = subject["samples"].as_array().ok_or("there are no samples")?;
    let numbers: Option<Vec<f64>> = samples.iter().map(Value::as_f64).collect();
    let usable = numbers.filter(|numbers| !numbers.is_empty() && numbers.iter().all(|number| *number >= 0.0));
    usable.ok_or_else(|| format!("a sample of {} is not a number from zero up", subject["name"]).into())
}

fn compare(said: &Value, computed: Summary, what: &str) -> Result<(), Failure> {
    let Summary { median, least, most } = computed;
    for (name, computed) in [("median", median), ("least", least), ("most", most)] {
        // What divides by a count of none is no number, and none in the file.
        if !computed.is_finite() && said[name].is_null() {
            continue;
        }
        let said = said[name].as_f64().ok_or_else(|| format!("{what}: no {name}"))?;
        if (said - computed).abs() > ROUNDING * computed.abs() {
            return Err(format!("{what}: {name} is said to be {said}, the samples make {computed}").into());
        }
    }
    Ok(())
}
