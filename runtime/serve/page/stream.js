// The live picture: WebRTC where it works, JPEGs otherwise. Either calls show(source, width, height, age in ms).

import { post } from "/api.js";

const CONNECT_MS = 10000;
const STALL_MS = 8000;
const RETRY_MS = 30000;
const RETRY_MOST_MS = 600000;
const MODULUS = 2 ** 32;

export class Stream {
  constructor(clock, show, changed) {
    this.clock = clock;
    this.show = show;
    this.changed = changed; // told of the transport's name, or null while there is none
    this.wish = "auto";
    this.failures = 0;
    this.retryMs = RETRY_MS;
    this.moving = false;
    this.lastFrame = 0;
    setInterval(() => this.#watch(), 1000);
  }

  choose(wish) {
    this.wish = wish;
    this.failures = 0;
    this.retryMs = RETRY_MS;
    this.start();
  }

  async start() {
    this.stop();
    const jpeg = this.wish.startsWith("jpeg") || (this.wish === "auto" && this.failures >= 2) || !window.RTCPeerConnection;
    const wide = document.documentElement.clientWidth * devicePixelRatio >= 800;
    const quality = { high: "high", low: "low", jpeg: "high", "jpeg-low": "low" }[this.wish] || (wide ? "high" : "low");
    const source = jpeg ? new Jpegs(quality) : new Rtc(quality, this.wish === "auto");
    this.source = source;
    if (jpeg && this.wish === "auto" && window.RTCPeerConnection) this.#tryAgain(quality);
    this.lastFrame = performance.now();
    await this.#run(source, jpeg);
  }

  stop() {
    clearTimeout(this.retry);
    this.trial?.stop();
    this.source?.stop();
    this.trial = this.source = null;
  }

  async #run(source, jpeg) {
    try {
      await source.run(this.clock, (picture, width, height, age) => {
        if (this.trial === source) this.#take(source);
        if (this.source !== source) return;
        this.lastFrame = performance.now();
        this.show(picture, width, height, age);
      }, (name) => { if (this.source === source) this.changed(name); });
    } catch {
      if (this.source === source) this.#failed(jpeg);
      else if (this.trial === source) this.#triedInVain(source.quality);
    }
  }

  // What kept WebRTC from working may be over. JPEGs go on until its first frame is there.
  #tryAgain(quality) {
    clearTimeout(this.retry);
    this.retry = setTimeout(() => {
      this.trial = new Rtc(quality, true);
      this.retry = setTimeout(() => this.#triedInVain(quality), CONNECT_MS + STALL_MS);
      this.#run(this.trial, false);
    }, this.retryMs);
  }

  #triedInVain(quality) {
    this.trial.stop();
    this.trial = null;
    this.retryMs = Math.min(2 * this.retryMs, RETRY_MOST_MS);
    this.#tryAgain(quality);
  }

  #take(trial) {
    clearTimeout(this.retry);
    this.source.stop();
    this.source = trial;
    this.trial = null;
    this.failures = 0;
    this.retryMs = RETRY_MS;
    this.changed("WebRTC");
  }

  #failed(jpeg) {
    this.stop();
    this.changed(null);
    if (!jpeg) this.failures++;
    clearTimeout(this.again);
    this.again = setTimeout(() => { if (!this.source) this.start(); }, jpeg ? 2000 : 300);
  }

  // Frames are translated, and none comes here.
  #watch() {
    const now = performance.now();
    if (!this.moving || !this.source || document.hidden) this.lastFrame = now;
    else if (now - this.lastFrame > STALL_MS) this.#failed(this.source instanceof Jpegs);
    if (this.clock.stale() && this.source) this.clock.compare().catch(() => {});
  }
}

class Rtc {
  constructor(quality, mayShrink) {
    this.quality = quality;
    this.mayShrink = mayShrink;
    this.stamps = new Map(); // timestamps that frames were sent with, and when they were captured
    this.origins = new Map();
    this.origin = null;
  }

  async run(clock, show, named) {
    const peer = (this.peer = new RTCPeerConnection({ iceServers: [] }));
    const video = (this.video = document.createElement("video"));
    Object.assign(video, { muted: true, playsInline: true, autoplay: true });
    this.channel = peer.createDataChannel("frames", { ordered: false, maxRetransmits: 0 });
    this.channel.onmessage = (event) => this.#note(event.data);
    const receiver = peer.addTransceiver("video", { direction: "recvonly" }).receiver;
    if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0;
    else if ("playoutDelayHint" in receiver) receiver.playoutDelayHint = 0;
    const ended = new Promise((_, reject) => {
      const timer = setTimeout(() => reject(new Error("no connection by WebRTC")), CONNECT_MS);
      peer.onconnectionstatechange = () => {
        if (peer.connectionState === "connected") clearTimeout(timer);
        if (["failed", "disconnected", "closed"].includes(peer.connectionState)) reject(new Error("WebRTC has ended"));
      };
      peer.ontrack = (event) => {
        video.srcObject = new MediaStream([event.track]);
        video.play().catch(() => {});
      };
    });
    ended.catch(() => {});
    await peer.setLocalDescription(await peer.createOffer());
    await gathered(peer);
    const { sdp } = await post("/api/webrtc", { sdp: peer.localDescription.sdp, quality: this.quality });
    await peer.setRemoteDescription({ type: "answer", sdp });
    named("WebRTC");
    if (video.requestVideoFrameCallback) {
      const shown = (_, about) => {
        if (!this.peer) return;
        const captured = this.#capturedOf(about.rtpTimestamp);
        show(video, video.videoWidth, video.videoHeight,
          captured === null ? null : clock.ageOf(captured, about.expectedDisplayTime));
        video.requestVideoFrameCallback(shown);
      };
      video.requestVideoFrameCallback(shown);
    } else {
      const tick = () => {
        if (!this.peer) return;
        if (video.videoWidth) show(video, video.videoWidth, video.videoHeight, null);
        requestAnimationFrame(tick);
      };
      tick();
    }
    if (this.mayShrink) this.timer = setInterval(() => this.#judge(), 3000);
    await ended;
  }

  stop() {
    clearInterval(this.timer);
    this.peer?.close();
    this.peer = null;
    if (this.video) this.video.srcObject = null;
  }

  #note(text) {
    const [stamp, captured] = text.split(" ").map(Number);
    this.stamps.set(stamp, captured);
    if (this.stamps.size > 120) this.stamps.delete(this.stamps.keys().next().value);
  }

  // Browsers show timestamps as they are on the wire, which begin at random: the beginning is the
  // difference that many frames agree in.
  #capturedOf(onWire) {
    if (onWire === undefined) return null;
    if (this.origin === null) {
      for (const stamp of this.stamps.keys()) {
        const origin = (onWire - stamp + MODULUS) % MODULUS;
        const votes = (this.origins.get(origin) || 0) + 1;
        this.origins.set(origin, votes);
        if (votes >= 4) this.origin = origin;
      }
      if (this.origins.size > 5000) this.origins.clear();
    }
    if (this.origin === null) return null;
    return this.stamps.get((onWire - this.origin + MODULUS) % MODULUS) ?? null;
  }

  // Many packets are lost: a smaller picture may get through.
  async #judge() {
    if (this.quality === "low" || !this.peer) return;
    for (const one of (await this.peer.getStats()).values()) {
      if (one.type !== "inbound-rtp" || one.kind !== "video") continue;
      const lost = one.packetsLost - (this.lost ?? one.packetsLost);
      const came = one.packetsReceived - (this.came ?? one.packetsReceived);
      [this.lost, this.came] = [one.packetsLost, one.packetsReceived];
      if (lost > 20 && lost > 0.05 * (lost + came) && this.channel.readyState === "open") {
        this.quality = "low";
        this.channel.send("low");
      }
    }
  }
}

function gathered(peer) {
  if (peer.iceGatheringState === "complete") return undefined;
  return new Promise((resolve) => {
    setTimeout(resolve, 1000);
    peer.onicegatheringstatechange = () => { if (peer.iceGatheringState === "complete") resolve(); };
  });
}

// Pictures one by one: of those that come while one is being decoded and drawn, only the last is shown.
class Jpegs {
  constructor(quality) {
    this.quality = quality;
    this.abort = new AbortController();
  }

  async run(clock, show, named) {
    const response = await fetch(`/stream.mjpeg?quality=${this.quality}`, { signal: this.abort.signal, cache: "no-store" });
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    named("JPEG");
    let shown = null;
    let newest = null;
    let busy = false;
    const draw = async () => {
      busy = true;
      while (newest && !this.abort.signal.aborted) {
        const { data, headers } = newest;
        newest = null;
        const bitmap = await createImageBitmap(new Blob([data], { type: "image/jpeg" }));
        await new Promise((resolve) => { requestAnimationFrame(resolve); setTimeout(resolve, 200); });
        if (this.abort.signal.aborted) return;
        show(bitmap, bitmap.width, bitmap.height, clock.ageOf(Number(headers["x-captured"]), performance.now()));
        shown?.close();
        shown = bitmap;
      }
      busy = false;
    };
    try {
      for await (const part of parts(response.body.getReader())) {
        newest = part;
        if (!busy) draw().catch(() => this.abort.abort());
      }
    } finally {
      this.abort.abort();
    }
    throw new Error("the stream has ended");
  }

  stop() { this.abort.abort(); }
}

async function* parts(reader) {
  let bytes = new Uint8Array(0);
  const decoder = new TextDecoder("latin1");
  const more = async () => {
    const { done, value } = await reader.read();
    if (done) throw new Error("the stream has ended");
    const joined = new Uint8Array(bytes.length + value.length);
    joined.set(bytes);
    joined.set(value, bytes.length);
    bytes = joined;
  };
  for (;;) {
    let head;
    let end;
    while ((end = (head = decoder.decode(bytes.subarray(0, 2048))).indexOf("\r\n\r\n")) < 0) await more();
    const headers = Object.fromEntries(head.slice(0, end).split("\r\n").filter((line) => line.includes(":"))
      .map((line) => [line.slice(0, line.indexOf(":")).trim().toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]));
    const start = end + 4;
    const length = Number(headers["content-length"]);
    while (bytes.length < start + length + 2) await more();
    yield { data: bytes.slice(start, start + length), headers };
    bytes = bytes.slice(start + length + 2);
  }
}
