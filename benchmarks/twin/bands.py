"""Coverage of nominal 90 % bands on held-out cells, for capacity 1 to 40 discharges ahead.

Ours is the cell whose coverage is farthest from 90 %; every cell must lie within 85 and 95 %.
The random walk's bands and the fitted exponential's stand beside.
"""

from benchmarks import common


def main() -> None:
    """Run the pilot's checks and report its coverage."""
    from songsinh.sectors import load

    card = load("battery").validate((), lambda what, share: None).card
    rows = [row for row in card.coverages if row.nominal == 0.9]
    worst = max(rows, key=lambda row: abs(row.covered - 0.9))
    walk = max((row.baselines["random walk"] for row in rows), key=lambda share: abs(share - 0.9))
    told = "; ".join(
        f"{row.where} {row.covered:.3f} (random walk {row.baselines['random walk']:.2f}, "
        f"exponential {row.baselines['exponential']:.2f}, {row.count} readings)"
        for row in rows
    )
    common.report(
        "coverage of 90 % bands, worst held-out cell",
        worst.covered,
        walk,
        (0.85, 0.95),
        better="within",
        unit="of 1",
        note=told,
        also={f"{row.where} within 85 and 95 %": bool(row.holds) for row in rows},
    )


if __name__ == "__main__":
    main()
