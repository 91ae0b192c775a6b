//! Where does the machine switch to a more urgent thread, by preemption model? (PM-01 to PM-04, PM-06, PM-07)
use crate::{
    support::{Count, become_policy, fifo, free, give_way, ms, pend, sleep, spare, us},
    table::test,
};
use alloc::{format, sync::Arc};
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};
use kernel::{
    Policy, ThreadCx, cx,
    irq::{self, Handled, Request, Trigger},
    irq_flags, latency,
    model::Model,
    preempt::{self, context},
    sync::{RawSpinLock, Semaphore, SpinLock},
    thread::{self, Builder, ThreadId},
    time::{self, HrTimer, Instant, Restart},
};

/// What this image was built for.
const BUILT: Model = if cfg!(feature = "model-none") {
    Model::None
} else if cfg!(feature = "model-voluntary") {
    Model::Voluntary
} else if cfg!(feature = "model-full") {
    Model::Full
} else if cfg!(feature = "model-rtb") {
    Model::Rtb
} else {
    Model::Rt
};

/// Those that can be exchanged for each other at boot, and the others.
const DYNAMIC: &[Model] = &[Model::None, Model::Voluntary, Model::Full];
const FIXED: &[Model] = &[Model::Rtb, Model::Rt];

/// The scenario's clock.
#[derive(Clone, Copy)]
struct Clock(Instant);

impl Clock {
    /// Computes until so many tenths of a millisecond have passed.
    fn spin_until(self, tenths: u64) {
        let end = self.0.saturating_add(us(100 * tenths));
        while time::now() < end {}
    }
    /// The same in a section whose length is the test's doing, not the kernel's.
    fn hold_until(self, tenths: u64) {
        self.spin_until(tenths);
        latency::ignore();
    }
    /// Tenths of a millisecond so far.
    fn tenths(self) -> u64 {
        time::now().since(self.0).as_micros() as u64 / 100
    }
}

/// Fair L does this from 0 ms on; a hard timer fires at 1 ms and wakes FIFO-50 H: the tenths of a millisecond at which the timer
/// fired and H ran.
fn timer_and_h(cx: &mut ThreadCx, l: impl FnOnce(&mut ThreadCx, Clock) + Send + 'static) -> (u64, u64) {
    become_policy(cx, Policy::other(0).expect("a nice value"));
    let (gate, fired, ran) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (down, h_ran) = (gate.clone(), ran.clone());
    let clock = Clock(time::now().saturating_add(ms(1)));
    let h = move |cx: &mut ThreadCx| {
        down.down(cx);
        h_ran.store(clock.tenths(), SeqCst);
    };
    let mut h = Builder::new("H").policy(fifo(50)).spawn(cx, h).expect("a slot");
    // It waits.
    give_way(cx);
    let timer_fired = fired.clone();
    let timer = HrTimer::new(cx, move |cx, _| {
        timer_fired.store(clock.tenths(), SeqCst);
        gate.up(cx).expect("room");
        Restart::No
    });
    timer.start_at(cx, clock.0.saturating_add(ms(1))).expect("a place in the timer queue");
    // L begins when this thread waits for it.
    let l = move |cx: &mut ThreadCx| {
        clock.spin_until(0);
        l(cx, clock);
    };
    Builder::new("L")
        .policy(Policy::other(0).expect("a nice value"))
        .spawn(cx, l)
        .expect("a slot")
        .join(cx)
        .expect("it ends");
    h.join(cx).expect("it ends");
    (fired.load(SeqCst), ran.load(SeqCst))
}

/// What the model of this boot has to do.
fn behaves_as(cx: &mut ThreadCx, model: Model) {
    assert_eq!(preempt::model(), model);
    let preempts = !matches!(model, Model::None | Model::Voluntary);
    // PM-02.1, PM-03.1, PM-04.1: at the interrupt's return, where a call might sleep, or where L asks.
    let h = timer_and_h(cx, |cx, clock| {
        clock.spin_until(30);
        preempt::might_sleep(cx);
        clock.spin_until(50);
        preempt::cond_resched(cx);
        clock.spin_until(60);
    });
    assert_eq!(
        h,
        (
            10,
            match model {
                Model::None => 50,
                Model::Voluntary => 30,
                Model::Full | Model::Rtb | Model::Rt => 10,
            }
        )
    );
    // PM-02.2, PM-03.2: where L blocks.
    let h = timer_and_h(cx, |cx, clock| {
        clock.spin_until(40);
        sleep(cx, ms(1));
    });
    assert_eq!(h, (10, if preempts { 10 } else { 40 }));
    // PM-04.2: at the outermost enable.
    let h = timer_and_h(cx, |cx, clock| {
        clock.spin_until(5);
        let outer = preempt::disable(cx);
        clock.spin_until(10);
        // SAFETY: paired with the enable.
        unsafe { preempt::hook::disable() };
        clock.spin_until(30);
        // SAFETY: disabled above.
        unsafe { preempt::hook::enable() };
        clock.hold_until(40);
        drop(outer);
        clock.spin_until(50);
    });
    let end_or_40 = if preempts { 40 } else { 50 };
    assert_eq!(h, (10, end_or_40));
    // PM-04.4: handler and thread where interrupts are unmasked.
    let h = timer_and_h(cx, |cx, clock| {
        clock.spin_until(5);
        let masked = irq_flags::save(cx);
        clock.hold_until(40);
        drop(masked);
        clock.spin_until(50);
    });
    assert_eq!(h, (40, end_or_40));
    // PM-04.3, PM-07.1: where the spinlock's section ends, or in it.
    static SPIN: SpinLock<(), cx::Thread> = SpinLock::new(());
    let h = timer_and_h(cx, |cx, clock| {
        clock.spin_until(5);
        SPIN.with(cx, |(), _| clock.hold_until(40));
        clock.spin_until(50);
    });
    assert_eq!(h, (10, if model == Model::Rt { 10 } else { end_or_40 }));
    // PM-07.2: never in a raw one.
    static RAW: RawSpinLock<(), cx::Thread> = RawSpinLock::new(());
    let h = timer_and_h(cx, |cx, clock| {
        clock.spin_until(5);
        RAW.with(cx, |(), _| clock.hold_until(40));
        clock.spin_until(50);
    });
    assert_eq!(h, (10, end_or_40));
}

/// PM-01.2, PM-02 to PM-04, PM-07: the image switches where the model that it was built for says.
fn pm_01_2_the_image_is_of_its_model(cx: &mut ThreadCx) {
    behaves_as(cx, BUILT);
}
test!(pm_01_2_the_image_is_of_its_model);

/// PM-01.3: `preempt=` at boot makes an image of `none`, `voluntary` or `full` another one of these.
fn pm_01_3_none_at_boot(cx: &mut ThreadCx) {
    behaves_as(cx, Model::None);
}
test!(pm_01_3_none_at_boot, models(DYNAMIC), bootargs("preempt=none"));

/// As above.
fn pm_01_3_voluntary_at_boot(cx: &mut ThreadCx) {
    behaves_as(cx, Model::Voluntary);
}
test!(pm_01_3_voluntary_at_boot, models(DYNAMIC), bootargs("preempt=voluntary"));

/// As above.
fn pm_01_3_full_at_boot(cx: &mut ThreadCx) {
    behaves_as(cx, Model::Full);
}
test!(pm_01_3_full_at_boot, models(DYNAMIC), bootargs("preempt=full"));

/// PM-01.3: to `rt` it does not, but warns, and the image is what it was built for.
fn pm_01_3_rt_at_boot_is_refused(cx: &mut ThreadCx) {
    assert_eq!(kernel::report::warnings(), 1);
    behaves_as(cx, BUILT);
}
test!(
    pm_01_3_rt_at_boot_is_refused,
    models(DYNAMIC),
    bootargs("preempt=rt"),
    says("WARNING: preempt=rt ignored: this image is built for model")
);

/// PM-06.1: on `rtb`, as on `rt`, a handler that asks for nothing runs in the thread `irq/N-name` and can be preempted; a spinlock's
/// section cannot on `rtb`.
fn pm_06_1_handlers_run_in_threads(cx: &mut ThreadCx) {
    static SPIN: SpinLock<()> = SpinLock::new(());
    let (thread, outside, inside) = (Count::new(), Count::new(), Count::new());
    let (told, out, within) = (thread.clone(), outside.clone(), inside.clone());
    let request = Request::new(spare(0), "plain").trigger(Trigger::EdgeRising);
    let line = request.handler(move |cx| {
        told.set(thread::current_id().0);
        out.set((context::in_task() && context::preemptible()).into());
        within.set(SPIN.with(cx, |(), _| context::preemptible()).into());
        Handled::Yes
    });
    let line = line.submit(cx).expect("a spare line");
    pend(cx, spare(0));
    let info = irq::info(cx, spare(0)).expect("it was requested");
    let (name, _, _) = info.handlers[0].thread.clone().expect("it is threaded");
    assert_eq!(name.as_str(), format!("irq/{}-plain", spare(0).number()));
    assert_eq!(line.thread(), Some(ThreadId(thread.get())));
    assert_eq!((outside.get(), inside.get()), (1, u32::from(BUILT == Model::Rt)));
    free(cx, line);
}
test!(pm_06_1_handlers_run_in_threads, models(FIXED));

/// PM-01: nor does an image of `rtb` or `rt` become another one.
fn pm_01_none_at_boot_is_refused(cx: &mut ThreadCx) {
    assert_eq!(kernel::report::warnings(), 1);
    behaves_as(cx, BUILT);
}
test!(
    pm_01_none_at_boot_is_refused,
    models(FIXED),
    bootargs("preempt=none"),
    says("WARNING: preempt=none ignored: this image is built for model")
);
