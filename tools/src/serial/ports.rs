//! Which serial ports does this computer have?

use std::{fs, path::Path};

/// Every one, as a user would type it, with what it is where that is known.
pub fn list() -> Vec<String> {
    list_in(Path::new("/dev"), Path::new("/sys/class/tty"))
}

/// What to tell who named none, or one that is not there.
pub fn hint() -> String {
    let ports = list();
    match ports.is_empty() {
        true => "this computer has no serial port now: plug the adapter in and look again".to_owned(),
        false => format!("the ports here:\n{}", ports.join("\n")),
    }
}

fn list_in(dev: &Path, class: &Path) -> Vec<String> {
    let names = |dir: &Path| {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    };
    // Linux names adapters here by maker and number; each name is a link to a port.
    let by_id = dev.join("serial/by-id");
    let known: Vec<_> = names(&by_id)
        .into_iter()
        .filter_map(|id| Some((fs::read_link(by_id.join(&id)).ok()?.file_name()?.to_str()?.to_owned(), id)))
        .collect();
    let ports = names(dev).into_iter().filter(|name| is_port(name, class));
    let described = ports.map(|name| {
        let path = dev.join(&name).display().to_string();
        match known.iter().find(|(port, _)| *port == name) {
            Some((_, id)) => format!("{path}  {id}"),
            None => path,
        }
    });
    described.collect()
}

/// USB adapters and boards' own UARTs on Linux, call-out devices on macOS. Linux has `ttyS0` to `ttyS31` whether there is a
/// UART behind or not, and says of which type it is; 0 is none.
fn is_port(name: &str, class: &Path) -> bool {
    const PREFIXES: [&str; 4] = ["ttyUSB", "ttyACM", "ttyAMA", "cu."];
    let behind = || fs::read_to_string(class.join(name).join("type")).is_ok_and(|kind| kind.trim() != "0");
    PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || (name.starts_with("ttyS") && behind())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// FL-07: ports are listed with their makers, terminals and empty sockets are not.
    #[test]
    fn a_computer_with_ports() {
        let dir = tempfile::tempdir().unwrap();
        let (dev, class) = (dir.path().join("dev"), dir.path().join("class"));
        fs::create_dir_all(dev.join("serial/by-id")).unwrap();
        for name in ["tty", "tty1", "ttyUSB1", "ttyACM0", "ttyS0", "ttyS1", "cu.usbserial-10", "null"] {
            fs::write(dev.join(name), "").unwrap();
        }
        symlink("../../ttyUSB1", dev.join("serial/by-id/usb-FTDI_Cable")).unwrap();
        for (name, kind) in [("ttyS0", "4\n"), ("ttyS1", "0\n")] {
            fs::create_dir_all(class.join(name)).unwrap();
            fs::write(class.join(name).join("type"), kind).unwrap();
        }
        let ports: Vec<_> =
            list_in(&dev, &class).iter().map(|port| port.rsplit_once("dev/").unwrap().1.to_owned()).collect();
        assert_eq!(ports, ["cu.usbserial-10", "ttyACM0", "ttyS0", "ttyUSB1  usb-FTDI_Cable"]);
    }

    #[test]
    fn a_computer_without() {
        assert!(list_in(Path::new("/nonexistent"), Path::new("/nonexistent")).is_empty());
    }
}
