//! How do characters get from the UART to a thread, and back?
//!
//! There is no hard handler: the default one wakes the line's thread, which empties the receive FIFO into a ring and wakes
//! the reader. When the ring is full the thread masks the receive interrupt; the FIFO fills, and the sender is held back
//! or the UART counts what it had to drop. A writer fills the transmit FIFO itself and waits for the interrupt only when
//! it is full.
use crate::{
    board,
    cx::ThreadCx,
    error::Result,
    irq::{Flags, Handled, Line, Request},
    sync::{Completion, RawSpinLock, Semaphore, WaitQueue},
    thread::{self, ThreadId},
    time,
};
use core::time::Duration;
use hw::{
    atomic::{AtomicU32, Ordering::Relaxed},
    pl011::{INTERRUPTS, Pl011},
};
use logic::ring::Bytes;
use spin::Once;

const BAUD: u32 = 115_200;
/// Characters kept between the interrupt and the reader.
const RING: usize = 1024;
/// Below this many the sender may go on.
const LOW: usize = RING / 4;

/// ^C.
const INTERRUPT_KEY: u8 = 0x03;

const RX: u32 = INTERRUPTS::RX::SET.value | INTERRUPTS::RT::SET.value;
const TX: u32 = INTERRUPTS::TX::SET.value;

/// A UART with an interrupt.
pub struct Uart {
    device: Pl011,
    received: Bytes<RING>,
    /// Woken for each character; read by one thread.
    arrived: WaitQueue,
    /// One writer at a time.
    sending: Semaphore,
    room: Completion,
    /// The interrupts that are let through: changed by the line's thread, the reader and the writer.
    unmasked: RawSpinLock<u32>,
    overruns: AtomicU32,
    damaged: AtomicU32,
    /// Number of the thread that ^C interrupts, 0 if none.
    foreground: AtomicU32,
    line: Once<Line>,
}

/// What went wrong on the line so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Errors {
    /// Times that the receive FIFO was full when a character came.
    pub overruns: u32,
    /// Characters with break, framing or parity error.
    pub damaged: u32,
}

impl Uart {
    /// A UART that is not started.
    pub fn new(facts: &board::Uart) -> Self {
        Self {
            device: Pl011::new(facts.base),
            received: Bytes::new(),
            arrived: WaitQueue::named("uart_read"),
            sending: Semaphore::new(1),
            room: Completion::new(),
            unmasked: RawSpinLock::new(0),
            overruns: AtomicU32::new(0),
            damaged: AtomicU32::new(0),
            foreground: AtomicU32::new(0),
            line: Once::new(),
        }
    }
    /// Sets up the device, without interrupts: enough for synchronous text.
    pub fn set_up(facts: &board::Uart) {
        Pl011::new(facts.base).start(facts.clock, BAUD);
    }
    /// Installs the handler and lets characters in.
    ///
    /// # Errors
    /// Those of [`Request::submit`].
    pub fn start(&'static self, cx: &mut ThreadCx, facts: &board::Uart) -> Result<()> {
        let line = Request::new(facts.irq, "uart-pl011")
            .threaded(move |cx| self.service(cx))
            .flags(Flags::ONESHOT)
            .submit(cx)?;
        self.line.call_once(|| line);
        self.unmask(cx, RX);
        Ok(())
    }
    fn unmask(&self, cx: &mut ThreadCx, interrupts: u32) {
        self.unmasked.with(cx, |mask, _| {
            *mask |= interrupts;
            self.device.set_unmasked(*mask);
        });
    }
    fn mask(&self, cx: &mut ThreadCx, interrupts: u32) {
        self.unmasked.with(cx, |mask, _| {
            *mask &= !interrupts;
            self.device.set_unmasked(*mask);
        });
    }

    /// The line's thread: what asserted the line is gone when this returns.
    fn service(&self, cx: &mut ThreadCx) -> Handled {
        let asserted = self.device.asserted();
        if asserted & TX != 0 {
            self.mask(cx, TX);
            self.room.complete(cx);
        }
        if asserted & RX != 0 {
            self.receive(cx);
        }
        if asserted == 0 { Handled::No } else { Handled::Yes }
    }
    fn receive(&self, cx: &mut ThreadCx) {
        loop {
            if self.received.is_full() {
                self.mask(cx, RX);
                // A reader on another CPU may have come to the low mark before the mask was there to be taken off.
                if self.received.len() <= LOW {
                    self.unmask(cx, RX);
                }
                break;
            }
            // Emptying the FIFO takes the interrupt away. Clearing it as well would take away that of a character which came
            // after the last look, for ever: QEMU raises it only when the FIFO stops being empty.
            let Some(r) = self.device.try_receive() else { break };
            if r.overrun {
                self.overruns.fetch_add(1, Relaxed);
            }
            if r.damaged {
                self.damaged.fetch_add(1, Relaxed);
            } else if r.byte != INTERRUPT_KEY || !self.interrupt_foreground(cx) {
                // There is room: this thread alone fills the ring.
                let _ = self.received.push(r.byte);
            }
        }
        self.arrived.wake_one(cx);
    }

    fn interrupt_foreground(&self, cx: &mut ThreadCx) -> bool {
        let id = self.foreground.load(Relaxed);
        id != 0 && thread::interrupt(cx, ThreadId(id)).is_ok()
    }
    /// Makes ^C interrupt this thread instead of being a character.
    pub fn set_foreground(&self, thread: Option<ThreadId>) {
        self.foreground.store(thread.map_or(0, |t| t.0), Relaxed);
    }

    /// Waits for a character. One thread reads.
    pub fn read(&self, cx: &mut ThreadCx) -> u8 {
        loop {
            if let Some(byte) = self.received.pop() {
                if self.received.len() == LOW {
                    self.unmask(cx, RX);
                }
                return byte;
            }
            self.arrived.wait_event(cx, || !self.received.is_empty());
        }
    }
    /// Sends bytes in order, waiting while the FIFO is full. Not mixed with those of another thread.
    pub fn write(&self, cx: &mut ThreadCx, bytes: &[u8]) {
        self.write_while(cx, bytes, || true);
    }
    /// As [`write`](Self::write), until `go_on` says no.
    pub fn write_while(&self, cx: &mut ThreadCx, bytes: &[u8], go_on: impl Fn() -> bool) {
        self.sending.down(cx);
        for &byte in bytes.iter().take_while(|_| go_on()) {
            while !self.device.try_send(byte) {
                self.unmask(cx, TX);
                // A look now and then in case the interrupt came and went before it was let through.
                let soon = time::now().saturating_add(Duration::from_millis(10));
                let _ = self.room.wait_until(cx, soon);
            }
        }
        let _ = self.sending.up(cx);
    }
    /// Waits until the last byte has left, as long as a full FIFO takes at most.
    pub fn drain(&self, cx: &mut ThreadCx) {
        self.sending.down(cx);
        for _ in 0..10 {
            if !self.device.busy() {
                break;
            }
            let _ = time::sleep(cx, Duration::from_millis(1));
        }
        let _ = self.sending.up(cx);
    }
    /// What went wrong so far.
    pub fn errors(&self) -> Errors {
        Errors { overruns: self.overruns.load(Relaxed), damaged: self.damaged.load(Relaxed) }
    }
}
