"""docker's own Python library; each function is a case, and the first argument names it."""

import io
import pathlib
import sys
import tarfile
import tempfile

import docker
from docker.types import Healthcheck, IPAMConfig, IPAMPool, LogConfig, Mount, Ulimit

client = docker.from_env()


def raises(kind, call, *arguments, **options):
    try:
        call(*arguments, **options)
    except kind as error:
        return error
    raise AssertionError(f"{call} does not fail")


def tar_of(name, content):
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return archive.getvalue()


def containers():
    assert client.ping()
    assert client.version()["Os"] == "linux"
    assert client.info()["Containers"] == 0
    said = client.containers.run("busybox", ["echo", "hello"], remove=True)
    assert said == b"hello\n", said
    error = raises(
        docker.errors.ContainerError, client.containers.run, "busybox", "sh -c 'echo no >&2; exit 3'"
    )
    assert (error.exit_status, error.stderr) == (3, b"no\n"), error
    for container in client.containers.list(all=True):
        container.remove()

    container = client.containers.create(
        "busybox",
        ["sh", "-c", "echo $WORD; echo err >&2; exec sleep 1000"],
        name="made",
        environment={"WORD": "given"},
        labels={"kind": "test"},
        user="33:33",
        working_dir="/tmp",
        init=True,
        cap_drop=["ALL"],
        ulimits=[Ulimit(name="nofile", soft=100, hard=200)],
        log_config=LogConfig(type="json-file", config={"max-size": "1m"}),
        healthcheck=Healthcheck(test=["CMD", "true"], interval=200_000_000),
        restart_policy={"Name": "on-failure", "MaximumRetryCount": 2},
        tmpfs={"/scratch": "size=1m"},
    )
    assert container.status == "created"
    container.start()
    following = container.logs(stream=True, follow=True)
    assert sorted([next(following), next(following)]) == [b"err\n", b"given\n"]
    assert container.logs(stdout=False) == b"err\n"
    assert [each.name for each in client.containers.list(filters={"label": "kind=test"})] == ["made"]
    assert client.containers.get("made").id == container.id
    assert any("sleep 1000" in " ".join(row) for row in container.top()["Processes"])
    assert container.stats(stream=False)["name"] == "/made"
    container.pause()
    container.reload()
    assert container.status == "paused"
    container.unpause()
    container.rename("renamed")
    container.restart(timeout=0)
    container.update(restart_policy={"Name": "no"})
    container.stop(timeout=0)
    assert container.wait()["StatusCode"] in (137, 143)
    container.remove(v=True)
    raises(docker.errors.NotFound, client.containers.get, "renamed")


def execs():
    container = client.containers.run("busybox", ["sleep", "1000"], detach=True, init=True)
    assert container.exec_run(["echo", "hi"]) == (0, b"hi\n")
    both = container.exec_run(["sh", "-c", "echo out; echo err >&2; exit 5"], demux=True)
    assert both == (5, (b"out\n", b"err\n")), both
    options = {"environment": {"WORD": "given"}, "workdir": "/tmp", "user": "33"}
    said = container.exec_run(["sh", "-c", "echo $WORD; pwd; id -u"], **options)
    assert said.output == b"given\n/tmp\n33\n", said
    stream = container.exec_run(["sh", "-c", "echo one; echo two"], stream=True).output
    assert b"".join(stream) == b"one\ntwo\n"
    _, connection = container.exec_run(["cat"], stdin=True, socket=True, tty=True)
    connection._sock.sendall(b"typed\n")
    heard = b""
    while heard.count(b"typed") < 2:
        heard += connection._sock.recv(100)
    connection.close()
    container.remove(force=True)


def files():
    container = client.containers.run("busybox", ["sleep", "1000"], detach=True, init=True)
    assert container.put_archive("/tmp", tar_of("file", b"content"))
    assert container.exec_run(["cat", "/tmp/file"]).output == b"content"
    chunks, stat = container.get_archive("/tmp/file")
    assert (stat["name"], stat["size"]) == ("file", 7), stat
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
        assert tar.extractfile("file").read() == b"content"
    changed = {(row["Kind"], row["Path"]) for row in container.diff()}
    assert (1, "/tmp/file") in changed, changed
    with tarfile.open(fileobj=io.BytesIO(b"".join(container.export()))) as tar:
        assert "tmp/file" in tar.getnames()
    container.remove(force=True)


def images():
    image = client.images.get("busybox")
    assert "busybox:latest" in image.tags
    assert image.tag("naru/copy", "1")
    assert client.images.get("naru/copy:1").id == image.id
    assert len(client.images.list(name="naru/copy")) == 1
    assert image.history()
    client.images.remove("naru/copy:1")
    error = raises(docker.errors.ImageNotFound, client.images.get, "naru/copy:1")
    assert "No such image" in str(error), error


DOCKERFILE = """\
FROM busybox AS one
ARG WORD
COPY . /files/
RUN echo $WORD > /word; grep -q '1.2.3.4.*there' /etc/hosts
FROM one
RUN echo why; exit 7
"""


def builds():
    with tempfile.TemporaryDirectory() as folder:
        context = pathlib.Path(folder)
        (context / "Dockerfile").write_text(DOCKERFILE)
        (context / ".dockerignore").write_text("hidden\n")
        (context / "hidden").write_text("not sent")
        (context / "kept").write_text("kept")
        options = {
            "path": folder,
            "tag": "naru/made:1",
            "target": "one",
            "buildargs": {"WORD": "given"},
            "labels": {"kind": "test"},
            "extra_hosts": {"there": "1.2.3.4"},
            "network_mode": "none",
            "shmsize": 8 << 20,
            "rm": True,
        }
        image, log = client.images.build(**options)
        said = "".join(line.get("stream", "") for line in log)
        assert "Successfully tagged naru/made:1" in said, said
        assert (image.tags, image.labels) == (["naru/made:1"], {"kind": "test"})
        said = client.containers.run(image, ["sh", "-c", "cat /word; ls /files"], remove=True)
        assert said == b"given\nDockerfile\nkept\n", said
        assert client.images.build(**options)[0].id == image.id
        error = raises(docker.errors.BuildError, client.images.build, **{**options, "target": ""})
        assert error.msg.endswith("returned a non-zero code: 7"), error
        assert "why\n" in "".join(line.get("stream", "") for line in error.build_log)
    wrong = io.BytesIO(b"FROM busybox\nRNU true\n")
    error = raises(docker.errors.APIError, client.images.build, fileobj=wrong)
    assert error.status_code == 400 and "unknown instruction: RNU" in error.explanation, error
    client.images.remove("naru/made:1")
    assert "CachesDeleted" in client.api.prune_builds(all=True)


def networks():
    pool = IPAMPool(subnet="10.213.9.0/24", gateway="10.213.9.1")
    network = client.networks.create(
        "made", driver="bridge", ipam=IPAMConfig(pool_configs=[pool]), labels={"kind": "test"}
    )
    assert [each.name for each in client.networks.list(filters={"label": "kind=test"})] == ["made"]
    serve = "hostname > /www/index.html && exec httpd -f -h /www"
    web = client.containers.run(
        "busybox", ["sh", "-c", serve], detach=True, init=True, hostname="web", ports={"80/tcp": None}
    )
    network.connect(web, aliases=["site"], ipv4_address="10.213.9.7")
    web.reload()
    assert web.attrs["NetworkSettings"]["Networks"]["made"]["IPAddress"] == "10.213.9.7"
    assert web.ports["80/tcp"][0]["HostPort"].isdigit(), web.ports
    fetch = ["sh", "-c", "until wget -q -O - http://site; do usleep 10000; done"]
    assert client.containers.run("busybox", fetch, network="made", remove=True) == b"web\n"
    network.reload()
    assert [each.id for each in network.containers] == [web.id]
    error = raises(docker.errors.APIError, network.remove)
    assert error.status_code == 403 and "has active endpoints" in str(error), error
    network.disconnect(web)
    network.remove()
    raises(docker.errors.NotFound, client.networks.get, "made")
    web.remove(force=True)


def volumes():
    volume = client.volumes.create("made", labels={"kind": "test"})
    assert client.volumes.get("made").attrs["Driver"] == "local"
    run = client.containers.run
    run("busybox", ["sh", "-c", "echo kept > /data/file"], volumes={"made": {"bind": "/data"}}, remove=True)
    mount = Mount("/there", "made", read_only=True)
    assert run("busybox", ["cat", "/there/file"], mounts=[mount], remove=True) == b"kept\n"
    user = client.containers.create("busybox", volumes=["made:/data"])
    error = raises(docker.errors.APIError, volume.remove)
    assert error.status_code == 409 and "volume is in use" in str(error), error
    user.remove()
    assert [each.name for each in client.volumes.list(filters={"label": "kind=test"})] == ["made"]
    volume.remove()
    raises(docker.errors.NotFound, client.volumes.get, "made")


def events():
    stream = client.events(decode=True, filters={"type": "container"})
    container = client.containers.create("busybox", ["true"], name="seen")
    container.start()
    container.wait()
    container.remove()
    actions = []
    for event in stream:
        if event["Actor"]["Attributes"]["name"] == "seen":
            actions.append(event["Action"])
        if event["Action"] == "destroy":
            break
    stream.close()
    assert actions == ["create", "start", "die", "destroy"], actions


globals()[sys.argv[1]]()
