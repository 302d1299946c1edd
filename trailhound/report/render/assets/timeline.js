"use strict";
(() => {
const form = document.getElementById("filters");
if (!form) return;
form.hidden = false;
const at = (id) => document.getElementById(id);
const rows = [...document.querySelectorAll(".lines tbody tr")];
// What a row says, its folds included; found once, since there may be thousands.
const texts = rows.map((row) => row.textContent.replace(/\s+/g, " ").toLowerCase());
const kinds = {
  all: () => true,
  alerts: (row) => row.classList.contains("alert"),
  failed: (row) => row.classList.contains("failed"),
  succeeded: (row) => !row.classList.contains("failed") && !row.classList.contains("alert"),
  target: (row) => row.classList.contains("target"),
  untraced: (row) => row.classList.contains("untraced"),
};
const apply = () => {
  const words = at("text").value.toLowerCase().split(/\s+/).filter(Boolean);
  const kind = kinds[at("kind").value];
  const risk = Number(at("risk").value);
  let shown = 0;
  rows.forEach((row, place) => {
    row.hidden = !(kind(row) && Number(row.dataset.risk) >= risk && words.every((word) => texts[place].includes(word)));
    shown += row.hidden ? 0 : 1;
  });
  at("said").textContent = shown === rows.length ? "" : `${shown.toLocaleString("en-GB")} of ${rows.length.toLocaleString("en-GB")} lines shown.`;
};
for (const name of ["input", "change"]) form.addEventListener(name, apply);
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", () => setTimeout(apply));
})();
