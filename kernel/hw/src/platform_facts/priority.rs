//! Which pending interrupt comes first, and which one preempts?
use super::{CLEAR_PENDING, Checked, Fact, NOTHING, PRIORITY, Probe, Ro, Rw, expect};
use crate::sysreg::IccCtlr;
use tock_registers::interfaces::{Readable, Writeable};

pub(super) const FACTS: &[Fact] = &[
    ("the distributor keeps 8 priority bits", eight_bits),
    ("equal priorities are acknowledged lowest INTID first", lowest_first),
    ("pending interrupts are selected by all 8 bits", all_bits_select),
    ("the more urgent one is acknowledged first and runs at its priority", urgent_first),
    ("PMR lets through only what is strictly more urgent", strictly),
    ("a more urgent interrupt preempts; ends are in reverse order", preemption),
];
pub(super) const V3_FACTS: &[Fact] = &[
    ("the CPU interface has 5 priority bits", five_bits),
    ("priorities that differ in bits [2:0] do not preempt", |p| no_preemption_below(p, 0xa0, 0xa0)),
];
/// A real one has 4 or 5.
pub(super) const V2_FACTS: &[Fact] = &[
    ("the CPU interface has 8 priority bits", eight_bits_of_the_interface),
    ("priorities that differ in bit 0 do not preempt", |p| no_preemption_below(p, 0xa5, 0xa4)),
    ("SGIs are forced by sender, and their pending bits are read-only", sgi_senders),
];

fn five_bits(p: &Probe) -> Checked {
    expect("ICC_CTLR.PRIbits", IccCtlr.get() >> 8 & 7, 4u32)?;
    expect("PMR <- 0xFF", p.interface().mask(), 0xf8u32)?;
    expect("BPR1 <- 0", p.interface().binary_point(), 3u32)?;
    p.interface().set_mask(0xa7);
    expect("PMR <- 0xA7", p.interface().mask(), 0xa0u32)
}

fn eight_bits_of_the_interface(p: &Probe) -> Checked {
    expect("PMR <- 0xFF", p.interface().mask(), 0xffu32)?;
    expect("BPR <- 0", p.interface().binary_point(), 0u32)?;
    p.interface().set_mask(0xa7);
    expect("PMR <- 0xA7", p.interface().mask(), 0xa7u32)
}

/// Sends SGI 9 to this CPU as if interface 0 had, by `SPENDSGIR`, and takes it back by `CPENDSGIR`.
fn sgi_senders(p: &Probe) -> Checked {
    const SGI: u32 = 9;
    const WORD: usize = 4 * (SGI as usize / 4);
    const SENDER_0: u32 = 1 << (8 * (SGI % 4));
    let (set, clear) = (p.gicd.reg::<u32, (), Rw>(0xf20 + WORD), p.gicd.reg::<u32, (), Rw>(0xf10 + WORD));
    p.pend(SGI);
    expect("by ISPENDR", p.pending(SGI), false)?;
    set.set(SENDER_0);
    let (forced, senders) = (p.pending(SGI), clear.get());
    p.strobe(CLEAR_PENDING, SGI);
    let kept = p.pending(SGI);
    clear.set(SENDER_0);
    expect("by SPENDSGIR", forced, true)?;
    expect("its senders", senders, SENDER_0)?;
    expect("after ICPENDR", kept, true)?;
    expect("after CPENDSGIR", p.pending(SGI), false)
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
    p.interface().set_mask(0xa0);
    both(p, 0xa0, 0x98);
    let [first, second] = order(p);
    expect("0x98", first, p.other())?;
    expect("0xA0 with PMR 0xA0", second, NOTHING)?;
    expect("0xA0 stays pending", p.pending(p.spare), true)
}

/// What is acknowledged while `spare` is active at `active` and `other` pending at `priority`; both are ended.
fn nested(p: &Probe, active: u8, priority: u8) -> (u32, u32, u64) {
    p.set_edge(p.spare, true);
    p.set_edge(p.other(), true);
    p.set_priority(p.spare, active);
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

/// `pending` is more urgent by what does not count only; it is also the running priority.
fn no_preemption_below(p: &Probe, active: u8, pending: u8) -> Checked {
    let (outer, inner, running) = nested(p, active, pending);
    expect("active", outer, p.spare)?;
    expect("the slightly more urgent one", inner, NOTHING)?;
    expect("running priority", running, pending)
}

fn preemption(p: &Probe) -> Checked {
    let (outer, inner, running) = nested(p, 0xa4, 0x98);
    expect("active", outer, p.spare)?;
    expect("0x98 while 0xA4 runs", inner, p.other())?;
    expect("running priority", running, 0x98u32)?;
    expect("running priority in the end", p.running(), 0xffu32)
}
