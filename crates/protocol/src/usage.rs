//! What the machine itself uses: sums and levels at one moment, of whose changes a chart is made.
//! They are those of the guest, or of the host on which an engine runs without one.

use serde::{Deserialize, Serialize};

/// Path of `GET` → [`Usage`].
pub const PATH: &str = "/naru/usage";

/// All of it, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// When: milliseconds since the machine started, on a clock that nobody sets.
    pub time_ms: u64,
    /// The processors.
    pub cpu: Cpu,
    /// The memory.
    pub memory: Memory,
    /// The file system that the engine keeps everything on: that of the data disk.
    pub disk: Disk,
}

/// Milliseconds that all processors together have spent since the machine started, by what they did,
/// as `/proc/stat` has it. What virtual machines took is in `user_ms` and `nice_ms`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cpu {
    /// How many processors there are.
    pub processors: u32,
    /// Programs.
    pub user_ms: u64,
    /// Programs that let others go first.
    pub nice_ms: u64,
    /// The kernel.
    pub system_ms: u64,
    /// Nothing.
    pub idle_ms: u64,
    /// Nothing, while a program waited for a disk.
    pub iowait_ms: u64,
    /// Interrupts.
    pub irq_ms: u64,
    /// What interrupts leave to be done.
    pub softirq_ms: u64,
    /// Waiting for the host, which gave its processor to others.
    pub steal_ms: u64,
}

/// Memory, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// What the kernel has to give.
    pub total_bytes: u64,
    /// What programs could still have: what is free, and the caches that would be given up for them.
    pub available_bytes: u64,
}

/// A file system, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// Its size.
    pub total_bytes: u64,
    /// What of it is taken.
    pub used_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_keeps_its_form() {
        let cpu = Cpu {
            processors: 2,
            user_ms: 10,
            nice_ms: 20,
            system_ms: 30,
            idle_ms: 40,
            iowait_ms: 50,
            irq_ms: 60,
            softirq_ms: 70,
            steal_ms: 80,
        };
        let memory = Memory { total_bytes: 3, available_bytes: 2 };
        let disk = Disk { total_bytes: 5, used_bytes: 4 };
        let usage = Usage { time_ms: 1, cpu, memory, disk };
        let golden = r#"{"time_ms":1,"cpu":{"processors":2,"user_ms":10,"nice_ms":20,"system_ms":30,"idle_ms":40,"iowait_ms":50,"irq_ms":60,"softirq_ms":70,"steal_ms":80},"memory":{"total_bytes":3,"available_bytes":2},"disk":{"total_bytes":5,"used_bytes":4}}"#;
        assert_eq!(serde_json::to_string(&usage).unwrap(), golden);
        assert_eq!(serde_json::from_str::<Usage>(golden).unwrap(), usage);
    }
}
