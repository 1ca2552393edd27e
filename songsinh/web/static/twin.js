// The page of a twin: charts that go on as readings come.
import { makeChart, sample, scaleOf } from "./chart.js";
import { follow, refresh, seldom, tellAges } from "./live.js";

const page = JSON.parse(document.getElementById("charts-data").textContent);
const words = page.words;
let now = page.time;
const last = () => Math.max(...charts.map((one) => one.outlook.times?.at(-1) ?? now));
// all charts share their ends, so that one moment stands in one line
const ends = () => [now - page.span, Math.max(now, last())];
const charts = page.charts.map((one) => {
  const place = document.querySelector(`[data-chart="${CSS.escape(one.signal.name)}"]`);
  if (!place) return null;
  const past = { times: [...one.past.times], values: [...one.past.values] };
  const scale = scaleOf(one.signal.unit, sample(past.values) || sample(one.outlook.quantiles?.["0.5"]));
  const chart = makeChart(place, {
    scale, limits: one.thresholds, now: page.time, nowWord: words.now,
    height: Number(place.dataset.height), ends,
  });
  const trace = { times: [...one.believed.times], low: [...one.believed.low], high: [...one.believed.high] };
  return { name: one.signal.name, chart, past, trace, outlook: one.outlook };
}).filter(Boolean);

function bands({ trace, outlook }) {
  const q = outlook.quantiles ?? {};
  const found = [];
  if (trace.times.length > 1) found.push({ ...trace, role: "good", share: 0.22 });
  if (q["0.05"]) found.push({ times: outlook.times, low: q["0.05"], high: q["0.95"], role: "twin", share: 0.17 });
  if (q["0.25"]) found.push({ times: outlook.times, low: q["0.25"], high: q["0.75"], role: "twin", share: 0.24 });
  return found;
}

function lines({ past, outlook }) {
  const found = [{ ...past, name: words.read, role: "ink", width: 1.5 }];
  const middle = outlook.quantiles?.["0.5"];
  if (middle) found.push({ times: outlook.times, values: middle, name: words.median, role: "twin" });
  return found;
}

function showAll() {
  for (const one of charts) one.chart.show(lines(one), bands(one));
}

function keep(times, first, ...columns) {
  let cut = 0;
  while (cut < times.length && times[cut] < first) cut++;
  for (const column of [times, ...columns]) column.splice(0, cut);
}

function takeBelief(frame) {
  now = Math.max(now, frame.time);
  for (const one of charts) {
    const { past, trace, name } = one;
    const read = frame.read?.[name];
    if (read != null && !(frame.time <= past.times.at(-1))) {
      past.times.push(frame.time);
      past.values.push(read);
    }
    const mean = frame.mean?.[name];
    if (mean != null && !(frame.time <= trace.times.at(-1))) {
      const reach = 1.645 * (frame.sd?.[name] ?? 0);
      trace.times.push(frame.time);
      trace.low.push(mean - reach);
      trace.high.push(mean + reach);
    }
    const first = frame.time - page.span;
    keep(past.times, first, past.values);
    keep(trace.times, first, trace.low, trace.high);
    one.chart.spec.now = now;
  }
}

function takeForecast(frame) {
  for (const one of charts) {
    const quantiles = frame.signals?.[one.name];
    if (quantiles) one.outlook = { made: frame.made, times: frame.times, quantiles };
  }
}

const redraw = seldom(500, showAll);
const again = seldom(5000, () => refresh("standing", "believed", "coming", "sensors", "standing-alerts"));

showAll();
follow([page.name], (frames) => {
  for (const frame of frames) {
    if (frame.twin !== page.name) continue;
    if (frame.kind === "belief") takeBelief(frame);
    if (frame.kind === "forecast") takeForecast(frame);
  }
  redraw();
  again();
});
tellAges();
setInterval(tellAges, 5000);
