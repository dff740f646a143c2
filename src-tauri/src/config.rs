//! What the environment and the command line say: the one place that reads them.

/// The locale for WebKit where the system names none: without one, pages see the
/// language `C`, which is no language tag, and on which JavaScript's `Intl` throws.
const LOCALE: &str = "en_US.UTF-8";
/// The variables that choose the locale; the first that is set decides.
const LOCALE_VARIABLES: [&str; 3] = ["LC_ALL", "LC_MESSAGES", "LANG"];

/// On the command line: begin without showing the window, where the tray shows Naru.
pub(crate) const HIDDEN: &str = "--hidden";

/// The environment variables and arguments the shell knows, as they were at the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Environment {
    /// Whether the window is not to be shown.
    pub(crate) hidden: bool,
    locale: Option<(&'static str, String)>,
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
            log: set("NARU_LOG"),
        }
    }

    /// The variable to set, and to what, when no language is chosen (unset, `C`, `POSIX`).
    pub(crate) fn missing_locale(&self) -> Option<(&'static str, &'static str)> {
        let Some((name, value)) = &self.locale else { return Some(("LANG", LOCALE)) };
        let language = value.split(['.', '@']).next().unwrap_or_default();
        matches!(language, "C" | "POSIX").then_some((name, LOCALE))
    }

    /// `NARU_LOG`, in `tracing`'s own notation; what went wrong without it.
    pub(crate) fn log_filter(&self) -> &str {
        self.log.as_deref().unwrap_or("warn,naru_app=info,naru_machine=info")
    }
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
}
