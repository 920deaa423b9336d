import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fifo } from "../../../src/rx/fifo.ts";

describe("fifo", () => {
  it("gives what an array would, whatever is added and taken in turn", () => {
    const step = fc.oneof(
      fc.record({ push: fc.integer({ min: 1, max: 20 }) }),
      fc.record({ take: fc.oneof(fc.integer({ min: 0, max: 12 }), fc.constant(Infinity)) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const queue = fifo<number>();
        let model: number[] = [];
        let next = 0;
        for (const one of steps) {
          if ("push" in one) {
            for (let n = 0; n < one.push; n += 1) {
              queue.push(next);
              model.push(next);
              next += 1;
            }
          } else {
            expect(queue.take(one.take)).toEqual(model.slice(0, one.take));
            model = model.slice(one.take);
          }
          expect(queue.size()).toBe(model.length);
        }
      }),
    );
  });

  it("does not change what it gave away", () => {
    const queue = fifo<string>();
    queue.push("a");
    const taken = queue.take(5);
    queue.push("b");
    expect(taken).toEqual(["a"]);
  });
});
