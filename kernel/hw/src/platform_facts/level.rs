//! How does a level-sensitive interrupt follow its line? The PL011's transmit interrupt and the timer make true ones.
use super::{CLEAR_PENDING, Checked, Fact, NOTHING, Probe, TIMER, expect};
use crate::{
    mmio::{Reg, Rw, Wo},
    sysreg::{CntVct, CntvCtl, CntvCval},
};
use tock_registers::interfaces::{Readable, Writeable};

pub(super) const FACTS: &[Fact] = &[
    ("the PL011's line is high from a transmission to ICR.TXIC", |p| with_line(p, follows)),
    ("ICPENDR has no effect while the line is high", |p| with_line(p, cannot_be_cleared)),
    ("a line dropped while disabled is not delivered on enable", |p| with_line(p, dropped)),
    ("a line that is high while active is delivered again after deactivation", |p| with_line(p, delivered_again)),
    ("a line cleared while active is not delivered again", |p| with_line(p, cleared_while_active)),
    ("a level-sensitive INTID made pending by ISPENDR is idle after the acknowledge", latched_level),
    ("the timer's line is high from the compare value on", timer),
];

const TX: u32 = 1 << 5;

fn imsc(p: &Probe) -> Reg<u32, (), Rw> {
    p.uart.reg(0x38)
}
fn lower(p: &Probe) {
    let icr: Reg<u32, (), Wo> = p.uart.reg(0x44);
    icr.set(TX);
}

/// Raises the PL011's line by sending a space, checks, and puts the PL011 and its INTID back.
fn with_line(p: &Probe, check: fn(&Probe) -> Checked) -> Checked {
    let control: Reg<u32, (), Rw> = p.uart.reg(0x30);
    let data: Reg<u32, (), Wo> = p.uart.reg(0);
    let kept = (control.get(), imsc(p).get());
    let group = p.group(p.uart_intid);
    let kept_group = group.get();
    p.let_in(p.uart_intid);
    p.set_edge(p.uart_intid, false);
    p.set_priority(p.uart_intid, super::DEFAULT_PRIORITY);
    p.route_here(p.uart_intid);
    control.set(0x301);
    lower(p);
    imsc(p).set(TX);
    let before = expect("before the transmission", p.pending(p.uart_intid), false);
    data.set(b' '.into());
    let result = before.and_then(|()| check(p));
    imsc(p).set(0);
    lower(p);
    p.forget(p.uart_intid);
    group.set(kept_group);
    imsc(p).set(kept.1);
    control.set(kept.0);
    result
}

fn follows(p: &Probe) -> Checked {
    expect("after the transmission", p.pending(p.uart_intid), true)?;
    expect("and still", p.pending(p.uart_intid), true)?;
    lower(p);
    expect("after TXIC", p.pending(p.uart_intid), false)
}

fn cannot_be_cleared(p: &Probe) -> Checked {
    p.strobe(CLEAR_PENDING, p.uart_intid);
    expect("after ICPENDR", p.pending(p.uart_intid), true)
}

fn dropped(p: &Probe) -> Checked {
    lower(p);
    p.enable(p.uart_intid);
    expect("on enable", p.acknowledge(), NOTHING)
}

fn delivered_again(p: &Probe) -> Checked {
    p.enable(p.uart_intid);
    expect("first", p.acknowledge(), p.uart_intid)?;
    expect("active", p.active(p.uart_intid), true)?;
    expect("and pending", p.pending(p.uart_intid), true)?;
    p.drop_priority(p.uart_intid);
    let meanwhile = p.acknowledge();
    p.deactivate(p.uart_intid);
    expect("while active", meanwhile, NOTHING)?;
    expect("after deactivation", p.acknowledge(), p.uart_intid)?;
    lower(p);
    p.end(p.uart_intid);
    expect("after the line fell", p.acknowledge(), NOTHING)
}

fn cleared_while_active(p: &Probe) -> Checked {
    p.enable(p.uart_intid);
    expect("first", p.acknowledge(), p.uart_intid)?;
    p.drop_priority(p.uart_intid);
    lower(p);
    p.deactivate(p.uart_intid);
    expect("after deactivation", p.acknowledge(), NOTHING)
}

fn latched_level(p: &Probe) -> Checked {
    p.enable(p.spare);
    p.pend(p.spare);
    expect("pended", p.acknowledge(), p.spare)?;
    expect("pending after the acknowledge", p.pending(p.spare), false)?;
    p.end(p.spare);
    expect("once only", p.acknowledge(), NOTHING)
}

fn timer(p: &Probe) -> Checked {
    const ENABLE: u64 = 1;
    const IMASK: u64 = 2;
    const ISTATUS: u64 = 4;
    let kept = (CntvCval.get(), CntvCtl.get());
    CntvCval.set(u64::MAX);
    CntvCtl.set(ENABLE);
    let far = p.pending(TIMER);
    CntvCval.set(CntVct.get());
    let (reached, status) = (p.pending(TIMER), CntvCtl.get() & ISTATUS != 0);
    CntvCtl.set(ENABLE | IMASK);
    let (masked, masked_status) = (p.pending(TIMER), CntvCtl.get() & ISTATUS != 0);
    CntvCval.set(kept.0);
    CntvCtl.set(kept.1);
    expect("before the compare value", far, false)?;
    expect("at the compare value", reached, true)?;
    expect("ISTATUS", status, true)?;
    expect("with IMASK", masked, false)?;
    expect("ISTATUS with IMASK", masked_status, true)
}
