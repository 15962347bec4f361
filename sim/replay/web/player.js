// The page's one clock: playback controls, the orbit camera, and plots that follow the time and can be clicked.
"use strict";

class Player {
  constructor(root, scene) {
    this.root = root;
    this.scene = scene;
    this.frame = 0;
    this.playing = false;
    this.last = scene.numFrames - 1;
    this.find = (name) => root.querySelector(`[data-part="${name}"]`);
    this.canvas = this.find("canvas");
    this.renderer = new Renderer(this.canvas, scene);
    this.path = smoothed(decode(scene.root, Float32Array), Math.round(0.4 * scene.fps));
    this.resetCamera();
    this.bindControls();
    this.bindCamera();
    this.plots = [...document.querySelectorAll("svg[data-clock]")].map((svg) => new Plot(svg, scene, (f) => this.seek(f)));
    new ResizeObserver(() => this.invalidate()).observe(this.canvas);
    document.addEventListener("themechange", () => this.invalidate());
    this.seek(startFrame(scene));
    root.dataset.ready = "true";
    if (!location.hash && !matchMedia("(prefers-reduced-motion: reduce)").matches) this.play(true);
  }

  bindControls() {
    const { find, scene } = this, on = (name, event, act) => find(name) && find(name).addEventListener(event, act);
    on("play", "click", () => this.play(!this.playing));
    on("slider", "input", () => { this.play(false); this.seek(+find("slider").value); });
    on("step-back", "click", () => { this.play(false); this.seek(Math.ceil(this.frame) - 1); });
    on("step-on", "click", () => { this.play(false); this.seek(Math.floor(this.frame) + 1); });
    for (const name of ["layout", "contacts", "follow"]) on(name, "change", () => this.invalidate());
    on("reset", "click", () => { this.resetCamera(); this.invalidate(); });
    on("full", "click", () => document.fullscreenElement ? document.exitFullscreen() : this.root.requestFullscreen());
    document.addEventListener("keydown", (event) => {
      if (/^(INPUT|SELECT|TEXTAREA|BUTTON|SUMMARY)$/.test(event.target.tagName) && event.target !== find("slider")) return;
      const jump = { ArrowLeft: this.frame - 1, ArrowRight: this.frame + 1, Home: 0, End: this.last }[event.key];
      if (event.key === " ") this.play(!this.playing);
      else if (jump !== undefined) { this.play(false); this.seek(Math.round(jump)); }
      else return;
      event.preventDefault();
    });
  }

  bindCamera() {
    const canvas = this.canvas, pointers = new Map();
    const spread = () => { const [a, b] = [...pointers.values()]; return Math.hypot(a.x - b.x, a.y - b.y); };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => pointers.delete(event.pointerId));
    canvas.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) return;
      const pinch = pointers.size === 2 ? spread() : 0, c = this.camera;
      const dx = event.clientX - before.x, dy = event.clientY - before.y;
      pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
      if (pointers.size === 2) c.distance *= pinch / Math.max(spread(), 1);
      if (pointers.size === 2 || event.buttons & 6 || event.shiftKey) {
        const scale = 0.0011 * c.distance, right = [-Math.sin(c.azimuth), Math.cos(c.azimuth)];
        c.pan[0] -= dx * scale * right[0]; c.pan[1] -= dx * scale * right[1]; c.pan[2] += dy * scale;
      } else {
        c.azimuth -= 0.008 * dx;
        c.elevation = Math.min(1.5, Math.max(-0.05, c.elevation + 0.006 * dy));
      }
      this.invalidate();
    });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.camera.distance = Math.min(20, Math.max(0.6, this.camera.distance * Math.exp(0.001 * event.deltaY)));
      this.invalidate();
    }, { passive: false });
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("dblclick", () => { this.resetCamera(); this.invalidate(); });
  }

  resetCamera() {
    this.camera = { azimuth: this.scene.azimuth, elevation: 0.24, distance: this.scene.distance, pan: [0, 0, 0] };
  }

  play(on) {
    if (on && this.frame >= this.last) this.seek(0);
    this.playing = on;
    this.find("play").setAttribute("aria-pressed", on);
    this.find("play").title = on ? "Pause (space)" : "Play (space)";
    this.clock = performance.now();
    this.invalidate();
  }

  seek(frame) {
    this.frame = Math.min(this.last, Math.max(0, frame));
    const time = this.frame / this.scene.fps, shown = Math.round(this.frame);
    this.find("slider").value = shown;
    this.find("time").textContent = `${time.toFixed(2)} s · frame ${shown} / ${this.last}`;
    for (const plot of this.plots || []) plot.moveTo(this.frame);
    this.invalidate();
  }

  invalidate() {
    if (this.pending) return;
    this.pending = requestAnimationFrame((now) => { this.pending = 0; this.step(now); });
  }

  step(now) {
    if (this.playing) {
      const next = this.frame + Math.min(now - this.clock, 250) / 1000 * this.scene.fps * +this.find("speed").value;
      this.clock = now;
      this.seek(next);
      if (next >= this.last) { if (this.find("loop").checked) this.seek(0); else this.play(false); }
      this.invalidate();
    }
    this.draw();
  }

  draw() {
    const canvas = this.canvas, ratio = Math.min(devicePixelRatio || 1, 2);
    const width = Math.max(1, Math.round(canvas.clientWidth * ratio)), height = Math.max(1, Math.round(canvas.clientHeight * ratio));
    if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
    const c = this.camera, follow = this.find("follow").checked ? Math.min(Math.round(this.frame), this.last) : Math.round(this.last / 2);
    const target = [this.path[2 * follow] + c.pan[0], this.path[2 * follow + 1] + c.pan[1], 0.46 * this.scene.height + c.pan[2]];
    const views = this.views(width, height), aspect = views[0].box[2] / views[0].box[3];
    const distance = c.distance * Math.max(1, 0.95 / aspect), flat = Math.cos(c.elevation) * distance;
    const eye = [target[0] + flat * Math.cos(c.azimuth), target[1] + flat * Math.sin(c.azimuth), Math.max(0.03, target[2] + Math.sin(c.elevation) * distance)];
    this.renderer.setTheme(currentTheme());
    this.renderer.draw(views, { eye, target }, this.frame, this.find("contacts").checked);
  }

  // which figures in which part of the canvas; labels are HTML over it
  views(width, height) {
    const figures = this.scene.figures, layout = figures.length > 1 ? this.find("layout").value : "0";
    const groups = layout === "side" ? figures.map((_, index) => [{ index }])
      : layout === "overlay" ? [figures.map((_, index) => ({ index, ghost: index === 0 }))]
      : [[{ index: +layout }]];
    const stacked = width < height * 1.1, boxes = groups.map((group, i) => {
      const [w, h] = stacked ? [width, height / groups.length] : [width / groups.length, height];
      const box = stacked ? [0, height - (i + 1) * h, w, h] : [i * w, 0, w, h];
      return { figures: group, box: box.map(Math.round) };
    });
    this.placeLabels(boxes, width, height);
    return boxes;
  }

  placeLabels(views, width, height) {
    this.root.querySelectorAll("[data-figure]").forEach((label) => {
      const index = +label.dataset.figure, view = views.find((v) => v.figures.some((f) => f.index === index));
      const place = view && view.figures.findIndex((f) => f.index === index), ended = this.frame > this.scene.figures[index].numFrames - 0.5;
      label.hidden = !view;
      label.classList.toggle("ended", ended);
      if (!view) return;
      label.style.left = `${100 * view.box[0] / width}%`;
      label.style.top = `calc(${100 * (1 - (view.box[1] + view.box[3]) / height)}% + ${place * 30}px)`;
    });
  }
}

// a plot that Python drew; data-left/right: where its time axis begins and ends in the drawing's own units
class Plot {
  constructor(svg, scene, seek) {
    this.svg = svg;
    this.scene = scene;
    this.left = +svg.dataset.left;
    this.right = +svg.dataset.right;
    this.cursor = svg.querySelector(".cursor");
    this.values = JSON.parse(svg.dataset.values || "[]");
    this.readouts = [...svg.parentElement.querySelectorAll("[data-readout]")];
    const toFrame = (event) => {
      const box = svg.getBoundingClientRect(), x = (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width;
      seek((x - this.left) / (this.right - this.left) * (scene.numFrames - 1));
    };
    svg.addEventListener("pointerdown", (event) => { svg.setPointerCapture(event.pointerId); toFrame(event); });
    svg.addEventListener("pointermove", (event) => { if (event.buttons) toFrame(event); });
  }

  moveTo(frame) {
    const x = this.left + frame / Math.max(1, this.scene.numFrames - 1) * (this.right - this.left);
    this.cursor.setAttribute("transform", `translate(${x.toFixed(2)} 0)`);
    this.readouts.forEach((readout, i) => {
      const series = this.values[i] || [], value = series[Math.round(frame)];
      readout.textContent = value === null || value === undefined ? "–" : String(value);
    });
  }
}

// a running mean of the root's path over +-reach frames: xy pairs
function smoothed(root, reach) {
  const count = root.length / 3, path = new Float32Array(2 * count);
  for (let i = 0; i < count; i++) {
    let n = 0;
    for (let j = Math.max(0, i - reach); j <= Math.min(count - 1, i + reach); j++, n++) {
      path[2 * i] += root[3 * j];
      path[2 * i + 1] += root[3 * j + 1];
    }
    path[2 * i] /= n;
    path[2 * i + 1] /= n;
  }
  return path;
}

// "#t=1.5" opens the page paused at 1.5 s
function startFrame(scene) {
  const match = /t=([\d.]+)/.exec(location.hash);
  return match ? Math.round(+match[1] * scene.fps) : 0;
}

function currentTheme() {
  const chosen = document.documentElement.dataset.theme;
  return chosen || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
}

function setUpTheme() {
  const button = document.querySelector("[data-part=theme]"), changed = () => document.dispatchEvent(new Event("themechange"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
  if (button) button.addEventListener("click", () => {
    document.documentElement.dataset.theme = currentTheme() === "dark" ? "light" : "dark";
    changed();
  });
}

function start() {
  setUpTheme();
  for (const root of document.querySelectorAll(".replay")) {
    try {
      new Player(root, JSON.parse(root.querySelector("script[type='application/json']").textContent));
    } catch (error) {
      const note = root.querySelector("[data-part=failure]");
      note.textContent = error.message;
      note.hidden = false;
      console.error(error);
    }
  }
}

start();
