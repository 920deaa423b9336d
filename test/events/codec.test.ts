import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { WorkerEvent } from "../../src/core/events.ts";
import { MAX_BYTES, decode, encode } from "../../src/events/codec.ts";
import type { Chunk } from "../../src/events/codec.ts";
import { outbound } from "../../src/events/outbound.ts";
import { event, job, worker } from "./arbitrary.ts";

const STREAM = "a1b2c3d4";

/** What other processes read of some texts. */
function read(texts: readonly string[]): readonly Chunk[] {
  return texts.map((text) => {
    const chunk = decode(text);
    if (typeof chunk !== "object")
      throw new Error(`Expected a chunk, got ${String(chunk)}: ${text.slice(0, 200)}`);
    return chunk;
  });
}

const REF = { id: "1", kind: "k", queue: "q", source: undefined, attempt: 1, maxAttempts: 3 };

const begun = (id: string, more: object = {}): WorkerEvent => ({
  type: "attempt-started",
  job: { id, kind: "extract", queue: "default", source: undefined, attempt: 1, maxAttempts: 3, ...more },
  waitMs: 1,
});

describe("encode", () => {
  it("writes what decode reads, in order, in texts that Postgres takes", () => {
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 120 }),
        worker,
        fc.integer({ min: 1, max: 1e12 }),
        (told, from, first) => {
          const events = told.flatMap(outbound);
          const texts = encode({ stream: STREAM, worker: from, first, events });
          const chunks = read(texts);
          for (const text of texts) expect(Buffer.byteLength(text)).toBeLessThanOrEqual(MAX_BYTES);
          expect(chunks.flatMap((chunk) => chunk.events)).toStrictEqual(events);
          let next = first;
          for (const chunk of chunks) {
            expect(chunk).toMatchObject({ stream: STREAM, worker: from, first: next });
            next += chunk.events.length;
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it("needs some ten bytes for each of many equal events", () => {
    const events = Array.from({ length: 1_000 }, (_, index) => begun(String(9_000_000 + index)));
    const texts = encode({ stream: STREAM, worker: { id: "7", label: "host-1" }, first: 1, events });
    expect(texts.join("").length).toBeLessThan(10 * events.length);
    expect(read(texts).flatMap((chunk) => chunk.events)).toStrictEqual(events);
  });

  it("keeps ids beyond 2^53, between small ones too", () => {
    const ids = ["1", "9007199254740993", "9223372036854775807", "2", "9007199254740991", "9007199254740992"];
    const texts = encode({
      stream: STREAM,
      worker: { id: "7", label: "x" },
      first: 1,
      events: ids.map((id) => begun(id)),
    });
    expect(texts).toHaveLength(1);
    expect(read(texts).flatMap((chunk) => chunk.events)).toStrictEqual(ids.map((id) => begun(id)));
  });

  it("fills each text nearly", () => {
    const source = "字'\"\\".repeat(50);
    const events = Array.from({ length: 200 }, (_, index) =>
      begun(String(index + 1), { source, kind: `kind ${index % 3}` }),
    );
    const texts = encode({ stream: STREAM, worker: { id: "7", label: "x" }, first: 1, events });
    const full = texts.slice(0, -1).map((text) => Buffer.byteLength(text));
    expect(Math.min(...full)).toBeGreaterThan(MAX_BYTES - 600);
    expect(Math.max(...full)).toBeLessThanOrEqual(MAX_BYTES);
    expect(read(texts).flatMap((chunk) => chunk.events)).toStrictEqual(events);
  });

  it("tells the next number where there is no event", () => {
    const chunk: Chunk = { stream: STREAM, worker: { id: "7", label: "x" }, first: 12, events: [] };
    expect(read(encode(chunk))).toEqual([chunk]);
  });

  it("skips the number of an event that no notification can hold", () => {
    const events = [begun("1"), begun("2", { source: "x".repeat(9_000) }), begun("3")];
    const chunks = read(encode({ stream: STREAM, worker: { id: "7", label: "x" }, first: 1, events }));
    expect(chunks.map(({ first, events: { length } }) => [first, length])).toEqual([
      [1, 1],
      [3, 1],
    ]);
  });
});

describe("decode", () => {
  it("never throws, and takes what is not ours for nothing", () => {
    const garbage = [
      "",
      "{",
      "null",
      "[]",
      "7",
      '"x"',
      "{}",
      '["a"]',
      "w:0",
      '[1,"a"]',
      "[1,2,3,4,5]",
      '[1,"a","b","c","d"]',
    ];
    for (const text of garbage) expect([text, decode(text)]).toEqual([text, undefined]);
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => void decode(text)));
  });

  it("tells what another version wrote", () => {
    expect(decode('[2,"a"]')).toBe("unreadable");
    const head = '[1,"a","7","x",1';
    for (const item of [
      '{"type":"invented"}',
      "7",
      "[9]",
      '[0,"k","q",3,1]',
      '{"type":"failed","job":7}',
      "null",
    ]) {
      expect([item, decode(`${head},${item}]`)]).toEqual([item, "unreadable"]);
    }
  });
});

describe("outbound", () => {
  it("leaves out results and stacks, and cuts long texts", () => {
    expect(outbound({ type: "succeeded", job: REF, durationMs: 1.23456, result: { secret: 1 } })).toEqual([
      { type: "succeeded", job: REF, durationMs: 1.23, result: undefined },
    ]);
    const error = { name: "Error", message: "x".repeat(2_000), stack: "at …" };
    const [told] = outbound({ type: "failed", job: REF, durationMs: 1, error });
    expect(told).toEqual({
      type: "failed",
      job: REF,
      durationMs: 1,
      error: { name: "Error", message: `${"x".repeat(499)}…` },
    });
  });

  it.each([
    ["a number", 7, 7],
    ["a text", "half", "half"],
    ["null", null, null],
    ["an object", { done: 3, of: 4 }, { done: 3, of: 4 }],
    ["a Date", new Date(0), "1970-01-01T00:00:00.000Z"],
  ])("passes progress that is %s", (_, value, told) => {
    expect(outbound({ type: "progress", job: REF, value })).toEqual([
      { type: "progress", job: REF, value: told },
    ]);
  });

  it.each([
    ["undefined", undefined],
    ["a long text", "x".repeat(2_000)],
    ["a long array", Array.from({ length: 600 }, () => 1)],
    ["a bigint", 10n],
    ["a function", () => 1],
  ])("leaves out progress that is %s", (_, value) => {
    expect(outbound({ type: "progress", job: REF, value })).toEqual([
      { type: "progress", job: REF, value: undefined },
    ]);
  });

  it("splits long lists of jobs, and leaves none out", () => {
    fc.assert(
      fc.property(fc.array(job, { minLength: 1, maxLength: 200 }), (interrupted) => {
        const parts = outbound({ type: "drain-timed-out", interrupted });
        expect(parts.flatMap((part) => (part.type === "drain-timed-out" ? part.interrupted : []))).toEqual(
          interrupted,
        );
        for (const part of parts)
          expect(
            encode({ stream: STREAM, worker: { id: "7", label: "x" }, first: 1, events: [part] }),
          ).toHaveLength(1);
      }),
      { numRuns: 50 },
    );
  });

  it("tells as many queues and kinds of a worker as fit", () => {
    const kinds = Array.from({ length: 500 }, (_, index) => `kind ${index}`);
    const [told] = outbound({
      type: "started",
      workerId: "1",
      label: "x",
      queues: ["default"],
      kinds,
      concurrency: 1,
      pollIntervalMs: 1,
      leaseDurationMs: 1,
      maxAttempts: 1,
    });
    if (told?.type !== "started") throw new Error("Expected an event");
    expect(told.queues).toEqual(["default"]);
    expect(told.kinds.length).toBeGreaterThan(100);
    expect(told.kinds).toEqual(kinds.slice(0, told.kinds.length));
  });
});
