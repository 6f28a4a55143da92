// The end of a run's log: lines are added, the oldest go, and it scrolls along if wanted.
const kept = 1000;

export function startLog() {
  const list = document.getElementById("log");
  if (!list) return { add() {} };
  const follow = document.getElementById("follow");
  const end = () => { if (follow.checked) list.scrollTop = list.scrollHeight; };
  // Who scrolls up wants to read; who comes back to the end follows again.
  list.addEventListener("scroll", () => {
    follow.checked = list.scrollHeight - list.scrollTop - list.clientHeight < 30;
  });
  follow.addEventListener("change", end);
  end();
  let last = Number(list.lastElementChild?.dataset.n ?? 0);
  return {
    // add appends lines, whose markup is parsed by parse.
    add(lines, parse) {
      const fresh = document.createDocumentFragment();
      for (const { n, html } of lines) {
        if (n <= last) continue;
        last = n;
        fresh.append(...parse(html).children);
      }
      const stay = follow.checked;
      list.append(fresh);
      while (list.childElementCount > kept) list.firstElementChild.remove();
      if (stay) { follow.checked = true; end(); }
    },
  };
}
