// Clips and pictures of the viewer's own: sent with progress, shown beside what was made of them.

import { post, remove } from "/api.js";
import { View, makeStage } from "/view.js";

export class Uploads {
  constructor(model, say) {
    this.model = model; // → name of the model that is chosen now
    this.say = say;
    this.cards = new Map();
    this.names = new Map(); // what the viewer calls them, which the server never hears
    this.most = 0;
    const drop = document.getElementById("drop");
    const file = document.getElementById("file");
    file.addEventListener("change", () => { this.#send([...file.files]); file.value = ""; });
    for (const kind of ["dragover", "dragenter"]) {
      document.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
    }
    document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      drop.classList.remove("over");
      this.#send([...event.dataTransfer.files]);
    });
    document.getElementById("gallery").addEventListener("click", async () => {
      try {
        const job = await post("/api/gallery");
        this.names.set(job.id, "The frame on show");
        this.#card(job).scrollIntoView({ block: "nearest", behavior: "smooth" });
      } catch (error) { this.say(error.message); }
    });
  }

  update({ taken, mib, jobs }) {
    document.getElementById("try").hidden = !taken;
    this.most = mib * 2 ** 20;
    document.getElementById("limit").textContent = `Up to ${mib} MiB; it stays on this device for an hour at most.`;
    const known = new Set(jobs.map((job) => job.id));
    for (const [id, card] of this.cards) if (!known.has(id) && !card.sending) { card.box.remove(); this.cards.delete(id); }
    for (const job of jobs) this.#card(job);
  }

  #send(files) {
    const kind = document.querySelector("input[name=kind]:checked").value;
    for (const file of files) {
      if (file.size > this.most) {
        this.say(`${file.name} has ${size(file.size)}; ${size(this.most)} are the most that is taken`);
        continue;
      }
      const box = this.#box(file.name);
      const progress = box.querySelector("progress");
      const request = new XMLHttpRequest();
      request.open("POST", `/api/uploads?kind=${kind}&model=${encodeURIComponent(this.model())}`);
      request.setRequestHeader("X-Unit-Edge", "1");
      request.setRequestHeader("Content-Type", "application/octet-stream");
      request.upload.onprogress = (event) => {
        progress.max = event.total;
        progress.value = event.loaded;
        box.querySelector(".what").textContent = `sending, ${size(event.loaded)} of ${size(event.total)}`;
      };
      request.onload = () => {
        let answer = {};
        try { answer = JSON.parse(request.responseText); } catch { /* said below */ }
        if (request.status !== 201) {
          box.remove();
          this.say(`${file.name}: ${answer.error || `the server answered ${request.status}`}`);
          return;
        }
        this.names.set(answer.id, file.name);
        this.cards.get(answer.id)?.box.remove();
        this.cards.set(answer.id, { box, state: "" });
        this.#card(answer);
      };
      request.onerror = () => { box.remove(); this.say(`${file.name}: the connection broke off`); };
      request.send(file);
      box.querySelector(".forget").addEventListener("click", () => { request.abort(); box.remove(); });
      box.scrollIntoView({ block: "nearest", behavior: "smooth" });
    }
  }

  #box(name) {
    const box = document.createElement("article");
    box.className = "job";
    box.innerHTML = '<div class="heading"><h3></h3><button class="forget" type="button">Remove</button></div>'
      + '<p class="what muted" role="status"></p><progress></progress>';
    box.querySelector("h3").textContent = name;
    document.getElementById("jobs").prepend(box);
    return box;
  }

  #card(job) {
    const name = this.names.get(job.id) || (job.kind === "gallery" ? "A picture by all models" : "A clip");
    let card = this.cards.get(job.id);
    if (!card) {
      card = { box: this.#box(name), state: "" };
      this.cards.set(job.id, card);
    }
    const { box } = card;
    // an event may come before the answer to the request that made it
    if (this.names.has(job.id)) box.querySelector("h3").textContent = name;
    if (!card.bound) {
      card.bound = true;
      box.querySelector(".forget").addEventListener("click", () => remove(`/api/uploads/${job.id}`).catch(() => {}));
    }
    const progress = box.querySelector("progress");
    const what = box.querySelector(".what");
    if (progress) {
      if (job.of) { progress.max = job.of; progress.value = job.done; } else progress.removeAttribute("value");
    }
    const count = job.of ? `, ${job.done} of ${job.of}` : job.done ? `, ${job.done}` : " …";
    const models = job.kind === "gallery" ? "all models" : job.models[0];
    what.textContent = { waiting: "waits for its turn", working: models + count, done: models, failed: job.error }[job.state];
    if (job.state === "done" && job.error) what.textContent = `${models}; ${job.error}`;
    if (card.state !== job.state && (job.state === "done" || job.state === "failed")) {
      progress?.remove();
      if (job.state === "done") results(box, job);
    }
    card.state = job.state;
    return box;
  }
}

function results(box, job) {
  const files = Object.fromEntries(job.files.map((file) => [file.name, file]));
  if (files["both.mp4"]) player(box, files["both.mp4"].url, job.models[0]);
  else pictures(box, job.files);
  const translated = files["translated.mp4"] || files["translated.png"];
  if (translated) {
    const link = document.createElement("a");
    link.className = "button";
    link.href = `${translated.url}?download`;
    link.download = translated.name;
    link.textContent = "Download the translation";
    const row = document.createElement("div");
    row.className = "row";
    row.append(link);
    box.append(row);
  }
}

function player(box, url, model) {
  const stage = makeStage(`The clip before and after ${model}`, "before", "after");
  const view = new View(stage);
  const video = document.createElement("video");
  Object.assign(video, { src: url, muted: true, loop: true, playsInline: true });
  const row = document.createElement("div");
  row.className = "row";
  const play = document.createElement("button");
  play.type = "button";
  const seek = document.createElement("input");
  Object.assign(seek, { type: "range", min: 0, max: 1, step: 0.001, value: 0 });
  seek.setAttribute("aria-label", "Position in the clip");
  row.append(play, seek);
  box.append(stage, row);
  const named = () => { play.textContent = video.paused ? "Play" : "Pause"; };
  play.addEventListener("click", () => (video.paused ? video.play() : video.pause()));
  video.addEventListener("play", named);
  video.addEventListener("pause", named);
  seek.addEventListener("input", () => { video.currentTime = seek.value * video.duration; });
  const draw = () => {
    if (!box.isConnected) { video.pause(); video.removeAttribute("src"); return; }
    if (video.readyState >= 2) view.showBoth(video, video.videoWidth, video.videoHeight);
    if (video.duration && document.activeElement !== seek) seek.value = video.currentTime / video.duration;
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(draw);
    else requestAnimationFrame(draw);
  };
  video.addEventListener("seeked", () => { if (video.paused && video.readyState >= 2) view.redraw(); });
  video.addEventListener("loadeddata", draw, { once: true });
  // one that is in no page doesn't begin by itself
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) video.play().catch(() => {});
  named();
}

async function pictures(box, files) {
  const [before, ...others] = files;
  const original = await image(before.url);
  const stage = makeStage("The picture before and after", "before", "");
  const view = new View(stage);
  box.append(stage);
  const show = async (file) => {
    const after = await image(file.url);
    stage.querySelector(".right").textContent = file.label;
    view.showTwo(original, after, original.naturalWidth, original.naturalHeight);
  };
  await show(others[0]);
  if (others.length < 2) return;
  const tiles = document.createElement("div");
  tiles.className = "tiles";
  const buttons = others.map((file, index) => {
    const tile = document.createElement("button");
    tile.type = "button";
    tile.className = "tile";
    tile.setAttribute("aria-pressed", String(index === 0));
    const picture = document.createElement("img");
    picture.src = file.url;
    picture.alt = "";
    const label = document.createElement("span");
    label.textContent = file.label;
    tile.append(picture, label);
    tile.addEventListener("click", () => {
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === tile));
      show(file);
    });
    return tile;
  });
  tiles.append(...buttons);
  box.append(tiles);
}

function image(url) {
  return new Promise((resolve, reject) => {
    const one = new Image();
    one.onload = () => resolve(one);
    one.onerror = () => reject(new Error("the picture can't be loaded"));
    one.src = url;
  });
}

export function size(bytes) {
  return bytes < 2 ** 20 ? `${Math.ceil(bytes / 1024)} KiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
