//! What a person can do about a failure.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// One piece of advice. The window and the `naru` command each have words for every one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
#[serde(rename_all = "kebab-case")]
pub enum Hint {
    /// See whether the image's name is right.
    CheckName,
    /// See whether the registry can be reached.
    CheckNetwork,
    /// Look at the machine's settings.
    CheckSettings,
    /// Use the Naru that runs already, or end it.
    CloseOtherInstance,
    /// Make room on the host's disk.
    FreeDiskSpace,
    /// Install a compose.
    InstallCompose,
    /// Install QEMU, or name it in the settings.
    InstallQemu,
    /// Let the user open `/dev/kvm`.
    JoinKvmGroup,
    /// Give the machine less memory.
    LessMemory,
    /// Log in to the registry.
    LogIn,
    /// Read what the machine wrote on its console.
    ReadConsole,
    /// Install Naru again: a part of it is missing.
    Reinstall,
    /// Correct the settings' file, or remove it.
    ResetSettings,
    /// Stop the machine and start it again.
    RestartMachine,
    /// End all of Naru and start it again.
    RestartNaru,
    /// Start the machine first.
    StartMachine,
    /// Install a newer QEMU.
    UpgradeQemu,
}
