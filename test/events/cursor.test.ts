import { describe, expect, it } from "vitest";
import { OptionError } from "../../src/core/errors.ts";
import { checkCursor, cursorText, readFrom } from "../../src/events/cursor.ts";

const IDENTITY = "0b9f7a52-6a3c-4b2e-9d53-1f0c5a7e8d11";
const OTHER = "1b9f7a52-6a3c-4b2e-9d53-1f0c5a7e8d11";

describe("readFrom", () => {
  it.each([0, 1, 42, 9_007_199_254_740_991])("reads what cursorText writes at %d", (position) => {
    const cursor = { identity: IDENTITY, position };
    expect(readFrom(cursorText(cursor))).toEqual(cursor);
  });

  it.each(["start", "now"])("takes the word %s", (word) => {
    expect(readFrom(word)).toBe(word);
  });

  it.each([
    "",
    "later",
    "m1",
    `m2.${IDENTITY}.1`,
    `m1.${IDENTITY}`,
    `m1.${IDENTITY}.`,
    `m1.${IDENTITY}.01`,
    `m1.${IDENTITY}.-1`,
    `m1.${IDENTITY}.1 `,
    `m1.${IDENTITY}.12345678901234567`,
    `m1.${IDENTITY.toUpperCase()}.1`,
    7,
    null,
    {},
  ])("refuses %j", (value) => {
    expect(() => readFrom(value)).toThrow(OptionError);
    expect(() => readFrom(value)).toThrow('Expected `from` to be "start", "now" or the `cursor` of an event');
  });
});

describe("checkCursor", () => {
  const cursor = { identity: IDENTITY, position: 7 };

  it("takes a cursor of its schema", () => {
    checkCursor(cursor, { identity: IDENTITY, last: 7 });
  });

  it("refuses one of another schema", () => {
    const check = (): void => checkCursor(cursor, { identity: OTHER, last: 7 });
    expect(check).toThrow(OptionError);
    expect(check).toThrow("The cursor in `from` is of another schema");
  });

  it("refuses one that is ahead", () => {
    const check = (): void => checkCursor(cursor, { identity: IDENTITY, last: 6 });
    expect(check).toThrow(OptionError);
    expect(check).toThrow("is ahead of this schema");
  });
});
