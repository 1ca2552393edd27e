// A chart of one signal: past readings, belief, forecast bands, thresholds and the line of now.
/* global uPlot */
const lang = document.documentElement.lang;
const zone = document.body.dataset.zone || "UTC";
const figure = new Intl.NumberFormat(lang, { maximumSignificantDigits: 4 });
const clocks = {
  day: new Intl.DateTimeFormat(lang, { timeZone: zone, day: "numeric", month: "short" }),
  minute: new Intl.DateTimeFormat(lang, { timeZone: zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" }),
  second: new Intl.DateTimeFormat(lang, {
    timeZone: zone, hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
  }),
};

export function moment(time) {
  return `${clocks.day.format(time * 1e3)} ${clocks.second.format(time * 1e3)}`;
}

// kelvins of a temperature are read as degrees Celsius, as in wording.py
export function scaleOf(unit, sample) {
  if (unit === "K" && sample > 150) return { unit: "°C", offset: -273.15 };
  return { unit: unit === "1" ? "" : unit, offset: 0 };
}

export function told(value, scale) {
  if (value == null || Number.isNaN(value)) return "–";
  return figure.format(value).replace("-", "−") + (scale.unit && `\u00a0${scale.unit}`);
}

function colour(name, share = 1) {
  const value = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  if (share === 1) return value;
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(value.slice(at, at + 2), 16));
  return `rgba(${r},${g},${b},${share})`;
}

function ticks(_, splits, __, ___, step) {
  const clock = step >= 86400 ? clocks.day : step >= 60 ? clocks.minute : clocks.second;
  return splits.map((time) => clock.format(time * 1e3));
}

// one line of the chart: {times, values, role, dash, width}; a band: {times, low, high, role, share}
export function makeChart(place, spec) {
  let lines = [];
  let bands = [];
  let plot = null;
  const readout = spec.readout ?? place.parentElement.querySelector("[data-readout]");

  const up = (values) => {
    const { offset } = spec.scale;
    return offset ? values.map((v) => (v == null ? v : v + offset)) : values;
  };
  const limits = () => up(spec.limits ?? []);

  function table() {
    const tables = [];
    for (const band of bands) tables.push([band.times, up(band.low), up(band.high)]);
    for (const line of lines) tables.push([line.times, up(line.values)]);
    return tables.length ? uPlot.join(tables, tables.map((t) => t.slice(1).map(() => 0))) : [[]];
  }

  function options() {
    const series = [{}];
    const between = [];
    for (const band of bands) {
      const first = series.length;
      series.push({ width: 0, spanGaps: true, points: { show: false } });
      series.push({ width: 0, spanGaps: true, points: { show: false } });
      between.push({ series: [first + 1, first], fill: colour(band.role, band.share) });
    }
    for (const line of lines)
      series.push({
        label: line.name, stroke: colour(line.role), width: line.width ?? 1.6,
        dash: line.dash, spanGaps: true, points: { show: false },
      });
    const axis = {
      stroke: colour("soft"), font: "12px system-ui, sans-serif",
      grid: { stroke: colour("rule"), width: 1 }, ticks: { show: false },
    };
    return {
      width: place.clientWidth, height: spec.height ?? 240, series, bands: between,
      legend: { show: false },
      scales: { x: { range: (_, first, last) => spec.ends?.() ?? [first, last] }, y: { range: reach } },
      tzDate: (time) => uPlot.tzDate(new Date(time * 1e3), zone),
      cursor: { drag: { x: Boolean(spec.zoomed), y: false, setScale: false }, points: { size: 6 } },
      axes: [
        { ...axis, values: ticks, space: 74, size: 30 },
        { ...axis, size: 64, values: (_, splits) => splits.map((v) => told(v, spec.scale)) },
      ],
      hooks: { draw: [marks], setCursor: [read], setSelect: spec.zoomed ? [zoom] : [] },
    };
  }

  function reach(_, low, high) {
    if (low == null) return [0, 1];
    const span = high - low || Math.abs(high) * 0.02 || 1;
    for (const limit of limits())
      if (limit > low - span && limit < high + span)
        [low, high] = [Math.min(low, limit), Math.max(high, limit)];
    const room = (high - low || span) * 0.06;
    return [low - room, high + room];
  }

  function marks(u) {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.lineWidth = devicePixelRatio * 1.2;
    const stroke = (role, dash, from, to) => {
      ctx.strokeStyle = colour(role);
      ctx.setLineDash(dash.map((d) => d * devicePixelRatio));
      ctx.beginPath();
      ctx.moveTo(...from);
      ctx.lineTo(...to);
      ctx.stroke();
    };
    for (const limit of limits()) {
      const y = u.valToPos(limit, "y", true);
      stroke("warn", [5, 4], [bbox.left, y], [bbox.left + bbox.width, y]);
    }
    if (spec.now) {
      const x = u.valToPos(spec.now, "x", true);
      stroke("edge", [2, 3], [x, bbox.top], [x, bbox.top + bbox.height]);
      ctx.fillStyle = colour("soft");
      ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
      ctx.textAlign = "left";
      ctx.fillText(spec.nowWord ?? "", x + 5 * devicePixelRatio, bbox.top + 13 * devicePixelRatio);
    }
    ctx.restore();
  }

  function read(u) {
    if (!readout) return;
    const at = u.cursor.idx;
    if (at == null || u.cursor.left < 0) {
      readout.textContent = "";
      return;
    }
    const parts = [moment(u.data[0][at])];
    lines.forEach((line, i) => {
      const value = nearest(u.data[1 + 2 * bands.length + i], at);
      if (value != null && line.name) parts.push(`${line.name} ${told(value, spec.scale)}`);
    });
    readout.textContent = parts.join(" · ");
  }

  function nearest(values, at) {
    for (let gap = 0; gap < 4; gap++) {
      if (values?.[at - gap] != null) return values[at - gap];
      if (values?.[at + gap] != null) return values[at + gap];
    }
    return null;
  }

  function zoom(u) {
    if (u.select.width < 8) return;
    const ends = [u.select.left, u.select.left + u.select.width].map((x) => u.posToVal(x, "x"));
    u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    spec.zoomed(...ends);
  }

  function show(newLines, newBands) {
    const same = newLines.length === lines.length && newBands.length === bands.length;
    [lines, bands] = [newLines, newBands];
    if (plot && same) return plot.setData(table());
    plot?.destroy();
    place.replaceChildren();
    plot = new uPlot(options(), table(), place);
  }

  new ResizeObserver(() => {
    if (plot && place.clientWidth !== plot.width)
      plot.setSize({ width: place.clientWidth, height: spec.height ?? 240 });
  }).observe(place);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    if (!plot) return;
    plot.destroy();
    plot = new uPlot(options(), table(), place);
  });
  return { show, spec };
}

export const sample = (values) => values?.find((v) => v != null && Number.isFinite(v)) ?? 0;
