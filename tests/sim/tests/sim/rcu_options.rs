//! What of RCU's boot arguments makes no sense, and what holds then? (RC-08, RC-10.7, RC-12.3, RC-13)
use crate::{
    harness::{fair, fifo, warnings},
    rcu_kit::{boot, named},
};

/// Each value that makes no sense is one warning, and everything is as without it.
#[test]
fn values_that_make_no_sense() {
    let cases = [
        ("rcu_kthread_prio", ""),
        ("rcu_kthread_prio=", ""),
        ("rcu_kthread_prio=high", "high"),
        ("rcu_kthread_prio=-1", "-1"),
        ("rcu_kthread_prio=4294967296", "4294967296"),
        ("rcu_boost", ""),
        ("rcu_boost=maybe", "maybe"),
        ("rcu_boost_delay_ms=1s", "1s"),
        ("rcu_stall_timeout=", ""),
        ("rcu_stall_suppress=1", "1"),
        ("rcu_nocbs=x", "x"),
        ("rcu_normal=1", "1"),
        ("rcu_expedited=on", "on"),
    ];
    for (argument, value) in cases {
        let outcome = boot(1, argument, |cx| {
            assert_eq!(["rcu_gp", "rcu_boost", "rcuc/0"].map(|name| named(cx, name).1), [fifo(1); 3]);
        });
        let name = argument.split('=').next().expect("a name");
        let text = format!("boot argument {name}={value} is not understood, ignored");
        let told = warnings(&outcome);
        assert!(told.len() == 1 && told[0].contains(&text), "{argument}: {told:?}");
    }
}

/// One that there is not is told, and so is a CPU that does not run.
#[test]
fn names_that_there_are_not() {
    let outcome = boot(2, "rcu_speed=1 rcu_nocbs=1-2,5", |cx| assert_eq!(named(cx, "rcuop/1").1, fair()));
    let told = warnings(&outcome);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("unknown boot argument rcu_speed, ignored"), "{told:?}");
    assert!(told[1].contains("rcu_nocbs names CPUs that do not run: 2,5"), "{told:?}");
}
