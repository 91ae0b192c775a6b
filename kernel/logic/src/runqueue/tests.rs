//! Do the run queue's picks equal those of a model that keeps one plain sorted list?

use super::*;
use crate::list::Links;
use core::cell::Cell;
use proptest::prelude::*;

thread_local! {
    /// How often any thread's links were reached for: the steps of SC-01.5.
    static STEPS: Cell<usize> = const { Cell::new(0) };
}

struct Thread {
    name: char,
    links: Links<Handle>,
    move_links: Links<Handle>,
    among_movable: Cell<bool>,
    /// May it run elsewhere?
    movable: Cell<bool>,
}

#[derive(Clone, Copy)]
struct Handle(&'static Thread);

impl PartialEq for Handle {
    fn eq(&self, other: &Self) -> bool {
        core::ptr::eq(self.0, other.0)
    }
}

impl Eq for Handle {}

impl core::fmt::Debug for Handle {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}", self.0.name)
    }
}

impl Linked<OnRunQueue> for Handle {
    fn links(&self) -> &Links<Self> {
        STEPS.set(STEPS.get() + 1);
        &self.0.links
    }
}

impl Linked<OnMovable> for Handle {
    fn links(&self) -> &Links<Self> {
        STEPS.set(STEPS.get() + 1);
        &self.0.move_links
    }
}

impl Movable for Handle {
    fn is_movable(&self) -> bool {
        self.0.movable.get()
    }
    fn among_movable(&self) -> &Cell<bool> {
        &self.0.among_movable
    }
}

fn threads<const N: usize>() -> [Handle; N] {
    core::array::from_fn(|i| {
        let name = char::from_u32('A' as u32 + i as u32).unwrap_or('?');
        Handle(Box::leak(Box::new(Thread {
            name,
            links: Links::new(),
            move_links: Links::new(),
            among_movable: Cell::new(false),
            movable: Cell::new(false),
        })))
    })
}

fn rt(priority: u8) -> Level {
    Level::rt(priority).unwrap()
}

fn order(q: &mut RunQueue<Handle>) -> String {
    core::iter::from_fn(|| q.take_first()).map(|(h, _)| h.0.name).collect()
}

/// A CPU as the kernel drives it: the running thread and the queue.
struct Cpu {
    queue: RunQueue<Handle>,
    running: Option<(Handle, Level)>,
}

impl Cpu {
    fn new(running: Handle, level: Level) -> Self {
        Self { queue: RunQueue::new(), running: Some((running, level)) }
    }

    fn idle() -> Self {
        Self { queue: RunQueue::new(), running: None }
    }

    fn preempt(&mut self, place: Place) {
        if let Some((h, level)) = self.running {
            self.queue.enqueue(h, level, place);
        }
        self.running = self.queue.take_first();
    }

    fn wake(&mut self, h: Handle, level: Level) {
        self.queue.enqueue(h, level, Place::Tail);
        if self.running.is_none_or(|(_, running)| preempts(level, running)) {
            self.preempt(Place::Head);
        }
    }

    fn block(&mut self) {
        self.running = self.queue.take_first();
    }

    fn yield_now(&mut self) {
        let Some((h, level)) = self.running else { return };
        let next = self.queue.give_way(h, level, Place::Tail);
        self.running = next.or(self.running);
    }

    fn set_running(&mut self, to: Level) {
        if let Some((_, level)) = &mut self.running {
            let from = core::mem::replace(level, to);
            if let RunningChange::Preempt(place) = self.queue.running_changed(from, to) {
                self.preempt(place);
            }
        }
    }

    fn set_queued(&mut self, h: Handle, from: Level, to: Level) {
        self.queue.move_level(h, from, to);
        if self.running.is_some_and(|(_, running)| preempts(to, running)) {
            self.preempt(Place::Head);
        }
    }

    /// The running thread and everybody after it, as they would run if each blocked at once.
    fn order(mut self) -> String {
        let mut names = String::new();
        while let Some((h, _)) = self.running {
            names.push(h.0.name);
            self.block();
        }
        names
    }
}

/// SC-01.1, as far as the classes exist: FIFO 99, FIFO 1, OTHER.
#[test]
fn classes_in_order() {
    let [a, b, c] = threads();
    let mut q = RunQueue::new();
    q.enqueue(a, Level::FAIR, Place::Tail);
    q.enqueue(b, rt(1), Place::Tail);
    q.enqueue(c, rt(99), Place::Tail);
    assert_eq!((q.first_level(), q.peek()), (Some(rt(99)), Some((c, rt(99)))));
    assert_eq!(order(&mut q), "CBA");
    assert!(q.is_empty() && q.peek().is_none());
}

/// SC-02.1: woken in order, they run in order.
#[test]
fn fifo_order() {
    let [a, b, c] = threads();
    let mut cpu = Cpu::idle();
    for h in [a, b, c] {
        cpu.wake(h, rt(50));
    }
    assert_eq!(cpu.order(), "ABC");
}

/// SC-02.2, SC-04.2: a preempted thread resumes before its equals; an equal does not preempt.
#[test]
fn preempted_resumes_first() {
    let [a, b, c] = threads();
    let mut cpu = Cpu::new(a, rt(50));
    cpu.wake(b, rt(50));
    assert_eq!(cpu.running, Some((a, rt(50))));
    cpu.wake(c, rt(60));
    assert_eq!(cpu.running, Some((c, rt(60))));
    cpu.block();
    assert_eq!(cpu.order(), "AB");
}

/// SC-02.3: a yield goes behind the equals; alone it continues.
#[test]
fn yielding() {
    let [a, b, c, d] = threads();
    let mut cpu = Cpu::new(a, rt(50));
    cpu.wake(d, rt(40));
    cpu.yield_now();
    assert_eq!(cpu.running, Some((a, rt(50))));
    cpu.wake(b, rt(50));
    cpu.wake(c, rt(50));
    cpu.yield_now();
    assert_eq!(cpu.order(), "BCAD");
}

/// A yield while somebody more urgent waits for preemption to be enabled runs that one, and still queues at the tail.
#[test]
fn yielding_with_a_reschedule_pending() {
    let [a, b, c] = threads();
    let mut cpu = Cpu::new(a, rt(50));
    cpu.queue.enqueue(b, rt(50), Place::Tail);
    cpu.queue.enqueue(c, rt(60), Place::Tail);
    cpu.yield_now();
    assert_eq!(cpu.order(), "CBA");
}

/// SC-02.4 for queued threads: raised behind, lowered ahead, re-set unchanged.
#[test]
fn changing_a_queued_thread() {
    let [a, b, r] = threads();
    for (from, to, expected) in [(40, 50, "CBA"), (60, 50, "CAB")] {
        let mut cpu = Cpu::new(r, rt(90));
        cpu.queue.enqueue(b, rt(50), Place::Tail);
        cpu.queue.enqueue(a, rt(from), Place::Tail);
        cpu.set_queued(a, rt(from), rt(to));
        assert_eq!(cpu.order(), expected);
    }
    let mut q = RunQueue::new();
    for h in [b, a, r] {
        q.enqueue(h, rt(50), Place::Tail);
    }
    assert!(!q.move_level(a, rt(50), rt(50)));
    assert_eq!(order(&mut q), "BAC");
    // Raised above the running thread, it preempts.
    let mut cpu = Cpu::new(r, rt(45));
    cpu.queue.enqueue(a, rt(40), Place::Tail);
    cpu.set_queued(a, rt(40), rt(46));
    assert_eq!(cpu.order(), "AC");
    // A thread that is not queued at all is not moved into the queue.
    assert!(!q.move_level(a, rt(40), rt(46)) && q.is_empty());
}

/// SC-02.4 for the running thread: raised to equals that could not run yet, it goes behind them; lowered, ahead.
#[test]
fn changing_the_running_thread() {
    let [a, b, c] = threads();
    let mut cpu = Cpu::new(a, rt(40));
    cpu.queue.enqueue(b, rt(50), Place::Tail);
    cpu.set_running(rt(50));
    assert_eq!(cpu.order(), "BA");

    let mut cpu = Cpu::new(a, rt(60));
    cpu.wake(b, rt(50));
    assert_eq!(cpu.queue.running_changed(rt(60), rt(50)), RunningChange::Continue, "no needless reschedule");
    cpu.set_running(rt(50));
    assert_eq!(cpu.order(), "AB");

    let mut cpu = Cpu::new(a, rt(60));
    cpu.wake(b, rt(50));
    cpu.wake(c, rt(40));
    cpu.set_running(rt(40));
    assert_eq!(cpu.order(), "BAC");

    let mut cpu = Cpu::new(a, rt(50));
    cpu.wake(b, rt(50));
    cpu.set_running(rt(50));
    assert_eq!(cpu.order(), "AB");
}

/// SC-02.5: boosted to 60 with B(50) ready, back at 50 it continues before B.
#[test]
fn deboosted_continues() {
    let [a, b] = threads();
    let mut cpu = Cpu::new(a, rt(50));
    cpu.wake(b, rt(50));
    cpu.set_running(rt(60));
    cpu.set_running(rt(50));
    assert_eq!(cpu.running, Some((a, rt(50))));
    assert_eq!(cpu.order(), "AB");
}

/// SC-04.3: one handler wakes 30, 50, 40, 50'; they run 50, 50', 40, 30.
#[test]
fn one_interrupt_wakes_four() {
    let [a, b, c, d, r] = threads();
    let mut cpu = Cpu::new(r, Level::FAIR);
    for (h, priority) in [(a, 30), (b, 50), (c, 40), (d, 50)] {
        cpu.queue.enqueue(h, rt(priority), Place::Tail);
    }
    cpu.preempt(Place::Head);
    assert_eq!(cpu.order(), "BDCAE");
}

/// SC-01.5: with a thread ready at every level, each pick reaches for the same number of threads.
#[test]
fn picking_takes_constant_steps() {
    let all = threads::<100>();
    let mut q = RunQueue::new();
    for (i, &h) in all.iter().enumerate().skip(1) {
        q.enqueue(h, rt(i as u8), Place::Tail);
    }
    let mut steps_of = |f: &mut dyn FnMut(&mut RunQueue<Handle>)| {
        STEPS.set(0);
        f(&mut q);
        STEPS.get()
    };
    assert_eq!(steps_of(&mut |q| assert!(q.peek().is_some())), 0);
    for _ in 1..100 {
        assert!(steps_of(&mut |q| assert!(q.take_first().is_some())) <= 1);
    }
    // 100 equals: no more than the two neighbours at the seam.
    for &h in &all {
        assert!(steps_of(&mut |q| q.enqueue(h, rt(50), Place::Tail)) <= 4);
    }
    assert!(steps_of(&mut |q| assert!(q.take_first().is_some())) <= 2);
}

/// The model: one list, the running thread included, in the order in which they shall run.
#[derive(Default, Debug)]
struct Model(Vec<(u8, usize)>);

impl Model {
    fn first_not_above(&self, level: u8) -> usize {
        self.0.iter().position(|&(l, _)| l <= level).unwrap_or(self.0.len())
    }
    fn first_below(&self, level: u8) -> usize {
        self.0.iter().position(|&(l, _)| l < level).unwrap_or(self.0.len())
    }
    fn take(&mut self, id: usize) -> Option<u8> {
        let at = self.0.iter().position(|&(_, other)| other == id)?;
        Some(self.0.remove(at).0)
    }
    fn set(&mut self, id: usize, to: u8) {
        let Some(from) = self.take(id) else { return };
        // Only called for a change.
        let at = if to > from { self.first_below(to) } else { self.first_not_above(to) };
        self.0.insert(at, (to, id));
    }
}

fn level_of(level: u8) -> Level {
    Level::rt(level).unwrap_or(Level::FAIR)
}

proptest! {
    /// SC-01.4, SC-02: 200 random set, ready, block and yield operations; every pick and the whole order are equal.
    #[test]
    fn picks_equal_the_reference_model(
        steps in prop::collection::vec((0u8..6, 0usize..12, prop_oneof![0u8..=99, 48u8..=52, 0u8..=1, 62u8..=66]), 200)
    ) {
        let all = threads::<12>();
        let mut cpu = Cpu::idle();
        let mut model = Model::default();
        for (op, id, level) in steps {
            let old = model.0.iter().find(|&&(_, other)| other == id).map(|&(level, _)| level);
            match (op, old) {
                (0 | 1, None) => {
                    model.0.insert(model.first_below(level), (level, id));
                    cpu.wake(all[id], level_of(level));
                }
                (2, _) => {
                    if !model.0.is_empty() { model.0.remove(0); }
                    cpu.block();
                }
                (3, _) => {
                    if let Some(&(level, first)) = model.0.first() {
                        model.take(first);
                        model.0.insert(model.first_below(level), (level, first));
                    }
                    cpu.yield_now();
                }
                (4, Some(from)) if model.0.first() != Some(&(from, id)) => {
                    model.take(id);
                    prop_assert!(cpu.queue.dequeue(all[id], level_of(from)));
                }
                (_, Some(from)) if from != level => {
                    let running = model.0.first() == Some(&(from, id));
                    model.set(id, level);
                    if running {
                        cpu.set_running(level_of(level));
                    } else {
                        cpu.set_queued(all[id], level_of(from), level_of(level));
                    }
                }
                _ => {}
            }
            let first = model.0.first().map(|&(level, id)| (all[id], level_of(level)));
            prop_assert_eq!(cpu.running, first);
            let second = model.0.get(1).map(|&(level, id)| (all[id], level_of(level)));
            prop_assert_eq!(cpu.queue.peek(), second);
            prop_assert_eq!(cpu.queue.first_level(), second.map(|(_, level)| level));
            for &probe in &[0u8, 1, 50, 63, 64, 99] {
                let equal = model.0.iter().skip(1).any(|&(level, _)| level == probe);
                prop_assert_eq!(cpu.queue.has_equal(level_of(probe)), equal);
            }
            // SC invariant: bitmap bit ⇔ non-empty list.
            let rt = &cpu.queue.classes.realtime;
            let bits = u128::from(rt.ready[1]) << 64 | u128::from(rt.ready[0]);
            for (level, list) in rt.lists.iter().enumerate() {
                prop_assert_eq!(bits >> level & 1 == 1, !list.is_empty());
            }
        }
        let expected: String = model.0.iter().map(|&(_, id)| all[id].0.name).collect();
        prop_assert_eq!(cpu.order(), expected);
    }
}

/// SC-11: the most urgent movable thread is found wherever it stands, behind any number of bound ones, in the same steps.
#[test]
fn the_first_movable_thread_is_found_in_constant_time() {
    let steps_behind = |bound: usize| {
        let mut queue = RunQueue::new();
        let all: [Handle; 100] = threads();
        for &h in &all[..bound] {
            queue.enqueue(h, rt(60), Place::Tail);
        }
        for (&h, level) in all[97..].iter().zip([rt(40), rt(50), Level::FAIR]) {
            h.0.movable.set(true);
            queue.enqueue(h, level, Place::Tail);
        }
        STEPS.set(0);
        let first = queue.first_movable(|_, _| true);
        let steps = STEPS.get();
        assert_eq!((first, queue.movable_level()), (Some((all[98], rt(50))), Some(rt(50))));
        assert_eq!(queue.first_movable(|_, level| level < rt(50)), Some((all[97], rt(40))));
        assert_eq!(queue.first_movable(|_, level| level < rt(40)), Some((all[99], Level::FAIR)));
        assert!(queue.dequeue(all[98], rt(50)));
        assert_eq!(queue.movable_level(), Some(rt(40)));
        steps
    };
    assert_eq!(steps_behind(1), steps_behind(90));
}

/// The thread in hand counts too; one that becomes bound, or movable, is told so.
#[test]
fn movable_threads_are_those_that_say_so_when_they_are_queued() {
    let [a, b, c] = threads();
    let mut queue = RunQueue::new();
    a.0.movable.set(true);
    queue.enqueue(a, rt(50), Place::Tail);
    assert_eq!(queue.first_movable(|_, _| true), Some((a, rt(50))));
    queue.enqueue(b, rt(50), Place::Tail);
    queue.enqueue(c, rt(40), Place::Tail);
    a.0.movable.set(false);
    queue.refresh_movable(a, rt(50));
    assert_eq!(queue.first_movable(|_, _| true), None);
    for h in [c, b] {
        h.0.movable.set(true);
        queue.refresh_movable(h, if h == c { rt(40) } else { rt(50) });
        assert_eq!(queue.first_movable(|_, _| true).map(|(h, _)| h), Some(h));
    }
    b.0.movable.set(false);
    queue.refresh_movable(b, rt(50));
    assert_eq!(queue.first_movable(|_, _| true), Some((c, rt(40))));
    assert_eq!(order(&mut queue), "ABC");
    assert_eq!(queue.movable_level(), None);
}

/// A wake-up, a preemption and a yield take the same steps with 10 threads and with 10,000, wherever those stand.
#[test]
fn ten_thousand_threads_cost_what_ten_do() {
    let steps_among = |others: &[Handle]| {
        let mut q = RunQueue::new();
        for (n, &h) in others.iter().enumerate() {
            h.0.movable.set(n % 2 == 0);
            // Every level has somebody, that of the yield the most.
            let level = if n % 3 == 0 { rt(50) } else { rt(1 + (n % 50) as u8) };
            q.enqueue(h, level, Place::Tail);
        }
        let [running, urgent] = threads::<2>();
        let mut counts = [0; 4];
        let mut step = 0;
        let mut count = |counts: &mut [usize; 4]| {
            counts[step] = STEPS.replace(0);
            step += 1;
        };
        STEPS.set(0);
        q.enqueue(urgent, rt(60), Place::Tail);
        count(&mut counts);
        assert!(q.give_way(running, rt(55), Place::Head).is_some_and(|(h, _)| h == urgent));
        count(&mut counts);
        assert!(q.take_first().is_some_and(|(h, _)| h == running));
        count(&mut counts);
        assert!(q.give_way(running, rt(50), Place::Tail).is_some());
        count(&mut counts);
        counts
    };
    let all = threads::<10_000>();
    let few = steps_among(&threads::<10>());
    assert_eq!(few, steps_among(&all));
    assert!(few.iter().sum::<usize>() > 0);
}
