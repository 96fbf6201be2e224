(() => {
  // One listener for all players of the page, whenever they arrive in it.
  if (window.seqlibPlayer) return;
  window.seqlibPlayer = true;
  document.documentElement.classList.add("seqlib-js");
  const stored = new WeakMap();

  const open = (player) => {
    if (!stored.has(player)) {
      const data = player.querySelector("script[type='application/json']");
      stored.set(player, JSON.parse(data.textContent));
    }
    return stored.get(player);
  };
  const chosen = (control) => {
    const slider = control.querySelector("[type=range]");
    return Number((slider || control.querySelector(":checked")).value);
  };
  const number = (picks, values) =>
    picks.reduce((sum, pick, i) => sum * values[i].length + pick, 0);
  const address = ({ frames, lines }, k) => typeof frames[k] == "string" ? frames[k]
    : "data:image/svg+xml," + encodeURIComponent(frames[k].map((i) => lines[i]).join("\n"));

  // In the book the frames are files: fetch the next ones before they are asked for.
  const prepare = (player) => {
    const data = open(player);
    if (typeof data.frames[0] != "string") return;
    const picks = [...player.querySelectorAll(".seqlib-control")].map(chosen);
    picks.forEach((pick, i) => [pick - 1, pick + 1].forEach((next) => {
      if (next in data.values[i])
        new Image().src = address(data, number(picks.map((p, j) => j == i ? next : p), data.values));
    }));
  };
  const update = (player) => {
    const data = open(player), image = player.querySelector("img");
    const controls = [...player.querySelectorAll(".seqlib-control")];
    const picks = controls.map(chosen), k = number(picks, data.values);
    controls.forEach((control, i) => {
      const slider = control.querySelector("[type=range]"), word = data.values[i][picks[i]];
      if (!slider) return;
      slider.setAttribute("aria-valuetext", word);
      control.querySelector("output").textContent = word;
    });
    image.src = address(data, k);
    image.alt = data.alts[k];
    clearTimeout(data.timer);
    data.timer = setTimeout(() => {
      player.querySelector("[role=status]").textContent = data.alts[k];
    }, 700);
    prepare(player);
  };
  const listen = (event, react) => document.addEventListener(event, ({ target }) => {
    const player = target.closest?.(".seqlib-player");
    if (player) react(player);
  });
  listen("input", update);
  listen("focusin", prepare);
  listen("pointerover", prepare);
})();
