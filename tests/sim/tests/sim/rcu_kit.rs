//! What do tests of RCU's threads need: a machine, readers, hogs, and threads by name?
use crate::harness::{become_policy, fifo, forged, move_to, ms, run_with, start_on, these};
use hw::sim::{self, Config, Outcome};
use kernel::{
    Policy, ThreadCx, rcu, sched,
    sync::Semaphore,
    thread::{self, JoinHandle, ThreadId},
    time,
};

/// Boots, and goes on at FIFO 99 on CPU 0, so that whoever else runs, `body` sees it; who makes grace periods is on CPU 0, too.
#[track_caller]
pub fn boot(cpus: usize, bootargs: &str, body: impl FnOnce(&mut ThreadCx) + 'static) -> Outcome {
    run_with(Config { cpus, frequency: 1_000_000_000, ..Config::default() }, bootargs, |cx| {
        become_policy(cx, fifo(99));
        move_to(cx, 0);
        bind(cx, "rcu_gp", 0);
        bind(cx, "rcu_boost", 0);
        body(cx);
    })
}

fn bind(cx: &mut ThreadCx, name: &str, cpu: usize) {
    let (id, _) = named(cx, name);
    sched::set_affinity(cx, id, these(&[cpu])).unwrap();
}
/// Who makes grace periods stays on this CPU.
pub fn bind_gp(cx: &mut ThreadCx, cpu: usize) {
    bind(cx, "rcu_gp", cpu);
}

/// The thread of this name, and its policy.
pub fn named(cx: &mut ThreadCx, name: &str) -> (ThreadId, Policy) {
    let mut found = None;
    thread::for_each(cx, |_, info| {
        if info.name.as_str() == name {
            found = Some((info.id, info.policy));
        }
    });
    found.expect("a live thread")
}

/// Starts a thread that is busy for so long, and lets it run for a millisecond.
pub fn hog(cx: &mut ThreadCx, cpu: usize, priority: i32, ns: u64) -> JoinHandle<()> {
    let thread = start_on(cx, &[cpu], "hog", fifo(priority), move |_| sim::spend(ns));
    time::sleep(cx, ms(1)).unwrap();
    thread
}
/// Starts a thread that is busy in a section for so long, and lets it run for a millisecond.
pub fn reader(cx: &mut ThreadCx, cpu: usize, policy: Policy, ns: u64) -> JoinHandle<()> {
    let thread = start_on(cx, &[cpu], "reader", policy, move |cx| {
        let _guard = rcu::read(cx);
        sim::spend(ns);
    });
    time::sleep(cx, ms(1)).unwrap();
    thread
}
/// The running thread, which reads, loses its CPU for a moment, so that a list knows of it.
pub fn be_listed() {
    forged(thread::yield_now);
}

pub fn joined(cx: &mut ThreadCx, threads: impl IntoIterator<Item = JoinHandle<()>>) {
    threads.into_iter().for_each(|mut thread| thread.join(cx).unwrap());
}
/// Lets threads go that wait for this, and joins them.
pub fn let_go(cx: &mut ThreadCx, end: &Semaphore, threads: impl IntoIterator<Item = JoinHandle<()>>) {
    let threads: Vec<_> = threads.into_iter().inspect(|_| end.up(cx).unwrap()).collect();
    joined(cx, threads);
}
