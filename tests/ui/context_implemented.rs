//@ error: E0277
//! What is a context is the kernel's to say.
struct Mine;

impl kernel::Context for Mine {}

fn main() {}
