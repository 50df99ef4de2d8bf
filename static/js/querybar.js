// Completion of the query bar: form[data-complete] names a JSON address that is asked with ?token= (the word under the
// cursor) and ?q= (the whole query) and answers {"choices": [{"value": "reason:period_closed", "label": "12 cases"}]}.

const WAIT_MS = 120;
let timer = 0;
let asked = 0;
let serial = 0;

function wordAt(input) {
  const end = input.selectionStart ?? input.value.length;
  const start = input.value.lastIndexOf(" ", end - 1) + 1;
  return { start, end, token: input.value.slice(start, end) };
}

function close(input) {
  input.form.querySelector(".choices")?.remove();
  input.setAttribute("aria-expanded", "false");
  input.removeAttribute("aria-activedescendant");
}

function select(input, item) {
  for (const other of item.parentNode.children) other.setAttribute("aria-selected", String(other === item));
  input.setAttribute("aria-activedescendant", item.id);
  item.scrollIntoView({ block: "nearest" });
}

function take(input, value) {
  const { start, end } = wordAt(input);
  // A key such as "reason:" waits for its value; anything else is finished by a blank.
  const text = value.endsWith(":") ? value : `${value} `;
  input.setRangeText(text, start, end, "end");
  close(input);
  input.focus();
  if (value.endsWith(":")) ask(input);
}

function show(input, choices) {
  close(input);
  if (!choices.length) return;
  const list = document.createElement("ul");
  list.className = "choices";
  list.id = `${input.id}-choices`;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Completions");
  for (const choice of choices) {
    const item = document.createElement("li");
    item.id = `choice-${++serial}`;
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", "false");
    item.dataset.value = choice.value;
    const label = document.createElement("span");
    label.textContent = choice.label ?? "";
    item.append(choice.value, label);
    list.append(item);
  }
  list.addEventListener("mousedown", (event) => {
    const item = event.target.closest("li");
    if (!item) return;
    event.preventDefault();
    take(input, item.dataset.value);
  });
  input.form.append(list);
  input.setAttribute("aria-controls", list.id);
  input.setAttribute("aria-expanded", "true");
}

async function ask(input) {
  const turn = ++asked;
  const address = new URL(input.form.dataset.complete, location.href);
  address.searchParams.set("token", wordAt(input).token);
  address.searchParams.set("q", input.value);
  try {
    const answer = await fetch(address, { headers: { Accept: "application/json" } });
    const choices = answer.ok ? (await answer.json()).choices : [];
    // Whoever went on meanwhile is not followed.
    if (turn === asked && document.activeElement === input) show(input, choices);
  } catch {
    close(input);
  }
}

// Tab completes what was begun or chosen; else it goes on to the next field, or whoever has no mouse never leaves this one.
function completes(event, place) {
  return !event.shiftKey && (place >= 0 || wordAt(event.target).token !== "");
}

function onKey(event) {
  const input = event.target;
  const items = [...(input.form.querySelector(".choices")?.children ?? [])];
  if (!items.length) {
    if (event.key === "ArrowDown") ask(input);
    return;
  }
  const place = items.findIndex((item) => item.getAttribute("aria-selected") === "true");
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    const by = event.key === "ArrowDown" ? 1 : -1;
    select(input, items[(place + by + items.length) % items.length] ?? items[0]);
  } else if ((event.key === "Enter" && place >= 0) || (event.key === "Tab" && completes(event, place))) {
    event.preventDefault();
    take(input, items[Math.max(0, place)].dataset.value);
  } else if (event.key === "Escape") {
    event.preventDefault();
    event.stopPropagation();
    close(input);
  }
}

function start() {
  for (const input of document.querySelectorAll("form[data-complete] input[data-filter]:not([role])")) {
    input.setAttribute("role", "combobox");
    input.setAttribute("aria-autocomplete", "list");
    input.setAttribute("aria-expanded", "false");
    input.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => ask(input), WAIT_MS);
    });
    input.addEventListener("focus", () => ask(input));
    input.addEventListener("blur", () => close(input));
    input.addEventListener("keydown", onKey);
  }
}

start();
document.addEventListener("htmx:afterSettle", start);
