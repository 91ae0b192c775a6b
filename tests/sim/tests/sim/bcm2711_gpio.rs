//! Does an edge of a Raspberry Pi's pin wake who waits for it, once, and nobody else? (BU-05)
use crate::harness::{at, fifo, run, start};
use bcm2711::gpio::{Edges, Function, Gpio, Pin, Pull, registers};
use hw::{
    mmio::Mmio,
    sim::{Device, irq},
};
use kernel::{Error, ThreadCx, irq::Irq};
use std::{
    cell::RefCell,
    rc::Rc,
    sync::atomic::{AtomicU32, Ordering::SeqCst},
};

const BASE: usize = 0xfe20_0000;
const FIRST: u32 = 32 + 113;

/// The chip's side: words of registers; events that raise the lines of their groups.
#[derive(Clone)]
struct Pins(Rc<RefCell<[u32; 64]>>);

impl Pins {
    fn new() -> Self {
        let pins = Self(Rc::new(RefCell::new([0; 64])));
        hw::sim::attach(BASE, 0x100, pins.clone());
        pins
    }
    fn word(&self, register: usize, bank: usize) -> u32 {
        self.0.borrow()[register / 4 + bank]
    }
    /// An edge at a pin: latched if that is detected.
    fn edge(&self, pin: u32, rising: bool) {
        let (bank, bit) = (pin as usize / 32, 1 << (pin % 32));
        if self.word(if rising { registers::RISING } else { registers::FALLING }, bank) & bit != 0 {
            self.0.borrow_mut()[registers::EVENTS / 4 + bank] |= bit;
        }
        self.raise();
    }
    /// The lines of the manual's groups: 0 to 27, 28 to 45, 46 to 57.
    fn raise(&self) {
        let events = u64::from(self.word(registers::EVENTS, 1)) << 32 | u64::from(self.word(registers::EVENTS, 0));
        for (n, (first, end)) in (0..).zip([(0, 28), (28, 46), (46, 58)]) {
            irq::set_line(FIRST + n, events >> first & ((1 << (end - first)) - 1) != 0);
        }
    }
}

impl Device for Pins {
    fn read(&mut self, offset: usize) -> u64 {
        self.0.borrow()[offset / 4].into()
    }
    fn write(&mut self, offset: usize, value: u64) {
        let value = value as u32;
        match offset {
            registers::EVENTS | 0x44 => self.0.borrow_mut()[offset / 4] &= !value,
            // Written ones set or clear levels.
            registers::SET | 0x20 => self.0.borrow_mut()[(offset - registers::SET + registers::LEVEL) / 4] |= value,
            registers::CLEAR | 0x2c => {
                self.0.borrow_mut()[(offset - registers::CLEAR + registers::LEVEL) / 4] &= !value
            }
            _ => self.0.borrow_mut()[offset / 4] = value,
        }
        self.raise();
    }
}

fn gpio() -> &'static Gpio {
    // SAFETY: the simulated device answers there.
    let base = unsafe { Mmio::new(BASE) };
    Box::leak(Box::new(Gpio::new(base, [Irq::spi(113), Irq::spi(114), Irq::spi(115)])))
}
fn pin(number: u8) -> Pin {
    Pin::new(number).unwrap()
}
fn soon() -> kernel::time::Instant {
    at(hw::sim::time() + 1_000_000)
}

/// A pin of each group and bank wakes its own waiter, once an edge; the line falls.
#[test]
fn bu_05_an_edge_wakes_who_waits_for_the_pin() {
    static WOKEN: AtomicU32 = AtomicU32::new(0);
    run(|cx| {
        let (pins, gpio) = (Pins::new(), gpio());
        for number in [3, 30, 33, 57] {
            gpio.watch(cx, pin(number), Edges::RISING).unwrap();
            let waiter = start(cx, "waiter", fifo(60), move |cx| {
                gpio.wait(cx, pin(number), soon()).unwrap();
                WOKEN.fetch_add(1, SeqCst);
                // A second edge has not come.
                assert_eq!(gpio.wait(cx, pin(number), soon()), Err(Error::TimedOut));
            });
            pins.edge(number.into(), false);
            assert_eq!(WOKEN.load(SeqCst), 0, "a falling edge is not watched");
            pins.edge(number.into(), true);
            hw::sim::point();
            assert_eq!(WOKEN.swap(0, SeqCst), 1, "pin {number}");
            assert!((FIRST..FIRST + 3).all(|line| !irq::line(line)), "no line stays high");
            join(cx, waiter);
        }
        assert_eq!(gpio.spurious(), 0);
    });
}

fn join(cx: &mut ThreadCx, mut thread: kernel::thread::JoinHandle<()>) {
    thread.join(cx).unwrap();
}

/// An edge that nobody waits for yet is kept; several are one; one of another pin is not taken for it.
#[test]
fn bu_05_edges_are_kept_until_somebody_waits() {
    run(|cx| {
        let (pins, gpio) = (Pins::new(), gpio());
        gpio.watch(cx, pin(3), Edges::BOTH).unwrap();
        gpio.watch(cx, pin(4), Edges::BOTH).unwrap();
        for rising in [true, false, true] {
            pins.edge(3, rising);
            hw::sim::point();
        }
        assert_eq!(gpio.wait(cx, pin(4), soon()), Err(Error::TimedOut));
        assert_eq!(gpio.wait(cx, pin(3), soon()), Ok(()));
        assert_eq!(gpio.wait(cx, pin(3), soon()), Err(Error::TimedOut));
        // Watching again forgets what came before.
        pins.edge(4, true);
        hw::sim::point();
        gpio.watch(cx, pin(4), Edges::NONE).unwrap();
        pins.edge(4, true);
        hw::sim::point();
        assert_eq!(gpio.wait(cx, pin(4), soon()), Err(Error::TimedOut));
    });
}

/// Functions and pulls of neighbours in a word stay what they are; outputs are driven through write-one registers.
#[test]
fn bu_05_a_pin_is_set_up_alone() {
    run(|cx| {
        let (pins, gpio) = (Pins::new(), gpio());
        gpio.set_function(cx, pin(14), Function::Alt0);
        gpio.set_function(cx, pin(15), Function::Alt0);
        gpio.set_function(cx, pin(16), Function::Output);
        gpio.set_function(cx, pin(14), Function::Input);
        gpio.set_pull(cx, pin(15), Pull::Up);
        gpio.set_pull(cx, pin(14), Pull::Down);
        assert_eq!((pins.word(4, 0), pins.word(0xe4, 0)), (0b001_100_000 << 12, 0b01_10 << 28));
        gpio.write(pin(16), true);
        gpio.write(pin(40), true);
        gpio.write(pin(16), false);
        assert_eq!((gpio.read(pin(16)), gpio.read(pin(40)), gpio.read(pin(41))), (false, true, false));
    });
}
