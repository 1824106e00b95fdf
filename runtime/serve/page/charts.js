// A strip of small charts: the last two minutes, a point a second.

const POINTS = 120;
const SVG = "http://www.w3.org/2000/svg";

const CHARTS = [
  { title: "Frames a second", unit: "FPS", of: (f) => f.fps, digits: 1 },
  { title: "Frame age", unit: "ms", of: (f, seen) => seen ?? f.age_ms, digits: 0 },
  { title: "Dropped", unit: "a second", of: (f) => f.dropped_fps, digits: 1 },
  { title: "Times a frame", unit: "ms", digits: 1, wide: true,
    lines: { decode: (f) => f.decode_ms, compute: (f) => f.compute_ms, encode: (f) => f.encode_ms } },
  { title: "Processor", unit: "%", of: (f) => (f.cpu === null ? null : 100 * f.cpu), digits: 0, most: 100 },
  { title: "Memory", unit: "MiB", of: (f) => f.memory_mib, digits: 0 },
  { title: "GPU", unit: "%", of: (f) => (f.gpu === null ? null : 100 * f.gpu), digits: 0, most: 100, optional: true },
  { title: "Temperature", unit: "°C", of: (f) => f.temperature_c, digits: 0, optional: true },
  { title: "Power", unit: "W", of: (f) => f.watts, digits: 1, optional: true },
];

export class Charts {
  constructor(section) {
    this.charts = CHARTS.map((about) => new Chart(section, about));
  }

  // Figures of the server, and the age that frames have on this screen.
  add(figures, seenAge) {
    for (const chart of this.charts) chart.add(figures, seenAge);
  }
}

class Chart {
  constructor(section, about) {
    this.about = about;
    this.names = about.lines ? Object.keys(about.lines) : [about.title];
    this.readers = about.lines ? Object.values(about.lines) : [about.of];
    this.values = this.readers.map(() => []);
    this.box = document.createElement("figure");
    this.box.className = about.wide ? "chart wide" : "chart";
    this.box.hidden = Boolean(about.optional);
    const title = document.createElement("h3");
    title.textContent = about.title;
    this.now = document.createElement("output");
    this.svg = document.createElementNS(SVG, "svg");
    this.svg.setAttribute("viewBox", "0 0 100 100");
    this.svg.setAttribute("preserveAspectRatio", "none");
    this.svg.setAttribute("role", "img");
    this.area = about.lines ? null : this.#path("area");
    this.paths = this.readers.map(() => this.#path(""));
    const axis = document.createElement("div");
    axis.className = "axis";
    axis.setAttribute("aria-hidden", "true");
    this.least = document.createElement("span");
    this.most = document.createElement("span");
    axis.append(this.least, this.most);
    this.box.append(title, this.now, this.svg);
    if (about.lines) {
      this.legend = document.createElement("div");
      this.legend.className = "legend";
      this.keys = this.names.map(() => document.createElement("span"));
      this.legend.append(...this.keys);
      this.box.append(this.legend);
    } else {
      this.box.append(axis);
    }
    section.append(this.box);
  }

  #path(kind) {
    const path = document.createElementNS(SVG, "path");
    if (kind) path.setAttribute("class", kind);
    this.svg.append(path);
    return path;
  }

  add(figures, seenAge) {
    this.readers.forEach((read, index) => {
      this.values[index].push(read(figures, seenAge) ?? null);
      if (this.values[index].length > POINTS) this.values[index].shift();
    });
    const known = this.values.flat().filter((value) => value !== null);
    if (this.about.optional) this.box.hidden = known.length === 0;
    const most = this.about.most ?? nice(Math.max(1e-9, ...known));
    this.paths.forEach((path, index) => path.setAttribute("d", line(this.values[index], most)));
    if (this.area) this.area.setAttribute("d", area(this.values[0], most));
    const texts = this.values.map((values) => this.#text(values[values.length - 1]));
    if (this.keys) {
      this.keys.forEach((key, index) => { key.textContent = `${this.names[index]} ${texts[index]}`; });
      this.now.textContent = this.about.unit;
    } else {
      this.now.textContent = `${texts[0]} ${this.about.unit}`;
      this.least.textContent = "2 min";
      this.most.textContent = known.length ? `at most ${this.#text(Math.max(...known))}` : "";
    }
    const spoken = this.names.map((name, index) => `${name} ${texts[index]}`).join(", ");
    this.svg.setAttribute("aria-label", `${spoken} ${this.about.unit}`);
  }

  #text(value) {
    if (value === null || value === undefined) return "–";
    return value.toFixed(Math.abs(value) >= 100 ? 0 : this.about.digits);
  }
}

function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 1.5, 2, 3, 5, 7.5, 10].find((step) => step * power >= value * 0.999);
}

function place(values, index, most) {
  const x = 100 - ((values.length - 1 - index) * 100) / (POINTS - 1);
  return `${x.toFixed(2)} ${(98 - (96 * Math.min(values[index], most)) / most).toFixed(2)}`;
}

function line(values, most) {
  let text = "";
  values.forEach((value, index) => {
    if (value !== null) text += `${index && values[index - 1] !== null ? "L" : "M"}${place(values, index, most)}`;
  });
  return text;
}

function area(values, most) {
  let text = "";
  let run = [];
  values.concat(null).forEach((value, index) => {
    if (value !== null) { run.push(place(values, index, most)); return; }
    if (run.length > 1) text += `M${run[0].split(" ")[0]} 98L${run.join("L")}L${run[run.length - 1].split(" ")[0]} 98Z`;
    run = [];
  });
  return text;
}
