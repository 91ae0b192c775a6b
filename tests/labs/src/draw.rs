//! How does a lab say what is to be drawn? Lines that the host's tool takes out of the text (`tools/src/draw/protocol.rs`).
use alloc::vec::Vec;
use kernel::{
    ThreadCx, println,
    thread::ThreadId,
    trace::{self, Event},
};

/// A mark's number that says: the thread has taken a lock that nobody else wanted, for which there is no event.
pub const TAKES: u64 = 1;
/// It is about to give a lock back.
pub const GIVES: u64 = 2;

/// A timeline of some threads.
pub struct Picture<'c> {
    cx: &'c mut ThreadCx,
    threads: Vec<u64>,
}

impl<'c> Picture<'c> {
    /// Begins one.
    pub fn new(cx: &'c mut ThreadCx, title: &str) -> Self {
        println!(cx, "draw panel {}", title);
        Self { cx, threads: Vec::new() }
    }
    /// A line below the title.
    pub fn note(&mut self, text: core::fmt::Arguments<'_>) {
        println!(self.cx, "draw note {}", text);
    }
    /// Gives a thread a lane, below those before. It sleeps and owns nothing.
    pub fn lane(&mut self, id: ThreadId, level: u8, name: &str) {
        println!(self.cx, "draw lane {} {} {}", id.0, level, name);
        self.threads.push(u64::from(id.0));
    }
    /// A thread owns a lock at the beginning.
    pub fn owns(&mut self, at: u64, id: ThreadId) {
        println!(self.cx, "draw at {} takes {}", at, id.0);
    }
    /// A thread runs at the beginning.
    pub fn runs(&mut self, at: u64, id: ThreadId) {
        println!(self.cx, "draw at {} switch {} {}", at, ThreadId::IDLE.0, id.0);
    }
    /// A thread is ready at the beginning.
    pub fn ready(&mut self, at: u64, id: ThreadId) {
        println!(self.cx, "draw at {} wake {}", at, id.0);
    }
    /// A thread waits for a lock at the beginning.
    pub fn waits(&mut self, at: u64, id: ThreadId) {
        println!(self.cx, "draw at {} blocks {}", at, id.0);
    }
    /// Something that the event log has recorded, if it is about one of the threads.
    pub fn event(&mut self, event: &Event) {
        let Event { time, a, b, .. } = *event;
        let known = |id: u64| self.threads.contains(&id);
        if !(known(a) || event.kind == trace::SWITCH && known(b)) {
            return;
        }
        match event.kind {
            trace::SWITCH => println!(self.cx, "draw at {} switch {} {}", time, a, b),
            trace::WAKE => println!(self.cx, "draw at {} wake {}", time, a),
            trace::INHERIT => println!(self.cx, "draw at {} level {} {}", time, a, b & 0xff),
            trace::LOCK_BLOCK => println!(self.cx, "draw at {} blocks {}", time, a),
            trace::LOCK_ACQUIRE => println!(self.cx, "draw at {} takes {}", time, a),
            trace::MARK if b == TAKES => println!(self.cx, "draw at {} takes {}", time, a),
            trace::MARK if b == GIVES => println!(self.cx, "draw at {} gives {}", time, a),
            _ => {}
        }
    }
    /// Something worth a mark in a thread's lane.
    pub fn says(&mut self, at: u64, id: ThreadId, text: &str) {
        println!(self.cx, "draw at {} says {} {}", at, id.0, text);
    }
    /// The timeline is complete.
    pub fn end(self, at: u64) {
        println!(self.cx, "draw end {}", at);
    }
}
