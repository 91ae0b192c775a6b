//! Are the interrupt lines in a state that makes sense? Asked by tests when nothing is on its way (HC-06).
use super::domain::{Descriptor, Irq, gic, lookup};
use crate::{cx::ThreadCx, irq_flags, percpu, rcu};
use hw::gic::{FIRST_SPI, Which};
use logic::flow::{Broken, MASKED};

/// What is wrong, and with which line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The line.
    pub irq: Irq,
    /// The rule.
    pub rule: Rule,
}

/// A rule that every line keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// One of the state machine's own.
    State(Broken),
    /// What the state machine takes for masked is what the controller masks.
    Mask,
    /// No two actions have the same bit.
    Bit,
    /// No private line of the CPU that asks is active: none is served, so nobody would end it any more.
    Stuck,
}

/// Checks every mapped shared line, and the private ones of the CPU that calls, those between CPUs included.
///
/// # Errors
/// The first rule that does not hold.
pub fn verify(cx: &mut ThreadCx) -> Result<(), Violation> {
    let active = |&intid: &u32| gic().state(percpu::this().gic_local(), intid, Which::Active) == Ok(true);
    let off = irq_flags::Off::new();
    let stuck = (0..FIRST_SPI).find(active);
    drop(off);
    if let Some(intid) = stuck {
        return Err(Violation { irq: Irq::new(intid), rule: Rule::Stuck });
    }
    for intid in FIRST_SPI..gic().lines() {
        if let Some(line) = lookup(intid) {
            // Nobody is in the middle of installing or freeing a handler.
            line.config.down(cx);
            let checked = check(line);
            let _ = line.config.up(cx);
            checked.map_err(|rule| Violation { irq: Irq::new(intid), rule })?;
        }
    }
    Ok(())
}

fn check(line: &'static Descriptor) -> Result<(), Rule> {
    let mut bits = 0;
    for action in line.actions(&rcu::section()) {
        if bits & action.mask != 0 {
            return Err(Rule::Bit);
        }
        bits |= action.mask;
    }
    line.with(|g| {
        g.state.verify(bits).map_err(Rule::State)?;
        let enabled = gic().state(percpu::this().gic_local(), line.intid, Which::Enabled);
        if enabled != Ok(g.state.flags() & MASKED == 0) {
            return Err(Rule::Mask);
        }
        Ok(())
    })
}
