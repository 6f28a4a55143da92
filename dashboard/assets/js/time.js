// Times relative to now, and durations that go on. The server's clock counts, not the browser's.
const ahead = Number(document.body.dataset.now) - Date.now();

// span words milliseconds as the server does.
export function span(ms) {
  if (!(ms >= 0)) return "0 s";
  if (ms < 1) return `${Math.round(ms * 1000)} µs`;
  if (ms < 1000) return `${Math.floor(ms)} ms`;
  const s = ms / 1000;
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 60) return `${Math.floor(s)} s`;
  const two = (n) => String(Math.floor(n)).padStart(2, "0");
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  if (s < 48 * 3600) return `${Math.floor(s / 3600)} h ${two((s / 60) % 60)} min`;
  return `${Math.floor(s / 86400)} d ${two((s / 3600) % 24)} h`;
}

function relative(ms) {
  const past = ms >= 0;
  const s = Math.abs(ms) / 1000;
  if (s < 2) return "now";
  let text;
  if (s < 60) text = `${Math.floor(s)} s`;
  else if (s < 3600) text = `${Math.floor(s / 60)} min`;
  else if (s < 48 * 3600) text = `${Math.floor(s / 3600)} h`;
  else text = `${Math.floor(s / 86400)} d`;
  return past ? `${text} ago` : `in ${text}`;
}

const set = (el, text) => { if (el.textContent !== text) el.textContent = text; };

// tick brings the times below root up to date.
export function tick(root) {
  const now = Date.now() + ahead;
  for (const el of root.querySelectorAll("time[datetime]:not(.clock)")) {
    set(el, relative(now - Date.parse(el.getAttribute("datetime"))));
  }
  for (const el of root.querySelectorAll("time[data-since]")) {
    const ms = now - Number(el.dataset.since);
    set(el, ms < 10000 ? `${Math.max(0, Math.floor(ms / 1000))} s` : span(ms));
  }
}
