import { describe, expect, it } from "vitest";
import { ArgumentError, readArguments } from "../../examples/memory/arguments.ts";

describe("readArguments", () => {
  it("has defaults", () => {
    expect(readArguments([])).toEqual({ turns: 600, json: false, help: false });
  });

  it("reads what is given", () => {
    expect(readArguments(["--turns", "50", "--json"])).toEqual({
      turns: 50,
      json: true,
      help: false,
    });
    expect(readArguments(["--turns=10000", "-h"])).toEqual({
      turns: 10_000,
      json: false,
      help: true,
    });
  });

  it.each(["0", "10001", "-1", "1.5", "1e3", "many", ""])("refuses --turns=%s", (turns) => {
    expect(() => readArguments([`--turns=${turns}`])).toThrow(
      new ArgumentError(`Expected --turns to be an integer from 1 to 10000, got "${turns}"`),
    );
  });

  it.each([["--turn", "5"], ["5"], ["--turns"], ["--json=yes"]])("refuses %s %s", (...commandLine) => {
    expect(() => readArguments(commandLine)).toThrow(ArgumentError);
  });
});
