import type { WriteStream } from "node:tty";
import { TestScheduler } from "rxjs/testing";
import { describe, expect, it } from "vitest";
import { frameLine, frameLines, showStats } from "../../examples/memory/screen.ts";
import { addEvent, NO_STATS } from "../../examples/memory/stats.ts";
import type { Stats } from "../../examples/memory/stats.ts";
import type { JobRef } from "../../src/index.ts";
import type { Kind } from "../../examples/memory/kinds.ts";

const job: JobRef<Kind> = {
  id: "7",
  kind: "embed",
  queue: "default",
  source: "turn:3",
  attempt: 1,
  maxAttempts: 3,
};
const step = (stats: Stats) => addEvent(stats, { type: "succeeded", job, durationMs: 2, result: null });
const b = step(NO_STATS);
const c = step(b);

/** Shows the stats of a marble diagram on a fake terminal or file, in virtual time. */
function shown(marbles: string, isTTY: boolean, columns = 40): { rates: number[]; written: string[] } {
  const written: string[] = [];
  const rates: number[] = [];
  const output = { isTTY, columns, write: (text: string) => written.push(text) };
  new TestScheduler(() => {}).run(({ cold, flush }) => {
    showStats(cold(marbles, { a: NO_STATS, b, c }), output as unknown as WriteStream).subscribe((frame) =>
      rates.push(frame.rate),
    );
    flush();
  });
  return { rates, written };
}

describe("showStats", () => {
  it("writes one line a second where there is no terminal", () => {
    const { written } = shown("ab 999ms c 999ms |", false);
    expect(written).toHaveLength(2);
    expect(written[0]).toMatch(/^ {2}1 s {2}1 done, /);
    expect(written[1]).toMatch(/ 2 done, /);
  });

  it("redraws in place on a terminal, ten times a second, no wider than it", () => {
    const { written } = shown("b 199ms c 199ms |", true);
    expect(written).toHaveLength(2);
    expect(written[0]).not.toContain("\u001B");
    expect(written[1]).toContain("\u001B[12A\u001B[J");
    for (const line of written.join("\n").split("\n")) expect(line.length).toBeLessThanOrEqual(47);
  });

  it("takes a terminal that does not know its size for one of 80 columns", () => {
    const [frame = ""] = shown("b 199ms |", true, 0).written;
    expect(frame).toMatch(/done +in flight +retried +failed\n/);
    expect(frame).toContain(" succeeded embed of turn:3 after 2 ms\n");
  });

  it("shows the last stats before it completes", () => {
    expect(shown("a 10ms (c|)", false).written.at(-1)).toContain("2 done");
  });

  it("shows nothing when nothing happens", () => {
    expect(shown("|", true).written).toEqual([]);
  });

  it("takes the rate over the last two seconds", () => {
    //                  frames at 1, 2.5 and 5 s
    const { rates } = shown("ab 1498ms b 2499ms c 999ms |", false);
    expect(rates).toEqual([1, 0, 0.4]);
  });
});

describe("frameLines", () => {
  it("has a row for each kind and for all", () => {
    const lines = frameLines({ stats: b, elapsedMs: 1_500, rate: 20 });
    expect(lines[2]).toBe("embed                        1        -1         0         0");
    expect(lines[7]).toBe("all                          1        -1         0         0");
    expect(lines[9]).toMatch(/^1\.5 s, 20 jobs\/s, picked up after 0\.0 ms/);
    expect(lines.at(-1)).toBe("  succeeded embed of turn:3 after 2 ms");
  });
});

describe("frameLine", () => {
  it("is one line", () => {
    expect(frameLine({ stats: NO_STATS, elapsedMs: 12_000, rate: 0 })).toBe(
      " 12 s  0 done, 0 in flight, 0 retried, 0 failed, 0 jobs/s, " +
        "picked up after 0.0 ms (p50), 0.0 ms (p99)",
    );
  });
});
