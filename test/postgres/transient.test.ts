import { describe, expect, it } from "vitest";
import { isTransient } from "../../src/postgres/transient.ts";

function coded(code: string, message = "no"): Error {
  return Object.assign(new Error(message), { code });
}

describe("isTransient", () => {
  it.each([
    "08006",
    "08P01",
    "53300",
    "53100",
    "57P01",
    "57P02",
    "57P03",
    "40001",
    "40P01",
    "40003",
    "55P03",
    "57014",
    "25006",
  ])("says yes to SQLSTATE %s", (code) => expect(isTransient(coded(code))).toBe(true));

  it.each([
    "ECONNRESET",
    "ECONNREFUSED",
    "EPIPE",
    "ETIMEDOUT",
    "EHOSTUNREACH",
    "ENETUNREACH",
    "ENOTFOUND",
    "EAI_AGAIN",
  ])("says yes to %s", (code) => expect(isTransient(coded(code))).toBe(true));

  it.each([
    "Connection terminated",
    "Connection terminated unexpectedly",
    "Connection terminated due to connection timeout",
    "Query read timeout",
    "timeout exceeded when trying to connect",
    "Client has encountered a connection error and is not queryable",
    "Client was closed and is not queryable",
    "cached plan must not change result type",
  ])("says yes to node-postgres' %j", (message) => expect(isTransient(new Error(message))).toBe(true));

  it.each(["28P01", "3D000", "42501", "42P01", "42703", "22P02", "23505", "23514", "54000", "0A000"])(
    "says no to SQLSTATE %s",
    (code) => expect(isTransient(coded(code))).toBe(false),
  );

  it.each([new TypeError("x is not a function"), undefined, null, "08006", 8, {}, { code: "08006" }])(
    "says no to %s",
    (value) => expect(isTransient(value)).toBe(false),
  );

  it("looks into causes and aggregates, and is not caught in a circle", () => {
    expect(isTransient(new Error("outer", { cause: coded("ECONNRESET") }))).toBe(true);
    expect(isTransient(new AggregateError([coded("x"), coded("ECONNREFUSED")], ""))).toBe(true);
    const circle = new Error("circle");
    circle.cause = circle;
    expect(isTransient(circle)).toBe(false);
  });
});
