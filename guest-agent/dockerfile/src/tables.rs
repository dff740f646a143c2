//! Whole files, right and wrong, and what is said of them.

use crate::file::Dockerfile;
use crate::scope::Inputs;

#[test]
fn what_is_wrong_is_said_in_dockers_words_and_where() {
    for (text, message) in WRONG {
        let error = Dockerfile::parse(text).unwrap_err();
        let at = error.at.map(|at| format!("{at} ")).unwrap_or_default();
        assert_eq!(format!("{at}{error}"), *message, "{text}");
    }
}

/// A file, where it is wrong, and how.
const WRONG: &[(&str, &str)] = &[
    ("FORM x", "1:1 unknown instruction: FORM (did you mean FROM?)"),
    ("FROM x\n  coppy a b", "2:3 unknown instruction: coppy (did you mean copy?)"),
    ("FROM x\nINSTALL y", "2:1 unknown instruction: INSTALL"),
    ("FROM x\n\\", "2:1 unknown instruction: "),
    ("RUN x", "1:1 no build stage in current context"),
    ("ARG x", "dockerfile contains no stages to build"),
    ("", "the Dockerfile cannot be empty"),
    ("# note\n", "file with no instructions"),
    ("#escape=x\nFROM x", "1:1 invalid escape token 'x' does not match ` or \\"),
    ("FROM", "1:1 FROM requires either one or three arguments"),
    ("FROM x y", "1:6 FROM requires either one or three arguments"),
    ("FROM x is y", "1:6 FROM requires either one or three arguments"),
    (
        "FROM x AS 1y",
        "1:11 invalid name for build stage: \"1y\", name can't start with a number or contain \
             symbols",
    ),
    ("FROM --platfrm=x y", "1:6 unknown flag: --platfrm (did you mean platform?)"),
    ("FROM x\nARG", "2:1 ARG requires at least one argument"),
    // All of the file's words are looked at before any of its instructions.
    ("FORM x\nENV a", "2:5 ENV must have two arguments"),
    (
        "FORM x\nONBUILD ENV a=b c",
        "2:17 Syntax error - can't find = in \"c\". Must be of the form: name=value",
    ),
    (
        "FROM x y\nHEALTHCHECK CMD [1]",
        "2:17 when using JSON array syntax, arrays must be comprised of strings only",
    ),
    (
        "FROM x\nCOPY --no",
        "2:1 COPY requires at least two arguments, but only one was provided. Destination could not be determined",
    ),
    ("FROM x\nARG a =b", "2:7 ARG names can not be blank"),
    ("FROM x\nENV", "2:1 ENV requires at least one argument"),
    ("FROM x\nENV a", "2:5 ENV must have two arguments"),
    (
        "FROM x\nLABEL a=b \\\n  c",
        "3:3 Syntax error - can't find = in \"c\". Must be of the form: name=value",
    ),
    ("FROM x\nLABEL =b", "2:7 LABEL names can not be blank"),
    (
        "FROM x\nCOPY --link a",
        "2:13 COPY requires at least two arguments, but only one was provided. Destination \
             could not be determined",
    ),
    ("FROM x\nCOPY a <<E\nE", "2:8 COPY cannot accept a heredoc as a destination"),
    ("FROM x\nADD --parents a b", "2:5 unknown flag: --parents"),
    (
        "FROM x\nCOPY [\"a\", 1]",
        "2:6 when using JSON array syntax, arrays must be comprised \
          of strings only",
    ),
    ("FROM x\nRUN --network=foo x", "2:5 invalid network mode \"foo\""),
    ("FROM x\nRUN --network= x", "2:5 invalid network mode \"\""),
    ("FROM x\nRUN --security=foo x", "2:5 security \"foo\" is not valid"),
    (
        "FROM x\nRUN --mount=from=$A x",
        "2:5 'from' doesn't support variable expansion, define alias stage instead",
    ),
    ("FROM x\nSHELL", "2:1 SHELL requires at least one argument"),
    ("FROM x\nSHELL []", "2:7 SHELL requires at least one argument"),
    ("FROM x\nSHELL bash", "2:7 SHELL requires the arguments to be in JSON form"),
    ("FROM x\nUSER", "2:1 USER requires exactly one argument"),
    ("FROM x\nUSER --x y", "2:6 unknown flag: --x"),
    ("FROM x\nWORKDIR", "2:1 WORKDIR requires exactly one argument"),
    ("FROM x\nSTOPSIGNAL", "2:1 STOPSIGNAL requires exactly one argument"),
    ("FROM x\nMAINTAINER", "2:1 MAINTAINER requires exactly one argument"),
    ("FROM x\nEXPOSE", "2:1 EXPOSE requires at least one argument"),
    ("FROM x\nVOLUME", "2:1 VOLUME requires at least one argument"),
    ("FROM x\nVOLUME [\"/a\", \" \"]", "2:15 VOLUME specified can not be an empty string"),
    ("FROM x\nONBUILD", "2:1 ONBUILD requires at least one argument"),
    ("FROM x\nONBUILD onbuild RUN x", "2:9 Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
    ("FROM x\nONBUILD from x", "2:9 FROM isn't allowed as an ONBUILD trigger"),
    ("FROM x\nONBUILD MAINTAINER x", "2:9 MAINTAINER isn't allowed as an ONBUILD trigger"),
    ("FROM x\nHEALTHCHECK", "2:1 HEALTHCHECK requires at least one argument"),
    ("FROM x\nHEALTHCHECK NONE x", "2:18 HEALTHCHECK NONE takes no arguments"),
    ("FROM x\nHEALTHCHECK CMD", "2:13 Missing command after HEALTHCHECK CMD"),
    ("FROM x\nHEALTHCHECK CMD []", "2:13 Missing command after HEALTHCHECK CMD"),
    ("FROM x\nHEALTHCHECK PING x", "2:13 Unknown type \"PING\" in HEALTHCHECK (try CMD)"),
    ("FROM x\nHEALTHCHECK --often=1 CMD x", "2:13 unknown flag: --often"),
    ("FROM x\nHEALTHCHECK --timeout CMD x", "2:13 missing a value on flag: --timeout"),
    (
        "FROM x\nHEALTHCHECK --timeout=1us CMD x",
        "2:13 Interval \"timeout\" cannot be less than 1ms",
    ),
    ("FROM x\nHEALTHCHECK --interval=5 CMD x", "2:13 time: missing unit in duration \"5\""),
    ("FROM x\nHEALTHCHECK --retries=-1 CMD x", "2:13 --retries cannot be negative (-1)"),
    (
        "FROM x\nHEALTHCHECK --retries=x CMD x",
        "2:13 strconv.ParseInt: parsing \"x\": invalid syntax",
    ),
];

#[test]
fn whole_files_are_read_as_people_write_them() {
    for (text, needed, images) in WHOLE {
        let file = Dockerfile::parse(text).unwrap();
        let inputs = Inputs::default();
        let globals = file.globals(&inputs).unwrap();
        let graph = file.graph(&globals, &inputs).unwrap();
        let stages = graph.needed(graph.target(None).unwrap()).unwrap();
        assert_eq!(
            (stages.as_slice(), graph.images(&stages)),
            (*needed, images.to_vec()),
            "{text}"
        );
    }
}

/// A file, the stages that its last one needs, and their images.
const WHOLE: &[(&str, &[usize], &[&str])] = &[
    (
        "# syntax=docker/dockerfile:1\nARG GO=1.22\nFROM golang:${GO}-alpine AS build\n\
         WORKDIR /src\nCOPY go.mod go.sum ./\nRUN --mount=type=cache,target=/go/pkg go mod download\n\
         COPY . .\nRUN CGO_ENABLED=0 go build -o /app ./cmd/app\n\nFROM build AS test\nRUN go test ./...\n\n\
         FROM scratch\nCOPY --from=build /app /app\nENTRYPOINT [\"/app\"]\n",
        &[0, 2],
        &["golang:1.22-alpine"],
    ),
    (
        "FROM node:20 AS deps\nCOPY package*.json ./\nRUN npm ci\n\nFROM deps AS build\nCOPY . .\n\
         RUN npm run build\n\nFROM nginx:alpine\nCOPY --from=build /dist /usr/share/nginx/html\n\
         EXPOSE 80\nHEALTHCHECK CMD wget -q localhost || exit 1\nCMD [\"nginx\", \"-g\", \"daemon off;\"]\n",
        &[0, 1, 2],
        &["node:20", "nginx:alpine"],
    ),
    (
        "FROM debian:12\n\nRUN set -eux; \\\n    # what is built with\n    apt-get update; \\\n\n    \
         apt-get install -y make\n\nENV LANG=C.UTF-8 \\\n    LC_ALL=C.UTF-8\nUSER nobody\n",
        &[0],
        &["debian:12"],
    ),
    (
        "# escape=`\r\nFROM mcr.example.org/windows\r\nRUN dir `\r\n  C:\\\r\nCOPY a C:\\b\\\r\n",
        &[0],
        &["mcr.example.org/windows"],
    ),
];
