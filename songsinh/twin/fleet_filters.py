"""Kernels of the ensemble transform filter for one belief with few sensors.

They do what `EnsembleTransform` does. Rows of `table` are the columns of the belief that move,
rows of `scaled` are readings; both run over the members.
"""

import numpy as np

from songsinh.twin.fleet_chance import TURNING, normals

__all__ = ["correct", "dot", "gather_moving", "mean_of", "moments", "square_about"]

LEAST_INFLATION, MOST_INFLATION = 1.0, 4.0
GOLDEN = 0x9E3779B1  # spreads the turns evenly over the cycles
MIRRORS = 16  # an even number of mirrors is a rotation
SWEEPS = 60


def gather_moving(x, p, part):
    """Collect the columns in which members differ; gives how many these are."""
    columns, table = part[0], part[2]
    found = _gather(x, 0, columns, table, 0)
    return _gather(p, x.shape[1], columns, table, found)


def _gather(source, offset, columns, table, found):
    for j in range(source.shape[1]):
        is_moving, first = False, source[0, j]
        for i in range(1, source.shape[0]):
            if source[i, j] != first:
                is_moving = True
                break
        if is_moving:
            columns[found] = offset + j
            for i in range(source.shape[0]):
                table[found, i] = source[i, j]
            found += 1
    return found


def moments(moving, x, p, mean, sd, part):
    """The mean and standard deviation of every state and parameter."""
    columns, table = part[0], part[2]
    n = x.shape[1]
    for j in range(mean.shape[0]):
        mean[j] = x[0, j] if j < n else p[0, j - n]
        sd[j] = 0.0
    for c in range(moving):
        j, middle = columns[c], mean_of(table[c])
        mean[j], sd[j] = middle, np.sqrt(square_about(table[c], middle) / table.shape[1])


def correct(
    moving, values, expected, noise, aside, inflation, adapt, turn, seed, cycle, chance, tails, part
):
    """Correct the columns gathered by the readings not set aside; gives the inflation after it."""
    _, middle, table, apart, scaled, side, square, vectors, _, _, gap, pull, cross = part
    members = table.shape[1]
    used = 0
    root = np.sqrt(members - 1.0)
    for s in range(values.shape[0]):
        if aside[s] == 0:
            gap[used] = (values[s] - expected[s]) / noise[s]
            for i in range(members):
                scaled[used, i] = apart[s, i] / (noise[s] * root)
            used += 1
    for a in range(used):
        for b in range(a, used):
            square[a, b] = dot(scaled[a], scaled[b])
            square[b, a] = square[a, b]
    inflated = _adapted(inflation, used, gap, square, adapt)
    _diagonalise(used, square, vectors)
    for q in range(used):
        pull[q] = 0.0
        for i in range(members):
            side[q, i] = 0.0
        for s in range(used):
            pull[q] += vectors[s, q] * gap[s]
            for i in range(members):
                side[q, i] += vectors[s, q] * scaled[s, i]
    for c in range(moving):
        row = table[c]
        mean = mean_of(row)
        for i in range(members):
            row[i] -= mean
        before = dot(row, row)
        for q in range(used):
            cross[q] = dot(side[q], row)
        for q in range(used):
            value = max(square[q, q], 0.0)
            stem = np.sqrt(1.0 + value)
            mean += pull[q] / (1.0 + value) * cross[q] / root
            share = cross[q] / (stem * (1.0 + stem))
            for i in range(members):
                row[i] -= side[q, i] * share
        kept = dot(row, row) / (before if before > 0.0 else 1.0)
        grown = np.sqrt(1.0 + (inflated - 1.0) * (1.0 - min(kept, 1.0)))
        for i in range(members):
            row[i] *= grown
        middle[c] = mean
    if turn > 0 and (int(cycle) * GOLDEN) % 4294967296 < 4294967296 // turn:
        _turn(moving, table, seed, cycle, chance, tails)
    for c in range(moving):
        for i in range(members):
            table[c, i] += middle[c]
    return inflated


def _adapted(inflation, count, gap, square, adapt):
    """Inflation moved towards innovations as large as they should be."""
    expected, found = 0.0, 0.0
    for s in range(count):
        expected += square[s, s]
        found += gap[s] * gap[s]
    if adapt == 0.0 or expected <= 0.0:
        return inflation
    ratio = (found - count) / expected
    doubt = 2.0 / count * (1.0 + count / expected) ** 2
    gain = adapt * adapt / (adapt * adapt + doubt)
    return min(max(inflation * (1.0 + gain * (ratio - 1.0)), LEAST_INFLATION), MOST_INFLATION)


def _diagonalise(n, square, vectors):
    """Turn a symmetric matrix into the diagonal of its eigenvalues, by rotations of Jacobi."""
    for a in range(n):
        for b in range(n):
            vectors[a, b] = 1.0 if a == b else 0.0
    for _ in range(SWEEPS):
        off, on = 0.0, 0.0
        for a in range(n):
            on += square[a, a] * square[a, a]
            for b in range(a + 1, n):
                off += square[a, b] * square[a, b]
        if off <= 1e-34 * on:
            break
        for a in range(n):
            for b in range(a + 1, n):
                if square[a, b] != 0.0:
                    _rotate(n, a, b, square, vectors)


def _rotate(n, a, b, square, vectors):
    half = (square[b, b] - square[a, a]) / (2.0 * square[a, b])
    tangent = (1.0 if half >= 0.0 else -1.0) / (abs(half) + np.sqrt(half * half + 1.0))
    c = 1.0 / np.sqrt(tangent * tangent + 1.0)
    s = tangent * c
    for j in range(n):
        left, right = square[j, a], square[j, b]
        square[j, a], square[j, b] = c * left - s * right, s * left + c * right
    for j in range(n):
        left, right = square[a, j], square[b, j]
        square[a, j], square[b, j] = c * left - s * right, s * left + c * right
        left, right = vectors[j, a], vectors[j, b]
        vectors[j, a], vectors[j, b] = c * left - s * right, s * left + c * right


def _turn(moving, table, seed, cycle, chance, tails):
    """Turn the members about their mean by mirrors that leave it where it is.

    Each mirror stands across a random line in which the numbers of all members sum to zero.
    """
    members = table.shape[1]
    normals(chance, tails, MIRRORS * members, seed, cycle, TURNING)
    for m in range(MIRRORS):
        line = chance[m * members : (m + 1) * members]
        mean = mean_of(line)
        for i in range(members):
            line[i] -= mean
        size = dot(line, line)
        for c in range(moving):
            row = table[c]
            share = 2.0 * dot(line, row) / size
            for i in range(members):
                row[i] -= share * line[i]


def mean_of(row):
    """The mean of a row, summed in four parts so that a processor need not wait for each."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = row.shape[0] // 4 * 4
    for i in range(0, whole, 4):
        a += row[i]
        b += row[i + 1]
        c += row[i + 2]
        d += row[i + 3]
    for i in range(whole, row.shape[0]):
        a += row[i]
    return ((a + b) + (c + d)) / row.shape[0]


def square_about(row, middle):
    """The sum of squares of a row about its middle, in four parts."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = row.shape[0] // 4 * 4
    for i in range(0, whole, 4):
        a += (row[i] - middle) ** 2
        b += (row[i + 1] - middle) ** 2
        c += (row[i + 2] - middle) ** 2
        d += (row[i + 3] - middle) ** 2
    for i in range(whole, row.shape[0]):
        a += (row[i] - middle) ** 2
    return (a + b) + (c + d)


def dot(left, right):
    """The sum of the products of two rows, in four parts."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = left.shape[0] // 4 * 4
    for i in range(0, whole, 4):
        a += left[i] * right[i]
        b += left[i + 1] * right[i + 1]
        c += left[i + 2] * right[i + 2]
        d += left[i + 3] * right[i + 3]
    for i in range(whole, left.shape[0]):
        a += left[i] * right[i]
    return (a + b) + (c + d)
