"""Testcontainers; each function is a case, and the first argument names it."""

import os
import signal
import sys
import urllib.request

import docker
from testcontainers.core.container import DockerContainer, Reaper
from testcontainers.core.network import Network
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

SERVE = "echo Naru > /www/index.html; httpd -h /www && echo ready; exec sleep 1000"


def web():
    container = DockerContainer("busybox").with_command(["sh", "-c", SERVE])
    container.with_exposed_ports(80).with_kwargs(init=True)
    return container.waiting_for(LogMessageWaitStrategy("ready"))


def fetch(container):
    address = (container.get_container_host_ip(), container.get_exposed_port(80))
    with urllib.request.urlopen("http://%s:%s/" % address, timeout=20) as answer:
        return answer.read()


def starts():
    with web() as container:
        assert fetch(container) == b"Naru\n"
        assert container.exec(["echo", "hi"]) == (0, b"hi\n")
        assert container.get_logs()[0] == b"ready\n"


def finds():
    with Network() as network:
        with web().with_network(network).with_network_aliases("site") as container:
            client = DockerContainer("busybox").with_network(network).with_kwargs(init=True)
            with client.with_command(["sleep", "1000"]) as client:
                until = "until wget -q -O - http://site; do usleep 10000; done"
                assert client.exec(["sh", "-c", until]) == (0, b"Naru\n")


def reaper_hears():
    """Who connects before the reaper listens may have talked to a proxy alone: then once more."""
    while True:
        Reaper.get_instance()
        Reaper._socket.settimeout(60)
        try:
            if Reaper._socket.recv(10) == b"ACK\n":
                return
        except ConnectionError:
            pass
        Reaper.delete_instance()


def dies():
    """It is killed before it has removed anything: that is the reaper's work."""
    reaper_hears()
    Network().create()
    container = web().start()
    assert fetch(container) == b"Naru\n"
    # Who looks when it is dead may come after the reaper.
    client, session = docker.from_env(), {"label": "org.testcontainers.session-id"}
    assert len(client.containers.list(filters=session)) == 1
    assert len(client.networks.list(filters=session)) == 1
    os.kill(os.getpid(), signal.SIGKILL)


globals()[sys.argv[1]]()
