//! Does the PL011 raise its line, and does the driver serve it? (IQ-09, level source; BU-01 UART)
use crate::{
    board,
    support::{fifo, interrupts},
    table::test,
};
use alloc::boxed::Box;
use hw::{
    mmio::{Reg, Rw},
    pl011::{INTERRUPTS, Pl011},
};
use kernel::{ThreadCx, irq, irq::Irq, uart::Uart};
use tock_registers::interfaces::{Readable, Writeable};

/// A true level source: the PL011's transmit interrupt is high from a transmission until it is cleared.
#[derive(Clone, Copy)]
pub struct TxLine(Pl011);

impl TxLine {
    pub const IRQ: Irq = board::BOARD.uart.irq;
    const TX: u32 = INTERRUPTS::TX::SET.value;

    /// The source, low.
    pub fn new() -> Self {
        Uart::set_up(&board::BOARD.uart);
        let device = Pl011::new(board::BOARD.uart.base);
        device.set_unmasked(Self::TX);
        Self(device)
    }
    pub fn raise(self) {
        assert!(self.0.try_send(b' '));
    }
    pub fn lower(self) {
        self.0.clear(Self::TX);
    }
}

/// A driver on the PL011 with what it sends coming back to it. `None`: this QEMU's PL011 has no loopback (before 8.2).
fn looped(cx: &mut ThreadCx) -> Option<&'static Uart> {
    const LOOPBACK: u32 = 1 << 7;
    Uart::set_up(&board::BOARD.uart);
    let control: Reg<u32, (), Rw> = board::BOARD.uart.base.reg(0x30);
    control.set(control.get() | LOOPBACK);
    let device = Pl011::new(board::BOARD.uart.base);
    assert!(device.try_send(b'?'));
    if device.try_receive().is_none() {
        kernel::println!(cx, "this PL011 has no loopback: nothing to receive");
        return None;
    }
    device.clear(!0);
    let uart = Box::leak(Box::new(Uart::new(&board::BOARD.uart)));
    uart.start(cx, &board::BOARD.uart).unwrap();
    Some(uart)
}

/// IP-01, IQ-22: each received character is an interrupt of its line, handled by that line's thread at FIFO 50.
fn ip_01_each_character_is_an_interrupt_for_the_uart_thread(cx: &mut ThreadCx) {
    let Some(uart) = looped(cx) else { return };
    let before = interrupts(cx, TxLine::IRQ);
    for n in 1..=10 {
        uart.write(cx, b"x");
        assert_eq!(uart.read(cx), b'x');
        assert!(interrupts(cx, TxLine::IRQ) >= before + n);
    }
    let info = irq::info(cx, TxLine::IRQ).unwrap();
    let (name, _, policy) = info.handlers[0].thread.clone().unwrap();
    assert_eq!((name.as_str(), policy), (board::UART_THREAD, fifo(50)));
}
test!(ip_01_each_character_is_an_interrupt_for_the_uart_thread);

/// What is sent arrives in order and whole, more than FIFO and ring hold; nothing is lost without being counted.
fn uart_ten_thousand_characters_arrive_in_order(cx: &mut ThreadCx) {
    const CHUNK: usize = 16;
    let Some(uart) = looped(cx) else { return };
    let mut expected = 0_u8;
    for n in 0..10_000 / CHUNK {
        let chunk: [u8; CHUNK] = core::array::from_fn(|k| (n * CHUNK + k) as u8);
        uart.write(cx, &chunk);
        for _ in 0..CHUNK {
            assert_eq!(uart.read(cx), expected);
            expected = expected.wrapping_add(1);
        }
    }
    let errors = uart.errors();
    assert_eq!((errors.overruns, errors.damaged), (0, 0));
}
test!(uart_ten_thousand_characters_arrive_in_order);
