"use strict";

// By the place of the key, as with a Korean keyboard S gives ㄴ; letters are for layouts where S lies elsewhere.
const CODES = {
  Digit1: "left", Numpad1: "left", ArrowLeft: "left",
  Digit2: "right", Numpad2: "right", ArrowRight: "right",
  Digit0: "tie", Numpad0: "tie", Space: "tie",
};
const LETTERS = { s: "skip", S: "skip", "ㄴ": "skip", u: "undo", U: "undo", "ㅕ": "undo" };
const PLACES = { KeyS: "skip", KeyU: "undo" };

let sent = false; // one answer a page, however fast the keys are

addEventListener("pageshow", () => { sent = false; });

addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
  const latin = /^[a-z]$/i.test(event.key);
  const verdict = CODES[event.code] ?? LETTERS[event.key] ?? (latin ? undefined : PLACES[event.code]);
  const button = verdict && document.querySelector(`button[value="${verdict}"]`);
  if (!button) return;
  if (event.code === "Space" && event.target.closest("button, a")) return; // it presses what has the focus
  event.preventDefault();
  if (!sent) button.click();
});

addEventListener("submit", (event) => {
  if (sent) event.preventDefault();
  sent = true;
});
