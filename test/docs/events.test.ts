import { describe, expect, it } from "vitest";
import { LEVELS } from "../../src/log.ts";
import { readDocument, tableRows } from "./document.ts";

const [, ...rows] = tableRows(readDocument("docs/events.md"));
const levels = Object.fromEntries(rows.map(([type = "", , , level]) => [type, level]));

/** The members of the union, read from its source: types leave nothing behind at run time. */
function fieldsInSource(): Readonly<Record<string, readonly string[]>> {
  const source = readDocument("src/core/events.ts").replaceAll(/\/\*\*.*?\*\//gs, "");
  const union = /export type WorkerEvent<[^=]*=[^=]*=(.*?\});\n\n/s.exec(source)?.[1] ?? "";
  const members = [...union.matchAll(/\|\s*\{(.*?)\}/gs)].map(([, body = ""]) => body);
  return Object.fromEntries(
    members.map((body) => [
      /readonly type: "([^"]*)"/.exec(body)?.[1] ?? "",
      [...body.matchAll(/readonly (\w+)\??:/g)]
        .map(([, name = ""]) => name)
        .filter((name) => name !== "type"),
    ]),
  );
}

describe("docs/events.md", () => {
  it("has every type of event with its log level, and no others", () => {
    expect(levels).toEqual(LEVELS);
    expect(rows).toHaveLength(Object.keys(LEVELS).length);
  });

  it("has the fields of every event", () => {
    const fields = rows.map(([type = "", cell = ""]) => [
      type,
      cell
        .split(",")
        .map((field) => field.trim().replaceAll("`", ""))
        .filter((field) => field !== ""),
    ]);
    expect(Object.fromEntries(fields)).toEqual(fieldsInSource());
  });
});
