//! Does what was queued run once, after a grace period, where it should, and who waits until it has? (RC-06, RC-07, RC-12)
use crate::{
    harness::{
        Log, MS, US, become_policy, each_model, exact, fair, fifo, forged, hard_line, ms, pend, run_with, sleep_till,
        start, start_on, these, warnings,
    },
    mutex::level,
    rcu_kit::{be_listed, boot, joined, named},
};
use hw::sim::{self, Config, Order};
use kernel::{
    Error, ThreadCx, irq_flags,
    preempt::{self, context},
    rcu::{self, Call, RcuPtr, Then},
    sched,
    sync::Semaphore,
    thread, time,
};
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::SeqCst},
};

/// Queues a callback that writes this into a log.
fn note<T: Copy + Send + 'static>(cx: &mut ThreadCx, log: &Log<T>, entry: T) {
    let log = log.clone();
    let call = Call::new(cx, move |_| {
        log.push(entry);
        Then::Done
    });
    call.queue(cx);
}

/// RC-06.1: queued by a reader, it runs when the reader has left.
#[test]
fn it_runs_when_the_reader_has_left() {
    exact(|cx| {
        let log = Log::new();
        let mine = log.clone();
        let call = Call::new(cx, move |_| {
            mine.push("callback");
            Then::Done
        });
        let mut guard = rcu::read(cx);
        call.queue(guard.cx());
        sim::spend(20 * MS);
        log.push("left");
        drop(guard);
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!(log.take(), ["left", "callback"]);
        assert_eq!(rcu::stats().callbacks_invoked, 1);
    });
}

/// RC-06.2: one that queues itself again runs each time after another grace period.
#[test]
fn one_that_queues_itself_again() {
    exact(|cx| {
        let log = Log::new();
        let mine = log.clone();
        let mut runs = 0;
        let call = Call::new(cx, move |_| {
            mine.push(rcu::stats().grace_periods);
            runs += 1;
            if runs <= 5 { Then::Again } else { Then::Done }
        });
        call.queue(cx);
        for _ in 0..8 {
            rcu::barrier(cx).unwrap();
        }
        let numbers = log.take();
        assert_eq!(numbers.len(), 6);
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    });
}

/// RC-06.3: ten thousand callbacks at once do not keep a FIFO-40 thread from running for longer than one of them, and not at all
/// where the section in which they run can be preempted.
#[test]
fn many_callbacks_give_way() {
    each_model(|cx, model| {
        become_policy(cx, fifo(99));
        let runs = Arc::new(AtomicU32::new(0));
        for _ in 0..10_000 {
            let runs = runs.clone();
            let call = Call::new(cx, move |_| {
                sim::spend(10 * US);
                runs.fetch_add(1, SeqCst);
                Then::Done
            });
            call.queue(cx);
        }
        let t = sim::time();
        let late = Log::new();
        let (mine, seen) = (late.clone(), runs.clone());
        let urgent = start(cx, "urgent", fifo(40), move |cx| {
            for n in 1..=20 {
                let due = t + n * 3_333 * US;
                sleep_till(cx, due);
                mine.push((sim::time() - due, seen.load(SeqCst)));
            }
        });
        joined(cx, [urgent]);
        let late = late.take();
        assert!(late.is_sorted_by(|a, b| a.1 < b.1), "{}: they do not run meanwhile: {late:?}", model.name());
        let longest = late.iter().map(|&(late, _)| late).max().unwrap();
        let allowed = if model.bh_is_a_lock() { 0 } else { 10 * US };
        assert!(longest <= allowed, "{}: {longest} ns late", model.name());
        rcu::barrier(cx).unwrap();
        assert_eq!(runs.load(SeqCst), 10_000);
    });
}

/// RC-06.4: a hard handler queues one: it runs once.
#[test]
fn queued_by_a_hard_handler() {
    exact(|cx| {
        become_policy(cx, fifo(99));
        let log = Log::new();
        let mine = log.clone();
        let mut call = Some(Call::new(cx, move |_| {
            mine.push(context::in_hardirq());
            Then::Done
        }));
        let line = hard_line(cx, 100, move |cx| call.take().expect("one interrupt").queue(cx));
        pend(cx, kernel::irq::Irq::new(100));
        assert!(log.take().is_empty());
        for _ in 0..3 {
            time::sleep(cx, ms(1)).unwrap();
            rcu::synchronize(cx).unwrap();
        }
        assert_eq!(log.take(), [false]);
        line.free(cx).unwrap();
    });
}

/// RC-06.6: it runs in the thread of its CPU on every model, with bottom halves disabled and interrupts on.
#[test]
fn where_it_runs() {
    each_model(|cx, model| {
        let log = Log::new();
        let mine = log.clone();
        let call = Call::new(cx, move |_| {
            let me = thread::current().name().to_string();
            mine.push((me, context::in_softirq(), irq_flags::enabled(), context::in_hardirq()));
            Then::Done
        });
        call.queue(cx);
        rcu::barrier(cx).unwrap();
        assert_eq!(log.take(), [("rcuc/0".to_string(), true, true, false)], "{}", model.name());
    });
}

struct OnDrop(Option<Box<dyn FnOnce() + Send + Sync>>);
impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.take().expect("dropped once")();
    }
}
/// Has `f` run when a value is freed.
fn when_freed(cx: &mut ThreadCx, f: impl FnOnce() + Send + Sync + 'static) {
    let place = RcuPtr::new(OnDrop(Some(Box::new(f))));
    place.take().expect("a value").free(cx);
}

/// RC-06, CX-04: a callback, or the drop of a value, that leaves preemption off or a section open is reported; it is over, and the
/// next ones run as ever.
#[test]
fn what_a_callback_leaves_open() {
    fn leave_preemption_off() {
        // SAFETY: a test.
        unsafe { preempt::hook::disable() }
    }
    fn leave_a_section_open() {
        forged(|cx| std::mem::forget(rcu::read(cx)));
    }
    let cases: [(fn(), &str); 2] = [
        (leave_preemption_off, "RCU callback returned with preempt count 0x1, entered with 0x0"),
        (leave_a_section_open, "RCU callback returned with RCU reader depth"),
    ];
    for (leak, text) in cases {
        for drops in [false, true] {
            let outcome = exact(move |cx| {
                let log = Log::new();
                if drops {
                    when_freed(cx, leak);
                } else {
                    let call = Call::new(cx, move |_| {
                        leak();
                        Then::Done
                    });
                    call.queue(cx);
                }
                note(cx, &log, ());
                rcu::barrier(cx).unwrap();
                assert_eq!((log.take().len(), rcu::stats().blocked_readers), (1, 0));
                rcu::synchronize(cx).unwrap();
            });
            let told = warnings(&outcome);
            assert!(told.len() == 1 && told[0].contains(text), "{told:?}");
        }
    }
}

/// RC-06: a callback that sleeps is reported, with the place.
#[test]
fn a_callback_that_sleeps() {
    let outcome = exact(|cx| {
        let call = Call::new(cx, |_| {
            forged(|cx| time::sleep(cx, ms(1)).unwrap());
            Then::Done
        });
        call.queue(cx);
        rcu::barrier(cx).unwrap();
    });
    let told = warnings(&outcome);
    assert!(told.len() == 1 && told[0].contains("in an RCU reader section"), "{told:?}");
    assert!(told[0].contains("rcu_callbacks.rs") && told[0].contains("rcuc/0"), "{told:?}");
}

/// RC-07.1: with nothing queued a barrier waits for nobody, not for readers either.
#[test]
fn a_barrier_with_nothing_queued() {
    boot(2, "", |cx| {
        let mut reader = start_on(cx, &[1], "reader", fifo(10), |cx| {
            let _guard = rcu::read(cx);
            be_listed();
            sim::spend(50 * MS);
        });
        time::sleep(cx, ms(1)).unwrap();
        let (t, passed) = (sim::time(), rcu::stats().grace_periods);
        rcu::barrier(cx).unwrap();
        assert_eq!((sim::time(), rcu::stats().grace_periods), (t, passed));
        reader.join(cx).unwrap();
    });
}

/// RC-07: a thread that is killed in a barrier is in nobody's way.
#[test]
fn a_barrier_whose_thread_is_killed() {
    boot(2, "", |cx| {
        let reads = start_on(cx, &[1], "reader", fifo(10), |cx| {
            let _guard = rcu::read(cx);
            sim::spend(20 * MS);
        });
        time::sleep(cx, ms(1)).unwrap();
        Call::new(cx, |_| Then::Done).queue(cx);
        let killed = start_on(cx, &[0], "killed", fifo(20), |cx| rcu::barrier(cx).unwrap());
        time::sleep(cx, ms(1)).unwrap();
        // It ends as soon as its wait is over.
        thread::kill(cx, killed.id()).unwrap();
        let ran = Arc::new(AtomicU32::new(0));
        let counts = ran.clone();
        let call = Call::new(cx, move |_| {
            counts.fetch_add(1, SeqCst);
            Then::Done
        });
        call.queue(cx);
        rcu::barrier(cx).unwrap();
        assert!(ran.load(SeqCst) == 1 && killed.is_finished());
        rcu::barrier(cx).unwrap();
        joined(cx, [reads]);
    });
}

/// RC-07.2: it returns after the last of those that were queued on three CPUs, one of them offloaded.
fn three_cpus(seed: u64) {
    let config = Config { cpus: 3, frequency: 1_000_000_000, order: Order::Seeded(seed), ..Config::default() };
    run_with(config, "rcu_nocbs=2", |cx| {
        let log = Log::new();
        let threads: Vec<_> = (0..3)
            .map(|cpu| {
                let log = log.clone();
                start_on(cx, &[cpu], "queues", fifo(10), move |cx| {
                    for n in 0..3 {
                        let log = log.clone();
                        let call = Call::new(cx, move |_| {
                            sim::spend((1 + cpu as u64) * MS);
                            log.push((cpu, n));
                            Then::Done
                        });
                        call.queue(cx);
                    }
                    // Any of them may call it, several at once.
                    rcu::barrier(cx).unwrap();
                    assert_eq!(log.count(|&(of, _)| of == cpu), 3);
                })
            })
            .collect();
        joined(cx, threads);
        rcu::barrier(cx).unwrap();
        let mut ran = log.take();
        assert_eq!(ran.len(), 9);
        for cpu in 0..3 {
            assert!(ran.extract_if(.., |&mut (of, _)| of == cpu).map(|(_, n)| n).eq(0..3), "not in order");
        }
    });
}
#[test]
fn a_barrier_waits_for_all_cpus() {
    sim::seeds(100, three_cpus);
}

/// RC-07.3: in a callback, or while a value is freed, it would wait for itself.
#[test]
fn a_barrier_in_a_callback() {
    for drops in [false, true] {
        let outcome = exact(move |cx| {
            let log = Log::new();
            let mine = log.clone();
            let f = move || mine.push(forged(rcu::barrier));
            if drops {
                when_freed(cx, f);
            } else {
                let call = Call::new(cx, move |_| {
                    f();
                    Then::Done
                });
                call.queue(cx);
            }
            rcu::barrier(cx).unwrap();
            assert_eq!(log.take(), [Err(Error::Deadlock)]);
        });
        let told = warnings(&outcome);
        assert!(told.len() == 1 && told[0].contains("RCU barrier in a callback of rcuc/0"), "{told:?}");
    }
}

/// RC-07: so it would for a reader.
#[test]
fn a_barrier_in_a_section() {
    let outcome = exact(|cx| {
        let _guard = rcu::read(cx);
        assert_eq!(forged(rcu::barrier), Err(Error::Deadlock));
    });
    assert_eq!(warnings(&outcome).len(), 1);
}

/// RC-07.4: it does not wait for what is queued later.
#[test]
fn a_barrier_does_not_wait_for_later_ones() {
    boot(2, "", |cx| {
        let log = Log::new();
        let gates = [(); 2].map(|()| Arc::new(Semaphore::new(0)));
        let [first, second] = gates.each_ref().map(|gate| {
            let gate = gate.clone();
            move |cx: &mut ThreadCx| {
                let _guard = rcu::read(cx);
                be_listed();
                while !gate.try_down() {
                    sim::spend(100 * US);
                }
            }
        });
        let first = start_on(cx, &[1], "first", fair(), first);
        time::sleep(cx, ms(1)).unwrap();
        note(cx, &log, "before");
        let mine = log.clone();
        let waits = start_on(cx, &[0], "waits", fifo(50), move |cx| {
            rcu::barrier(cx).unwrap();
            mine.push("barrier");
        });
        // The reader's CPU has answered when this is over.
        time::sleep(cx, ms(10)).unwrap();
        // It waits; the second reader holds the grace period that the second callback needs.
        let second = start_on(cx, &[1], "second", fifo(1), second);
        time::sleep(cx, ms(1)).unwrap();
        note(cx, &log, "later");
        gates[0].up(cx).unwrap();
        sched::set(cx, first.id(), fifo(2)).unwrap();
        time::sleep(cx, ms(30)).unwrap();
        assert_eq!(log.take(), ["before", "barrier"]);
        assert_eq!(rcu::stats().blocked_readers, 1);
        gates[1].up(cx).unwrap();
        joined(cx, [first, second, waits]);
        rcu::barrier(cx).unwrap();
        assert_eq!(log.take(), ["later"]);
    });
}

/// Where a callback runs: its thread's name and number of the CPU, and as what.
fn queue_telling(cx: &mut ThreadCx, log: &Log<(String, usize, u8)>) {
    let log = log.clone();
    let call = Call::new(cx, move |_| {
        let me = thread::current();
        log.push((me.name().to_string(), sim::here(), forged(|cx| level(cx, me.id()))));
        Then::Done
    });
    call.queue(cx);
}

/// RC-12.1: an offloaded CPU's callbacks run in its own fair thread, and there is no other thread for them.
#[test]
fn offloaded_callbacks() {
    boot(4, "rcu_nocbs=1-3", |cx| {
        let log = Log::new();
        for cpu in 0..4 {
            let log = log.clone();
            let queues = start_on(cx, &[cpu], "queues", fifo(10), move |cx| {
                for _ in 0..3 {
                    queue_telling(cx, &log);
                }
            });
            joined(cx, [queues]);
        }
        rcu::barrier(cx).unwrap();
        let mut ran = log.take();
        for (cpu, name) in [(0, "rcuc/0"), (1, "rcuop/1"), (2, "rcuop/2"), (3, "rcuop/3")] {
            let level = u8::from(cpu == 0);
            assert_eq!(ran.extract_if(.., |ran| ran.0 == name && ran.2 == level).count(), 3, "{name}");
            assert_eq!(rcu::callbacks_of(cpu).invoked, rcu::callbacks_of(cpu).queued);
        }
        assert!(ran.is_empty());
        let mut threads = Vec::new();
        thread::for_each(cx, |_, info| threads.push(info.name.to_string()));
        threads.retain(|name| name.starts_with("rcuc") || name.starts_with("rcuo"));
        threads.sort();
        assert_eq!(threads, ["rcuc/0", "rcuop/1", "rcuop/2", "rcuop/3"]);
    });
}

/// RC-12.2: that thread is like others: where it runs, and as what, can be chosen.
#[test]
fn a_thread_of_callbacks_can_be_moved() {
    boot(2, "rcu_nocbs=1", |cx| {
        let (id, policy) = named(cx, "rcuop/1");
        assert_eq!((policy, rcu::callback_thread(1)), (fair(), id));
        sched::set_affinity(cx, id, these(&[0])).unwrap();
        sched::set(cx, id, fifo(2)).unwrap();
        let log = Log::new();
        let mine = log.clone();
        let queues = start_on(cx, &[1], "queues", fifo(10), move |cx| {
            for _ in 0..5 {
                queue_telling(cx, &mine);
                time::sleep(cx, ms(5)).unwrap();
            }
        });
        joined(cx, [queues]);
        rcu::barrier(cx).unwrap();
        assert_eq!(log.take(), vec![("rcuop/1".to_string(), 0, 2); 5]);
    });
}

/// RC-12.3: a list that makes no sense is a warning, and no CPU is offloaded.
#[test]
fn a_list_that_makes_no_sense() {
    for list in ["=3-1,x", "=1,", "=1-", "=", ""] {
        let outcome = boot(2, &format!("rcu_nocbs{list}"), |cx| {
            assert_eq!(named(cx, "rcuc/1").0, rcu::callback_thread(1));
        });
        let told = warnings(&outcome);
        let given = list.trim_start_matches('=');
        let text = format!("boot argument rcu_nocbs={given} is not understood, ignored");
        assert!(told.len() == 1 && told[0].contains(&text), "{list}: {told:?}");
    }
}

/// How late a FIFO-60 thread is at most that wakes up on CPU 1 every 997 us, beside a thread there that queues callbacks of 50 us, if
/// it does.
fn lateness(seed: u64, flood: bool) -> u64 {
    let config = Config { cpus: 2, frequency: 1_000_000_000, order: Order::Seeded(seed), ..Config::default() };
    let seen = Log::new();
    let late = seen.clone();
    run_with(config, "rcu_nocbs=1", move |cx| {
        let floods = start_on(cx, &[1], "floods", fifo(10), move |cx| {
            for _ in 0..100 {
                if flood {
                    for _ in 0..5 {
                        let call = Call::new(cx, |_| {
                            sim::spend(50 * US);
                            Then::Done
                        });
                        call.queue(cx);
                    }
                }
                sim::spend(100 * US);
            }
        });
        let begin = sim::time() + MS;
        let periodic = start_on(cx, &[1], "periodic", fifo(60), move |cx| {
            for n in 0..20 {
                let due = begin + n * 997 * US;
                sleep_till(cx, due);
                late.push(sim::time() - due);
                sim::spend(20 * US);
            }
        });
        joined(cx, [floods, periodic]);
        rcu::barrier(cx).unwrap();
        assert_eq!(rcu::callbacks_of(1).invoked >= 500, flood);
    });
    seen.take().into_iter().max().expect("it ran")
}

/// RC-12.4: a flood of callbacks from its CPU does not make a periodic thread later.
#[test]
fn a_flood_of_callbacks_does_not_delay() {
    sim::seeds(20, |seed| {
        let (with, without) = (lateness(seed, true), lateness(seed, false));
        // Nothing takes time in the simulation but what is spent: one switch takes none.
        assert!(with <= without, "{with} ns late with, {without} ns without callbacks");
    });
}
