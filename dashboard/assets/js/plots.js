// The plots, drawn by uPlot (vendor/uplot).
import { span } from "./time.js";

// Where the values stand in a point, after its time: see history.go.
const at = { succeeded: 1, failed: 2, released: 3, pending: 4, delayed: 5, running: 6, busy: 7, idle: 8, starting: 9,
  wait50: 10, wait95: 11, wait99: 12, run50: 13, run95: 14, run99: 15 };
const kept = 300;

const count = (v) => (v == null ? "–" : v >= 100 ? Math.round(v).toLocaleString("en").replaceAll(",", "\u202f") : String(Math.round(v * 100) / 100));
const time = (v) => (v == null ? "–" : span(v * 1000));
// short words a value for the narrow axis.
const short = (v) => (v >= 1e6 ? `${v / 1e6}M` : v >= 1e4 ? `${v / 1e3}k` : String(Math.round(v * 1000) / 1000));
const shortTime = (v) => (v === 0 ? "0" : v < 1e-3 ? `${Math.round(v * 1e6)}µs` : v < 1 ? `${Math.round(v * 1e3)}ms` : v < 120 ? `${Math.round(v * 10) / 10}s` : `${Math.round(v / 6) / 10}m`);

const kinds = {
  throughput: { words: count, axis: short, series: [["succeeded", "ok", 4], ["failed", "failed", 2], ["released", "released", 3]] },
  queue: { words: count, axis: short, series: [["running", "running", 1], ["pending", "waiting", 5], ["delayed", "retrying", 3]] },
  wait: { words: time, axis: shortTime, series: [["wait50", "p50", 4], ["wait95", "p95", 1], ["wait99", "p99", 3]] },
  run: { words: time, axis: shortTime, series: [["run50", "p50", 4], ["run95", "p95", 1], ["run99", "p99", 3]] },
  workers: { words: count, axis: short, series: [["busy", "busy", 1], ["idle", "idle", 4], ["starting", "starting", 5]] },
};

const height = 190;
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

function color(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }

class Plot {
  constructor(figure) {
    this.box = figure.querySelector(".plot");
    this.kind = kinds[figure.dataset.plot];
    this.name = figure.querySelector("figcaption").textContent;
    this.data = [[], ...this.kind.series.map(() => [])];
    this.empty = document.createElement("p");
    this.empty.className = "plot-empty";
    this.empty.textContent = "Collecting…";
    this.box.append(this.empty);
    new ResizeObserver(() => this.resize()).observe(this.box);
  }

  add(points) {
    for (const p of points) {
      this.data[0].push(p[0] / 1000);
      this.kind.series.forEach(([key], i) => this.data[i + 1].push(p[at[key]]));
    }
    const over = this.data[0].length - kept;
    if (over > 0) this.data = this.data.map((column) => column.slice(over));
    if (this.drawn) this.drawn.setData(this.data);
    else if (this.data[0].length > 1) this.draw();
    this.describe();
  }

  // describe tells in words what the newest point is.
  describe() {
    const newest = this.kind.series.map(([, label], i) => `${label} ${this.kind.words(this.data[i + 1].at(-1))}`);
    this.box.setAttribute("role", "img");
    this.box.setAttribute("aria-label", `${this.name}: ${newest.join(", ")}`);
  }

  draw() {
    this.drawn?.destroy();
    this.empty.remove();
    const axis = { stroke: color("--muted"), grid: { stroke: color("--line"), width: 1 }, ticks: { stroke: color("--line"), width: 1, size: 4 }, font: "11px system-ui, sans-serif" };
    this.drawn = new window.uPlot({
      width: this.box.clientWidth, height: height - 24, padding: [10, 26, 0, 0],
      cursor: { sync: { key: "mn" }, points: { size: 6 }, drag: { setScale: false, x: false } },
      scales: { y: { range: (_, _low, high) => [0, high > 0 ? high * 1.08 : 1] } },
      axes: [
        { ...axis, size: 26, space: 70, values: (_, ticks) => ticks.map((t) => clock.format(t * 1000)) },
        { ...axis, size: 48, space: 28, values: (_, ticks) => ticks.map(this.kind.axis) },
      ],
      series: [{}, ...this.kind.series.map(([, label, hue], i) => ({
        label, stroke: color(`--plot-${hue}`), width: 1.6, points: { show: false },
        fill: i === 0 ? `color-mix(in srgb, ${color(`--plot-${hue}`)} 12%, transparent)` : undefined,
        value: (_, v, series, index) => this.kind.words(index == null ? this.data[series].at(-1) : v),
      }))],
      legend: { live: true, markers: { width: 0, fill: (u, i) => u.series[i].stroke(u, i) } },
    }, this.data, this.box);
  }

  resize() {
    if (this.drawn && this.box.clientWidth > 0) this.drawn.setSize({ width: this.box.clientWidth, height: height - 24 });
  }
}

// startPlots makes the page's plots, and returns what adds points to them.
export function startPlots() {
  const plots = [...document.querySelectorAll("[data-plot]")].map((figure) => new Plot(figure));
  let last = 0;
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plots.forEach((p) => p.drawn && p.draw()));
  return {
    add(points) {
      const fresh = points.filter((p) => p[0] > last); // a new stream tells all again
      if (!fresh.length) return;
      last = fresh.at(-1)[0];
      plots.forEach((p) => p.add(fresh));
    },
  };
}
