//! How does one CPU make another one do something?
use crate::percpu::PerCpu;
use tock_registers::interfaces::Writeable;

/// Makes a CPU look at its run queue.
pub(crate) fn resched(cpu: &PerCpu) {
    let affinity = cpu.affinity.get();
    let (aff3, aff2, aff1, aff0) =
        (affinity >> 24 & 0xff, affinity >> 16 & 0xff, affinity >> 8 & 0xff, affinity & 0xff);
    hw::barrier::dsb_ishst();
    hw::sysreg::IccSgi1r.set(aff3 << 48 | aff2 << 32 | aff1 << 16 | 1 << aff0);
    hw::barrier::isb();
}
