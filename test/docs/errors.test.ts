import { describe, expect, it } from "vitest";
import * as millrace from "../../src/index.ts";
import * as testing from "../../src/testing/index.ts";
import { readDocument } from "./document.ts";

const headings = [...readDocument("docs/errors.md").matchAll(/^## (.*)$/gm)].map(([, name]) => name);
const classes = Object.entries({ ...millrace, ...testing })
  .filter(([, value]) => typeof value === "function" && value.prototype instanceof Error)
  .map(([name]) => name);

describe("docs/errors.md", () => {
  it("has a heading for every error class that is exported, and no others", () => {
    expect(classes.length).toBeGreaterThan(0);
    expect(new Set(headings)).toEqual(new Set(classes));
    expect(headings).toHaveLength(classes.length);
  });
});
