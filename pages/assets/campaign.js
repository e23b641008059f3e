// Shows the videos of some levels alone. Without scripts all are shown.
(() => {
  const choose = document.getElementById("choose");
  if (!choose) return;
  const selects = [...choose.querySelectorAll("select")];
  const videos = [...document.querySelectorAll(".videos > li")];
  const shown = document.getElementById("shown");
  const filter = () => {
    let count = 0;
    for (const video of videos) {
      video.hidden = selects.some((select) => select.value && video.dataset[select.dataset.of] !== select.value);
      count += video.hidden ? 0 : 1;
      if (video.hidden) video.querySelector("video")?.pause();
    }
    shown.textContent = `${count} of ${videos.length}`;
  };
  for (const select of selects) select.addEventListener("change", filter);
  choose.hidden = selects.length === 0;
  filter();
})();
