"""Threads of clients beside a server that is ended and started under them."""

import signal
import threading
import time
import traceback

from aswolk_test import JSON, MSGPACK, PATIENCE_S, Api, Gone, equal, until


class Client(Api):
    """To one of the crowd a server that is about to end has ended already."""

    @staticmethod
    def heard(response):
        if response.status == 503 and response.value["type"] == "urn:aswolk:draining":
            raise Gone("it drains")
        return response

    def get(self, *args, **more):
        return self.heard(super().get(*args, **more))

    def send(self, *args, **more):
        return self.heard(super().send(*args, **more))

    def post_many(self, *args, **more):
        return self.heard(super().post_many(*args, **more))


class Crowd:
    """Threads that go on until told to stop; a connection lost to the server's end is made anew."""

    def __init__(self, server):
        self.server = server
        self.over = threading.Event()
        self.up = threading.Event()
        self.up.set()
        self.threads = []
        self.resting = set()
        self.errors = []
        self.completed = 0

    def start(self, name, work):
        """`work`, a function of a Client, again and again; Gone ends its connection, anything else the crowd."""

        def body():
            while not self.over.is_set() and not self.errors:
                self.resting.add(name)
                self.up.wait()
                self.resting.discard(name)
                try:
                    self._work(name, work)
                except (Gone, OSError):
                    time.sleep(0.01)  # killed under it
                except Exception as error:
                    self.errors.append("%s: %s" % (name, "".join(traceback.format_exception(error))))
            self.resting.add(name)

        self.threads.append(threading.Thread(target=body, daemon=True))
        self.threads[-1].start()

    def _work(self, name, work):
        api = Client(self.server.connect(tls=len(name) % 3 == 0), name, MSGPACK if len(name) % 2 else JSON)
        try:
            while not self.over.is_set() and self.up.is_set() and not api.connection.goaways:
                work(api)
        finally:
            api.connection.close()

    def stop_server(self, how=signal.SIGKILL):
        """Ends the server in the midst of it all; afterwards every thread rests. Returns the exit code."""
        self.up.clear()
        self.server.process.send_signal(how)
        until("all have noticed", lambda: len(self.resting) == len(self.threads), PATIENCE_S * 2)
        return self.server.exit_code(PATIENCE_S * 2)

    def start_server(self):
        self.server.start()
        self.up.set()

    def restart(self):
        self.stop_server()
        self.start_server()

    def has(self, completed):
        equal(self.errors, [], "nobody failed")
        return self.completed >= completed

    def end(self):
        self.over.set()
        self.up.set()
        for thread in self.threads:
            thread.join(PATIENCE_S)
        self.has(0)
