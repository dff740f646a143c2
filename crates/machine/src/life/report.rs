//! How a machine ended, and what is known about why.

use std::fmt::{Display, Formatter, Result as FmtResult};

/// The end of a QEMU process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExitReport {
    /// Its exit status, unless a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it (unix).
    pub signal: Option<i32>,
    /// QEMU said that the accelerator failed, not the guest.
    pub accelerator_failed: bool,
    /// The last that QEMU printed, up to 8 KiB.
    pub stderr_tail: String,
    /// The last that the guest printed in this boot, up to 8 KiB.
    pub serial_tail: String,
}

impl ExitReport {
    /// Whether the machine ended for want of the host's memory.
    pub fn is_out_of_memory(&self) -> bool {
        self.stderr_tail.contains("annot allocate memory")
            || self.stderr_tail.contains("cannot set up guest memory")
    }

    /// Whether the guest's kernel met with a fault of its own: not one of the image or of the
    /// disk, which would come again.
    pub(super) fn has_crashed_kernel(&self) -> bool {
        self.serial_tail.contains("Kernel panic - not syncing: Fatal exception")
    }

    /// The line that says most: the guest's panic, else QEMU's first complaint.
    fn cause(&self) -> Option<&str> {
        let panic = self
            .serial_tail
            .lines()
            .filter_map(|line| line.find("Kernel panic").map(|at| line[at..].trim_end()))
            .next_back();
        panic.or_else(|| self.stderr_tail.lines().map(str::trim).find(|line| !line.is_empty()))
    }
}

impl Display for ExitReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> FmtResult {
        match (self.code, self.signal) {
            (_, Some(signal)) => write!(f, "QEMU was ended by signal {signal}")?,
            (Some(code), None) => write!(f, "QEMU ended with status {code}")?,
            (None, None) => write!(f, "QEMU ended")?,
        }
        match self.cause() {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guests_panic_explains_more_than_qemus_status() {
        let report = ExitReport {
            code: Some(0),
            serial_tail: "[  1.2] x\r\n[  1.3] Kernel panic - not syncing: no init\r\n".into(),
            ..ExitReport::default()
        };
        let text = report.to_string();
        assert_eq!(text, "QEMU ended with status 0: Kernel panic - not syncing: no init");
    }

    #[test]
    fn a_signal_and_qemus_complaint_are_told() {
        let killed = ExitReport { signal: Some(9), ..ExitReport::default() };
        assert_eq!(killed.to_string(), "QEMU was ended by signal 9");
        let refused = ExitReport {
            code: Some(1),
            stderr_tail: "\nqemu: could not open disk\nmore".into(),
            ..ExitReport::default()
        };
        assert_eq!(refused.to_string(), "QEMU ended with status 1: qemu: could not open disk");
    }
}
