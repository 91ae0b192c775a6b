//! An application with an interrupt of its own: the alarm of the real-time clock wakes a thread.
#![no_std]
#![no_main]
extern crate alloc;

use alloc::sync::Arc;
use core::time::Duration;
use hw::mmio::{Mmio, Reg, Ro, Wo};
use kernel::{
    Error, ThreadCx,
    irq::{Flags, Handled, Request},
    println,
    sync::Completion,
    thread, time,
};
use tock_registers::interfaces::{Readable, Writeable};

// SAFETY: the board maps its clock there, and nobody else uses it.
const RTC: Mmio = unsafe { Mmio::new(virt::RTC) };
// The PL031's registers (Arm DDI 0224).
const SECONDS: Reg<u32, (), Ro> = RTC.reg(0);
const ALARM: Reg<u32, (), Wo> = RTC.reg(0x4);
const ENABLE_INTERRUPT: Reg<u32, (), Wo> = RTC.reg(0x10);
const CLEAR_INTERRUPT: Reg<u32, (), Wo> = RTC.reg(0x1c);

kernel::main!(virt::BOARD, main);

/// What it returns is the machine's exit status.
fn main(cx: &mut ThreadCx) -> i32 {
    match serve_one_alarm(cx) {
        Ok(name) => {
            println!(cx, "done, {name} is free again");
            0
        }
        Err(error) => {
            println!(cx, "no alarm: {error}");
            1
        }
    }
}

fn serve_one_alarm(cx: &mut ThreadCx) -> Result<thread::Name, Error> {
    let rang = Arc::new(Completion::new());
    let ring = rang.clone();
    // Without a hard part: the interrupt wakes the thread `irq/34-rtc`, which may print, and sleep.
    let request = Request::new(virt::RTC_IRQ, "rtc").flags(Flags::ONESHOT).threaded(move |cx| {
        CLEAR_INTERRUPT.set(1);
        println!(cx, "{}: alarm at {} s", thread::current().name(), SECONDS.get());
        ring.complete(cx);
        Handled::Yes
    });
    let line = request.submit(cx)?;
    ALARM.set(SECONDS.get() + 1);
    ENABLE_INTERRUPT.set(1);
    rang.wait_until(cx, time::now().saturating_add(Duration::from_secs(5)))?;
    line.free(cx).map_err(|(_, error)| error)
}
