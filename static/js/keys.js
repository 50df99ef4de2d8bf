// The keyboard. Rows: [data-rows] holds [data-row]s; actions: [data-key="y"]; pages: [data-go="q"] after g.

const OFF = "q2c_keys_off";
const GO_MS = 1500;
let goingUntil = 0;

function typing(target) {
  return target.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
}

function covered() {
  return document.querySelector("dialog[open], [popover]:popover-open:not(#side)");
}

function rows() {
  return [...document.querySelectorAll("[data-rows] [data-row]")].filter((row) => row.offsetParent !== null);
}

function here() {
  return document.querySelector("[data-row].is-here");
}

function opener(row) {
  return row?.querySelector("a[data-open], th a, a");
}

function moveTo(row) {
  here()?.classList.remove("is-here");
  row.classList.add("is-here");
  (opener(row) ?? row).focus();
}

function step(by) {
  const all = rows();
  if (!all.length) return;
  const place = all.indexOf(here());
  const next = place < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, place + by));
  moveTo(all[next]);
}

function pick(range) {
  const box = here()?.querySelector("input[data-select]");
  box?.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, shiftKey: range }));
}

function act(key) {
  const find = (root) => [...(root?.querySelectorAll(`[data-key="${CSS.escape(key)}"]`) ?? [])].find((e) => e.offsetParent);
  const found = find(here()) ?? find(document);
  found?.click();
  return Boolean(found);
}

function go(key) {
  goingUntil = 0;
  document.body.classList.remove("going");
  const link = document.querySelector(`[data-go="${CSS.escape(key)}"]`);
  if (link) location.assign(link.href);
}

const MOVES = {
  j: () => step(1),
  k: () => step(-1),
  x: () => pick(false),
  X: () => pick(true),
  "/": () => document.querySelector("[data-search]")?.focus(),
  f: () => document.querySelector("[data-filter]")?.focus(),
  "?": () => document.getElementById("keys")?.showPopover(),
  g: () => {
    goingUntil = Date.now() + GO_MS;
    document.body.classList.add("going");
    setTimeout(() => document.body.classList.remove("going"), GO_MS);
  },
};

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.key === "Escape" && typing(event.target)) return event.target.blur();
  if (localStorage.getItem(OFF) || typing(event.target) || covered()) return;
  if (Date.now() < goingUntil) {
    event.preventDefault();
    return go(event.key);
  }
  if (event.key === "Enter") {
    const row = here();
    if (row && event.target === document.body) opener(row)?.click();
    return;
  }
  const move = MOVES[event.key];
  if (move) {
    event.preventDefault();
    move();
  } else if (event.key.length === 1 && act(event.key)) {
    event.preventDefault();
  }
});

document.addEventListener("focusin", (event) => {
  const row = event.target.closest("[data-rows] [data-row]");
  if (row && row !== here()) {
    here()?.classList.remove("is-here");
    row.classList.add("is-here");
  }
});

// Single-key shortcuts can be turned off (WCAG 2.1.4).
const gate = document.querySelector("[data-keys-switch]");
if (gate) {
  gate.checked = !localStorage.getItem(OFF);
  gate.addEventListener("change", () => {
    if (gate.checked) localStorage.removeItem(OFF);
    else localStorage.setItem(OFF, "1");
  });
}
