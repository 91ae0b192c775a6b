//! What happens when the policy of a thread that waits or is boosted changes? (RM-10, IP-02.2)
use crate::{
    harness::{become_policy, exact, fair, fifo, ms, start},
    irq_kit::{IRQ, edge},
    mutex::level,
    rm_boost::waits,
    sequencer::{
        Cmd::{Chrt, Lock, SetFifo, Unlock},
        Expect::{Base, BlockedOn, Eff, Owns},
        Seq, played,
    },
};
use hw::sim;
use kernel::{
    irq::{Flags, Handled},
    sched,
    sync::{Mutex, Semaphore},
    thread, time,
};
use std::sync::Arc;

/// RM-10.1: the owner follows its waiter up and down.
#[test]
fn the_owner_follows_its_waiter() {
    played(3, |seq| {
        let seq = waits(seq.cmd(0, Lock(0)).expect(0, Owns(0)), 1, 20, 0).cmd(2, SetFifo(90));
        seq.cmd(2, Chrt(1, 35))
            .expect(0, Eff(35))
            .cmd(2, Chrt(1, 5))
            .expect(0, Eff(5))
            .cmd(2, Chrt(1, 0))
            .expect(0, Eff(0))
            .expect(1, BlockedOn(0))
            .cmd(0, Unlock(0))
            .expect(1, Owns(0))
    });
}

/// RM-10.1: so do the owners that wait themselves.
#[test]
fn the_chain_follows_its_last_waiter() {
    played(4, |seq| {
        let seq = seq.cmd(0, Lock(0)).expect(0, Owns(0)).cmd(1, SetFifo(10)).cmd(1, Lock(1)).expect(1, Owns(1));
        let seq = waits(seq.cmd(1, Lock(0)).expect(1, BlockedOn(0)), 2, 20, 1).expect(0, Eff(20)).cmd(3, SetFifo(90));
        let seq = seq.cmd(3, Chrt(2, 35)).expect(1, Eff(35)).expect(0, Eff(35));
        seq.cmd(3, Chrt(2, 5)).expect(1, Eff(10)).expect(0, Eff(10))
    });
}

/// RM-10.2: a boosted owner runs as the more urgent of both, its own policy and its waiter's.
#[test]
fn a_boosted_owner_gets_another_policy() {
    fn boosted(seq: Seq<'_>) -> Seq<'_> {
        let seq = seq.cmd(0, SetFifo(10)).cmd(0, Lock(0)).expect(0, Owns(0)).cmd(2, SetFifo(90));
        waits(seq, 1, 30, 0).expect(0, Eff(30))
    }
    played(3, |seq| {
        let seq = boosted(seq).cmd(2, Chrt(0, 20)).expect(0, Base(fifo(20))).expect(0, Eff(30));
        seq.cmd(0, Unlock(0)).expect(1, Owns(0)).expect(0, Eff(20))
    });
    played(3, |seq| {
        let seq = boosted(seq).cmd(2, Chrt(0, 40)).expect(0, Eff(40));
        seq.cmd(0, Unlock(0)).expect(1, Owns(0)).expect(0, Eff(40))
    });
}

/// T1 and then T2, both at 20, wait for lock 0; T3 is there to change them.
fn two_equals(seq: Seq<'_>) -> Seq<'_> {
    waits(waits(seq.cmd(0, Lock(0)).expect(0, Owns(0)), 1, 20, 0), 2, 20, 0).cmd(3, SetFifo(90))
}

/// RM-10.3: the same priority once more changes no place.
#[test]
fn the_same_priority_keeps_the_place() {
    played(4, |seq| two_equals(seq).cmd(3, Chrt(1, 20)).cmd(0, Unlock(0)).expect(1, Owns(0)).expect(2, BlockedOn(0)));
}

/// RM-10.4: another one and back does.
#[test]
fn another_priority_and_back_loses_the_place() {
    played(4, |seq| {
        let seq = two_equals(seq).cmd(3, Chrt(1, 21)).cmd(3, Chrt(1, 20)).expect(0, Eff(20));
        seq.cmd(0, Unlock(0)).expect(2, Owns(0)).expect(1, BlockedOn(0))
    });
}

/// IP-02.2: an IRQ thread that waits for a lock is made more urgent: so is the lock's owner.
#[test]
fn an_irq_thread_that_waits_lends_its_new_priority() {
    exact(|cx| {
        become_policy(cx, fifo(99));
        let (lock, go, ran) = (Arc::new(Mutex::new(())), Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let (held, gate) = (lock.clone(), go.clone());
        let mut owner = start(cx, "owner", fair(), move |cx| {
            let _guard = held.lock(cx);
            gate.down(cx);
        });
        time::sleep(cx, ms(1)).unwrap();
        let (wanted, done) = (lock.clone(), ran.clone());
        let handler = move |cx: &mut kernel::ThreadCx| {
            let _guard = wanted.lock(cx);
            done.up(cx).unwrap();
            Handled::Yes
        };
        let line = edge("device").threaded(handler).flags(Flags::ONESHOT).priority(fifo(50)).submit(cx).unwrap();
        sim::irq::pend(IRQ.number());
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!(level(cx, owner.id()), 50);
        let mut irq_thread = None;
        thread::for_each(cx, |_, info| {
            if info.name.ends_with("-device") {
                irq_thread = Some(info.id);
            }
        });
        assert_eq!(lock.top_waiter(), irq_thread);
        sched::set(cx, irq_thread.unwrap(), fifo(80)).unwrap();
        assert_eq!(level(cx, owner.id()), 80);
        go.up(cx).unwrap();
        ran.down(cx);
        owner.join(cx).unwrap();
        line.free(cx).unwrap();
    });
}
