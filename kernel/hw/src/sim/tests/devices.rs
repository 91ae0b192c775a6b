//! Do the UART, the register log and the bus do what they should?
use super::{interrupts::started, on_interrupt};
use crate::{
    cpu, irqs,
    mmio::{Mmio, Reg, Rw},
    pl011::{INTERRUPTS, Pl011},
    sim::{self, Config, Injection, at, irq, run, uart},
    sysreg::{CntFrq, Mpidr},
};
use tock_registers::interfaces::{Readable, Writeable};

fn block(base: usize) -> Mmio {
    // SAFETY: the simulated bus, which checks.
    unsafe { Mmio::new(base) }
}
fn open() -> Pl011 {
    let uart = Pl011::new(block(0x0900_0000));
    uart.start(24_000_000, 115_200);
    uart
}

#[test]
fn the_uart_sends() {
    let outcome = run(Config::default(), || {
        let uart = open();
        b"abc".iter().for_each(|&byte| assert!(uart.try_send(byte)));
        assert_eq!(sim::uart::sent(), b"abc");
        uart.set_unmasked(INTERRUPTS::TX::SET.value);
        assert!(irq::line(33));
        uart.clear(!0);
        assert!(!irq::line(33));
    });
    assert_eq!(outcome.uart, b"abc");
}

#[test]
fn the_uart_receives_and_loses_what_does_not_fit() {
    run(Config::default(), || {
        let port = open();
        let bytes: Vec<u8> = (0..20).collect();
        uart::receive(&bytes);
        port.set_unmasked(INTERRUPTS::OE::SET.value);
        assert!(irq::line(33));
        for byte in 0..16 {
            let received = port.try_receive().unwrap();
            assert_eq!((received.byte, received.overrun), (byte, false));
        }
        assert_eq!(port.try_receive(), None);
        uart::receive(b"xy");
        let [first, second] = [0; 2].map(|_| port.try_receive().unwrap());
        assert_eq!((first.byte, first.overrun, second.byte, second.overrun), (b'x', true, b'y', false));
    });
}

#[test]
fn the_receive_interrupt_follows_the_level_and_the_time_out() {
    run(Config::default(), || {
        let (port, gic) = (open(), started());
        gic.unmask(33);
        port.set_unmasked(INTERRUPTS::RX::SET.value | INTERRUPTS::RT::SET.value);
        let start = sim::time();
        uart::receive(b"1234567");
        assert!(!irq::line(33), "below half of the FIFO");
        uart::receive(b"8");
        assert!(irq::line(33));
        port.try_receive();
        assert!(!irq::line(33));
        // 32 bit times at 115,200 baud; the divisor is 13 + 1/64.
        cpu::wait_for_interrupt();
        assert_eq!(sim::time() - start, 277_666);
        assert_eq!(port.asserted(), INTERRUPTS::RT::SET.value);
        while port.try_receive().is_some() {}
        assert!(!irq::line(33));
    });
}

#[test]
fn input_is_injected_at_its_time() {
    run(Config::default(), || {
        let (port, gic) = (open(), started());
        gic.unmask(33);
        port.set_unmasked(INTERRUPTS::RT::SET.value);
        at(10_000, Injection::Receive(b"k".to_vec()));
        on_interrupt(move || {
            gic.serve(33, || assert_eq!(port.try_receive().unwrap().byte, b'k'));
            false
        });
        irqs::enable();
        sim::advance(1_000_000);
        assert_eq!(sim::interrupts(), 1);
    });
}

#[test]
fn the_register_log_reads_like_the_manual() {
    let outcome = run(Config::default(), || {
        let gic = started();
        gic.unmask(40);
        on_interrupt(move || {
            gic.take();
            false
        });
        sim::log_registers(true);
        block(0x0800_0000).reg::<u32, (), Rw>(0x104).set(0x100);
        irqs::enable();
        irq::pend(40);
        CntFrq.get();
        block(0x080a_0000).reg::<u32, (), Rw>(0x1_0100).get();
        let lines: Vec<String> = sim::registers().iter().map(ToString::to_string).collect();
        let path = ["GICD+0x104 <- 0x100", "ICC_IAR1 -> 40", "ICC_EOIR1 <- 40", "ICC_DIR <- 40", "CNTFRQ -> 0x3b9aca0"];
        assert_eq!(lines[..5], path);
        assert_eq!(lines[5], "GICR0+0x10100 -> 0x0");
        sim::clear_registers();
        crate::clock::disarm();
    });
    let [access] = outcome.registers[..] else { panic!("{:?}", outcome.registers) };
    assert_eq!(access.to_string(), "CNTV_CTL <- 0x3");
}

#[test]
fn affinity_reads_the_same_everywhere() {
    let config = Config { affinities: vec![0x0102_0304], ..Config::default() };
    run(config, || {
        assert_eq!(cpu::affinity(), 0x0102_0304);
        assert_eq!(Mpidr.get(), 0x01_8002_0304);
        let typer: Reg<u64> = block(0x080a_0000).reg(8);
        assert_eq!(typer.get() >> 32, 0x0102_0304);
    });
}

#[test]
#[should_panic(expected = "no device answers at 0xa000000")]
fn nobody_answers_elsewhere() {
    run(Config::default(), || block(0x0a00_0000).reg::<u32, (), Rw>(0).set(1));
}
#[test]
#[should_panic(expected = "GICD: read of 1 bytes at 0x100")]
fn a_register_of_the_wrong_width_is_named() {
    run(Config::default(), || {
        block(0x0800_0000).reg::<u8, (), Rw>(0x100).get();
    });
}
#[test]
#[should_panic(expected = "PL011: write of 4 bytes at 0x50")]
fn an_unknown_register_is_named() {
    run(Config::default(), || block(0x0900_0000).reg::<u32, (), Rw>(0x50).set(1));
}
