//! The virtual machine: QEMU, its disks and its life.
//!
//! A [`Plan`] says what machine is wanted. [`Machine`] makes it run: it finds QEMU
//! ([`qemu`]), picks an accelerator, takes the disk's lock ([`lock`]) and prepares the
//! disk ([`disk`]), renders a validated [`MachineSpec`] into QEMU's arguments, starts
//! it, and watches it until it ends ([`life`]).
//!
//! What goes on inside the machine is not known here: no Docker, no agent, no
//! transport. The app adds its own steps to the start-up through [`StepRecorder`].

pub mod disk;
mod error;
pub mod life;
pub mod lock;
pub mod qemu;
mod spec;
mod steps;
#[cfg(target_os = "linux")]
mod sys;
mod tsc;

pub use crate::error::{Hint, MachineError};
pub use crate::life::{
    Answer, ExitReport, Machine, MachineEvent, MachineImage, MachineState, Plan, PowerOff, Refusal,
    Request,
};
pub use crate::qemu::accelerator::{AcceleratorChoice, AcceleratorSetting};
pub use crate::qemu::locate::{Qemu, QemuSearch, QemuVersion, find_qemu};
pub use crate::spec::{Accelerator, Arch, Carrier, HostOs, MachineSpec, MachineSpecDraft};
pub use crate::steps::{Step, StepEvent, StepProgress, StepRecorder};
