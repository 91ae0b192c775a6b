//! What keeps a kernel busy while somebody measures it? Contention on locks, interrupts, output and threads that always run.
//!
//! Every thread here makes what it needs and gives it back itself, and ends when it is told to, or when the thread that
//! started it is gone: whatever happens to that one, no load stays behind.
use alloc::{sync::Arc, vec::Vec};
use core::{hint::black_box, time::Duration};
use hw::atomic::{
    AtomicBool, AtomicU32,
    Ordering::{Relaxed, SeqCst},
};
use kernel::{
    Error, Policy, Result, ThreadCx, cx,
    irq::{self, Flags, Handled, Irq, Line, Primary, Request, Trigger, inject::Pend},
    irq_flags, preempt, println,
    sync::{Mutex, SpinLock},
    thread::{self, Builder, JoinHandle, ThreadId},
    time,
};

bitflags::bitflags! {
    /// Kinds of load.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Kinds: u8 {
        /// Two fair threads that never sleep.
        const HOGS = 1 << 0;
        /// Threads of four priorities that fight over two nested mutexes and a spinlock.
        const LOCKS = 1 << 1;
        /// Bursts of interrupts on lines that nothing else uses, half of them with threaded handlers.
        const IRQS = 1 << 2;
        /// A fair thread that prints one line after the other.
        const CONSOLE = 1 << 3;
        /// What `--load` means: all but the output, which the results would drown in.
        const USUAL = Self::HOGS.bits() | Self::LOCKS.bits() | Self::IRQS.bits();
    }
}

/// Names of the kinds.
pub const NAMES: [(&str, Kinds); 4] =
    [("hogs", Kinds::HOGS), ("locks", Kinds::LOCKS), ("irqs", Kinds::IRQS), ("console", Kinds::CONSOLE)];

const HOGS: usize = 2;
/// How long one computes before it asks whether somebody else should.
const UNASKED: Duration = Duration::from_micros(200);
/// Priorities of the threads that fight over locks; 0 is a fair one.
const CONTENDERS: [i32; 4] = [0, 10, 20, 30];
/// How long each holds the mutexes, and in turns with that the spinlock: much longer than the kernel's own sections, so that it
/// shows where nobody preempts a holder.
const HELD: Duration = Duration::from_micros(10);
const SPUN: Duration = Duration::from_micros(20);
/// How long it does without. Their periods have no common measure, so they meet anyhow.
const APART: [Duration; 4] =
    [Duration::from_micros(50), Duration::from_micros(70), Duration::from_micros(110), Duration::from_micros(130)];
/// Lines of a burst, and the time between two bursts.
const LINES: usize = 8;
const BETWEEN_BURSTS: Duration = Duration::from_micros(100);
/// Who makes the lines pending: above the fair threads, below the handlers' threads.
const FLOOD_PRIORITY: i32 = 40;
/// Time between two lines of output.
const BETWEEN_LINES: Duration = Duration::from_millis(1);

/// When threads that somebody has started shall end.
pub(crate) struct Stop {
    told: AtomicBool,
    owner: ThreadId,
}

impl Stop {
    /// Not told. The running thread is the owner.
    pub fn new() -> Self {
        Self { told: AtomicBool::new(false), owner: thread::current_id() }
    }
    pub fn tell(&self) {
        self.told.store(true, SeqCst);
    }
    /// Whether it was told to, or nobody is left who could.
    pub fn is_due(&self) -> bool {
        self.told.load(SeqCst) || thread::policy(self.owner).is_err()
    }
}

/// FIFO at this priority, or fair at 0.
pub(crate) fn policy(priority: i32) -> Result<Policy> {
    if priority == 0 { Policy::other(0) } else { Policy::fifo(priority) }.map_err(|_| Error::Invalid)
}

/// What keeps the kernel busy until it is told to stop. Dropped, it stops by itself a little later.
pub struct Load {
    stop: Arc<Stop>,
    threads: Vec<JoinHandle<Result<()>>>,
    done: Arc<Done>,
}

/// How much was done.
#[derive(Default)]
struct Done {
    sections: AtomicU32,
    interrupts: AtomicU32,
    lines: AtomicU32,
}

/// How much load there was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Critical sections, under both mutexes or the spinlock.
    pub sections: u32,
    /// Interrupts whose last handler was over.
    pub interrupts: u32,
    /// Lines printed.
    pub lines: u32,
}

impl Load {
    /// Starts it.
    ///
    /// # Errors
    /// [`Error::NoResource`]: too many threads; nothing runs then.
    pub fn start(cx: &mut ThreadCx, kinds: Kinds) -> Result<Self> {
        let mut load = Self { stop: Arc::new(Stop::new()), threads: Vec::new(), done: Arc::default() };
        match load.spawn_all(cx, kinds) {
            Ok(()) => Ok(load),
            Err(error) => {
                let _ = load.stop(cx);
                Err(error)
            }
        }
    }
    fn spawn_all(&mut self, cx: &mut ThreadCx, kinds: Kinds) -> Result<()> {
        if kinds.contains(Kinds::LOCKS) {
            self.contend(cx)?;
        }
        if kinds.contains(Kinds::IRQS) {
            self.spawn(cx, "load/irqs", FLOOD_PRIORITY, flood)?;
        }
        if kinds.contains(Kinds::CONSOLE) {
            self.spawn(cx, "load/console", 0, print)?;
        }
        if kinds.contains(Kinds::HOGS) {
            for _ in 0..HOGS {
                self.spawn(cx, "load/hog", 0, |cx, stop, _| {
                    hog(cx, stop);
                    Ok(())
                })?;
            }
        }
        Ok(())
    }
    fn spawn(
        &mut self,
        cx: &mut ThreadCx,
        name: &str,
        priority: i32,
        body: impl FnOnce(&mut ThreadCx, &Stop, &Arc<Done>) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let (stop, done) = (self.stop.clone(), self.done.clone());
        let builder = Builder::new(name).policy(policy(priority)?);
        self.threads.push(builder.spawn(cx, move |cx| body(cx, &stop, &done))?);
        Ok(())
    }
    fn contend(&mut self, cx: &mut ThreadCx) -> Result<()> {
        let locks = Arc::new(Locks { outer: Mutex::new(()), inner: Mutex::new(()), spin: SpinLock::new(()) });
        for (priority, apart) in CONTENDERS.into_iter().zip(APART) {
            let locks = locks.clone();
            self.spawn(cx, "load/locks", priority, move |cx, stop, done| contend(cx, stop, done, &locks, apart))?;
        }
        Ok(())
    }
    /// Ends it; when this returns its threads are gone and its lines are free.
    ///
    /// # Errors
    /// What a thread could not get: [`Error::NotFound`], no line was free to make interrupts on; [`Error::NoResource`].
    pub fn stop(mut self, cx: &mut ThreadCx) -> Result<Figures> {
        self.stop.tell();
        let mut result = Ok(());
        for thread in &mut self.threads {
            result = thread.join(cx).and_then(|own| own).and(result);
        }
        result.map(|()| Figures {
            sections: self.done.sections.load(Relaxed),
            interrupts: self.done.interrupts.load(Relaxed),
            lines: self.done.lines.load(Relaxed),
        })
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.tell();
    }
}

/// What the threads fight over.
struct Locks {
    outer: Mutex<()>,
    inner: Mutex<()>,
    /// No interrupt handler takes it, so that interrupts stay on where it spins.
    spin: SpinLock<(), cx::Thread>,
}

fn contend(cx: &mut ThreadCx, stop: &Stop, done: &Done, locks: &Locks, apart: Duration) -> Result<()> {
    while !stop.is_due() {
        let outer = locks.outer.lock(cx);
        let inner = locks.inner.lock(cx);
        compute(HELD);
        drop(inner);
        drop(outer);
        done.sections.fetch_add(1, Relaxed);
        nap(cx, apart)?;
        locks.spin.with(cx, |(), _| compute(SPUN));
        done.sections.fetch_add(1, Relaxed);
        nap(cx, apart)?;
    }
    Ok(())
}

/// Computes for a while.
fn compute(d: Duration) {
    /// Rounds between two looks at the clock, each of which costs QEMU as much under `-icount` as thousands of instructions.
    const ROUNDS: u32 = 50;
    let end = time::now().saturating_add(d);
    while time::now() < end {
        for round in 0..ROUNDS {
            black_box(round);
        }
        hw::cpu::relax();
    }
}

fn print(cx: &mut ThreadCx, stop: &Stop, done: &Arc<Done>) -> Result<()> {
    while !stop.is_due() {
        let line = done.lines.fetch_add(1, Relaxed);
        println!(cx, "load: line {line} of no meaning");
        nap(cx, BETWEEN_LINES)?;
    }
    Ok(())
}

/// Computes, and asks as seldom as kernel code may whether somebody else should: where nothing preempts it, nobody else runs
/// otherwise.
fn hog(cx: &mut ThreadCx, stop: &Stop) {
    while !stop.is_due() {
        compute(UNASKED);
        preempt::cond_resched(cx);
    }
}

/// Sleeps; that somebody interrupts it is no reason to stop.
fn nap(cx: &mut ThreadCx, d: Duration) -> Result<()> {
    match time::sleep(cx, d) {
        Ok(()) | Err(Error::Interrupted) => Ok(()),
        Err(error) => Err(error),
    }
}

fn flood(cx: &mut ThreadCx, stop: &Stop, done: &Arc<Done>) -> Result<()> {
    let lines = lines(cx, done);
    let pends: Result<Vec<Pend>> = lines.iter().map(|line| Pend::new(cx, line.irq())).collect();
    let mut result = match &pends {
        Ok(pends) if pends.is_empty() => Err(Error::NotFound),
        Ok(_) => Ok(()),
        Err(error) => Err(*error),
    };
    while result.is_ok() && !stop.is_due() {
        let masked = irq_flags::save(cx);
        // All at once: the last one waits for the hard handlers of the others.
        pends.iter().flatten().for_each(Pend::fire);
        masked.restore();
        result = nap(cx, BETWEEN_BURSTS);
    }
    for line in lines {
        // Not called by a handler's own thread, so it cannot fail.
        let irq = line.irq();
        let _ = line.free(cx);
        let _ = irq::unmap(cx, irq);
    }
    result
}

/// Takes the last lines of the controller that nobody knows, every other one with a threaded handler.
fn lines(cx: &mut ThreadCx, done: &Arc<Done>) -> Vec<Line> {
    /// First line that is not private to a CPU.
    const FIRST_SHARED: u32 = 32;
    let mut lines = Vec::with_capacity(LINES);
    for intid in (FIRST_SHARED..irq::line_count()).rev() {
        if lines.len() == LINES {
            break;
        }
        // Somebody knows it, and may want it.
        if irq::info(cx, Irq::new(intid)).is_ok() {
            continue;
        }
        let counted = done.clone();
        let count = move || {
            counted.interrupts.fetch_add(1, Relaxed);
        };
        let request = Request::new(Irq::new(intid), "load").trigger(Trigger::EdgeRising);
        let request = if lines.len().is_multiple_of(2) {
            request.flags(Flags::ONESHOT).threaded(move |_| {
                count();
                Handled::Yes
            })
        } else {
            request.flags(Flags::NO_THREAD).hard(move |_| {
                count();
                Primary::Handled
            })
        };
        // A line that is taken is passed over.
        lines.extend(request.submit(cx));
    }
    lines
}
