// A picture cut by a divider: before on the left, after on the right, both from one source, so they can't drift.

export class View {
  constructor(stage) {
    this.stage = stage;
    this.canvas = stage.querySelector("canvas");
    this.divider = stage.querySelector(".divider");
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.at = 0.5;
    this.last = null;
    stage.addEventListener("pointerdown", (event) => this.#grab(event));
    stage.addEventListener("dblclick", () => this.move(0.5));
    this.divider.addEventListener("keydown", (event) => this.#key(event));
    this.move(0.5);
  }

  // A source with both halves side by side.
  showBoth(source, width, height) {
    const half = width / 2;
    this.last = { left: source, right: source, offset: half, width: half, height };
    this.redraw();
  }

  // Two pictures of one size.
  showTwo(left, right, width, height) {
    this.last = { left, right, offset: 0, width, height };
    this.redraw();
  }

  move(share) {
    this.at = Math.min(1, Math.max(0, share));
    const percent = Math.round(this.at * 100);
    this.stage.style.setProperty("--at", `${this.at * 100}%`);
    this.divider.setAttribute("aria-valuenow", percent);
    this.divider.setAttribute("aria-valuetext", `${percent} % before, ${100 - percent} % after`);
    this.redraw();
  }

  redraw() {
    if (!this.last) return;
    const { left, right, offset, width, height } = this.last;
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
      this.canvas.style.aspectRatio = `${width} / ${height}`;
      // the stage is as wide as the picture is shown, so that the divider's share is the picture's
      this.stage.style.setProperty("--ratio", width / height);
    }
    const cut = Math.round(this.at * width);
    if (cut > 0) this.context.drawImage(left, 0, 0, cut, height, 0, 0, cut, height);
    if (cut < width) {
      this.context.drawImage(right, offset + cut, 0, width - cut, height, cut, 0, width - cut, height);
    }
  }

  #grab(event) {
    if (event.button !== 0) return;
    const follow = (move) => {
      const box = this.canvas.getBoundingClientRect();
      const shown = Math.min(box.width, (box.height * this.canvas.width) / this.canvas.height);
      this.move((move.clientX - box.left - (box.width - shown) / 2) / shown);
    };
    const release = () => {
      this.stage.removeEventListener("pointermove", follow);
      this.stage.removeEventListener("pointerup", release);
      this.stage.removeEventListener("pointercancel", release);
    };
    this.stage.setPointerCapture(event.pointerId);
    this.stage.addEventListener("pointermove", follow);
    this.stage.addEventListener("pointerup", release);
    this.stage.addEventListener("pointercancel", release);
    this.divider.focus({ preventScroll: true, focusVisible: false });
    follow(event);
  }

  #key(event) {
    const step = event.shiftKey ? 0.1 : 0.02;
    const to = { ArrowLeft: this.at - step, ArrowRight: this.at + step, ArrowDown: this.at - step, ArrowUp: this.at + step,
      PageDown: this.at - 0.1, PageUp: this.at + 0.1, Home: 0, End: 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.move(to);
  }
}

// The parts of a stage, for views that are made later.
export function makeStage(label, left, right) {
  const stage = document.createElement("div");
  stage.className = "stage";
  const canvas = document.createElement("canvas");
  canvas.className = "picture";
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", label);
  const chips = [["left", left], ["right", right]].map(([side, text]) => {
    const chip = document.createElement("span");
    chip.className = `chip ${side}`;
    chip.textContent = text;
    return chip;
  });
  const divider = document.createElement("div");
  divider.className = "divider";
  divider.tabIndex = 0;
  const about = { role: "slider", "aria-label": "Divider between before and after", "aria-valuemin": 0, "aria-valuemax": 100,
    "aria-orientation": "horizontal" };
  for (const [name, value] of Object.entries(about)) divider.setAttribute(name, value);
  divider.append(document.createElement("i"));
  stage.append(canvas, ...chips, divider);
  return stage;
}
