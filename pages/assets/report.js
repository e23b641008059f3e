// The report: draws plots in the colours of the theme, and tells a clip's story where it is pointed at.
"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);

  // "--kept", "--kept/0.3" and "--ground/halo" become what they are in the theme of the moment.
  function coloured(value, seen) {
    if (Array.isArray(value)) return value.map((one) => coloured(one, seen));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, coloured(one, seen)]));
    }
    if (typeof value !== "string" || !/^--[a-z-]+(\/([\d.]+|halo))?$/.test(value)) return value;
    const [name, alpha] = value.split("/");
    seen[name] ??= colourOf(name);
    if (alpha === "halo") return Array(3).fill(`0 0 3px ${seen[name]}`).join(", ");
    return alpha ? seen[name].replace(/^rgb\((.*)\)$/, `rgba($1, ${alpha})`) : seen[name];
  }

  function draw() {
    const seen = {};
    const family = getComputedStyle(document.body).fontFamily;
    for (const place of document.querySelectorAll("[data-plot]")) {
      const figure = coloured(figures[place.dataset.plot], seen);
      figure.layout.font.family = family;
      figure.layout.hoverlabel.font.family = family;
      Plotly.react(place, figure.data, figure.layout, { displayModeBar: false, responsive: true });
    }
  }
  draw();
  document.addEventListener("themechange", draw);

  // Contact sheets: one stop of the tab key a sheet, arrows inside; the story beside the picture.
  let open = null;
  function close() {
    if (!open) return;
    document.getElementById(open.id + "-tip").hidden = true;
    open.removeAttribute("aria-describedby");
    open = null;
  }
  function show(frame) {
    if (open === frame) return;
    close();
    open = frame;
    const tip = document.getElementById(frame.id + "-tip");
    tip.hidden = false;
    frame.setAttribute("aria-describedby", tip.id);
    const item = frame.parentElement.getBoundingClientRect();
    const edge = document.documentElement.clientWidth - 12;
    const left = Math.min(0, edge - tip.offsetWidth - item.left);
    tip.style.left = Math.max(left, 12 - item.left) + "px";
    const above = item.bottom + tip.offsetHeight + 8 > innerHeight && item.top > tip.offsetHeight + 60;
    tip.style.top = above ? "auto" : "calc(100% + 4px)";
    tip.style.bottom = above ? "calc(100% + 4px)" : "auto";
  }
  const columns = (frames) => {
    const top = frames[0].offsetParent.offsetTop;
    const next = frames.findIndex((frame) => frame.offsetParent.offsetTop !== top);
    return next < 0 ? frames.length : next;
  };
  for (const sheet of document.querySelectorAll(".sheet")) {
    const frames = [...sheet.querySelectorAll(".frame")];
    for (const frame of frames) {
      frame.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && show(frame));
      frame.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && close());
      frame.addEventListener("focus", () => frame.matches(":focus-visible") && show(frame));
      frame.addEventListener("blur", close);
      frame.addEventListener("click", () => show(frame));
    }
    sheet.addEventListener("keydown", (event) => {
      const at = frames.indexOf(document.activeElement);
      if (at < 0) return;
      const steps = {
        ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns(frames), ArrowUp: -columns(frames),
        Home: -at, End: frames.length - 1 - at,
      };
      if (!(event.key in steps)) return;
      event.preventDefault();
      const to = Math.min(Math.max(at + steps[event.key], 0), frames.length - 1);
      frames[at].tabIndex = -1;
      frames[to].tabIndex = 0;
      frames[to].focus();
      show(frames[to]);
    });
  }
  document.addEventListener("keydown", (event) => event.key === "Escape" && close());
  document.addEventListener("pointerdown", (event) => {
    if (!event.target.closest(".frame")) close();
  });

  // The part of the page that is read is marked in the bar.
  const links = new Map([...document.querySelectorAll(".bar nav a")].map((link) => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        for (const link of links.values()) link.removeAttribute("aria-current");
        links.get(entry.target.id)?.setAttribute("aria-current", "true");
      }
    },
    { rootMargin: "-20% 0px -70% 0px" },
  );
  for (const id of links.keys()) seen.observe(document.getElementById(id));
})();
