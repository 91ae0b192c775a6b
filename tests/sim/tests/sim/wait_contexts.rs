//! Which lock may be taken inside what, and is the wrong one reported under every model? The matrix of LM-02.
//!
//! The types refuse the wrong ones already (`tests/ui`); here the token is forged. Not in the matrix, since only the types
//! know: a mutex where the section can be preempted and is no reader's, which is inside spinlocks under `rt`.
use crate::harness::{Log, forged, hard_line, pend, run_model, warnings};
use hw::sim::Config;
use kernel::{
    ThreadCx, bh,
    cx::Thread,
    irq::{self, Handled, Irq},
    irq_flags,
    model::Model,
    percpu::MAX_CPUS,
    preempt, rcu,
    sync::{LocalLock, Mutex, RawSpinLock, RwLock, SpinLock},
    thread,
};

/// What is taken. All of it is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inner {
    Rcu,
    Raw,
    Spin,
    Read,
    Write,
    Local,
    Mutex,
}
/// Where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outer {
    Rcu,
    HardHandler,
    OrdinaryHandler,
    PreemptionOff,
    InterruptsOff,
    Raw,
    Spin,
    Read,
    Local,
    BottomHalves,
    Mutex,
}
use Inner::{Local, Read, Spin, Write};

impl Inner {
    const ALL: [Self; 7] = [Inner::Rcu, Inner::Raw, Spin, Read, Write, Local, Inner::Mutex];

    fn take(self) {
        forged(|cx| match self {
            Inner::Rcu => drop(rcu::read(cx)),
            Inner::Raw => drop(RawSpinLock::<(), kernel::cx::Irq>::new(()).lock(cx)),
            Spin => drop(SpinLock::<()>::new(()).lock(cx)),
            Read => drop(RwLock::<()>::new(()).read(cx)),
            Write => drop(RwLock::<()>::new(()).write(cx)),
            Local => drop(LocalLock::new([(); MAX_CPUS]).lock_irq(cx)),
            Inner::Mutex => drop(Mutex::new(()).lock(cx)),
        });
    }
    /// What a report about it says, in a reader's section that nothing else makes atomic, or elsewhere.
    fn report(self, reads: bool) -> &'static str {
        match (self, reads) {
            (Inner::Mutex, true) => "voluntary context switch in an RCU reader section",
            (Inner::Mutex, false) => "sleeping function called from invalid context",
            _ => "invalid wait context",
        }
    }
}

impl Outer {
    const ALL: [Self; 11] = [
        Outer::Rcu,
        Outer::HardHandler,
        Outer::OrdinaryHandler,
        Outer::PreemptionOff,
        Outer::InterruptsOff,
        Outer::Raw,
        Outer::Spin,
        Outer::Read,
        Outer::Local,
        Outer::BottomHalves,
        Outer::Mutex,
    ];

    fn run(self, cx: &mut ThreadCx, take: impl Fn() + Send + 'static) {
        const IRQ: Irq = Irq::new(100);
        match self {
            Outer::Rcu => rcu::with(cx, |_, _| take()),
            Outer::HardHandler => {
                let line = hard_line(cx, IRQ.number(), move |_| take());
                pend(cx, IRQ);
                line.free(cx).unwrap();
            }
            Outer::OrdinaryHandler => {
                let request = irq::Request::new(IRQ, "ordinary").handler(move |_| {
                    take();
                    Handled::Yes
                });
                let line = request.trigger(irq::Trigger::EdgeRising).submit(cx).unwrap();
                pend(cx, IRQ);
                thread::yield_now(cx);
                line.synchronize(cx).unwrap();
                line.free(cx).unwrap();
            }
            Outer::PreemptionOff => {
                let _off = preempt::disable(cx);
                take();
            }
            Outer::InterruptsOff => {
                let _off = irq_flags::save(cx);
                take();
            }
            Outer::Raw => RawSpinLock::<(), Thread>::new(()).with(cx, |(), _| take()),
            Outer::Spin => SpinLock::<()>::new(()).with(cx, |(), _| take()),
            Outer::Read => RwLock::<()>::new(()).with_read(cx, |(), _| take()),
            Outer::Local => {
                let local = LocalLock::new([(); MAX_CPUS]);
                let _guard = local.lock(cx);
                take();
            }
            Outer::BottomHalves => {
                let _off = bh::disable(cx);
                take();
            }
            Outer::Mutex => Mutex::new(()).with(cx, |(), _| take()),
        }
    }
    /// Whether taking `inner` there is reported; `None`: the types alone forbid it.
    fn reports(self, inner: Inner, model: Model) -> Option<bool> {
        let mutex = inner == Inner::Mutex;
        match self {
            Outer::Mutex => Some(false),
            Outer::HardHandler | Outer::PreemptionOff | Outer::InterruptsOff | Outer::Raw => {
                Some(!matches!(inner, Inner::Rcu | Inner::Raw))
            }
            Outer::Spin | Outer::Read | Outer::Local if mutex && model.rt() => None,
            _ => Some(mutex),
        }
    }
    /// Whether it is a reader's section and can be preempted.
    fn reads(self, model: Model) -> bool {
        match self {
            Outer::Rcu => true,
            Outer::OrdinaryHandler => model.forces_threads(),
            Outer::BottomHalves => model.bh_is_a_lock(),
            _ => false,
        }
    }
}

/// LM-02.1, LM-02.2: the wrong cells are one report each, under every model; the others are none.
#[test]
fn the_matrix() {
    for model in Model::ALL {
        for (outer, inner) in Outer::ALL.into_iter().flat_map(|outer| Inner::ALL.map(|inner| (outer, inner))) {
            let Some(reports) = outer.reports(inner, model) else { continue };
            let taken = Log::new();
            let times = taken.clone();
            let outcome = run_model(model, Config::default(), "", move |cx| {
                outer.run(cx, move || {
                    inner.take();
                    times.push(());
                });
            });
            assert_eq!(taken.take().len(), 1, "{}: {inner:?} in {outer:?}", model.name());
            let told = warnings(&outcome);
            let as_expected =
                told.len() == usize::from(reports) && told.iter().all(|w| w.contains(inner.report(outer.reads(model))));
            assert!(as_expected, "{}: {inner:?} in {outer:?}: {told:?}", model.name());
        }
    }
}

/// LM-02: nested sections are left as they were entered: what is right outside is right again.
#[test]
fn sections_nest() {
    for model in Model::ALL {
        let outcome = run_model(model, Config::default(), "", |cx| {
            let (spin, inner, local) =
                (SpinLock::<()>::new(()), SpinLock::<()>::new(()), LocalLock::new([(); MAX_CPUS]));
            spin.with(cx, |(), cx| inner.with(cx, |(), cx| drop(local.lock_irq(cx))));
            spin.with(cx, |(), cx| rcu::with(cx, |_, cx| drop(inner.lock(cx))));
            rcu::with(cx, |_, cx| spin.with(cx, |(), cx| drop(rcu::read(cx))));
            let mut bottom = bh::disable(cx);
            spin.with(bottom.cx(), |(), _| ());
            drop(bottom);
            drop(local.lock(cx));
            drop(Mutex::new(()).lock(cx));
        });
        assert_eq!(warnings(&outcome), [""; 0], "{}", model.name());
    }
}
