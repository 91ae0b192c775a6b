//! Which errors exist, and what number each has outside.

/// Why a call was refused. Nothing was changed unless the call's documentation says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Error {
    /// A parameter is not what the call accepts.
    Invalid,
    /// Somebody else has it.
    Busy,
    /// The caller would wait for itself.
    Deadlock,
    /// It is done already.
    Already,
    /// The time given ran out.
    TimedOut,
    /// The thread was interrupted or killed while it waited.
    Interrupted,
    /// It would have to wait, and may not.
    WouldBlock,
    /// The caller may not do this.
    NotPermitted,
    /// No memory, stack, slot or bit is left.
    NoResource,
    /// There is no such thread, line or handler.
    NotFound,
    /// The line leads nowhere.
    NotConnected,
    /// This machine cannot do it.
    Unsupported,
    /// Not from an interrupt or an atomic section.
    WrongContext,
    /// The lock's owner died while holding it.
    OwnerDead,
    /// The lock's data was lost with an owner.
    NotRecoverable,
    /// A number is outside what the hardware has.
    Range,
    /// A count is at its maximum.
    Overflow,
    /// The other end is gone.
    Closed,
}

impl Error {
    /// The number that Linux gives this error (`include/uapi/asm-generic/errno.h`), positive.
    pub const fn errno(self) -> i32 {
        match self {
            Error::NotPermitted => 1,
            Error::NotFound => 2,
            Error::Interrupted => 4,
            Error::WouldBlock => 11,
            Error::NoResource => 12,
            Error::Busy => 16,
            Error::NotConnected => 107,
            Error::Invalid => 22,
            Error::Closed => 32,
            Error::Range => 34,
            Error::Deadlock => 35,
            Error::Overflow => 75,
            Error::Unsupported => 95,
            Error::WrongContext => 71,
            Error::Already => 114,
            Error::TimedOut => 110,
            Error::OwnerDead => 130,
            Error::NotRecoverable => 131,
        }
    }
    /// What a shell user reads.
    pub const fn message(self) -> &'static str {
        match self {
            Error::Invalid => "Invalid argument",
            Error::Busy => "Device or resource busy",
            Error::Deadlock => "Resource deadlock avoided",
            Error::Already => "Operation already in progress",
            Error::TimedOut => "Timed out",
            Error::Interrupted => "Interrupted",
            Error::WouldBlock => "Try again",
            Error::NotPermitted => "Operation not permitted",
            Error::NoResource => "Out of memory or slots",
            Error::NotFound => "Not found",
            Error::NotConnected => "Not connected",
            Error::Unsupported => "Operation not supported",
            Error::WrongContext => "Not possible in this context",
            Error::OwnerDead => "Owner died",
            Error::NotRecoverable => "State not recoverable",
            Error::Range => "Out of range",
            Error::Overflow => "Value too large",
            Error::Closed => "Closed",
        }
    }
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for Error {}

impl From<logic::policy::PolicyError> for Error {
    fn from(_: logic::policy::PolicyError) -> Self {
        Self::Invalid
    }
}

/// What fallible calls return.
pub type Result<T> = core::result::Result<T, Error>;
