//! What can be chosen at boot? (RC-08.5, RC-10.7, RC-12.3, RC-13)
//!
//! | argument | default | |
//! |---|---|---|
//! | `rcu_kthread_prio=N` | 1 | FIFO priority of `rcu_gp`, `rcu_boost` and `rcuc/N`, 1 to 99: what a reader is lent |
//! | `rcu_boost=on\|off` | on | whether readers that keep a grace period waiting are lent priority |
//! | `rcu_boost_delay_ms=N` | 500 | for how long they may, 0 to 3000 |
//! | `rcu_stall_timeout=N` | 21 | seconds after which a grace period that goes on is reported, 3 to 300 |
//! | `rcu_stall_suppress` | | it is not |
//! | `rcu_nocbs=LIST` | none | CPUs whose callbacks are run elsewhere |
//! | `rcu_normal` | | nothing is hurried |
//! | `rcu_expedited` | | everything is |
//!
//! The names are Linux's (`Documentation/admin-guide/kernel-parameters.txt`, `rcupdate.`, `rcutree.`).
use crate::{report, sched};
use core::time::Duration;
use hw::atomic::{AtomicU32, Ordering::Relaxed};
use logic::{bootargs::Value, cpus::CpuSet, policy::Policy};

/// One number each, set before the threads exist and then only read.
struct Options {
    prio: AtomicU32,
    boost: AtomicU32,
    delay_ms: AtomicU32,
    stall_s: AtomicU32,
    suppress: AtomicU32,
    nocbs: AtomicU32,
    normal: AtomicU32,
    expedited: AtomicU32,
}
hw::global! {
    static OPTIONS: Options = Options {
        prio: AtomicU32::new(1),
        boost: AtomicU32::new(1),
        delay_ms: AtomicU32::new(500),
        stall_s: AtomicU32::new(21),
        suppress: AtomicU32::new(0),
        nocbs: AtomicU32::new(0),
        normal: AtomicU32::new(0),
        expedited: AtomicU32::new(0),
    };
}

/// An argument whose name begins with `rcu_`; `None`: there is none of that name. False: its value is not understood.
pub(crate) fn set(key: &str, value: Option<Value<'_>>) -> Option<bool> {
    let options: &Options = &OPTIONS;
    let (place, low, high) = match key {
        "rcu_kthread_prio" => (&options.prio, 1, 99),
        "rcu_boost_delay_ms" => (&options.delay_ms, 0, 3000),
        "rcu_stall_timeout" => (&options.stall_s, 3, 300),
        "rcu_boost" => {
            let on = value.is_some_and(|v| v.is("on"));
            let known = on || value.is_some_and(|v| v.is("off"));
            if known {
                options.boost.store(u32::from(on), Relaxed);
            }
            return Some(known);
        }
        "rcu_nocbs" => return Some(set_offloaded(value)),
        "rcu_stall_suppress" | "rcu_normal" | "rcu_expedited" if value.is_some() => return Some(false),
        "rcu_stall_suppress" => (&options.suppress, 1, 1),
        "rcu_normal" => (&options.normal, 1, 1),
        "rcu_expedited" => (&options.expedited, 1, 1),
        _ => return None,
    };
    if low == high {
        place.store(low, Relaxed);
        return Some(true);
    }
    let mut buffer = [0; 10];
    let Some(number) = value.and_then(|v| v.unescape(&mut buffer).ok()?.parse::<u32>().ok()) else {
        return Some(false);
    };
    let clamped = number.clamp(low, high);
    if clamped != number {
        report::warn!("{}={} is out of range, taken as {}", key, number, clamped);
    }
    place.store(clamped, Relaxed);
    Some(true)
}

fn set_offloaded(value: Option<Value<'_>>) -> bool {
    let mut buffer = [0; 64];
    let list = value.and_then(|v| CpuSet::parse_list(v.unescape(&mut buffer).ok()?).ok());
    OPTIONS.nocbs.store(list.map_or(0, CpuSet::bits), Relaxed);
    list.is_some()
}

/// Policy of the threads that make grace periods.
pub(super) fn kthread_policy() -> Policy {
    Policy::fifo(OPTIONS.prio.load(Relaxed) as i32).unwrap_or(sched::NORMAL)
}
/// After what time readers are lent priority; `None`: never.
pub(super) fn boost_delay() -> Option<Duration> {
    (OPTIONS.boost.load(Relaxed) != 0).then(|| Duration::from_millis(OPTIONS.delay_ms.load(Relaxed).into()))
}
/// After what time a grace period that goes on is reported; `None`: never.
pub(super) fn stall_timeout() -> Option<Duration> {
    (OPTIONS.suppress.load(Relaxed) == 0).then(|| Duration::from_secs(OPTIONS.stall_s.load(Relaxed).into()))
}
/// CPUs whose callbacks are run elsewhere.
pub(super) fn offloaded() -> CpuSet {
    CpuSet::from_bits(OPTIONS.nocbs.load(Relaxed))
}
/// Whether a grace period is hurried that somebody wants in a hurry, or not.
pub(super) fn is_hurried(asked: bool) -> bool {
    OPTIONS.normal.load(Relaxed) == 0 && (asked || OPTIONS.expedited.load(Relaxed) != 0)
}
