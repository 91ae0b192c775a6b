//! Do threads run where they are bound to, from the moment they are (SC-11.3, SC-11.7, CX-05)?
use crate::harness::{
    Log, MS, US, any_order, become_policy, exact, fair, fifo, move_to, ms, sleep_till, smp, start_on, these, warnings,
};
use hw::sim;
use kernel::{
    Error, ThreadCx, sched,
    thread::{self, Builder, ThreadId},
    time,
};
use logic::cpus::CpuSet;

/// Orders that each scenario is run in.
const ORDERS: u64 = 200;

/// The running thread prepares the scenario on CPU 0, above everybody.
fn direct(cx: &mut ThreadCx) {
    become_policy(cx, fifo(99));
    move_to(cx, 0);
}

/// Spends time in small pieces and writes down where.
fn roam(log: &Log<usize>, pieces: u64) {
    for _ in 0..pieces {
        log.push(sim::here());
        sim::spend(10 * US);
    }
}

/// SC-11.3: a running thread is off the CPU when the call returns.
#[test]
fn a_running_thread_moves_before_the_call_returns() {
    any_order(3, ORDERS, |cx| {
        direct(cx);
        let log = Log::new();
        let mine = log.clone();
        let mut t = start_on(cx, &[1], "roams", fifo(50), move |_| roam(&mine, 100));
        sim::spend(100 * US + sim::here() as u64);
        assert!(log.take().iter().all(|&cpu| cpu == 1));
        sched::set_affinity(cx, t.id(), these(&[2])).unwrap();
        log.take();
        t.join(cx).unwrap();
        let seen = log.take();
        assert!(seen.len() > 50 && seen.iter().all(|&cpu| cpu == 2), "{seen:?}");
    });
}

/// SC-11.3: a ready thread runs elsewhere at once.
#[test]
fn a_ready_thread_moves() {
    any_order(3, ORDERS, |cx| {
        direct(cx);
        let log = Log::new();
        let mine = log.clone();
        start_on(cx, &[1], "hog", fifo(60), |_| sim::spend(5 * MS));
        let mut t = start_on(cx, &[1], "ready", fifo(50), move |_| mine.push((sim::here(), sim::time())));
        sim::advance(MS);
        let now = sim::time();
        sched::set_affinity(cx, t.id(), these(&[2])).unwrap();
        t.join(cx).unwrap();
        let [(cpu, then)] = log.take()[..] else { panic!("ran more or less than once") };
        assert!(cpu == 2 && then - now < 10 * US, "on CPU {cpu} after {} ns", then - now);
    });
}

/// SC-11.3: a sleeping thread wakes elsewhere.
#[test]
fn a_sleeping_thread_wakes_elsewhere() {
    any_order(3, ORDERS, |cx| {
        direct(cx);
        let mut t = start_on(cx, &[1], "sleeps", fifo(50), |cx| {
            let before = sim::here();
            time::sleep(cx, ms(1)).unwrap();
            (before, sim::here())
        });
        sim::advance(500 * US);
        sched::set_affinity(cx, t.id(), these(&[2])).unwrap();
        assert_eq!(t.join(cx), Ok((1, 2)));
    });
}

/// SC-11.3: a thread that binds itself is there when the call returns.
#[test]
fn a_thread_moves_itself() {
    any_order(4, ORDERS, |cx| {
        for cpu in [3, 1, 1, 0, 2] {
            move_to(cx, cpu);
            assert_eq!(sim::here(), cpu);
            assert_eq!(sched::affinity(thread::current_id()), Ok(these(&[cpu])));
        }
        sched::set_affinity(cx, thread::current_id(), CpuSet::ALL).unwrap();
        assert_eq!(sched::affinity(thread::current_id()), Ok(these(&[0, 1, 2, 3])));
    });
}

/// CX-05.1: a pinned thread stays, preempted or not, and moves when its guard goes. CX-05.2: the outermost one.
#[test]
fn a_pinned_thread_moves_at_the_outermost_enable() {
    any_order(2, ORDERS, |cx| {
        direct(cx);
        let log = Log::new();
        let mine = log.clone();
        let mut t = start_on(cx, &[1], "pinned", fifo(50), move |cx| {
            let outer = sched::migrate_disable(cx);
            let inner = sched::migrate_disable(cx);
            roam(&mine, 100);
            drop(inner);
            roam(&mine, 100);
            time::sleep(cx, ms(1)).unwrap();
            let still = sim::here();
            drop(outer);
            (still, sim::here())
        });
        // Preempted once.
        start_on(cx, &[1], "preempts", fifo(60), |cx| {
            time::sleep(cx, core::time::Duration::from_micros(300)).unwrap();
            sim::spend(50 * US);
        });
        sim::advance(200 * US);
        sched::set_affinity(cx, t.id(), these(&[0])).unwrap();
        assert_eq!(t.join(cx), Ok((1, 0)));
        let seen = log.take();
        assert!(seen.len() == 200 && seen.iter().all(|&cpu| cpu == 1), "{seen:?}");
    });
}

/// CX-05: a guard keeps a thread from the idle CPU that it could be pushed to.
#[test]
fn a_pinned_thread_is_not_pushed() {
    any_order(2, ORDERS, |cx| {
        direct(cx);
        let mut t = start_on(cx, &[1], "pinned", fifo(50), |cx| {
            let guard = sched::migrate_disable(cx);
            sched::set_affinity(cx, thread::current_id(), CpuSet::ALL).unwrap();
            sim::spend(MS);
            drop(guard);
            sim::here()
        });
        let mut above = start_on(cx, &[1], "above", fifo(60), |cx| {
            time::sleep(cx, core::time::Duration::from_micros(100)).unwrap();
            sim::spend(200 * US);
        });
        above.join(cx).unwrap();
        assert_eq!(t.join(cx), Ok(1));
    });
}

/// CX-05.3: an enable too many is a warning and changes nothing.
#[test]
fn an_enable_without_a_disable_is_reported() {
    let outcome = exact(|_| {
        // SAFETY: tests the detector.
        unsafe { sched::hook::migrate_enable() };
    });
    assert_eq!(warnings(&outcome), ["WARNING: migrate_enable without migrate_disable by main"]);
}

/// SC-11.7: no CPU, or none that runs, is refused, and nothing changes; so are the idle thread and a dead one.
#[test]
fn sets_without_a_cpu_are_refused() {
    smp(2, |cx| {
        let me = thread::current_id();
        for cpus in [CpuSet::from_bits(0), these(&[2]), these(&[2, 5])] {
            assert_eq!(sched::set_affinity(cx, me, cpus), Err(Error::Invalid));
            assert_eq!(Builder::new("nowhere").affinity(cpus).spawn(cx, |_| ()).err(), Some(Error::Invalid));
        }
        assert_eq!(sched::affinity(me), Ok(these(&[0, 1])));
        assert_eq!(sched::set_affinity(cx, ThreadId::IDLE, these(&[0])), Err(Error::Invalid));
        let mut short = start_on(cx, &[1], "short", fair(), |_| ());
        short.join(cx).unwrap();
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!(sched::set_affinity(cx, short.id(), these(&[0])), Err(Error::NotFound));
        assert_eq!(sched::affinity(short.id()), Err(Error::NotFound));
    });
}

/// A new thread may run on the CPUs that its maker says, everywhere if it says nothing, wherever the maker is bound to.
#[test]
fn a_new_thread_is_bound_by_its_maker_only() {
    smp(3, |cx| {
        move_to(cx, 1);
        let asks = |_: &mut ThreadCx| sched::affinity(thread::current_id()).unwrap();
        let mut free = thread::spawn(cx, "free", asks).unwrap();
        assert_eq!(free.join(cx), Ok(these(&[0, 1, 2])));
        // One that does not run is let pass beside one that does.
        let mut bound = start_on(cx, &[2, 7], "bound", fair(), asks);
        assert_eq!(bound.join(cx), Ok(these(&[2])));
        sleep_till(cx, sim::time() + MS);
    });
}
