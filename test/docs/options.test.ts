import { describe, expect, it } from "vitest";
import { MAX_DELAY_MS } from "../../src/core/errors.ts";
import { DEFAULTS } from "../../src/options.ts";
import { WORKER_RULES } from "../../src/settings.ts";
import { readDocument, tableRows } from "./document.ts";

const rows = tableRows(readDocument("README.md"));

/** The rows of the table that has this row as its head. */
function tableOf(...head: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const start = rows.findIndex((row) => row.join("|") === head.join("|"));
  const after = rows.slice(start + 1);
  const end = after.findIndex((row) => row.length !== head.length || row[0] === "option");
  return new Map(after.slice(0, end === -1 ? undefined : end).map((row) => [row[0] ?? "", row]));
}

const worker = tableOf("option", "must be", "default", "means");
const others = new Map(rows.filter((row) => row.length === 4).map((row) => [row[0] ?? "", row]));
const defaults = Object.entries(DEFAULTS) as readonly (readonly [string, unknown])[];

describe("the options in README.md", () => {
  it("are all settings of a worker, in order, and no others", () => {
    expect([...worker.keys()]).toEqual(Object.keys(WORKER_RULES));
  });

  it.each(Object.entries(WORKER_RULES))("say the rule of %s in its own words", (name, { is }) => {
    expect(worker.get(name)?.[1]).toBe(is.replace(String(MAX_DELAY_MS), "ten years"));
  });

  it.each(defaults)("give the default of %s", (name, value) => {
    expect(others.get(name)?.[2]).toBe(JSON.stringify(value));
  });
});
