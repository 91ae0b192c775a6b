//! What do spinlocks, read-write locks, local locks and disabled bottom halves mean under each model? (LM-01, PM-04)
use crate::harness::{MS, at, each_model, fair, fifo, run_model, start, warnings};
use hw::sim::Config;
use kernel::{
    ThreadCx, bh, irq_flags,
    model::Model,
    percpu::MAX_CPUS,
    preempt::{self, context},
    sync::{LocalLock, RwLock, Semaphore, SpinLock},
    thread,
    time::{HrTimer, Restart},
};
use std::sync::{Arc, Mutex};

/// LM-01.1, LM-01.3, LK-04.6, LK-09.1: inside, preemption and interrupts are as the table says, and afterwards as before.
#[test]
fn what_is_off_inside() {
    type Seen = (bool, bool);
    let seen = || (context::preemptible(), irq_flags::enabled());
    each_model(move |cx, model| {
        let expected = |interrupts: bool| -> Seen { if model.rt() { (true, true) } else { (false, !interrupts) } };
        let spin = SpinLock::<(), kernel::cx::Irq>::new(());
        assert_eq!(spin.with(cx, |(), _| seen()), expected(true), "{}", model.name());
        let spin = SpinLock::<(), kernel::cx::Thread>::new(());
        assert_eq!(spin.with(cx, |(), _| seen()), expected(false), "{}", model.name());
        let rw = RwLock::<(), kernel::cx::Irq>::new(());
        assert_eq!(rw.with_read(cx, |(), _| seen()), expected(true), "{}", model.name());
        assert_eq!(rw.with_write(cx, |(), _| seen()), expected(true), "{}", model.name());
        let local = LocalLock::new([(); MAX_CPUS]);
        let guard = local.lock(cx);
        assert_eq!(seen(), expected(false), "{}", model.name());
        drop(guard);
        let guard = local.lock_irq(cx);
        assert_eq!(seen(), expected(true), "{}", model.name());
        drop(guard);
        let guard = local.try_lock(cx).unwrap();
        assert_eq!(seen(), expected(false), "{}", model.name());
        drop(guard);
        assert_eq!(seen(), (true, true), "{}", model.name());
    });
}

/// When H, woken at 1 ms while L is in the section from 0.5 to 4 ms, first runs, in milliseconds.
fn when_h_runs(model: Model, section: fn(&mut ThreadCx)) -> u64 {
    let ran = Arc::new(Mutex::new(0));
    let result = ran.clone();
    run_model(model, Config::default(), "", move |cx| {
        let begin = hw::sim::time();
        let gate = Arc::new(Semaphore::new(0));
        let up = gate.clone();
        let timer = HrTimer::new(cx, move |cx, _| {
            up.up(cx).unwrap();
            Restart::No
        });
        let mut h = start(cx, "H", fifo(50), move |cx| {
            gate.down(cx);
            *ran.lock().unwrap() = (hw::sim::time() - begin) / MS;
        });
        thread::yield_now(cx);
        timer.start_at(cx, at(begin + MS)).unwrap();
        hw::sim::spend(MS / 2);
        section(cx);
        hw::sim::spend(MS);
        preempt::cond_resched(cx);
        h.join(cx).unwrap();
    });
    *result.lock().unwrap()
}
fn busy() {
    hw::sim::spend(7 * MS / 2);
}

/// PM-04.3, PM-07.1, PM-07.2: a spinlock's section is preempted under `rt` and not under `full` and `rtb`; a raw one never is.
#[test]
fn who_preempts_a_section() {
    fn spin(cx: &mut ThreadCx) {
        SpinLock::<(), kernel::cx::Thread>::new(()).with(cx, |(), _| busy());
    }
    fn raw(cx: &mut ThreadCx) {
        kernel::sync::RawSpinLock::<(), kernel::cx::Thread>::new(()).with(cx, |(), _| busy());
    }
    for (model, expected) in [(Model::Full, 4), (Model::Rtb, 4), (Model::Rt, 1)] {
        assert_eq!(when_h_runs(model, spin), expected, "{}", model.name());
        assert_eq!(when_h_runs(model, raw), 4, "{}", model.name());
    }
}

/// CX-04.2: a thread that ends with bottom halves disabled, or kept on its CPU, is reported once, and nobody waits for it.
#[test]
fn sections_left_open_end_with_their_thread() {
    for model in Model::ALL {
        let outcome = run_model(model, Config::default(), "", |cx| {
            let leak = |cx: &mut ThreadCx, f: fn(&mut ThreadCx)| start(cx, "leaks", fair(), f).join(cx).unwrap();
            leak(cx, |cx| core::mem::forget(bh::disable(cx)));
            assert_eq!((kernel::report::warnings(), bh::owner(0)), (1, None));
            drop(bh::disable(cx));
            leak(cx, |cx| core::mem::forget(kernel::sched::migrate_disable(cx)));
            assert_eq!(kernel::report::warnings(), 2);
            // The slot is used again: nothing of that is left in it.
            leak(cx, |cx| {
                let spin = SpinLock::<()>::new(());
                spin.with(cx, |(), _| ());
                core::mem::forget(SpinLock::<()>::new(()).lock(cx));
            });
            leak(cx, |cx| SpinLock::<()>::new(()).with(cx, |(), _| ()));
        });
        let told = warnings(&outcome);
        assert!(told.len() == 3, "{}: {told:?}", model.name());
    }
}
