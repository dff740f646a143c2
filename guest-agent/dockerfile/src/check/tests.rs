//! Files, and what is found in them.

use super::*;
use crate::file::Dockerfile;
use crate::ignore::Ignore;
use crate::scope::{Inputs, PlatformNames};

/// What is found in a file of which every stage is looked at.
fn found(text: &str, asked: Option<&str>, ignored: &str) -> Vec<String> {
    let checks = checked(text, asked, ignored);
    checks.found().iter().map(Finding::short).collect()
}

fn checked(text: &str, asked: Option<&str>, ignored: &str) -> Checks {
    let platform = |architecture: &str| PlatformNames {
        os: "linux".to_owned(),
        architecture: architecture.to_owned(),
        ..PlatformNames::default()
    };
    let inputs = Inputs {
        build_platform: platform("amd64"),
        target_platform: platform("arm64"),
        ..Inputs::default()
    };
    let file = Dockerfile::parse(text).unwrap();
    let globals = file.globals(&inputs).unwrap();
    let mut checks = Checks::new(text, asked).unwrap();
    checks.text();
    let is_image = |text: &str| !text.is_empty() && !text.ends_with(':');
    checks.bases(&file, &globals, &inputs, &is_image);
    let graph = file.graph(&globals, &inputs).unwrap();
    let stages = graph.all().unwrap();
    let base = |_| Base { environment: vec!["HOME=/root".to_owned()], has_shell: false };
    let ignore = Ignore::parse(ignored).unwrap();
    checks.stages((&file, &graph), &stages, (&globals, &inputs), &base, Some(&ignore));
    checks
}

/// Files, and what is found in each.
const FILES: &[(&str, &[&str])] = &[
    ("FROM x AS Base", &["StageNameCasing: Stage name 'Base' should be lowercase (line 1)"]),
    ("FROM x as b", &["FromAsCasing: 'as' and 'FROM' keywords' casing do not match (line 1)"]),
    ("FROM x\nRUN a \\\n\n  b", &["NoEmptyContinuation: Empty continuation line (line 4)"]),
    (
        "FROM x\nrun a\nUser y",
        &[
            "ConsistentInstructionCasing: Command 'run' should match the case of the command \
             majority (uppercase) (line 2)",
            "ConsistentInstructionCasing: Command 'User' should match the case of the command \
             majority (uppercase) (line 3)",
        ],
    ),
    (
        "FROM x\nrun a\nUSER y",
        &["ConsistentInstructionCasing: Command 'run' should match the case of the command \
           majority (uppercase) (line 2)"],
    ),
    (
        "FROM x AS a\nFROM y AS a",
        &["DuplicateStageName: Duplicate stage name \"a\", stage names should be unique \
           (line 2)"],
    ),
    (
        "FROM x AS scratch",
        &["ReservedStageName: Stage name should not use the same name as reserved stage \
           \"scratch\" (line 1)"],
    ),
    (
        "FROM x\nCMD a\nFROM y\nSHELL [\"s\"]\nENTRYPOINT a",
        &["JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended \
           behavior related to OS signals (line 2)"],
    ),
    (
        "FROM x\nMAINTAINER me",
        &["MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label \
           (line 2)"],
    ),
    (
        "ARG VERSION=1\nFROM x:$VERSON",
        &[
            "InvalidDefaultArgInFrom: Default value for ARG x:$VERSON results in empty or \
             invalid base image name (line 2)",
            "UndefinedArgInFrom: FROM argument 'VERSON' is not declared (did you mean \
             VERSION?) (line 2)",
        ],
    ),
    (
        "FROM x AS a\nWORKDIR sub/\nWORKDIR other\nFROM a\nWORKDIR third",
        &["WorkdirRelativePath: Relative workdir \"sub/\" can have unexpected results if the \
           base image changes (line 2)"],
    ),
    (
        "FROM x\nARG A B=$C\nENV D=$A$HOEM E=$PATH\nCOPY $D/$FOLDER /\nEXPOSE $G",
        &[
            "UndefinedVar: Usage of undefined variable '$C' (line 2)",
            "UndefinedVar: Usage of undefined variable '$HOEM' (did you mean $HOME?) (line 3)",
            "UndefinedVar: Usage of undefined variable '$FOLDER' (line 4)",
        ],
    ),
    (
        "FROM x\nRUN --mount=type=cache,target=$A y",
        &["UndefinedVar: Usage of undefined variable '$A' (line 2)"],
    ),
    (
        "FROM x AS a\nCMD [\"a\"]\nFROM a\nCMD [\"b\"]\nHEALTHCHECK NONE\nCMD [\"c\"]",
        &["MultipleInstructionsDisallowed: Multiple CMD instructions should not be used in \
           the same stage because only the last one will be used (line 4)"],
    ),
    (
        "FROM x\nENV a b=c\nLABEL a=b",
        &["LegacyKeyValueFormat: \"ENV key=value\" should be used instead of legacy \"ENV key \
           value\" format (line 2)"],
    ),
    (
        "FROM --platform=$TARGETPLATFORM x",
        &["RedundantTargetPlatform: Setting platform to predefined $TARGETPLATFORM in FROM is \
           redundant as this is the default behavior (line 1)"],
    ),
    (
        "FROM x\nARG GITHUB_TOKEN PUBLIC_KEY MONKEY\nENV aws_secret_id=1",
        &[
            "SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ARG \
             \"GITHUB_TOKEN\") (line 2)",
            "SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ENV \
             \"aws_secret_id\") (line 3)",
        ],
    ),
    (
        "ARG TAG\nFROM x:$TAG",
        &["InvalidDefaultArgInFrom: Default value for ARG x:$TAG results in empty or invalid \
           base image name (line 2)"],
    ),
    (
        "FROM --platform=linux/x86_64 x AS one\nFROM --platform=linux/arm64 x AS for-arm64",
        &["FromPlatformFlagConstDisallowed: FROM --platform flag should not use constant value \
           \"linux/x86_64\" (line 1)"],
    ),
    (
        "FROM x\nCOPY no/a yes /\nADD ./no https://host/no /\nCOPY --from=y no /\nCOPY . /",
        &[
            "CopyIgnoredFile: Attempting to Copy file \"no/a\" that is excluded by \
             .dockerignore (line 2)",
            "CopyIgnoredFile: Attempting to Add file \"no\" that is excluded by .dockerignore \
             (line 3)",
        ],
    ),
    (
        "FROM x\nEXPOSE 80/TCP 127.0.0.1:81:82 90",
        &[
            "ExposeInvalidFormat: EXPOSE instruction should not define an IP address or \
             host-port mapping, found '127.0.0.1:81:82' (line 2)",
            "ExposeProtoCasing: Defined protocol '80/TCP' in EXPOSE instruction should be \
             lowercase (line 2)",
        ],
    ),
];

#[test]
fn each_rule_finds_what_it_is_about() {
    for (text, expected) in FILES {
        assert_eq!(found(text, None, "no\n"), *expected, "{text}");
    }
}

#[test]
fn what_is_as_it_should_be_is_not_told() {
    let text = "# syntax=docker/dockerfile:1\nARG VERSION=1\n# app is what runs\n\
                FROM --platform=$BUILDPLATFORM x:$VERSION AS app\nARG VERSION\nARG MORE=$VERSION\n\
                ENV A=b PATH=$PATH:/opt\nWORKDIR /app\nRUN echo $NOT_OURS <<E\n$x\nE\n\
                COPY <<E $A /app/\n$A\nE\nEXPOSE 80 90/udp\nHEALTHCHECK CMD x\nUSER $HOME\n\
                ONBUILD RUN y\nENTRYPOINT [\"a\"]\nCMD [\"b\"]\nFROM app\nCOPY $VERSION /\n";
    assert_eq!(found(text, Some("experimental=all"), "other\n"), [""; 0]);
    assert_eq!(found("FROM x\nCOPY no /", None, "*\n!no"), [""; 0], "it may be an exception");
}

#[test]
fn a_description_begins_with_the_name_of_what_it_is_about() {
    let text = "# what\nARG a b\n# note\n\n# base too\nFROM x AS Base\n# none\nRUN y";
    let expected = [
        "StageNameCasing: Stage name 'Base' should be lowercase (line 6)",
        "InvalidDefinitionDescription: Comment for ARG should follow the format: `# <arg_key> \
         <description>` (line 2)",
    ];
    assert_eq!(found(text, None, ""), expected[..1], "nobody asks");
    let text = format!("# check=experimental=InvalidDefinitionDescription\n{text}");
    let all = found(&text, None, "");
    assert_eq!(all.len(), 2, "{all:?}");
    assert!(all.iter().any(|one| one.contains("(line 3)")), "{all:?}");
}

#[test]
fn the_file_says_which_checks_are_made_and_whoever_builds_overrules_it() {
    let text = "# check=skip=JSONArgsRecommended;error=true\nFROM x as b\nMAINTAINER me\nCMD a\n";
    let checks = checked(text, None, "");
    assert_eq!(checks.found().len(), 2);
    let failure = checks.failure().unwrap().to_string();
    assert_eq!(failure, "lint violation found for rules: FromAsCasing, MaintainerDeprecated");
    let checks = checked(text, Some("skip=FromAsCasing"), "");
    assert_eq!((checks.found().len(), checks.failure()), (2, None));
    assert_eq!(checked(text, Some("skip=all;error=true"), "").failure(), None);
    let above = "FROM x\n# check=skip=MaintainerDeprecated as ever\nMAINTAINER me\nCMD a";
    assert_eq!(checked(above, None, "").found().len(), 1);
    Checks::new("# check=skip\nFROM x", None).unwrap_err();
}

#[test]
fn findings_have_an_end() {
    let many: Vec<String> = (0..1000).map(|number| format!("ENV A{number}=$B{number}")).collect();
    assert_eq!(found(&format!("FROM x\n{}\n", many.join("\n")), None, "").len(), 200);
}
