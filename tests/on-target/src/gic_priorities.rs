//! In which order are interrupts of different urgency delivered? (G3-03, G3-10)
use crate::{
    board,
    support::{Count, free, hard_line, pend, spare},
    table::test,
};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use hw::{
    gic::Which,
    mmio::{Reg, Rw},
};
use kernel::{
    Error, ThreadCx, gic,
    irq::{Line, Primary, inject},
    irq_flags,
};
use tock_registers::interfaces::Writeable;

/// Two lines, each with the place at which it was handled among the two (0: not at all), and its running priority.
struct Pair {
    lines: [Line; 2],
    places: [Count; 2],
    running: [Arc<AtomicU64>; 2],
}

fn pair(cx: &mut ThreadCx) -> Pair {
    let (order, places, running) = (Count::new(), [Count::new(), Count::new()], [(); 2].map(|()| Arc::default()));
    let lines = [0, 1].map(|n| {
        let (order, place, running) = (order.clone(), places[n].clone(), Arc::<AtomicU64>::clone(&running[n]));
        hard_line(cx, spare(n as u32), "ordered", move |cx| {
            place.set(order.up() + 1);
            running.store(gic::running_priority(cx).into(), Relaxed);
            Primary::Handled
        })
    });
    Pair { lines, places, running }
}

impl Pair {
    /// Makes both pending, the second line first, before either can be delivered. The places they were handled at.
    fn pend_both(&self, cx: &mut ThreadCx) -> [u32; 2] {
        let mut masked = irq_flags::save(cx);
        pend(masked.cx(), spare(1));
        pend(masked.cx(), spare(0));
        drop(masked);
        [0, 1].map(|n| self.places[n].get())
    }
    fn free(self, cx: &mut ThreadCx) {
        for line in self.lines {
            free(cx, line);
        }
    }
}

/// G3-10.1: the more urgent of two pending interrupts comes first and runs at its priority. EOI mode 0, where the
/// priority drops only after the handler.
fn g3_10_1_the_more_urgent_interrupt_comes_first(cx: &mut ThreadCx) {
    let pair = pair(cx);
    pair.lines[0].set_hw_priority(cx, 0xa0).unwrap();
    pair.lines[1].set_hw_priority(cx, 0x80).unwrap();
    assert_eq!(pair.pend_both(cx), [2, 1]);
    assert_eq!([0, 1].map(|n| pair.running[n].load(Relaxed)), [0xa0, 0x80]);
    pair.free(cx);
}
test!(g3_10_1_the_more_urgent_interrupt_comes_first, bootargs("eoimode=0"));

/// G3-10.4: at equal priority the lower INTID comes first, whichever was pending first.
fn g3_10_4_at_equal_priority_the_lower_number_comes_first(cx: &mut ThreadCx) {
    let pair = pair(cx);
    assert_eq!(pair.pend_both(cx), [1, 2]);
    pair.free(cx);
}
test!(g3_10_4_at_equal_priority_the_lower_number_comes_first);

/// G3-03.2: with the kernel's priority mask 0xF0 an interrupt of priority 0xA0 is delivered and one of 0xF0 is not, which
/// is why no line may be given that priority.
fn g3_03_2_the_mask_lets_only_urgent_ones_through(cx: &mut ThreadCx) {
    const MASKED: u8 = 0xf0;
    let pair = pair(cx);
    assert_eq!(pair.lines[1].set_hw_priority(cx, MASKED), Err(Error::Range));
    // Past the driver, which refuses.
    let distributor = board::BOARD.gics[0].distributor();
    let priority: Reg<u8, (), Rw> = distributor.reg(0x400 + spare(1).number() as usize);
    priority.set(MASKED);
    assert_eq!(pair.pend_both(cx), [1, 0]);
    assert_eq!(inject::state(cx, spare(1), Which::Pending), Ok(true));
    // And with a priority that is let through it arrives.
    pair.lines[1].set_hw_priority(cx, 0xe8).unwrap();
    assert_eq!(pair.places[1].get(), 2);
    pair.free(cx);
}
test!(g3_03_2_the_mask_lets_only_urgent_ones_through);
