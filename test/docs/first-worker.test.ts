import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { describe, expect, it, onTestFinished } from "vitest";
import { codeBlocks, readDocument } from "./document.ts";
import { freshDatabase } from "./fresh-database.ts";
import { writeProgram } from "./program.ts";

const [block = ""] = codeBlocks(readDocument("README.md"), "ts");

describe("the first worker of README.md", () => {
  it("has about 20 lines, runs its job, and ends by itself after SIGTERM", async () => {
    expect(block.split("\n").filter((line) => line !== "").length).toBeLessThanOrEqual(20);
    await using database = await freshDatabase();
    const program = await writeProgram(
      block.replace('"postgres://localhost/app"', JSON.stringify(database.connectionString)),
    );
    const child = spawn(process.execPath, ["--import", "tsx", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    const ended = once(child, "exit");
    const lines: string[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      lines.push(line);
      if (line.includes('"msg":"hello, Ada"')) child.kill("SIGTERM");
    }
    expect(await ended).toEqual([0, null]);
    expect(lines.at(-1)).toContain('"event":"exited"');
  }, 30_000);
});
