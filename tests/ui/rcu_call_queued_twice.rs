//@ error: E0382
//! RC-06.5: what is queued is not queued again before it has run.
use kernel::{
    ThreadCx,
    rcu::{Call, Then},
};

fn twice(cx: &mut ThreadCx) {
    let call = Call::new(cx, |_| Then::Done);
    call.queue(cx);
    call.queue(cx);
}

fn main() {}
