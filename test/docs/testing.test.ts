import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { codeBlocks, readDocument } from "./document.ts";
import { writeProgram } from "./program.ts";

const text = readDocument("docs/testing.md");
const titles = [...text.matchAll(/^## (.*)$/gm)].map(([, title = ""]) => title);
const blocks = codeBlocks(text, "ts").map((block, index) => [titles[index] ?? "", block] as const);

describe("the tests in docs/testing.md", () => {
  it("are one a section", () => {
    expect(blocks).toHaveLength(titles.length);
  });

  it.each(blocks)(
    "pass: %s",
    async (_title, block) => {
      const program = await writeProgram(block);
      const run = promisify(execFile)(process.execPath, ["--import", "tsx", program], { timeout: 25_000 });
      expect(await run).toEqual({ stdout: "", stderr: "" });
    },
    30_000,
  );

  it("would fail with another expectation", async () => {
    const program = await writeProgram((blocks[0]?.[1] ?? "").replace("5s (D|)", "6s (D|)"));
    const run = promisify(execFile)(process.execPath, ["--import", "tsx", program], { timeout: 25_000 });
    await expect(run).rejects.toThrow("First difference: expected D at 26s, got D at 25s");
  }, 30_000);
});
