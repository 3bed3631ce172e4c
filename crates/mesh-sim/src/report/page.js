"use strict";
(() => {
  const source = document.getElementById("scenes");
  if (!source) return;
  const data = JSON.parse(source.textContent);
  const { nodes, scenes, deliveries } = data;
  const $ = (id) => document.getElementById(id);
  const map = $("map"), strip = $("strip"), at = $("at"), play = $("play"), message = $("message");
  const most = Math.max(1, ...scenes.map((s) => s.c.reduce((a, b) => Math.max(a, b), 0)));
  const ends = deliveries.filter((d) => d[4] !== null).map((d) => d[4]).sort((a, b) => a - b);
  const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  let now = 0, chosen = -1, followed = -1, timer = 0;

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const clock = (s) => {
    const two = (n) => String(Math.floor(n)).padStart(2, "0");
    const days = Math.floor(s / 86400);
    return (days ? days + " d " : "") + two((s % 86400) / 3600) + ":" + two((s % 3600) / 60) + ":" + two(s % 60);
  };

  // A place on a canvas of w by h; a circle where the movement knows no places.
  const place = (scene, node, w, h) => {
    const pad = 18;
    if (scene.p.length >= 2 * (node + 1)) {
      const longer = Math.max(data.width, data.height);
      const [wide, high] = [(data.width / longer) * 10000, (data.height / longer) * 10000];
      const scale = Math.min((w - 2 * pad) / Math.max(wide, 1), (h - 2 * pad) / Math.max(high, 1));
      return [w / 2 + (scene.p[2 * node] - wide / 2) * scale, h / 2 - (scene.p[2 * node + 1] - high / 2) * scale];
    }
    const turn = (node / nodes) * 2 * Math.PI - Math.PI / 2;
    const radius = Math.min(w, h) / 2 - pad;
    return [w / 2 + radius * Math.cos(turn), h / 2 + radius * Math.sin(turn)];
  };
  const fitted = (canvas) => {
    const ratio = window.devicePixelRatio || 1, w = canvas.clientWidth, h = canvas.clientHeight;
    if (canvas.width !== Math.round(w * ratio) || canvas.height !== Math.round(h * ratio)) {
      canvas.width = Math.round(w * ratio);
      canvas.height = Math.round(h * ratio);
    }
    const c = canvas.getContext("2d");
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.clearRect(0, 0, w, h);
    return [c, w, h];
  };

  const drawMap = () => {
    const [c, w, h] = fitted(map), scene = scenes[now], dead = new Set(scene.d);
    const main = colour("--main"), quiet = colour("--quiet"), ink = colour("--ink"), panel = colour("--panel");
    c.strokeStyle = quiet;
    c.globalAlpha = 0.55;
    c.lineWidth = 1.5;
    c.beginPath();
    for (let i = 0; i + 1 < scene.l.length; i += 2) {
      c.moveTo(...place(scene, scene.l[i], w, h));
      c.lineTo(...place(scene, scene.l[i + 1], w, h));
    }
    c.stroke();
    c.globalAlpha = 1;
    const small = nodes > 1500 ? 1.5 : nodes > 300 ? 2.5 : nodes > 80 ? 4 : 6;
    for (let node = 0; node < nodes; node++) {
      const [x, y] = place(scene, node, w, h), share = (scene.c[node] || 0) / most;
      c.beginPath();
      c.arc(x, y, small * (1 + 0.6 * share), 0, 7);
      c.globalAlpha = 0.12 + 0.88 * share;
      c.fillStyle = share > 0 ? main : quiet;
      if (!dead.has(node)) c.fill();
      c.globalAlpha = dead.has(node) ? 0.5 : 1;
      c.setLineDash(dead.has(node) ? [2, 2] : []);
      c.strokeStyle = share > 0 ? main : quiet;
      c.lineWidth = 1;
      c.stroke();
      c.setLineDash([]);
      c.globalAlpha = 1;
      if (nodes <= 60) {
        c.font = "11px system-ui, sans-serif";
        // A rim keeps numbers readable on links and on one another.
        c.strokeStyle = panel;
        c.lineWidth = 3;
        c.strokeText(String(node), x + small * 1.6 + 3, y + 4);
        c.fillStyle = ink;
        c.fillText(String(node), x + small * 1.6 + 3, y + 4);
      }
    }
    if (followed >= 0) {
      const d = deliveries[followed];
      mark(c, place(scene, d[1], w, h), colour("--second"), false);
      mark(c, place(scene, d[2], w, h), colour("--good"), true);
    }
    if (chosen >= 0) {
      const [x, y] = place(scene, chosen, w, h);
      c.strokeStyle = ink;
      c.lineWidth = 2;
      c.beginPath();
      c.arc(x, y, 13, 0, 7);
      c.stroke();
    }
  };
  const mark = (c, [x, y], tone, turned) => {
    c.save();
    c.translate(x, y);
    if (turned) c.rotate(Math.PI / 4);
    c.strokeStyle = tone;
    c.lineWidth = 3;
    c.strokeRect(-9, -9, 18, 18);
    c.restore();
  };

  // Nodes downwards, time to the right: the fuller the bag, the stronger the colour.
  const drawStrip = () => {
    const [c, w, h] = fitted(strip), rows = Math.min(nodes, Math.floor(h)), main = colour("--main");
    const wide = w / scenes.length, high = h / rows;
    c.fillStyle = main;
    for (let i = 0; i < scenes.length; i++) {
      for (let row = 0; row < rows; row++) {
        const carried = scenes[i].c[Math.floor((row * nodes) / rows)] || 0;
        if (!carried) continue;
        c.globalAlpha = 0.1 + 0.9 * Math.sqrt(carried / most);
        c.fillRect(i * wide, row * high, wide + 0.5, high + 0.5);
      }
    }
    c.globalAlpha = 1;
    if (chosen >= 0) {
      c.strokeStyle = colour("--quiet");
      c.strokeRect(0, Math.floor((chosen * rows) / nodes) * high, w, Math.max(high, 2));
    }
    if (followed >= 0) {
      const d = deliveries[followed], end = scenes[scenes.length - 1].t || 1;
      const [from, to] = [(d[3] / end) * w, ((d[4] === null ? end : d[4]) / end) * w];
      c.fillStyle = colour(d[4] === null ? "--bad" : "--good");
      c.fillRect(from, h - 6, Math.max(to - from, 2), 6);
    }
    c.strokeStyle = colour("--ink");
    c.lineWidth = 2;
    c.beginPath();
    c.moveTo((now + 0.5) * wide, 0);
    c.lineTo((now + 0.5) * wide, h);
    c.stroke();
  };

  const say = () => {
    const scene = scenes[now];
    const total = scene.c.reduce((a, b) => a + b, 0), holders = scene.c.filter((n) => n > 0).length;
    const done = ends.filter((end) => end <= scene.t).length;
    $("now").textContent = `${clock(scene.t)}: ${total} envelopes in the bags of ${holders} nodes; ` +
      `${scene.l.length / 2} links; ${done} of ${deliveries.length} messages delivered` +
      (scene.d.length ? `; ${scene.d.length} nodes do not run` : "") + ".";
    at.setAttribute("aria-valuetext", $("now").textContent);
    const words = [];
    if (chosen >= 0) words.push(`Node ${chosen} carries ${scene.c[chosen] || 0} envelopes.`);
    if (followed >= 0) {
      const [number, from, to, written, shown, oracle, kind] = deliveries[followed];
      words.push(`Message ${number} (${kind}): node ${from} writes to node ${to} at ${clock(written)}; ` +
        (shown === null ? "it did not arrive" : `it arrived at ${clock(shown)}`) +
        (oracle === null ? ", and no path existed." : `; ${clock(oracle)} was possible.`));
    }
    $("chosen").textContent = words.join(" ");
  };
  const draw = () => { drawMap(); drawStrip(); say(); };
  const go = (to) => {
    now = Math.max(0, Math.min(scenes.length - 1, to));
    at.value = String(now);
    draw();
  };
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    play.textContent = "Play";
    play.setAttribute("aria-pressed", "false");
  };
  const toggle = () => {
    if (timer) return stop();
    if (now === scenes.length - 1) go(0);
    play.textContent = "Pause";
    play.setAttribute("aria-pressed", "true");
    timer = setInterval(() => (now + 1 < scenes.length ? go(now + 1) : stop()), still ? 1000 : 120);
  };
  const jump = (forward) => {
    const here = scenes[now].t;
    const end = forward ? ends.find((t) => t > here) : ends.filter((t) => t < (now ? scenes[now - 1].t : 0)).pop();
    if (end === undefined) return;
    const found = scenes.findIndex((s) => s.t >= end);
    go(found < 0 ? scenes.length - 1 : found);
  };

  at.max = String(scenes.length - 1);
  deliveries.forEach((d, i) => {
    const option = document.createElement("option");
    option.value = String(i);
    option.textContent = `${d[0]} (${d[6]}): ${d[1]} to ${d[2]}${d[4] === null ? ", not delivered" : ""}`;
    message.append(option);
  });
  at.addEventListener("input", () => go(Number(at.value)));
  play.addEventListener("click", toggle);
  $("next").addEventListener("click", () => jump(true));
  $("back").addEventListener("click", () => jump(false));
  message.addEventListener("change", () => {
    followed = message.value === "" ? -1 : Number(message.value);
    draw();
  });
  map.addEventListener("click", (event) => {
    const w = map.clientWidth, h = map.clientHeight;
    let best = 20, found = -1;
    for (let node = 0; node < nodes; node++) {
      const [x, y] = place(scenes[now], node, w, h);
      const far = Math.hypot(x - event.offsetX, y - event.offsetY);
      if (far < best) { best = far; found = node; }
    }
    chosen = found;
    draw();
  });
  strip.addEventListener("click", (event) => {
    const rows = Math.min(nodes, Math.floor(strip.clientHeight));
    chosen = Math.floor((Math.floor((event.offsetY / strip.clientHeight) * rows) * nodes) / rows);
    go(Math.floor((event.offsetX / strip.clientWidth) * scenes.length));
  });
  $("map-section").addEventListener("keydown", (event) => {
    if (event.target.tagName === "SELECT" || event.ctrlKey || event.metaKey || event.altKey) return;
    const onButton = event.target.tagName === "BUTTON", onRange = event.target === at;
    if (event.key === " " && !onButton) toggle();
    else if (event.key === "ArrowRight" && !onRange) go(now + 1);
    else if (event.key === "ArrowLeft" && !onRange) go(now - 1);
    else if (event.key === "n" || event.key === "N") jump(true);
    else if (event.key === "p" || event.key === "P") jump(false);
    else return;
    event.preventDefault();
  });
  new ResizeObserver(draw).observe(map);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  go(Math.floor(scenes.length / 3));
})();
