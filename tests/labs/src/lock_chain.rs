//! How does a priority get from the last thread of a chain of locks to the first, and what does each lock on the way cost?
//!
//! Each owner holds a mutex and waits for the one before; the first is ready, but less urgent than whoever else is. When an
//! urgent thread wants the last mutex, its priority goes from owner to owner until the first one runs (RM-04).
//!
//! In the image with feature `latency`, [`sections`] tells the longest section with interrupts masked of the same chains.
use crate::draw::Picture;
use alloc::{format, sync::Arc, vec, vec::Vec};
use core::time::Duration;
use kernel::{
    Error, Policy, Result, ThreadCx, println, sched,
    sync::{Mutex, Semaphore},
    thread::{self, Builder, JoinHandle, ThreadId},
    time,
    trace::{self, Event},
};

#[cfg(feature = "latency")]
pub mod sections;

/// Locks of the chains.
const DEPTHS: [usize; 3] = [1, 8, 64];
/// Who wants the last lock.
const URGENT: i32 = 40;
/// The first owner, and the others, which have to get to their places past it.
const FIRST: i32 = 6;
const OWNER: i32 = 7;
/// How long the urgent thread waits before it gives up.
const PATIENCE: Duration = Duration::from_micros(300);
/// Times that it tries. The first ones are not typical: nothing is in its place yet.
const TRIES: usize = 8;

/// What the threads of a chain share.
struct Links {
    mutexes: Vec<Mutex<()>>,
    ready: Semaphore,
    /// Makes the first owner ready.
    go: Semaphore,
}

/// A chain, ready to be joined at its end.
struct Chain {
    links: Arc<Links>,
    /// The first owner first.
    owners: Vec<JoinHandle<Result<()>>>,
}

/// What was seen of a chain.
struct Seen {
    depth: usize,
    /// The owners, the first one first.
    ids: Vec<ThreadId>,
    /// From the urgent thread's call until the first owner runs.
    events: Vec<Event>,
    /// What recording one of them costs.
    record: u64,
}

/// Runs the lab. Whether what it claims held.
pub fn run(cx: &mut ThreadCx) -> bool {
    match measure(cx) {
        Ok(right) => right,
        Err(error) => {
            println!(cx, "lock-chain: {}", error);
            false
        }
    }
}

fn fifo(priority: i32) -> Result<Policy> {
    Policy::fifo(priority).map_err(|_| Error::Invalid)
}

impl Chain {
    /// So many locks and their owners, all but the first one asleep.
    fn new(cx: &mut ThreadCx, depth: usize) -> Result<Self> {
        let links = Arc::new(Links {
            mutexes: (0..depth).map(|_| Mutex::new(())).collect(),
            ready: Semaphore::new(0),
            go: Semaphore::new(0),
        });
        let mut owners = Vec::with_capacity(depth);
        for n in 0..depth {
            let mine = links.clone();
            let policy = fifo(if n == 0 { FIRST } else { OWNER })?;
            owners.push(Builder::new(&format!("owner {}", n + 1)).policy(policy).spawn(cx, move |cx| {
                let _own = mine.mutexes[n].lock(cx);
                mine.ready.up(cx)?;
                match n.checked_sub(1) {
                    Some(before) => drop(mine.mutexes[before].lock(cx)),
                    None => {
                        for _ in 0..=TRIES {
                            mine.go.down(cx);
                        }
                    }
                }
                Ok(())
            })?);
            links.ready.down(cx);
            // It is not asleep yet: it goes on when this thread sleeps.
            time::sleep(cx, Duration::from_micros(50))?;
        }
        Ok(Self { links, owners })
    }
    /// The running thread lends its priority to the chain for a while.
    fn join(&self, cx: &mut ThreadCx) -> Result<()> {
        self.links.go.up(cx)?;
        let deadline = time::now().saturating_add(PATIENCE);
        let last = self.links.mutexes.last().ok_or(Error::Invalid)?;
        match last.lock_until(cx, deadline) {
            Err(Error::TimedOut) => Ok(()),
            // The first owner holds its lock until it was told for the last time.
            other => other.and(Err(Error::Busy)),
        }
    }
    fn end(mut self, cx: &mut ThreadCx) -> Result<()> {
        self.links.go.up(cx)?;
        self.owners.iter_mut().try_for_each(|owner| owner.join(cx)?)
    }
}

/// Joins a chain again and again; what happened the last time.
fn look(cx: &mut ThreadCx, depth: usize) -> Result<Seen> {
    let chain = Chain::new(cx, depth)?;
    let mut events = Vec::with_capacity(512);
    for _ in 0..TRIES {
        events.clear();
        time::sleep(cx, PATIENCE)?;
        trace::drain(|_| {});
        trace::record(trace::MARK, 0, 0);
        trace::record(trace::MARK, 0, 0);
        chain.join(cx)?;
        trace::drain(|event| events.push(event));
    }
    let ids: Vec<ThreadId> = chain.owners.iter().map(JoinHandle::id).collect();
    chain.end(cx)?;
    let first = u64::from(ids.first().ok_or(Error::Invalid)?.0);
    let ran = events.iter().position(|e| e.kind == trace::SWITCH && e.b == first).ok_or(Error::NotFound)?;
    events.truncate(ran + 1);
    let record = events.get(1).ok_or(Error::NotFound)?.time - events[0].time;
    Ok(Seen { depth, ids, events, record })
}

impl Seen {
    /// When the urgent thread lined up, and when the first owner ran.
    fn ends(&self) -> (u64, u64) {
        let lined_up = self.events.iter().find(|e| e.kind == trace::LOCK_BLOCK).map_or(0, |e| e.time);
        (lined_up, self.events.last().map_or(lined_up, |e| e.time))
    }
    /// Instructions between, without those of the records.
    fn cost(&self) -> u64 {
        let (from, to) = self.ends();
        let records = self.events.iter().filter(|e| e.time > from).count() as u64;
        (to - from).saturating_sub(records * self.record)
    }
    /// Who inherits the urgent thread's priority, in order, counted from 1.
    fn heirs(&self) -> Vec<usize> {
        let urgent = |event: &&Event| event.kind == trace::INHERIT && event.b & 0xff == URGENT as u64;
        let number = |event: &Event| self.ids.iter().position(|id| u64::from(id.0) == event.a);
        self.events.iter().filter(urgent).filter_map(number).map(|n| n + 1).collect()
    }
    fn draw(&self, cx: &mut ThreadCx) {
        let title = format!("A chain of {} locks", self.depth);
        let (me, (from, to)) = (thread::current_id(), self.ends());
        let mut picture = Picture::new(cx, &title);
        picture.note(format_args!(
            "An urgent thread wants the last lock; its priority arrives at the first owner, which runs."
        ));
        picture.lane(me, URGENT as u8, "urgent");
        for (n, &id) in self.ids.iter().enumerate().rev() {
            picture.lane(id, if n == 0 { FIRST } else { OWNER } as u8, &format!("owner {}", n + 1));
        }
        picture.runs(from, me);
        for (n, &id) in self.ids.iter().enumerate().rev() {
            picture.owns(from, id);
            if n == 0 { picture.ready(from, id) } else { picture.waits(from, id) }
        }
        self.events.iter().filter(|event| event.time >= from).for_each(|event| picture.event(event));
        picture.end(to + (to - from) / 20);
    }
}

/// Cost by depth, from the event log.
fn measure(cx: &mut ThreadCx) -> Result<bool> {
    sched::set(cx, thread::current_id(), fifo(URGENT)?)?;
    let mut seen = vec![];
    for depth in DEPTHS {
        seen.push(look(cx, depth)?);
    }
    for of in seen.iter().filter(|of| of.depth > 1) {
        of.draw(cx);
    }
    println!(
        cx,
        "Instructions from the moment at which the urgent thread lines up until the first owner runs. Recording an"
    );
    println!(cx, "event costs {}, which is taken off.", seen.first().map_or(0, |of| of.record));
    println!(cx);
    println!(cx, "  locks  instructions  each lock more");
    let mut each = vec![];
    let mut before: Option<(usize, u64)> = None;
    for of in &seen {
        let cost = of.cost();
        match before {
            Some((depth, less)) => {
                let more = cost.saturating_sub(less) / (of.depth - depth) as u64;
                println!(cx, "  {:>5} {:>13} {:>15}", of.depth, cost, more);
                each.push(more);
            }
            None => println!(cx, "  {:>5} {:>13}", of.depth, cost),
        }
        before = Some((of.depth, cost));
    }
    println!(cx);
    let mut right = true;
    for of in &seen {
        let expected: Vec<usize> = (1..=of.depth).rev().collect();
        if of.heirs() != expected {
            println!(cx, "NOT as claimed: of {} locks the priority went to owners {:?}", of.depth, of.heirs());
            right = false;
        }
    }
    if right {
        println!(cx, "As claimed: the priority goes from the last owner to the first, to each of them once.");
    }
    let (least, most) = (each.iter().min().copied().unwrap_or(0), each.iter().max().copied().unwrap_or(0));
    // A tenth, as a walk begins and ends with more than hops.
    if least > 0 && most - least <= least / 10 {
        println!(cx, "As claimed: each lock costs the same, however many there are.");
    } else {
        println!(cx, "NOT as claimed: a lock more costs {} to {} instructions", least, most);
        right = false;
    }
    println!(cx);
    Ok(right)
}
