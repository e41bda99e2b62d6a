// One dialog for every action: it says what will follow, asks for what is needed, and stays open
// with the reason where it is refused.

import { make, setText } from "./dom.js";

const dialog = document.querySelector("#dialog");
const form = dialog.querySelector("form");
const [title, text, fields, error, cancel, confirm] = ["title", "text", "fields", "error", "cancel", "do"].map((name) =>
  dialog.querySelector(`#dialog-${name}`),
);

let current = null;

cancel.addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => {
  current = null;
});
form.addEventListener("input", () => current && describe());
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!current || confirm.disabled) return;
  const asked = current;
  confirm.disabled = true;
  setText(error, "");
  try {
    await asked.act(values());
    if (current === asked) dialog.close();
  } catch (refusal) {
    if (current === asked) setText(error, refusal.message);
  } finally {
    confirm.disabled = false;
  }
});

function values() {
  const all = {};
  for (const input of fields.querySelectorAll("input, select, textarea")) {
    all[input.name] = input.type === "checkbox" ? input.checked : input.value.trim();
  }
  return all;
}

function describe() {
  setText(text, typeof current.text === "function" ? current.text(values()) : current.text);
}

/**
 * Asks for confirmation.
 * @param asked `{title, text, button, fields, act}`: `text` names the consequence, as a function of
 *   the fields' values where it depends on them; `act` does it and throws where it is refused
 */
export function confirmAction(asked) {
  current = asked;
  setText(title, asked.title);
  setText(confirm, asked.button);
  setText(error, "");
  confirm.disabled = false;
  fields.replaceChildren(...(asked.fields ?? []).map(showField));
  describe();
  dialog.showModal();
  (fields.querySelector("input, select") ?? confirm).focus();
}

/** Says why something cannot even be asked. */
export function tellRefusal(heading, reason) {
  confirmAction({ title: heading, button: "Close", text: "", act: () => {} });
  setText(error, reason);
}

function showField({ label, name, type = "text", value = "", required = false, ...more }) {
  if (type === "checkbox") {
    const box = make("input", { type, name });
    box.checked = value === true;
    return make("label", {}, box, ` ${label}`);
  }
  const input = make("input", { type, name, required, ...more });
  input.value = value;
  return make("label", {}, label, input);
}
