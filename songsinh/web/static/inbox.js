// The inbox by keyboard: j and k go through it, a acknowledges, c closes.
const rows = () => [...document.querySelectorAll("#inbox > li")];
let at = -1;

function go(to) {
  const all = rows();
  if (!all.length) return;
  at = Math.max(0, Math.min(all.length - 1, to));
  all[at].querySelector("h2 a").focus();
}

function press(action) {
  const here = document.activeElement?.closest("#inbox > li");
  here?.querySelector(`button[value=${action}]`)?.click();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select")) return;
  const here = rows().indexOf(document.activeElement?.closest("#inbox > li"));
  if (here >= 0) at = here;
  if (event.key === "j") go(at + 1);
  else if (event.key === "k") go(at - 1);
  else if (event.key === "a") press("acknowledge");
  else if (event.key === "c") press("close");
});
