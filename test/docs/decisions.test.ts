import { describe, expect, it } from "vitest";
import { documentNames, readDocument } from "./document.ts";

const names = documentNames().filter((name) => name.startsWith("docs/decisions/"));

describe("the decisions", () => {
  it("are numbered without gaps", () => {
    const numbers = names.map((name) => Number(/\/(\d{4})-[a-z0-9-]+\.md$/.exec(name)?.[1]));
    expect(numbers).toEqual(names.map((_name, index) => index + 1));
  });

  it.each(names)("%s has its four parts, in at most 40 lines", (name) => {
    const text = readDocument(name);
    expect(text.trimEnd().split("\n").length).toBeLessThanOrEqual(40);
    expect(text).toMatch(/^# \d{4}\. .+\n\n\*\*Status:\*\* accepted\.\n/);
    expect([...text.matchAll(/^## (.*)$/gm)].map(([, title]) => title)).toEqual([
      "Decision",
      "Rationale",
      "Consequence",
    ]);
  });
});
