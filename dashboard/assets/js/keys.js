// Single-key shortcuts, which can be turned off.
const stored = "mn-keys";

const off = () => { try { return localStorage.getItem(stored) === "off"; } catch { return false; } };

function remember(on) {
  try { localStorage.setItem(stored, on ? "on" : "off"); } catch { /* not allowed: for this page alone */ }
}

// moveRow moves the focus among the rows' first links.
function moveRow(by) {
  const links = [...document.querySelectorAll("table.rows tbody tr")].map((tr) => tr.querySelector(".id a, a")).filter(Boolean);
  if (!links.length) return;
  const at = links.findIndex((a) => a.closest("tr").contains(document.activeElement));
  const next = at < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, at + by));
  links[next].focus();
  links[next].scrollIntoView({ block: "nearest" });
}

export function startKeys() {
  const box = document.getElementById("keys-on");
  box.checked = !off();
  box.addEventListener("change", () => remember(box.checked));
  let after = -Infinity; // when "g" was pressed
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !box.checked) return;
    if (event.target.closest?.("input, select, textarea")) return;
    if (performance.now() - after < 1500) {
      after = -Infinity;
      const link = document.querySelector(`nav a[data-key="${CSS.escape(event.key)}"]`);
      if (link) { event.preventDefault(); link.click(); }
      return;
    }
    const act = {
      g: () => { after = performance.now(); },
      "/": () => document.getElementById("search")?.focus(),
      "?": () => document.getElementById("keys").togglePopover(),
      j: () => moveRow(1),
      k: () => moveRow(-1),
      p: () => document.getElementById("live")?.click(),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
