//! What does a pin do, and how does a thread wait for its edge?
//!
//! The chip latches edges in a bit a pin and raises one line for a group of pins. The line's thread takes the bits, clears them
//! and sets them in an [`EventFlags`], where those sleep who wait for the pins: an edge that nobody waits for yet is not lost, and
//! several of them are one.
use hw::{
    atomic::{AtomicU32, Ordering::Relaxed},
    mmio::{Mmio, Reg, Ro, Rw, Wo},
};
use kernel::{
    Result, ThreadCx,
    irq::{Flags, Handled, Irq, Line, Request},
    sync::{EventFlags, Mutex, OnExit, RawSpinLock},
    time::Instant,
};
pub use registers::{Edges, Function, Pull};
use spin::Once;
use tock_registers::interfaces::{Readable, Writeable};

pub mod registers;

/// Words of registers that have a bit a pin.
const BANKS: usize = 2;
/// Lines, and the pins that raise each, by banks (Linux `drivers/pinctrl/bcm/pinctrl-bcm2835.c`).
const GROUPS: [[u32; BANKS]; 3] = [[0x0fff_ffff, 0], [0xf000_0000, 0x0000_3fff], [0, 0x03ff_c000]];
const NAMES: [&str; GROUPS.len()] = ["gpio-0", "gpio-28", "gpio-46"];

/// A pin: 0 to 57.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pin(u8);

impl Pin {
    /// Number of pins.
    pub const COUNT: u8 = 58;
    /// The pin of this number.
    pub const fn new(number: u8) -> Option<Self> {
        if number < Self::COUNT { Some(Self(number)) } else { None }
    }
    /// Its number.
    pub const fn number(self) -> u8 {
        self.0
    }
    fn bank(self) -> usize {
        usize::from(self.0) / 32
    }
    const fn bit(self) -> u32 {
        1 << (self.0 % 32)
    }
    /// Which line it raises.
    fn group(self) -> usize {
        GROUPS.iter().position(|banks| banks[self.bank()] & self.bit() != 0).unwrap_or(0)
    }
}

/// The pins and who waits for them.
pub struct Gpio {
    base: Mmio,
    irqs: [Irq; GROUPS.len()],
    /// Registers with several pins in a word are read, changed and written by one at a time.
    changing: RawSpinLock<()>,
    edges: [EventFlags; BANKS],
    lines: [Once<Line>; GROUPS.len()],
    /// One at a time asks for a line.
    asking: Mutex<()>,
    /// Interrupts without an edge.
    spurious: AtomicU32,
}

impl Gpio {
    /// The pins at `base`, whose groups raise these lines.
    pub const fn new(base: Mmio, irqs: [Irq; GROUPS.len()]) -> Self {
        Self {
            base,
            irqs,
            changing: RawSpinLock::new(()),
            edges: [const { EventFlags::new() }; BANKS],
            lines: [const { Once::new() }; GROUPS.len()],
            asking: Mutex::new(()),
            spurious: AtomicU32::new(0),
        }
    }
    fn bits<A>(&self, register: usize, bank: usize) -> Reg<u32, (), A> {
        self.base.reg(register + bank * 4)
    }
    /// Changes a field of a word that other pins share.
    fn change(&self, cx: &mut ThreadCx, field: registers::Field, value: u32) {
        self.changing.with(cx, |(), _| field.set(self.base, value));
    }
    /// Chooses what the pin does.
    pub fn set_function(&self, cx: &mut ThreadCx, pin: Pin, function: Function) {
        self.change(cx, registers::function(pin.0), function as u32);
    }
    /// Chooses what the pin does when nobody drives it.
    pub fn set_pull(&self, cx: &mut ThreadCx, pin: Pin, pull: Pull) {
        self.change(cx, registers::pull(pin.0), pull as u32);
    }
    /// Drives the pin high or low, if it is an output.
    pub fn write(&self, pin: Pin, high: bool) {
        let register: Reg<u32, (), Wo> = self.bits(if high { registers::SET } else { registers::CLEAR }, pin.bank());
        register.set(pin.bit());
    }
    /// Whether the pin is high.
    pub fn read(&self, pin: Pin) -> bool {
        let level: Reg<u32, (), Ro> = self.bits(registers::LEVEL, pin.bank());
        level.get() & pin.bit() != 0
    }

    /// From here on these edges of the pin can be waited for; older ones are forgotten. With [`Edges::NONE`] none can.
    ///
    /// # Errors
    /// Those of [`Request::submit`], for the first pin of its group.
    pub fn watch(&'static self, cx: &mut ThreadCx, pin: Pin, edges: Edges) -> Result<()> {
        let group = pin.group();
        self.detect(cx, pin, edges);
        let status: Reg<u32, (), Wo> = self.bits(registers::EVENTS, pin.bank());
        status.set(pin.bit());
        self.edges[pin.bank()].clear(cx, pin.bit());
        let asking = self.asking.lock(cx);
        let line = self.lines[group].try_call_once(|| {
            let request = Request::new(self.irqs[group], NAMES[group]).flags(Flags::ONESHOT);
            request.threaded(move |cx| self.demultiplex(cx, group)).submit(cx)
        });
        drop(asking);
        if line.is_err() {
            self.detect(cx, pin, Edges::NONE);
        }
        line.map(drop)
    }
    /// Which edges of the pin set its event.
    fn detect(&self, cx: &mut ThreadCx, pin: Pin, edges: Edges) {
        self.changing.with(cx, |(), _| {
            for (register, on) in [(registers::RISING, edges.rising), (registers::FALLING, edges.falling)] {
                let detect: Reg<u32, (), Rw> = self.bits(register, pin.bank());
                detect.set(if on { detect.get() | pin.bit() } else { detect.get() & !pin.bit() });
            }
        });
    }
    /// Waits for an edge of a watched pin, until `deadline`; one that came since the last wait will do.
    ///
    /// # Errors
    /// [`Error::TimedOut`]; those of [`EventFlags::wait_any_until`].
    pub fn wait(&self, cx: &mut ThreadCx, pin: Pin, deadline: Instant) -> Result<()> {
        self.edges[pin.bank()].wait_any_until(cx, pin.bit(), OnExit::Clear, deadline).map(drop)
    }
    /// Interrupts that came without an edge.
    pub fn spurious(&self) -> u32 {
        self.spurious.load(Relaxed)
    }

    /// The thread of a group's line: what raised the line is gone when this returns.
    fn demultiplex(&self, cx: &mut ThreadCx, group: usize) -> Handled {
        let mut any = 0;
        for (bank, mask) in GROUPS[group].into_iter().enumerate() {
            let status: Reg<u32, (), Rw> = self.bits(registers::EVENTS, bank);
            let events = status.get() & mask;
            if events == 0 {
                continue;
            }
            // Cleared before anybody is woken: an edge that comes now is a new one.
            status.set(events);
            self.edges[bank].set(cx, events);
            any |= events;
        }
        if any == 0 {
            self.spurious.fetch_add(1, Relaxed);
            return Handled::No;
        }
        Handled::Yes
    }
}

#[cfg(test)]
mod tests;
