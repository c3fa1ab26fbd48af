// Brings the page up to date in place: focus, selection and the search field stay as they are.
"use strict";
(() => {
  const EVERY = 10_000, PATIENCE = 8_000;
  const offline = document.getElementById("offline");

  function put(fresh) {
    const parts = [...document.querySelectorAll("[data-live]")].map((old) => [old, fresh.getElementById(old.id)]);
    if (!parts.length || parts.some(([, part]) => !part)) throw new Error("not this page");
    for (const { id } of document.querySelectorAll("details[open]")) fresh.getElementById(id)?.setAttribute("open", "");
    const focused = document.activeElement?.getAttribute("href");
    for (const [old, part] of parts) if (old.outerHTML !== part.outerHTML) old.replaceWith(document.adoptNode(part));
    if (focused && !document.activeElement?.hasAttribute("href")) {
      [...document.links].find((link) => link.getAttribute("href") === focused)?.focus({ preventScroll: true });
    }
    document.title = fresh.title;
    document.getElementById("icon").href = fresh.getElementById("icon").href;
  }

  async function refresh() {
    try {
      if (!document.hidden) {
        const answer = await fetch("/", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
        put(new DOMParser().parseFromString(await answer.text(), "text/html"));
        offline.hidden = true;
        document.body.classList.remove("stale");
      }
    } catch {
      offline.hidden = false;
      document.body.classList.add("stale");
    }
    clearTimeout(next);
    next = setTimeout(refresh, EVERY);
  }

  let next = setTimeout(refresh, EVERY);
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
})();
