"use strict";
const buttons = [];
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    buttons.push(button);
    button.addEventListener("click", () => {
      const numeric = head.classList.contains("n");
      const sorted = head.getAttribute("aria-sort");
      // Numbers are wanted from the largest, texts from A; a second click turns round.
      const up = sorted ? sorted !== "ascending" : !numeric;
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = (row) => row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
      const rows = [...body.rows].sort((a, b) => {
        const order = numeric ? key(a) - key(b) : key(a).localeCompare(key(b), "en");
        return up ? order : -order;
      });
      body.append(...rows);
    });
  });
}
// On paper and without scripts all of the evidence is there.
const evidence = document.querySelectorAll("details.evidence");
let opened = [];
for (const each of evidence) each.open = false;
addEventListener("beforeprint", () => {
  opened = [...evidence].filter((each) => each.open);
  for (const each of evidence) each.open = true;
});
addEventListener("afterprint", () => {
  for (const each of evidence) each.open = opened.includes(each);
});
// A head that is repeated on the next page of a print would lack its buttons, and with them its text.
addEventListener("beforeprint", () => {
  for (const button of buttons) button.replaceWith(...button.childNodes);
});
addEventListener("afterprint", () => {
  for (const table of document.querySelectorAll("table.sortable")) {
    for (const head of table.tHead.rows[0].cells) {
      const button = buttons.shift();
      button.append(...head.childNodes);
      head.append(button);
      buttons.push(button);
    }
  }
});
