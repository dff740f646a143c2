//! The driver under any row of requests and mishaps, with a guest that is a model.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, prop_oneof, proptest};
use tokio::runtime::Builder;
use tokio::sync::{broadcast, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::driver::{Answer, Guest, Hypervisor, Refusal};
use super::machine::{Machine, MachineEvent, MachineState, never};
use super::plan::{MachineImage, Plan};
use super::report::ExitReport;
use crate::MachineError;
use crate::qemu::accelerator::AcceleratorSetting;
use crate::qemu::locate::{Qemu, QemuSearch, QemuVersion};
use crate::spec::{Accelerator, Arch, Carrier};

/// Only there so that a hang fails the test.
const HUNG: Duration = Duration::from_secs(30);

/// What can happen.
#[derive(Clone, Copy, Debug)]
enum Input {
    Start,
    Stop,
    StopWithAgent,
    /// The guest dies, if there is one.
    Die,
    /// Its kernel does.
    Crash,
    /// The tasks get to run.
    Settle,
}

/// A hypervisor whose guests are counted.
#[derive(Debug)]
struct Model {
    alive: Arc<AtomicUsize>,
    most_alive: Arc<AtomicUsize>,
    die: watch::Sender<ExitReport>,
}

struct ModelGuest {
    alive: Arc<AtomicUsize>,
    die: watch::Receiver<ExitReport>,
    over: bool,
    qemu: Qemu,
}

impl Drop for ModelGuest {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Hypervisor for Model {
    async fn boot(
        &self,
        _: Arc<Plan>,
        cancel: CancellationToken,
    ) -> Result<Box<dyn Guest>, MachineError> {
        tokio::select! {
            () = sleep(Duration::from_secs(1)) => {}
            () = cancel.cancelled() => return Err(MachineError::Cancelled),
        }
        let alive = self.alive.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_alive.fetch_max(alive, Ordering::SeqCst);
        let mut die = self.die.subscribe();
        die.mark_unchanged();
        let qemu = Qemu { program: "model".into(), version: QemuVersion::OLDEST };
        Ok(Box::new(ModelGuest { alive: Arc::clone(&self.alive), die, over: false, qemu }))
    }

    fn remember_failure(&self, _: &Plan, _: &dyn Guest) {}
}

#[async_trait]
impl Guest for ModelGuest {
    fn pid(&self) -> Option<u32> {
        None
    }

    fn accelerator(&self) -> Accelerator {
        Accelerator::Tcg
    }

    fn qemu(&self) -> &Qemu {
        &self.qemu
    }

    async fn ended(&mut self) -> ExitReport {
        if !self.over && self.die.changed().await.is_err() {
            never::<()>().await;
        }
        self.over = true;
        self.die.borrow().clone()
    }

    async fn ended_or_accelerator_failed(&mut self) -> Option<ExitReport> {
        Some(self.ended().await)
    }

    async fn power_button(&mut self) {}

    async fn quit(&mut self) {
        self.over = true;
    }

    fn kill(&mut self) {
        self.over = true;
    }
}

fn crash() -> ExitReport {
    let said = "[ 1.3] Kernel panic - not syncing: Fatal exception in interrupt\r\n";
    ExitReport { serial_tail: said.to_owned(), ..ExitReport::default() }
}

fn plan() -> Plan {
    Plan {
        qemu: QemuSearch::default(),
        accelerator: AcceleratorSetting::Auto,
        arch: Arch::X86_64,
        cpus: 1,
        memory_mib: 256,
        disk_gib: 1,
        image: MachineImage {
            kernel: "k".into(),
            initramfs: "i".into(),
            disk_template: "d".into(),
        },
        data_dir: "data".into(),
        runtime_dir: "run".into(),
        log_dir: "log".into(),
        data_disk_serial: "s".into(),
        carrier: Carrier::VirtioSerial { port_name: "p".into() },
        extra_kernel_args: Vec::new(),
    }
}

/// Whether the answer is one that the state just before it allows.
fn allowed(input: Input, before: &MachineState, answer: Answer) -> bool {
    use MachineState::{Failed, Running, Starting, Stopped, Stopping};
    let expected = match (input, before) {
        (Input::Start, Stopping) => Answer::Denied(Refusal::Stopping),
        (Input::Start, Starting | Running { .. }) => Answer::Already,
        (Input::Start, _) | (_, Starting | Running { .. }) => Answer::Accepted,
        (_, Stopping | Stopped | Failed { .. }) => Answer::Already,
    };
    answer == expected
}

async fn play(inputs: Vec<Input>) {
    let (events, _keep) = broadcast::channel(64);
    let (die, _) = watch::channel(ExitReport::default());
    let (alive, most_alive) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let model =
        Model { alive: Arc::clone(&alive), most_alive: Arc::clone(&most_alive), die: die.clone() };
    let machine = Machine::with(Arc::new(model), events, TaskTracker::new());
    for input in inputs {
        // The clock stands still, so nothing happens between this look and the answer
        // but what the request itself brings about.
        let before = machine.state().borrow().clone();
        let answer = match input {
            Input::Start => machine.start(plan()).await,
            Input::Stop => machine.stop(None).await,
            Input::StopWithAgent => machine.stop(Some(async { false }.boxed())).await,
            Input::Die | Input::Crash => {
                let how =
                    if matches!(input, Input::Crash) { crash() } else { ExitReport::default() };
                die.send_replace(how);
                sleep(Duration::from_millis(1)).await;
                continue;
            }
            Input::Settle => {
                sleep(Duration::from_millis(700)).await;
                continue;
            }
        };
        assert!(allowed(input, &before, answer), "{input:?} in {before:?}: {answer:?}");
    }
    machine.stop(None).await;
    timeout(HUNG, machine.stopped()).await.expect("the machine stops in the end");
    timeout(HUNG, machine.shutdown(None)).await.expect("the driver ends");
    assert_eq!(alive.load(Ordering::SeqCst), 0, "a guest was left behind");
    assert!(most_alive.load(Ordering::SeqCst) <= 1, "two guests at once");
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        3 => Just(Input::Start),
        2 => Just(Input::Stop),
        1 => Just(Input::StopWithAgent),
        2 => Just(Input::Die),
        1 => Just(Input::Crash),
        4 => Just(Input::Settle),
    ]
}

proptest! {
    #[test]
    fn any_row_of_requests_ends_with_nothing_running(inputs in vec(input(), 0..40)) {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build()?;
        runtime.block_on(play(inputs));
    }
}

#[tokio::test(start_paused = true)]
async fn a_kernel_that_crashes_before_the_machine_is_ready_is_booted_once_more() {
    let (events, mut told) = broadcast::channel(64);
    let (die, _) = watch::channel(ExitReport::default());
    let model = Model { alive: Arc::default(), most_alive: Arc::default(), die: die.clone() };
    let machine = Machine::with(Arc::new(model), events, TaskTracker::new());
    let mut state = machine.state();
    let failed = |state: &MachineState| matches!(state, MachineState::Failed { .. });

    machine.start(plan()).await;
    timeout(HUNG, machine.running()).await.expect("it boots").expect("it runs");
    die.send_replace(crash());
    let begins = |state: &MachineState| matches!(state, MachineState::Starting);
    drop(timeout(HUNG, state.wait_for(begins)).await.expect("it begins again"));
    timeout(HUNG, machine.running()).await.expect("it boots").expect("it runs again");
    let again = MachineEvent::BootsAgain { report: crash() };
    assert_eq!(told.recv().await.map(|event| format!("{event:?}")), Ok(format!("{again:?}")));
    die.send_replace(crash());
    drop(timeout(HUNG, state.wait_for(failed)).await.expect("the second crash is its end"));

    // One that was ready has run containers: its end is told.
    machine.start(plan()).await;
    timeout(HUNG, machine.running()).await.expect("it boots").expect("it runs");
    machine.confirm_ready().await;
    die.send_replace(crash());
    drop(timeout(HUNG, state.wait_for(failed)).await.expect("it has failed"));
    machine.shutdown(None).await;
}
