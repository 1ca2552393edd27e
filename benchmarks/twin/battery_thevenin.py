"""1C discharge of 1,000 cells with their own parameters, against the thevenin package.

The cell is thevenin's default one: a resistance, one RC pair and a temperature, 75 Ah. Beside it
stands PyBaMM's single-particle model, which is another cell and another law, as a figure only.
"""

import time
import warnings
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from benchmarks import common

MEMBERS, TIMED, PYBAMM = 1000, 40, 40
TIMES = np.linspace(0.0, 3600.0, 121)  # 1C from full to empty, every 30 s
RTOL, ATOL = 1e-5, 1e-7
ALIKE = 1e-3  # V


def cells() -> dict[str, np.ndarray]:
    """What makes the cells differ: capacity in Ah, factors on R0, R1, C1, cooling in W/K."""
    chance = np.random.default_rng(75)
    return {
        "capacity_ah": chance.uniform(65.0, 80.0, MEMBERS),
        "r0_factor": chance.uniform(0.7, 1.5, MEMBERS),
        "r1_factor": chance.uniform(0.7, 1.5, MEMBERS),
        "c1_factor": chance.uniform(0.7, 1.5, MEMBERS),
        "cooling": chance.uniform(8.0, 16.0, MEMBERS),
    }


def main() -> None:
    """Time both per member, compare the voltages of the members both have solved, report."""
    parameters = cells()
    call = ours(parameters)
    mine = common.cpu_median(call, repeats=5, warmup=2) / MEMBERS
    peers = [peer(parameters, member) for member in range(TIMED)]
    each: list[float] = []
    theirs = []
    for run in peers:
        run()
        before = time.process_time()
        theirs.append(run())
        each.append(time.process_time() - before)
    apart = np.abs(call()["voltage"][:TIMED] - np.array(theirs))
    common.report(
        "1C discharge, CPU per member of 1,000: thevenin", mine, median(each), 100,
        note=f"peer timed on {TIMED} members, run only, at its default tolerance (the quickest); "
        f"largest difference {apart.max() * 1e3:.3f} mV, {pybamm_note()}",
        also={"voltage within 1 mV of thevenin": apart.max() <= ALIKE},
    )  # fmt: skip


def ours(parameters: dict[str, np.ndarray]) -> Callable[[], Any]:
    """A call that discharges every cell. Source of the law: thevenin 0.2, its documentation."""
    from songsinh import maths
    from songsinh.models import Equations, Stiff, simulate
    from songsinh.signals import output, parameter, state

    def ocv(z):
        high = 592.3 + z * (-348.6 + z * 84.6)
        return 2.8 + z * (12.8 + z * (-80.3 + z * (275.0 + z * (-534.3 + z * high))))

    def series(s, p):
        return p.r0_factor * (1e-4 + s.soc / 1e5 - s.temperature / 3e9)

    def rate(t, s, u, p):
        current = p.capacity_ah  # A, one hour's worth
        r1 = p.r1_factor * (1e-5 + s.soc / 1e5 - s.temperature / 3e9)
        c1 = p.c1_factor * (1e2 + s.soc * 1e4 + maths.exp(s.temperature / 300.0))
        heat = current * (s.lag + current * series(s, p))
        warming = (heat + p.cooling * (300.0 - s.temperature)) / (1.9 * 745.0)
        return -1.0 / 3600.0, warming, (current - s.lag / r1) / c1

    def voltage(t, s, u, p):
        return ocv(s.soc) - s.lag - p.capacity_ah * series(s, p)

    cell = Equations(
        "thevenin",
        (
            state("soc", "1", 1.0, meaning="state of charge"),
            state("temperature", "K", 300.0),
            state("lag", "V", 0.0, meaning="overpotential of the RC pair"),
            parameter("capacity_ah", "1", 75.0, meaning="capacity in Ah"),
            parameter("r0_factor", "1", 1.0),
            parameter("r1_factor", "1", 1.0),
            parameter("c1_factor", "1", 1.0),
            parameter("cooling", "W/K", 12.0),
            output("voltage", "V"),
        ),
        rate=rate,
        output=voltage,
        solver=Stiff(rtol=RTOL, atol=ATOL),
    )
    return lambda: simulate(cell, TIMES, parameters=parameters).check()


def peer(parameters: dict[str, np.ndarray], member: int) -> Callable[[], np.ndarray]:
    """A call that discharges one cell with thevenin's Simulation: voltage at the times, in V."""
    warnings.simplefilter("ignore")  # thevenin warns that it uses its own default parameters
    import thevenin

    own = {name: float(values[member]) for name, values in parameters.items()}
    cell = thevenin.Simulation()
    r0, r1, c1 = cell.R0, cell.R1, cell.C1
    cell.capacity, cell.h_therm = own["capacity_ah"], own["cooling"]
    cell.R0 = lambda soc, heat: own["r0_factor"] * r0(soc, heat)
    cell.R1 = lambda soc, heat: own["r1_factor"] * r1(soc, heat)
    cell.C1 = lambda soc, heat: own["c1_factor"] * c1(soc, heat)
    cell.pre()
    plan = thevenin.Experiment()
    plan.add_step("current_C", 1.0, TIMES)
    return lambda: cell.run(plan).vars["voltage_V"]


def pybamm_note() -> str:
    """CPU per cell of PyBaMM's single-particle model, 1C, each with its own current."""
    import pybamm

    values = pybamm.ParameterValues("Chen2020")
    key = "Current function [A]"
    values[key] = "[input]"
    model = pybamm.lithium_ion.SPM()
    solver = pybamm.IDAKLUSolver()
    cell = pybamm.Simulation(model, parameter_values=values, solver=solver)
    currents = [{key: 5.0 - 0.002 * member} for member in range(PYBAMM)]
    span = [0.0, 3400.0]
    alone = common.cpu_median(lambda: [cell.solve(span, inputs=i) for i in currents], repeats=3)
    batch = common.cpu_median(lambda: cell.solve(span, inputs=currents), repeats=3)
    return (
        f"PyBaMM's SPM {alone / PYBAMM * 1e3:.2f} ms per cell solved one by one and "
        f"{batch / PYBAMM * 1e3:.2f} ms as a list (solve only)"
    )


if __name__ == "__main__":
    main()
