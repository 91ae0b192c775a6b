//@ pass
//! OW-01: a robust mutex of what cannot go to another thread is no static.
use kernel::sync::RobustMutex;

static PLACE: RobustMutex<usize> = RobustMutex::new(0);

fn main() {
    let _ = &PLACE;
}
