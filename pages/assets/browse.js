// What every page of the browser does: keys, players, copying, marking.
"use strict";

// Asks the server for JSON; only the answer to the newest question of a kind counts.
const asking = {};
async function ask(kind, address) {
  asking[kind]?.abort();
  const mine = (asking[kind] = new AbortController());
  const answer = await fetch(address, { signal: mine.signal });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error);
  return told;
}

const spaced = (number) => Math.round(number).toLocaleString("en").replaceAll(",", "\u202f");

// An element with attributes and children; text is always text.
function made(name, attributes = {}, ...children) {
  const svg = ["svg", "path", "line", "rect", "g", "title", "polyline"].includes(name);
  const found = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) found.setAttribute(key, value);
  found.append(...children);
  return found;
}

// Keys: / to the search, j and k (or arrows) through a list, else to the next and previous page.
(() => {
  const stops = () => [...document.querySelectorAll("[data-walk] :is(a, button)")].filter((e) => e.offsetParent);
  const firstOf = (list) => list.filter((e, k) => k === 0 || e.closest("li, tr") !== list[k - 1].closest("li, tr"));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const on = event.target;
    if (event.key === "Escape" && on.matches("input, select")) on.blur();
    if (on.matches("input, select, textarea, video, button[data-mark]")) return;
    if (event.key === "/") {
      const search = document.querySelector("input[type=search], form[role=search] input");
      if (search) {
        search.focus();
        search.select();
        event.preventDefault();
      }
      return;
    }
    const step = { j: 1, k: -1, ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const list = firstOf(stops());
    const at = list.findIndex((e) => e.closest("li, tr") === on.closest?.("li, tr"));
    const arrow = event.key.startsWith("Arrow");
    const next = at < 0 ? (step > 0 ? 0 : -1) : at + step;
    if (list.length && (!arrow || at >= 0) && next >= 0 && next < list.length) {
      list[next].focus();
      list[next].scrollIntoView({ block: "nearest" });
      event.preventDefault();
      return;
    }
    const page = document.querySelector(step > 0 ? "a[rel=next]" : "a[rel=prev]");
    if (page) page.click();
  });
})();

// Players: say so where a browser cannot, and play a clip again and again where that is wanted.
document.querySelectorAll("video.player").forEach((video) => {
  video.addEventListener("error", () => {
    video.hidden = true;
    const note = document.querySelector(".unplayed");
    if (note) note.hidden = false;
  });
  const span = /#t=([\d.]+),([\d.]+)$/.exec(video.getAttribute("src") || "");
  const loop = document.getElementById("loop");
  if (loop) {
    const again = () => {
      if (!loop.checked) return;
      video.currentTime = span ? Number(span[1]) : 0;
      video.play();
    };
    video.addEventListener("pause", () => {
      if (span ? video.currentTime >= Number(span[2]) - 0.05 : video.ended) again();
    });
    video.addEventListener("ended", again);
  }
});

document.querySelectorAll("[data-copy]").forEach((button) => {
  button.addEventListener("click", async () => {
    const text = document.getElementById(button.dataset.copy).textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(document.getElementById(button.dataset.copy));
      button.textContent = "Selected: copy it";
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
});

// Marks: the one thing that is written.
(() => {
  const place = document.getElementById("marking");
  const token = document.querySelector("meta[name=rushes-token]")?.content;
  if (!place || !token) return;
  const author = document.getElementById("author");
  const told = document.getElementById("told");
  try {
    author.value = localStorage.getItem("rushes-author") || "";
  } catch {
    // The name then lasts as long as the page.
  }
  place.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-mark]");
    if (!button) return;
    try {
      localStorage.setItem("rushes-author", author.value);
    } catch {
      // As above.
    }
    const body = {
      video: place.dataset.video,
      frame: Number(place.dataset.frame),
      before: Number(place.dataset.before),
      detector: place.dataset.detector,
      mark: button.dataset.mark,
      author: author.value,
    };
    told.textContent = "Saving";
    const answer = await fetch("/marks", {
      method: "POST",
      headers: { "content-type": "application/json", "x-rushes-token": token },
      body: JSON.stringify(body),
    });
    const said = await answer.json().catch(() => ({ error: "the server did not answer" }));
    if (!answer.ok) {
      told.textContent = said.error;
      return;
    }
    told.textContent = body.mark ? `Marked ${body.mark}, in snapshot ${said.snapshot}.` : "Taken back.";
    for (const one of place.querySelectorAll("button[data-mark]")) {
      if (one.dataset.mark) one.setAttribute("aria-pressed", String(one.dataset.mark === body.mark));
      else one.hidden = !body.mark;
    }
  });
})();
