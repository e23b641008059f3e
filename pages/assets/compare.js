// Two captioners: shows the sample of clips that is chosen, and moves between its clips by keys.
"use strict";
(() => {
  const list = document.getElementById("pairs");
  if (!list) return;
  const pairs = [...list.children];
  const shown = () => [...list.children].filter((pair) => !pair.hidden);

  function choose(order) {
    const mine = pairs.filter((pair) => order in pair.dataset);
    mine.sort((one, other) => one.dataset[order] - other.dataset[order]);
    for (const pair of pairs) pair.hidden = !mine.includes(pair);
    list.append(...mine);
    document.getElementById("told").textContent = `${mine.length} clips.`;
  }
  for (const radio of document.querySelectorAll("input[name=order]")) {
    radio.addEventListener("change", () => choose(radio.value));
    if (radio.checked) choose(radio.value); // A browser may remember another choice than the page was made with.
  }

  const marks = document.getElementById("marks");
  const mark = () => list.classList.toggle("unmarked", !marks.checked);
  marks.addEventListener("change", mark);
  mark();

  document.addEventListener("keydown", (event) => {
    const step = { j: 1, k: -1 }[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    const there = shown();
    const at = there.indexOf(document.activeElement.closest(".pair"));
    const next = there[at < 0 ? 0 : Math.min(Math.max(at + step, 0), there.length - 1)];
    next?.focus({ preventScroll: true });
    next?.scrollIntoView({ block: "start", behavior: "instant" });
  });
})();
