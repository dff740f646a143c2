//! The machine's life, owned by one task.
//!
//! ```text
//!              start            boot done
//!   Stopped ─────────► Starting ─────────► Running ───┐
//!      ▲                │   ▲ accelerator     │ stop  │ ended by itself
//!      │          stop  │   │ failed: again   ▼       ▼
//!      └── Stopping ◄───┴───┴────────── Stopping    Failed ── start ──► Starting
//! ```
//!
//! Requests are answered at once: accepted, already so, or denied with the reason.
//! What follows shows in the state (a `watch`) and in the events (a `broadcast`).

mod boot;
mod driver;
mod machine;
mod plan;
#[cfg(test)]
mod queue_tests;
mod report;

pub use self::driver::{Answer, Refusal, Request};
pub use self::machine::{Machine, MachineEvent, MachineState, PowerOff};
pub use self::plan::{MachineImage, Plan};
pub use self::report::ExitReport;
