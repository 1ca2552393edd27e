// The history: drawing across a chart loads that span again, in finer points.
import { makeChart, sample, scaleOf } from "./chart.js";

const data = document.getElementById("explored-data");
const page = data && JSON.parse(data.textContent);
const MOST = 1200;
const charts = [];

function show(one) {
  const { trace } = one;
  const bands = trace.low?.length ? [{ times: trace.times, low: trace.low, high: trace.high, role: "twin", share: 0.22 }] : [];
  one.chart.show([{ times: trace.times, values: trace.values, name: page.words.mean, role: "twin" }], bands);
}

async function load(one, start, end) {
  const path = `/api/v1/twins/${encodeURIComponent(page.twin)}/readings/${encodeURIComponent(one.name)}`;
  const answer = await fetch(`${path}?format=json&start=${start}&end=${end}&most=${MOST}`);
  if (!answer.ok) return;
  const found = await answer.json();
  one.trace = { times: found.times, values: found.values, low: found.least, high: found.greatest };
  show(one);
}

let ends = [page?.start, page?.end];

async function zoom(start, end) {
  ends = [start, end];
  document.getElementById("zoom-out").hidden = start === page.start && end === page.end;
  await Promise.all(charts.map((one) => load(one, start, end)));
}

if (page) {
  for (const { signal, trace } of page.explored) {
    const place = document.querySelector(`[data-explored="${CSS.escape(signal.name)}"]`);
    if (!place) continue;
    const chart = makeChart(place, {
      scale: scaleOf(signal.unit, sample(trace.values)), height: 240, zoomed: zoom, ends: () => ends,
      readout: place.closest("section").querySelector("[data-readout]"),
    });
    const one = { name: signal.name, trace, chart };
    charts.push(one);
    show(one);
  }
  document.getElementById("zoom-hint").hidden = !charts.length;
  document.getElementById("zoom-out").addEventListener("click", () => zoom(page.start, page.end));
  document.getElementById("twin").addEventListener("change", (event) => {
    location.href = `/history?twin=${encodeURIComponent(event.target.value)}`;
  });
}
