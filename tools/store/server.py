"""An S3 server for tests: moto's, in a process of its own, that counts what it is asked.

    python3 tools/store/server.py PORT COUNTS

COUNTS is written after every request: requests and bytes by method, as JSON. SIGUSR1 closes the port for ten seconds, as a server does that is
started anew; what it keeps stays. Needs `pip install 'moto[server]'`.
"""

import json
import os
import signal
import socketserver
import sys
import threading
import time
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from moto.server import DomainDispatcherApplication, create_backend_app

CLOSED_SECONDS = 10


class Counted:
    """Counts what goes through an application."""

    def __init__(self, application, path):
        self.application, self.path = application, path
        self.counts, self.lock = {}, threading.Lock()

    def __call__(self, environment, start_response):
        answer = list(self.application(environment, start_response))
        with self.lock:
            counts = self.counts.setdefault(environment["REQUEST_METHOD"], {"requests": 0, "received": 0, "sent": 0})
            counts["requests"] += 1
            counts["received"] += int(environment.get("CONTENT_LENGTH") or 0)
            counts["sent"] += sum(map(len, answer))
            with open(self.path + ".new", "w", encoding="utf-8") as file:
                json.dump(self.counts, file)
            os.replace(self.path + ".new", self.path)
        return answer


class Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


def main():
    port, path = int(sys.argv[1]), sys.argv[2]
    application = Counted(DomainDispatcherApplication(create_backend_app), path)
    closing = threading.Event()
    signal.signal(signal.SIGUSR1, lambda *_: closing.set())
    while True:
        with make_server("127.0.0.1", port, application, Server, Quiet) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
            thread.start()
            print(f"serving on port {port}", flush=True)
            while not closing.wait(0.2):
                pass
            server.shutdown()
            thread.join()
        print(f"closed for {CLOSED_SECONDS} seconds", flush=True)
        time.sleep(CLOSED_SECONDS)
        closing.clear()


main()
