//! Does the machine come up, and does it say so when something is fundamentally wrong? (BU-01, BU-02, BU-04, BU-06)
use crate::{
    board, entry,
    support::{ms, sleep, us},
    table::test,
};
use core::arch::asm;
use hw::{
    smp::{self, Method, StartError},
    sysreg::{ICC_SRE, IccSre},
};
use kernel::{ThreadCx, gic, sched, thread, time};
use tock_registers::interfaces::Readable;

/// What the way down from `level` has to leave behind: EL1, the counter, the interrupt controller, a timer that works.
fn came_from(cx: &mut ThreadCx, level: u64) {
    assert_eq!(entry::level(), level);
    let now: u64;
    // SAFETY: reads a register.
    unsafe { asm!("mrs {}, CurrentEL", out(reg) now) };
    assert_eq!(now >> 2, 1);
    // SAFETY: reads a register; traps to EL2 unless CNTHCTL_EL2 lets EL1 have the physical counter.
    unsafe { asm!("mrs {}, cntpct_el0", out(reg) _) };
    // Traps unless ICC_SRE_EL2.Enable was set.
    assert!(!gic::caps(cx).system_registers || IccSre.is_set(ICC_SRE::SRE));
    let (before, _) = time::interrupt_counts(cx);
    sleep(cx, ms(1));
    let (after, _) = time::interrupt_counts(cx);
    assert_eq!(after - before, 1);
}

/// BU-01.2: entered at EL1, as QEMU does by itself.
fn bu_01_2_runs_at_el1_from_el1(cx: &mut ThreadCx) {
    came_from(cx, 1);
}
test!(bu_01_2_runs_at_el1_from_el1, lacks(board::NOT_EL1));

/// BU-01.2: entered at EL2; ICC_SRE_EL2.Enable and CNTHCTL_EL2 were set before the drop, a timer interrupt arrives.
fn bu_01_2_runs_at_el1_from_el2(cx: &mut ThreadCx) {
    came_from(cx, 2);
}
test!(bu_01_2_runs_at_el1_from_el2, machine(board::EL2));

/// BU-01.2, from EL3, with a second security state in the interrupt controller.
fn bu_01_2_runs_at_el1_from_el3(cx: &mut ThreadCx) {
    came_from(cx, 3);
}
test!(bu_01_2_runs_at_el1_from_el3, machine("secure=on"));

/// BU-01.2, from EL3 with an EL2 below it.
fn bu_01_2_runs_at_el1_from_el3_through_el2(cx: &mut ThreadCx) {
    came_from(cx, 3);
}
test!(bu_01_2_runs_at_el1_from_el3_through_el2, machine("secure=on,virtualization=on"));

/// BU-01.3: one report names the thread and the address 0, and the status is not 0.
fn bu_01_3_reading_address_0_names_thread_and_address(cx: &mut ThreadCx) {
    let mut reader = thread::spawn(cx, "null-reader", |_| {
        // SAFETY: not mapped, so nothing is read; the machine stops here.
        unsafe { asm!("ldr {0}, [{0}]", inout(reg) 0_u64 => _, options(readonly)) };
    })
    .unwrap();
    let _ = reader.join(cx);
}
test!(
    bu_01_3_reading_address_0_names_thread_and_address,
    expect(101),
    says("BUG: bad read at 0x0 (no memory there) in thread\n(null-reader)\nFAR=0x0 ESR=\nbacktrace:\nbring_up")
);

/// BU-01.4: a test that fails ends the machine with a status that is not 0; its name, what was wrong and where are said.
fn bu_01_4_a_failing_test_says_its_name_and_why(_: &mut ThreadCx) {
    assert_eq!(1 + 1, 3, "wrong on purpose");
}
test!(
    bu_01_4_a_failing_test_says_its_name_and_why,
    expect(101),
    says(
        "test bu_01_4_a_failing_test\nPANIC: assertion `left == right` failed: wrong on purpose\nbring_up.rs\nbacktrace:\n\
         bu_01_4_a_failing_test_says_its_name_and_why+0x"
    )
);

/// BU-01: an exception that nothing expects, here a breakpoint, is reported with syndrome, place and registers.
fn bu_01_an_unexpected_exception_is_reported(_: &mut ThreadCx) {
    // SAFETY: the machine stops here.
    unsafe {
        asm!(
            "mov x0, #0xa0", "mov x1, #0xa1", "mov x2, #0xa2", "mov x3, #0xa3", "mov x4, #0xa4", "mov x30, #0xbeef", "brk #7",
            out("x0") _, out("x1") _, out("x2") _, out("x3") _, out("x4") _, out("x30") _
        );
    }
}
test!(
    bu_01_an_unexpected_exception_is_reported,
    expect(101),
    says(
        "BUG: breakpoint instruction 0x7 in thread\n(main)\nELR=[<\nSPSR=\n\
         x0  00000000000000a0  x1  00000000000000a1  x2  00000000000000a2  x3  00000000000000a3\n  x4  00000000000000a4\n\
         x30 000000000000beef\nbacktrace:"
    )
);

/// BU-01: a fault inside the fault reporter, which here finds no current thread, ends the machine at once.
fn bu_01_a_fault_in_the_reporter_is_the_last(_: &mut ThreadCx) {
    // SAFETY: the machine stops here.
    unsafe {
        hw::cpu::set_current(core::ptr::without_provenance(8));
        asm!("brk #2");
    }
}
test!(bu_01_a_fault_in_the_reporter_is_the_last, expect(101));

/// W^X: code is not written to.
fn bu_01_code_is_read_only(_: &mut ThreadCx) {
    let code = bu_01_code_is_read_only as *const ();
    // SAFETY: the machine stops here.
    unsafe { asm!("str wzr, [{}]", in(reg) code) };
}
test!(bu_01_code_is_read_only, expect(101), says("BUG: bad write at\n(no permission)\nbu_01_code_is_read_only+0x"));

/// W^X: data is not executed.
fn bu_01_data_is_not_executed(_: &mut ThreadCx) {
    const RET: u32 = 0xd65f_03c0;
    let code = [RET; 4];
    // SAFETY: the machine stops here.
    unsafe { asm!("blr {}", in(reg) &raw const code, clobber_abi("C")) };
}
test!(bu_01_data_is_not_executed, expect(101), says("BUG: bad execution at\n(no permission)"));

/// What the firmware is asked for and cannot do is told apart: a CPU that runs, one that there is not, one too many.
fn refusals(method: Method) {
    /// PSCI's INVALID_PARAMETERS (Arm DEN0022 5.2.2).
    const INVALID: StartError = StartError::Refused(-2);
    const NOBODY: u64 = 0x7f_0000;
    // SAFETY: none of them is a CPU that could start.
    let start = |cpu, affinity| unsafe { smp::start(cpu, affinity, method) };
    assert_eq!(start(1, hw::cpu::affinity()), Err(StartError::AlreadyOn));
    assert_eq!(start(1, NOBODY), Err(INVALID));
    assert_eq!(start(smp::MAX_CPUS, NOBODY), Err(INVALID));
}

/// BU-04: the firmware's refusals, called with `hvc`.
fn bu_04_refusals_of_the_firmware(_: &mut ThreadCx) {
    refusals(Method::PsciHvc);
}
test!(bu_04_refusals_of_the_firmware, lacks(board::NO_PSCI));

/// BU-04: as above with `smc`, as where there is an EL2.
fn bu_04_refusals_of_the_firmware_below_el2(_: &mut ThreadCx) {
    refusals(Method::PsciSmc);
}
test!(bu_04_refusals_of_the_firmware_below_el2, machine(board::EL2), lacks(board::NO_PSCI));

/// BU-02: the kernel is built without FP; who uses it all the same is told its name.
fn bu_02_use_of_fp_registers_names_the_thread(cx: &mut ThreadCx) {
    let mut user = thread::spawn(cx, "fp-user", |_| {
        // SAFETY: traps, and the machine stops. `fmov s0, w0`, which the assembler refuses on a target without FP.
        unsafe { asm!(".inst 0x1e270000") };
    })
    .unwrap();
    let _ = user.join(cx);
}
test!(
    bu_02_use_of_fp_registers_names_the_thread,
    expect(101),
    says("BUG: use of FP or SIMD registers\nin thread\n(fp-user)")
);

/// BU-06.2: with nobody else ready a sleeper wakes when it wanted to, from an idle loop that waited for the interrupt.
fn bu_06_2_a_sleeper_wakes_on_time_from_idle(cx: &mut ThreadCx) {
    let waits = sched::idle_waits();
    let at = time::now().saturating_add(ms(10));
    time::sleep_until(cx, at).unwrap();
    let late = time::now().since(at);
    assert!(time::now() >= at && late < us(10), "{late:?} late");
    assert!(sched::idle_waits() > waits);
}
test!(bu_06_2_a_sleeper_wakes_on_time_from_idle);
