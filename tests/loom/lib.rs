//! Which pieces of `logic` are modelled? These, from their own sources, compiled with loom's atomics.
//!
//! `build.rs` sets `cfg(loom)` for this package alone. Their ordinary tests do not run here.
pub use pieces::*;

#[path = "../../kernel/logic/src"]
mod pieces {
    pub mod atomic;
    pub mod balance;
    pub mod eventlog;
    pub mod handshake;
    pub mod owner;
    /// Without `grace`, whose data are under a lock.
    pub mod rcu {
        mod activity;
        mod seq;
        pub use activity::{Activity, Seen};
        pub use seq::{Needed, Seq};
    }
    pub mod ring;
    pub mod spin;
    pub mod wakeflag;
}
