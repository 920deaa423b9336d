import { describe, expect, it } from "vitest";
import { OptionError, stopOnSignals } from "../../src/index.ts";
import type { ShutdownResult, StopOnSignalsOptions } from "../../src/index.ts";

const ended = Promise.resolve<ShutdownResult>({ outcome: "drained", interrupted: [], leaked: [] });
const worker = { shutdown: () => ended, abort: () => ended, done: ended };

describe("stopOnSignals", () => {
  it.each<[unknown, string]>([
    [{ signals: "SIGTERM" }, 'signals that a process can hear, at least one, got "SIGTERM" (string)'],
    [{ signals: [] }, "got an array of 0"],
    [{ signals: ["TERM"] }, 'got an array of 1 with "TERM" (string) in it'],
    [{ signals: ["SIGTERM", "SIGKILL"] }, 'got an array of 2 with "SIGKILL" (string) in it'],
    [
      { signal: ["SIGTERM"] },
      'Unknown option "signal" (string) in the stopOnSignals options; known are signals',
    ],
    [null, "Expected `stopOnSignals options` to be an object, got null"],
  ])("refuses %j, and listens to nothing", (options, words) => {
    const before = process.eventNames().length;
    const call = (): unknown => stopOnSignals(worker, options as StopOnSignalsOptions);
    expect(call).toThrow(OptionError);
    expect(call).toThrow(words);
    expect(process.eventNames()).toHaveLength(before);
  });

  it.each([undefined, {}, "worker"])("refuses %j for a worker", (given) => {
    expect(() => stopOnSignals(given as typeof worker)).toThrow("Expected `worker` to be a worker");
  });

  it("takes its listeners away again", () => {
    const before = process.listenerCount("SIGUSR2");
    const remove = stopOnSignals(worker, { signals: ["SIGUSR2"] });
    expect(process.listenerCount("SIGUSR2")).toBe(before + 1);
    remove();
    expect(process.listenerCount("SIGUSR2")).toBe(before);
  });
});
