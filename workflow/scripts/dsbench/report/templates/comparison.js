"use strict";
// Filters for the rows; without this script all of them are there.
const rows = [...document.querySelectorAll("tr[data-model]")];
const field = (name) => document.querySelector(`[name=${name}]`);
const choices = ["tree", "machine", "toolchain", "precision"];

for (const name of choices) {
  const values = [...new Set(rows.map((row) => row.dataset[name]))].filter(Boolean).sort();
  for (const value of values) field(name).add(new Option(value, value));
  // One value leaves nothing to choose.
  field(name).parentElement.hidden = values.length < 2;
}

function isWanted(row) {
  const has = (name) => field(name).value === "" || row.dataset[name] === field(name).value;
  return (
    `${row.dataset.model} ${row.dataset.tree}`.toLowerCase().includes(field("model").value.toLowerCase()) &&
    choices.every(has) &&
    (!field("realtime").checked || row.dataset.streams !== "0")
  );
}

function show() {
  for (const row of rows) row.hidden = !isWanted(row);
  const ranked = rows.filter((row) => "ranked" in row.dataset);
  document.querySelector("output").value = `${ranked.filter((row) => !row.hidden).length} of ${ranked.length} shown`;
}

const form = document.querySelector("form");
form.addEventListener("input", show);
form.addEventListener("submit", (event) => event.preventDefault());
form.hidden = false;
show();
