//! What do the runners of the tests share? How a test is run and judged is the host tool's ([`tophalf::suite`]); how one talks
//! to a machine that runs is [`live`].
#![forbid(unsafe_code)]

pub mod live;

pub use tophalf::suite::run::{Said, say, say_as};
