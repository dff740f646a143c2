//! Programs of other processors: which the kernel runs here, and what is lacking for the others.
//!
//! The kernel knows interpreters by the first bytes of what they run (`binfmt_misc`; the kernel's
//! documentation, "Kernel Support for miscellaneous Binary Formats"). QEMU's user-mode emulators
//! are registered so: by Debian's package on a host, by init in the machine. Nothing here depends
//! on their names: each rule is put to the beginning of a program of each platform, as the kernel
//! does it.

use std::fmt;
use std::fs;

use naru_image_store::Platform;

use crate::container::Record;
use crate::engine::Engine;
use crate::error::EngineError;

const DIRECTORY: &str = "/proc/sys/fs/binfmt_misc";

/// A platform, and how its programs begin (`elf(5)`): class, byte order and machine.
const PROGRAMS: [(&str, u8, u8, u16); 10] = [
    ("linux/amd64", 2, 1, 62),
    ("linux/arm64", 2, 1, 183),
    ("linux/riscv64", 2, 1, 243),
    ("linux/ppc64le", 2, 1, 21),
    ("linux/s390x", 2, 2, 22),
    ("linux/386", 1, 1, 3),
    ("linux/mips64le", 2, 1, 8),
    ("linux/loong64", 2, 1, 258),
    ("linux/arm/v7", 1, 1, 40),
    ("linux/arm/v6", 1, 1, 40),
];
const BIG_ENDIAN: u8 = 2;
/// As long as the header of a 64-bit program.
const HEADER_LEN: usize = 64;

/// Those that the kernel has.
#[derive(Debug)]
pub(crate) struct Emulators {
    is_mounted: bool,
    is_on: bool,
    all: Vec<Emulator>,
}

/// One of them.
#[derive(Debug, PartialEq, Eq)]
struct Emulator {
    name: String,
    is_enabled: bool,
    /// Whether the kernel has opened it already, so that it need not be in a container.
    is_fixed: bool,
    offset: usize,
    magic: Vec<u8>,
    mask: Option<Vec<u8>>,
}

impl Emulators {
    /// Asks the kernel.
    pub(crate) fn read() -> Self {
        let status = fs::read_to_string(format!("{DIRECTORY}/status"));
        let mut all = Vec::new();
        for entry in fs::read_dir(DIRECTORY).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            // `register` can only be written, `status` is no rule.
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            all.extend(Emulator::parse(name, &text));
        }
        all.sort_by(|one, other| one.name.cmp(&other.name));
        let is_on = status.as_deref().is_ok_and(|status| status.trim_end() == "enabled");
        Self { is_mounted: status.is_ok(), is_on, all }
    }

    /// The platforms whose programs run: this machine's own first.
    pub(crate) fn platforms(&self) -> Vec<Platform> {
        let own = Platform::host();
        let mut platforms = vec![own.clone()];
        let others = PROGRAMS.iter().filter_map(|(name, ..)| name.parse().ok());
        platforms
            .extend(others.filter(|platform| *platform != own && self.lacking(platform).is_none()));
        platforms
    }

    /// What is lacking for programs of a platform to run; nothing of what the kernel runs by
    /// itself, as far as it is known.
    fn lacking(&self, platform: &Platform) -> Option<Lacking> {
        let own = Platform::host();
        let platform = platform.clone().normalised();
        if platform.architecture == own.architecture {
            return None;
        }
        if !self.is_mounted {
            return Some(Lacking::Mount);
        }
        if !self.is_on {
            return Some(Lacking::Switch);
        }
        let header = header(&platform);
        let fitting = self.all.iter().filter(|emulator| header.is_some_and(|h| emulator.fits(&h)));
        let mut lacking = Lacking::Emulator;
        for emulator in fitting {
            let name = || emulator.name.clone();
            match (emulator.is_enabled, emulator.is_fixed) {
                (true, true) => return None,
                (true, false) => lacking = Lacking::Flag(name()),
                (false, _) => lacking = Lacking::Enabling(name()),
            }
        }
        Some(lacking)
    }
}

impl Emulator {
    /// Reads what the kernel says of one; nothing of one that goes by a file's name.
    fn parse(name: String, text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let mut emulator = Self {
            name,
            is_enabled: lines.next()? == "enabled",
            is_fixed: false,
            offset: 0,
            magic: Vec::new(),
            mask: None,
        };
        for line in lines {
            match line.split_once(' ')? {
                ("flags:", flags) => emulator.is_fixed = flags.contains('F'),
                ("offset", offset) => emulator.offset = offset.parse().ok()?,
                ("magic", bytes) => emulator.magic = decoded(bytes)?,
                ("mask", bytes) => emulator.mask = Some(decoded(bytes)?),
                _ => {}
            }
        }
        (!emulator.magic.is_empty()).then_some(emulator)
    }

    /// Whether it is for a program that begins so.
    fn fits(&self, header: &[u8; HEADER_LEN]) -> bool {
        let mask = |at: usize| self.mask.as_ref().map_or(Some(0xff), |mask| mask.get(at).copied());
        self.magic.iter().enumerate().all(|(at, byte)| {
            let found = self.offset.checked_add(at).and_then(|place| header.get(place));
            matches!((found, mask(at)), (Some(found), Some(mask)) if (found ^ byte) & mask == 0)
        })
    }
}

/// The bytes of hexadecimal digits.
fn decoded(digits: &str) -> Option<Vec<u8>> {
    let pairs = (0..digits.len()).step_by(2).map(|at| digits.get(at..at + 2));
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

/// How a platform's programs begin.
fn header(platform: &Platform) -> Option<[u8; HEADER_LEN]> {
    const EXECUTABLE: u16 = 2;
    const CURRENT: u32 = 1;
    let is_it = |name: &str| name.parse().is_ok_and(|known: Platform| known == *platform);
    let (_, class, order, machine) = *PROGRAMS.iter().find(|(name, ..)| is_it(name))?;
    let mut header = [0; HEADER_LEN];
    header[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, order, 1]);
    let is_big = order == BIG_ENDIAN;
    for (place, value) in [(16, EXECUTABLE), (18, machine)] {
        let bytes = if is_big { value.to_be_bytes() } else { value.to_le_bytes() };
        header[place..place + 2].copy_from_slice(&bytes);
    }
    let version = if is_big { CURRENT.to_be_bytes() } else { CURRENT.to_le_bytes() };
    header[20..24].copy_from_slice(&version);
    Some(header)
}

/// Why a program of another processor does not run.
#[derive(Debug, PartialEq, Eq)]
enum Lacking {
    Mount,
    Switch,
    Emulator,
    Enabling(String),
    Flag(String),
}

impl fmt::Display for Lacking {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mount => write!(formatter, "no emulator is known: {DIRECTORY} is not mounted"),
            Self::Switch => write!(formatter, "emulators are disabled in {DIRECTORY}/status"),
            Self::Emulator => {
                write!(formatter, "no emulator for that is registered in {DIRECTORY}")
            }
            Self::Enabling(name) => {
                write!(formatter, "its emulator {DIRECTORY}/{name} is disabled")
            }
            Self::Flag(name) => write!(
                formatter,
                "its emulator {DIRECTORY}/{name} is registered without the flag F, so that no \
                 container finds it"
            ),
        }
    }
}

/// Says of a program that the kernel did not run what it is for and what is lacking, if it is for
/// another processor.
pub(crate) fn explained(error: EngineError, platform: &Platform) -> EngineError {
    match error {
        EngineError::Start { message, exit_code, is_foreign: true } => {
            let message = match Emulators::read().lacking(platform) {
                Some(lacking) => format!("{message}: the image is for {platform}, and {lacking}"),
                None => message,
            };
            EngineError::Start { message, exit_code, is_foreign: true }
        }
        error => error,
    }
}

impl Engine {
    /// The same of a container's program.
    pub(crate) fn explained(&self, error: EngineError, record: &Record) -> EngineError {
        match self.platform_of(record) {
            Some(platform) => explained(error, &platform),
            None => error,
        }
    }

    /// Docker's words about a container for another processor, which nobody has asked for.
    pub(crate) fn platform_warning(&self, record: &Record) -> Option<String> {
        let (own, platform) = (Platform::host(), self.platform_of(record)?);
        // Most processors run what their predecessors did.
        let pair = (own.architecture.as_str(), platform.architecture.as_str());
        let is_run = pair.0 == pair.1 || matches!(pair, ("amd64", "386") | ("arm64", "arm"));
        (!is_run).then(|| {
            format!(
                "The requested image's platform ({platform}) does not match the detected host \
                 platform ({own}) and no specific platform was requested"
            )
        })
    }

    /// What a container's image is for. Of one that is not there nothing is known.
    fn platform_of(&self, record: &Record) -> Option<Platform> {
        let image = self.images().image(&record.image_id.parse().ok()?).ok()??;
        Some(image.platform().normalised())
    }
}

#[cfg(test)]
mod tests;
