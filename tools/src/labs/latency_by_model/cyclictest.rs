//! What does `cyclictest` say? Lines `T:` of each thread, and with `-h` a histogram (rt-tests' form).

use crate::failure::Failure;
use anyhow::Result;

/// What one thread has seen; latencies in the unit that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Thread {
    /// The shortest latency.
    pub min: u64,
    /// Their mean.
    pub avg: u64,
    /// The longest one.
    pub max: u64,
    /// How many were in each step of the histogram.
    pub counts: Vec<u64>,
    /// How many were too long for it.
    pub overflows: u64,
}

/// All threads, and the histogram's steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// In their order.
    pub threads: Vec<Thread>,
    /// Where each step of the histogram begins.
    pub steps: Vec<u64>,
}

/// Reads a whole output.
pub fn parse(text: &str) -> Result<Report> {
    let mut report = Report::default();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        take(&mut report, line)
            .ok_or_else(|| Failure::new(format!("cyclictest printed a line that cannot be read: `{line}`")))?;
    }
    let complete = report.threads.iter().all(|thread| thread.counts.len() == report.steps.len());
    if report.threads.is_empty() || !complete {
        return Err(Failure::new("cyclictest printed no complete result").into());
    }
    Ok(report)
}

/// Takes a line; `None` if it makes no sense.
fn take(report: &mut Report, line: &str) -> Option<()> {
    if line.starts_with("T:") {
        let field = |name: &str| -> Option<u64> { line.split_once(name)?.1.split_whitespace().next()?.parse().ok() };
        let (min, avg, max) = (field("Min:")?, field("Avg:")?, field("Max:")?);
        report.threads.push(Thread { min, avg, max, ..Thread::default() });
        return Some(());
    }
    if let Some(comment) = line.strip_prefix("# ") {
        if let Some(numbers) = comment.strip_prefix("Histogram Overflows:") {
            for (thread, number) in each(report, numbers)? {
                thread.overflows = number;
            }
        }
        return Some(());
    }
    let (step, numbers) = line.split_once(' ')?;
    let step = step.parse().ok()?;
    for (thread, number) in each(report, numbers)? {
        thread.counts.push(number);
    }
    report.steps.push(step);
    Some(())
}

/// A number for each thread.
fn each<'r>(report: &'r mut Report, numbers: &str) -> Option<Vec<(&'r mut Thread, u64)>> {
    let numbers: Option<Vec<u64>> = numbers.split_whitespace().map(|number| number.parse().ok()).collect();
    let numbers = numbers?;
    (numbers.len() == report.threads.len()).then(|| report.threads.iter_mut().zip(numbers).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
T: 0 (   16) P:80 I:100 C:  10000 Min:    544 Act:    1664 Avg:    1383 Max:    4224\r
T: 1 (   17) P:79 I:150 C:   6667 Min:    545 Act:     592 Avg:    1636 Max:    4656\r
# Histogram\r
000000 000000\t000001\r
000020 000007\t000003\r
# Total: 00007 00004\r
# Min Latencies: 00544 00545\r
# Histogram Overflows: 00002 00000\r
";

    #[test]
    fn a_report() {
        let report = parse(TEXT).unwrap();
        assert_eq!(report.steps, [0, 20]);
        let first = Thread { min: 544, avg: 1383, max: 4224, counts: vec![0, 7], overflows: 2 };
        let second = Thread { min: 545, avg: 1636, max: 4656, counts: vec![1, 3], overflows: 0 };
        assert_eq!(report.threads, [first, second]);
    }

    #[test]
    fn what_cannot_be_read() {
        for bad in [
            "",
            "cyclictest: no memory",
            "T: 0 P:80 Min: 1 Max: 2",
            "T: 0 Min: 1 Avg: x Max: 2",
            "000000 000000",
            &TEXT.replace("000007\t", ""),
            &TEXT.replace("# Histogram Overflows: 00002", "# Histogram Overflows:"),
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
