//! The power button: ACPI on `x86_64`, a GPIO key on aarch64, `KEY_POWER` on both.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use crate::console;

const INPUT_DIR: &str = "/dev/input";
/// `struct input_event` of 64-bit Linux: two 8-byte time fields, type, code, value.
const EVENT_LENGTH: usize = 24;
const EV_KEY: u16 = 1;
const KEY_POWER: u16 = 116;
const PRESSED: i32 = 1;

/// The input devices that may have a power button.
#[derive(Debug)]
pub(crate) struct PowerButton {
    devices: Vec<File>,
}

impl PowerButton {
    /// Opens every input device; there are one or two, and asking each what keys it
    /// has would take more code than ignoring their events.
    pub(crate) fn open() -> Self {
        let devices = match open_all() {
            Ok(devices) => devices,
            Err(error) => {
                console::error(&format!("the power button will not work: {error}"));
                Vec::new()
            }
        };
        Self { devices }
    }

    /// What to poll for reading.
    pub(crate) fn devices(&self) -> &[File] {
        &self.devices
    }

    /// Takes all waiting events; whether the button was among them. A device that
    /// fails (it was unplugged) is dropped, or its poll would return for ever.
    pub(crate) fn was_pressed(&mut self) -> bool {
        let mut pressed = false;
        self.devices.retain_mut(|device| match drain(device) {
            Ok(found) => {
                pressed |= found;
                true
            }
            Err(_) => false,
        });
        pressed
    }
}

fn open_all() -> io::Result<Vec<File>> {
    let mut devices = Vec::new();
    let entries = match fs::read_dir(Path::new(INPUT_DIR)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(devices),
        entries => entries?,
    };
    let nonblocking = i32::try_from((OFlags::NONBLOCK | OFlags::CLOEXEC).bits())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("event") {
            devices
                .push(OpenOptions::new().read(true).custom_flags(nonblocking).open(entry.path())?);
        }
    }
    Ok(devices)
}

fn drain(device: &mut File) -> io::Result<bool> {
    let mut pressed = false;
    let mut buffer = [0; EVENT_LENGTH * 16];
    loop {
        match device.read(&mut buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => pressed |= has_power_press(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(pressed),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether one of the `input_event`s in `bytes` is the power key going down.
fn has_power_press(bytes: &[u8]) -> bool {
    bytes.chunks_exact(EVENT_LENGTH).any(|event| {
        let kind = u16::from_ne_bytes([event[16], event[17]]);
        let code = u16::from_ne_bytes([event[18], event[19]]);
        let value = i32::from_ne_bytes([event[20], event[21], event[22], event[23]]);
        (kind, code, value) == (EV_KEY, KEY_POWER, PRESSED)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: u16, code: u16, value: i32) -> Vec<u8> {
        let mut bytes = vec![7; 16];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(code.to_ne_bytes());
        bytes.extend(value.to_ne_bytes());
        bytes
    }

    #[test]
    fn the_power_key_counts_when_it_goes_down() {
        let sync = event(0, 0, 0);
        let press = event(EV_KEY, KEY_POWER, PRESSED);
        assert!(has_power_press(&[sync, press].concat()));
    }

    #[test]
    fn releases_other_keys_and_cut_events_do_not_count() {
        let press = event(EV_KEY, KEY_POWER, PRESSED);
        assert!(!has_power_press(&event(EV_KEY, KEY_POWER, 0)));
        assert!(!has_power_press(&event(EV_KEY, 30, PRESSED)));
        assert!(!has_power_press(&press[..EVENT_LENGTH - 1]));
    }
}
