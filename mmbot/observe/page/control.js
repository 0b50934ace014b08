// What changes anything: asked for with a token, after a question.

import { byId } from "./dom.js";

const KEY = "mmbot.token";
const HEADER = "X-Mmbot-Token";

let pending = null;

async function send(command, token) {
  const answer = await fetch("/api/command", {
    method: "POST",
    headers: { "Content-Type": "application/json", [HEADER]: token },
    body: JSON.stringify(command),
  });
  const text = await answer.text();
  if (answer.status === 401) {
    sessionStorage.removeItem(KEY);
    byId("token-label").hidden = false;
  }
  if (!answer.ok) throw new Error(sentence(answer, text));
  sessionStorage.setItem(KEY, token);
  return JSON.parse(text);
}

function sentence(answer, text) {
  const isJson = answer.headers.get("Content-Type").startsWith("application/json");
  return isJson ? JSON.parse(text).error : text;
}

// Asks a question: { title, text, action, style, reason: whether one is asked for, command }.
export function ask(question) {
  pending = question;
  byId("dialog-title").textContent = question.title;
  byId("dialog-text").textContent = question.text;
  byId("dialog-do").textContent = question.action;
  byId("dialog-do").className = question.style;
  byId("dialog-error").textContent = "";
  byId("reason").value = "";
  byId("reason-label").hidden = !question.reason;
  byId("token").value = sessionStorage.getItem(KEY) ?? "";
  byId("token-label").hidden = Boolean(byId("token").value);
  byId("dialog-do").disabled = false;
  byId("dialog").showModal();
}

async function submit(event) {
  event.preventDefault();
  const command = { ...pending.command };
  if (pending.reason) command.reason = byId("reason").value;
  byId("dialog-do").disabled = true;
  byId("dialog-error").textContent = "";
  try {
    const report = await send(command, byId("token").value.trim());
    byId("dialog").close();
    pending.done?.(report);
  } catch (error) {
    byId("dialog-error").textContent = error.message;
  }
  byId("dialog-do").disabled = false;
}

export function startControl(told) {
  byId("dialog-form").addEventListener("submit", submit);
  byId("dialog-cancel").addEventListener("click", () => byId("dialog").close());
  byId("halt").addEventListener("click", () =>
    ask({
      title: "Halt",
      text: "Every quote is cancelled, and none is placed until somebody resumes, even after a restart.",
      action: "Cancel all quotes",
      style: "stop",
      reason: true,
      command: { type: "halt" },
      done: (report) => told(haltSentence(report)),
    }),
  );
  byId("resume").addEventListener("click", () =>
    ask({
      title: "Resume",
      text: "Quotes are placed again as soon as every gate is open.",
      action: "Quote again",
      style: "go",
      command: { type: "resume" },
      done: () => told(""),
    }),
  );
}

function haltSentence(report) {
  const parts = [];
  if (report.left) parts.push(`${report.left} orders are still being cancelled.`);
  if (!report.account_read) parts.push("The account was not read: there may be unknown orders.");
  if (report.not_kept)
    parts.push(`It was not stored (${report.not_kept}): a restart ends it.`);
  return parts.join(" ");
}

export function askToPause(market) {
  ask({
    title: `Pause ${market}`,
    text: "The quotes in this market are cancelled, and none is placed there until the pause ends.",
    action: "Pause",
    style: "stop",
    command: { type: "pause", ticker: market },
  });
}

export function askToUnpause(market) {
  ask({
    title: `End the pause of ${market}`,
    text: "It is quoted again as soon as every gate is open.",
    action: "Quote again",
    style: "go",
    command: { type: "unpause", ticker: market },
  });
}
