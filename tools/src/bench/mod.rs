//! How fast is the kernel, and how fast should it be? [`rows`] reads what the kernel counted, [`budget`] has the gates
//! and what other kernels need, [`judged`] joins and prints them. The longest section with interrupts off is
//! [`suite`](crate::suite)'s.

pub mod budget;
pub mod judged;
pub mod rows;
