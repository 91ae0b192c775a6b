//! What does the tool do on machines that lack something? Each test is a machine made of scripts in a `PATH` of its own.
#![forbid(unsafe_code)]

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Command};
use tempfile::TempDir;

/// A machine that has nothing but what a test puts there.
struct Machine {
    dir: TempDir,
    no_install: bool,
    /// Whether rustup may download.
    rustup: bool,
}

/// What the tool did.
struct Done {
    status: Option<i32>,
    out: String,
    err: String,
}

const TARGET_LIB: &str = "lib/rustlib/aarch64-unknown-none-softfloat/lib";
const QEMU: &str = "echo 'QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)'";
/// apt offers a new enough QEMU in backports and a new enough compiler, so no source of the real machine is touched.
const APT_CACHE: &str = "for package in \"$@\"; do case $package in
qemu-system-arm) echo 'qemu-system-arm:
  Installed: (none)
  Candidate: 1:7.2+dfsg-7
  Version table:
     1:10.0.2+ds-2~bpo12+1 100
        100 http://mirror.example/debian bookworm-backports/main amd64 Packages
     1:7.2+dfsg-7 500
        500 http://mirror.example/debian bookworm/main amd64 Packages' ;;
rustc-web|cargo-web|rust-web-src|rust-web-clippy|lld-19) echo \"$package:
  Candidate: 1.96.0+dfsg1-1\" ;;
esac; done";

impl Machine {
    fn new() -> Self {
        let machine = Self { dir: TempDir::new().unwrap(), no_install: false, rustup: false };
        fs::create_dir(machine.path("bin")).unwrap();
        machine
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// Puts a program there.
    fn with(self, name: &str, script: &str) -> Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    /// Puts a rustc there whose sysroot has the bare-metal target.
    fn with_toolchain(self) -> Self {
        fs::create_dir_all(self.path("toolchains/stable").join(TARGET_LIB)).unwrap();
        self.with_host_toolchain()
    }

    /// Puts a rustc there that builds for the host only, as rustup installs it.
    fn with_host_toolchain(self) -> Self {
        let rustc = format!(
            "case $1 in --print) echo {} ;; *) echo rustc 1.96.0 ;; esac",
            self.path("toolchains/stable").display()
        );
        let with_compiler = self.with("bin/rustc", &rustc).with("toolchains/stable/bin/rustc", &rustc);
        ["cargo", "cargo-clippy", "clippy-driver"]
            .iter()
            .fold(with_compiler, |machine, name| machine.with(&format!("toolchains/stable/bin/{name}"), "exit 1"))
    }

    /// Puts an apt there that installs a QEMU, and a sudo that lets it.
    fn with_apt(self) -> Self {
        let qemu = self.path("bin/qemu-system-aarch64").display().to_string();
        let log = self.path("apt.log").display().to_string();
        let apt = format!(
            "echo \"$@\" >> {log}\ncase \"$*\" in *qemu-system-arm*) printf '#!/bin/sh\\n%s\\n' \"{QEMU}\" > {qemu}; /bin/chmod 755 {qemu} ;; esac"
        );
        // Without the options and the `env NAME=value` before the program.
        let sudo =
            "while :; do case $1 in -n|env|*=*) shift ;; *) break ;; esac; done; [ \"$1\" = true ] || exec \"$@\"";
        self.with("bin/apt-get", &apt).with("bin/apt-cache", APT_CACHE).with("bin/sudo", sudo)
    }

    fn run(&self, arguments: &[&str]) -> Done {
        let mut tool = Command::new(env!("CARGO_BIN_EXE_tophalf"));
        tool.args(arguments).env("PATH", self.path("bin")).env("RUST_BACKTRACE", "1");
        tool.env("TOPHALF_NO_INSTALL", if self.no_install { "1" } else { "" })
            .env("RUSTUP_AUTO_INSTALL", if self.rustup { "1" } else { "0" });
        let output = tool.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let done = Done { status: output.status.code(), out: text(output.stdout), err: text(output.stderr) };
        assert!(!done.err.contains("backtrace") && !done.err.contains("panicked"), "{}", done.err);
        done
    }

    fn installed(&self) -> String {
        fs::read_to_string(self.path("apt.log")).unwrap_or_default()
    }
}

#[test]
fn a_machine_with_everything_is_left_alone() {
    let machine = Machine::new().with_toolchain().with("bin/qemu-system-aarch64", QEMU).with_apt();
    let done = machine.run(&["setup"]);
    assert_eq!(done.status, Some(0), "{}", done.err);
    assert!(done.err.contains("stable/bin/rustc") && done.err.contains("10.0"), "{}", done.err);
    assert_eq!(machine.installed(), "");
}

#[test]
fn no_install_prints_the_commands_for_qemu() {
    let machine = Machine { no_install: true, ..Machine::new().with_toolchain().with_apt() };
    let done = machine.run(&["setup"]);
    assert_eq!(done.status, Some(1));
    assert!(done.err.contains("error: qemu-system-aarch64 is missing"), "{}", done.err);
    let command = "apt-get install -y --no-install-recommends -t bookworm-backports qemu-system-arm";
    assert!(done.err.contains(command), "{}", done.err);
    assert_eq!((machine.installed().as_str(), done.out.as_str()), ("", ""));
}

#[test]
fn no_install_prints_the_commands_for_a_toolchain() {
    let machine = Machine { no_install: true, ..Machine::new().with_apt() };
    let done = machine.run(&["image"]);
    assert_eq!(done.status, Some(1));
    let command = "apt-get install -y --no-install-recommends rustc-web cargo-web rust-web-src rust-web-clippy lld-19";
    assert!(done.err.contains(command), "{}", done.err);
    assert_eq!(machine.installed(), "");
}

#[test]
fn rustup_adds_the_target_where_it_may_and_nothing_else_is_installed() {
    let machine = Machine::new().with_host_toolchain().with("bin/qemu-system-aarch64", QEMU).with_apt();
    let lib = machine.path("toolchains/stable").join(TARGET_LIB);
    let rustup = format!("[ \"$1 $2\" != 'target add' ] || /bin/mkdir -p {}", lib.display());
    let mut machine = Machine { rustup: true, ..machine.with("bin/rustup", &rustup) };
    let done = machine.run(&["setup"]);
    assert_eq!(done.status, Some(0), "{}", done.err);
    assert!(done.err.contains("rustup target add") && done.err.contains("stable/bin/rustc"), "{}", done.err);
    assert_eq!(machine.installed(), "");

    fs::remove_dir_all(lib).unwrap();
    (machine.rustup, machine.no_install) = (false, true);
    let done = machine.run(&["setup"]);
    assert!(!done.err.contains("rustup target add"), "asked although it may not be: {}", done.err);
    assert!(done.err.contains("apt-get install"), "{}", done.err);
}

#[test]
fn where_rustup_fails_apt_is_next() {
    let machine = Machine::new().with_host_toolchain().with("bin/qemu-system-aarch64", QEMU).with_apt();
    let machine = Machine { rustup: true, ..machine.with("bin/rustup", "echo no network >&2; exit 1") };
    let done = machine.run(&["setup"]);
    // The apt of this machine installs only QEMU.
    assert_eq!(done.status, Some(1));
    assert!(done.err.contains("no network\ntophalf: rustup could not; trying another way"), "{}", done.err);
    assert!(machine.installed().contains("rustc-web"), "{}", machine.installed());
}

#[test]
fn qemu_is_installed_from_backports_and_announced() {
    let machine = Machine::new().with_toolchain().with_apt();
    let done = machine.run(&["setup"]);
    assert_eq!(done.status, Some(0), "{}", done.err);
    let said = done.err.find("qemu-system-aarch64 is missing: installing").expect("announced");
    assert!(said < done.err.find("QEMU:  ").expect("found afterwards"), "{}", done.err);
    assert!(machine.installed().contains("-t bookworm-backports qemu-system-arm"), "{}", machine.installed());
}

#[test]
fn a_failing_apt_is_explained_with_its_last_words() {
    let machine =
        Machine::new().with_toolchain().with_apt().with("bin/apt-get", "echo 'E: no such host' >&2; exit 100");
    let done = machine.run(&["setup"]);
    assert_eq!(done.status, Some(1));
    for words in ["error: apt-get failed", "E: no such host", "hint: check the network"] {
        assert!(done.err.contains(words), "{words}: {}", done.err);
    }
}

#[test]
fn a_machine_with_nothing_gets_one_message() {
    let done = Machine::new().run(&["run"]);
    assert_eq!(done.status, Some(1));
    assert!(done.err.starts_with("error: no toolchain here can build") && done.err.contains("hint: "), "{}", done.err);
    let done = Machine::new().with_toolchain().run(&["setup"]);
    assert_eq!(done.status, Some(1));
    assert!(done.err.contains("error: qemu-system-aarch64 is missing\nhint: "), "{}", done.err);
}

#[test]
fn too_old_a_qemu_is_named_with_the_version_that_is_needed() {
    let old = "echo 'QEMU emulator version 6.2.0'";
    let done = Machine::new().with_toolchain().with("bin/qemu-system-aarch64", old).run(&["setup"]);
    assert_eq!(done.status, Some(1));
    assert!(done.err.contains("6.2 is too old: 7.2 is needed"), "{}", done.err);
}

/// BU-05: QEMU has the board from 9.0 on. Said before anything is built, with the way to a newer one.
#[test]
fn raspi4_needs_a_newer_qemu_than_virt() {
    let old = Machine::new().with_toolchain().with("bin/qemu-system-aarch64", "echo 'QEMU emulator version 8.2.1'");
    let machine = Machine { no_install: true, ..old.with_apt() };
    for arguments in [&["run", "--board", "raspi4"], &["run", "--exec=ps", "--board=raspi4"]] {
        let done = machine.run(arguments);
        assert_eq!(done.status, Some(1));
        assert!(done.err.contains("8.2 is too old: 9.0 is needed for the board raspi4"), "{}", done.err);
        assert!(done.err.contains("-t bookworm-backports qemu-system-arm"), "{}", done.err);
    }
    let done = machine.run(&["setup"]);
    assert_eq!(done.status, Some(0), "{}", done.err);
    assert!(done.err.contains("`--board raspi4` needs 9.0 or newer\n"), "{}", done.err);
    assert_eq!(machine.installed(), "");
}

#[test]
fn what_is_not_there_is_a_usage_error() {
    for arguments in [&["run", "--board", "raspi3"], &["image", "--board", "raspi3"]] {
        let done = Machine::new().run(arguments);
        assert_eq!(done.status, Some(2));
        assert!(done.err.contains("raspi3") && done.err.contains("virt, raspi4"), "{}", done.err);
    }
    for (arguments, why) in
        [(["--smp", "5"], "4 CPUs, not 5"), (["--memory", "1G"], "2 GiB"), (["--gic", "3"], "version 2, not 3")]
    {
        let done = Machine::new().run(&[["run", "--board", "raspi4"].as_slice(), &arguments].concat());
        assert_eq!(done.status, Some(2));
        assert!(done.err.contains(why), "{}", done.err);
    }
    let done = Machine::new().run(&["test", "--board", "raspi4", "--gic", "3"]);
    assert!(done.status == Some(2) && done.err.contains("version 2, not 3"), "{}", done.err);
    let done = Machine::new().run(&["run", "--smp", "9"]);
    assert_eq!(done.status, Some(2));
    assert!(done.err.contains("9 is not in 1..=8"), "{}", done.err);
    assert_eq!(Machine::new().run(&["run", "--bogus"]).status, Some(2));
    assert_eq!(Machine::new().run(&["lab", "bogus"]).status, Some(2));
}

/// An image that is not there is told with the way to one, before anything is asked for.
#[test]
fn an_image_that_is_not_there() {
    for arguments in [["run", "--elf", "/nonexistent"].as_slice(), &["flash", "--to", "/", "--elf", "/nonexistent"]] {
        let done = Machine::new().run(arguments);
        assert_eq!(done.status, Some(1));
        let words = "error: there is no image /nonexistent\nhint: `cargo run -- image --board ";
        assert!(done.err.starts_with(words), "{}", done.err);
    }
}

#[test]
fn labs_are_listed_without_any_toolchain() {
    let done = Machine::new().run(&["lab"]);
    assert_eq!(done.status, Some(0));
    assert!(done.out.starts_with("irq-path "), "{}", done.out);
}
