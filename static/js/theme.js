// The theme switch without a reload, and the browser's own time zone on a first visit.

const YEAR_S = 365 * 24 * 3600;

function remember(name, value) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${name}=${value}; Max-Age=${YEAR_S}; Path=/; SameSite=Lax${secure}`;
}

function known(name) {
  return document.cookie.split("; ").some((pair) => pair.startsWith(`${name}=`));
}

if (!known("q2c_zone")) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone) remember("q2c_zone", zone);
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-theme-switch]") || !event.submitter) return;
  event.preventDefault();
  const chosen = event.submitter.value;
  document.documentElement.dataset.theme = chosen;
  remember("q2c_theme", chosen);
  for (const button of form.querySelectorAll("button[name=theme]")) {
    button.setAttribute("aria-pressed", String(button.value === chosen));
  }
});
