"""Counts visits in PostgreSQL and in Redis, over connections that are made once."""

import json
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pg8000.native

database = pg8000.native.Connection("shop", host="database", database="postgres")
# Several of these programs may start at once.
database.run("select pg_advisory_lock(1)")
database.run("create table if not exists visit (host text)")
database.run("select pg_advisory_unlock(1)")
cache = socket.create_connection(("cache", 6379)).makefile("rwb")
one_at_a_time = threading.Lock()


def visit():
    with one_at_a_time:
        cache.write(b"INCR visits\r\n")
        cache.flush()
        hits = int(cache.readline()[1:])
        database.run("insert into visit values (:host)", host=os.uname().nodename)
        [[rows, backend]] = database.run("select count(*), pg_backend_pid() from visit")
        return {"host": os.uname().nodename, "hits": hits, "rows": rows, "backend": backend}


class Api(BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            status, answer = 200, {} if self.path == "/health" else visit()
        except Exception as error:
            status, answer = 500, {"error": repr(error)}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("", 8000), Api).serve_forever()
