import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const demo = fileURLToPath(new URL("../../examples/memory/main.ts", import.meta.url));

/** Runs the demo to its end. Rejects when it exits with anything but 0. */
const run = (...commandLine: string[]) =>
  promisify(execFile)(process.execPath, ["--import", "tsx", demo, ...commandLine]);

describe("the memory demo", () => {
  it("takes text through all six kinds of job, and answers from it", async () => {
    const { stdout, stderr } = await run("--turns", "12", "--json");
    const done = (succeeded: number) => ({ succeeded, retried: 0, failed: 0 });
    const some = { succeeded: expect.any(Number) as number, retried: 0, failed: 0 };
    expect(JSON.parse(stdout)).toEqual({
      jobs: {
        extract: done(13),
        embed: some,
        categorize: some,
        relational_extract: done(13),
        synthesize: done(13),
        reprocess: done(1),
      },
      pickupMs: { p50: expect.any(Number) as number, p99: expect.any(Number) as number },
      drained: true,
      elapsedMs: expect.any(Number) as number,
      answers: [
        {
          question: "How did we honor the seven Challenger heroes?",
          facts: expect.arrayContaining([
            {
              text: "We paused together to mourn and honor the valor of our seven Challenger heroes.",
              president: "Ronald Reagan",
              year: 1986,
              turn: 10,
              score: expect.any(Number) as number,
              labels: expect.any(Array) as string[],
            },
          ]) as unknown[],
        },
        { question: expect.any(String) as string, facts: expect.any(Array) as unknown[] },
        { question: expect.any(String) as string, facts: expect.any(Array) as unknown[] },
      ],
    });
    expect(stderr).toMatch(/^Reads 12 passages of State of the Union addresses\. /);
    expect(stderr).toContain("Drained after");
    expect(stderr).toMatch(
      /millrace ran them, tried \d+ attempts again, and lost none: \d+ succeeded, 0 failed\./,
    );
    expect(stderr).toContain("Ronald Reagan, 1986, turn 10");
  }, 60_000);

  it("exits with 2 and says why when it does not understand its arguments", async () => {
    await expect(run("--turns", "few")).rejects.toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringMatching(/^Expected --turns to be an integer .*, got "few"\n\nUsage: /) as string,
    });
  }, 20_000);
});
