"""A server that greets whoever is named by the path."""

import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote


def greeting(name):
    return f"{os.environ.get('GREETING', 'hello')} {name} from 1.2.0"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"{greeting(unquote(self.path[1:]))} as {os.getuid()}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    ThreadingHTTPServer(("", int(sys.argv[1])), Handler).serve_forever()


if __name__ == "__main__":
    main()
