//! How is the image linked? By its board's layout and defmt's section; on a host there is nothing to say.
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        println!("cargo::rustc-link-arg-bins=-Ttophalf.x");
        println!("cargo::rustc-link-arg-bins=-Tdefmt.x");
    }
}
