//! What do spinlocks, read-write locks, local locks and disabled bottom halves mean under each model? (LM-01, LM-02, LK-09, SI-04)
use crate::harness::{MS, at, become_policy, fair, fifo, ms, run_model, start, start_on, warnings};
use hw::sim::Config;
use kernel::{
    ThreadCx, bh, irq_flags,
    model::Model,
    percpu::MAX_CPUS,
    preempt::{self, context},
    sleep_hook,
    sync::{LocalLock, RwLock, Semaphore, SpinLock},
    thread,
    time::{self, HrTimer, Restart},
};
use std::sync::{Arc, Mutex};

fn each_model(body: impl Fn(&mut ThreadCx, Model) + Copy + 'static) {
    for model in Model::ALL {
        run_model(model, Config::default(), "", move |cx| body(cx, model));
    }
}

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

/// LM-02.1, LM-02.2: a spinlock with preemption off, in a raw section or with interrupts off is one report, under every model,
/// held or not; inside other spinlocks and with bottom halves disabled it is none.
#[test]
fn wait_contexts() {
    for model in Model::ALL {
        let outcome = run_model(model, Config::default(), "", |cx| {
            let spin = SpinLock::<()>::new(());
            let local = LocalLock::new([(); MAX_CPUS]);
            let forged = |f: &dyn Fn(&mut ThreadCx)| {
                // SAFETY: what the types forbid is what is tested.
                unsafe { sleep_hook::with_forged_token(|cx| f(cx)) }
            };
            let off = preempt::disable(cx);
            forged(&|cx| spin.with(cx, |(), _| ()));
            drop(off);
            let off = irq_flags::save(cx);
            forged(&|cx| spin.with(cx, |(), _| ()));
            drop(off);
            kernel::sync::RawSpinLock::<(), kernel::cx::Thread>::new(()).with(cx, |(), _| {
                forged(&|cx| drop(local.lock(cx)));
            });
            assert_eq!(kernel::report::warnings(), 3, "{}", preempt::model().name());
            let inner = SpinLock::<()>::new(());
            spin.with(cx, |(), cx| inner.with(cx, |(), cx| drop(local.lock_irq(cx))));
            let mut bottom = bh::disable(cx);
            spin.with(bottom.cx(), |(), _| ());
            drop(bottom);
            drop(local.lock(cx));
        });
        let told = warnings(&outcome);
        assert!(told.len() == 3 && told.iter().all(|w| w.contains("invalid wait context")), "{told:?}");
    }
}

/// LK-09.2, LK-09.3: on one CPU the second waits and lends its priority; another CPU's thread does not wait.
#[test]
fn a_local_lock_is_its_cpus() {
    let config = Config { cpus: 2, ..Config::default() };
    run_model(Model::Rt, config, "", |cx| {
        become_policy(cx, fifo(99));
        let local = Arc::new(LocalLock::new([0u32; MAX_CPUS]));
        let begin = hw::sim::time();
        let mine = local.clone();
        let mut first = start_on(cx, &[0], "first", fair(), move |cx| {
            let mut guard = mine.lock(cx);
            hw::sim::spend(2 * MS);
            *guard += 1;
        });
        time::sleep(cx, ms(1) / 2).unwrap();
        let lock = |cpu: usize, cx: &mut ThreadCx| {
            let mine = local.clone();
            start_on(cx, &[cpu], "next", fifo(40), move |cx| {
                *mine.lock(cx) += 1;
                hw::sim::time() - begin
            })
        };
        let (mut here, mut there) = (lock(0, cx), lock(1, cx));
        time::sleep(cx, ms(1) / 2).unwrap();
        assert_eq!(crate::mutex::level(cx, first.id()), 40);
        assert!(there.join(cx).unwrap() < MS && here.join(cx).unwrap() >= 2 * MS);
        first.join(cx).unwrap();
        let n = percpu_sum(cx, &local);
        assert_eq!(n, 2, "on this CPU");
    });
}
fn percpu_sum(cx: &mut ThreadCx, local: &LocalLock<u32>) -> u32 {
    crate::harness::move_to(cx, 0);
    *local.lock(cx)
}

/// CX-01.2, SI-04.4: disabling bottom halves counts; it is no atomic context under `rt` and `rtb`, and one under the others.
#[test]
fn disabled_bottom_halves_are_seen() {
    each_model(|cx, model| {
        let mut first = bh::disable(cx);
        let second = bh::disable(first.cx());
        let atomic = !model.bh_is_a_lock();
        assert!(context::in_softirq() && !context::in_serving_softirq(), "{}", model.name());
        assert_eq!((context::in_atomic(), context::preemptible()), (atomic, !atomic), "{}", model.name());
        assert_eq!(bh::owner(0).is_some(), !atomic, "{}", model.name());
        drop(second);
        assert!(context::in_softirq(), "{}", model.name());
        drop(first);
        assert!(!context::in_softirq() && context::preemptible() && bh::owner(0).is_none(), "{}", model.name());
    });
}

/// SI-04.1: whoever disables them on the CPU of a less urgent thread that has, waits and lends its priority.
#[test]
fn disabling_bottom_halves_lends_priority() {
    for model in [Model::Rtb, Model::Rt] {
        run_model(model, Config::default(), "", |cx| {
            become_policy(cx, fifo(99));
            let mut low = start(cx, "low", fair(), |cx| {
                let off = bh::disable(cx);
                hw::sim::spend(2 * MS);
                drop(off);
            });
            time::sleep(cx, ms(1)).unwrap();
            let mut high = start(cx, "high", fifo(30), |cx| drop(bh::disable(cx)));
            time::sleep(cx, ms(1) / 2).unwrap();
            assert_eq!(crate::mutex::level(cx, low.id()), 30);
            high.join(cx).unwrap();
            assert_eq!(crate::mutex::level(cx, low.id()), 0);
            low.join(cx).unwrap();
        });
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
