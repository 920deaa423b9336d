import { TestScheduler } from "rxjs/testing";
import { describe, expect, it } from "vitest";
import type { ClusterEvent } from "../../src/events/cluster-event.ts";
import type { Chunk } from "../../src/events/codec.ts";
import { gaps } from "../../src/events/gaps.ts";
import { succeeded } from "./fixtures.ts";

const worker = { id: "7", label: "one" };

/** A chunk of a stream whose jobs have the numbers as ids. */
function chunk(first: number, count: number, stream = "s"): Chunk {
  return {
    stream,
    worker,
    first,
    events: Array.from({ length: count }, (_, index) => succeeded(first + index)),
  };
}

const told = (id: number): ClusterEvent => ({ ...succeeded(id), worker });
const gap = (missed: number): ClusterEvent => ({ type: "gap", missed, worker });

function check(
  chunks: string,
  values: Record<string, Chunk>,
  result: string,
  events: Record<string, ClusterEvent>,
): void {
  new TestScheduler((actual, expected) => expect(actual).toEqual(expected)).run(
    ({ cold, expectObservable }) => {
      expectObservable(cold(chunks, values).pipe(gaps())).toBe(result, events);
    },
  );
}

describe("gaps", () => {
  it("takes chunks apart, leaves out repeats and tells where numbers skip", () => {
    check(
      "     --a----b-c-----d----",
      { a: chunk(1, 2), b: chunk(2, 2), c: chunk(6, 2), d: chunk(9, 1) },
      "     --(12)-3-(g67)-(h9)-",
      { 1: told(1), 2: told(2), 3: told(3), g: gap(2), 6: told(6), 7: told(7), h: gap(1), 9: told(9) },
    );
  });

  it("begins where a stream is first heard of, and learns from a chunk without events", () => {
    check("-a-b-c-", { a: chunk(40, 1), b: chunk(45, 0), c: chunk(45, 1) }, "-x-g-y-", {
      x: told(40),
      g: gap(4),
      y: told(45),
    });
  });

  it("keeps the numbers of streams apart", () => {
    check("-a-b-c-", { a: chunk(1, 1), b: chunk(7, 1, "t"), c: chunk(2, 1) }, "-x-y-z-", {
      x: told(1),
      y: told(7),
      z: told(2),
    });
  });

  it("leaves out a chunk that is known from end to end", () => {
    check("-a-b---c-", { a: chunk(1, 3), b: chunk(1, 2), c: chunk(4, 1) }, "-(123)-4-", {
      1: told(1),
      2: told(2),
      3: told(3),
      4: told(4),
    });
  });

  it("forgets a stream when its worker has exited", () => {
    const end: Chunk = { stream: "s", worker, first: 2, events: [{ type: "exited", outcome: "drained" }] };
    check("-a-b-c-", { a: chunk(1, 1), b: end, c: chunk(9, 1) }, "-x-e-z-", {
      x: told(1),
      e: { type: "exited", outcome: "drained", worker },
      z: told(9),
    });
  });

  it("ends and fails with its source", () => {
    check("-a-|", { a: chunk(1, 1) }, "-x-|", { x: told(1) });
    check("-#", {}, "-#", {});
    check("|", {}, "|", {});
    check("---", {}, "---", {});
  });
});
