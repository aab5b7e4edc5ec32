"""Load from threads: keep asking, remember every answer."""

import threading
import time
from collections import Counter
from collections.abc import Callable

import httpx


class Load:
    """Runs work(number) in threads until stopped; counts statuses and losses.

    work returns a httpx.Response. A transport error counts under its name, so
    that a test can say which ones it allows.
    """

    def __init__(self, work: Callable[[int], httpx.Response], threads: int = 4):
        self.work = work
        self.results: Counter = Counter()
        self.replies: list[httpx.Response] = []
        self.lock = threading.Lock()
        self.halt = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=[n]) for n in range(threads)]

    def run(self, number: int) -> None:
        while not self.halt.is_set():
            try:
                reply = self.work(number)
            except httpx.TransportError as error:
                with self.lock:
                    self.results[type(error).__name__] += 1
                time.sleep(0.02)
                continue
            with self.lock:
                self.results[reply.status_code] += 1
                self.replies.append(reply)

    def start(self) -> "Load":
        for thread in self.threads:
            thread.start()
        return self

    def stop(self) -> None:
        """End the load and wait for its threads; harmless when done again."""
        self.halt.set()
        for thread in self.threads:
            thread.join(60)
        assert not any(t.is_alive() for t in self.threads), "a load thread hangs"

    def count(self, *statuses: int) -> int:
        with self.lock:
            return sum(self.results[s] for s in statuses)

    def answered(self) -> list[httpx.Response]:
        with self.lock:
            return list(self.replies)
