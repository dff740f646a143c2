//! What the environment and the command line say: the one place that reads them.

use std::fs;
use std::path::Path;

/// The locale for WebKit where the system names none: without one, pages see the
/// language `C`, which is no language tag, and on which JavaScript's `Intl` throws.
const LOCALE: &str = "en_US.UTF-8";
/// The variables that choose the locale; the first that is set decides.
const LOCALE_VARIABLES: [&str; 3] = ["LC_ALL", "LC_MESSAGES", "LANG"];

/// Tells WebKit to draw pages without putting them together from layers, unless it is `0`.
const COMPOSITING: &str = "WEBKIT_DISABLE_COMPOSITING_MODE";
/// Where Linux has the graphics processors, and what each is called that draws for a program.
const GPUS: (&str, &str) = ("/dev/dri", "renderD");

/// On the command line: begin without showing the window, where the tray shows Naru.
pub(crate) const HIDDEN: &str = "--hidden";

/// The environment variables and arguments the shell knows, as they were at the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Environment {
    /// Whether the window is not to be shown.
    pub(crate) hidden: bool,
    locale: Option<(&'static str, String)>,
    compositing: Option<String>,
    has_gpu: bool,
    log: Option<String>,
}

impl Environment {
    /// Reads this process's environment. An empty variable counts as unset.
    #[expect(clippy::disallowed_methods, reason = "this is the config module")]
    pub(crate) fn read() -> Self {
        let set = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        Self {
            hidden: std::env::args_os().any(|argument| argument == HIDDEN),
            locale: LOCALE_VARIABLES.into_iter().find_map(|name| Some((name, set(name)?))),
            compositing: set(COMPOSITING),
            has_gpu: !cfg!(target_os = "linux") || has_gpu(Path::new(GPUS.0)),
            log: set("NARU_LOG"),
        }
    }

    /// The variable to set, and to what, when no language is chosen (unset, `C`, `POSIX`).
    pub(crate) fn missing_locale(&self) -> Option<(&'static str, &'static str)> {
        let Some((name, value)) = &self.locale else { return Some(("LANG", LOCALE)) };
        let language = value.split(['.', '@']).next().unwrap_or_default();
        matches!(language, "C" | "POSIX").then_some((name, LOCALE))
    }

    /// The variable to set, and to what, where no graphics processor draws: there WebKit would put
    /// the layers together with OpenGL on the processor, which costs each frame of a list that
    /// scrolls far more than drawing it does.
    pub(crate) fn costly_compositing(&self) -> Option<(&'static str, &'static str)> {
        (!self.has_gpu && self.compositing.is_none()).then_some((COMPOSITING, "1"))
    }

    /// `NARU_LOG`, in `tracing`'s own notation; what went wrong without it.
    pub(crate) fn log_filter(&self) -> &str {
        self.log.as_deref().unwrap_or("warn,naru_app=info,naru_machine=info")
    }
}

fn has_gpu(folder: &Path) -> bool {
    let is_gpu = |entry: fs::DirEntry| entry.file_name().to_string_lossy().starts_with(GPUS.1);
    fs::read_dir(folder).is_ok_and(|entries| entries.flatten().any(is_gpu))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_locale(name: &'static str, value: &str) -> Environment {
        Environment { locale: Some((name, value.to_owned())), ..Environment::default() }
    }

    #[test]
    fn a_locale_that_names_no_language_is_replaced_where_it_was_set() {
        assert_eq!(Environment::default().missing_locale(), Some(("LANG", LOCALE)));
        assert_eq!(with_locale("LANG", "C").missing_locale(), Some(("LANG", LOCALE)));
        assert_eq!(with_locale("LC_ALL", "C.UTF-8").missing_locale(), Some(("LC_ALL", LOCALE)));
        assert_eq!(with_locale("LANG", "POSIX").missing_locale(), Some(("LANG", LOCALE)));
    }

    #[test]
    fn a_chosen_language_stays() {
        assert_eq!(with_locale("LANG", "ko_KR.UTF-8").missing_locale(), None);
        assert_eq!(with_locale("LC_ALL", "ca_ES@valencia").missing_locale(), None);
    }

    #[test]
    fn layers_are_put_together_by_a_gpu_or_not_at_all_unless_the_person_says_so() {
        let without = Environment::default();
        assert_eq!(without.costly_compositing(), Some((COMPOSITING, "1")));
        assert_eq!(Environment { has_gpu: true, ..without.clone() }.costly_compositing(), None);
        let told = Environment { compositing: Some("0".to_owned()), ..without };
        assert_eq!(told.costly_compositing(), None);
    }

    #[test]
    fn a_gpu_that_only_drives_a_screen_draws_for_nobody() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("card0"), "").unwrap();
        assert!(!has_gpu(folder.path()) && !has_gpu(&folder.path().join("none")));
        fs::write(folder.path().join("renderD128"), "").unwrap();
        assert!(has_gpu(folder.path()));
    }
}
