//! What are scripts for, and how often has it happened?

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum What {
    /// A wait that joined a chain of three locks or more.
    Chain,
    /// A level that went up through two locks or more.
    Far,
    /// A lock without owner that was taken before its woken top waiter ran.
    Steal,
    Deadlock,
    TimedOut,
    /// A time-out that took a level back from the owner.
    TimedOutLending,
    /// A time-out of a thread that inherited itself.
    TimedOutBoosted,
    Interrupted,
    KilledWaiting,
    /// A waiter that went elsewhere because its level changed.
    Moved,
    /// Another one became the top waiter of a lock without owner, and was woken (RM-06).
    OtherWoken,
    /// A lock given back that was not the last one taken.
    OutOfOrder,
    /// A lock that somebody waits for, given back by a thread that goes on at a level which another one lends.
    StillBoosted,
}

pub const ALL: [What; 13] = [
    What::Chain,
    What::Far,
    What::Steal,
    What::Deadlock,
    What::TimedOut,
    What::TimedOutLending,
    What::TimedOutBoosted,
    What::Interrupted,
    What::KilledWaiting,
    What::Moved,
    What::OtherWoken,
    What::OutOfOrder,
    What::StillBoosted,
];

#[derive(Clone, Copy, Default)]
pub struct Counts([usize; ALL.len()]);

impl Counts {
    pub fn note(&mut self, what: What, happened: bool) {
        self.0[what as usize] += usize::from(happened);
    }
    pub fn add(&mut self, more: &Self) {
        self.0.iter_mut().zip(more.0).for_each(|(n, more)| *n += more);
    }
    pub fn of(&self, what: What) -> usize {
        self.0[what as usize]
    }
}
