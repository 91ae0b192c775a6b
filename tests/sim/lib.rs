//! The kernel on the simulated machine; everything is in `tests/sim`.
