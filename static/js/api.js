// The pages of the API have a dark mode of their own, by a class: it follows the theme of the pages, or the system.
// Not a module, so that it is dark before anything is painted.

(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => {
    const theme = root.dataset.theme;
    root.classList.toggle("dark-mode", theme === "dark" || (theme !== "light" && system.matches));
  };
  new MutationObserver(follow).observe(root, { attributeFilter: ["data-theme"] });
  system.addEventListener("change", follow);
  follow();
})();
