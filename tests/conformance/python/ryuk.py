"""The reaper's protocol, for where Testcontainers' own image cannot be had.

Each line of a client names what belongs to it (`label=NAME=VALUE&...`) and is answered ACK. When
all clients have been gone for a while, what was named is removed, through the engine's socket.
"""

# Testcontainers connects as soon as the container runs: the port is open before all else is read.
import _socket

PORT = _socket.socket()
PORT.bind(("", 8080))
PORT.listen()

import http.client
import json
import os
import socket
import sys
import threading
import urllib.parse

ENGINE = "/var/run/docker.sock"


class Engine(http.client.HTTPConnection):
    """One connection to the engine's socket."""

    def __init__(self):
        super().__init__("localhost", timeout=60)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(ENGINE)


def ask(method, path, **query):
    engine = Engine()
    engine.request(method, path + "?" + urllib.parse.urlencode(query))
    answer = engine.getresponse()
    text = answer.read()
    print(method, path, answer.status, flush=True)
    return json.loads(text) if answer.status == 200 else None


def remove(filters):
    query = {"filters": json.dumps(filters)}
    for container in ask("GET", "/containers/json", all=1, **query):
        ask("DELETE", "/containers/" + container["Id"], force=1, v=1)
    for network in ask("GET", "/networks", **query):
        ask("DELETE", "/networks/" + network["Id"])
    for volume in ask("GET", "/volumes", **query)["Volumes"] or []:
        ask("DELETE", "/volumes/" + volume["Name"])


class Clients:
    """Who is connected, and what they have named."""

    def __init__(self, patience):
        self.patience = patience
        self.changed = threading.Condition()
        self.connected = 0
        self.named = []

    def serve(self, client):
        try:
            with client, client.makefile("rw", newline="\n") as lines:
                for line in lines:
                    filters = {}
                    for name, value in urllib.parse.parse_qsl(line.strip()):
                        filters.setdefault(name, []).append(value)
                    with self.changed:
                        if filters not in self.named:
                            self.named.append(filters)
                            self.changed.notify_all()
                    lines.write("ACK\n")
                    lines.flush()
        except ConnectionError as error:
            print("a client was cut off:", error, flush=True)
        finally:
            self.count(-1)

    def count(self, change):
        with self.changed:
            self.connected += change
            self.changed.notify_all()

    def wait_until_gone(self):
        with self.changed:
            self.changed.wait_for(lambda: self.named)
            while True:
                self.changed.wait_for(lambda: self.connected == 0)
                if not self.changed.wait_for(lambda: self.connected > 0, self.patience):
                    return self.named


def main():
    clients = Clients(float(os.environ.get("RYUK_RECONNECTION_TIMEOUT", "10s").removesuffix("s")))
    listener = socket.socket(fileno=PORT.detach())

    def accept():
        while True:
            client, _ = listener.accept()
            clients.count(1)
            threading.Thread(target=clients.serve, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    ask("GET", "/version")
    print("reaper Started!", flush=True)
    for filters in clients.wait_until_gone():
        remove(filters)


sys.exit(main())
