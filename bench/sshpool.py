"""What sshpool is made of, on today's Python: Flask's own server, and paramiko behind one lock for each channel.

sshpool itself runs on Python 2.7 only. ``python -m bench.sshpool SERVER`` prints its port, and ends with stdin.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from typing import Any

import flask
import paramiko
from werkzeug.serving import make_server

from bench.servers import Server

_READ = 32_768


def main() -> None:
    """Serve POST /channels/bench."""
    server = Server(**json.loads(sys.argv[1]))
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    client = paramiko.SSHClient()
    client.load_host_keys(server.known_hosts)
    login: dict[str, Any] = {"username": server.user, "key_filename": server.key}
    client.connect(server.host, server.ports[0], allow_agent=False, look_for_keys=False, **login)
    lock = threading.Lock()
    web = flask.Flask("sshpool")

    @web.post("/channels/<alias>")  # type: ignore[untyped-decorator] # Flask is installed for `make bench` only
    def run(alias: str) -> flask.Response:
        del alias
        # sshpool's channel is a process that takes one command after the other from a pipe.
        with lock:
            _, stdout, stderr = client.exec_command(flask.request.get_data(as_text=True))
            answer = {"stdout": stdout.read().decode(), "stderr": stderr.read().decode()}
            return flask.jsonify(exit_code=stdout.channel.recv_exit_status(), **answer)

    httpd = make_server("127.0.0.1", 0, web, threaded=True)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    print(httpd.server_port, flush=True)
    sys.stdin.read()
    httpd.shutdown()
    client.close()


if __name__ == "__main__":
    main()
