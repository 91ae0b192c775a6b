//! Does a newcomer get a lock that was left to a woken waiter? (LK-03)
use crate::harness::{Log, become_policy, fair, fifo, ms, run_model, start};
use hw::sim::{self, Config};
use kernel::{
    Policy, ThreadCx, bh,
    model::Model,
    percpu::MAX_CPUS,
    sync::{LocalLock, Mutex, Pending, RwLock, RwSemaphore, Semaphore, SpinLock},
    time,
};
use std::sync::Arc;

/// A kind of lock, one of which is used by a machine of one CPU.
trait Kind: Send + Sync + 'static {
    /// Runs `f` with the lock.
    fn within(&self, cx: &mut ThreadCx, f: &dyn Fn());
    /// The lock as what its waiters wait for.
    fn pending(&self) -> &dyn Pending;
}
impl Kind for SpinLock<()> {
    fn within(&self, cx: &mut ThreadCx, f: &dyn Fn()) {
        self.with(cx, |(), _| f());
    }
    fn pending(&self) -> &dyn Pending {
        self
    }
}
/// Of which there is one for each CPU.
impl Kind for LocalLock<()> {
    fn within(&self, cx: &mut ThreadCx, f: &dyn Fn()) {
        let _guard = self.lock(cx);
        f();
    }
    fn pending(&self) -> &dyn Pending {
        LocalLock::pending(self, 0)
    }
}
/// Bottom halves disabled.
struct Bh;
impl Kind for Bh {
    fn within(&self, cx: &mut ThreadCx, f: &dyn Fn()) {
        let _off = bh::disable(cx);
        f();
    }
    fn pending(&self) -> &dyn Pending {
        bh::pending(0)
    }
}
/// The writer's side.
impl Kind for RwLock<()> {
    fn within(&self, cx: &mut ThreadCx, f: &dyn Fn()) {
        self.with_write(cx, |(), _| f());
    }
    fn pending(&self) -> &dyn Pending {
        self
    }
}
impl Kind for Mutex<()> {
    fn within(&self, cx: &mut ThreadCx, f: &dyn Fn()) {
        self.with(cx, |(), _| f());
    }
    fn pending(&self) -> &dyn Pending {
        self
    }
}
/// The writer's side.
impl Kind for RwSemaphore<()> {
    fn within(&self, cx: &mut ThreadCx, f: &dyn Fn()) {
        let _guard = self.write(cx);
        f();
    }
    fn pending(&self) -> &dyn Pending {
        self
    }
}

/// Whether the newcomer gets ahead of a waiter that was woken for the lock and has not taken it yet.
fn newcomer_gets_it(model: Model, lock: Arc<dyn Kind>, waiter: Policy, newcomer: Policy) -> bool {
    let result = Log::new();
    let taken = result.clone();
    run_model(model, Config::default(), "", move |cx| {
        become_policy(cx, fifo(99));
        let (go, order) = (Arc::new(Semaphore::new(0)), Log::new());
        let held = lock.clone();
        // Long enough for fair threads to take turns.
        let mut holder = start(cx, "holder", fair(), move |cx| held.within(cx, &|| sim::spend(100_000_000)));
        time::sleep(cx, ms(1)).unwrap();
        let (wanted, gate, mine) = (lock.clone(), go.clone(), order.clone());
        let mut woken = start(cx, "woken", waiter, move |cx| {
            gate.down(cx);
            wanted.within(cx, &|| mine.push("woken"));
        });
        lock.pending().hold_wake(woken.id());
        go.up(cx).unwrap();
        time::sleep(cx, ms(200)).unwrap();
        assert!(lock.pending().is_in_wake(woken.id()));
        let (wanted, mine) = (lock.clone(), order.clone());
        let mut comes = start(cx, "newcomer", newcomer, move |cx| wanted.within(cx, &|| mine.push("newcomer")));
        time::sleep(cx, ms(1)).unwrap();
        let gone_ahead = order.take() == ["newcomer"];
        // Whoever got it: the woken one has not, and stays where it was.
        assert!(lock.pending().is_in_wake(woken.id()));
        lock.pending().continue_wake(woken.id());
        [&mut holder, &mut woken, &mut comes].into_iter().for_each(|thread| thread.join(cx).unwrap());
        assert_eq!(order.take(), if gone_ahead { vec!["woken"] } else { vec!["woken", "newcomer"] });
        taken.push(gone_ahead);
    });
    result.take()[0]
}

/// A lock of each kind, and the model under which it sleeps; `lateral`: the kinds that spin under other models.
fn kinds(lateral: bool) -> Vec<(&'static str, Model, Arc<dyn Kind>)> {
    if lateral {
        vec![
            ("spinlock", Model::Rt, Arc::new(SpinLock::<()>::new(()))),
            ("local lock", Model::Rt, Arc::new(LocalLock::new([(); MAX_CPUS]))),
            ("bottom halves", Model::Rt, Arc::new(Bh)),
            ("bottom halves", Model::Rtb, Arc::new(Bh)),
            ("read-write lock", Model::Rt, Arc::new(RwLock::<()>::new(()))),
        ]
    } else {
        vec![
            ("mutex", Model::Rt, Arc::new(Mutex::new(()))),
            ("mutex", Model::Full, Arc::new(Mutex::new(()))),
            ("rw-semaphore", Model::Rt, Arc::new(RwSemaphore::new(()))),
        ]
    }
}

/// LK-03.1 to .4: a more urgent newcomer gets it, a less urgent one never; an equal one only if both are fair, and the lock is
/// one that spins under the other models.
#[test]
fn who_may_steal() {
    for lateral in [true, false] {
        let cases = [
            (fair(), fair(), lateral),
            (fair(), fifo(1), true),
            (fifo(20), fifo(20), false),
            (fifo(20), fifo(21), true),
            (fifo(20), fifo(19), false),
        ];
        for (waiter, newcomer, expected) in cases {
            for (kind, model, lock) in kinds(lateral) {
                let gets_it = newcomer_gets_it(model, lock, waiter, newcomer);
                assert_eq!(gets_it, expected, "{kind} on {}: {waiter:?} and {newcomer:?}", model.name());
            }
        }
    }
}
