import { EMPTY, NEVER, interval } from "rxjs";
import { describe, expect, it } from "vitest";
import { OptionError } from "../../src/core/errors.ts";
import { aContext, aJob, marbles, memoryStore, record, virtualWorker } from "../../src/testing/index.ts";
import { aNewJob } from "../../src/testing/new-job.ts";

/** Hands a value to a call that would not take it, as JavaScript would. */
const as = (value: unknown): never => value as never;

describe("millrace/testing", () => {
  it.each<[string, () => unknown, string]>([
    [
      "record",
      () => record(EMPTY, as({ result: true })),
      'Unknown option "result" (string) in the record options',
    ],
    ["record", () => record(EMPTY, as({ results: "all" })), "Expected `results` to be true or false"],
    [
      "memoryStore",
      () => memoryStore(as({ nope: 1 })),
      'Unknown option "nope" (string) in the memoryStore options',
    ],
    ["aJob", () => aJob(as({ knd: "mill" })), 'Unknown option "knd" (string) in the fields of aJob'],
    ["aNewJob", () => aNewJob(as({ knd: "mill" })), 'Unknown option "knd" (string) in the fields of aNewJob'],
    [
      "aContext",
      () => aContext(as({ sgnal: 1 })),
      'Unknown option "sgnal" (string) in the fields of aContext',
    ],
    ["marbles", () => marbles(as(undefined)), "Expected `fn` to be a function, got undefined"],
  ])("refuses what %s does not know", (_, call, message) => {
    expect(call).toThrow(OptionError);
    expect(call).toThrow(message);
  });

  it("says of a worker that nobody stops that it has to be stopped", () => {
    const endless = (): void =>
      marbles(({ expectObservable }) => {
        const worker = virtualWorker({ handlers: { mill: () => NEVER }, wakeup$: interval(1) });
        expectObservable(worker.event$).toBe("a");
      });
    expect(endless).toThrow('a worker has to be stopped, such as by worker.shutdown("30s")');
  });
});
