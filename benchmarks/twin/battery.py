"""The battery pilot on real NASA cells: end of life, alarms, voltage, state of charge.

Runs the pilot's own held-out checks (as `songsinh validate battery` does). Ours is the share of
the asked-for checks that hold; the peer is the share that the better baseline of each would hold
(random walk or fitted exponential; always the wrong start or counting from it for the charge).
"""

from benchmarks import common
from songsinh.twin import Check

ASKED = ("End of life foretold", "Voltage along", "State of charge")


def main() -> None:
    """Run the checks, print each, report the share that holds."""
    from songsinh.sectors import load

    card = load("battery").validate((), lambda what, share: None).card
    judged = [check for check in card.checks if check.holds is not None]
    for check in judged:
        beside = ", ".join(f"{name} {value:.3g}" for name, value in check.baselines.items())
        told = f"{check.ours:.3g} {check.unit}".removesuffix(" 1")
        print(
            f"{'holds' if check.holds else 'FALLS'} {check.where} {check.what}: {told} ({beside})"
        )
    asked = [check for check in judged if not check.what.startswith("90 % band")]
    peers = [peer(check) for check in asked if check.what.startswith(ASKED)]
    fallen = [f"{check.where} {check.what}" for check in judged if not check.holds]
    common.report(
        "battery checks that hold",
        sum(bool(check.holds) for check in asked) / len(asked),
        None,
        1.0,
        better="more",
        unit="of 1",
        note=f"the better simple baseline would hold {sum(peers)} of {len(peers)} checks that it "
        f"can be held to; not asked for, and fallen: {'; '.join(fallen) or 'none'}",
    )


def peer(check: Check) -> bool:
    """Whether the better simple baseline of a check would meet its bar."""
    found = {k: v for k, v in check.baselines.items() if k != "counted from full"}
    return bool(found) and min(found.values()) <= check.bar  # type: ignore[operator]


if __name__ == "__main__":
    main()
