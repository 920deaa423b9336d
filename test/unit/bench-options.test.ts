import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readOptions } from "../../bench/options.ts";
import { checkWritable, readReport } from "../../bench/report/saved.ts";

describe("readOptions", () => {
  it("takes everything, five runs each, where nothing is said", () => {
    const { plan } = readOptions([]);
    expect(plan.scenarios.map(({ name }) => name)).toContain("soak");
    expect(plan.systems).toContain("pg-boss");
    expect([plan.runs, plan.scale]).toEqual([5, 1]);
  });

  it("takes names with commas, and no peers for `none`", () => {
    const { plan } = readOptions(["--scenario", "latency,drain", "--peers", "none", "--scale", "0.05"]);
    expect(plan.scenarios.map(({ name }) => name)).toEqual(["drain", "latency"]);
    expect(plan.systems).not.toContain("pg-boss");
    expect(plan.systems).toContain("millrace");
  });

  it.each([
    [["--scenario", "none"], /^Expected `--scenario` to be some of .*, got "none"$/],
    [["--scenario", "drian"], /^Expected `--scenario` to be some of .*, got "drian"$/],
    [["--runs", "0"], /^Expected `--runs` to be an integer from 1 up, got "0"$/],
    [["--runs", "1.5"], /got "1.5"$/],
    [["--scale", "0"], /^Expected `--scale` to be a number above 0, at most 10, got "0"$/],
    [["--scale", "x"], /got "x"$/],
    [["--doc", "--scale", "0.1"], /^Expected `--scale` to be 1 with `--doc`, .*, got "0.1"$/],
  ])("refuses %j", (args, message) => {
    expect(() => readOptions(args)).toThrow(message);
  });

  it("takes the scale 1 with --doc, said or not", () => {
    expect(readOptions(["--doc"]).plan.scale).toBe(1);
    expect(readOptions(["--doc", "--scale", "1"]).doc).toBe(true);
  });

  it.each(["scenario", "peers", "runs", "scale", "save", "cpu-prof"])(
    "refuses --from with --%s, which would do nothing",
    (name) => {
      expect(() => readOptions(["--from", "report.json", `--${name}`, "1"])).toThrow(
        `Expected \`--from\` without \`--${name}\`: it measures nothing`,
      );
    },
  );
});

const dir = mkdtempSync(join(tmpdir(), "millrace-bench-options-"));
afterAll(() => rmSync(dir, { recursive: true }));

describe("checkWritable", () => {
  it("says in a line which file cannot be written", () => {
    const path = join(dir, "missing", "report.json");
    expect(() => checkWritable(path)).toThrow(
      `Expected \`--save\` to name a file that can be written, got ${path}: ENOENT`,
    );
    expect(() => checkWritable(dir)).toThrow(`got ${dir}: EISDIR`);
  });

  it("leaves what stands in the file", () => {
    const path = join(dir, "kept.json");
    writeFileSync(path, "{}");
    checkWritable(path);
    expect(readFileSync(path, "utf8")).toBe("{}");
  });
});

describe("readReport", () => {
  it("says in a line which file is missing, or is no report", () => {
    const path = join(dir, "report.json");
    const head = `Expected \`--from\` to name a report of the bench, got ${path}: `;
    expect(() => readReport(path)).toThrow(`${head}ENOENT`);
    writeFileSync(path, "{");
    expect(() => readReport(path)).toThrow(head);
    writeFileSync(path, "null");
    expect(() => readReport(path)).toThrow(`${head}it has no \`scenarios\``);
  });

  it("reads what was saved", () => {
    const path = join(dir, "saved.json");
    writeFileSync(path, JSON.stringify({ machine: {}, versions: {}, scenarios: [] }));
    expect(readReport(path).scenarios).toEqual([]);
  });
});
