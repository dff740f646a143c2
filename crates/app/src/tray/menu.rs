//! The menu as a value: what it says and what it does. The shell draws it.

use std::fmt;

use naru_ipc::{MachineState, TrayWords};

/// The most containers that are listed; the window has the others.
pub(crate) const LISTED: usize = 10;

/// What a person can choose in the menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrayAct {
    /// Brings the window to the front.
    Show,
    /// Ends Naru.
    Quit,
    /// Starts the machine.
    StartMachine,
    /// Stops the machine.
    StopMachine,
    /// Opens the page at a port of this computer.
    OpenPort(u16),
    /// Stops the container with this id.
    StopContainer(String),
}

impl fmt::Display for TrayAct {
    /// The name by which [`TrayAct::named`] knows it again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Show => f.write_str("show"),
            Self::Quit => f.write_str("quit"),
            Self::StartMachine => f.write_str("start-machine"),
            Self::StopMachine => f.write_str("stop-machine"),
            Self::OpenPort(port) => write!(f, "open-port:{port}"),
            Self::StopContainer(id) => write!(f, "stop-container:{id}"),
        }
    }
}

impl TrayAct {
    /// The act with this name; none for what is no entry of ours.
    pub fn named(name: &str) -> Option<Self> {
        match name.split_once(':') {
            None => match name {
                "show" => Some(Self::Show),
                "quit" => Some(Self::Quit),
                "start-machine" => Some(Self::StartMachine),
                "stop-machine" => Some(Self::StopMachine),
                _ => None,
            },
            Some(("open-port", port)) => port.parse().ok().map(Self::OpenPort),
            Some(("stop-container", id)) => Some(Self::StopContainer(id.to_owned())),
            Some(_) => None,
        }
    }
}

/// An entry that does something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrayChoice {
    /// What it says.
    pub text: String,
    /// What it does.
    pub act: TrayAct,
}

impl TrayChoice {
    fn new(text: impl Into<String>, act: TrayAct) -> Self {
        Self { text: text.into(), act }
    }
}

/// One entry of the menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrayEntry {
    /// To be read alone.
    Note(String),
    /// Something to do.
    Choice(TrayChoice),
    /// Something with a menu of its own.
    Group {
        /// Its name.
        text: String,
        /// What there is to do with it.
        choices: Vec<TrayChoice>,
    },
    /// A line between what belongs apart.
    Separator,
}

/// A container that lives, as far as the menu needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Live {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Its ports of this computer on which somebody may be listening.
    pub(crate) ports: Vec<u16>,
}

/// The menu for a machine in this state with these containers.
pub(crate) fn menu(words: &TrayWords, state: MachineState, live: &[Live]) -> Vec<TrayEntry> {
    let mut entries = vec![TrayEntry::Note(state_text(words, state).to_owned())];
    entries.extend(machine_choice(words, state, live.len()).map(TrayEntry::Choice));
    if state == MachineState::Running {
        entries.push(TrayEntry::Separator);
        entries.extend(live.iter().take(LISTED).map(|container| group(words, container)));
        if live.is_empty() {
            entries.push(TrayEntry::Note(words.no_containers.clone()));
        }
        let more = live.len().saturating_sub(LISTED);
        if more > 0 {
            let text = filled(&words.more, &more);
            entries.push(TrayEntry::Choice(TrayChoice::new(text, TrayAct::Show)));
        }
    }
    entries.push(TrayEntry::Separator);
    entries.extend(ways(words));
    entries
}

/// What there is to do whatever else works: to the window, and out.
pub fn ways(words: &TrayWords) -> Vec<TrayEntry> {
    [(&words.show, TrayAct::Show), (&words.quit, TrayAct::Quit)]
        .map(|(text, act)| TrayEntry::Choice(TrayChoice::new(text, act)))
        .into()
}

fn state_text(words: &TrayWords, state: MachineState) -> &str {
    match state {
        MachineState::Stopped => &words.stopped,
        MachineState::Starting => &words.starting,
        MachineState::Running => &words.running,
        MachineState::Stopping => &words.stopping,
        MachineState::Failed => &words.failed,
    }
}

/// The menu asks nothing, so that the entry itself says what stops with the machine.
fn machine_choice(words: &TrayWords, state: MachineState, live: usize) -> Option<TrayChoice> {
    match state {
        MachineState::Stopped | MachineState::Failed => {
            Some(TrayChoice::new(&words.start, TrayAct::StartMachine))
        }
        MachineState::Starting | MachineState::Running if live == 0 => {
            Some(TrayChoice::new(&words.stop, TrayAct::StopMachine))
        }
        MachineState::Starting | MachineState::Running => {
            Some(TrayChoice::new(filled(&words.stop_with, &live), TrayAct::StopMachine))
        }
        MachineState::Stopping => None,
    }
}

fn group(words: &TrayWords, container: &Live) -> TrayEntry {
    let only = container.ports.len() == 1;
    let mut choices: Vec<TrayChoice> = container
        .ports
        .iter()
        .map(|port| {
            let text = if only { words.open.clone() } else { filled(&words.open_port, port) };
            TrayChoice::new(text, TrayAct::OpenPort(*port))
        })
        .collect();
    let stop = TrayAct::StopContainer(container.id.clone());
    choices.push(TrayChoice::new(&words.stop_container, stop));
    TrayEntry::Group { text: container.name.clone(), choices }
}

/// Puts a value where the text has its place for one.
fn filled(text: &str, value: &impl fmt::Display) -> String {
    text.replace("{}", &value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(name: &str, ports: &[u16]) -> Live {
        Live { id: format!("{name}-id"), name: name.to_owned(), ports: ports.to_vec() }
    }

    fn many(count: usize) -> Vec<Live> {
        (0..count).map(|at| live(&format!("c{at}"), &[])).collect()
    }

    /// The menu in words: groups with what is in them, separators as lines.
    fn read(state: MachineState, live: &[Live]) -> Vec<String> {
        let text = |entry: TrayEntry| match entry {
            TrayEntry::Note(text) => text,
            TrayEntry::Choice(choice) => format!("[{}]", choice.text),
            TrayEntry::Separator => "-".to_owned(),
            TrayEntry::Group { text, choices } => {
                let choices: Vec<_> = choices.into_iter().map(|choice| choice.text).collect();
                format!("{text} > {}", choices.join(", "))
            }
        };
        menu(&TrayWords::default(), state, live).into_iter().map(text).collect()
    }

    #[test]
    fn a_running_machine_has_its_containers_with_what_there_is_to_do() {
        let containers = [live("web", &[8080]), live("db", &[]), live("both", &[80, 443])];
        assert_eq!(
            read(MachineState::Running, &containers),
            [
                "Machine is running",
                "[Stop machine (containers that stop with it: 3)]",
                "-",
                "web > Open in the browser, Stop",
                "db > Stop",
                "both > Open port 80 in the browser, Open port 443 in the browser, Stop",
                "-",
                "[Show window]",
                "[Quit Naru]",
            ]
        );
    }

    #[test]
    fn a_machine_without_containers_stops_without_taking_any() {
        let lines = read(MachineState::Running, &[]);
        assert_eq!(
            lines[..4],
            ["Machine is running", "[Stop machine]", "-", "No container is running"]
        );
    }

    #[test]
    fn what_a_machine_can_be_told_depends_on_where_it_is() {
        let second = |state| read(state, &[])[1].clone();
        assert_eq!(second(MachineState::Stopped), "[Start machine]");
        assert_eq!(second(MachineState::Failed), "[Start machine]");
        assert_eq!(second(MachineState::Starting), "[Stop machine]");
        assert_eq!(second(MachineState::Stopping), "-");
    }

    #[test]
    fn ten_containers_are_listed_and_the_window_has_the_others() {
        let listed = |count| {
            let lines = read(MachineState::Running, &many(count));
            lines.iter().filter(|line| line.contains(" > ")).count()
        };
        assert_eq!(listed(10), 10);
        assert_eq!(listed(11), 10);
        assert!(!read(MachineState::Running, &many(10)).contains(&"[0 more…]".to_owned()));
        let lines = read(MachineState::Running, &many(13));
        assert!(lines.contains(&"[3 more…]".to_owned()), "{lines:?}");
    }

    #[test]
    fn an_act_is_known_again_by_its_name() {
        let acts = [
            TrayAct::Show,
            TrayAct::Quit,
            TrayAct::StartMachine,
            TrayAct::StopMachine,
            TrayAct::OpenPort(8080),
            TrayAct::StopContainer("0123abc".to_owned()),
        ];
        for act in acts {
            assert_eq!(TrayAct::named(&act.to_string()), Some(act));
        }
        for name in ["", "42", "open-port:x", "open-port:99999", "rm:web"] {
            assert_eq!(TrayAct::named(name), None, "{name}");
        }
    }
}
