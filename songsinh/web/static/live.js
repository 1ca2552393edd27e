// Frames as they come: beliefs, forecasts, alerts and states, over server-sent events.
const say = document.getElementById("announce");

export function follow(twins, take) {
  const query = twins.map((name) => `twin=${encodeURIComponent(name)}`).join("&");
  const stream = new EventSource(`/api/v1/stream/events${query && `?${query}`}`);
  const hand = (event) => {
    const told = JSON.parse(event.data);
    const frames = Array.isArray(told) ? told : (told.frames ?? [told]);
    for (const frame of frames) if (frame.kind === "alert") announce(frame);
    take(frames);
  };
  stream.onmessage = hand;
  for (const kind of ["frames", "belief", "forecast", "alert", "state"])
    stream.addEventListener(kind, hand);
  addEventListener("pagehide", () => stream.close());
  return stream;
}

function announce(alert) {
  if (alert.cleared_us || (alert.state && alert.state !== "open")) return;
  say.textContent = `${alert.twin}: ${alert.sentence ?? alert.rule ?? ""}`;
}

// calls back at most once in `pause` ms, and never misses the last call
export function seldom(pause, call) {
  let timer = 0;
  let last = 0;
  return () => {
    if (timer) return;
    const wait = Math.max(0, pause - (Date.now() - last));
    timer = setTimeout(() => {
      timer = 0;
      last = Date.now();
      if (!document.hidden) call();
    }, wait);
  };
}

const lang = document.documentElement.lang;
const since = new Intl.RelativeTimeFormat(lang, { style: "long", numeric: "always" });

export function tellAges(root = document) {
  const now = Date.now() / 1000;
  for (const mark of root.querySelectorAll("[data-age]")) {
    if (Number(mark.dataset.age) > now + 60) continue; // a replay runs ahead of the clock
    const gap = Math.max(1, now - Number(mark.dataset.age));
    const [size, unit] =
      gap < 90 ? [1, "second"] : gap < 5400 ? [60, "minute"] : gap < 129600 ? [3600, "hour"] : [86400, "day"];
    mark.textContent = since.format(-Math.round(gap / size), unit);
  }
}

export async function refresh(...ids) {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const id of ids) {
    const [old, young] = [document.getElementById(id), fresh.getElementById(id)];
    // what a person is in the middle of is left alone
    if (!old || !young || old.contains(document.activeElement)) continue;
    old.replaceWith(document.adoptNode(young));
  }
  tellAges();
}
