//! How long does an urgent thread wait for a lock that an ordinary one holds, while a third one has much to do?
//!
//! L, the least urgent, takes a mutex. H, the most urgent, preempts it and wants the mutex too. Then M becomes ready, which has
//! nothing to do with the mutex, and computes for long. Without priority inheritance (`pi=off`) M keeps L from finishing, and so
//! H waits for M: priority inversion. With it L is as urgent as H as long as H waits, and M has to wait its turn (RM-02.5, RM-02.6).
use crate::draw::{GIVES, Picture, TAKES};
use alloc::{sync::Arc, vec, vec::Vec};
use core::{arch::asm, time::Duration};
use kernel::{
    Error, Policy, Result, ThreadCx, bootargs, println, sched,
    sync::Mutex,
    thread::{self, Builder, JoinHandle, ThreadId},
    time::{self, Instant},
    trace::{self, Event},
};

/// FIFO priorities.
const L: i32 = 10;
const M: i32 = 20;
const H: i32 = 30;
/// Who watches, and sleeps meanwhile.
const WATCHER: i32 = 40;

/// When each becomes ready, in microseconds from L's beginning, and how long it works.
const H_BEGINS: u64 = 100;
const M_BEGINS: u64 = 170;
const L_CRITICAL: u64 = 200;
const L_REST: u64 = 60;
const H_BEFORE: u64 = 40;
const H_CRITICAL: u64 = 40;
const H_REST: u64 = 30;
const M_WORK: u64 = 300;

/// Instructions of a microsecond, as the machine counts them: one is a nanosecond.
const US: u64 = 1000;

/// Computes for so many microseconds.
fn work(us: u64) {
    // SAFETY: counts a register down.
    unsafe {
        asm!("2: subs {n}, {n}, #1", "b.ne 2b", n = inout(reg) us * US / 2 => _, options(nostack, nomem));
    }
}

/// The threads, by their parts.
#[derive(Clone, Copy)]
struct Cast {
    l: u64,
    m: u64,
    h: u64,
}

/// What happened, from L's first instruction on.
struct Story {
    ids: [ThreadId; 3],
    cast: Cast,
    events: Vec<Event>,
}

/// What the events show.
struct Shown {
    /// Who ran, in order.
    order: Vec<&'static str>,
    /// How long H waited for the mutex, and how long M ran meanwhile.
    waited: u64,
    computed: u64,
    /// To what L was raised, at most, and what it was at the end.
    raised: Option<u64>,
    last: Option<u64>,
}

/// Runs the lab. Whether what it claims held.
pub fn run(cx: &mut ThreadCx) -> bool {
    let mut buffer = [0; 8];
    let inherits = bootargs::value("pi", &mut buffer) != Some("off");
    match story(cx).and_then(|story| Ok((shown(&story)?, story))) {
        Ok((shown, story)) => {
            draw(cx, &story, &shown, inherits);
            judge(cx, &shown, inherits)
        }
        Err(error) => {
            println!(cx, "priority-inversion: {}", error);
            false
        }
    }
}

fn fifo(priority: i32) -> Result<Policy> {
    Policy::fifo(priority).map_err(|_| Error::Invalid)
}

fn start(
    cx: &mut ThreadCx,
    name: &str,
    priority: i32,
    at: Instant,
    body: impl FnOnce(&mut ThreadCx, u64) + Send + 'static,
) -> Result<JoinHandle<Result<()>>> {
    Builder::new(name).policy(fifo(priority)?).spawn(cx, move |cx| {
        time::sleep_until(cx, at)?;
        let me = u64::from(thread::current_id().0);
        body(cx, me);
        Ok(())
    })
}

/// Lets it happen.
fn story(cx: &mut ThreadCx) -> Result<Story> {
    sched::set(cx, thread::current_id(), fifo(WATCHER)?)?;
    let mutex = Arc::new(Mutex::new(()));
    let began = time::now().saturating_add(Duration::from_millis(1));
    let at = |us| began.saturating_add(Duration::from_micros(us));
    let lock = mutex.clone();
    let mut l = start(cx, "L", L, at(0), move |cx, me| {
        let guard = lock.lock(cx);
        trace::record(trace::MARK, me, TAKES);
        work(L_CRITICAL);
        trace::record(trace::MARK, me, GIVES);
        drop(guard);
        work(L_REST);
    })?;
    let mut h = start(cx, "H", H, at(H_BEGINS), move |cx, me| {
        work(H_BEFORE);
        let guard = mutex.lock(cx);
        work(H_CRITICAL);
        trace::record(trace::MARK, me, GIVES);
        drop(guard);
        work(H_REST);
    })?;
    let mut m = start(cx, "M", M, at(M_BEGINS), |_, _| work(M_WORK))?;
    trace::drain(|_| {});
    let mut events = vec![];
    // L is the last one that ends.
    l.join(cx)??;
    trace::drain(|event| events.push(event));
    m.join(cx)??;
    h.join(cx)??;
    let number = |thread: &JoinHandle<_>| u64::from(thread.id().0);
    let cast = Cast { l: number(&l), m: number(&m), h: number(&h) };
    // What was before L took the mutex does not belong to it.
    let takes = events.iter().position(|e| e.kind == trace::MARK && e.b == TAKES).ok_or(Error::NotFound)?;
    let first = events[..takes].iter().rposition(|e| e.kind == trace::SWITCH && e.b == cast.l);
    let events = events.split_off(first.ok_or(Error::NotFound)?);
    Ok(Story { ids: [h.id(), m.id(), l.id()], cast, events })
}

/// Reads the events.
fn shown(story: &Story) -> Result<Shown> {
    let Cast { l, m, h } = story.cast;
    let (mut order, mut raised, mut last): (Vec<&str>, Option<u64>, Option<u64>) = (vec![], None, None);
    let (mut released, mut blocked, mut got) = (false, None, None);
    let (mut computing, mut computed) = (None, 0);
    for event in &story.events {
        let Event { time, a, b, .. } = *event;
        match event.kind {
            trace::LOCK_RELEASE if a == l => released = true,
            trace::LOCK_BLOCK if a == h => blocked = Some(time),
            trace::LOCK_ACQUIRE if a == h => got = Some(time),
            trace::INHERIT if a == l => {
                raised = raised.max(Some(b & 0xff));
                last = Some(b & 0xff);
            }
            trace::SWITCH => {
                if let Some(since) = computing.take()
                    && blocked.is_some()
                    && got.is_none()
                {
                    computed += time - since;
                }
                computing = (b == m).then_some(time);
                let who = match b {
                    _ if b == l && !released => "L(critical)",
                    _ if b == l => "L(rest)",
                    _ if b == m => "M",
                    _ if b == h => "H",
                    _ => continue,
                };
                if order.last() != Some(&who) {
                    order.push(who);
                }
            }
            _ => {}
        }
    }
    let waited = got.zip(blocked).map(|(got, blocked)| got - blocked).ok_or(Error::NotFound)?;
    Ok(Shown { order, waited, computed, raised, last })
}

fn draw(cx: &mut ThreadCx, story: &Story, shown: &Shown, inherits: bool) {
    let title = if inherits { "With priority inheritance" } else { "Without priority inheritance (pi=off)" };
    let mut picture = Picture::new(cx, title);
    let (waited, computed) = (Us(shown.waited), Us(shown.computed));
    picture.note(format_args!(
        "H waits {} us for the lock; M, which does not use it, runs for {} us of them.",
        waited, computed
    ));
    for (id, (level, name)) in story.ids.into_iter().zip([(H, "H"), (M, "M"), (L, "L")]) {
        picture.lane(id, level as u8, name);
    }
    story.events.iter().for_each(|event| picture.event(event));
    picture.end(story.events.last().map_or(0, |event| event.time));
}

/// Instructions, which are nanoseconds, as microseconds.
struct Us(u64);
impl core::fmt::Display for Us {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}.{:03}", self.0 / US, self.0 % US)
    }
}

/// Whether everything was as claimed; says what was not.
fn judge(cx: &mut ThreadCx, shown: &Shown, inherits: bool) -> bool {
    // L has taken the mutex when H comes, and is preempted in both.
    let begins = ["L(critical)", "H", "L(critical)"];
    let ends: &[&str] = if inherits { &["H", "M", "L(rest)"] } else { &["M", "L(critical)", "H", "L(rest)"] };
    let expected: Vec<&str> = begins.iter().chain(ends).copied().collect();
    let (most, least) = ((L_CRITICAL) * US, M_WORK * US);
    let claims = [
        (shown.order == expected, "the order"),
        (if inherits { shown.computed == 0 } else { shown.computed >= least }, "how long M runs while H waits"),
        (if inherits { shown.waited < most } else { shown.waited > least }, "how long H waits"),
        (shown.raised == inherits.then_some(H as u64), "what L inherits"),
        (shown.last == inherits.then_some(L as u64), "what L has at the end"),
    ];
    print_order(cx, "order", &shown.order);
    let mut right = true;
    for (_, what) in claims.iter().filter(|(holds, _)| !holds) {
        println!(cx, "NOT as claimed: {}", what);
        right = false;
    }
    if !right {
        print_order(cx, "expected", &expected);
    } else if inherits {
        println!(cx, "As claimed: L keeps the CPU until it gives the lock back, and M waits until H is done.");
    } else {
        println!(cx, "As claimed: M runs before L can give the lock back, and the most urgent thread waits for it.");
    }
    println!(cx);
    right
}

fn print_order(cx: &mut ThreadCx, what: &str, order: &[&str]) {
    println!(cx, "{}: {}", what, order.join(", "));
}
