//! Each instruction and flag of the Dockerfile reference, right and wrong.

use crate::file::{Changes, Dockerfile};
use crate::instruction::{
    Command, CommandLine, Document, Execution, From, Instruction, Network, Run, Security, Transfer,
};
use crate::position::Word;
use crate::{Expander, Healthcheck, Pair};

/// The only instruction of a file's stage.
fn instruction(text: &str) -> Instruction {
    let mut file = Dockerfile::parse(&format!("FROM x\n{text}")).unwrap();
    assert_eq!(file.stages[0].instructions.len(), 1, "{text}");
    file.stages.remove(0).instructions.remove(0)
}

fn command(text: &str) -> Command {
    instruction(text).command
}

fn expanded(text: &str) -> Command {
    let value = |name: &str| match name {
        "A" => Some("one".to_owned()),
        "TWO" => Some("x y".to_owned()),
        _ => None,
    };
    instruction(text).expanded(Expander::new('\\', &value)).unwrap().command
}

fn texts(words: &[Word]) -> Vec<&str> {
    words.iter().map(|word| word.text.as_str()).collect()
}

fn flat(pairs: &[Pair]) -> Vec<(&str, &str)> {
    pairs.iter().map(|pair| (pair.name.text.as_str(), pair.value.text.as_str())).collect()
}

fn text(word: Option<&Word>) -> Option<&str> {
    word.map(|word| word.text.as_str())
}

fn shell(line: &str) -> CommandLine {
    CommandLine::Shell(line.to_owned())
}

fn exec(words: &[&str]) -> CommandLine {
    CommandLine::Exec(words.iter().map(|word| (*word).to_owned()).collect())
}

fn transfer(command: Command) -> Transfer {
    match command {
        Command::Add(files) | Command::Copy(files) => files,
        other => panic!("{other:?} copies nothing"),
    }
}

fn run(text: &str) -> Run {
    match command(text) {
        Command::Run(run) => run,
        other => panic!("{other:?} runs nothing"),
    }
}

#[test]
fn from_has_a_platform_and_a_name() {
    let from = |text: &str| Dockerfile::parse(text).unwrap().stages.remove(0).from;
    let From { base, platform, name } =
        from("from --platform=$BUILDPLATFORM golang:1@sha256:0 as Build-1.x_y");
    assert_eq!((base.text.as_str(), base.at.column), ("golang:1@sha256:0", 32));
    assert_eq!(text(platform.as_ref()), Some("$BUILDPLATFORM"));
    assert_eq!(name.as_deref(), Some("build-1.x_y"));
    assert_eq!(from("FROM scratch").name, None);
}

#[test]
fn arg_has_names_and_defaults() {
    let Command::Arg(arguments) = command("ARG a b= c=\"1 2\" d=$A") else { panic!("it is one") };
    let arguments: Vec<_> = arguments
        .iter()
        .map(|argument| (argument.name.text.as_str(), text(argument.default.as_ref())))
        .collect();
    let expected = [("a", None), ("b", Some("")), ("c", Some("\"1 2\"")), ("d", Some("$A"))];
    assert_eq!(arguments, expected);
}

#[test]
fn env_and_label_have_two_forms() {
    let Command::Env(pairs) = expanded("ENV a=$A b=\"x $TWO\" $A='$A' c=\\ d") else {
        panic!("it is one")
    };
    assert_eq!(flat(&pairs), [("a", "one"), ("b", "x x y"), ("one", "$A"), ("c", " d")]);
    let Command::Env(pairs) = expanded("ENV a  $A b  'c' ") else { panic!("it is one") };
    assert_eq!(flat(&pairs), [("a", "one b  c")]);
    let Command::Label(pairs) = expanded("LABEL \"a b\"=$A c=d\\\n  e=f") else {
        panic!("it is one")
    };
    assert_eq!(flat(&pairs), [("a b", "one"), ("c", "d"), ("e", "f")]);
    let Command::Label(pairs) = expanded("LABEL a b=c") else { panic!("it is one") };
    assert_eq!(flat(&pairs), [("a", "b=c")]);
}

#[test]
fn copy_has_flags() {
    let files = transfer(expanded(
        "COPY --from=Build --chown=$A:1 --chmod=u=rwX,$A --link --parents=false --exclude=*.md \
         --exclude=$A a$A \"b\" '/x'\\ y",
    ));
    assert_eq!(texts(&files.sources), ["aone", "b", "/x"], "a space cannot be escaped here");
    assert_eq!(files.destination.text, "y");
    assert_eq!(text(files.from.as_ref()), Some("Build"));
    assert_eq!(text(files.chown.as_ref()), Some("one:1"));
    assert_eq!(text(files.chmod.as_ref()), Some("u=rwX,one"));
    assert!(files.link && !files.parents);
    assert_eq!(texts(&files.exclude), ["*.md", "$A"]);
    let files = transfer(expanded("COPY [\"a b\", \"$A\", \"/c d/\"]"));
    assert_eq!(texts(&files.sources), ["a b", "one"]);
    assert_eq!(files.destination.text, "/c d/");
}

#[test]
fn add_has_flags() {
    let files = transfer(expanded(
        "ADD --checksum=sha256:$A --keep-git-dir --unpack=false --chown=1 --chmod=2 --link \
         --exclude=x https://example.org/$A /",
    ));
    assert_eq!(text(files.checksum.as_ref()), Some("sha256:one"));
    assert_eq!((files.keep_git_dir, files.unpack, files.link), (Some(true), Some(false), true));
    assert_eq!(texts(&files.sources), ["https://example.org/one"]);
    assert_eq!(transfer(command("ADD a b")).unpack, None);
    let nothing = transfer(expanded("ADD --chown=$NONE --chmod=$NONE --checksum=$NONE a b"));
    assert_eq!((nothing.chown, nothing.chmod, nothing.checksum), (None, None, None));
}

#[test]
fn copy_takes_documents() {
    let files = transfer(expanded("COPY <<a x <<-\"b\" /dir/\n$A 'q'\na\n\t$A\n\tb\n"));
    let document = |name: &str, content: &str, expands| Document {
        name: name.to_owned(),
        content: content.to_owned(),
        expands,
    };
    assert_eq!(files.documents, [document("a", "one 'q'\n", true), document("b", "$A\n", false)]);
    assert_eq!(texts(&files.sources), ["x"]);
}

#[test]
fn run_is_for_the_shell_or_not() {
    assert_eq!(run("RUN a  $B && \\\n    c").line, shell("a  $B &&     c"));
    assert_eq!(run("RUN [\"a\", \"$B\"]").line, exec(&["a", "$B"]));
    assert_eq!(run("RUN [ -f x ]").line, shell("[ -f x ]"));
    assert_eq!(run("RUN").line, shell(""));
    let run = run("RUN --network=none --security=insecure --mount=type=cache,target=/x \
                   --mount=target=/y make");
    assert_eq!((run.network, run.security), (Network::None, Security::Insecure));
    assert_eq!(texts(&run.mounts), ["type=cache,target=/x", "target=/y"]);
    assert_eq!(run.line, shell("make"));
}

#[test]
fn run_takes_documents() {
    for (text, execution) in [
        ("RUN <<E\na\nb\nE", Execution::Shell("a\nb\n".into())),
        ("RUN <<-E\n\ta\n\tE", Execution::Shell("a\n".into())),
        ("RUN cat <<E >x\na\nE", Execution::Shell("cat <<E >x\na\nE".into())),
        ("RUN <<A cat <<B\na\nA\nb\nB", Execution::Shell("<<A cat <<B\na\nA\nb\nB".into())),
        (
            "RUN <<'E'\n#!/usr/bin/env python\nprint(1)\nE",
            Execution::Script(Document {
                name: "E".into(),
                content: "#!/usr/bin/env python\nprint(1)\n".into(),
                expands: false,
            }),
        ),
    ] {
        assert_eq!(run(text).execution(), execution, "{text}");
    }
}

#[test]
fn commands_are_words_or_for_the_shell() {
    assert_eq!(command("cmd [\"a\", \"b c\"]"), Command::Cmd(exec(&["a", "b c"])));
    assert_eq!(command("CMD"), Command::Cmd(shell("")));
    assert_eq!(command("ENTRYPOINT a  $B "), Command::Entrypoint(shell("a  $B")));
    assert_eq!(command("ENTRYPOINT []"), Command::Entrypoint(exec(&[])));
    let words = ["/bin/bash".to_owned(), "-c".to_owned()].to_vec();
    assert_eq!(command("SHELL [\"/bin/bash\", \"-c\"]"), Command::Shell(words));
}

#[test]
fn healthcheck_has_flags() {
    let flags = "--interval=1m30s --timeout=1s --start-period=2s --start-interval=3ms --retries=3";
    let check = |text: &str| match command(text) {
        Command::Healthcheck(check) => check,
        other => panic!("{other:?} checks nothing"),
    };
    let expected = Healthcheck {
        test: vec!["CMD-SHELL".into(), "test -f /x".into()],
        interval: Some(90_000_000_000),
        timeout: Some(1_000_000_000),
        start_period: Some(2_000_000_000),
        start_interval: Some(3_000_000),
        retries: Some(3),
    };
    assert_eq!(check(&format!("HEALTHCHECK {flags} CMD test -f /x")), expected);
    let list = check("HEALTHCHECK --interval=0s --retries=0 cmd [\"a\"]");
    let test = vec!["CMD".into(), "a".into()];
    assert_eq!(list, Healthcheck { test, ..Healthcheck::default() });
    assert_eq!(check("HEALTHCHECK none").test, ["NONE"]);
}

#[test]
fn the_others_have_words() {
    let Command::Expose(ports) = expanded("EXPOSE 80/udp $TWO 443") else { panic!("it is one") };
    assert_eq!(texts(&ports), ["x", "y", "443", "80/udp"]);
    let Command::Volume(volumes) = expanded("VOLUME /a /$A") else { panic!("it is one") };
    assert_eq!(texts(&volumes), ["/a", "/one"]);
    let empty = instruction("VOLUME $NONE").expanded(Expander::new('\\', &|_| None)).unwrap_err();
    assert_eq!(empty.to_string(), "VOLUME specified can not be an empty string");
    let Command::Volume(volumes) = expanded("VOLUME [\"/a b \"]") else { panic!("it is one") };
    assert_eq!(texts(&volumes), ["/a b"]);
    for (text, expected) in [
        ("USER ${A}:2", "one:2"),
        ("WORKDIR /a b/\"$A\"", "/a b/one"),
        ("STOPSIGNAL SIG$A", "SIGone"),
        ("MAINTAINER $A <a@example.org>", "$A <a@example.org>"),
        ("ONBUILD RUN  $A \\\n x", "RUN  $A  x"),
        ("ONBUILD  RUN x \\\n", "RUN x "),
    ] {
        let (Command::User(word)
        | Command::WorkDir(word)
        | Command::StopSignal(word)
        | Command::Maintainer(word)
        | Command::OnBuild(word)) = expanded(text)
        else {
            panic!("{text} has no word")
        };
        assert_eq!(word.text, expected, "{text}");
    }
}

#[test]
fn changes_are_of_a_configuration_only() {
    let parse = |changes: &[&str]| {
        let changes: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
        Changes::parse(&changes).map_err(|error| error.to_string())
    };
    let changes = parse(&["ENV a=b", "# escape=x", "", "onbuild RUN  x"]).unwrap();
    assert_eq!(changes.instructions.len(), 2);
    assert_eq!(parse(&[]).unwrap().instructions, []);
    assert_eq!(parse(&["#escape=`", "USER a"]).unwrap().escape, '`');
    for (change, message) in [
        ("RUN true", "RUN is not a valid change command"),
        ("from x", "from is not a valid change command"),
        ("nonsense", "nonsense is not a valid change command"),
        ("SHELL [\"a\"]", "SHELL is not a valid change command"),
        ("USER", "USER requires exactly one argument"),
    ] {
        assert_eq!(parse(&["USER x", change]), Err(message.to_owned()));
    }
}
