//! Which pending interrupt comes first, and which one preempts?
use super::{Checked, Fact, NOTHING, PRIORITY, Probe, Ro, expect};
use crate::sysreg::{IccBpr1, IccCtlr, IccPmr};
use tock_registers::interfaces::{Readable, Writeable};

pub(super) const FACTS: &[Fact] = &[
    ("the CPU interface has 5 priority bits", five_bits),
    ("the distributor keeps 8 priority bits", eight_bits),
    ("equal priorities are acknowledged lowest INTID first", lowest_first),
    ("pending interrupts are selected by all 8 bits", all_bits_select),
    ("the more urgent one is acknowledged first and runs at its priority", urgent_first),
    ("PMR lets through only what is strictly more urgent", strictly),
    ("priorities that differ in bits [2:0] do not preempt", no_preemption_below),
    ("a more urgent interrupt preempts; ends are in reverse order", preemption),
];

fn five_bits(_: &Probe) -> Checked {
    expect("ICC_CTLR.PRIbits", IccCtlr.get() >> 8 & 7, 4u32)?;
    expect("PMR <- 0xFF", IccPmr.get(), 0xf8u32)?;
    expect("BPR1 <- 0", IccBpr1.get(), 3u32)?;
    IccPmr.set(0xa7);
    expect("PMR <- 0xA7", IccPmr.get(), 0xa0u32)
}

fn eight_bits(p: &Probe) -> Checked {
    p.set_priority(p.spare, 0xa5);
    expect("IPRIORITYR", p.gicd.reg::<u8, (), Ro>(PRIORITY + p.spare as usize).get(), 0xa5u8)
}

/// Makes both spare INTIDs pending with these priorities: `other` first.
fn both(p: &Probe, spare: u8, other: u8) {
    for (intid, priority) in [(p.other(), other), (p.spare, spare)] {
        p.set_edge(intid, true);
        p.set_priority(intid, priority);
        p.enable(intid);
        p.pend(intid);
    }
}
/// Acknowledges and ends what is pending: the first two INTIDs.
fn order(p: &Probe) -> [u32; 2] {
    [0; 2].map(|_| {
        let intid = p.acknowledge();
        if intid != NOTHING {
            p.end(intid);
        }
        intid
    })
}

fn lowest_first(p: &Probe) -> Checked {
    both(p, 0xa0, 0xa0);
    let [first, second] = order(p);
    expect("first", first, p.spare)?;
    expect("second", second, p.other())
}

fn all_bits_select(p: &Probe) -> Checked {
    both(p, 0xa4, 0xa0);
    let [first, second] = order(p);
    expect("first", first, p.other())?;
    expect("second", second, p.spare)
}

fn urgent_first(p: &Probe) -> Checked {
    both(p, 0xa0, 0x80);
    let first = p.acknowledge();
    let running = p.running();
    p.end(first);
    let [second, _] = order(p);
    expect("first", first, p.other())?;
    expect("running priority", running, 0x80u32)?;
    expect("second", second, p.spare)
}

fn strictly(p: &Probe) -> Checked {
    IccPmr.set(0xa0);
    both(p, 0xa0, 0x98);
    let [first, second] = order(p);
    expect("0x98", first, p.other())?;
    expect("0xA0 with PMR 0xA0", second, NOTHING)?;
    expect("0xA0 stays pending", p.pending(p.spare), true)
}

/// What is acknowledged while `spare` is active at 0xA4 and `other` pending at `priority`; both are ended.
fn nested(p: &Probe, priority: u8) -> (u32, u32, u64) {
    p.set_edge(p.spare, true);
    p.set_edge(p.other(), true);
    p.set_priority(p.spare, 0xa4);
    p.set_priority(p.other(), priority);
    p.enable(p.spare);
    p.enable(p.other());
    p.pend(p.spare);
    let outer = p.acknowledge();
    p.pend(p.other());
    let inner = p.acknowledge();
    let running = p.running();
    for intid in [inner, outer].into_iter().filter(|intid| *intid != NOTHING) {
        p.end(intid);
    }
    (outer, inner, running)
}

fn no_preemption_below(p: &Probe) -> Checked {
    let (outer, inner, running) = nested(p, 0xa0);
    expect("active", outer, p.spare)?;
    expect("0xA0 while 0xA4 runs", inner, NOTHING)?;
    expect("running priority", running, 0xa0u32)
}

fn preemption(p: &Probe) -> Checked {
    let (outer, inner, running) = nested(p, 0x98);
    expect("active", outer, p.spare)?;
    expect("0x98 while 0xA4 runs", inner, p.other())?;
    expect("running priority", running, 0x98u32)?;
    expect("running priority in the end", p.running(), 0xffu32)
}
