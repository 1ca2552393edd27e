// What if: sliders beside the numbers, and the branches on one chart.
import { makeChart, sample, scaleOf } from "./chart.js";

const LOOKS = [
  { role: "twin", dash: undefined },
  { role: "first", dash: [8, 4] },
  { role: "second", dash: [2, 3] },
];

function pair(root) {
  for (const slider of root.querySelectorAll("input[type=range][data-for]")) {
    const box = document.getElementById(slider.dataset.for);
    slider.hidden = false;
    slider.addEventListener("input", () => { box.value = slider.value; });
    slider.addEventListener("change", () => box.dispatchEvent(new Event("change", { bubbles: true })));
    box.addEventListener("input", () => { slider.value = box.value; });
  }
}

function draw(root) {
  const data = root.querySelector("#branches-data");
  const place = root.querySelector("[data-branches]");
  if (!data || !place || place.dataset.done) return;
  place.dataset.done = "yes";
  const page = JSON.parse(data.textContent);
  const choice = root.querySelector("#charted");
  let chart = null;
  const show = () => {
    const name = choice?.value ?? page.charted[0]?.name;
    const signal = page.charted.find((one) => one.name === name);
    if (!signal) return;
    const past = page.past[name] ?? { times: [], values: [] };
    const outlooks = page.branches.map((branch) => branch.outlooks[name]).filter(Boolean);
    const bands = outlooks.map((o, i) => ({
      times: o.times, low: o.quantiles["0.05"], high: o.quantiles["0.95"], role: LOOKS[i].role, share: 0.14,
    }));
    const lines = [{ ...past, name: page.words.read, role: "ink" }];
    outlooks.forEach((o, i) => lines.push({
      times: o.times, values: o.quantiles["0.5"], name: page.branches[i].name, width: 2, ...LOOKS[i],
    }));
    place.replaceChildren();
    const limits = page.branches.flatMap((branch) => branch.coming)
      .filter((one) => one.signal === name && one.threshold != null).map((one) => one.threshold);
    chart = makeChart(place, {
      scale: scaleOf(signal.unit, sample(past.values) || sample(outlooks[0]?.quantiles["0.5"])),
      limits: [...new Set(limits)], height: 280, now: outlooks[0]?.times[0], nowWord: page.words.now,
    });
    chart.show(lines, bands);
  };
  choice?.addEventListener("change", show);
  choice?.closest("[hidden]")?.removeAttribute("hidden");
  show();
}

function wake(root) {
  pair(root);
  draw(root);
}

wake(document);
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.target.id === "what-if" || event.detail.elt?.id === "what-if") wake(document.getElementById("what-if"));
});
