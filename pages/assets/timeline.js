// A video's timeline: lanes of signals with thresholds, cuts, and spans; a position that is moved by pointer and keys.
"use strict";
(() => {
  const videos = JSON.parse(document.getElementById("timelines").textContent);
  const track = document.getElementById("track");
  if (!track || !videos.length) return;
  const NOTHING = 65535;
  const AXIS = 20, EDGES = 18, SPANS = 18, GAP = 8;
  const canvas = document.getElementById("lanes");
  const film = document.getElementById("film");
  const readout = document.getElementById("readout");
  const choice = document.getElementById("video");

  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
  const clock = (t) => {
    const whole = Math.floor(t + 1e-6);
    const hours = Math.floor(whole / 3600);
    const rest = `${Math.floor(whole / 60) % 60}:${String(whole % 60).padStart(2, "0")}`;
    return (hours ? `${hours}:${rest.padStart(5, "0")}` : rest) + (t - whole).toFixed(3).slice(1);
  };
  const words = (name) => name.replaceAll("_", " ");
  const short = (x) => (Math.abs(x) >= 100 ? x.toFixed(0) : String(Number(x.toPrecision(3))));
  // The last index whose value is at most x; 0 where all are larger.
  const last = (values, x) => {
    let low = 0, high = values.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (values[middle] <= x) low = middle;
      else high = middle - 1;
    }
    return low;
  };

  let video, starts, firsts, lanes, thumbnails, samples, view, at, colours;

  // A sheet of pictures with what it takes to draw one of them; `ready` when the browser has read it.
  function loaded(sprite) {
    if (!sprite) return null;
    const sheet = { ...sprite, image: new Image(), ready: false };
    sheet.image.onload = () => {
      sheet.ready = true;
      pictures();
    };
    sheet.image.src = sprite.uri;
    return sheet;
  }
  function cell(pen, sheet, index, left, top, width, height) {
    const column = index % sheet.columns, row = Math.floor(index / sheet.columns);
    pen.drawImage(
      sheet.image, column * sheet.width, row * sheet.height, sheet.width, sheet.height, left, top, width, height,
    );
  }
  // The index of the picture nearest to a frame.
  function nearest(sheet, frame) {
    const before = last(sheet.frames, frame);
    const after = sheet.frames[before + 1];
    return after !== undefined && after - frame < frame - sheet.frames[before] ? before + 1 : before;
  }

  function opened(number) {
    video = videos[number];
    starts = new Float32Array(bytes(video.starts));
    firsts = video.clips.map((clip) => clip.first);
    lanes = video.lanes.map((lane) => ({
      ...lane,
      numbers: new Uint16Array(bytes(lane.values)),
      line: lane.curve && new Uint16Array(bytes(lane.curve)),
    }));
    thumbnails = loaded(video.thumbnails);
    samples = loaded(video.samples);
    view = [0, video.seconds];
    track.setAttribute("aria-valuemax", starts.length - 1);
    document.getElementById("screen-note").textContent = video.thumbnails ? "" : "No thumbnails are stored: " + video.absent;
    document.getElementById("timeline-note").textContent = [
      video.step > 1 ? `A long video: each sample stands for ${video.step} frames; changes are their largest, levels their mean.` : "",
      video.left_out ? `${video.left_out} later clips are left out.` : "",
    ].join(" ");
    at = 0;
    moved(video.cuts.length ? sample(video.cuts[video.cuts.length >> 1].to) : 0);
  }

  const sample = (frame) => Math.min(Math.floor(frame / video.step), starts.length - 1);
  const clipAt = (frame) => {
    const found = video.clips[last(firsts, frame)];
    return found && frame >= found.first && frame < found.first + found.frames ? found : null;
  };
  const cutAt = (frame) => video.cuts.find((cut) => frame >= cut.from && frame <= cut.to);

  function moved(to) {
    at = Math.min(Math.max(to, 0), starts.length - 1);
    const wide = view[1] - view[0];
    const t = starts[at];
    if (t < view[0] || t > view[1]) shown(t - wide / 2, wide);
    const frame = at * video.step;
    const clip = clipAt(frame);
    const cut = cutAt(frame);
    const rows = [["time", `${clock(t)} of ${clock(video.seconds)}`], ["frame", `${frame.toLocaleString("en")} of ${video.frames.toLocaleString("en")}`]];
    for (const lane of lanes) {
      const found = lane.numbers[at];
      const value = found === NOTHING ? "–" : `${short(found / lane.scale + (lane.bottom || 0))} ${lane.unit}`;
      rows.push([lane.name.toLowerCase(), value + lane.lines.map((line) => ` (${line.name} ${short(line.at)})`).join("")]);
    }
    rows.push(["clip", !clip ? "none" : clip.kept ? `kept, ${short(clip.b - clip.a)} s` : `dropped, ${short(clip.b - clip.a)} s`]);
    for (const [reason, value, limit] of clip ? clip.why : []) {
      rows.push([words(reason), (value === null ? "" : short(value)) + (limit === null ? "" : ` (limit ${short(limit)})`)]);
    }
    if (cut) rows.push([cut.from === cut.to ? "cut" : cut.gradual ? "transition" : "left out", `by ${cut.by}`]);
    readout.replaceChildren(
      ...rows.flatMap(([name, text]) => {
        const pair = [document.createElement("dt"), document.createElement("dd")];
        pair[0].textContent = name;
        pair[1].textContent = text;
        return pair;
      }),
    );
    track.setAttribute("aria-valuenow", at);
    track.setAttribute("aria-valuetext", rows.map((row) => row.join(" ")).join(", "));
    draw();
    pictures();
  }

  function shown(from, wide) {
    const least = Math.min(video.seconds, Math.max(0.5, (20 * video.seconds) / starts.length));
    wide = Math.min(Math.max(wide, least), video.seconds);
    from = Math.min(Math.max(from, 0), video.seconds - wide);
    view = [from, from + wide];
  }
  function zoom(by) {
    const wide = (view[1] - view[0]) * by;
    shown(starts[at] - wide / 2, wide);
    draw();
  }
  function toCut(direction) {
    const places = video.cuts.map((cut) => cut.to);
    const next = direction > 0 ? places.find((place) => sample(place) > at) : places.findLast((place) => sample(place) < at);
    moved(next === undefined ? (direction > 0 ? starts.length - 1 : 0) : sample(next));
  }

  // Sizes a canvas to its place on the screen, in the screen's own pixels; gives a context in CSS pixels.
  function prepared(place, width, height) {
    const ratio = window.devicePixelRatio || 1;
    if (place.width !== Math.round(width * ratio) || place.height !== Math.round(height * ratio)) {
      place.width = Math.round(width * ratio);
      place.height = Math.round(height * ratio);
      place.style.height = height + "px";
    }
    const context = place.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    return context;
  }

  function draw() {
    const width = track.clientWidth;
    const height = EDGES + SPANS + lanes.reduce((sum, lane) => sum + lane.height + GAP, GAP) + AXIS;
    const pen = prepared(canvas, width, height);
    const x = (t) => ((t - view[0]) / (view[1] - view[0])) * width;
    pen.font = "11px " + getComputedStyle(document.body).fontFamily;
    pen.textBaseline = "alphabetic";

    for (const clip of video.clips) {
      if (clip.b < view[0] || clip.a > view[1]) continue;
      const left = Math.max(x(clip.a), -4), wide = Math.max(Math.min(x(clip.b), width + 4) - left - 1, 1);
      pen.fillStyle = clip.kept ? colours.kept : colours.dropped;
      pen.globalAlpha = clip.kept ? 1 : 0.75;
      pen.fillRect(left, EDGES, wide, SPANS - 5);
      pen.globalAlpha = 1;
      const label = clip.kept ? "kept" : words(clip.why[0]?.[0] || "dropped");
      if (wide > pen.measureText(label).width + 8) {
        pen.fillStyle = colours.panel;
        pen.fillText(label, Math.max(left, 0) + 4, EDGES + 10);
      }
    }

    let top = EDGES + SPANS + GAP;
    const first = last(starts, view[0]), end = Math.min(last(starts, view[1]) + 2, starts.length);
    for (const lane of lanes) {
      const y = (value) => top + lane.height - (Math.min(value, lane.top) / lane.top) * lane.height;
      pen.fillStyle = colours.sunk;
      pen.fillRect(0, top, width, lane.height);
      series(pen, lane, lane.numbers, x, y, first, end, width, colours.accent, 1.2);
      if (lane.line) series(pen, lane, lane.line, x, y, first, end, width, colours.failed, 1, 0.55);
      pen.strokeStyle = colours.failed;
      pen.lineWidth = 1;
      for (const line of lane.lines) {
        pen.setLineDash([5, 4]);
        pen.beginPath();
        pen.moveTo(0, y(line.at));
        pen.lineTo(width, y(line.at));
        pen.stroke();
        pen.setLineDash([]);
        const text = `${line.name} ${short(line.at)}`;
        label(pen, text, width - pen.measureText(text).width - 4, y(line.at) - 3, colours.failed);
      }
      label(pen, lane.name, 5, top + 13, colours.quiet);
      top += lane.height + GAP;
    }

    for (const cut of video.cuts) {
      if (cut.b < view[0] || cut.a > view[1]) continue;
      if (cut.from !== cut.to) {
        pen.fillStyle = cut.gradual ? colours.gradual : colours.quiet;
        pen.globalAlpha = 0.3;
        pen.fillRect(x(cut.a), EDGES, Math.max(x(cut.b) - x(cut.a), 2), top - EDGES - GAP);
        pen.globalAlpha = 1;
        pen.fillRect(x(cut.a), 4, Math.max(x(cut.b) - x(cut.a), 3), EDGES - 8);
      } else {
        pen.fillStyle = colours.ink;
        pen.fillRect(x(cut.a) - 0.5, 4, 1, EDGES - 4);
        pen.globalAlpha = 0.22;
        pen.fillRect(x(cut.a) - 0.5, EDGES + SPANS, 1, top - EDGES - SPANS - GAP);
        pen.globalAlpha = 1;
        pen.beginPath();
        pen.moveTo(x(cut.a) - 4, 2);
        pen.lineTo(x(cut.a) + 4, 2);
        pen.lineTo(x(cut.a), 9);
        pen.fill();
      }
    }
    axis(pen, x, width, top, height);
    pen.fillStyle = colours.ink;
    pen.fillRect(x(starts[at]) - 1, 0, 2, top - GAP + 4);
  }

  // A text that stays readable on lines.
  function label(pen, text, left, base, colour) {
    pen.save();
    pen.setLineDash([]);
    pen.lineWidth = 4;
    pen.lineJoin = "round";
    pen.strokeStyle = colours.sunk;
    pen.strokeText(text, left, base);
    pen.fillStyle = colour;
    pen.fillText(text, left, base);
    pen.restore();
  }

  // One stroke a pixel: from the smallest to the largest of the samples that fall on it.
  function series(pen, lane, numbers, x, y, first, end, width, colour, thick, alpha = 1) {
    pen.strokeStyle = colour;
    pen.lineWidth = thick;
    pen.globalAlpha = alpha;
    pen.lineJoin = "round";
    pen.beginPath();
    let up = false;
    if (end - first < width * 2) {
      for (let k = first; k < end; k++) {
        if (numbers[k] === NOTHING) { up = false; continue; }
        const px = x(starts[k]), py = y(numbers[k] / lane.scale);
        if (up) pen.lineTo(px, py);
        else pen.moveTo(px, py);
        up = true;
      }
    } else {
      let k = first;
      for (let px = 0; px < width && k < end; px++) {
        let low = Infinity, high = -Infinity;
        for (; k < end && x(starts[k]) < px + 1; k++) {
          if (numbers[k] === NOTHING) continue;
          if (numbers[k] < low) low = numbers[k];
          if (numbers[k] > high) high = numbers[k];
        }
        if (high < low) { up = false; continue; }
        if (up) pen.lineTo(px, y(low / lane.scale));
        else pen.moveTo(px, y(low / lane.scale));
        pen.lineTo(px, y(high / lane.scale));
        up = true;
      }
    }
    pen.stroke();
    pen.globalAlpha = 1;
  }

  function axis(pen, x, width, top, height) {
    const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400];
    const step = STEPS.find((one) => (one / (view[1] - view[0])) * width > 70) || 28800;
    pen.fillStyle = colours.quiet;
    for (let t = Math.ceil(view[0] / step) * step; t <= view[1]; t += step) {
      pen.fillRect(x(t), top - GAP, 1, 5);
      const text = step < 1 ? clock(t).slice(0, -2) : clock(t).slice(0, -4);
      pen.fillText(text, Math.min(x(t) + 3, width - pen.measureText(text).width), height - 6);
    }
  }

  function pictures() {
    const frame = at * video.step;
    look(frame, samples, document.getElementById("sample"), "Nearest sampled frame");
    look(frame, thumbnails, document.getElementById("screen"), "As detectors see it, 48×27");
    strip(frame);
  }

  function look(frame, sheet, place, what) {
    const figure = place.closest("figure");
    figure.hidden = !sheet;
    if (!sheet?.ready) return;
    const wide = Math.min(figure.clientWidth, 260 * video.aspect), tall = Math.round(wide / video.aspect);
    place.style.width = wide + "px";
    const pen = prepared(place, wide, tall);
    const found = nearest(sheet, frame);
    cell(pen, sheet, found, 0, 0, wide, tall);
    figure.querySelector("figcaption").textContent = `${what}: frame ${sheet.frames[found].toLocaleString("en")}`;
  }

  // The pictures around the position; a bar stands where one shot ends and another begins.
  function strip(frame) {
    film.hidden = !thumbnails;
    if (!thumbnails?.ready) return;
    const { frames } = thumbnails;
    const place = nearest(thumbnails, frame);
    const high = 54, wide = Math.round(high * video.aspect), step = wide + 4;
    const fits = Math.min(Math.floor(film.parentElement.clientWidth / step), 15, frames.length);
    const count = Math.max(fits - ((fits + 1) % 2), 1);
    const begin = Math.min(Math.max(place - (count >> 1), 0), frames.length - count);
    film.style.width = count * step + "px";
    const pen = prepared(film, count * step, high + 18);
    pen.font = "11px " + getComputedStyle(document.body).fontFamily;
    for (let k = 0; k < count; k++) {
      const number = frames[begin + k], here = begin + k === place, left = k * step;
      cell(pen, thumbnails, begin + k, left + 2, 2, wide, high);
      if (here) {
        pen.strokeStyle = colours.accent;
        pen.lineWidth = 2;
        pen.strokeRect(left + 1, 1, wide + 2, high + 2);
      }
      if (k && video.cuts.some((cut) => cut.to > frames[begin + k - 1] && cut.to <= number)) {
        pen.fillStyle = colours.failed;
        pen.fillRect(left - 1, 0, 2, high + 4);
      }
      pen.fillStyle = here ? colours.ink : colours.quiet;
      pen.fillText(String(number), left + 3, high + 15);
    }
  }

  function themed() {
    const names = ["ink", "quiet", "panel", "sunk", "line", "accent", "kept", "dropped", "failed", "gradual"];
    colours = Object.fromEntries(names.map((name) => [name, colourOf("--" + name)]));
  }

  const pointed = (event) => {
    const box = track.getBoundingClientRect();
    const t = view[0] + ((event.clientX - box.left) / box.width) * (view[1] - view[0]);
    moved(last(starts, t));
  };
  // A drag goes on where the pointer leaves the track; a finger that scrolls the page ends it by `pointercancel`.
  let dragged = null;
  track.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    dragged = event.pointerId;
    pointed(event);
  });
  addEventListener("pointermove", (event) => {
    if (event.pointerId === dragged) pointed(event);
  });
  for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => (dragged = null));
  track.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const second = (by) => {
      const to = last(starts, starts[at] + by + 1e-6);
      return to === at ? at + by : to;
    };
    const moves = {
      ArrowRight: () => moved(event.shiftKey ? second(1) : at + 1),
      ArrowLeft: () => moved(event.shiftKey ? second(-1) : at - 1),
      PageDown: () => moved(second(10)),
      PageUp: () => moved(second(-10)),
      Home: () => moved(0),
      End: () => moved(starts.length - 1),
      ",": () => toCut(-1),
      ".": () => toCut(1),
      "+": () => zoom(0.5),
      "=": () => zoom(0.5),
      "-": () => zoom(2),
    };
    if (!(event.key in moves)) return;
    event.preventDefault();
    moves[event.key]();
  });
  document.getElementById("before").addEventListener("click", () => toCut(-1));
  document.getElementById("after").addEventListener("click", () => toCut(1));
  document.getElementById("closer").addEventListener("click", () => zoom(0.5));
  document.getElementById("farther").addEventListener("click", () => zoom(2));
  choice.addEventListener("change", () => opened(Number(choice.value)));
  document.addEventListener("themechange", () => {
    themed();
    draw();
    pictures();
  });
  new ResizeObserver(() => {
    draw();
    pictures();
  }).observe(track);

  themed();
  opened(0);
})();
