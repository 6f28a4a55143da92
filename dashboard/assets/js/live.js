// What changes on the page, as server-sent events. Markup comes from the server's templates
// alone, which escape all data.
import { tick } from "./time.js";

const policy = window.trustedTypes?.createPolicy("mn", { createHTML: (html) => html }) ?? { createHTML: (html) => html };

function parse(html) {
  return new DOMParser().parseFromString(policy.createHTML(html), "text/html").body;
}

const callbacks = {
  // What people have opened stays open.
  beforeAttributeUpdated: (name, node) => !(name === "open" && node.tagName === "DETAILS"),
};

function show({ id, html }) {
  const part = document.getElementById(id);
  if (!part) return;
  const body = parse(html);
  tick(body);
  window.Idiomorph.morph(part, [...body.childNodes], { morphStyle: "innerHTML", callbacks });
}

export function startLive({ plots, log }) {
  const address = document.body.dataset.live;
  if (!address) return;
  const button = document.getElementById("live");
  const text = document.getElementById("live-text");
  const fault = document.getElementById("fault");
  let source = null;
  let paused = false;
  let gone = false;

  const state = (name, words) => {
    button.dataset.state = name;
    if (text.textContent !== words) text.textContent = words;
  };
  const on = (kind, take) => source.addEventListener(kind, (event) => take(JSON.parse(event.data)));
  const close = () => { source?.close(); source = null; };

  function open() {
    if (source || paused || gone || document.hidden) return;
    source = new EventSource(address);
    source.onopen = () => state("live", "Live");
    source.onerror = () => {
      state("lost", "Reconnecting");
      if (source?.readyState === EventSource.CLOSED) { // the server has refused: ask again later
        close();
        setTimeout(open, 5000);
      }
    };
    on("part", show);
    on("lines", (lines) => log.add(lines, parse));
    on("points", (points) => plots.add(points));
    on("fault", (news) => {
      fault.textContent = news.text;
      fault.hidden = news.text === "";
      if (news.gone) { gone = true; close(); state("paused", "Gone"); }
    });
  }

  button.addEventListener("click", () => {
    paused = !paused;
    button.setAttribute("aria-pressed", String(paused));
    if (paused) { close(); state("paused", "Paused"); } else { state("connecting", "Connecting"); open(); }
  });
  // A page that nobody sees costs nothing, and holds none of the browser's few connections.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) close(); else open();
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  open();
}
