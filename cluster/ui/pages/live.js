// Asks every few seconds for what the page shows, and puts in place the sections that have changed.
"use strict";
const EVERY = 3000, MOST = 30000;
const live = document.getElementById("live"), beat = document.getElementById("beat");
let tag = null, last = Date.now(), wait = EVERY;

function span(seconds) {
  const [minutes, hours] = [Math.floor(seconds / 60), Math.floor(seconds / 3600)];
  if (minutes < 1) return "now";
  return (hours ? `${hours} h ${minutes % 60} min` : `${minutes} min`) + " ago";
}

function tell() {
  for (const time of document.querySelectorAll("time[data-at]")) {
    const age = (Date.now() - Date.parse(time.dataset.at)) / 1000;
    if (age >= 0 && age < 86400) time.textContent = span(age);
  }
  const silent = Math.round((Date.now() - last) / 1000);
  const lost = silent > 3 * EVERY / 1000 && !document.hidden;
  beat.classList.toggle("lost", lost);
  live.classList.toggle("stale", lost);
  beat.textContent = lost ? `no answer for ${silent} s` : "live";
}

function place(text) {
  const fresh = new DOMParser().parseFromString(text, "text/html").body;
  const open = new Set([...live.querySelectorAll("details[open]")].map((each) => each.id));
  for (const id of open) fresh.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", "");
  for (const box of fresh.querySelectorAll("header[id], section[id]")) {
    const old = document.getElementById(box.id);
    if (old && old.innerHTML === box.innerHTML) box.replaceWith(old); // pictures stay as they are
  }
  const [left, top] = [window.scrollX, window.scrollY];
  live.replaceChildren(...fresh.childNodes);
  window.scrollTo(left, top);
}

async function refresh() {
  if (!document.hidden) {
    try {
      const headers = tag ? { "If-None-Match": tag } : {};
      const answer = await fetch(`${location.pathname}?part`, { headers, cache: "no-store" });
      if (answer.ok) {
        tag = answer.headers.get("ETag");
        place(await answer.text());
      }
      if (answer.ok || answer.status === 304) [last, wait] = [Date.now(), EVERY];
    } catch {
      wait = Math.min(MOST, 2 * wait); // the server is gone: asked less and less often
    }
  }
  tell();
  setTimeout(refresh, wait);
}

document.addEventListener("visibilitychange", () => { last = Date.now(); });
setInterval(tell, 1000);
setTimeout(refresh, EVERY);
