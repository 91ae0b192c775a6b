//! Where does the linker find this board's layout? Dependants pass `-Ttophalf.x` themselves; the path reaches them from here.
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=DEFMT_LOG");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("none") {
        return;
    }
    let linker = std::path::Path::new(&std::env::var("CARGO_MANIFEST_DIR").expect("set by cargo")).join("../../linker");
    println!("cargo::rustc-link-search={}", linker.join("raspi4").display());
    println!("cargo::rustc-link-search={}", linker.display());
    println!("cargo::rustc-link-arg-bins=-Ttophalf.x");
    println!("cargo::rustc-link-arg-bins=-Tdefmt.x");
    println!("cargo::rerun-if-changed={}", linker.display());
}
