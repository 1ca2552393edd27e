"""Kernels of a fleet: readings of many twins folded one by one, and members carried ahead.

A twin's numbers are read from its own row of the crowd alone and written back there, once a
reading has gone well, so no twin's bits hang on another's or on how a batch was cut. Nothing is
allocated here. What the kernels pass around, as tuples:
    solver     the one that integrates, law, output, tolerance, most steps
    plan       places of the sensors, their sds, lower, upper and drift of states then parameters,
               bounds of chi squared, inputs held or linear, wanders or not, adapt, turn
    crowd      times, states, parameters, seeds, cycles, inflations, memories, likeness, seen,
               inputs, times of the inputs
    room       of the solver, of one twin's members, of the filter
"""

from typing import Any

import numpy as np

from songsinh.twin.fleet_chance import FOLDING, LOOKING, normals
from songsinh.twin.fleet_doubts import FAILED, LATE, SILENT, judge, learn, remember
from songsinh.twin.fleet_filters import correct, dot, gather_moving, mean_of, moments

__all__ = ["ALIKE", "COLLAPSED", "FINE", "LOST", "PAST", "fold", "look"]

FINE, PAST, LOST, ALIKE, COLLAPSED = 0, 1, 2, 3, 4  # what became of one twin's reading
ENDLESS = 1 << 62

# put here by `Code.kernel`
leap: Any = None
observe: Any = None


def fold(solver, plan, crowd, batch, told, room, work):
    """Fold the readings of a batch in their order; each twin is left as after its last one."""
    which, times, values, inputs = batch
    codes = told[7]
    for k in range(which.shape[0]):
        codes[k] = _fold_one(
            k, which[k], times[k], values[k], inputs[k], solver, plan, crowd, told, room, work
        )


def _fold_one(k, row, t, values, inputs, solver, plan, crowd, told, room, work):
    places, noise, lower, upper, drift, bounds, is_held, wanders, adapt, turn = plan
    now, states, parameters, seeds, cycles, inflations, memories, likeness, seen, own, since = crowd
    means, sds, expected, doubt, innovation, aside, refilled, _ = told
    _, members, room_of_filter = room
    x, p = members[1], members[2]
    is_late = t < now[row] or (seen[row] and t == now[row])
    for s in range(values.shape[0]):
        aside[k, s] = (LATE if is_late else FAILED) if np.isfinite(values[s]) else SILENT
    if is_late:
        return PAST
    held_since = min(since[row], now[row])
    _blow(room[0], held_since, t, own[row], inputs)
    room[0][2][0], room[0][2][1] = now[row], t
    refilled[k] = _carry(states[row], parameters[row], solver, is_held, room, work)
    if 2 * refilled[k] > states.shape[1]:
        return LOST
    _take(1, parameters[row], room)
    cycle = cycles[row]
    if wanders and t > now[row]:
        _wander(members, t - now[row], drift, lower, upper, seeds[row], cycle, FOLDING)
        cycle += 1
    _show(t, solver, is_held, room)
    _expect(places, noise, members, room_of_filter, expected[k], doubt[k])
    is_used = judge(
        values,
        expected[k],
        doubt[k],
        memories[row],
        likeness[row],
        bounds,
        innovation[k],
        aside[k],
        room_of_filter,
    )
    moving = gather_moving(x, p, room_of_filter)
    inflation = inflations[row]
    if is_used:
        if moving == 0:
            return ALIKE
        chance, seed = members[5], seeds[row]
        inflation = correct(
            moving,
            values,
            expected[k],
            noise,
            aside[k],
            inflation,
            adapt,
            turn,
            seed,
            cycle,
            chance,
            members[6],
            room_of_filter,
        )
        if not _settle(moving, x, p, lower, upper, room_of_filter):
            return COLLAPSED
        cycle += 1
    moments(moving, x, p, means[k], sds[k], room_of_filter)
    remember(values, expected[k], innovation[k], memories[row])
    learn(noise, doubt[k], likeness[row], room_of_filter)
    now[row], since[row], cycles[row], inflations[row], seen[row] = t, t, cycle, inflation, True
    _copy_table(x, states[row])
    _copy_table(p, parameters[row])
    _put(room[0][1][1], own[row])
    return FINE


def _blow(leg, since, t, before, inputs):
    """The inputs of one stretch: from what they were to what they are to be at its end."""
    wind_times, wind = leg[0], leg[1]
    wind_times[0], wind_times[1] = since, t
    for j in range(before.shape[0]):
        wind[0, j] = before[j]
        wind[1, j] = before[j] if np.isnan(inputs[j]) else inputs[j]


def _carry(states, parameters, solver, is_held, room, work):
    """Carry members through the span of the room; gives how many failed.

    `source` then says whose path each member takes: places that were lost are given to the
    others in turn.
    """
    kernel, law, _, tolerance, most_steps = solver
    wind_times, wind, span, out, codes, reached, event_times, event_kinds, _, source, _ = room[0]
    blown = (wind_times, wind, is_held)
    rest = (blown, span, tolerance, most_steps, ENDLESS, out, codes, reached)
    leap(kernel, law, states, parameters, (*rest, event_times, event_kinds, work))
    count, lost, other = codes.shape[0], 0, 0
    for i in range(count):
        lost += codes[i] != 0
    if lost == count:
        return lost
    for i in range(count):
        source[i] = i
        if codes[i] != 0:
            while codes[other] != 0:
                other = (other + 1) % count
            source[i], other = other, (other + 1) % count
    return lost


def _take(sample, parameters, room):
    """Put the members at a sample of their paths into the room."""
    out, source, x, p = room[0][3], room[0][9], room[1][1], room[1][2]
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            x[i, j] = out[source[i], sample, j]
        for j in range(p.shape[1]):
            p[i, j] = parameters[source[i], j]


def _wander(members, span, drift, lower, upper, seed, cycle, purpose):
    """Let the members wander by their drift over a span in s, inside their bounds."""
    x, p, chance = members[1], members[2], members[5]
    count, n = x.shape[0], x.shape[1]
    drifting = 0
    for j in range(drift.shape[0]):
        drifting += drift[j] > 0.0
    normals(chance, members[6], count * drifting, seed, cycle, purpose)
    first = _wander_some(x, 0, np.sqrt(span), drift, lower, upper, chance, 0)
    _wander_some(p, n, np.sqrt(span), drift, lower, upper, chance, first)


def _wander_some(table, offset, root, drift, lower, upper, chance, first):
    begun = first
    for j in range(table.shape[1]):
        if drift[offset + j] > 0.0:
            size = root * drift[offset + j]
            for i in range(table.shape[0]):
                table[i, j] += size * chance[first + i]
            first += table.shape[0]
    if first > begun:
        for i in range(table.shape[0]):
            for j in range(table.shape[1]):
                table[i, j] = min(max(table[i, j], lower[offset + j]), upper[offset + j])
    return first


def _show(t, solver, is_held, room):
    """What the members in the room show at a time."""
    wind_times, wind, now, u = room[0][0], room[0][1], room[0][8], room[0][10]
    x3, p, y3 = room[1][0], room[1][2], room[1][3]
    if y3.shape[2] > 0:
        now[0] = t
        observe(solver[2], now, x3, p, (wind_times, wind, is_held), y3, u)


def _expect(places, noise, members, part, expected, doubt):
    """What each sensor is expected to read and how far off it may be; what members differ by."""
    x, y, apart = members[1], members[4], part[3]
    count, n = x.shape[0], x.shape[1]
    for s in range(places.shape[0]):
        place = places[s]
        for i in range(count):
            apart[s, i] = x[i, place] if place < n else y[i, place - n]
        mean = mean_of(apart[s])
        for i in range(count):
            apart[s, i] -= mean
        expected[s] = mean
        doubt[s] = np.sqrt(dot(apart[s], apart[s]) / count + noise[s] * noise[s])


def _settle(moving, x, p, lower, upper, part):
    """Put the corrected columns back inside their bounds; False when one is not finite."""
    columns, table, n = part[0], part[2], x.shape[1]
    for c in range(moving):
        j = columns[c]
        for i in range(x.shape[0]):
            value = table[c, i]
            if not np.isfinite(value):
                return False
            value = min(max(value, lower[j]), upper[j])
            table[c, i] = value
            if j < n:
                x[i, j] = value
            else:
                p[i, j - n] = value
    return True


def _put(source, target):
    for j in range(source.shape[0]):
        target[j] = source[j]


def _copy_table(source, target):
    for i in range(source.shape[0]):
        for j in range(source.shape[1]):
            target[i, j] = source[i, j]


def look(solver, plan, crowd, batch, shown, codes, room, work):
    """Carry twins ahead of their own time into shown [k, samples, members, states + outputs]."""
    which, ahead, inputs = batch
    for k in range(which.shape[0]):
        row = which[k]
        _blow(room[0], crowd[0][row], np.inf, crowd[9][row], inputs[k])
        _put(room[0][1][1], room[0][1][0])
        if plan[7]:
            codes[k] = _look_by_legs(row, ahead, solver, plan, crowd, shown[k], room, work)
        else:
            codes[k] = _look_at_once(row, ahead, solver, plan, crowd, shown[k], room, work)


def _look_at_once(row, ahead, solver, plan, crowd, shown, room, work):
    """Members that do not wander: one path through all samples."""
    now, states, parameters, span, is_held = crowd[0], crowd[1], crowd[2], room[0][2], plan[6]
    span[0] = now[row]
    for q in range(ahead.shape[0]):
        span[q + 1] = now[row] + ahead[q]
    lost = _carry(states[row], parameters[row], solver, is_held, room, work)
    if 2 * lost > states.shape[1]:
        shown[:] = np.nan
        return LOST
    for q in range(ahead.shape[0]):
        _take(q + 1, parameters[row], room)
        _show(span[q + 1], solver, is_held, room)
        _keep(room[1], shown[q])
    return FINE


def _look_by_legs(row, ahead, solver, plan, crowd, shown, room, work):
    """Members that wander at each of the samples."""
    _, _, lower, upper, drift, _, is_held, _, _, _ = plan
    now, states, parameters, seeds, cycles = crowd[0], crowd[1], crowd[2], crowd[3], crowd[4]
    span, x, p = room[0][2], room[1][1], room[1][2]
    _copy_table(states[row], x)
    _copy_table(parameters[row], p)
    span[1] = now[row]
    for q in range(ahead.shape[0]):
        span[0], span[1] = span[1], now[row] + ahead[q]
        if span[1] > span[0]:
            if 2 * _carry(x, p, solver, is_held, room, work) > states.shape[1]:
                shown[:] = np.nan
                return LOST
            _take(1, p, room)
            _wander(
                room[1],
                span[1] - span[0],
                drift,
                lower,
                upper,
                seeds[row],
                cycles[row] + (q << 40),
                LOOKING,
            )
        _show(span[1], solver, is_held, room)
        _keep(room[1], shown[q])
    return FINE


def _keep(members, shown):
    x, y = members[1], members[4]
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            shown[i, j] = x[i, j]
        for j in range(y.shape[1]):
            shown[i, x.shape[1] + j] = y[i, j]
