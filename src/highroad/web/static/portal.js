// What the portal's pages do by themselves: relative times, parts that follow the server, live logs, copy buttons, and
// the one-time link. Everything is rendered by the server; text from it enters the page as text, never as markup of ours.
"use strict";

const FASTEST_REFRESH = 400;
const MOST_LINES = 5000;
const main = document.getElementById("main");
const connection = document.getElementById("connection");

// Times

const UNITS = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

function ago(instant) {
  const distance = (Date.now() - instant.getTime()) / 1000;
  const left = Math.abs(distance);
  if (left < 10) return "just now";
  const [unit, size] = UNITS.find(([, size]) => left >= size);
  const count = distance < 0 ? Math.round(left / size) : Math.floor(left / size);
  const text = `${count} ${unit}${count === 1 ? "" : "s"}`;
  return distance < 0 ? `in ${text}` : `${text} ago`;
}

function tellTimes(root) {
  for (const each of root.querySelectorAll("time[title]")) {
    const text = ago(new Date(each.dateTime));
    if (each.textContent !== text) each.textContent = text;
  }
}

function clock(at) {
  return new Date(at).toLocaleTimeString([], { hour12: false });
}

// Parts of the page that follow the server: the page is fetched again and the parts that differ are replaced.

// Relative times differ at every look and are kept by us.
const comparable = (html) => html.replace(/(<time[^>]*>)[^<]*/g, "$1");
const shown = new Map();

function remember(root) {
  for (const part of root.querySelectorAll("[data-part]")) shown.set(part.dataset.part, comparable(part.innerHTML));
}

function replacePart(part, fresh) {
  const open = new Set([...part.querySelectorAll("details[open][id]")].map((each) => each.id));
  const closed = new Set([...part.querySelectorAll("details[id]:not([open])")].map((each) => each.id));
  const reach = "a, button, input, select, textarea, summary, [tabindex]";
  const place = [...part.querySelectorAll(reach)].indexOf(document.activeElement);
  part.replaceChildren(...document.adoptNode(fresh).childNodes);
  for (const each of part.querySelectorAll("details[id]")) {
    if (open.has(each.id)) each.open = true;
    if (closed.has(each.id)) each.open = false;
  }
  if (place >= 0) part.querySelectorAll(reach)[place]?.focus({ preventScroll: true });
  prepare(part);
}

function takeParts(page) {
  for (const part of main.querySelectorAll("[data-part]")) {
    const fresh = page.querySelector(`[data-part="${CSS.escape(part.dataset.part)}"]`);
    if (!fresh) continue;
    const html = comparable(fresh.innerHTML);
    if (html === shown.get(part.dataset.part)) continue;
    shown.set(part.dataset.part, html);
    replacePart(part, fresh);
  }
}

let refreshing = null;
let again = false;

async function refresh() {
  if (refreshing) {
    again = true;
    return refreshing;
  }
  refreshing = fetchPage();
  try {
    await refreshing;
    await new Promise((done) => setTimeout(done, FASTEST_REFRESH));
  } finally {
    refreshing = null;
  }
  if (again) {
    again = false;
    return refresh();
  }
}

async function fetchPage() {
  let answer;
  try {
    // A form that was not taken leaves its own address in the bar, which cannot be fetched.
    answer = await fetch(main.dataset.page || location.pathname + location.search, { credentials: "same-origin" });
  } catch {
    say("Highroad does not answer at the moment. This page tries again.");
    return;
  }
  if (answer.redirected && new URL(answer.url).pathname === "/sign-in") {
    location.assign(answer.url);
    return;
  }
  if (!answer.ok) {
    say(`Highroad answered ${answer.status}. This page tries again.`);
    return;
  }
  say("");
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  takeParts(page);
  const fresh = page.getElementById("main");
  main.dataset.every = fresh?.dataset.every ?? "";
}

function say(text) {
  connection.textContent = text;
  connection.hidden = !text;
}

async function poll() {
  for (;;) {
    const seconds = Number(main.dataset.every);
    if (!seconds) return;
    await new Promise((done) => setTimeout(done, seconds * 1000));
    if (!document.hidden) await refresh();
  }
}

// Live logs

function lineOf(data) {
  const line = document.createElement("div");
  line.className = "line";
  const time = document.createElement("time");
  time.dateTime = data.at;
  time.textContent = clock(data.at);
  const source = document.createElement("span");
  source.className = "source";
  source.textContent = data.task ?? data.label ?? "";
  const text = document.createElement("span");
  text.className = "text";
  text.textContent = data.text;
  line.append(time, source, text);
  return line;
}

function logOf(box) {
  const button = document.querySelector("[data-log-follow]");
  let waiting = [];
  let following = true;
  let moved = 0;

  const atEnd = () => box.scrollHeight - box.scrollTop - box.clientHeight < 30;
  const follow = (yes) => {
    following = yes;
    button.setAttribute("aria-pressed", String(yes));
    if (yes) {
      moved = performance.now();
      box.scrollTop = box.scrollHeight;
    }
  };
  const flush = () => {
    const lines = waiting;
    waiting = [];
    const before = box.scrollHeight;
    box.append(...lines);
    const excess = box.childElementCount - MOST_LINES;
    for (let index = 0; index < excess; index++) box.firstElementChild.remove();
    if (following) follow(true);
    else if (excess > 0) box.scrollTop -= Math.max(0, before - box.scrollHeight);
  };
  for (const time of box.querySelectorAll("time")) time.textContent = clock(time.dateTime);
  button.hidden = !box.dataset.stream;
  button.addEventListener("click", () => follow(!following));
  // Our own scrolling sends the same event; only what comes later is the reader's.
  box.addEventListener("scroll", () => {
    if (performance.now() - moved > 100 && following !== atEnd()) follow(atEnd());
  });
  if (box.dataset.stream) follow(true);
  return (data) => {
    if (waiting.push(lineOf(data)) === 1) requestAnimationFrame(flush);
  };
}

// Streams

// A browser opens a broken stream again by itself, but gives up when the answer is an error, as it is for a moment while
// the control plane restarts. Then we go on from where we were; `refresh` notices when the session has ended.
const REOPEN_AFTER = 2000;

function listen(address, add) {
  const label = document.querySelector("[data-log-state]");
  const url = new URL(address, location.href);
  let source = null;
  let told = "";
  const tell = (text) => {
    told = text;
    if (label) label.textContent = text;
  };
  const heard = (event) => url.searchParams.set("cursor", event.lastEventId);
  const open = () => {
    source = new EventSource(url);
    source.addEventListener("open", () => tell("live"));
    source.addEventListener("line", (event) => {
      heard(event);
      if (add) add(JSON.parse(event.data));
      else refresh();
    });
    source.addEventListener("state", (event) => {
      heard(event);
      refresh();
    });
    source.addEventListener("end", () => {
      source.close();
      tell("ended");
      refresh();
    });
    source.addEventListener("error", () => {
      if (told === "ended") return;
      tell("connecting…");
      if (source.readyState !== EventSource.CLOSED) return;
      refresh();
      setTimeout(open, REOPEN_AFTER);
    });
  };
  open();
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => event.persisted && location.reload());
}

// Small things

function prepare(root) {
  tellTimes(root);
  for (const button of root.querySelectorAll("[data-copy]")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy"), 1500);
    });
  }
}

function useLink(form) {
  const secret = location.hash.slice(1);
  if (!secret) return;
  history.replaceState(null, "", location.pathname); // it works once, and a history is read by others
  form.elements.secret.value = secret;
  form.requestSubmit();
}

remember(main);
prepare(document);
setInterval(() => tellTimes(document), 20000);
document.querySelector("[data-focus]")?.focus();
for (const box of document.querySelectorAll("[data-log]")) {
  const add = logOf(box);
  if (box.dataset.stream) listen(box.dataset.stream, add);
}
if (main.dataset.stream && main.dataset.stream !== "shared") listen(main.dataset.stream, null);
if (main.dataset.every) poll();
const link = document.querySelector("form[data-link]");
if (link) useLink(link);
