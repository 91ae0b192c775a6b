//! How does an edge-triggered interrupt go from trigger to deactivation?
use super::{CLEAR_PENDING, Checked, Fact, NOTHING, Probe, expect};
use tock_registers::interfaces::{Readable, Writeable};

pub(super) const FACTS: &[Fact] = &[
    ("an idle acknowledge returns 1023", |p| expect("acknowledged", p.acknowledge(), NOTHING)),
    ("set and clear registers leave the neighbours alone", neighbours),
    ("two triggers while disabled are one interrupt on enable", latched_once),
    ("clearing the pending bit of an edge takes it back", taken_back),
    ("a trigger while active is delivered after deactivation", while_active),
    ("EOI mode 1: dropped and active until DIR; others go on", split_end),
    ("EOI mode 0: EOIR deactivates", joint_end),
    ("an SGI to oneself is pending at once", own_sgi),
    ("disabling is in effect when RWP reads 0, where there is one", disabled),
];

fn neighbours(p: &Probe) -> Checked {
    p.enable(p.spare);
    p.enable(p.other());
    p.disable(p.other());
    let read = |offset, intid| p.is_set(offset, intid);
    expect("spare enabled", read(super::SET_ENABLE, p.spare), true)?;
    expect("spare enabled, by the clear register", read(super::CLEAR_ENABLE, p.spare), true)?;
    expect("other enabled", read(super::SET_ENABLE, p.other()), false)
}

fn latched_once(p: &Probe) -> Checked {
    p.set_edge(p.spare, true);
    p.pend(p.spare);
    p.pend(p.spare);
    expect("pending", p.pending(p.spare), true)?;
    expect("while disabled", p.acknowledge(), NOTHING)?;
    p.enable(p.spare);
    expect("on enable", p.acknowledge(), p.spare)?;
    expect("pending after the acknowledge", p.pending(p.spare), false)?;
    p.end(p.spare);
    expect("once only", p.acknowledge(), NOTHING)
}

fn taken_back(p: &Probe) -> Checked {
    p.set_edge(p.spare, true);
    p.pend(p.spare);
    p.strobe(CLEAR_PENDING, p.spare);
    p.enable(p.spare);
    expect("on enable", p.acknowledge(), NOTHING)
}

fn while_active(p: &Probe) -> Checked {
    p.set_edge(p.spare, true);
    p.enable(p.spare);
    p.pend(p.spare);
    expect("first", p.acknowledge(), p.spare)?;
    p.pend(p.spare);
    expect("active", p.active(p.spare), true)?;
    expect("and pending", p.pending(p.spare), true)?;
    p.drop_priority(p.spare);
    let meanwhile = p.acknowledge();
    p.deactivate(p.spare);
    expect("while active", meanwhile, NOTHING)?;
    expect("after deactivation", p.acknowledge(), p.spare)?;
    p.end(p.spare);
    expect("once only", p.acknowledge(), NOTHING)
}

fn split_end(p: &Probe) -> Checked {
    p.set_edge(p.spare, true);
    p.set_edge(p.other(), true);
    p.enable(p.spare);
    p.enable(p.other());
    p.pend(p.spare);
    expect("first", p.acknowledge(), p.spare)?;
    expect("running priority", p.running(), 0xa0u32)?;
    p.drop_priority(p.spare);
    expect("running priority after the drop", p.running(), 0xffu32)?;
    expect("active after the drop", p.active(p.spare), true)?;
    p.pend(p.spare);
    p.pend(p.other());
    let meanwhile = p.acknowledge();
    if meanwhile != NOTHING {
        p.end(meanwhile);
    }
    let again = p.acknowledge();
    p.deactivate(p.spare);
    expect("the other one goes on", meanwhile, p.other())?;
    expect("the active one does not", again, NOTHING)?;
    expect("after DIR", p.acknowledge(), p.spare)?;
    p.end(p.spare);
    expect("active in the end", p.active(p.spare), false)
}

fn joint_end(p: &Probe) -> Checked {
    p.set_edge(p.spare, true);
    p.enable(p.spare);
    p.interface().open(false);
    p.pend(p.spare);
    let first = p.acknowledge();
    p.drop_priority(first);
    p.interface().open(true);
    expect("acknowledged", first, p.spare)?;
    expect("active after EOIR1", p.active(p.spare), false)
}

fn own_sgi(p: &Probe) -> Checked {
    const SGI: u32 = 7;
    p.strobe(super::CLEAR_PENDING, SGI);
    let group = p.group(SGI);
    let kept = group.get();
    p.let_in(SGI);
    p.set_priority(SGI, super::DEFAULT_PRIORITY);
    p.enable(SGI);
    p.send_to_self(SGI);
    let taken = p.acknowledge();
    if taken != NOTHING {
        p.end(taken);
    }
    p.strobe(super::CLEAR_ENABLE, SGI);
    group.set(kept);
    // Above it, a GICv2 has who sent it.
    expect("acknowledged", crate::gic::intid(taken), SGI)
}

fn disabled(p: &Probe) -> Checked {
    p.set_edge(p.spare, true);
    p.enable(p.spare);
    p.pend(p.spare);
    p.strobe(super::CLEAR_ENABLE, p.spare);
    expect("RWP clears", p.settle(), true)?;
    expect("after that", p.acknowledge(), NOTHING)
}
