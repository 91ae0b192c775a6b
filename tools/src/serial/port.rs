//! How is a serial port opened, so that every byte passes as it is, and nobody else reads it meanwhile?

use super::ports;
use crate::failure::Failure;
use rustix::{
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    termios::{self, ControlModes, OptionalActions, SpecialCodeIndex},
};
use std::{
    fs::{File, TryLockError},
    io::{self, ErrorKind},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// A port, and how fast it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its device, or a link to it.
    pub path: PathBuf,
    /// Bits in a second; 8 data bits, no parity, one stop bit, no flow control.
    pub baud: u32,
}

/// Why a port is not open.
#[derive(Debug)]
pub enum Refusal {
    /// Nothing has the name, or nothing is behind it.
    Missing(io::Error),
    /// The user may not.
    Forbidden(io::Error),
    /// Another program has it.
    Busy,
    /// It is something else.
    NotAPort,
    /// It cannot be so fast or slow.
    Baud(io::Error),
    /// Anything else.
    Other(io::Error),
}

impl Port {
    /// Opens it. While it is open nobody else can, whether by this tool (`flock`) or by any (`TIOCEXCL`, which does not stop root).
    /// Who has had it open before, and neither locked it nor made it exclusive, is not noticed, and goes on.
    ///
    /// # Errors
    /// As [`Refusal`] says.
    pub fn open(&self) -> Result<File, Refusal> {
        // Without NONBLOCK the call waits for a modem's carrier; without NOCTTY the port could become the tool's own terminal.
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
        let mut options = File::options();
        options.read(true).write(true).custom_flags(flags as i32);
        let file = options.open(&self.path).map_err(Refusal::of)?;
        if !termios::isatty(&file) {
            return Err(Refusal::NotAPort);
        }
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(Refusal::Busy),
            // Where devices cannot be locked the other way has to do.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let other = |error: rustix::io::Errno| Refusal::Other(error.into());
        // Advice against others: a port that cannot be kept from them works none the less.
        let _ = termios::ioctl_tiocexcl(&file);
        self.configure(&file)?;
        // From here on a read waits.
        fcntl_setfl(&file, fcntl_getfl(&file).map_err(other)? - OFlags::NONBLOCK).map_err(other)?;
        Ok(file)
    }

    fn configure(&self, file: &File) -> Result<(), Refusal> {
        let mut mode = termios::tcgetattr(file).map_err(|error| Refusal::of(error.into()))?;
        mode.make_raw();
        mode.control_modes -= ControlModes::CSIZE | ControlModes::PARENB | ControlModes::CSTOPB | ControlModes::CRTSCTS;
        mode.control_modes |= ControlModes::CS8 | ControlModes::CREAD | ControlModes::CLOCAL;
        // A read waits for one byte, and takes what there is.
        mode.special_codes[SpecialCodeIndex::VMIN] = 1;
        mode.special_codes[SpecialCodeIndex::VTIME] = 0;
        let set = mode.set_speed(self.baud).and_then(|()| termios::tcsetattr(file, OptionalActions::Now, &mode));
        set.map_err(Refusal::of_setting)?;
        // A driver may take the nearest rate that it has.
        let now = termios::tcgetattr(file).map_err(|error| Refusal::of(error.into()))?;
        match now.output_speed() == self.baud {
            true => Ok(()),
            false => Err(Refusal::Baud(io::Error::other(format!("it says {} instead", now.output_speed())))),
        }
    }
}

impl Refusal {
    fn of(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Self::Missing(error),
            ErrorKind::PermissionDenied => Self::Forbidden(error),
            ErrorKind::ResourceBusy => Self::Busy,
            ErrorKind::IsADirectory => Self::NotAPort,
            _ if [rustix::io::Errno::NXIO, rustix::io::Errno::NODEV, rustix::io::Errno::IO]
                .iter()
                .any(|missing| error.raw_os_error() == Some(missing.raw_os_error())) =>
            {
                Self::Missing(error)
            }
            _ => Self::Other(error),
        }
    }

    /// Why the line cannot be set: the rate is the only setting that a driver may not have.
    fn of_setting(error: rustix::io::Errno) -> Self {
        if error == rustix::io::Errno::INVAL { Self::Baud(error.into()) } else { Self::of(error.into()) }
    }

    /// The failure for a user who wants this port, with what to do.
    pub fn explain(self, port: &Path) -> Failure {
        let port = port.display();
        match self {
            Self::Missing(error) => {
                Failure::new(format!("there is no serial port {port}")).cause(error).hint(ports::hint())
            }
            Self::Forbidden(error) => {
                Failure::new(format!("you may not use {port}")).cause(error).hint(format!(
                    "on Linux its group may (`ls -l {port}`), mostly dialout: `sudo usermod -aG dialout $USER`,\nthen log in again"
                ))
            }
            Self::Busy => Failure::new(format!("another program has {port}")).hint(format!(
                "`fuser -v {port}` or `lsof {port}` names it: another monitor, a terminal program, ModemManager"
            )),
            Self::NotAPort => Failure::new(format!("{port} is not a serial port")).hint(ports::hint()),
            Self::Baud(error) => Failure::new(format!("{port} cannot be set to that baud rate"))
                .cause(error)
                .hint("the kernel speaks 115200, the default"),
            Self::Other(error) => Failure::new(format!("cannot use {port}"))
                .cause(error)
                .hint("pull the adapter, plug it in again and try once more; on Linux `dmesg` says what became of it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure;
    use rustix::io::Errno;

    /// FL-07: an adapter that is pulled while its line is being set is not blamed on the rate.
    #[test]
    fn what_kept_a_line_from_being_set() {
        assert!(matches!(Refusal::of_setting(Errno::INVAL), Refusal::Baud(_)));
        assert!(matches!(Refusal::of_setting(Errno::IO), Refusal::Missing(_)));
        assert!(matches!(Refusal::of_setting(Errno::PERM), Refusal::Forbidden(_)));
    }

    /// FL-07: each refusal has a next step.
    #[test]
    fn each_refusal_has_a_next_step() {
        let error = || io::Error::other("why");
        for refusal in [
            Refusal::Missing(error()),
            Refusal::Forbidden(error()),
            Refusal::Busy,
            Refusal::NotAPort,
            Refusal::Baud(error()),
            Refusal::Other(error()),
        ] {
            let (text, status) = failure::explain(&refusal.explain(Path::new("/dev/ttyUSB0")).into());
            assert!(text.contains("/dev/ttyUSB0") && text.contains("\nhint: ") && status == failure::FAILED, "{text}");
        }
    }
}
