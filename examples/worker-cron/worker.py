"""Works through jobs until it is told to stop; the job in hand is finished first."""

import signal
import threading

stopping = threading.Event()


def work(number):
    print(f"job {number} done", flush=True)


def main():
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    print("worker started", flush=True)
    number = 0
    while not stopping.wait(5):
        number += 1
        work(number)
    print("worker stopped", flush=True)


if __name__ == "__main__":
    main()
