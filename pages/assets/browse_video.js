// One video: its signals drawn, and its cuts under other thresholds.
"use strict";
(async () => {
  const root = document.getElementById("cuts");
  if (!root) return;
  const { video, at, cut } = root.dataset;
  const early = Number(root.dataset.early);
  const drawn = document.getElementById("drawn");
  const film = document.getElementById("film");
  const detectors = document.getElementById("detectors");
  const sliders = document.getElementById("sliders");
  const folder = `${at}/videos/${video}`;
  const WIDE = 1600;
  const HIGH = 150;

  const controls = JSON.parse(root.dataset.controls);
  const start = JSON.parse(root.dataset.settings);
  const startDetector = detectors.value;
  const now = { ...start };
  let signals;
  let told = { cuts: [], was: [] };

  const curveOf = () => {
    const name = detectors.value;
    return name === "adaptive" ? "adaptive" : name === "hash" ? "hash" : "content";
  };
  const limitOf = { content: "content_threshold", adaptive: "adaptive_threshold", hash: "hash_threshold" };
  const topOf = { content: 80, adaptive: 10, hash: 0.8 };

  function draw() {
    const curve = curveOf();
    const values = signals.curves[curve];
    const top = Math.max(topOf[curve], now[limitOf[curve]] * 1.1);
    const y = (value) => HIGH - (HIGH * Math.min(value, top)) / top;
    const points = values.map((v, k) => `${((k / values.length) * WIDE).toFixed(1)},${y(v).toFixed(1)}`).join(" ");
    const parts = [made("polyline", { points, class: "signal" })];
    const limit = y(now[limitOf[curve]]);
    parts.push(made("line", { x1: 0, x2: WIDE, y1: limit, y2: limit, class: "limit" }));
    const x = (seconds) => ((seconds / signals.seconds) * WIDE).toFixed(1);
    const had = new Set(told.was.map((c) => c.frame));
    const has = new Set(told.cuts.map((c) => c.frame));
    for (const one of told.was) if (!has.has(one.frame)) parts.push(mark(one, "goes", x));
    for (const one of told.cuts) parts.push(mark(one, had.has(one.frame) ? "stays" : "comes", x));
    drawn.replaceChildren(...parts);
    document.getElementById("curve").textContent =
      { content: "change of colour and light", adaptive: "change, times its neighbours'", hash: "share of hash bits" }[curve];
  }
  function mark(one, kind, x) {
    const group = made("g", { class: kind });
    if (one.before < one.frame)
      group.append(made("rect", { x: x(one.before_seconds), y: 158, width: Math.max(2, x(one.seconds) - x(one.before_seconds)), height: 44 }));
    group.append(made("line", { x1: x(one.seconds), x2: x(one.seconds), y1: 158, y2: 202 }));
    group.append(made("title", {}, `${one.detector} at ${one.seconds.toFixed(3)} s, frame ${one.frame}`));
    return group;
  }

  function list() {
    const had = new Set(told.was.map((c) => c.frame));
    const has = new Set(told.cuts.map((c) => c.frame));
    const all = [...told.cuts, ...told.was.filter((c) => !has.has(c.frame))].sort((a, b) => a.frame - b.frame);
    const shown = all.slice(0, 400);
    document.getElementById("listed").replaceChildren(
      ...shown.map((one) => {
        const kind = !has.has(one.frame) ? "goes" : had.has(one.frame) ? "stays" : "comes";
        const words = `${one.seconds.toFixed(2)} s ${one.detector}`;
        const before = one.before < one.frame ? `&before=${one.before}` : "";
        const link = made("a", { href: `${folder}/cuts/${one.frame}?cut=${encodeURIComponent(cut)}${before}` }, words);
        const state = { goes: " goes", comes: " new", stays: "" }[kind];
        return made("li", { class: kind }, link, made("span", { class: "small" }, state));
      }),
    );
    const came = all.filter((c) => has.has(c.frame) && !had.has(c.frame)).length;
    const went = all.filter((c) => !has.has(c.frame)).length;
    document.getElementById("verdict").textContent =
      `${spaced(told.cuts.length)} cuts, ${spaced(told.spans)} clips; ${came} new, ${went} gone` +
      (all.length > shown.length ? `; the first ${shown.length} are listed.` : ".");
    document.getElementById("yaml").textContent = told.configuration;
    document.getElementById("command").textContent = told.command;
  }

  let waiting = 0;
  function look() {
    clearTimeout(waiting);
    waiting = setTimeout(async () => {
      const asked = new URLSearchParams({ cut });
      if (detectors.value !== startDetector) asked.set("detectors", detectors.value);
      for (const one of controls) if (now[one.name] !== start[one.name]) asked.set(one.name, now[one.name]);
      try {
        told = await ask("cuts", `${folder}/cuts.json?${asked}`);
        list();
        draw();
      } catch (error) {
        if (error.name !== "AbortError") document.getElementById("verdict").textContent = error.message;
      }
    }, 60);
  }

  function offer() {
    const chosen = detectors.value.split(",");
    sliders.replaceChildren(
      ...controls
        .filter((one) => one.of.some((name) => chosen.includes(name)))
        .map((one) => {
          const value = made("output", {}, String(now[one.name]));
          const range = made("input", { type: "range", min: one.low, max: one.high, step: one.step, value: now[one.name] });
          range.setAttribute("data-name", one.name);
          range.addEventListener("input", () => {
            now[one.name] = Number(range.value);
            value.textContent = range.value;
            draw();
            look();
          });
          return made("label", { title: one.doc }, one.name.replaceAll("_", " "), range, value, one.unit);
        }),
    );
  }

  drawn.addEventListener("click", (event) => {
    const box = drawn.getBoundingClientRect();
    const seconds = ((event.clientX - box.left) / box.width) * signals.seconds;
    if (film) film.currentTime = seconds + early;
  });
  detectors.addEventListener("change", () => {
    offer();
    look();
  });
  document.getElementById("tried").addEventListener("reset", () =>
    setTimeout(() => {
      Object.assign(now, start);
      offer();
      look();
    }),
  );
  try {
    signals = await ask("signals", `${folder}/signals.json?cut=${encodeURIComponent(cut)}`);
  } catch (error) {
    document.getElementById("verdict").textContent = error.message;
    return;
  }
  offer();
  draw();
  look();
})();
