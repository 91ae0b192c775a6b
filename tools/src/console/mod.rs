//! How does a user talk to a running kernel? Keys go in raw, output comes out decoded, Ctrl-A is the tool's own key.

pub mod input;
pub mod keys;
pub mod raw;
pub mod session;

pub use session::{Ending, Input, Session};
