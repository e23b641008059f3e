// Limits of the quality filter: a slider each over the measure's distribution, and what would change.
"use strict";
(() => {
  const root = document.getElementById("thresholds");
  const { at, cut } = root.dataset;
  const limits = [...root.querySelectorAll(".limit")].map((box) => {
    const low = Number(box.dataset.low);
    const high = Number(box.dataset.high);
    const ratios = box.dataset.ratios === "yes";
    return {
      box,
      name: box.dataset.name,
      range: box.querySelector("input[type=range]"),
      value: box.querySelector(".value"),
      on: box.querySelector(".on"),
      bars: [...box.querySelectorAll("rect")],
      least: box.dataset.least === "yes",
      toValue: (t) => (ratios ? low * (high / low) ** t : low + t * (high - low)),
      toPlace: (v) => (ratios ? Math.log(Math.max(v, low) / low) / Math.log(high / low) : (v - low) / (high - low)),
      step: (v) => (ratios ? Math.abs(v) / 50 : (high - low) / 400),
    };
  });

  const neat = (value, step) => {
    const digits = step > 0 ? Math.min(6, Math.max(0, Math.ceil(-Math.log10(step)))) : 3;
    return String(Number(value.toFixed(digits)));
  };
  const place = (one) => {
    const value = Number(one.value.value);
    const t = one.on.checked && one.value.value ? one.toPlace(value) : one.least ? 0 : 1;
    one.range.value = String(Math.round(1000 * Math.min(1, Math.max(0, t))));
    one.range.setAttribute("aria-valuetext", one.on.checked ? one.value.value : "off");
    one.bars.forEach((bar, k) => {
      const middle = (k + 0.5) / one.bars.length;
      bar.classList.toggle("out", one.on.checked && (one.least ? middle < t : middle > t));
    });
  };

  const question = () => {
    const asked = new URLSearchParams({ cut });
    for (const one of limits) {
      const now = one.on.checked ? one.value.value.trim() || "none" : "none";
      if (now !== one.value.dataset.run) asked.set(one.name, now);
    }
    return asked;
  };

  const text = (id, words) => (document.getElementById(id).textContent = words);
  const show = (told) => {
    const kept = document.getElementById("kept");
    kept.firstChild.textContent = spaced(told.kept);
    text("was", `${spaced(told.kept_seconds)} s; ${spaced(told.was_kept)} clips now`);
    text("dropped", spaced(told.total - told.kept));
    text("gained", spaced(told.gained));
    text("lost", spaced(told.lost));
    text("yaml", told.configuration);
    text("command", told.command);
    for (const one of root.querySelectorAll(".drops")) {
      const count = told.reasons[one.dataset.reason] || 0;
      one.textContent = count ? `drops ${spaced(count)}` : "drops none";
    }
    const changing = told.gained + told.lost;
    text("some", !changing ? "None." : changing > told.clips.length ? `Some of ${spaced(changing)}.` : `All ${changing}.`);
    document.getElementById("changing").replaceChildren(
      ...told.clips.map((clip) => {
        const picture = clip.picture
          ? made("img", { src: clip.picture, alt: "", loading: "lazy", width: 160, height: 90 })
          : made("span", { class: "blank" }, "no picture");
        const words = clip.keeps ? "would be kept" : clip.would.join(", ").replaceAll("_", " ");
        const under = made("span", { class: "under" });
        under.append(made("span", { class: clip.keeps ? "kept" : "dropped" }, words));
        under.append(made("span", {}, `${clip.seconds.toFixed(1)} s`));
        return made("li", {}, made("a", { class: "frame", href: `${at}/clips/${clip.clip_id}` }, picture, under));
      }),
    );
  };

  let waiting = 0;
  const look = () => {
    clearTimeout(waiting);
    waiting = setTimeout(async () => {
      root.setAttribute("aria-busy", "true");
      try {
        show(await ask("limits", `${at}/thresholds.json?${question()}`));
      } catch (error) {
        if (error.name === "AbortError") return;
        text("some", error.message);
      }
      root.removeAttribute("aria-busy");
    }, 60);
  };

  for (const one of limits) {
    one.range.addEventListener("input", () => {
      const value = one.toValue(Number(one.range.value) / 1000);
      one.value.value = neat(value, one.step(value));
      one.on.checked = true;
      place(one);
      look();
    });
    one.value.addEventListener("change", () => {
      one.on.checked = one.value.value.trim() !== "";
      place(one);
      look();
    });
    one.on.addEventListener("change", () => {
      if (one.on.checked && !one.value.value) one.value.value = neat(one.toValue(one.least ? 0 : 1), one.step(1));
      place(one);
      look();
    });
    place(one);
  }
  document.getElementById("limits").addEventListener("reset", () =>
    setTimeout(() => {
      limits.forEach(place);
      look();
    }),
  );
  document.getElementById("limits").addEventListener("submit", (event) => event.preventDefault());
  look();
})();
