//! Makes this package's copy of `logic` use loom's atomics.
fn main() {
    println!("cargo::rustc-cfg=loom");
    println!("cargo::rerun-if-changed=build.rs");
}
