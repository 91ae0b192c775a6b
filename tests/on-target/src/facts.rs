//! Is QEMU the machine that the drivers and the simulated machine were written for? (HC-03)
use crate::{
    board,
    crew::{CPUS, only, start},
    support::fifo,
    table::test,
};
use hw::{
    gic::{Facts, Version},
    mmio::{Reg, Ro},
    platform_facts::{Mismatch, Own, Probe, facts, reset_facts},
};
use kernel::{ThreadCx, gic};
use spin::Once;
use tock_registers::interfaces::Readable;

type Broken = (&'static str, Mismatch);
/// The first fact of the machine as it comes up that does not hold.
static AT_RESET: Once<Option<Broken>> = Once::new();

/// Four lines of virtio slots without device: numbers are part of what the facts compare.
const SPARE: u32 = 60;

/// Distance of two redistributor frames.
pub const FRAME: usize = 0x2_0000;

/// As CPU `cpu` has to ask.
fn probe(version: Version, cpu: usize) -> Probe {
    let facts = board::BOARD.gics.iter().find(|facts| facts.version() == version).expect("QEMU has one of them");
    Probe {
        gicd: facts.distributor(),
        own: match facts {
            Facts::V2(gic) => Own::Interface(gic.cpu_interface),
            Facts::V3(gic) => Own::Redistributor(gic.regions[0].base.offset(cpu * FRAME)),
        },
        uart: board::BOARD.uart.base,
        uart_intid: board::BOARD.uart.irq.number(),
        spare: SPARE,
    }
}

/// Called before any driver has started.
pub fn look_at_reset() {
    // No driver has started that could be asked: where a GICv3 has nothing, a GICv2 says that it is one.
    let id: Reg<u32, (), Ro> = board::BOARD.gics[0].distributor().reg(0xfe8);
    let version = if id.get() >> 4 & 0xf == 2 { Version::V2 } else { Version::V3 };
    let (facts, probe) = (reset_facts(version), probe(version, 0));
    AT_RESET.call_once(|| facts.iter().find_map(|fact| fact.1(&probe).err().map(|wrong| (fact.0, wrong))));
}

/// Checks every fact on the CPU that runs the caller.
fn check(cx: &mut ThreadCx, cpu: usize) {
    let version = gic::caps(cx).version;
    let probe = probe(version, cpu);
    let _masked = kernel::irq_flags::save(cx);
    // Not the kernel's: the facts are looked at with interrupts masked, one after another.
    kernel::latency::ignore();
    for fact in facts(version) {
        assert_eq!(probe.check(fact), Ok(()), "CPU {cpu}: {}", fact.0);
    }
}

/// HC-03.1: the facts that the simulated devices are checked against hold on QEMU, as it comes up, which is a matter of its board
/// `virt`, and later.
fn hc_03_1_the_platform_facts_hold(cx: &mut ThreadCx) {
    assert!(!board::VIRT || AT_RESET.get() == Some(&None), "{:?}", AT_RESET.get());
    check(cx, 0);
}
test!(hc_03_1_the_platform_facts_hold);

/// HC-03.1, with four CPUs: on each of them, one after another.
fn hc_03_1_the_platform_facts_hold_on_each_of_four_cpus(cx: &mut ThreadCx) {
    assert!(!board::VIRT || AT_RESET.get() == Some(&None), "{:?}", AT_RESET.get());
    for cpu in 0..CPUS {
        start(cx, only(cpu), fifo(50), move |cx| check(cx, cpu)).join(cx).unwrap();
    }
}
test!(hc_03_1_the_platform_facts_hold_on_each_of_four_cpus, smp(4));
