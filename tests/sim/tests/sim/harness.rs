//! What every simulated test needs: boot a machine, count, log, and look at the outcome.
use hw::{
    gic::Version,
    sim::{Config, End, Outcome},
};
use kernel::{Policy, ThreadCx, model::Model};

/// Boots one CPU, runs `body` as a fair thread called "main", and expects it to return.
#[track_caller]
pub fn run(body: impl FnOnce(&mut ThreadCx) + 'static) -> Outcome {
    run_with(Config::default(), "", body)
}

/// As [`run`], with a configuration of the machine and boot arguments. At the end the whole state is verified (HC-06.1).
#[track_caller]
pub fn run_with(config: Config, bootargs: &str, body: impl FnOnce(&mut ThreadCx) + 'static) -> Outcome {
    run_unverified(config, bootargs, |cx| {
        body(cx);
        verify(cx);
    })
}

/// As [`run_with`], on a machine with each interrupt controller; which one it is, [`hw::sim::gic_version`] says.
#[track_caller]
pub fn each_gic_with(
    config: &Config,
    bootargs: &str,
    body: impl FnOnce(&mut ThreadCx) + Clone + 'static,
) -> [Outcome; 2] {
    [Version::V3, Version::V2].map(|gic| run_with(Config { gic, ..config.clone() }, bootargs, body.clone()))
}

/// As [`each_gic_with`], on one CPU.
#[track_caller]
pub fn each_gic(body: impl FnOnce(&mut ThreadCx) + Clone + 'static) -> [Outcome; 2] {
    each_gic_with(&Config::default(), "", body)
}

/// Waits until nothing changes any more, and verifies the whole state.
#[track_caller]
pub fn verify(cx: &mut ThreadCx) {
    hw::sim::interleave(false);
    for _ in 0..1_000 {
        if hw::sim::others_are_at_rest() {
            assert_eq!(kernel::verify::all(cx), Ok(()));
            return;
        }
        hw::sim::spend(100);
    }
    panic!("the other CPUs do not come to rest");
}

/// As [`run_with`], with a kernel that is built for this model, on a machine whose counter counts nanoseconds.
#[track_caller]
pub fn run_model(model: Model, config: Config, bootargs: &str, body: impl FnOnce(&mut ThreadCx) + 'static) -> Outcome {
    let config = Config { frequency: 1_000_000_000, ..config };
    let outcome = kernel::simulation::boot_model(model, config, bootargs, |cx| {
        body(cx);
        verify(cx);
    });
    assert_eq!(outcome.end, End::Exit(0), "{}: console:\n{}\n{}", model.name(), outcome.console, outcome.story);
    outcome
}

/// Runs `body` under every model, on a CPU each.
#[track_caller]
pub fn each_model(body: impl Fn(&mut ThreadCx, Model) + Copy + 'static) {
    for model in Model::ALL {
        run_model(model, Config::default(), "", move |cx| body(cx, model));
    }
}

/// Boots a kernel that is built for this model on one CPU, and expects a BUG whose report contains `text`.
#[track_caller]
pub fn model_to_bug(model: Model, text: &str, body: impl FnOnce(&mut ThreadCx) + 'static) -> Outcome {
    let outcome = kernel::simulation::boot_model(model, Config::default(), "", body);
    assert_eq!(outcome.end, End::Exit(kernel::report::EXIT_BUG), "{}: console:\n{}", model.name(), outcome.console);
    assert!(outcome.console.contains(text), "{}: no {text:?} in\n{}", model.name(), outcome.console);
    outcome
}

/// Runs `f` with a thread's token, wherever this is called.
pub fn forged<R>(f: impl FnOnce(&mut ThreadCx) -> R) -> R {
    // SAFETY: what the types forbid is what is tested.
    unsafe { kernel::sleep_hook::with_forged_token(f) }
}

/// As [`run_with`], for a body that leaves behind what cannot be verified, and says why.
#[track_caller]
pub fn run_unverified(config: Config, bootargs: &str, body: impl FnOnce(&mut ThreadCx) + 'static) -> Outcome {
    let outcome = kernel::simulation::boot(config, bootargs, body);
    assert_eq!(outcome.end, End::Exit(0), "console:\n{}\n{}", outcome.console, outcome.story);
    outcome
}

/// Boots one CPU and expects a BUG whose report contains `text`.
#[track_caller]
pub fn run_to_bug(text: &str, body: impl FnOnce(&mut ThreadCx) + 'static) -> Outcome {
    let outcome = kernel::simulation::boot(Config::default(), "", body);
    assert_eq!(outcome.end, End::Exit(kernel::report::EXIT_BUG), "console:\n{}", outcome.console);
    assert!(outcome.console.contains(text), "no {text:?} in\n{}", outcome.console);
    outcome
}

/// Warnings in an outcome's console text.
pub fn warnings(outcome: &Outcome) -> Vec<&str> {
    outcome.console.lines().filter(|l| l.starts_with("WARNING")).collect()
}

/// FIFO at this priority.
pub fn fifo(priority: i32) -> Policy {
    Policy::fifo(priority).expect("1 to 99")
}

/// Makes a line pending and lets the machine take the interrupt if it can.
#[track_caller]
pub fn pend(cx: &impl kernel::Context, irq: kernel::irq::Irq) {
    kernel::irq::inject::pend(cx, irq).unwrap();
    hw::sim::point();
}

/// As [`run`], on a machine whose counter counts nanoseconds, so that moments are met exactly.
#[track_caller]
pub fn exact(body: impl FnOnce(&mut ThreadCx) + 'static) -> Outcome {
    run_with(Config { frequency: 1_000_000_000, ..Config::default() }, "", body)
}

/// RR at this priority.
pub fn rr(priority: i32) -> Policy {
    Policy::rr(priority).expect("1 to 99")
}

/// The fair policy with nice 0.
pub fn fair() -> Policy {
    Policy::other(0).expect("-20 to 19")
}

pub const US: u64 = 1_000;
pub const MS: u64 = 1_000_000;
pub const S: u64 = 1_000_000_000;

pub fn ms(n: u64) -> core::time::Duration {
    core::time::Duration::from_millis(n)
}

/// The moment `ns` nanoseconds after the machine's start.
pub fn at(ns: u64) -> kernel::time::Instant {
    kernel::time::Instant::from_ns(ns)
}

/// Gives the running thread this policy.
#[track_caller]
pub fn become_policy(cx: &mut ThreadCx, policy: Policy) {
    kernel::sched::set(cx, kernel::thread::current_id(), policy).unwrap();
}

/// The number that the first thread of a test gets on a machine with this many CPUs: behind the kernel's own.
pub fn first_number(cpus: usize) -> u32 {
    let live = std::rc::Rc::new(std::cell::Cell::new(0));
    let number = live.clone();
    run_with(Config { cpus, ..Config::default() }, "", move |_| live.set(kernel::thread::live() as u32));
    number.get() + 1
}

/// Starts a thread.
#[track_caller]
pub fn start<T: Send + 'static>(
    cx: &mut ThreadCx,
    name: &str,
    policy: Policy,
    body: impl FnOnce(&mut ThreadCx) -> T + Send + 'static,
) -> kernel::thread::JoinHandle<T> {
    kernel::thread::Builder::new(name).policy(policy).spawn(cx, body).unwrap()
}

/// Requests an edge line whose hard handler is `f`.
#[track_caller]
pub fn hard_line(
    cx: &mut ThreadCx,
    intid: u32,
    mut f: impl FnMut(&mut kernel::HardIrqCx<'_>) + Send + 'static,
) -> kernel::irq::Line {
    kernel::irq::Request::new(kernel::irq::Irq::new(intid), "hard")
        .hard(move |cx| {
            f(cx);
            kernel::irq::Primary::Handled
        })
        .trigger(kernel::irq::Trigger::EdgeRising)
        .submit(cx)
        .unwrap()
}

/// What happened, in order; written from any context.
pub struct Log<T>(std::sync::Arc<std::sync::Mutex<Vec<T>>>);

impl<T> Log<T> {
    pub fn new() -> Self {
        Self(std::sync::Arc::default())
    }
    pub fn push(&self, entry: T) {
        self.0.lock().unwrap().push(entry);
    }
    /// How many entries so far are like this; they stay.
    pub fn count(&self, is: impl Fn(&T) -> bool) -> usize {
        self.0.lock().unwrap().iter().filter(|entry| is(entry)).count()
    }
    /// Takes what was written so far.
    pub fn take(&self) -> Vec<T> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// Runs `body` on one machine after the other, with INTID 100 coming one point later each time, until it comes too
/// late: `body` calls its argument where the first point is, and then waits for something that only INTID 100 does.
///
/// A body that waits without passing points is woken by INTID 100 a millisecond later; that run is the last.
#[track_caller]
pub fn at_every_point(body: impl Fn(&mut ThreadCx, &dyn Fn()) + Clone + 'static) {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    };
    for n in 1..5_000 {
        let came = Arc::new(AtomicBool::new(false));
        let late = Arc::new(AtomicBool::new(false));
        let (body, flags) = (body.clone(), (came.clone(), late.clone()));
        exact(move |cx| {
            let arm = move || {
                let (came, late) = flags.clone();
                let first = came.clone();
                hw::sim::at_point_call(
                    n,
                    Box::new(move || {
                        if !first.swap(true, SeqCst) {
                            hw::sim::irq::pend(100);
                        }
                    }),
                );
                hw::sim::at_call(
                    hw::sim::time() + MS,
                    Box::new(move || {
                        if !came.swap(true, SeqCst) {
                            late.store(true, SeqCst);
                            hw::sim::irq::pend(100);
                        }
                    }),
                );
            };
            body(cx, &arm);
        });
        assert!(came.load(SeqCst), "the interrupt never came");
        if late.load(SeqCst) {
            assert!(n > 5, "only {n} points");
            return;
        }
    }
    panic!("no end of points");
}

/// Boots this many CPUs in a fixed order.
#[track_caller]
pub fn smp(cpus: usize, body: impl FnOnce(&mut ThreadCx) + 'static) -> Outcome {
    smp_with(Config { cpus, ..Config::default() }, body)
}

/// Boots this many CPUs, whose order comes from a seed as soon as `body` begins.
#[track_caller]
pub fn seeded(cpus: usize, seed: u64, body: impl FnOnce(&mut ThreadCx) + 'static) -> Outcome {
    smp_with(Config { cpus, order: hw::sim::Order::Seeded(seed), ..Config::default() }, body)
}

/// As [`smp`], on a machine with a GICv2 and then on one with a GICv3, whose outcome it is.
#[track_caller]
pub fn smp_on_each_gic(cpus: usize, body: impl FnOnce(&mut ThreadCx) + Clone + 'static) -> Outcome {
    smp_with(Config { cpus, gic: Version::V2, ..Config::default() }, body.clone());
    smp(cpus, body)
}

/// As [`seeded`]; every second seed has a GICv2.
#[track_caller]
pub fn seeded_on_either_gic(cpus: usize, seed: u64, body: impl FnOnce(&mut ThreadCx) + 'static) -> Outcome {
    let gic = if seed.is_multiple_of(2) { Version::V3 } else { Version::V2 };
    smp_with(Config { cpus, order: hw::sim::Order::Seeded(seed), gic, ..Config::default() }, body)
}

/// Boots a machine with a counter of nanoseconds, all of whose CPUs come up.
#[track_caller]
pub fn smp_with(config: Config, body: impl FnOnce(&mut ThreadCx) + 'static) -> Outcome {
    let cpus = config.cpus;
    run_with(Config { frequency: 1_000_000_000, ..config }, "", move |cx| {
        assert_eq!(kernel::percpu::online().count(), cpus);
        body(cx);
    })
}

/// As [`seeded`], in the seed's order from the first instruction of boot on.
#[track_caller]
pub fn interleaved(cpus: usize, seed: u64, body: impl FnOnce(&mut ThreadCx) + 'static) -> Outcome {
    let config = Config { cpus, order: hw::sim::Order::Seeded(seed), frequency: 1_000_000_000, ..Config::default() };
    let outcome = kernel::simulation::boot_interleaved(config, "", |cx| {
        body(cx);
        verify(cx);
    });
    assert_eq!(outcome.end, End::Exit(0), "console:\n{}\n{}", outcome.console, outcome.story);
    outcome
}

/// Runs a scenario on this many CPUs: in the fixed order, then in that of each of `count` seeds.
#[track_caller]
pub fn any_order(cpus: usize, count: u64, body: impl Fn(&mut ThreadCx) + Copy + 'static) {
    smp(cpus, body);
    hw::sim::seeds(count, |seed| _ = seeded(cpus, seed, body));
}

/// Starts a thread that may run on these CPUs.
#[track_caller]
pub fn start_on<T: Send + 'static>(
    cx: &mut ThreadCx,
    cpus: &[usize],
    name: &str,
    policy: Policy,
    body: impl FnOnce(&mut ThreadCx) -> T + Send + 'static,
) -> kernel::thread::JoinHandle<T> {
    kernel::thread::Builder::new(name).policy(policy).affinity(these(cpus)).spawn(cx, body).unwrap()
}

/// The set of these CPUs.
pub fn these(cpus: &[usize]) -> logic::cpus::CpuSet {
    cpus.iter().fold(logic::cpus::CpuSet::from_bits(0), |set, &cpu| set.with(cpu))
}

/// Binds the running thread to a CPU.
#[track_caller]
pub fn move_to(cx: &mut ThreadCx, cpu: usize) {
    kernel::sched::set_affinity(cx, kernel::thread::current_id(), these(&[cpu])).unwrap();
}

/// Sleeps until `ns` nanoseconds after the machine's start.
#[track_caller]
pub fn sleep_till(cx: &mut ThreadCx, ns: u64) {
    kernel::time::sleep_until(cx, at(ns)).unwrap();
}
