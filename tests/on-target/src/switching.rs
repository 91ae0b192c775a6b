//! Does a thread find its registers as it left them? (BU-02)
use crate::{
    crew::{CPUS, assert_in_order, bind, here, only, pace, settle, start},
    support::{Count, become_policy, fifo, sleep, us},
    table::{PREEMPTIBLE, test},
};
use core::{
    arch::naked_asm,
    ffi::c_void,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};
use kernel::{ThreadCx, sched, thread};

/// Switches of each kind.
const SWITCHES: u32 = 5000;

/// x2 to x28 := base + number of the register; spins until `*stop` is not 0; what differs then, 0 if nothing does.
///
/// Every instruction of the loop is a place to be interrupted at, with all registers in use.
#[unsafe(naked)]
unsafe extern "C" fn spin_with_pattern(base: u64, stop: *const AtomicU32) -> u64 {
    naked_asm!(
        "stp x29, x30, [sp, #-96]!",
        "mov x29, sp",
        "stp x19, x20, [sp, #16]",
        "stp x21, x22, [sp, #32]",
        "stp x23, x24, [sp, #48]",
        "stp x25, x26, [sp, #64]",
        "stp x27, x28, [sp, #80]",
        ".irp n, 2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28",
        "add x\\n, x0, #\\n",
        ".endr",
        "1: ldr w30, [x1]",
        "cbz w30, 1b",
        "mov x30, xzr",
        ".irp n, 2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28",
        "sub x\\n, x\\n, #\\n",
        "eor x\\n, x\\n, x0",
        "orr x30, x30, x\\n",
        ".endr",
        "mov x0, x30",
        "ldp x19, x20, [sp, #16]",
        "ldp x21, x22, [sp, #32]",
        "ldp x23, x24, [sp, #48]",
        "ldp x25, x26, [sp, #64]",
        "ldp x27, x28, [sp, #80]",
        "ldp x29, x30, [sp], #96",
        "ret",
    )
}

/// x19 to x28 := base + number of the register; calls `f(argument)`; what differs then, 0 if nothing does.
#[unsafe(naked)]
unsafe extern "C" fn call_with_pattern(base: u64, f: extern "C" fn(*mut c_void), argument: *mut c_void) -> u64 {
    naked_asm!(
        "stp x29, x30, [sp, #-112]!",
        "mov x29, sp",
        "stp x19, x20, [sp, #16]",
        "stp x21, x22, [sp, #32]",
        "stp x23, x24, [sp, #48]",
        "stp x25, x26, [sp, #64]",
        "stp x27, x28, [sp, #80]",
        "str x0, [sp, #96]",
        ".irp n, 19,20,21,22,23,24,25,26,27,28",
        "add x\\n, x0, #\\n",
        ".endr",
        "mov x0, x2",
        "blr x1",
        "ldr x1, [sp, #96]",
        "mov x0, xzr",
        ".irp n, 19,20,21,22,23,24,25,26,27,28",
        "sub x\\n, x\\n, #\\n",
        "eor x\\n, x\\n, x1",
        "orr x0, x0, x\\n",
        ".endr",
        "ldp x19, x20, [sp, #16]",
        "ldp x21, x22, [sp, #32]",
        "ldp x23, x24, [sp, #48]",
        "ldp x25, x26, [sp, #64]",
        "ldp x27, x28, [sp, #80]",
        "ldp x29, x30, [sp], #112",
        "ret",
    )
}

extern "C" fn sleep_a_little(cx: *mut c_void) {
    // SAFETY: the test passes its thread's token.
    sleep(unsafe { &mut *cx.cast::<ThreadCx>() }, us(20));
}

/// BU-02.1, integer part: 5,000 times a timer interrupt takes the CPU from a thread with a pattern in all registers, for
/// one that wakes with its own pattern and gives the CPU back by sleeping.
fn bu_02_1_registers_survive_ten_thousand_switches(cx: &mut ThreadCx) {
    static STOP: AtomicU32 = AtomicU32::new(0);
    become_policy(cx, fifo(30));
    // SAFETY: `STOP` lives for ever.
    let spin = |_: &mut ThreadCx| unsafe { spin_with_pattern(0x1111_2222_3333_4000, &raw const STOP) };
    let mut spinner = thread::Builder::new("interrupted").policy(fifo(10)).spawn(cx, spin).unwrap();
    let differing = Count::new();
    let counted = differing.clone();
    let wake = move |cx: &mut ThreadCx| {
        for n in 0..u64::from(SWITCHES) {
            let base = 0xaaaa_bbbb_0000_0000 + (n << 8);
            // SAFETY: the callee expects this thread's token and has it for as long as it runs.
            if unsafe { call_with_pattern(base, sleep_a_little, core::ptr::from_mut(cx).cast()) } != 0 {
                counted.up();
            }
        }
    };
    let mut sleeper = thread::Builder::new("sleeper").policy(fifo(20)).spawn(cx, wake).unwrap();
    let waits = sched::idle_waits();
    sleeper.join(cx).unwrap();
    // Each sleep was the spinning thread's time, and each end of one an interrupt of it.
    assert_eq!(sched::idle_waits(), waits);
    STOP.store(1, Relaxed);
    assert_eq!(spinner.join(cx), Ok(0), "bits that changed in the interrupted thread");
    assert_eq!(differing.get(), 0, "times that the sleeping thread found other values");
}
test!(bu_02_1_registers_survive_ten_thousand_switches, models(PREEMPTIBLE));

/// Binds the calling thread to the next CPU.
extern "C" fn move_on(cx: *mut c_void) {
    // SAFETY: the test passes its thread's token.
    let cx = unsafe { &mut *cx.cast::<ThreadCx>() };
    let next = (here(cx) + 1) % CPUS;
    bind(cx, thread::current_id(), only(next));
}

/// BU-02.1, across CPUs: a thread with a pattern in all registers is taken from CPU to CPU 5,000 times, wherever it is in
/// its loop, and another one, which has its pattern in all that a call preserves, moves itself 5,000 times.
fn bu_02_1_registers_survive_ten_thousand_migrations(cx: &mut ThreadCx) {
    static STOP: AtomicU32 = AtomicU32::new(0);
    const STAY: Duration = us(5);
    settle(cx, 0, 30);
    let pace = pace(cx, us(20));
    // SAFETY: `STOP` lives for ever.
    let spin = |_: &mut ThreadCx| unsafe { spin_with_pattern(0x1111_2222_3333_4000, &raw const STOP) };
    let mut spinner = start(cx, only(1), fifo(10), spin);
    for n in 0..SWITCHES as usize {
        sleep(cx, STAY);
        bind(cx, spinner.id(), only(1 + n % (CPUS - 1)));
    }
    let mut ran = Duration::ZERO;
    thread::for_each(cx, |_, info| {
        if info.id == spinner.id() {
            ran = Duration::from_nanos(info.runtime_ns);
        }
    });
    STOP.store(1, Relaxed);
    assert_eq!(spinner.join(cx), Ok(0), "bits that changed in the migrated thread");
    assert!(ran >= SWITCHES * STAY, "it ran for {ran:?} only");
    drop(pace);
    let wander = |cx: &mut ThreadCx| {
        (0..u64::from(SWITCHES)).fold(0, |changed, n| {
            let base = 0xaaaa_bbbb_0000_0000 + (n << 8);
            // SAFETY: the callee expects this thread's token and has it for as long as it runs.
            changed | unsafe { call_with_pattern(base, move_on, core::ptr::from_mut(cx).cast()) }
        })
    };
    assert_eq!(start(cx, only(0), fifo(20), wander).join(cx), Ok(0), "bits that changed in the moving thread");
    assert_in_order(cx);
}
test!(bu_02_1_registers_survive_ten_thousand_migrations, models(PREEMPTIBLE), smp(4));
