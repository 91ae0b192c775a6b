//! What does a reader that lost its CPU cost whoever waits for a grace period, and what does lending it priority buy?
//!
//! R, an ordinary thread, reads. A hog preempts it inside its section and computes for a tenth of a second. U wants to free what R
//! reads and waits for a grace period: for R, that is, and so for the hog. Without boosting (`rcu_boost=off`) until the hog is done;
//! with it for as long as `rcu_boost_delay_ms` says, because then R is lent priority and goes before the hog (RC-10.1, RC-10.5).
use crate::draw::{GIVES, Picture, TAKES};
use alloc::{vec, vec::Vec};
use core::{arch::asm, time::Duration};
use kernel::{
    Error, Policy, Result, ThreadCx, bootargs, println, rcu, sched,
    thread::{self, Builder, JoinHandle, ThreadId},
    time::{self, Instant},
    trace::{self, Event},
};

/// FIFO priorities; R has none.
const HOG: i32 = 10;
const U: i32 = 30;
/// Who watches, and sleeps meanwhile.
const WATCHER: i32 = 40;

/// When each begins, in microseconds from R's beginning, and how long it works.
const HOG_BEGINS: u64 = 1_000;
const U_BEGINS: u64 = 1_500;
const R_SECTION: u64 = 2_000;
const R_REST: u64 = 500;
const HOG_WORK: u64 = 100_000;
const U_AFTERWARDS: u64 = 500;

/// Instructions of a microsecond, as the machine counts them: one is a nanosecond.
const US: u64 = 1000;
const MS: u64 = 1000 * US;

/// Computes for so many microseconds.
fn work(us: u64) {
    // SAFETY: counts a register down.
    unsafe {
        asm!("2: subs {n}, {n}, #1", "b.ne 2b", n = inout(reg) us * US / 2 => _, options(nostack, nomem));
    }
}

/// What the machine was booted with.
struct Setting {
    boosts: bool,
    delay: u64,
    lent: u64,
}

/// What happened, from R's first instruction on.
struct Story {
    r: ThreadId,
    hog: ThreadId,
    u: ThreadId,
    makers: Vec<(ThreadId, &'static str)>,
    /// How long U has waited.
    waited: u64,
    events: Vec<Event>,
}

/// Runs the lab. Whether what it claims held.
pub fn run(cx: &mut ThreadCx) -> bool {
    let number = |key| bootargs::text(key).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    let setting = Setting {
        boosts: bootargs::text("rcu_boost").as_deref() != Some("off"),
        delay: number("rcu_boost_delay_ms") * MS,
        lent: number("rcu_kthread_prio"),
    };
    match story(cx) {
        Ok(story) => {
            draw(cx, &story, &setting);
            judge(cx, &story, &setting)
        }
        Err(error) => {
            println!(cx, "rcu-preempted: {}", error);
            false
        }
    }
}

fn start<T: Send + 'static>(
    cx: &mut ThreadCx,
    name: &str,
    policy: Policy,
    at: Instant,
    body: impl FnOnce(&mut ThreadCx, u64) -> T + Send + 'static,
) -> Result<JoinHandle<Result<T>>> {
    Builder::new(name).policy(policy).spawn(cx, move |cx| {
        time::sleep_until(cx, at)?;
        let me = u64::from(thread::current_id().0);
        Ok(body(cx, me))
    })
}

/// Lets it happen.
fn story(cx: &mut ThreadCx) -> Result<Story> {
    let fifo = |priority| Policy::fifo(priority).map_err(|_| Error::Invalid);
    sched::set(cx, thread::current_id(), fifo(WATCHER)?)?;
    let mut makers = vec![];
    thread::for_each(cx, |_, info| {
        for name in ["rcu_gp", "rcu_boost"] {
            if info.name == name {
                makers.push((info.id, name));
            }
        }
    });
    let began = time::now().saturating_add(Duration::from_millis(1));
    let at = |us| began.saturating_add(Duration::from_micros(us));
    let fair = Policy::other(0).map_err(|_| Error::Invalid)?;
    let mut r = start(cx, "R", fair, at(0), |cx, me| {
        let reader = rcu::read(cx);
        trace::record(trace::MARK, me, TAKES);
        work(R_SECTION);
        trace::record(trace::MARK, me, GIVES);
        drop(reader);
        work(R_REST);
    })?;
    let mut hog = start(cx, "hog", fifo(HOG)?, at(HOG_BEGINS), |_, _| work(HOG_WORK))?;
    let mut u = start(cx, "U", fifo(U)?, at(U_BEGINS), |cx, _| {
        let before = time::now();
        rcu::synchronize(cx)?;
        let waited = time::now().as_ns() - before.as_ns();
        work(U_AFTERWARDS);
        Ok::<u64, Error>(waited)
    })?;
    trace::drain(|_| {});
    let mut events = vec![];
    // R is the last one that ends.
    r.join(cx)??;
    trace::drain(|event| events.push(event));
    hog.join(cx)??;
    let waited = u.join(cx)???;
    let me = u64::from(r.id().0);
    // What was before R's section does not belong to it.
    let reads = events.iter().position(|e| e.kind == trace::MARK && e.b == TAKES).ok_or(Error::NotFound)?;
    let first = events[..reads].iter().rposition(|e| e.kind == trace::SWITCH && e.b == me);
    let events = events.split_off(first.ok_or(Error::NotFound)?);
    Ok(Story { r: r.id(), hog: hog.id(), u: u.id(), makers, waited, events })
}

fn draw(cx: &mut ThreadCx, story: &Story, setting: &Setting) {
    let title = if setting.boosts { "With boosting" } else { "Without boosting (rcu_boost=off)" };
    let mut picture = Picture::new(cx, title);
    picture.note(format_args!("U waits {} ms for the grace period; R reads for 2 ms.", Ms(story.waited)));
    picture.lane(story.u, U as u8, "U");
    for &(id, name) in &story.makers {
        picture.lane(id, setting.lent as u8, name);
    }
    picture.lane(story.hog, HOG as u8, "hog");
    picture.lane(story.r, 0, "R");
    let maker = story.makers.iter().find(|(_, name)| *name == "rcu_gp").map(|(id, _)| *id);
    // Later ones are about threads that have ended.
    let mut waited_for = true;
    for event in &story.events {
        match (event.kind, maker) {
            (trace::RCU_BEGIN, Some(maker)) if waited_for => picture.says(event.time, maker, "grace period begins"),
            (trace::RCU_END, Some(maker)) if waited_for => {
                picture.says(event.time, maker, "grace period ends");
                waited_for = false;
            }
            _ => picture.event(event),
        }
    }
    picture.end(story.events.last().map_or(0, |event| event.time));
}

/// Nanoseconds as milliseconds.
struct Ms(u64);
impl core::fmt::Display for Ms {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}.{:03}", self.0 / MS, self.0 % MS / US)
    }
}

/// Who ran, in order, of the three.
fn order(story: &Story) -> Vec<&'static str> {
    let mut reads = true;
    let mut order: Vec<&str> = vec![];
    for event in &story.events {
        if event.kind == trace::MARK && event.b == GIVES {
            reads = false;
        }
        if event.kind == trace::SWITCH {
            let who = match ThreadId(event.b as u32) {
                id if id == story.r && reads => "R(reading)",
                id if id == story.r => "R(rest)",
                id if id == story.hog => "hog",
                id if id == story.u => "U",
                _ => continue,
            };
            if order.last() != Some(&who) {
                order.push(who);
            }
        }
    }
    order
}

/// Whether everything was as claimed; says what was not.
fn judge(cx: &mut ThreadCx, story: &Story, setting: &Setting) -> bool {
    let expected: &[&str] = if setting.boosts {
        &["R(reading)", "hog", "U", "hog", "R(reading)", "U", "hog", "R(rest)"]
    } else {
        &["R(reading)", "hog", "U", "hog", "R(reading)", "U", "R(rest)"]
    };
    let order = order(story);
    let levels: Vec<u64> = story
        .events
        .iter()
        .filter(|e| e.kind == trace::INHERIT && e.a == u64::from(story.r.0))
        .map(|e| e.b & 0xff)
        .collect();
    let shortly = R_SECTION * US + MS;
    let hog_is_done = (HOG_WORK + HOG_BEGINS - U_BEGINS) * US;
    let (least, most, lent): (u64, u64, &[u64]) = match setting.boosts {
        true => (setting.delay, setting.delay + shortly, &[setting.lent, 0]),
        false => (hog_is_done, hog_is_done + shortly, &[]),
    };
    let claims = [
        (order == expected, "the order"),
        ((least..most).contains(&story.waited), "how long U waits"),
        (levels == lent, "what R is lent, and that it is taken back"),
    ];
    print_order(cx, "order", &order);
    println!(cx, "U waited {} ms for the grace period", Ms(story.waited));
    let mut right = true;
    for (_, what) in claims.iter().filter(|(holds, _)| !holds) {
        println!(cx, "NOT as claimed: {}", what);
        right = false;
    }
    if !right {
        print_order(cx, "expected", expected);
    } else if setting.boosts {
        println!(
            cx,
            "As claimed: R is lent priority {}, ends its section before the hog goes on, and is as it was.",
            setting.lent
        );
    } else {
        println!(cx, "As claimed: R gets the CPU when the hog is done, and only then the grace period ends.");
    }
    println!(cx);
    right
}

fn print_order(cx: &mut ThreadCx, what: &str, order: &[&str]) {
    println!(cx, "{}: {}", what, order.join(", "));
}
