//@ pass
//! RC-06.5: what is queued is not queued again before it has run.
use kernel::{
    ThreadCx,
    rcu::{Call, Then},
};

fn twice(cx: &mut ThreadCx) {
    let (first, second) = (Call::new(cx, |_| Then::Done), Call::new(cx, |_| Then::Done));
    first.queue(cx);
    second.queue(cx);
}

fn main() {}
