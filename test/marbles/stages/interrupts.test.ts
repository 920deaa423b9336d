import { describe, expect, it } from "vitest";
import type { Interrupt } from "../../../src/core/interrupt.ts";
import { interrupts } from "../../../src/stages/interrupts.ts";
import { aJob } from "../../../src/testing/index.ts";

const a = aJob({ id: "1", token: 1 });
const b = aJob({ id: "2", token: 1 });

const ofA: Interrupt = { reason: "cancelled", claim: { id: "1", token: 1 } };
const ofAll: Interrupt = { reason: "shutdown" };

/** What an attempt hears, from now on. */
function hear(orders: ReturnType<typeof interrupts>, job: typeof a) {
  const heard: Interrupt[] = [];
  const subscription = orders.of(job).subscribe((interrupt) => heard.push(interrupt));
  return { heard, leave: () => subscription.unsubscribe() };
}

describe("interrupts", () => {
  it("hands each order to the attempt that it is for, and those for all to all", () => {
    const orders = interrupts();
    const [first, second] = [hear(orders, a), hear(orders, b)];
    orders.give(ofA);
    orders.give(ofAll);
    expect(first.heard).toEqual([ofA, ofAll]);
    expect(second.heard).toEqual([ofAll]);
  });

  it("tells attempts that begin later of an order for all", () => {
    const orders = interrupts();
    orders.give(ofAll);
    expect(hear(orders, a).heard).toEqual([ofAll]);
  });

  it("tells an attempt of an order that came before it began, once", () => {
    const orders = interrupts();
    orders.give(ofA);
    expect(hear(orders, b).heard).toEqual([]);
    expect(hear(orders, a).heard).toEqual([ofA]);
    expect(hear(orders, a).heard).toEqual([]);
  });

  it("keeps an order from the next claim of the same job", () => {
    const orders = interrupts();
    orders.give(ofA);
    expect(hear(orders, aJob({ id: "1", token: 2 })).heard).toEqual([]);
  });

  it("says nothing to those that have left", () => {
    const orders = interrupts();
    const first = hear(orders, a);
    first.leave();
    orders.give(ofAll);
    expect(first.heard).toEqual([]);
  });

  it("remembers the last 10,000 orders for attempts that have not begun", () => {
    const orders = interrupts();
    for (let id = 1; id <= 10_001; id += 1) {
      orders.give({ reason: "cancelled", claim: { id: String(id), token: 1 } });
    }
    expect(hear(orders, a).heard).toEqual([]);
    expect(hear(orders, b).heard).toHaveLength(1);
  });
});
