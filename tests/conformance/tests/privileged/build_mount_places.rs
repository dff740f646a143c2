//! The places of the runtime's own mounts in what builds make: what an instruction has put there
//! is in the image, what only a `RUN` needed is not.

use naru_test_framework::Engine;

use crate::build::{build, context};

const DOCKERFILE: &str = "FROM busybox AS tree\n\
     RUN mkdir -p /tree/dev /tree/etc /tree/proc /tree/sys && echo mine > /tree/etc/hosts \
     && touch /tree/etc/hostname\n\
     FROM scratch AS copied\n\
     COPY --from=tree /tree/ /\n\
     FROM scratch AS run\n\
     COPY --from=tree /bin /bin\n\
     RUN echo 1 > /one\n\
     FROM busybox\n\
     COPY --from=copied / /copied/\n\
     COPY --from=run / /run/\n\
     CMD [\"sh\", \"-c\", \"cd /copied && find . | sort && cat etc/hosts && ls -A /run\"]\n";

const EXPECTED: &str =
    ".\n./dev\n./etc\n./etc/hostname\n./etc/hosts\n./proc\n./sys\nmine\nbin\none";

#[test]
fn what_is_copied_there_stays_and_what_a_run_needs_goes() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    context(&engine, &[("Dockerfile", DOCKERFILE)])?;
    // Bytes that do not depend on the time are made another way.
    for epoch in [&[][..], &["--build-arg", "SOURCE_DATE_EPOCH=1000000000"]] {
        let output = build(&engine, &[&["-t", "made", "--no-cache"], epoch].concat())?;
        output.success()?;
        assert_eq!(engine.docker(&["run", "--rm", "made"])?.success()?, EXPECTED, "{epoch:?}");
    }
    Ok(())
}
