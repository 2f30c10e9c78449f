// What the page does beside htmx: copy, texts that stream in, a file of them. All is text: nothing sent becomes HTML.
"use strict";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-copy-text], [data-csv]");
  if (!button) return;
  if ("csv" in button.dataset) return download(button);
  const text = button.dataset.copy ?? button.closest("li").querySelector("p").textContent;
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = button.dataset.done;
    setTimeout(() => { button.textContent = before; }, 1500);
  } catch {
    getSelection().selectAllChildren(button.closest("li, dd"));
  }
});

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select");
  const wanted = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (typing || !wanted || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  wanted.focus();
});

document.addEventListener("htmx:responseError", (event) => {
  const told = document.createElement("p");
  told.className = "notice warn";
  told.role = "alert";
  told.textContent = problem(event.detail.xhr.responseText) ?? event.detail.xhr.statusText;
  document.getElementById("main").prepend(told);
});

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form[data-stream]");
  if (!form) return;
  event.preventDefault();
  const shown = document.getElementById("answers");
  const button = form.querySelector("button.main");
  button.disabled = true;
  shown.replaceChildren(document.getElementById("frame").content.cloneNode(true));
  try {
    const answer = await fetch(form.dataset.stream, { method: "POST", body: new FormData(form), credentials: "same-origin" });
    if (answer.redirected) location.assign(answer.url);
    const streams = answer.headers.get("content-type")?.startsWith("text/event-stream");
    if (!streams) throw new Error(problem(await answer.text()) ?? answer.statusText);
    await read(answer, (told) => show(shown, told));
  } catch (error) {
    show(shown, { fault: String(error.message ?? error) });
  } finally {
    button.disabled = false;
    shown.querySelectorAll(".writing").forEach((each) => each.classList.remove("writing"));
  }
});

// What a page of a problem says.
function problem(html) {
  return new DOMParser().parseFromString(html, "text/html").querySelector("main p")?.textContent;
}

async function read(answer, take) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let left = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (left + value).split("\n\n");
    left = events.pop();
    for (const each of events) take(JSON.parse(each.replace(/^data: /, "")));
  }
}

function show(shown, told) {
  if ("fault" in told) {
    const fault = document.getElementById("fault");
    fault.textContent = told.fault;
    fault.hidden = false;
    return;
  }
  const list = shown.querySelector(".texts");
  let item = list.querySelector(`[data-index="${Number(told.index)}"]`);
  if (!item) {
    item = document.getElementById("text").content.firstElementChild.cloneNode(true);
    item.dataset.index = Number(told.index);
    list.append(item);
  }
  if ("text" in told) item.querySelector("p").textContent = told.text;
  if ("width" in told) item.querySelector(".width").textContent = told.width;
  item.classList.toggle("over", Boolean(told.over));
  if (told.reasons) {
    item.classList.add("refused");
    item.querySelector(".reasons").textContent = told.reasons.join("; ");
    item.querySelector("button").remove();
  }
  if (told.done) {
    item.classList.remove("writing");
    shown.querySelector("[data-csv]").hidden = false;
  }
}

function download(button) {
  // A cell that begins like a formula is shown as text by a quote before it, as spreadsheets read it.
  const cell = (text) => `"${(/^[=+\-@\t\r]/.test(text) ? "'" + text : text).replaceAll('"', '""')}"`;
  const items = [...document.querySelectorAll(".texts li")];
  const rows = items.map((item) => [
    item.querySelector("p").textContent,
    item.querySelector(".width").textContent,
    item.classList.contains("refused") ? item.querySelector(".reasons").textContent : "",
  ]);
  const lines = [["text", "width", "refused"], ...rows].map((row) => row.map(cell).join(","));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\ufeff" + lines.join("\r\n") + "\r\n"], { type: "text/csv" }));
  link.download = button.dataset.csv;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
