//! What is the chip told in each case of the fasteoi flow? (IQ-10; `eoir` is the priority drop, `dir` the end)
use crate::irq_kit::{Count, IRQ, chip_log, clean, edge, fire, mark_handler, mark_thread, warned};
use hw::{gic::Which, sim};
use kernel::{
    HardIrqCx,
    irq::{Flags, Handled, Irq, Primary, Trigger, inject},
};

fn hard(primary: Primary) -> impl FnMut(&mut HardIrqCx<'_>) -> Primary + Send + 'static {
    move |_| {
        mark_handler();
        primary
    }
}

/// IQ-10.1, normal: handle, eoi; on an edge and on a level line.
#[test]
fn a_normal_line() {
    clean(|cx| {
        for trigger in [Trigger::EdgeRising, Trigger::LevelHigh] {
            let line = edge("dev").trigger(trigger).hard(hard(Primary::Handled)).submit(cx).unwrap();
            assert_eq!(chip_log(|| fire(IRQ)), "ack eoir handler dir");
            line.free(cx).unwrap();
        }
    });
}

/// IQ-10.1, disabled: mask, eoi; once, because it cannot fire again then.
#[test]
fn a_disabled_line() {
    clean(|cx| {
        let line = edge("dev").hard(hard(Primary::Handled)).submit(cx).unwrap();
        line.disable_nosync(cx);
        assert_eq!(chip_log(|| fire(IRQ)), "ack eoir mask dir");
        assert_eq!(chip_log(|| fire(IRQ)), "");
        // What came is remembered: one edge re-sent by software, the other latched by the chip; they are one.
        assert_eq!(chip_log(|| line.enable(cx).unwrap()), "unmask resend ack eoir handler dir");
        line.free(cx).unwrap();
    });
}

/// IQ-10.1, disabled and one-shot by holding: the same.
#[test]
fn a_disabled_one_shot_line() {
    clean(|cx| {
        let ask = edge("dev").hard(hard(Primary::WakeThread)).flags(Flags::ONESHOT).threaded(|_| Handled::Yes);
        let line = ask.submit(cx).unwrap();
        line.disable_nosync(cx);
        assert_eq!(chip_log(|| fire(IRQ)), "ack eoir mask dir");
        assert_eq!(chip_log(|| line.enable(cx).unwrap()), "unmask resend ack eoir handler dir");
        line.free(cx).unwrap();
    });
}

/// IQ-10.1, no action: mask, eoi.
#[test]
fn a_line_without_action() {
    warned(&["unexpected interrupt 100"], |cx| {
        let line = edge("dev").hard(hard(Primary::Handled)).submit(cx).unwrap();
        line.free(cx).unwrap();
        inject::set_state(cx, IRQ, Which::Enabled, true).unwrap();
        assert_eq!(chip_log(|| fire(IRQ)), "ack eoir mask dir");
    });
}

/// IQ-10.1, one-shot, woken or not, where the line is shared and so masked: mask, handle, eoi (, unmask).
#[test]
fn a_masked_one_shot_line() {
    clean(|cx| {
        let thread = |_: &mut kernel::ThreadCx| {
            mark_thread();
            Handled::Yes
        };
        for (primary, log) in [
            (Primary::WakeThread, "ack eoir mask handler dir thread unmask"),
            (Primary::HandledAndWake, "ack eoir mask handler dir thread unmask"),
            (Primary::Handled, "ack eoir mask handler dir unmask"),
        ] {
            let ask = edge("dev").flags(Flags::ONESHOT | Flags::SHARED).cookie(1);
            let line = ask.hard(hard(primary)).threaded(thread).submit(cx).unwrap();
            assert_eq!(chip_log(|| fire(IRQ)), log);
            line.free(cx).unwrap();
        }
    });
}

/// IQ-10.2: where the end is the thread's, the flow ends without one, and the thread ends the interrupt.
#[test]
fn a_held_one_shot_line() {
    clean(|cx| {
        let thread = |_: &mut kernel::ThreadCx| {
            mark_thread();
            Handled::Yes
        };
        for (primary, log) in [
            (Primary::WakeThread, "ack eoir handler thread dir"),
            (Primary::HandledAndWake, "ack eoir handler thread dir"),
            (Primary::Handled, "ack eoir handler dir"),
            (Primary::None, "ack eoir handler dir"),
        ] {
            let line = edge("dev").flags(Flags::ONESHOT).hard(hard(primary)).threaded(thread).submit(cx).unwrap();
            assert_eq!(chip_log(|| fire(IRQ)), log);
            assert_eq!(chip_log(|| fire(IRQ)), log, "a second time");
            line.free(cx).unwrap();
        }
    });
}

/// IQ-10: a line that is not one-shot is ended by the flow, and its thread tells the chip nothing.
#[test]
fn a_threaded_line_without_one_shot() {
    clean(|cx| {
        let thread = |_: &mut kernel::ThreadCx| {
            mark_thread();
            Handled::Yes
        };
        let line = edge("dev").hard(hard(Primary::WakeThread)).threaded(thread).submit(cx).unwrap();
        assert_eq!(chip_log(|| fire(IRQ)), "ack eoir handler dir thread");
        line.free(cx).unwrap();
    });
}

/// IQ-10: the running priority has dropped before the handler, and a held line keeps no other from being served.
#[test]
fn a_held_line_keeps_nobody_else_waiting() {
    clean(|cx| {
        let other = Irq::new(101);
        let seen = Count::new();
        let quick = kernel::irq::Request::new(other, "quick").trigger(Trigger::EdgeRising);
        let quick = quick.hard(seen.hard(Primary::Handled)).submit(cx).unwrap();
        let line = edge("slow")
            .threaded({
                let seen = seen.clone();
                move |_| {
                    assert!(sim::irq::state(100).active);
                    fire(other);
                    assert_eq!(seen.get(), 1);
                    Handled::Yes
                }
            })
            .flags(Flags::ONESHOT)
            .submit(cx)
            .unwrap();
        fire(IRQ);
        assert_eq!((seen.get(), sim::irq::state(100).active), (1, false));
        line.free(cx).unwrap();
        quick.free(cx).unwrap();
    });
}
