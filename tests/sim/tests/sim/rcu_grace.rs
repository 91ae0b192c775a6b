//! Does a grace period wait for readers that began before it, and for nobody else? (RC-01, RC-03)
use crate::{
    harness::{Log, MS, US, any_order, become_policy, fair, fifo, move_to, ms, run_model, sleep_till, start, start_on},
    rcu_kit::bind_gp,
};
use hw::sim::{self, Config, Rng};
use kernel::{
    ThreadCx,
    model::Model,
    rcu::{self, RcuPtr},
    sched,
    thread::JoinHandle,
    time,
};
use std::sync::{
    Arc,
    atomic::{
        AtomicU32, AtomicU64,
        Ordering::{Relaxed, SeqCst},
    },
};

/// The models under which a reader can be preempted.
pub const PREEMPTIBLE: [Model; 3] = [Model::Full, Model::Rtb, Model::Rt];
/// How long CPUs that run are left alone.
pub const TICK: u64 = 4 * MS;

/// A fair thread that is in a section for `ns` of its own time, and was switched away from after a millisecond. It answers when it
/// left.
pub fn preempted_reader(cx: &mut ThreadCx, ns: u64) -> JoinHandle<u64> {
    become_policy(cx, fifo(99));
    let blocked = rcu::stats().blocked_readers;
    let reader = start(cx, "reader", fair(), move |cx| {
        let guard = rcu::read(cx);
        sim::spend(ns);
        let left = sim::time();
        drop(guard);
        left
    });
    time::sleep(cx, ms(1)).unwrap();
    assert_eq!(rcu::stats().blocked_readers, blocked + 1);
    reader
}

/// A FIFO-50 thread on CPU 0 that calls `synchronize` at a moment, and answers when that returned.
pub fn updater(cx: &mut ThreadCx, at: u64) -> JoinHandle<u64> {
    start_on(cx, &[0], "updater", fifo(50), move |cx| {
        sleep_till(cx, at);
        rcu::synchronize(cx).unwrap();
        sim::time()
    })
}

/// RC-03.1, RC-01.1: a reader that lost its CPU to a more urgent thread, which ran at once, holds the grace period.
#[test]
fn a_preempted_reader_holds_it() {
    for model in PREEMPTIBLE {
        run_model(model, Config::default(), "", |cx| {
            let begin = sim::time();
            let mut reader = preempted_reader(cx, 5 * MS);
            let mut hog = start(cx, "hog", fifo(40), move |cx| {
                sleep_till(cx, begin + 2 * MS);
                let ran = sim::time();
                sim::spend(100 * MS);
                ran
            });
            let mut updater = updater(cx, begin + 3 * MS);
            assert_eq!(hog.join(cx), Ok(begin + 2 * MS));
            let left = reader.join(cx).unwrap();
            assert_eq!((left, updater.join(cx).unwrap()), (begin + 105 * MS, left));
            assert_eq!(rcu::stats().blocked_readers, 0);
        });
    }
}

/// RC-01.1: so does one that runs on another CPU, under every model: `synchronize` returns in the moment in which it leaves, if it
/// was asked by then.
#[test]
fn a_running_reader_holds_it() {
    for model in Model::ALL {
        run_model(model, Config { cpus: 2, ..Config::default() }, "", |cx| {
            let begin = sim::time();
            let mut reader = start_on(cx, &[1], "reader", fair(), move |cx| {
                sleep_till(cx, begin + MS);
                let guard = rcu::read(cx);
                sim::spend(6 * MS);
                drop(guard);
                sim::spend(10 * MS);
            });
            bind_gp(cx, 0);
            let mut updater = updater(cx, begin + 2 * MS);
            assert_eq!(updater.join(cx), Ok(begin + 7 * MS));
            reader.join(cx).unwrap();
        });
    }
}

/// RC-02.1: of nested sections the outermost end counts.
#[test]
fn the_outermost_end_counts() {
    for model in Model::ALL {
        run_model(model, Config { cpus: 2, ..Config::default() }, "", |cx| {
            let begin = sim::time();
            let mut reader = start_on(cx, &[1], "reader", fair(), move |cx| {
                let depths = Log::new();
                sleep_till(cx, begin + MS);
                let mut first = rcu::read(cx);
                let mut second = rcu::read(first.cx());
                let third = rcu::read(second.cx());
                depths.push(rcu::hook::depth());
                sim::spend(6 * MS);
                drop(third);
                depths.push(rcu::hook::depth());
                sim::spend(6 * MS);
                drop(second);
                depths.push(rcu::hook::depth());
                sim::spend(6 * MS);
                drop(first);
                depths.push(rcu::hook::depth());
                sim::spend(10 * MS);
                depths.take()
            });
            bind_gp(cx, 0);
            let mut updater = updater(cx, begin + 2 * MS);
            assert_eq!(updater.join(cx), Ok(begin + 19 * MS));
            assert_eq!(reader.join(cx), Ok(vec![3, 2, 1, 0]));
        });
    }
}

/// RC-01.2: whoever enters later finds the new value only, and is not waited for: on a CPU that idled when the grace period began,
/// or that was asked before.
#[test]
fn later_readers_do_not_hold_it() {
    for (model, busy) in Model::ALL.into_iter().flat_map(|model| [(model, 0), (model, 6)]) {
        run_model(model, Config { cpus: 3, ..Config::default() }, "", move |cx| {
            let begin = sim::time();
            let place = Arc::new(RcuPtr::new(1));
            let [first, second, updated] = [(); 3].map(|()| place.clone());
            let mut first = start_on(cx, &[1], "first", fair(), move |cx| {
                sleep_till(cx, begin + MS);
                let guard = rcu::read(cx);
                let seen = first.load(&guard);
                sim::spend(9 * MS);
                *seen.unwrap()
            });
            let mut second = start_on(cx, &[2], "second", fair(), move |cx| {
                sleep_till(cx, begin + (8 - busy) * MS);
                sim::spend(busy * MS);
                let guard = rcu::read(cx);
                let seen = second.load(&guard);
                sim::spend(20 * MS);
                *seen.unwrap()
            });
            bind_gp(cx, 0);
            let mut updater = start_on(cx, &[0], "updater", fifo(50), move |cx| {
                sleep_till(cx, begin + 3 * MS);
                let old = updated.replace(2).unwrap().wait(cx).ok().unwrap();
                (old.into_inner(), sim::time())
            });
            assert_eq!(updater.join(cx), Ok((1, begin + 10 * MS)), "{}", model.name());
            assert_eq!((first.join(cx), second.join(cx)), (Ok(1), Ok(2)));
        });
    }
}

/// RC-03, RC-01.1: one that is preempted later, on a CPU that was not asked yet, may have begun before, and holds it.
#[test]
fn a_reader_that_is_preempted_later_holds_it() {
    for model in PREEMPTIBLE {
        run_model(model, Config { cpus: 2, ..Config::default() }, "", |cx| {
            let begin = sim::time();
            let mut reader = start_on(cx, &[1], "reader", fair(), move |cx| {
                let guard = rcu::read(cx);
                sim::spend(5 * MS);
                drop(guard);
            });
            let mut hog = start_on(cx, &[1], "hog", fifo(40), move |cx| {
                sleep_till(cx, begin + 2 * MS);
                sim::spend(10 * MS);
            });
            assert_eq!(updater(cx, begin + MS).join(cx), Ok(begin + 15 * MS));
            [&mut reader, &mut hog].into_iter().for_each(|thread| thread.join(cx).unwrap());
        });
    }
}

/// RC-03.4: nor does one that began later hold it through a CPU that is still waited for, where it goes on: when that is asked, it is
/// outside of every section but this one.
#[test]
fn a_later_reader_moves_to_a_cpu_that_is_waited_for() {
    for model in PREEMPTIBLE {
        run_model(model, Config { cpus: 2, ..Config::default() }, "rcu_kthread_prio=50", |cx| {
            become_policy(cx, fifo(99));
            move_to(cx, 0);
            bind_gp(cx, 0);
            let begin = sim::time();
            let hog = |cx: &mut ThreadCx, cpu: usize, from: u64, ns: u64| {
                start_on(cx, &[cpu], "hog", fifo(40), move |cx| {
                    sleep_till(cx, begin + from);
                    sim::spend(ns);
                })
            };
            let mut hogs = [hog(cx, 1, 0, 4 * MS), hog(cx, 0, 3 * MS, 20 * MS)];
            let mut updater = updater(cx, begin + MS);
            let mut reader = start_on(cx, &[0, 1], "reader", fifo(10), move |cx| {
                sleep_till(cx, begin + 2 * MS);
                let guard = rcu::read(cx);
                let entered = sim::here();
                sim::spend(10 * MS);
                let left = (entered, sim::here(), sim::time());
                drop(guard);
                left
            });
            assert_eq!(updater.join(cx), Ok(begin + MS + TICK));
            assert_eq!(reader.join(cx), Ok((0, 1, begin + 13 * MS)));
            hogs.iter_mut().for_each(|hog| hog.join(cx).unwrap());
        });
    }
}

/// RC-03.4: a grace period for which this CPU has passed ends with the reader that it waits for, though another one has lost its
/// CPU since.
#[test]
fn a_reader_that_is_blocked_later_does_not_hold_it() {
    for model in PREEMPTIBLE {
        run_model(model, Config::default(), "", |cx| {
            let mut first = preempted_reader(cx, 5 * MS);
            let begin = sim::time();
            let mut updater = updater(cx, begin);
            let mut second = start(cx, "second", fifo(40), move |cx| {
                sleep_till(cx, begin + MS);
                let guard = rcu::read(cx);
                sim::spend(5 * MS);
                drop(guard);
                sim::time()
            });
            sleep_till(cx, begin + 2 * MS);
            assert_eq!(rcu::stats().blocked_readers, 2);
            let later = second.id();
            sched::set(cx, first.id(), fifo(30)).unwrap();
            sched::set(cx, later, fair()).unwrap();
            let passed = updater.join(cx).unwrap();
            assert_eq!((rcu::stats().blocked_readers, first.join(cx)), (1, Ok(passed)));
            assert!(second.join(cx).unwrap() > passed);
        });
    }
}

/// RC-03.3: a reader that is preempted twice in one section is listed once; a section more in it changes nothing.
#[test]
fn a_reader_is_listed_once() {
    for model in PREEMPTIBLE {
        run_model(model, Config::default(), "", |cx| {
            become_policy(cx, fifo(99));
            let mut reader = start(cx, "reader", fair(), |cx| {
                let mut outer = rcu::read(cx);
                sim::spend(2 * MS);
                let inner = rcu::read(outer.cx());
                sim::spend(2 * MS);
                drop(inner);
                sim::spend(2 * MS);
            });
            for n in 0..5 {
                time::sleep(cx, ms(1)).unwrap();
                assert_eq!((rcu::stats().blocked_readers, kernel::verify::all(cx)), (1, Ok(())));
                assert_eq!(rcu::stats().in_progress, n > 1);
                if n == 1 {
                    // From now on it is in the list of those that hold it.
                    rcu::start_poll(cx);
                }
            }
            reader.join(cx).unwrap();
            assert_eq!(rcu::stats().blocked_readers, 0);
        });
    }
}

/// A reader that lost CPU 0 goes on and leaves on CPU 1.
fn moves_in_its_section(cx: &mut ThreadCx) {
    become_policy(cx, fifo(99));
    move_to(cx, 0);
    let begin = sim::time() + MS;
    let hog = |cx: &mut ThreadCx, cpu: usize, policy, from: u64, ns: u64| {
        start_on(cx, &[cpu], "hog", fifo(policy), move |cx| {
            sleep_till(cx, begin + from);
            sim::spend(ns);
        })
    };
    let mut hogs = [hog(cx, 1, 30, 0, 3 * MS), hog(cx, 0, 40, 2 * MS, 20 * MS)];
    let mut reader = start_on(cx, &[0, 1], "reader", fifo(10), move |cx| {
        sleep_till(cx, begin + MS);
        let guard = rcu::read(cx);
        let entered = sim::here();
        sim::spend(5 * MS);
        let at = (entered, sim::here(), sim::time());
        drop(guard);
        at
    });
    let mut updater = updater(cx, begin + 5 * MS / 2);
    let passed = updater.join(cx).unwrap();
    let (entered, left, at) = reader.join(cx).unwrap();
    assert_eq!((entered, left), (0, 1));
    // Whoever finds a raw lock held spins for a moment.
    assert!((begin + 7 * MS..begin + 7 * MS + US).contains(&at) && (at..at + US).contains(&passed), "{at}, {passed}");
    assert_eq!(rcu::stats().blocked_readers, 0);
    hogs.iter_mut().for_each(|hog| hog.join(cx).unwrap());
}

/// RC-03.2: it is taken out of the list where it leaves, and the grace period ends.
#[test]
fn a_reader_leaves_on_another_cpu() {
    for model in PREEMPTIBLE {
        run_model(model, Config { cpus: 2, ..Config::default() }, "", moves_in_its_section);
    }
    any_order(2, 200, moves_in_its_section);
}

/// How many readers are inside, and how many have left.
#[derive(Default)]
struct Inside {
    now: AtomicU32,
    left: AtomicU32,
    stop: AtomicU32,
}
impl Inside {
    /// One section of `ns`; there is always another one when it ends.
    fn section(&self, cx: &mut ThreadCx, ns: u64) {
        let guard = rcu::read(cx);
        self.now.fetch_add(1, SeqCst);
        sim::spend(ns);
        let before = self.now.fetch_sub(1, SeqCst);
        assert!(before > 1 || self.stop.load(SeqCst) != 0, "nobody else is inside");
        self.left.fetch_add(1, SeqCst);
        drop(guard);
    }
    /// Asks for 20 grace periods; the most readers that left during one.
    fn most_exits(&self, cx: &mut ThreadCx) -> u32 {
        let exits = |cx: &mut ThreadCx| {
            let before = self.left.load(SeqCst);
            rcu::synchronize(cx).unwrap();
            time::sleep(cx, ms(3)).unwrap();
            self.left.load(SeqCst) - before
        };
        let most = (0..20).map(|_| exits(cx)).max().unwrap();
        assert!(self.left.load(SeqCst) > 20);
        self.stop.store(1, SeqCst);
        most
    }
}

/// RC-03.5: new readers without end, on two CPUs in turn, do not keep grace periods from ending.
#[test]
fn overlapping_readers_on_two_cpus() {
    for model in Model::ALL {
        run_model(model, Config { cpus: 3, ..Config::default() }, "", |cx| {
            become_policy(cx, fifo(99));
            move_to(cx, 0);
            bind_gp(cx, 0);
            let (inside, begin) = (Arc::new(Inside::default()), sim::time() + MS);
            let mut readers = [1, 2].map(|cpu| {
                let inside = inside.clone();
                start_on(cx, &[cpu], "reader", fair(), move |cx| {
                    sleep_till(cx, begin + 5 * MS * cpu as u64);
                    while inside.stop.load(SeqCst) == 0 {
                        inside.section(cx, 8 * MS);
                        sim::spend(2 * MS);
                    }
                })
            });
            sleep_till(cx, begin + 11 * MS);
            let most = inside.most_exits(cx);
            assert!(most <= 4, "{most} readers left during one grace period");
            readers.iter_mut().for_each(|reader| reader.join(cx).unwrap());
        });
    }
}

/// RC-03.5: the same on one CPU, where readers share it by slices and lose it in their sections.
#[test]
fn overlapping_readers_that_are_preempted() {
    for model in PREEMPTIBLE {
        run_model(model, Config::default(), "", |cx| {
            let inside = Arc::new(Inside::default());
            let mut readers = [7, 9, 11].map(|length| {
                let inside = inside.clone();
                start(cx, "reader", fair(), move |cx| {
                    while inside.stop.load(SeqCst) == 0 {
                        inside.section(cx, length * MS);
                    }
                })
            });
            time::sleep(cx, ms(50)).unwrap();
            become_policy(cx, fifo(99));
            let most = inside.most_exits(cx);
            assert!(most <= 8, "{most} readers left during one grace period");
            readers.iter_mut().for_each(|reader| reader.join(cx).unwrap());
        });
    }
}

/// Generations of the pipeline.
const GENERATIONS: usize = 10;

/// Readers of the newest of ten generations, which may become old under them, and whoever makes new ones, who counts how many grace
/// periods each has been old for: with age 2 it is nobody's.
pub fn pipeline(cx: &mut ThreadCx) {
    let ages: Arc<[AtomicU32; GENERATIONS]> = Arc::default();
    let newest = Arc::new(AtomicU64::new(0));
    become_policy(cx, fifo(99));
    let stop = Arc::new(AtomicU32::new(0));
    let mut readers = [0, 1, 2].map(|n| {
        let (ages, newest, stop) = (ages.clone(), newest.clone(), stop.clone());
        start(cx, "reader", fair(), move |cx| {
            let rng = Rng::new(n);
            while stop.load(SeqCst) == 0 {
                let guard = rcu::read(cx);
                let mine = newest.load(Relaxed) as usize;
                sim::spend(rng.below(2 * MS));
                let age = ages[mine].load(SeqCst);
                assert!(age < 2, "a reader sees age {age}");
                drop(guard);
            }
        })
    });
    let mut writer = start(cx, "writer", fifo(50), move |cx| {
        for n in 1..100 {
            time::sleep(cx, ms(1)).unwrap();
            let new = n % GENERATIONS;
            ages[new].store(0, SeqCst);
            let old = newest.swap(new as u64, SeqCst) as usize;
            ages[old].store(1, SeqCst);
            rcu::synchronize(cx).unwrap();
            ages[old].store(2, SeqCst);
        }
        stop.store(1, SeqCst);
    });
    writer.join(cx).unwrap();
    readers.iter_mut().for_each(|reader| reader.join(cx).unwrap());
}

/// RC-01.5: no reader of the pipeline sees a generation that a grace period has passed for. (`bugs` has the twin that must.)
#[test]
fn nobody_sees_what_is_too_old() {
    any_order(1, 20, pipeline);
    any_order(3, 20, pipeline);
}
