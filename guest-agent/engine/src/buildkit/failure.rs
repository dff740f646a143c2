//! A build's failure, as BuildKit's clients are told of it.

use naru_error::chain;

use crate::build::{BuildError, DockerfileText};
use crate::error::EngineError;

type Lines = (u32, u32);

/// In BuildKit's words, with the lines of the Dockerfile that it is about.
pub(super) fn told(error: &BuildError, dockerfile: &DockerfileText) -> naru_buildkit::BuildError {
    let told = naru_buildkit::BuildError::new(error.kind(), message(error));
    let Some((first, last)) = lines(error) else { return told };
    let number = |line: u32| i32::try_from(line).unwrap_or(i32::MAX);
    let lines = [(number(first), number(last))];
    told.in_source(&dockerfile.name, dockerfile.text.as_bytes(), &lines)
}

/// Where in the Dockerfile it is.
pub(super) fn lines(error: &BuildError) -> Option<Lines> {
    match error {
        BuildError::Dockerfile(error) => error.at.map(|at| (at.line, at.line)),
        BuildError::Instruction(failed) => Some(failed.lines),
        _ => None,
    }
}

fn message(error: &BuildError) -> String {
    match error {
        BuildError::Instruction(failed) => message(&failed.cause),
        BuildError::Dockerfile(error) => error.detailed_message(),
        BuildError::Exit { command, code, .. } => {
            format!("process {command:?} did not complete successfully: exit code: {code}")
        }
        error => chain(error),
    }
}

/// A failure of the engine in what the door does by itself.
pub(super) fn of_engine(error: impl Into<EngineError>) -> naru_buildkit::BuildError {
    let error = error.into();
    naru_buildkit::BuildError::new(error.kind(), chain(&error))
}

#[cfg(test)]
mod tests {
    use naru_dockerfile::Dockerfile;
    use naru_error::ErrorKind;

    use super::*;
    use crate::build::FailedInstruction;

    #[test]
    fn a_dockerfile_that_is_none_is_told_once_with_the_column_and_what_was_expected() {
        let text = "FROM x\nCOPY --chwon=1 a b\n".to_owned();
        let error = BuildError::from(Dockerfile::parse(&text).unwrap_err());
        let said = chain(&error);
        assert_eq!(
            said,
            "dockerfile parse error on line 2: unknown flag: --chwon (did you mean chown?)"
        );
        let dockerfile = DockerfileText { name: "Dockerfile".to_owned(), text };
        assert_eq!(
            told(&error, &dockerfile).to_string(),
            format!("{said}; at column 6; expected: COPY [flags] <source>... <destination>")
        );
        assert_eq!(super::lines(&error), Some((2, 2)));
    }

    #[test]
    fn a_failed_program_is_told_in_buildkits_words() {
        let cause = BuildError::Exit {
            command: "/bin/sh -c false".to_owned(),
            code: 1,
            output: String::new(),
        };
        let (lines, text) = ((2, 3), "RUN false".to_owned());
        let failed = BuildError::Instruction(Box::new(FailedInstruction { lines, text, cause }));
        let told = told(&failed, &DockerfileText::default());
        assert_eq!(
            told.to_string(),
            "process \"/bin/sh -c false\" did not complete successfully: exit code: 1"
        );
        assert_eq!(told.kind(), ErrorKind::InvalidArgument);
        assert_eq!(super::lines(&failed), Some((2, 3)));
    }
}
