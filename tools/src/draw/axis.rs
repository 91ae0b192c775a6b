//! Where does an axis have its numbers? At round ones, few enough to be read.

/// Round numbers, 1, 2 or 5 with zeros, from 0 up to `length`; at most `most` steps, 1 or more.
pub fn ticks(length: u64, most: u64) -> Vec<u64> {
    let least = length.div_ceil(most.max(1)).max(1);
    let mut power = 1u64;
    let step = loop {
        if let Some(step) = [1, 2, 5].iter().map(|digit| power.saturating_mul(*digit)).find(|step| *step >= least) {
            break step;
        }
        power = power.saturating_mul(10);
    };
    (0..=length / step).map(|n| n * step).collect()
}

/// Nanoseconds as microseconds, with as many decimals as needed, three at most.
pub fn us(ns: u64) -> String {
    let text = format!("{}.{:03}", ns / 1_000, ns % 1_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_numbers() {
        assert_eq!(ticks(100, 5), [0, 20, 40, 60, 80, 100]);
        assert_eq!(ticks(101, 5), [0, 50, 100]);
        assert_eq!(ticks(7, 100), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(ticks(0, 0), [0]);
        assert!(ticks(u64::MAX, 10).len() <= 11);
    }
    #[test]
    fn microseconds() {
        assert_eq!([0, 1_000, 1_500, 20_030, 7].map(us), ["0", "1", "1.5", "20.03", "0.007"]);
    }
}
