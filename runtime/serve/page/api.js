// Requests to the server, and its clock.

export async function get(path) {
  return answered(await fetch(path, { cache: "no-store" }));
}

export async function post(path, body) {
  const headers = { "X-Unit-Edge": "1" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  return answered(await fetch(path, { method: "POST", headers, body: JSON.stringify(body) }));
}

export async function remove(path) {
  return answered(await fetch(path, { method: "DELETE", headers: { "X-Unit-Edge": "1" } }));
}

async function answered(response) {
  const text = await response.text();
  let value = {};
  try { value = text ? JSON.parse(text) : {}; } catch { /* an answer of a proxy, perhaps */ }
  if (!response.ok) throw new Error(value.error || `the server answered ${response.status}`);
  return value;
}

// What the server's clock, by which frames are stamped, shows at a time of performance.now().
export class Clock {
  constructor() { this.offset = null; this.since = -Infinity; }

  // Of several tries the one that took the shortest counts: half of that is the most it can be wrong.
  async compare() {
    let best = Infinity;
    for (let turn = 0; turn < 5; turn++) {
      const began = performance.now();
      const { now_s } = await get("/api/clock");
      const took = performance.now() - began;
      if (took < best) {
        best = took;
        this.offset = now_s * 1000 - began - took / 2;
      }
    }
    this.since = performance.now();
  }

  stale() { return performance.now() - this.since > 60000; }

  ageOf(capturedS, shownAt) {
    return this.offset === null ? null : shownAt + this.offset - capturedS * 1000;
  }
}
