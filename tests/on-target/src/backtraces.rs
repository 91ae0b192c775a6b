//! Does a backtrace tell how a thread got where it is? (KD-03) The host turns addresses into names.
use crate::{
    support::{Count, fifo, ms, sleep},
    table::{PREEMPTIBLE, test},
};
use core::{arch::asm, hint::black_box};
use kernel::{ThreadCx, fault, sync::Completion, thread};

static NEVER: Completion = Completion::new();

#[inline(never)]
fn outer(n: u32) -> u32 {
    black_box(middle(n + 1)) + 1
}
#[inline(never)]
fn middle(n: u32) -> u32 {
    black_box(inner(n + 1)) + 1
}
#[inline(never)]
fn inner(n: u32) -> u32 {
    assert_eq!(n, 0, "far enough");
    black_box(n)
}

/// KD-03.1: in the third of three nested calls a backtrace names them from the inside out, with offsets.
fn kd_03_1_nested_calls_are_named_inside_out(_: &mut ThreadCx) {
    outer(1);
}
test!(
    kd_03_1_nested_calls_are_named_inside_out,
    expect(101),
    says("far enough\nbacktrace:\nbacktraces::inner+0x\nbacktraces::middle+0x\nbacktraces::outer+0x\nkd_03_1_nested")
);

#[inline(never)]
fn waits_for_ever(cx: &mut ThreadCx) {
    NEVER.wait(cx);
    black_box(());
}

/// KD-03.2: the backtrace of a blocked thread begins where it left the CPU and goes on to what made it wait.
fn kd_03_2_backtrace_of_a_blocked_thread(cx: &mut ThreadCx) {
    let blocked = thread::spawn(cx, "blocked", waits_for_ever).unwrap();
    sleep(cx, ms(1));
    fault::backtrace_of(cx, blocked.id()).unwrap();
}
test!(
    kd_03_2_backtrace_of_a_blocked_thread,
    says("backtrace of thread\n(blocked):\n#0  [<0x\nCompletion\nwaits_for_ever+0x")
);

#[inline(never)]
fn spins(until: &Count) {
    while until.get() == 0 {}
}

/// KD-03.2: that of a preempted thread shows the interrupted function behind the interrupt's return.
fn kd_03_2_backtrace_of_a_preempted_thread(cx: &mut ThreadCx) {
    let stop = Count::new();
    let until = stop.clone();
    let body = move |_: &mut ThreadCx| spins(&until);
    crate::support::become_policy(cx, fifo(20));
    let mut preempted = thread::Builder::new("preempted").policy(fifo(10)).spawn(cx, body).unwrap();
    sleep(cx, ms(1));
    fault::backtrace_of(cx, preempted.id()).unwrap();
    stop.set(1);
    preempted.join(cx).unwrap();
}
test!(
    kd_03_2_backtrace_of_a_preempted_thread,
    models(PREEMPTIBLE),
    says("backtrace of thread\n(preempted):\n__hw_interrupt_return+0x\nspins+0x")
);

#[inline(never)]
fn loses_its_frame_pointer() {
    // SAFETY: the machine stops here.
    unsafe { asm!("mov x29, #0x1230", "brk #1", options(noreturn)) };
}

/// KD-03.3: a frame pointer that leads nowhere ends the backtrace with a note, not with another fault.
fn kd_03_3_a_corrupted_frame_pointer_ends_the_backtrace(_: &mut ThreadCx) {
    loses_its_frame_pointer();
}
test!(
    kd_03_3_a_corrupted_frame_pointer_ends_the_backtrace,
    expect(101),
    says("BUG: breakpoint\nbacktrace:\nloses_its_frame_pointer+0x\n(frame pointer 0x1230 is not on a stack)")
);

/// KD-03.3: the same for a frame record on the stack whose return address was overwritten.
fn kd_03_3_a_corrupted_return_address_ends_the_backtrace(_: &mut ThreadCx) {
    #[repr(align(16))]
    struct Record {
        _caller: u64,
        _return_address: u64,
    }
    let record = Record { _caller: 0, _return_address: black_box(0x9abc_def0) };
    // SAFETY: the machine stops here.
    unsafe { asm!("mov x29, {}", "brk #1", in(reg) &raw const record, options(noreturn)) };
}
test!(
    kd_03_3_a_corrupted_return_address_ends_the_backtrace,
    expect(101),
    says("backtrace:\n(return address 0x9abcdef0 is not code)")
);
