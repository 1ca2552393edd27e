"""1,000 Lorenz-63 members against diffrax: vmap, Tsit5, float64, once compiled.

At one rtol our error is about a third of the peer's, so at the same accuracy, which is what is
asked, ours runs at a looser one. The ratio at one rtol stands in the note.
"""

import time

import diffrax
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import common
from benchmarks.twin import _lorenz63 as lorenz

jax.config.update("jax_enable_x64", True)


LOOSER = 1.8  # times the peer's rtol of 1e-6, for an error that is still no larger


def main() -> None:
    """Compile both, time both in turns, compare both with the reference, report."""
    states = lorenz.starts()
    ours, peer = lorenz.ours(states, LOOSER), compiled(states)
    strict = lorenz.ours(states)
    before = time.process_time()
    peer()
    compiling = time.process_time() - before
    mine, theirs, stricter = common.cpu_medians(ours, peer, strict, repeats=15, warmup=2)
    truth = lorenz.reference(states[: lorenz.SAMPLE])
    peers = lorenz.errors(np.stack(peer(), axis=2), truth)
    same, note = lorenz.same_accuracy(lorenz.errors(ours(), truth), peers)
    _, at_one = lorenz.same_accuracy(lorenz.errors(strict(), truth), peers)
    common.report(
        "Lorenz-63, 1,000 members, t 0–20: diffrax Tsit5", mine, theirs, 3,
        note=f"peer compiled first in {compiling:.1f} s, again at every new size; ours at rtol "
        f"{LOOSER * lorenz.RTOL:g}: {note}; ours at the peer's 1e-6: {stricter:.3f} s, "
        f"{theirs / stricter:.2f}x, {at_one}",
        also={"same accuracy": same},
    )  # fmt: skip


def compiled(states: lorenz.Array):
    """The peer in its quickest form here: states as a tuple, and no gradients kept."""

    def rate(t, x, args):
        a, b, c = x
        return lorenz.SIGMA * (b - a), a * (lorenz.RHO - c) - b, a * b - lorenz.BETA * c

    def one(x):
        return diffrax.diffeqsolve(
            diffrax.ODETerm(rate), diffrax.Tsit5(), 0.0, lorenz.TIMES[-1], 0.01, tuple(x),
            saveat=diffrax.SaveAt(ts=jnp.asarray(lorenz.TIMES)),
            stepsize_controller=diffrax.PIDController(rtol=lorenz.RTOL, atol=lorenz.ATOL),
            max_steps=100_000, adjoint=diffrax.ForwardMode(),
        ).ys  # fmt: skip

    solve = jax.jit(jax.vmap(one))
    return lambda: jax.block_until_ready(solve(states))


if __name__ == "__main__":
    main()
