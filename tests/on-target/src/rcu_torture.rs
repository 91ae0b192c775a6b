//! Does any reader on the machine itself see what a grace period has passed for? (RC-01.3, RC-05.5)
//!
//! As in the simulation (`race_rcu_pipeline`), and as Linux' `rcutorture` does: readers of every kind look at elements that
//! updaters of every kind replace, and each element has an age that grace periods advance. Hogs preempt the readers, which are
//! lent priority at once, and somebody moves them. With QEMU's clock the CPUs take turns; `tests/image` boots this
//! without, on CPUs that run at once.
use crate::{
    crew::{assert_in_order, spin},
    rng::Rng,
    support::{become_policy, fair, fifo, hard_line, pend, sleep, spare, us},
    table::test,
};
use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::sync::atomic::{
    AtomicBool, AtomicU32,
    Ordering::{Relaxed, SeqCst},
};
use kernel::{
    Policy, ThreadCx, bh,
    irq::Primary,
    irq_flags, model, percpu, preempt,
    rcu::{self, Call, RcuPtr, Reading, Retired, Then},
    sched,
    sync::SpinLock,
    thread::{Builder, JoinHandle, ThreadId},
};

const READERS: u64 = 5;
const UPDATERS: u64 = 3;
const UPDATES: u32 = 300;
/// Where a grace period may wait until a thread gives its CPU away.
const FEWER: u32 = 60;
const HOGS: u64 = 2;
const PLACES: usize = 3;
/// Grace periods that an element is kept for when it was replaced.
const GENERATIONS: u32 = 10;
/// Age of what was freed.
const FREED: u32 = 1000;
const PATTERN: u32 = 0x600d_600d;
const POISON: u32 = 0xdead_dead;

/// What an element is made of: never freed, so that a reader who goes wrong reads poison and nothing worse.
struct Memory {
    /// 0: in its place; 1: replaced; from 2 on a whole grace period has passed since.
    age: AtomicU32,
    words: [AtomicU32; 4],
}

/// Something that readers use; the kernel frees it.
struct Element(&'static Memory);
impl Element {
    fn new() -> Self {
        let memory = Memory { age: AtomicU32::new(0), words: [const { AtomicU32::new(PATTERN) }; 4] };
        Self(Box::leak(Box::new(memory)))
    }
    /// A grace period has passed since it was replaced.
    fn advance(&self) -> u32 {
        self.0.age.fetch_add(1, SeqCst) + 1
    }
}
impl Drop for Element {
    fn drop(&mut self) {
        assert!(self.0.age.swap(FREED, SeqCst) < FREED, "an element is freed twice");
        self.0.words.iter().for_each(|word| word.store(POISON, Relaxed));
    }
}

/// What readers and updaters share.
struct Pipeline {
    places: [RcuPtr<Element>; PLACES],
    spin: SpinLock<()>,
    over: AtomicBool,
    reads: AtomicU32,
    /// Elements that were made, and updates of all kinds.
    made: AtomicU32,
    /// One that a hard handler is to queue.
    waiting: kernel::sync::RawSpinLock<Option<Call>, kernel::cx::Irq>,
}

impl Pipeline {
    fn element(&self) -> Element {
        self.made.fetch_add(1, SeqCst);
        Element::new()
    }
    fn replace(&self, rng: &mut Rng) -> Retired<Element> {
        let old = self.places[rng.below(PLACES as u64) as usize].replace(self.element()).expect("one in each place");
        old.advance();
        old
    }
    /// Reads while this is a section; `during` happens in it.
    #[track_caller]
    fn look(&self, rng: &mut Rng, reader: &impl Reading, during: impl FnOnce()) {
        let element = self.places[rng.below(PLACES as u64) as usize].load(reader).expect("one in each place");
        // What a reader who goes wrong still may read.
        let memory = element.0;
        let check = || {
            let age = memory.age.load(SeqCst);
            assert!(age < 2, "a reader sees age {age}");
            assert!(memory.words.iter().all(|word| word.load(Relaxed) == PATTERN), "a reader sees poison");
        };
        check();
        during();
        check();
        self.reads.fetch_add(1, Relaxed);
    }
}

fn section(pipeline: &Pipeline, rng: &mut Rng, cx: &mut ThreadCx) {
    let (kind, short, long) = (rng.below(8), us(rng.below(10)), us(rng.below(100)));
    match kind {
        0 => rcu::with(cx, |section, cx| {
            let mut inner = Rng::new(rng.draw());
            pipeline.look(rng, section, || {
                rcu::with(cx, |section, _| pipeline.look(&mut inner, section, || spin(short)));
                spin(long);
            });
        }),
        1 | 2 => rcu::with(cx, |section, cx| {
            pipeline.look(rng, section, || pipeline.spin.with(cx, |(), _| spin(short)));
        }),
        3 => {
            let mut guard = preempt::disable(cx);
            pipeline.look(rng, guard.cx(), || spin(short));
        }
        4 => {
            let mut guard = irq_flags::save(cx);
            pipeline.look(rng, guard.cx(), || spin(short));
        }
        5 => {
            let guard = bh::disable(cx);
            pipeline.look(rng, &guard, || spin(short));
        }
        _ => rcu::with(cx, |section, _| pipeline.look(rng, section, || spin(long))),
    }
}

/// One that advances its element after each grace period.
fn call(pipeline: &Arc<Pipeline>, rng: &mut Rng, cx: &mut ThreadCx) -> Call {
    let (old, pipeline, mut rng) = (pipeline.replace(rng), pipeline.clone(), Rng::new(rng.draw()));
    Call::new(cx, move |cx| {
        pipeline.look(&mut rng, cx, || ());
        if old.advance() <= GENERATIONS { Then::Again } else { Then::Done }
    })
}

fn update(pipeline: &Arc<Pipeline>, rng: &mut Rng, kept: &mut Vec<Retired<Element>>, cx: &mut ThreadCx) {
    // Whether a grace period passes after which all that is kept is older.
    let passes = match rng.below(10) {
        0 => {
            kept.push(pipeline.replace(rng));
            rcu::synchronize(cx).expect("a thread");
            true
        }
        1 | 2 => {
            kept.push(pipeline.replace(rng));
            rcu::synchronize_expedited(cx).expect("a thread");
            true
        }
        3 => {
            kept.push(pipeline.replace(rng));
            let cookie = rcu::start_poll(cx);
            while !rcu::poll(cookie) {
                sleep(cx, us(50));
            }
            true
        }
        4 => {
            kept.push(pipeline.replace(rng));
            let cookie = rcu::start_poll(cx);
            rcu::cond_sync(cx, cookie).expect("a thread");
            true
        }
        5 => {
            call(pipeline, rng, cx).queue(cx);
            false
        }
        6 => {
            let call = call(pipeline, rng, cx);
            let before = pipeline.waiting.with(cx, |waiting, _| waiting.replace(call));
            pend(cx, spare(0));
            // The handler has not come for it yet.
            if let Some(call) = before {
                call.queue(cx);
            }
            false
        }
        7 => {
            let old = pipeline.replace(rng);
            rcu::with(cx, |_, cx| old.free(cx));
            false
        }
        8 => {
            pipeline.replace(rng).wait(cx).expect("a thread").advance();
            false
        }
        _ => {
            rcu::barrier(cx).expect("a thread");
            false
        }
    };
    if passes {
        kept.retain(|element| element.advance() <= GENERATIONS);
    }
}

fn start(
    cx: &mut ThreadCx,
    name: &str,
    policy: Policy,
    body: impl FnOnce(&mut ThreadCx) + Send + 'static,
) -> JoinHandle<()> {
    Builder::new(name).policy(policy).spawn(cx, body).expect("a slot and memory")
}

/// Until it is over.
fn again<F>(pipeline: &Arc<Pipeline>, mut step: F) -> impl FnOnce(&mut ThreadCx) + Send + use<F>
where
    F: FnMut(&mut ThreadCx) + Send + 'static,
{
    let pipeline = pipeline.clone();
    move |cx| {
        while !pipeline.over.load(SeqCst) {
            step(cx);
        }
    }
}

fn others(cx: &mut ThreadCx, pipeline: &Arc<Pipeline>, seeds: &mut Rng) -> Vec<JoinHandle<()>> {
    let mut threads = Vec::new();
    for n in 0..READERS {
        let (mine, mut rng) = (pipeline.clone(), Rng::new(seeds.draw()));
        let policy = if n % 2 == 0 { fair() } else { fifo(1 + n as i32) };
        threads.push(start(
            cx,
            "reader",
            policy,
            again(pipeline, move |cx| {
                section(&mine, &mut rng, cx);
                sleep(cx, us(1 + rng.below(50)));
            }),
        ));
    }
    let readers: Vec<ThreadId> = threads.iter().map(JoinHandle::id).collect();
    let mut rng = Rng::new(seeds.draw());
    threads.push(start(
        cx,
        "mover",
        fifo(45),
        again(pipeline, move |cx| {
            let reader = readers[rng.below(READERS) as usize];
            sched::set_affinity(cx, reader, rng.some_cpus(percpu::online().count())).expect("a live thread");
            sleep(cx, us(100));
        }),
    ));
    for _ in 0..HOGS {
        let mut rng = Rng::new(seeds.draw());
        threads.push(start(
            cx,
            "hog",
            fifo(10),
            again(pipeline, move |cx| {
                spin(us(rng.below(300)));
                sleep(cx, us(1 + rng.below(300)));
            }),
        ));
    }
    threads
}

/// RC-01.3, RC-05.5, RC-06.4, RC-15: whoever waits in whatever way, and whatever happens to readers, they see nothing for which a
/// grace period has passed; in the end all that was replaced is freed, and nobody stands in a list.
fn torture(cx: &mut ThreadCx) {
    become_policy(cx, fifo(60));
    let pipeline = Arc::new(Pipeline {
        places: [const { RcuPtr::null() }; PLACES],
        spin: SpinLock::new(()),
        over: AtomicBool::new(false),
        reads: AtomicU32::new(0),
        made: AtomicU32::new(0),
        waiting: kernel::sync::RawSpinLock::new(None),
    });
    for place in &pipeline.places {
        assert!(place.replace(pipeline.element()).is_none());
    }
    let (theirs, mut rng) = (pipeline.clone(), Rng::new(7));
    let line = hard_line(cx, spare(0), "torture", move |cx| {
        theirs.look(&mut rng, cx, || ());
        if let Some(call) = theirs.waiting.with(cx, |waiting, _| waiting.take()) {
            call.queue(cx);
        }
        Primary::Handled
    });
    let mut seeds = Rng::new(11);
    let preemptible = model::current().is_preemptible();
    let updates = if preemptible { UPDATES } else { FEWER };
    let mut updaters: Vec<_> = (0..UPDATERS)
        .map(|_| {
            let (pipeline, mut rng) = (pipeline.clone(), Rng::new(seeds.draw()));
            start(cx, "updater", fifo(20), move |cx| {
                let mut kept = Vec::new();
                (0..updates).for_each(|_| update(&pipeline, &mut rng, &mut kept, cx));
            })
        })
        .collect();
    let others = others(cx, &pipeline, &mut seeds);
    updaters.iter_mut().for_each(|thread| thread.join(cx).expect("it ends by itself"));
    pipeline.over.store(true, SeqCst);
    others.into_iter().for_each(|mut thread| thread.join(cx).expect("it ends by itself"));
    drop(line.free(cx).expect("nobody's own thread"));
    // Each of those that queue themselves again does so in one barrier, and the last drop is a callback as well.
    for _ in 0..GENERATIONS + 2 {
        rcu::synchronize(cx).expect("a thread");
        rcu::barrier(cx).expect("a thread");
    }
    let stats = rcu::stats();
    assert_eq!(stats.blocked_readers, 0);
    assert_eq!(stats.callbacks_queued, stats.callbacks_invoked);
    kernel::println!(
        cx,
        "{} reads, {} elements, {} grace periods, {} readers lent priority",
        pipeline.reads.load(SeqCst),
        pipeline.made.load(SeqCst),
        stats.grace_periods,
        stats.boosted
    );
    assert!(pipeline.reads.load(SeqCst) > updates && stats.grace_periods > updates.into());
    // Readers lose their CPU in a section where the model lets them.
    assert_eq!(stats.boosted != 0, preemptible);
}

fn rc_01_3_torture_on_one_cpu(cx: &mut ThreadCx) {
    torture(cx);
}
test!(rc_01_3_torture_on_one_cpu, bootargs("rcu_boost_delay_ms=0 rcu_kthread_prio=30"));

fn rc_01_3_torture_on_four_cpus(cx: &mut ThreadCx) {
    torture(cx);
    assert_in_order(cx);
    assert_eq!(kernel::verify::all(cx), Ok(()));
}
test!(rc_01_3_torture_on_four_cpus, smp(4), bootargs("rcu_boost_delay_ms=0 rcu_kthread_prio=30 rcu_nocbs=2"));
