// What is read when somebody opens it: dead jobs, and who changed what.

import { ask } from "./ask.js";
import { make } from "./dom.js";
import { replayJob } from "./item-actions.js";
import { moment } from "./say.js";

function loadWhenOpened(id, load) {
  const details = document.querySelector(`#${id}`);
  const body = details.querySelector("div");
  const show = async () => {
    const children = await load(show).catch((refusal) => [make("p", { class: "bad" }, refusal.message)]);
    body.replaceChildren(...children);
  };
  details.addEventListener("toggle", () => {
    if (details.open) void show();
  });
}

loadWhenOpened("dead-jobs", async (again) => {
  const { body } = await ask("GET", "/jobs/failed");
  if (body.jobs.length === 0) return [make("p", { class: "quiet" }, "None.")];
  const rows = body.jobs.map((job) =>
    make(
      "li",
      {},
      `${job.id}, ${job.title}, failed ${moment(job.failedAt)}: ${job.reason} `,
      make("button", { class: "act", onclick: () => replayJob(job, again) }, "Replay …"),
    ),
  );
  return [make("ul", { class: "story" }, ...rows)];
});

const changed = ({ before, after }) => {
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])];
  const text = (value) => (value === undefined || value === null ? "–" : String(value));
  return names
    .filter((name) => text(before?.[name]) !== text(after?.[name]))
    .map((name) => `${name} ${before === null ? "" : `${text(before[name])} → `}${text(after?.[name])}`)
    .join(", ");
};

loadWhenOpened("audit", async () => {
  const { body } = await ask("GET", "/audit?limit=50");
  if (body.entries.length === 0) return [make("p", { class: "quiet" }, "Nothing yet.")];
  const rows = body.entries.map((entry) =>
    make(
      "li",
      {},
      make("time", { datetime: entry.at }, moment(entry.at)),
      ` ${entry.operator} (${entry.address}): ${entry.action} ${entry.subject}${changed(entry) && `: ${changed(entry)}`}`,
    ),
  );
  const more =
    body.next === null ? [] : [make("p", { class: "quiet" }, "The newest fifty; all are at /ops/api/audit.")];
  return [make("ul", { class: "story" }, ...rows), ...more];
});
