// The page: what the server says becomes visible, and what the viewer does becomes requests.

import { Clock, get, post } from "/api.js";
import { Charts } from "/charts.js";
import { Stream } from "/stream.js";
import { Uploads, size } from "/uploads.js";
import { View } from "/view.js";

const $ = (id) => document.getElementById(id);
const NOTICE_MS = 12000;
const clock = new Clock();
const view = new View($("stage"));
const charts = new Charts($("charts"));
const ages = [];
let state = null;
let models = [];
let transport = null;
let frames = 0;
let counted = performance.now();
let lastNotice = null;
let aim = null; // the model that was chosen here, until it is there

const stream = new Stream(clock, (picture, width, height, age) => {
  view.showBoth(picture, width, height);
  frames++;
  if (age !== null) { ages.push(age); if (ages.length > 60) ages.shift(); }
}, (name) => { transport = name; });
const uploads = new Uploads(() => state?.model.name ?? "", say);

function say(text, bad = true) {
  const line = document.createElement("p");
  line.textContent = text;
  if (bad) line.className = "bad";
  $("notices").append(line);
  while ($("notices").children.length > 4) $("notices").firstChild.remove();
  setTimeout(() => line.remove(), NOTICE_MS);
}

async function act(path, body) {
  try { show(await post(path, body)); } catch (error) { say(error.message); }
}

// While one is being loaded, the list stays usable, and the last choice counts.
async function choose(name) {
  const busy = aim !== null;
  aim = name;
  if (busy) return;
  try {
    while (aim !== state.model.name) {
      const next = aim;
      const now = await post("/api/model", { model: next });
      if (aim === next) aim = null;
      show(now);
      if (aim === null) return;
    }
  } catch (error) { say(error.message); }
  aim = null;
  show(state);
}

// What the server says

function listen() {
  const events = new EventSource("/api/events");
  events.onmessage = (event) => show(JSON.parse(event.data), true);
  events.onerror = () => {
    status("Connecting again", "bad");
    $("seen").textContent = "";
    cover("The server doesn't answer. Connecting again …");
    if (events.readyState !== EventSource.CLOSED) return;
    events.close();
    get("/api/clock").then(listen, (error) => {
      if (/token/.test(error.message)) cover(`To see this, ${error.message}.`);
      setTimeout(listen, 2000);
    });
  };
}

async function begin() {
  ({ models } = await get("/api/models"));
  const list = $("model");
  list.replaceChildren(...models.map((one) => new Option(`${one.source} → ${one.target}  (${one.name})`, one.name)));
  clock.compare().catch(() => {});
  stream.choose($("quality").value);
}

function show(now, tick = false) {
  const before = state;
  state = now;
  if (before?.instance !== now.instance) {
    lastNotice = now.notices.at(-1)?.number ?? 0;
    begin().catch((error) => say(error.message));
  }
  for (const notice of now.notices) {
    if (notice.number > lastNotice) { say(notice.text, Boolean(now.fault)); lastNotice = notice.number; }
  }
  const { source, model, recording } = now;
  document.title = `${source.name} · unit-edge`;
  $("source").textContent = [source.name, `${source.width}×${source.height}`, model.backend].filter(Boolean).join(" · ");
  $("from").textContent = model.source;
  $("to").textContent = model.target;
  $("model").value = aim ?? model.loading ?? model.name;
  $("swap").disabled = !reverse();
  pressed("pause", now.paused, now.paused ? "Go on" : "Pause");
  pressed("steady", now.steady);
  pressed("record", recording.on, recording.on ? "Stop" : "Record");
  $("recording").hidden = !recording.on;
  if (recording.on) {
    $("recording").textContent = `${recording.name ?? "starting"} · ${time(recording.seconds)} · ${size(recording.bytes)}`;
  }
  $("about").textContent = `unit-edge ${now.version}, up for ${time(now.uptime_s)}; `
    + `${now.viewers.webrtc + now.viewers.mjpeg} looking on; ${now.frames} frames translated, ${now.dropped} dropped.`;
  uploads.update(now.uploads);
  stream.moving = !now.paused && !now.fault && !source.lost && now.figures.fps > 0.5;
  if (now.fault) { status("Fault", "bad"); cover(`Nothing is translated: ${now.fault}. It is tried again.`); }
  else if (source.lost) { status("Source lost", "bad"); cover("The source is lost. Connecting again …"); }
  else if (model.loading) { status("Loading", ""); cover(""); }
  else { status(now.paused ? "Paused" : "Live", now.paused ? "" : "good"); cover(view.last ? "" : "Waiting for the first frame"); }
  if (tick) measure(now);
}

function measure(now) {
  const passed = performance.now() - counted;
  if (passed < 900) return;
  const seen = ages.length && frames ? ages.reduce((sum, one) => sum + one, 0) / ages.length : null;
  const fps = (frames * 1000) / passed;
  $("seen").textContent = !transport || !frames ? "" : [transport, `${fps.toFixed(fps < 10 ? 1 : 0)} FPS`,
    ...(seen === null ? [] : [`${Math.max(0, seen).toFixed(0)} ms old`])].join(" · ");
  $("seen").dataset.age = seen ?? "";
  charts.add(now.figures, seen);
  frames = 0;
  ages.length = 0;
  counted = performance.now();
}

function status(text, kind) {
  if ($("status").textContent !== text) $("status").textContent = text;
  $("status").className = `pill ${kind}`;
}

function cover(text) {
  if ($("cover").textContent !== text) $("cover").textContent = text;
}

function pressed(id, on, text) {
  $(id).setAttribute("aria-pressed", on);
  if (text) $(id).querySelector("span").textContent = text;
}

function time(seconds) {
  const whole = Math.floor(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return (parts[0] ? parts : parts.slice(1)).map((part) => String(part).padStart(2, "0")).join(":");
}

function reverse() {
  return models.find((one) => one.source === state.model.target && one.target === state.model.source);
}

// What the viewer does

const acts = {
  pause: () => act("/api/pause", { on: !state.paused }),
  record: () => act("/api/record", { on: !state.recording.on }),
  steady: () => act("/api/steady", { on: !state.steady }),
  swap: () => reverse() && choose(reverse().name),
  full: () => (document.fullscreenElement ? document.exitFullscreen() : $("stage").requestFullscreen()).catch(() => {}),
  "help-open": () => $("help").showModal(),
};
for (const [id, what] of Object.entries(acts)) $(id).addEventListener("click", () => state && what());
$("model").addEventListener("change", () => choose($("model").value));
$("quality").addEventListener("change", () => stream.choose($("quality").value));
const keys = { " ": acts.pause, r: acts.record, s: acts.steady, d: acts.swap, f: acts.full, p: () => $("snapshot").click(), "?": acts["help-open"] };
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !state || $("help").open) return;
  // those have a use for the key themselves
  if (event.target.closest(event.key === " " ? "input, select, button, a" : "select")) return;
  const what = keys[event.key.toLowerCase()];
  if (!what || event.repeat) return;
  event.preventDefault();
  what();
});
document.addEventListener("visibilitychange", () => {
  // a hidden page costs nobody anything
  if (document.hidden) stream.stop();
  else if (state) stream.start();
});
listen();
