//! For how long are interrupts masked while a priority goes along a chain of locks, and back?
use super::{Chain, DEPTHS, PATIENCE, TRIES, URGENT, fifo};
use alloc::vec;
use kernel::{
    Error, Result, ThreadCx,
    latency::{self, Kind, Section},
    println, sched, thread, time,
};

/// Runs this part of the lab. Whether what it claims held.
pub fn run(cx: &mut ThreadCx) -> bool {
    match measure(cx) {
        Ok(right) => right,
        Err(error) => {
            println!(cx, "lock-chain: {}", error);
            false
        }
    }
}

/// Longest section by depth, from the latency tracer.
fn measure(cx: &mut ThreadCx) -> Result<bool> {
    sched::set(cx, thread::current_id(), fifo(URGENT)?)?;
    let mut lengths = vec![];
    println!(
        cx,
        "The longest section with interrupts masked while the urgent thread waits for the last lock and gives up:"
    );
    println!(cx);
    println!(cx, "  locks  instructions  where it began");
    for depth in DEPTHS {
        let chain = Chain::new(cx, depth)?;
        let mut longest: Option<Section> = None;
        for _ in 0..TRIES {
            time::sleep(cx, PATIENCE)?;
            latency::reset(Kind::IrqsOff);
            chain.join(cx)?;
            longest = longest.into_iter().chain(latency::max(Kind::IrqsOff)).max_by_key(|section| section.length);
        }
        chain.end(cx)?;
        let section = longest.ok_or(Error::NotFound)?;
        println!(cx, "  {:>5} {:>13}  {}:{}", depth, section.length, section.start.file(), section.start.line());
        lengths.push(section.length);
    }
    println!(cx);
    let (shortest, longest) = (lengths.iter().min().copied().unwrap_or(0), lengths.iter().max().copied().unwrap_or(0));
    // A tenth, for what happens to come together.
    let flat = shortest > 0 && longest - shortest <= shortest / 10;
    let verdict = if flat { "As claimed: it does not grow with the chain." } else { "NOT as claimed: it is not flat." };
    println!(cx, "{}", verdict);
    println!(cx);
    Ok(flat)
}
