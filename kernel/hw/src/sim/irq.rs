//! How does a test raise interrupts without devices, and look at a line without touching a register?
pub use super::gic::LineState;
use super::machine::machine;

/// Makes an INTID pending, as an edge or a write of `ISPENDR` does. An SGI or PPI: on the CPU that is executing.
pub fn pend(intid: u32) {
    pend_on(machine().here.get(), intid);
}
/// Makes an INTID pending; an SGI or PPI on `cpu`.
pub fn pend_on(cpu: usize, intid: u32) {
    machine().change_gic(|gic| gic.pend(cpu, intid));
}
/// Sends SGI `id` to `cpu`.
pub fn sgi(cpu: usize, id: u32) {
    assert!(id < 16, "SGIs are 0 to 15");
    pend_on(cpu, id);
}
/// Sends SGI `id` to `cpu` from another one, which a GICv2 tells apart.
pub fn sgi_from(sender: usize, cpu: usize, id: u32) {
    assert!(id < 16, "SGIs are 0 to 15");
    machine().change_gic(|gic| gic.pend_from(sender, cpu, id));
}
/// Sets a line high or low. A PPI's: that of the CPU that is executing.
pub fn set_line(intid: u32, high: bool) {
    let machine = machine();
    machine.change_gic(|gic| gic.set_line(machine.here.get(), intid, high));
}
/// Whether a line is high.
pub fn line(intid: u32) -> bool {
    state(intid).line
}
/// Signals an interrupt to the CPU that is executing, whose acknowledge will return the special `intid`, 1020 to 1023.
/// 1023 is what a CPU sees when the interrupt was withdrawn between the exception and the acknowledge.
pub fn special(intid: u32) {
    assert!((1020..1024).contains(&intid), "special INTIDs are 1020 to 1023");
    let machine = machine();
    machine.change_gic(|gic| gic.special(machine.here.get(), intid));
}
/// What the interrupt controller knows of an INTID; of an SGI or PPI, on the CPU that is executing.
pub fn state(intid: u32) -> LineState {
    let machine = machine();
    machine.gic.borrow().state(machine.here.get(), intid)
}
