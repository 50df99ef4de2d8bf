// Choosing rows: single, shift for a range, the page, or all that match.
//
// [data-select-list] holds input[data-select] (one a row), input[data-select-page] (in the head) and a
// [data-select-bar] with [data-select-count], [data-select-all], [data-select-none] and [data-select-scope].
// [data-select-one] stands while one row at most is chosen, [data-select-several] while more are: who may do something to
// one, but not to many, sees so before asking.
// "All that match" sends scope=filter with the query, the instant of the list and the number that was shown, so the
// server takes what was counted and nothing that came later.

let lastPicked = null;

const listOf = (element) => element.closest("[data-select-list]");
const boxesOf = (list) => [...list.querySelectorAll("input[data-select]")];

function setScope(list, scope) {
  const field = list.querySelector("[data-select-scope]");
  if (field) field.value = scope;
}

function refresh(list) {
  const boxes = boxesOf(list);
  const chosen = boxes.filter((box) => box.checked).length;
  const bar = list.querySelector("[data-select-bar]");
  const everything = list.querySelector("[data-select-scope]")?.value === "filter";
  if (bar) {
    bar.hidden = chosen === 0;
    const total = Number(bar.querySelector("[data-select-all]")?.dataset.total ?? 0);
    const shown = everything ? total : chosen;
    bar.querySelector("[data-select-count]").textContent = shown.toLocaleString(bar.dataset.locale || undefined);
    bar.querySelector("[data-select-all]")?.toggleAttribute("disabled", everything);
    for (const one of list.querySelectorAll("[data-select-one]")) one.hidden = shown > 1;
    for (const several of list.querySelectorAll("[data-select-several]")) several.hidden = shown <= 1;
  }
  const head = list.querySelector("input[data-select-page]");
  if (head) {
    head.checked = chosen > 0 && chosen === boxes.length;
    head.indeterminate = chosen > 0 && chosen < boxes.length;
  }
}

document.addEventListener("click", (event) => {
  const box = event.target.closest("input[data-select]");
  if (box) {
    const list = listOf(box);
    const boxes = boxesOf(list);
    if (event.shiftKey && lastPicked && boxes.includes(lastPicked)) {
      const [from, to] = [boxes.indexOf(lastPicked), boxes.indexOf(box)].sort((a, b) => a - b);
      for (const other of boxes.slice(from, to + 1)) other.checked = box.checked;
    }
    lastPicked = box;
    setScope(list, "chosen");
    refresh(list);
    return;
  }
  const all = event.target.closest("[data-select-all]");
  if (all) {
    const list = listOf(all);
    for (const other of boxesOf(list)) other.checked = true;
    setScope(list, "filter");
    refresh(list);
    return;
  }
  const none = event.target.closest("[data-select-none]");
  if (none) {
    const list = listOf(none);
    for (const other of boxesOf(list)) other.checked = false;
    setScope(list, "chosen");
    refresh(list);
  }
});

document.addEventListener("change", (event) => {
  const head = event.target.closest("input[data-select-page]");
  if (!head) return;
  const list = listOf(head);
  for (const box of boxesOf(list)) box.checked = head.checked;
  setScope(list, "chosen");
  refresh(list);
});

function refreshAll() {
  for (const list of document.querySelectorAll("[data-select-list]")) refresh(list);
}

document.addEventListener("htmx:afterSettle", refreshAll);
// Back and reload bring ticked boxes back: the bar must follow.
window.addEventListener("pageshow", refreshAll);
