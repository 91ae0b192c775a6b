//@ pass
//! What is a context is the kernel's to say.
fn any(_: &impl kernel::Context) {}

fn in_a_thread(cx: &mut kernel::ThreadCx) {
    any(cx);
}

fn main() {}
