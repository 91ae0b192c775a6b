//! What did the kernel of a failed run do last? The end of its event log, readable.
use crate::{
    thread::{self, Name, ThreadId},
    trace::{self, Event},
};
use std::{collections::VecDeque, fmt::Write};

/// Events told.
const TOLD: usize = 30;

/// For `hw::sim::on_failure`: the machine has stopped.
pub(super) fn tell() -> String {
    let mut last = VecDeque::with_capacity(TOLD);
    trace::drain(|event| {
        if last.len() == TOLD {
            last.pop_front();
        }
        last.push_back(event);
    });
    let mut text = format!("the kernel's last {} events:\n{:>8} {:>12}  CPU  event\n", last.len(), "number", "ns");
    for event in &last {
        let Event { seq, cpu, time, kind, .. } = *event;
        let _ = writeln!(text, "{seq:>8} {time:>12}  {cpu:>3}  {:<16}{}", trace::name(kind), details(event));
    }
    text
}

fn details(event: &Event) -> String {
    match event.kind {
        trace::SWITCH => format!("{} -> {}", thread_name(event.a, event.cpu), thread_name(event.b, event.cpu)),
        trace::WAKE => thread_name(event.a, event.cpu).to_string(),
        trace::VECTOR | trace::IDLE | trace::BUG | trace::LOCK_WAIT => String::new(),
        trace::TIMER => format!("expiry {} ns", event.a),
        _ => event.a.to_string(),
    }
}

/// `cpu`: whose idle thread it is, if it is one.
fn thread_name(id: u64, cpu: usize) -> Name {
    let mut name = Name::new();
    let id = ThreadId(id as u32);
    if id == ThreadId::IDLE {
        let _ = write!(name, "idle/{cpu}");
        return name;
    }
    // SAFETY: asked of a machine that has stopped.
    unsafe { thread::table::name_of(id) }.unwrap_or_else(|| {
        let _ = write!(name, "thread {id}, gone");
        name
    })
}
