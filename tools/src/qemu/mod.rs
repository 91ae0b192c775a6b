//! How does an image run on this host?

pub mod boot;
pub mod bootargs;
pub mod find;
pub mod machine;
pub mod tree;

pub use bootargs::Bootargs;
pub use find::Qemu;
pub use machine::{Console, Machine, Tree};
