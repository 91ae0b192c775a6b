//! Does the kernel boot, sleep and take an interrupt at all?
use crate::harness::{fifo, pend, run};
use core::time::Duration;
use kernel::{
    irq::{Flags, Handled, Irq, Request, Trigger},
    time,
};
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::SeqCst},
};

#[test]
fn an_interrupt_wakes_its_thread() {
    let outcome = run(|cx| {
        let before = time::now();
        time::sleep(cx, Duration::from_millis(3)).unwrap();
        assert!(time::now().since(before) >= Duration::from_millis(3));
        let runs = Arc::new(AtomicU32::new(0));
        let line = Request::new(Irq::new(100), "test")
            .threaded({
                let runs = runs.clone();
                move |_| {
                    runs.fetch_add(1, SeqCst);
                    Handled::Yes
                }
            })
            .flags(Flags::ONESHOT)
            .trigger(Trigger::EdgeRising)
            .priority(fifo(80))
            .submit(cx)
            .unwrap();
        for n in 1..=10 {
            pend(cx, line.irq());
            assert_eq!(runs.load(SeqCst), n);
        }
        line.free(cx).unwrap();
    });
    assert_eq!(outcome.console, "");
}
