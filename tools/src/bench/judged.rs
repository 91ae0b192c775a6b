//! Is each row within its gate? And how does that look, for people and for scripts?

use super::{
    budget::{self, Budget},
    rows::Row,
};
use crate::image::model::Model;
use serde::Serialize;
use std::fmt;

/// A row beside its budget.
#[derive(Clone, Debug)]
pub struct Judged {
    /// What was measured.
    pub row: Row,
    /// What is promised; a row may be new.
    pub budget: Option<&'static Budget>,
}

/// What the measurement says about the promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// At the goal.
    Ok,
    /// Within the gate.
    OverGoal,
    /// A defect.
    OverGate,
    /// Nothing is promised.
    NoBudget,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::OverGoal => "over goal",
            Self::OverGate => "OVER GATE",
            Self::NoBudget => "no budget",
        })
    }
}

#[derive(Serialize)]
struct Json<'a> {
    id: &'a str,
    value: u64,
    max: u64,
    gate: Option<u64>,
    goal: Option<u64>,
    unit: &'a str,
}

impl Judged {
    /// Looks the budget up, which is one for images of the default model.
    pub fn new(row: Row, model: Model) -> Self {
        Self { budget: budget::of(&row.id).filter(|_| model == Model::default()), row }
    }

    /// Judges the median, as the peers' numbers are medians too.
    pub fn verdict(&self) -> Verdict {
        match self.budget {
            None => Verdict::NoBudget,
            Some(budget) if self.row.value > budget.gate => Verdict::OverGate,
            Some(budget) if self.row.value > budget.goal => Verdict::OverGoal,
            Some(_) => Verdict::Ok,
        }
    }
}

/// `[{"id","value","max","gate","goal","unit"}]`.
pub fn json(rows: &[Judged]) -> serde_json::Result<String> {
    let json = |judged: &Judged| -> serde_json::Result<String> {
        let Judged { row, budget } = judged;
        let (gate, goal) = (budget.map(|budget| budget.gate), budget.map(|budget| budget.goal));
        serde_json::to_string(&Json { id: &row.id, value: row.value, max: row.max, gate, goal, unit: &row.unit })
    };
    let lines = rows.iter().map(json).collect::<Result<Vec<_>, _>>()?;
    Ok(format!("[\n  {}\n]", lines.join(",\n  ")))
}

/// The table for people.
pub fn table(rows: &[Judged]) -> String {
    let mut cells = vec![
        ["row", "median", "max", "gate", "goal", "", "best small RTOS", "best SMP kernel", "Linux RT", ""]
            .map(str::to_owned),
    ];
    for judged in rows {
        let Judged { row, budget } = judged;
        let promised = |number: fn(&Budget) -> u64| budget.map_or("-".into(), |budget| grouped(number(budget)));
        let peer = |words: fn(&Budget) -> &'static str| budget.map_or("-", words).to_owned();
        cells.push([
            row.id.clone(),
            grouped(row.value),
            grouped(row.max),
            promised(|budget| budget.gate),
            promised(|budget| budget.goal),
            judged.verdict().to_string(),
            peer(|budget| budget.best_small),
            peer(|budget| budget.best_smp),
            peer(|budget| budget.linux),
            budget::what(&row.id).unwrap_or(&row.unit).to_owned(),
        ]);
    }
    let widths: Vec<usize> =
        (0..cells[0].len()).map(|column| cells.iter().map(|line| line[column].len()).max().unwrap_or(0)).collect();
    let numbers = 1..5;
    let line = |line: &[String; 10]| {
        let padded = line.iter().enumerate().map(|(column, cell)| match numbers.contains(&column) {
            true => format!("{cell:>width$}", width = widths[column]),
            false => format!("{cell:<width$}", width = widths[column]),
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    cells.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A number with its thousands apart, as the peers' are.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(id: &str, value: u64) -> Judged {
        by_model(id, value, Model::Rt)
    }
    fn by_model(id: &str, value: u64, model: Model) -> Judged {
        Judged::new(Row { id: id.into(), value, max: value + 2, unit: "instructions".into() }, model)
    }

    #[test]
    fn verdicts_at_the_edges() {
        for (value, verdict) in
            [(45, Verdict::Ok), (46, Verdict::OverGoal), (60, Verdict::OverGoal), (61, Verdict::OverGate)]
        {
            assert_eq!(judged("pend-handler", value).verdict(), verdict, "{value}");
        }
        assert_eq!(judged("new-row", 1).verdict(), Verdict::NoBudget);
    }

    /// Nobody has promised what other models cost.
    #[test]
    fn budgets_are_for_the_default_model() {
        let rows = [by_model("pend-thread", 267, Model::None)];
        assert_eq!(rows[0].verdict(), Verdict::NoBudget);
        let text = table(&rows);
        assert!(text.contains("IRQ thread's handler") && !text.contains("GATE"), "{text}");
    }

    #[test]
    fn json_for_scripts() {
        let text = json(&[judged("yield", 70), judged("new-row", 5)]).unwrap();
        let expected = r#"[
  {"id":"yield","value":70,"max":72,"gate":80,"goal":70,"unit":"instructions"},
  {"id":"new-row","value":5,"max":7,"gate":null,"goal":null,"unit":"instructions"}
]"#;
        assert_eq!(text, expected);
    }

    #[test]
    fn a_table_for_people() {
        let text = table(&[judged("pend-handler", 61), judged("boot", 650_000)]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[1].contains("OVER GATE") && lines[1].contains("33 FreeRTOS"), "{text}");
        assert!(lines[2].contains("650,000") && lines[2].contains(" ok "), "{text}");
    }
}
