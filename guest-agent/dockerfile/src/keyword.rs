//! The names of the instructions.

use crate::suggest::nearest;

/// What an instruction begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Keyword {
    /// `ADD`
    Add,
    /// `ARG`
    Arg,
    /// `CMD`
    Cmd,
    /// `COPY`
    Copy,
    /// `ENTRYPOINT`
    Entrypoint,
    /// `ENV`
    Env,
    /// `EXPOSE`
    Expose,
    /// `FROM`
    From,
    /// `HEALTHCHECK`
    Healthcheck,
    /// `LABEL`
    Label,
    /// `MAINTAINER`
    Maintainer,
    /// `ONBUILD`
    OnBuild,
    /// `RUN`
    Run,
    /// `SHELL`
    Shell,
    /// `STOPSIGNAL`
    StopSignal,
    /// `USER`
    User,
    /// `VOLUME`
    Volume,
    /// `WORKDIR`
    WorkDir,
}

impl Keyword {
    const ALL: [Self; 18] = [
        Self::Add,
        Self::Arg,
        Self::Cmd,
        Self::Copy,
        Self::Entrypoint,
        Self::Env,
        Self::Expose,
        Self::From,
        Self::Healthcheck,
        Self::Label,
        Self::Maintainer,
        Self::OnBuild,
        Self::Run,
        Self::Shell,
        Self::StopSignal,
        Self::User,
        Self::Volume,
        Self::WorkDir,
    ];

    /// The instruction of this name, in letters of any size.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|keyword| keyword.as_str().eq_ignore_ascii_case(name))
    }

    /// The name that `name` may have been meant for.
    pub(crate) fn nearest(name: &str) -> Option<String> {
        let meant = nearest(&name.to_uppercase(), Self::ALL.map(Self::as_str))?;
        let is_upper = name == name.to_uppercase();
        Some(if is_upper { meant.to_owned() } else { meant.to_lowercase() })
    }

    /// Whether here-documents may follow the instruction.
    pub(crate) fn takes_documents(self) -> bool {
        matches!(self, Self::Add | Self::Copy | Self::Run)
    }

    /// The name as the reference writes it.
    pub fn as_str(self) -> &'static str {
        // Each begins its usage.
        let usage = self.usage();
        usage.split(' ').next().unwrap_or(usage)
    }

    /// What the instruction looks like when it is right.
    pub fn usage(self) -> &'static str {
        match self {
            Self::Add => "ADD [flags] <source>... <destination>",
            Self::Arg => "ARG <name>[=<default>]...",
            Self::Cmd => "CMD [\"<program>\", \"<argument>\"...] or CMD <command>",
            Self::Copy => "COPY [flags] <source>... <destination>",
            Self::Entrypoint => {
                "ENTRYPOINT [\"<program>\", \"<argument>\"...] or ENTRYPOINT <command>"
            }
            Self::Env => "ENV <name>=<value>...",
            Self::Expose => "EXPOSE <port>[/<protocol>]...",
            Self::From => "FROM [--platform=<platform>] <image> [AS <name>]",
            Self::Healthcheck => "HEALTHCHECK [flags] CMD <command> or HEALTHCHECK NONE",
            Self::Label => "LABEL <name>=<value>...",
            Self::Maintainer => "MAINTAINER <name>",
            Self::OnBuild => "ONBUILD <instruction>",
            Self::Run => "RUN [flags] <command> or RUN [flags] [\"<program>\", \"<argument>\"...]",
            Self::Shell => "SHELL [\"<program>\", \"<argument>\"...]",
            Self::StopSignal => "STOPSIGNAL <signal>",
            Self::User => "USER <user>[:<group>]",
            Self::Volume => "VOLUME <directory>... or VOLUME [\"<directory>\"...]",
            Self::WorkDir => "WORKDIR <directory>",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_in_any_case() {
        for keyword in Keyword::ALL {
            assert_eq!(Keyword::of(&keyword.as_str().to_lowercase()), Some(keyword));
        }
        assert_eq!(Keyword::of("FORM"), None);
    }

    #[test]
    fn the_nearest_name_is_in_the_case_of_the_wrong_one() {
        assert_eq!(Keyword::nearest("FORM").as_deref(), Some("FROM"));
        assert_eq!(Keyword::nearest("coppy").as_deref(), Some("copy"));
        assert_eq!(Keyword::nearest("Runn").as_deref(), Some("run"));
        assert_eq!(Keyword::nearest("INSTALL"), None);
    }
}
