//! How do threads begin, end, and get interrupted or killed (SC-12, thread API errors of BU)?
use crate::harness::{Log, at_every_point, become_policy, exact, fair, fifo, hard_line, ms, start, warnings};
use kernel::{
    Error, ThreadCx, preempt, stack_size,
    sync::{Completion, Semaphore, WaitQueue},
    thread::{self, Builder, MIN_STACK, State},
    time, trace,
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
};

/// BU: a stack that is too small is invalid, one that is too large is not there, and the next spawn succeeds.
#[test]
fn wrong_stack_sizes_are_refused() {
    exact(|cx| {
        let before = thread::live();
        for (bytes, error) in [(0, Error::Invalid), (MIN_STACK - 1, Error::Invalid), (usize::MAX, Error::NoResource)] {
            assert_eq!(Builder::new("wrong").stack(bytes).spawn(cx, |_| ()).err(), Some(error));
        }
        assert_eq!(thread::live(), before);
        for bytes in [MIN_STACK, stack_size::SIZE] {
            assert_eq!(Builder::new("right").stack(bytes).spawn(cx, |_| 7).unwrap().join(cx), Ok(7));
        }
    });
}

/// BU: without a slot there is no thread; as soon as one thread has ended there is one again.
#[test]
fn slots_run_out_and_come_back() {
    exact(|cx| {
        become_policy(cx, fifo(50));
        let gate = Arc::new(Semaphore::new(0));
        let mut threads = Vec::new();
        let error = loop {
            let gate = gate.clone();
            match Builder::new("one of many").policy(fifo(60)).spawn(cx, move |cx| gate.down(cx)) {
                Ok(thread) => threads.push(thread),
                Err(error) => break error,
            }
        };
        assert_eq!(error, Error::NoResource);
        assert_eq!(thread::live(), thread::MAX_THREADS);
        gate.up(cx).unwrap();
        assert!(threads[0].is_finished() && !threads[1].is_finished());
        assert_eq!(start(cx, "again", fifo(60), |_| 1).join(cx), Ok(1));
        threads.iter().skip(1).for_each(|_| gate.up(cx).unwrap());
        assert!(threads.iter().all(|thread| thread.is_finished()));
    });
}

/// BU: a thread begins with interrupts and preemption enabled, its name cut to 31 bytes.
#[test]
fn how_a_thread_begins() {
    exact(|cx| {
        let name = "a name of more than thirty-one bytes";
        let seen = start(cx, name, fifo(3), |_| {
            (preempt::context::preemptible(), thread::current().name().to_string(), thread::current_id())
        });
        let id = seen.id();
        let mut seen = seen;
        assert_eq!(seen.join(cx), Ok((true, name[..31].to_string(), id)));
    });
}

/// SC-12.4: joined before it ends or after, a thread's value arrives once.
#[test]
fn join_takes_the_value_once() {
    exact(|cx| {
        for (priority, sleep) in [(fair(), 5), (fair(), 0), (fifo(60), 0)] {
            let mut thread = start(cx, "thread", priority, move |cx| {
                time::sleep(cx, ms(sleep)).unwrap();
                vec![1, 2, 3]
            });
            if sleep == 0 {
                time::sleep(cx, ms(1)).unwrap();
                assert!(thread.is_finished());
            }
            assert_eq!(thread.join(cx), Ok(vec![1, 2, 3]));
            assert_eq!(thread.join(cx), Err(Error::NotFound));
            assert_eq!(thread.join_timeout(cx, time::now()), Err(Error::NotFound));
        }
    });
}

/// SC-12.4: a join that times out can be tried again; a thread that ends itself early leaves no value.
#[test]
fn join_with_a_deadline_and_without_a_value() {
    exact(|cx| {
        let mut slow = start(cx, "slow", fair(), |cx| time::sleep(cx, ms(10)).map(|()| 5));
        let deadline = time::now().saturating_add(ms(3));
        assert_eq!(slow.join_timeout(cx, deadline), Err(Error::TimedOut));
        assert_eq!(time::now(), deadline);
        assert_eq!(slow.join_timeout(cx, deadline.saturating_add(ms(20))), Ok(Ok(5)));
        let mut early = start(cx, "early", fair(), |cx| -> u32 { thread::exit(cx) });
        assert_eq!(early.join(cx), Err(Error::Interrupted));
    });
}

/// SC-12.4: whoever interrupts an exit, the slot and the stack go to a new thread only after the last switch.
///
/// (The simulation refuses to prepare a context that still runs on a CPU.)
#[test]
fn a_stack_is_used_again_only_after_the_final_switch() {
    at_every_point(|cx, arm| {
        let (gate, ended) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicU32::new(0)));
        let up = gate.clone();
        let line = hard_line(cx, 100, move |cx| up.up(cx).unwrap());
        let count = ended.clone();
        let mut spawner = start(cx, "spawner", fifo(90), move |cx| {
            gate.down(cx);
            for _ in 0..3 {
                let count = count.clone();
                start(cx, "new", fifo(95), move |_| count.fetch_add(1, SeqCst));
            }
        });
        arm();
        let count = ended.clone();
        start(cx, "short", fifo(50), move |_| count.fetch_add(1, SeqCst)).join(cx).unwrap();
        spawner.join(cx).unwrap();
        assert_eq!(ended.load(SeqCst), 4);
        time::sleep(cx, ms(1)).unwrap();
        line.free(cx).unwrap();
    });
}

/// How often the thread was made ready since the last look.
fn wakes(id: thread::ThreadId) -> usize {
    let mut wakes = 0;
    trace::drain(|event| wakes += usize::from(event.kind == trace::WAKE && event.a == u64::from(id.0)));
    wakes
}

/// SC-12.2: waking a thread that is ready or running does nothing.
#[test]
fn a_running_thread_is_not_woken() {
    exact(|cx| {
        become_policy(cx, fifo(50));
        let (queue, go) = (Arc::new(WaitQueue::new()), Arc::new(AtomicBool::new(false)));
        let (q, condition) = (queue.clone(), go.clone());
        let thread = start(cx, "waiter", fifo(10), move |cx| q.wait_event(cx, || condition.load(SeqCst)));
        time::sleep(cx, ms(1)).unwrap();
        wakes(thread.id());
        go.store(true, SeqCst);
        assert!(queue.wake_one(cx));
        assert_eq!(wakes(thread.id()), 1);
        assert!(!queue.wake_one(cx));
        thread::interrupt(cx, thread.id()).unwrap();
        thread::interrupt(cx, thread::current_id()).unwrap();
        assert_eq!(wakes(thread.id()), 0);
        assert_eq!(time::sleep(cx, ms(1)), Err(Error::Interrupted));
    });
}

fn state(cx: &mut ThreadCx, id: thread::ThreadId) -> (State, &'static str) {
    let mut found = (State::Dead, "");
    thread::for_each(cx, |_, info| {
        if info.id == id {
            found = (info.state, info.wchan);
        }
    });
    found
}

/// SC-12.1: R, S and D are told apart, and what a thread waits for is named. (T and RTLOCK: later issues.)
#[test]
fn states_are_shown() {
    exact(|cx| {
        become_policy(cx, fifo(50));
        let gate = Arc::new(Semaphore::new(0));
        let (d, s) = (gate.clone(), gate.clone());
        let uninterruptible = start(cx, "D", fifo(60), move |cx| d.down(cx)).id();
        let interruptible = start(cx, "S", fifo(60), move |cx| s.down_interruptible(cx)).id();
        let sleeping = start(cx, "sleeping", fifo(60), move |cx| time::sleep(cx, ms(1))).id();
        let ready = start(cx, "R", fifo(40), |_| ()).id();
        let me = thread::current_id();
        let seen = [uninterruptible, interruptible, sleeping, ready, me].map(|id| {
            let (state, wchan) = state(cx, id);
            (state.letter(), wchan)
        });
        assert_eq!(seen, [('D', "semaphore"), ('S', "semaphore"), ('S', "nanosleep"), ('R', ""), ('R', "")]);
        time::sleep(cx, ms(2)).unwrap();
        assert_eq!(state(cx, ready).0.letter(), 'X');
    });
}

/// SC-12.5: a thread in an uninterruptible wait dies when it is woken, not before; what it waited for is not lost.
#[test]
fn a_killed_thread_dies_at_its_wake_up() {
    exact(|cx| {
        become_policy(cx, fifo(50));
        let (gate, log) = (Arc::new(Semaphore::new(0)), Log::new());
        let (down, after) = (gate.clone(), log.clone());
        let mut thread = start(cx, "D", fifo(60), move |cx| {
            down.down(cx);
            after.push("lived on");
        });
        thread::kill(cx, thread.id()).unwrap();
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!(state(cx, thread.id()).0, State::Uninterruptible);
        assert!(!thread.is_finished());
        gate.up(cx).unwrap();
        assert_eq!(thread.join(cx), Err(Error::Interrupted));
        assert_eq!(log.take(), [""; 0]);
        assert_eq!(thread::kill(cx, thread.id()), Err(Error::NotFound));
        assert_eq!(gate.count(), 1);
    });
}

/// SC-12.5: killed in an interruptible wait a thread dies at once, and is on no list any more.
#[test]
fn a_killed_thread_leaves_what_it_waits_on() {
    let outcome = exact(|cx| {
        become_policy(cx, fifo(50));
        let (gate, done, queue) =
            (Arc::new(Semaphore::new(0)), Arc::new(Completion::new()), Arc::new(WaitQueue::new()));
        let (g, d) = (gate.clone(), done.clone());
        let mut threads = [
            start(cx, "semaphore", fifo(60), move |cx| g.down_interruptible(cx)),
            start(cx, "completion", fifo(60), move |cx| d.wait_interruptible(cx)),
            start(cx, "sleep", fifo(60), move |cx| time::sleep(cx, ms(5))),
        ];
        for thread in &mut threads {
            thread::kill(cx, thread.id()).unwrap();
            assert!(thread.is_finished());
            assert_eq!(thread.join(cx), Err(Error::Interrupted));
        }
        gate.up(cx).unwrap();
        done.complete(cx);
        assert!(!queue.wake_one(cx));
        assert_eq!((gate.count(), done.is_done()), (1, true));
        time::sleep(cx, ms(10)).unwrap();
    });
    assert_eq!(warnings(&outcome), [""; 0]);
}

/// SC-12.5: a completion or an exclusive wake-up that reaches a killed thread goes on to the next.
#[test]
fn what_a_killed_thread_was_given_goes_to_the_next() {
    exact(|cx| {
        become_policy(cx, fifo(50));
        let (done, queue, go) =
            (Arc::new(Completion::new()), Arc::new(WaitQueue::new()), Arc::new(AtomicBool::new(false)));
        let log = Log::new();
        let mut victims = Vec::new();
        for (name, priority) in [("killed", 70), ("next", 60)] {
            let (d, l) = (done.clone(), log.clone());
            let completion = start(cx, name, fifo(priority), move |cx| {
                d.wait(cx);
                l.push((name, "completion"));
            });
            let (q, l, go) = (queue.clone(), log.clone(), go.clone());
            let event = start(cx, name, fifo(priority), move |cx| {
                q.wait_event(cx, || go.load(SeqCst));
                l.push((name, "event"));
            });
            victims.push([completion, event]);
        }
        for victim in &victims[0] {
            thread::kill(cx, victim.id()).unwrap();
        }
        done.complete(cx);
        go.store(true, SeqCst);
        assert!(queue.wake_one(cx));
        assert_eq!(log.take(), [("next", "completion"), ("next", "event")]);
        assert!(victims.iter().flatten().all(|thread| thread.is_finished()));
    });
}

/// SC-12.5: a kill that is overtaken by the end of its thread never reaches the next thread in the slot.
#[test]
fn a_kill_never_reaches_the_next_thread_of_a_slot() {
    at_every_point(|cx, arm| {
        let (gate, end, live) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)), Log::new());
        let up = gate.clone();
        let line = hard_line(cx, 100, move |cx| up.up(cx).unwrap());
        let wait = end.clone();
        let victim = start(cx, "victim", fifo(95), move |cx| wait.down(cx));
        let log = live.clone();
        let mut other = start(cx, "spawner", fifo(90), move |cx| {
            gate.down(cx);
            end.up(cx).unwrap();
            start(cx, "next", fifo(80), move |cx| {
                let slept = time::sleep(cx, ms(5));
                log.push(slept);
            });
        });
        arm();
        let _ = thread::kill(cx, victim.id());
        other.join(cx).unwrap();
        time::sleep(cx, ms(10)).unwrap();
        assert_eq!(live.take(), [Ok(())]);
        line.free(cx).unwrap();
    });
}

/// SC-12.5, LK-05.7: wherever its waiter is when it is killed, a unit is taken by a living thread or is still there.
#[test]
fn a_kill_loses_no_unit() {
    for up_first in [false, true] {
        at_every_point(move |cx, arm| {
            let (gate, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
            let up = go.clone();
            let line = hard_line(cx, 100, move |cx| up.up(cx).unwrap());
            let g = gate.clone();
            arm();
            let taken = Log::new();
            let mine = taken.clone();
            let victim = start(cx, "victim", fifo(50), move |cx| {
                g.down(cx);
                mine.push(());
                if g.down_interruptible(cx).is_ok() {
                    mine.push(());
                }
            });
            let (g, id) = (gate.clone(), victim.id());
            start(cx, "killer", fifo(90), move |cx| {
                go.down(cx);
                if up_first {
                    g.up(cx).unwrap();
                }
                let _ = thread::kill(cx, id);
                g.up(cx).unwrap();
            });
            time::sleep(cx, ms(2)).unwrap();
            assert!(victim.is_finished());
            let left = 1 + u32::from(up_first) - taken.take().len() as u32;
            assert_eq!(gate.count(), left);
            // Nobody is left on the list.
            gate.up(cx).unwrap();
            assert_eq!(gate.count(), left + 1);
            line.free(cx).unwrap();
        });
    }
}
