//! Is QEMU the machine that the drivers and the simulated machine were written for? (HC-03)
use crate::table::test;
use hw::platform_facts::{FACTS, Mismatch, Probe, RESET_FACTS};
use kernel::ThreadCx;
use spin::Once;

type Broken = (&'static str, Mismatch);
/// The first fact of the machine as it comes up that does not hold.
static AT_RESET: Once<Option<Broken>> = Once::new();

/// Four lines of virtio slots without device: numbers are part of what the facts compare.
const SPARE: u32 = 60;

fn probe() -> Probe {
    let gic = virt::BOARD.gic;
    Probe {
        gicd: gic.distributor,
        gicr: gic.regions[0].base,
        uart: virt::BOARD.uart.base,
        uart_intid: virt::BOARD.uart.irq.number(),
        spare: SPARE,
    }
}

/// Called before any driver has started.
pub fn look_at_reset() {
    let probe = probe();
    AT_RESET.call_once(|| RESET_FACTS.iter().find_map(|fact| fact.1(&probe).err().map(|wrong| (fact.0, wrong))));
}

/// HC-03.1: the facts that the simulated devices are checked against hold on QEMU, as it comes up and later.
fn hc_03_1_the_platform_facts_hold(cx: &mut ThreadCx) {
    assert_eq!(AT_RESET.get(), Some(&None));
    let probe = probe();
    let _masked = kernel::irq_flags::save(cx);
    // Not the kernel's: the facts are looked at with interrupts masked, one after another.
    kernel::latency::ignore();
    for fact in FACTS.into_iter().flatten() {
        assert_eq!(probe.check(fact), Ok(()), "{}", fact.0);
    }
}
test!(hc_03_1_the_platform_facts_hold);
