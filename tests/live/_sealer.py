"""A process that appends and seals until it is killed; test_sealing kills it."""

import threading

import numpy as np

from songsinh.database import open_database
from songsinh.live.history import History
from songsinh.live.log import Log
from tests.live._machines import readings

COUNT = 40


def batch(number, signals):
    """Batch by number: 40 s of both signals, with 10 s of the batch before once more."""
    parts = []
    for signal in signals:
        times = np.arange(number * COUNT - 10, (number + 1) * COUNT) * 97.0
        parts.append(readings(signal, times[times >= 0], times[times >= 0] / 97.0 + signal))
    return np.concatenate(parts)


def work(address, folder, *, signals, first, tell):
    """Append batch after batch, and tell the number of each that is durable; seal meanwhile."""
    engine = open_database(address)
    log, history = Log(engine), History(folder, engine)

    def seal():
        while True:
            history.seal()

    threading.Thread(target=seal, daemon=True).start()
    for number in range(first, 10_000):
        log.append(batch(number, signals), number)
        tell.send(number)
