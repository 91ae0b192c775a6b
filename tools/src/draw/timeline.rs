//! What did each thread do when? Events in, lanes with spans of time out.
//!
//! An event log does not say whether a thread that leaves the CPU is preempted or goes to sleep. What comes next does: a thread
//! that is woken had slept, one that runs again without that was ready all along.

use super::protocol::{Thread, What};

/// What a thread does that does not sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It has the CPU.
    Runs,
    /// Another one has it.
    Ready,
    /// It waits for a lock.
    Waits,
}

/// A piece of a lane; times are nanoseconds from the timeline's beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// When it begins.
    pub from: u64,
    /// When it ends; later than `from`.
    pub to: u64,
    /// What the thread does.
    pub state: State,
    /// It is more urgent than by itself.
    pub boosted: bool,
    /// It owns a lock.
    pub holds: bool,
}

/// Something that happened to a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub at: u64,
    /// Which lane, from the top.
    pub lane: usize,
    /// What.
    pub text: String,
}

/// One thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// What it is called.
    pub name: String,
    /// How urgent it is by itself.
    pub level: u8,
    /// What it did, in order; gaps are sleep.
    pub spans: Vec<Span>,
}

/// A complete timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panel {
    /// What it shows.
    pub title: String,
    /// Lines below the title.
    pub notes: Vec<String>,
    /// From top to bottom.
    pub lanes: Vec<Lane>,
    /// What happened, in order.
    pub marks: Vec<Mark>,
    /// How long it is in nanoseconds.
    pub length: u64,
}

/// A timeline that grows.
#[derive(Debug)]
pub struct Builder {
    panel: Panel,
    threads: Vec<Tracked>,
    began: Option<u64>,
    now: u64,
}

/// What is known of a thread so far.
#[derive(Debug)]
struct Tracked {
    id: Thread,
    level: u8,
    /// Locks that it owns.
    holds: u32,
    /// It waits for a lock.
    waits: bool,
    /// Since when it does what.
    open: Option<(u64, State)>,
    /// It has left the CPU, and may be ready or asleep: these spans hold if it is ready.
    unknown: Option<Vec<Span>>,
}

impl Builder {
    /// A timeline without lanes.
    pub fn new(title: &str) -> Self {
        let panel =
            Panel { title: title.to_owned(), notes: Vec::new(), lanes: Vec::new(), marks: Vec::new(), length: 0 };
        Self { panel, threads: Vec::new(), began: None, now: 0 }
    }
    /// Adds a line below the title.
    pub fn note(&mut self, text: &str) {
        self.panel.notes.push(text.to_owned());
    }
    /// Adds a lane for a sleeping thread that owns no lock. `None`: it has one.
    pub fn lane(&mut self, id: Thread, level: u8, name: &str) -> Option<()> {
        if self.threads.iter().any(|thread| thread.id == id) {
            return None;
        }
        self.panel.lanes.push(Lane { name: name.to_owned(), level, spans: Vec::new() });
        self.threads.push(Tracked { id, level, holds: 0, waits: false, open: None, unknown: None });
        Some(())
    }
    /// Takes the next event. `None`: it cannot be, as time goes back, the thread has no lane or gives back what it does not own.
    pub fn happened(&mut self, at: u64, what: What<'_>) -> Option<()> {
        let now = self.advance(at)?;
        match what {
            What::Switch(from, to) => {
                if let Some(lane) = self.find(from) {
                    self.leave(now, lane);
                }
                if let Some(lane) = self.find(to) {
                    self.enter(now, lane);
                }
            }
            What::Wake(id) => {
                let lane = self.find(id)?;
                let thread = &mut self.threads[lane];
                // One that runs is told before it sleeps; one that is ready is so already.
                if thread.unknown.take().is_some() || thread.open.is_none() {
                    thread.open = Some((now, State::Ready));
                } else if matches!(thread.open, Some((_, State::Waits))) {
                    self.turn(now, lane, Some(State::Ready));
                }
            }
            What::Blocks(id) => {
                let lane = self.find(id)?;
                self.threads[lane].waits = true;
                if !matches!(self.threads[lane].open, Some((_, State::Runs))) {
                    self.turn(now, lane, Some(State::Waits));
                }
                self.mark(now, lane, "waits for the lock");
            }
            What::Takes(id) => {
                let lane = self.find(id)?;
                self.cut(now, lane);
                self.threads[lane].waits = false;
                self.threads[lane].holds += 1;
                self.mark(now, lane, "has the lock");
            }
            What::Gives(id) => {
                let lane = self.find(id)?;
                self.cut(now, lane);
                self.threads[lane].holds = self.threads[lane].holds.checked_sub(1)?;
                self.mark(now, lane, "gives the lock back");
            }
            What::Level(id, level) => {
                let lane = self.find(id)?;
                self.cut(now, lane);
                let before = std::mem::replace(&mut self.threads[lane].level, level);
                let word = if level > before { "inherits" } else { "falls to" };
                self.mark(now, lane, &format!("{word} {level}"));
            }
            What::Says(id, text) => {
                let lane = self.find(id)?;
                self.mark(now, lane, text);
            }
        }
        Some(())
    }
    /// The timeline is complete. `None`: that is before the last event.
    pub fn finish(mut self, at: u64) -> Option<Panel> {
        let now = self.advance(at)?;
        for lane in 0..self.threads.len() {
            if self.threads[lane].unknown.is_none() {
                self.cut(now, lane);
            }
        }
        self.panel.length = now;
        Some(self.panel)
    }

    fn advance(&mut self, at: u64) -> Option<u64> {
        let now = at.checked_sub(*self.began.get_or_insert(at))?;
        if now < self.now {
            return None;
        }
        self.now = now;
        Some(now)
    }
    fn find(&self, id: Thread) -> Option<usize> {
        self.threads.iter().position(|thread| thread.id == id)
    }
    /// What is so from the beginning on has not happened.
    fn mark(&mut self, at: u64, lane: usize, text: &str) {
        if at > 0 {
            self.panel.marks.push(Mark { at, lane, text: text.to_owned() });
        }
    }
    /// Ends the open span, and begins one of the same state.
    fn cut(&mut self, now: u64, lane: usize) {
        let state = self.threads[lane].open.map(|(_, state)| state);
        self.turn(now, lane, state);
    }
    /// Ends the open span, and begins one of this state.
    fn turn(&mut self, now: u64, lane: usize, next: Option<State>) {
        let (thread, lane) = (&mut self.threads[lane], &mut self.panel.lanes[lane]);
        let before = std::mem::replace(&mut thread.open, next.map(|state| (now, state)));
        if let Some((from, state)) = before
            && from < now
        {
            let span = Span { from, to: now, state, boosted: thread.level > lane.level, holds: thread.holds > 0 };
            thread.unknown.as_mut().unwrap_or(&mut lane.spans).push(span);
        }
    }
    fn leave(&mut self, now: u64, lane: usize) {
        let waits = self.threads[lane].waits;
        self.turn(now, lane, Some(if waits { State::Waits } else { State::Ready }));
        if !waits {
            self.threads[lane].unknown = Some(Vec::new());
        }
    }
    fn enter(&mut self, now: u64, lane: usize) {
        self.turn(now, lane, Some(State::Runs));
        if let Some(ready) = self.threads[lane].unknown.take() {
            self.panel.lanes[lane].spans.extend(ready);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The story of a mutex with priority inheritance, a lane each for H at 30, M at 20 and L at 10.
    pub fn story() -> Panel {
        let mut b = Builder::new("A <story>");
        b.note("with & without");
        for (id, level, name) in [(3, 30, "H"), (2, 20, "M"), (1, 10, "L")] {
            b.lane(id, level, name).unwrap();
        }
        for (at, what) in [
            (1_000, What::Switch(9, 1)),
            (1_000, What::Takes(1)),
            (1_300, What::Wake(3)),
            (1_300, What::Switch(1, 3)),
            (1_400, What::Blocks(3)),
            (1_400, What::Level(1, 30)),
            (1_400, What::Switch(3, 1)),
            (1_500, What::Wake(2)),
            (1_600, What::Gives(1)),
            (1_600, What::Level(1, 10)),
            (1_600, What::Wake(3)),
            (1_600, What::Switch(1, 3)),
            (1_600, What::Takes(3)),
            (1_700, What::Gives(3)),
            (1_800, What::Switch(3, 2)),
            (1_900, What::Switch(2, 1)),
            (1_950, What::Says(1, "over")),
        ] {
            b.happened(at, what).unwrap();
        }
        b.finish(2_000).unwrap()
    }

    fn span(from: u64, to: u64, state: State, boosted: bool, holds: bool) -> Span {
        Span { from, to, state, boosted, holds }
    }

    #[test]
    fn spans_of_a_story() {
        use State::{Ready, Runs, Waits};
        let panel = story();
        assert_eq!(panel.length, 1_000);
        let [h, m, l] = &panel.lanes[..] else { panic!("lanes") };
        assert_eq!(
            h.spans,
            [
                span(300, 400, Runs, false, false),
                span(400, 600, Waits, false, false),
                span(600, 700, Runs, false, true),
                span(700, 800, Runs, false, false)
            ]
        );
        // M sleeps behind its work, as nothing says that it is ready.
        assert_eq!(m.spans, [span(500, 800, Ready, false, false), span(800, 900, Runs, false, false)]);
        assert_eq!(
            l.spans,
            [
                span(0, 300, Runs, false, true),
                // Preempted, as it runs again without a wake-up; nothing of it is lost although it was not known at the time.
                span(300, 400, Ready, false, true),
                span(400, 600, Runs, true, true),
                span(600, 900, Ready, false, false),
                span(900, 1000, Runs, false, false)
            ]
        );
        let told: Vec<(u64, usize, &str)> = panel.marks.iter().map(|m| (m.at, m.lane, m.text.as_str())).collect();
        assert_eq!(told[..2], [(400, 0, "waits for the lock"), (400, 2, "inherits 30")]);
        assert_eq!(told.last(), Some(&(950, 2, "over")));
    }

    #[test]
    fn inheritance_while_it_is_ready() {
        let mut b = Builder::new("t");
        b.lane(1, 10, "L").unwrap();
        for (at, what) in [
            (0, What::Switch(9, 1)),
            (100, What::Switch(1, 9)),
            (200, What::Level(1, 30)),
            (300, What::Switch(9, 1)),
            (400, What::Switch(1, 9)),
            (450, What::Level(1, 10)),
            (500, What::Wake(1)),
        ] {
            b.happened(at, what).unwrap();
        }
        assert_eq!(
            b.finish(600).unwrap().lanes[0].spans,
            [
                span(0, 100, State::Runs, false, false),
                span(100, 200, State::Ready, false, false),
                span(200, 300, State::Ready, true, false),
                span(300, 400, State::Runs, true, false),
                span(500, 600, State::Ready, false, false)
            ]
        );
    }

    #[test]
    fn what_cannot_be() {
        let begun = || {
            let mut b = Builder::new("t");
            b.lane(1, 10, "L").unwrap();
            b.happened(100, What::Wake(1)).unwrap();
            b
        };
        assert_eq!(begun().lane(1, 20, "again"), None);
        for (at, what) in [(99, What::Wake(1)), (100, What::Gives(1)), (100, What::Level(2, 3)), (100, What::Wake(2))] {
            assert_eq!(begun().happened(at, what), None, "{at} {what:?}");
        }
        assert_eq!(begun().happened(100, What::Switch(7, 8)), Some(()));
        assert_eq!(begun().finish(99), None);
    }
}
