// The theme switch: as the system, light, dark. Remembered where the browser lets a page remember.
"use strict";
(() => {
  const NAMES = ["auto", "light", "dark"];
  const root = document.documentElement;
  let now = "auto";
  try {
    now = localStorage.getItem("rushes-theme") || "auto";
  } catch {
    // A file or a private window may refuse: the choice then lasts as long as the page.
  }
  if (!NAMES.includes(now)) now = "auto";
  if (now !== "auto") root.dataset.theme = now;

  const told = () => document.dispatchEvent(new CustomEvent("themechange"));

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    if (!button) return;
    const show = () => {
      button.textContent = now[0].toUpperCase() + now.slice(1);
      button.setAttribute("aria-label", "Colours: " + (now === "auto" ? "as the system" : now));
    };
    show();
    button.addEventListener("click", () => {
      now = NAMES[(NAMES.indexOf(now) + 1) % NAMES.length];
      if (now === "auto") delete root.dataset.theme;
      else root.dataset.theme = now;
      try {
        localStorage.setItem("rushes-theme", now);
      } catch {
        // As above.
      }
      show();
      told();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", told);
    matchMedia("print").addEventListener("change", told);
  });
})();

// The colour a custom property has now, as the browser computes it: `light-dark()` is resolved by asking an element.
function colourOf(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  probe.hidden = true;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}
